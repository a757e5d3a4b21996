//! SELECT and EXAMINE as values.

use std::num::NonZeroU32;

use super::Name;
use crate::mail::{ModSeq, SequenceSet};

/// Arguments of SELECT and EXAMINE.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectArgs {
    /// The mailbox.
    pub mailbox: Name,
    /// The name as the client wrote it, where that is not in NFC.
    pub denormalized: Option<String>,
    /// `(CONDSTORE)` (RFC 7162 section 3.1.8).
    pub condstore: bool,
    /// `(QRESYNC (...))` (RFC 7162 section 3.2.5).
    pub qresync: Option<Qresync>,
}

/// What a client that comes back says it knows (RFC 7162 section 3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qresync {
    /// The last known UIDVALIDITY.
    pub uid_validity: NonZeroU32,
    /// The last known mod-sequence; 0 for none, which clients send.
    pub mod_seq: ModSeq,
    /// The known UIDs, without `*`; all where none are given.
    pub known: Option<SequenceSet>,
    /// Message sequence match data (section 3.2.5.2): sequence numbers and their UIDs, both without `*`.
    pub matches: Option<(SequenceSet, SequenceSet)>,
}
