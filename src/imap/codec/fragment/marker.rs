//! What the end of a line says about the literal that follows it.

use super::Piece;
use crate::imap::codec::chars;

/// `literal = "{" number64 ["+"] "}" CRLF *CHAR8`; `literal8 = "~{" number64 "}" CRLF *OCTET` (RFC 9051 section 9, with the
/// `+` that RFC 7888 also gives to literal8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// Octets in the literal; `None` when the number does not fit.
    pub(super) size: Option<u64>,
    /// Whether the client waits for a continuation.
    pub(super) sync: bool,
}

impl Marker {
    /// The octets that a marker with a sane number takes at most, with a CR after it.
    pub(super) const LONGEST: usize = 32;

    /// The marker at the end of `line` (without its line end). `cut`: the start of the line is gone, so that a number
    /// that reaches back to it is too long to be a number.
    pub(super) fn at_end(line: &[u8], cut: bool) -> Option<Self> {
        let body = line.strip_suffix(b"}")?;
        let (body, sync) = body.strip_suffix(b"+").map_or((body, true), |body| (body, false));
        let start = body.iter().rposition(|b| !b.is_ascii_digit());
        let digits = match start {
            Some(brace) if body.get(brace) == Some(&b'{') => body.get(brace + 1..)?,
            None if cut => return (!body.is_empty()).then_some(Self { size: None, sync }),
            _ => return None,
        };
        if digits.is_empty() {
            return None;
        }
        let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        Some(Self { size: digits.iter().try_fold(0, add), sync })
    }
}

/// The tag that a line begins with.
pub(super) fn tag(line: &[u8]) -> Option<Vec<u8>> {
    let end = line.iter().position(|b| !chars::is_tag(*b))?;
    (end > 0 && line[end] == b' ').then(|| line[..end].to_vec())
}

/// Whether the literal announced at the end of `text` is the message of an APPEND (and not its mailbox name): the line
/// begins with `tag SP "APPEND" SP` and the mailbox argument is complete.
pub(super) fn is_append_message(pieces: &[Piece], text: &[u8]) -> bool {
    let first = match pieces.first() {
        Some(Piece::Text(first)) => first.as_slice(),
        Some(_) => return false,
        None => text,
    };
    let Some(space) = first.iter().position(|b| *b == b' ') else { return false };
    let rest = first.get(space + 1..).unwrap_or_default();
    let Some((word, mailbox)) = rest.split_at_checked(b"APPEND ".len()) else { return false };
    if !word.eq_ignore_ascii_case(b"APPEND ") {
        return false;
    }
    match mailbox.first() {
        Some(b'"') => quoted_is_complete(mailbox),
        Some(b'{' | b'~') => !pieces.is_empty(),
        _ => mailbox.contains(&b' '),
    }
}

fn quoted_is_complete(quoted: &[u8]) -> bool {
    let mut rest = quoted.iter().skip(1);
    while let Some(b) = rest.next() {
        match b {
            b'"' => return true,
            b'\\' => rest.next(),
            _ => None,
        };
    }
    false
}
