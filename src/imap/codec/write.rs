//! SKELETON: values to wire bytes. All append to `out`.
#![allow(missing_docs, unused_variables, clippy::todo)]

use crate::mail::{InternalDate, MailboxName, UidSet};
use crate::mime;

/// NIL, quoted or literal, whichever the bytes need: never raw 8-bit, NUL or CR/LF in a quoted string.
pub fn nstring(out: &mut Vec<u8>, value: Option<&[u8]>) {
    todo!()
}
pub fn string(out: &mut Vec<u8>, value: &[u8]) {
    todo!()
}
/// `{n}` CRLF and the bytes.
pub fn literal(out: &mut Vec<u8>, value: &[u8]) {
    todo!()
}
/// Atom where possible, else quoted (names that can be quoted are never literals). UTF-8 or modified UTF-7.
pub fn mailbox(out: &mut Vec<u8>, name: &str, utf8: bool) {
    todo!()
}
/// `1:3,5`; nothing for an empty set.
pub fn uid_set(out: &mut Vec<u8>, set: &UidSet) {
    todo!()
}
/// `"17-Jul-1996 02:44:25 -0700"`, quoted, day padded with a space.
pub fn date_time(out: &mut Vec<u8>, date: &InternalDate) {
    todo!()
}
pub fn number(out: &mut Vec<u8>, value: u64) {
    todo!()
}
/// `(date subject from sender reply-to to cc bcc in-reply-to message-id)`.
pub fn envelope(out: &mut Vec<u8>, envelope: &mime::Envelope) {
    todo!()
}
/// BODYSTRUCTURE when `extended`, else BODY.
pub fn body_structure(out: &mut Vec<u8>, part: &mime::Part, extended: bool) {
    todo!()
}
