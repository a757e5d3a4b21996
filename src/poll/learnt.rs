//! What is learnt about a server from one session to the next; forgotten when the service stops.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::drive::Tally;
use super::known::HeaderKey;
use super::policy::DAY;
use crate::pop3::{self, ErrorKind, Method, Misbehavior};

/// Messages that a dry run keeps in mind.
const MAX_TOLD: usize = 1_000_000;

/// What was learnt about a maildrop.
#[derive(Debug)]
pub(super) struct Learnt {
    /// False once the server hung or closed on CAPA.
    pub(super) use_capa: bool,
    /// False once the server fell silent with several commands before it.
    pub(super) use_pipelining: bool,
    /// False once the server hung or closed on TOP twice, or does not know it.
    pub(super) use_top: bool,
    /// Sessions in a row that ended during TOP, with no answer to it between them: one may be a lost link.
    pub(super) top_failures: u32,
    /// STAT, UIDL and LIST contradicted each other: what a server shows once more, it shows always.
    pub(super) doubtful_listing: bool,
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
            use_pipelining: true,
            use_top: true,
            top_failures: 0,
            doubtful_listing: false,
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
    /// Learns from a failure, and from what is known of the session that failed. True: another attempt at once is worth it. Each lesson
    /// is learnt once, so that attempts end.
    pub(super) fn learn_from(&mut self, error: &Error, tally: Tally) -> bool {
        let Error::Session(error) = error else { return false };
        if *error == pop3::Error::NoMethod && self.method.take().is_some() {
            return true;
        }
        if error.kind() == ErrorKind::Auth {
            // The server may have changed what it offers.
            self.method = None;
        }
        let hung_up = matches!(error, pop3::Error::Closed { verb } if verb.is_login());
        if let Some(method) =
            tally.login.filter(|method| hung_up && method.is_challenge_response() && self.avoid.is_empty())
        {
            // A method that is announced and broken, not a wrong password: that is said at the end of an exchange.
            self.avoid.push(method);
            return true;
        }
        if self.use_capa && error.is_about_capa() {
            self.use_capa = false;
            return true;
        }
        if self.use_top && tally.during_top {
            self.top_failures += 1;
            self.use_top = self.top_failures < 2;
            return true;
        }
        let merged = matches!(error, pop3::Error::Misbehavior(Misbehavior::MergedMessages(_)));
        if self.use_pipelining && merged {
            // One at a time, a message is what comes, whatever LIST says.
            self.use_pipelining = false;
            return true;
        }
        if self.use_pipelining && tally.pipelining && matches!(error, pop3::Error::Timeout { .. }) {
            self.use_pipelining = false;
            return !tally.listed;
        }
        false
    }

    /// Forgets what is of no use any more.
    pub(super) fn tidy(&mut self, now: i64) {
        self.undead.retain(|_, at| now.saturating_sub(*at) < DAY);
        if self.told.len() > MAX_TOLD {
            self.told.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pop3::Verb;

    #[test]
    fn each_lesson_is_learnt_once() {
        let by = |method| Tally { login: Some(method), ..Tally::default() };
        let closed = |verb| Error::Session(pop3::Error::Closed { verb });
        let mut learnt = Learnt { method: Some(Method::Plain), ..Learnt::default() };
        let during_top = Tally { during_top: true, ..Tally::default() };
        for (verb, tally, times) in [(Verb::Capa, Tally::default(), 1), (Verb::Top, during_top, 2)] {
            (0..times).for_each(|_| assert!(learnt.learn_from(&closed(verb), tally)));
            assert!(!learnt.learn_from(&closed(verb), tally));
        }
        assert!(!learnt.use_capa && !learnt.use_top);
        assert!(!learnt.learn_from(&closed(Verb::Retr), Tally::default()));
        assert_eq!(learnt.method, Some(Method::Plain));
        assert!(
            learnt.learn_from(&Error::Session(pop3::Error::NoMethod), Tally::default()),
            "what worked is not offered any more"
        );
        assert!(!learnt.learn_from(&Error::Session(pop3::Error::NoMethod), Tally::default()));
        assert!(!learnt.learn_from(&closed(Verb::Auth), by(Method::Plain)), "a wrong password is tried once");
        assert!(learnt.learn_from(&closed(Verb::Auth), by(Method::CramMd5)));
        assert_eq!(learnt.avoid, [Method::CramMd5]);
        assert!(!learnt.learn_from(&closed(Verb::Auth), by(Method::ScramSha1)), "and no further");
    }

    #[test]
    fn a_server_that_falls_silent_is_asked_one_thing_at_a_time() {
        let silent = Error::Session(pop3::Error::Timeout { verb: Verb::Uidl });
        let mut learnt = Learnt::default();
        assert!(!learnt.learn_from(&silent, Tally::default()));
        assert!(learnt.use_pipelining);
        let pipelining = Tally { pipelining: true, ..Tally::default() };
        assert!(learnt.learn_from(&silent, pipelining));
        assert!(!learnt.use_pipelining && !learnt.learn_from(&silent, pipelining));
        let mut later = Learnt::default();
        let listed = Tally { listed: true, ..pipelining };
        assert!(!later.learn_from(&silent, listed), "what was fetched is fetched; the rest has time");
        assert!(!later.use_pipelining);
    }

    #[test]
    fn messages_that_run_together_are_asked_for_one_at_a_time() {
        let merged = Error::Session(Misbehavior::MergedMessages(3).into());
        let mut learnt = Learnt::default();
        assert!(learnt.learn_from(&merged, Tally { listed: true, ..Tally::default() }));
        assert!(!learnt.use_pipelining && !learnt.learn_from(&merged, Tally::default()));
    }

    #[test]
    fn what_was_looked_at_is_forgotten_after_a_day() {
        let mut learnt = Learnt::default();
        learnt.undead.extend([(b"a".to_vec(), 0), (b"b".to_vec(), 1)]);
        learnt.tidy(DAY);
        assert_eq!(learnt.undead.keys().collect::<Vec<_>>(), [b"b"]);
    }
}
