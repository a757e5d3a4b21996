//! APPEND and REPLACE as values.

use super::Name;
use crate::mail::{FlagList, InternalDate, SetNumber};

/// Arguments of APPEND.
#[derive(Clone, Debug, PartialEq)]
pub struct AppendArgs {
    /// Target mailbox.
    pub mailbox: Name,
    /// Flags; `\Recent` in the list is ignored.
    pub flags: FlagList,
    /// INTERNALDATE, if given.
    pub date: Option<InternalDate>,
    /// Size of the literal, whose octets were streamed beside the command (see `fragment`).
    pub size: u64,
}

/// Arguments of REPLACE (RFC 8508 section 3).
#[derive(Clone, Debug, PartialEq)]
pub struct ReplaceArgs {
    /// UID REPLACE.
    pub uid: bool,
    /// The message to be replaced: its number or UID, or `*`.
    pub message: SetNumber,
    /// What takes its place, and where.
    pub append: AppendArgs,
}
