//! The strings of a search key in the charset that the command names (RFC 9051 section 6.4.4).

use crate::imap::codec::command::SearchKey;
use crate::imap::error::CommandError;
use crate::mime::decode_named;

/// Makes the strings UTF-8. Without a charset they are taken for that already.
pub(super) fn convert(key: &mut SearchKey, charset: Option<&str>) -> Result<(), CommandError> {
    let Some(charset) = charset else { return Ok(()) };
    // Also where there is no string to convert.
    let known = decode_named(charset, b"").and_then(|_| each(key, charset));
    known.ok_or_else(|| CommandError::NoWith("BADCHARSET (US-ASCII UTF-8)".to_owned(), "Unknown charset"))
}

fn each(key: &mut SearchKey, charset: &str) -> Option<()> {
    match key {
        SearchKey::And(keys) => keys.iter_mut().try_for_each(|key| each(key, charset)),
        SearchKey::Or(a, b) => each(a, charset).and_then(|()| each(b, charset)),
        SearchKey::Not(key) => each(key, charset),
        SearchKey::Address(_, value)
        | SearchKey::Header(_, value)
        | SearchKey::Body(value)
        | SearchKey::Text(value) => {
            *value = decode_named(charset, value)?.into_bytes();
            Some(())
        }
        _ => Some(()),
    }
}
