//! What a check finds, and what can be done about it.

use std::fmt;

use crate::mail::{BodyId, MailboxId, UserId};

/// Something that is not as it must be. Names ids, never message text or addresses (I10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is, in one line.
    pub what: String,
    /// What makes it right; `None` where that would be a guess.
    pub fix: Option<Fix>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<String> for Problem {
    fn from(what: String) -> Self {
        Self { what, fix: None }
    }
}

/// What can be rebuilt from rows and octets that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fix {
    /// The views of a user's accounts, from INBOX: before what is counted.
    Twins(UserId),
    /// The counters of a mailbox, UIDNEXT and HIGHESTMODSEQ, from its message rows and expunge log.
    Counters(MailboxId),
    /// What a user has stored, from the counters of the mailboxes: after these.
    Usage(UserId),
    /// Names to mailboxes, from the mailboxes.
    Names,
    /// The next ids and UIDVALIDITY to give out, from those in use.
    Ids,
    /// Reference counts and the index of hashes, from message rows and bodies.
    References,
    /// The record of a body, from its octets.
    Record(BodyId),
    /// Pieces that belong to no body: they go.
    Stray(BodyId),
}

/// What is derived from the octets of a message: its record.
pub trait Derive {
    /// Takes more octets.
    fn feed(&mut self, octets: &[u8]);

    /// The end of the message.
    fn finish(self: Box<Self>) -> super::Record;
}

/// Begins a derivation.
pub type Deriving<'f> = &'f (dyn Fn() -> Box<dyn Derive> + Send + Sync);
