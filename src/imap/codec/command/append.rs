//! APPEND and REPLACE as values.

use super::Name;
use crate::mail::{FlagList, InternalDate, SetNumber};

/// Arguments of APPEND.
#[derive(Clone, Debug, PartialEq)]
pub struct AppendArgs {
    /// Target mailbox.
    pub mailbox: Name,
    /// One message, or several (MULTIAPPEND, RFC 3502); never none.
    pub messages: Vec<AppendMessage>,
}

/// One message of an APPEND (RFC 4466 section 6.1 `append-message`).
#[derive(Clone, Debug, PartialEq)]
pub struct AppendMessage {
    /// Flags; `\Recent` in the list is ignored.
    pub flags: FlagList,
    /// INTERNALDATE, if given.
    pub date: Option<InternalDate>,
    /// What it is made of, in order: one literal, unless it is catenated.
    pub parts: Vec<AppendPart>,
    /// Given by CATENATE (RFC 4469).
    pub catenated: bool,
}

/// Octets of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendPart {
    /// The size of a literal whose octets were streamed beside the command (see `fragment`).
    Literal(u64),
    /// An IMAP URL (RFC 5092) as sent.
    Url(Vec<u8>),
}

/// Arguments of REPLACE (RFC 8508 section 3).
#[derive(Clone, Debug, PartialEq)]
pub struct ReplaceArgs {
    /// UID REPLACE.
    pub uid: bool,
    /// The message to be replaced: its number or UID, or `*`.
    pub message: SetNumber,
    /// What takes its place, and where: one message.
    pub append: AppendArgs,
}
