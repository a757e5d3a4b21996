//! SKELETON: stage two of the codec.
#![allow(missing_docs, unused_variables, clippy::todo)]

use super::command::Tagged;
use super::fragment::Piece;

/// Why a command could not be read; answered `BAD` with the tag if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub tag: Option<Vec<u8>>,
    pub message: &'static str,
}

/// Parses a complete command. `utf8`: mailbox names are UTF-8 (after ENABLE UTF8=ACCEPT or IMAP4rev2), else modified UTF-7.
pub fn parse(pieces: &[Piece], utf8: bool) -> Result<Tagged, SyntaxError> {
    todo!()
}

/// Parses the head of an APPEND up to its message literal (`Event::AppendLiteral::head`), for early refusal.
pub fn parse_append_head(pieces: &[Piece], utf8: bool) -> Result<Tagged, SyntaxError> {
    todo!()
}
