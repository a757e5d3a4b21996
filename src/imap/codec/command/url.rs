//! IMAP URLs (RFC 5092) of messages, as CATENATE names them.

use super::{Name, Section};

/// Octets of one message, in a mailbox of the user who names them.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageUrl {
    /// The mailbox; `None`: the selected one.
    pub mailbox: Option<Name>,
    /// The UIDVALIDITY that the mailbox must have, if given.
    pub uid_validity: Option<u32>,
    /// The message.
    pub uid: u32,
    /// Of it this section; all of it without one.
    pub section: Section,
    /// Of that the octets from here on, so many, or to the end.
    pub partial: Option<(u64, Option<u64>)>,
}
