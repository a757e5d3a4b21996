//! Compares what Dovecot and this server answer; knows the classes of differences that docs/imap-choices.md gives.

use crate::answer::Value;

pub(crate) enum Outcome {
    Equal,
    Chosen,
    Different(String),
}

/// `structure`: whether Dovecot's BODYSTRUCTURE is ours. Where it then sends a part empty, it contradicts itself: it does so
/// when it comes back to a part whose boundary it looked for in vain.
pub(crate) fn compare(name: &str, theirs: &Value, ours: &Value, structure: bool) -> Outcome {
    if theirs == ours {
        return Outcome::Equal;
    }
    if structure && name.starts_with("BODY[") && *theirs == Value::Text(Vec::new()) {
        return Outcome::Chosen;
    }
    difference(theirs, ours).map_or(Outcome::Chosen, Outcome::Different)
}

/// The first difference that was not chosen.
fn difference(theirs: &Value, ours: &Value) -> Option<String> {
    if theirs == ours {
        return None;
    }
    if let (Value::List(a), Value::List(b)) = (theirs, ours) {
        // RFC 2045 section 5.2: a Content-Type that cannot be read is text/plain, for Dovecot it is "".
        let text = |value: Option<&Value>, text: &str| matches!(value, Some(Value::Text(t)) if t == text.as_bytes());
        if (text(a.first(), "") || text(a.get(1), "")) && text(b.first(), "text") && text(b.get(1), "plain") {
            return a[3..7].iter().zip(&b[3..7]).find_map(|(a, b)| difference(a, b));
        }
        if obsolete_local_part(a, b) {
            return None;
        }
        if let Some(how) = a.iter().zip(b).find_map(|(a, b)| difference(a, b)) {
            return Some(how);
        }
        if a.len() == b.len() {
            return None;
        }
    }
    let cut = |value: &Value| value.to_string().chars().take(300).collect::<String>();
    Some(format!("theirs {}\n    ours   {}", cut(theirs), cut(ours)))
}

/// RFC 5322 section 4.4: a local part may have white space and quoted words around its dots. Dovecot finds no address in it and,
/// if it stands outside of angle brackets, reads no further.
fn obsolete_local_part(theirs: &[Value], ours: &[Value]) -> bool {
    let Some((theirs, ours)) = theirs.iter().zip(ours).find(|(theirs, ours)| theirs != ours) else { return false };
    let (Value::List(theirs), Value::List(ours)) = (theirs, ours) else { return false };
    let is = |value: &Value, filler: &str| *value == Value::Text(filler.as_bytes().to_vec());
    match (theirs.as_slice(), ours.as_slice()) {
        ([_, _, mailbox, host], [_, _, own_mailbox, own_host]) => {
            (is(host, "MISSING_DOMAIN") || is(host, "SYNTAX_ERROR"))
                && (is(mailbox, "MISSING_MAILBOX") || is(host, "SYNTAX_ERROR"))
                && matches!(own_mailbox, Value::Text(_))
                && !is(own_host, "MISSING_DOMAIN")
                && !is(own_host, "SYNTAX_ERROR")
        }
        _ => false,
    }
}
