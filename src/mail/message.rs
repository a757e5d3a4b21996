//! What the store knows of one message in one mailbox.

use super::{AccountId, BodyId, Flags, KeywordSet, MailboxId, ModSeq, ThreadId, Uid};

/// When the server received a message (RFC 9051 section 2.3.3), with the zone it was given in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InternalDate {
    /// Seconds since 1970-01-01 UTC.
    pub unix: i64,
    /// Zone east of UTC, in minutes, as APPEND gave it.
    pub offset_minutes: i16,
}

/// One message in one mailbox: everything but its bytes and what is derived from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its identifier in this mailbox.
    pub uid: Uid,
    /// System flags.
    pub flags: Flags,
    /// Keywords, as rows of the user's keyword table.
    pub keywords: KeywordSet,
    /// Mod-sequence of its last change.
    pub mod_seq: ModSeq,
    /// INTERNALDATE.
    pub internal_date: InternalDate,
    /// When it was put into this mailbox, seconds since 1970 (RFC 8514 SAVEDATE).
    pub saved: u32,
    /// RFC822.SIZE, in octets.
    pub size: u32,
    /// Its bytes.
    pub body: BodyId,
    /// Its conversation.
    pub thread: ThreadId,
    /// The upstream account it came from, if any.
    pub account: Option<AccountId>,
    /// The same message in another mailbox (unified INBOX and account view share flags).
    pub twin: Option<(MailboxId, Uid)>,
}
