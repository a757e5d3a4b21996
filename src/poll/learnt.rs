//! What is learnt about a server from one session to the next; forgotten when the service stops.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::known::HeaderKey;
use super::plan::DAY;
use crate::pop3::{self, ErrorKind, Method, Verb};

/// What was learnt about a maildrop.
#[derive(Debug)]
pub(super) struct Learnt {
    /// False once the server hung or closed on CAPA.
    pub(super) use_capa: bool,
    /// False once the server hung or closed on TOP, or does not know it.
    pub(super) use_top: bool,
    /// False once the server hung on one of several commands that it had been sent together.
    pub(super) use_pipelining: bool,
    /// The server shows a part of the maildrop at a time.
    pub(super) windowed: bool,
    /// The method by which the last login went well.
    pub(super) method: Option<Method>,
    /// Methods that the server offers and that do not work.
    pub(super) avoid: Vec<Method>,
    /// Unique-ids of messages that turned out to be too long, whatever LIST says.
    pub(super) too_long: HashSet<Vec<u8>>,
    /// When messages were looked at that the server lists although it deleted them, in seconds since 1970.
    pub(super) undead: HashMap<Vec<u8>, i64>,
    /// Headers that several messages without unique-ids share: so many were fetched, and all were known.
    pub(super) settled: HashSet<(HeaderKey, usize)>,
    /// What a dry run has told of already.
    pub(super) told: HashSet<Vec<u8>>,
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            use_capa: true,
            use_top: true,
            use_pipelining: true,
            windowed: false,
            method: None,
            avoid: Vec::new(),
            too_long: HashSet::new(),
            undead: HashMap::new(),
            settled: HashSet::new(),
            told: HashSet::new(),
        }
    }
}

impl Learnt {
    /// Learns from a failure; `login` is the method that was under way. True: another attempt at once is worth it. Each lesson
    /// is learnt once, so that attempts end.
    pub(super) fn from_failure(&mut self, error: &Error, login: Option<Method>) -> bool {
        let Error::Session(error) = error else { return false };
        if error.kind() == ErrorKind::Auth {
            // The server may have changed what it offers.
            self.method = None;
        }
        let hung_up = matches!(error, pop3::Error::Closed { verb } if verb.is_login());
        if let Some(method) = login.filter(|method| hung_up && method.is_challenge_response() && self.avoid.is_empty())
        {
            // A method that is announced and broken, not a wrong password: that is said at the end of an exchange.
            self.avoid.push(method);
            return true;
        }
        let about_top =
            matches!(error, pop3::Error::Closed { verb: Verb::Top } | pop3::Error::Timeout { verb: Verb::Top });
        if self.use_capa && error.is_about_capa() {
            self.use_capa = false;
            return true;
        }
        if self.use_top && about_top {
            self.use_top = false;
            return true;
        }
        // A server that reads the first command of a segment and drops the rest never answers the second.
        let about_pipelining = matches!(error, pop3::Error::Timeout { verb: Verb::Uidl | Verb::List });
        if self.use_pipelining && about_pipelining {
            self.use_pipelining = false;
            return true;
        }
        false
    }

    /// Forgets what is of no use any more.
    pub(super) fn tidy(&mut self, now: i64) {
        self.undead.retain(|_, at| now.saturating_sub(*at) < DAY);
    }
}
