//! A rendered ENVELOPE read back, for records of messages whose header is not at hand.

use std::borrow::Cow;

/// Where In-Reply-To and Message-ID stand in it (RFC 9051 section 7.5.2).
const IN_REPLY_TO: usize = 8;
const MESSAGE_ID: usize = 9;

/// The values of Message-ID and In-Reply-To.
pub(super) fn message_ids(envelope: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut strings = strings(envelope);
    let mut take = |at| strings.get_mut(at).and_then(Option::take).map(Cow::into_owned);
    (take(MESSAGE_ID), take(IN_REPLY_TO))
}

/// The members of the outer list; `None` for those that are no strings. Ends early where the text is no such list.
fn strings(envelope: &[u8]) -> Vec<Option<Cow<'_, [u8]>>> {
    let (mut rest, mut depth, mut found) = (envelope, 0_usize, Vec::new());
    while let Some((first, after)) = rest.split_first() {
        let value = match first {
            b'(' => {
                depth += 1;
                rest = after;
                if depth == 2 { None } else { continue }
            }
            b')' => {
                (depth, rest) = (depth.saturating_sub(1), after);
                continue;
            }
            b' ' => {
                rest = after;
                continue;
            }
            b'"' => {
                let Some((value, next)) = quoted(after) else { break };
                rest = next;
                if depth == 1 { Some(Cow::Owned(value)) } else { continue }
            }
            b'{' => {
                let Some((value, next)) = literal(after) else { break };
                rest = next;
                if depth == 1 { Some(Cow::Borrowed(value)) } else { continue }
            }
            _ => {
                let end = rest.iter().position(|b| matches!(b, b' ' | b'(' | b')')).unwrap_or(rest.len());
                rest = rest.get(end..).unwrap_or_default();
                if depth == 1 { None } else { continue }
            }
        };
        found.push(value);
    }
    found
}

/// After the opening quote: the value, and what follows the closing one.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut value, mut octets) = (Vec::new(), text.iter());
    loop {
        match octets.next()? {
            b'"' => return Some((value, octets.as_slice())),
            b'\\' => value.push(*octets.next()?),
            other => value.push(*other),
        }
    }
}

/// After the opening brace: the octets, and what follows them.
fn literal(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'}', text)?;
    let size: usize = std::str::from_utf8(text.get(..end)?).ok()?.parse().ok()?;
    text.get(end..)?.strip_prefix(b"}\r\n")?.split_at_checked(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(envelope: &str) -> (Option<String>, Option<String>) {
        let (own, parent) = message_ids(envelope.as_bytes());
        let text = |value: Vec<u8>| String::from_utf8(value).expect("text");
        (own.map(text), parent.map(text))
    }

    #[test]
    fn the_last_two_of_ten() {
        let addresses = "((\"a ) (\" NIL {3}\r\n)\") \"x\")(NIL NIL \"b\" \"y\"))";
        let envelope = format!(
            "(\"date\" {{4}}\r\n(\"(\" {addresses} {addresses} {addresses} NIL NIL NIL \"<\\\"p\\\\@x>\" {{5}}\r\n<o@x>)"
        );
        assert_eq!(read(&envelope), (Some("<o@x>".to_owned()), Some("<\"p\\@x>".to_owned())));
        assert_eq!(read("(NIL NIL NIL NIL NIL NIL NIL NIL NIL \"<o>\")"), (Some("<o>".to_owned()), None));
        assert_eq!(read("(NIL NIL NIL NIL NIL NIL NIL NIL \"<p>\" NIL)"), (None, Some("<p>".to_owned())));
    }

    #[test]
    fn what_is_no_envelope_has_none() {
        for text in ["", "(", ")", "\"", "(\"", "(\"\\", "({", "({9}\r\nx", "({99999999999999999999}\r\n", "({1}x"] {
            assert_eq!(read(text), (None, None), "{text}");
        }
    }
}
