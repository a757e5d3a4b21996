//! A command, and the facts about it that the checker needs.

use std::collections::BTreeSet;

use crate::replica::cache::Cache;

pub type Flags = BTreeSet<String>;

/// The messages that a command names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    Nothing,
    Numbers(Vec<(u32, u32)>),
    Uids(Vec<(u32, u32)>),
    /// `$`
    Saved,
}

/// What SEARCH looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    All,
    Has(String),
    Lacks(String),
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// `told`: what the server was told of the cache, so that it says what is missing.
    Select {
        mailbox: String,
        cache: Option<Cache>,
        told: bool,
    },
    /// CLOSE and UNSELECT.
    Leave,
    /// `since`: only what has changed.
    Fetch {
        since: bool,
    },
    Store {
        op: char,
        flags: Flags,
        silent: bool,
    },
    Search {
        key: Key,
        save: bool,
    },
    Copy {
        target: String,
        moves: bool,
    },
    Append {
        mailbox: String,
        bodies: Vec<String>,
    },
    Status,
    Other,
}

#[derive(Clone, Debug)]
pub struct Command {
    pub text: String,
    pub kind: Kind,
    pub names: Names,
    pub by_uid: bool,
    /// Whether expunges may be told while it is answered.
    pub may_expunge: bool,
    pub enables_condstore: bool,
    /// VANISHED (EARLIER) answers it.
    pub asks_earlier: bool,
}

impl Command {
    pub fn new(text: impl Into<String>, kind: Kind) -> Self {
        Self::naming(text, kind, Names::Nothing)
    }

    pub fn naming(text: impl Into<String>, kind: Kind, names: Names) -> Self {
        let text = text.into();
        let by_uid = text.starts_with("UID ");
        // RFC 9051 section 7.5.1; sequence numbers in UID SEARCH: RFC 7162 section 3.2.10.2.
        let may_expunge = match &kind {
            Kind::Fetch { .. } | Kind::Store { .. } => by_uid,
            Kind::Search { .. } => by_uid && !matches!(names, Names::Numbers(_)),
            Kind::Select { .. } | Kind::Leave => false,
            _ => true,
        };
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        Self {
            by_uid,
            may_expunge,
            enables_condstore: has(&["MODSEQ", "CONDSTORE", "UNCHANGEDSINCE", "CHANGEDSINCE", "QRESYNC"]),
            asks_earlier: has(&["(QRESYNC (", " VANISHED)"]),
            text,
            kind,
            names,
        }
    }

    pub fn noop() -> Self {
        Self::new("NOOP", Kind::Other)
    }

    /// Whether EXAMINE forbids it.
    pub fn writes(&self) -> bool {
        let word = self.text.trim_start_matches("UID ");
        ["STORE", "EXPUNGE", "MOVE"].iter().any(|w| word.starts_with(w))
    }

    /// Whether it names the message; `None`: nobody can say.
    pub fn has(&self, number: u32, uid: Option<u32>, saved: &BTreeSet<u32>) -> Option<bool> {
        let within = |ranges: &[(u32, u32)], n: u32| ranges.iter().any(|(low, high)| (*low..=*high).contains(&n));
        match &self.names {
            Names::Nothing => Some(false),
            Names::Numbers(ranges) => Some(within(ranges, number)),
            Names::Uids(ranges) => uid.map(|uid| within(ranges, uid)),
            Names::Saved => uid.map(|uid| saved.contains(&uid)),
        }
    }
}
