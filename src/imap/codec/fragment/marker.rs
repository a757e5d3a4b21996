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

/// Whether the literal announced at the end of `text` is of a message of APPEND (RFC 3502, RFC 4469) or REPLACE (RFC 8508),
/// and not a mailbox name or a URL: the mailbox argument is complete, and `URL` is not what comes before the literal.
pub(super) fn is_message(pieces: &[Piece], text: &[u8]) -> bool {
    let first = match pieces.first() {
        Some(Piece::Text(first)) => first.as_slice(),
        Some(_) => return false,
        None => text,
    };
    let Some(mailbox) = mailbox_argument(first) else { return false };
    let after = match mailbox.first() {
        Some(b'{' | b'~') => (!pieces.is_empty()).then_some(text),
        Some(b'"') => after_quoted(mailbox),
        _ => mailbox.iter().position(|b| *b == b' ').and_then(|space| mailbox.get(space..)),
    };
    let Some(after) = after else { return false };
    !announces_url(if pieces.is_empty() { after } else { text })
}

/// The rest of the line from the mailbox argument on, after `tag SP "APPEND" SP` or
/// `tag SP ["UID" SP] "REPLACE" SP seq-number SP`.
fn mailbox_argument(line: &[u8]) -> Option<&[u8]> {
    let rest = after_space(line)?;
    if let Some(mailbox) = after_word(rest, b"APPEND ") {
        return Some(mailbox);
    }
    let rest = after_word(rest, b"UID ").unwrap_or(rest);
    after_space(after_word(rest, b"REPLACE ")?)
}

fn after_space(text: &[u8]) -> Option<&[u8]> {
    let space = text.iter().position(|b| *b == b' ')?;
    text.get(space + 1..)
}

fn after_word<'t>(text: &'t [u8], word: &[u8]) -> Option<&'t [u8]> {
    let (found, rest) = text.split_at_checked(word.len())?;
    found.eq_ignore_ascii_case(word).then_some(rest)
}

/// Whether the literal announced at the end of `text` is that of `url = "URL" SP astring` (RFC 4469 section 5).
fn announces_url(text: &[u8]) -> bool {
    let before = text.iter().rposition(|b| *b == b'{').and_then(|brace| text.get(..brace)).unwrap_or_default();
    let word = before.len().checked_sub(b" URL ".len()).and_then(|at| before.get(at..));
    matches!(word, Some([b' ' | b'(', word @ ..]) if word.eq_ignore_ascii_case(b"URL "))
}

/// What follows the quoted string that `text` begins with, if it ends.
fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.get(1..)?;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return None,
        };
    }
}
