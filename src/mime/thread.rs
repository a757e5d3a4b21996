//! By which messages find their conversation: hashes of the message-ids that a header names (RFC 5322 section 3.6.4).
//!
//! Not of the form in which THREAD compares ids: hashes are stored, so what makes one must never change, and what is no
//! msg-id by the grammar, as one without `@`, tells a message from others all the same.

use memchr::memchr;

use super::header::header_value;

/// Most keys of a message: a References field can be as long as a header.
const MAX_KEYS: usize = 100;

/// A hash of one message-id.
pub type ThreadKey = [u8; 16];

/// The keys of a message with this header block, its own first, then those of its ancestors, nearest first; each once.
pub fn thread_keys(header: &[u8]) -> Vec<ThreadKey> {
    let value = |name: &[u8]| header_value(header, name);
    let (own, parent, above) = (value(b"Message-ID"), value(b"In-Reply-To"), value(b"References"));
    keys_of(own.as_deref(), parent.as_deref(), above.as_deref())
}

/// The same of the values of Message-ID, In-Reply-To and References.
pub fn keys_of(own: Option<&[u8]>, parent: Option<&[u8]>, above: Option<&[u8]>) -> Vec<ThreadKey> {
    let mut found = Vec::new();
    let mut add = |id: &[u8]| {
        let key = key(id);
        if found.len() < MAX_KEYS && !found.contains(&key) {
            found.push(key);
        }
    };
    if let Some(own) = own {
        // A Message-ID without its angle brackets is one all the same.
        ids(own).next().or_else(|| Some(own.trim_ascii())).filter(|id| !id.is_empty()).into_iter().for_each(&mut add);
    }
    parent.into_iter().flat_map(ids).for_each(&mut add);
    let above: Vec<&[u8]> = above.into_iter().flat_map(ids).collect();
    above.into_iter().rev().for_each(&mut add);
    found
}

/// What stands between angle brackets.
fn ids(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_at_checked(memchr(b'<', rest)? + 1)?;
            let (id, next) = after.split_at_checked(memchr(b'>', after)?)?;
            rest = next;
            if !id.trim_ascii().is_empty() {
                return Some(id);
            }
        }
    })
}

/// White space in an id is what folding has left there.
fn key(id: &[u8]) -> ThreadKey {
    let mut hasher = blake3::Hasher::new();
    for part in id.split(u8::is_ascii_whitespace) {
        hasher.update(part);
    }
    let mut out = [0; 16];
    hasher.finalize_xof().fill(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_id_first_then_the_nearest_ancestors() {
        let header =
            b"References: <a@x> junk <b@x>\r\n\t<c@x>\r\nmessage-id: <d@x>\r\nIn-Reply-To: <c@x> (of Ann)\r\n\r\n";
        assert_eq!(thread_keys(header), [b"d@x", b"c@x", b"b@x", b"a@x"].map(|id| key(id)));
        assert!(thread_keys(b"Subject: <a@x>\r\n\r\n").is_empty());
        assert!(thread_keys(b"Message-ID:  \r\nIn-Reply-To: Ann\r\nReferences: <> < > <a\r\n\r\n").is_empty());
    }

    #[test]
    fn folding_and_missing_brackets_make_no_other_id() {
        assert_eq!(thread_keys(b"Message-ID:\r\n <a\r\n @x>\r\n\r\n"), [key(b"a@x")]);
        assert_eq!(thread_keys(b"Message-ID: a@x \r\n\r\n"), [key(b"a@x")]);
        assert_ne!(key(b"a@x"), key(b"A@x"));
    }

    #[test]
    fn a_message_has_so_many_keys_and_no_more() {
        let many = |n: usize| (0..n).map(|i| format!("<{i}@x> ")).collect::<String>();
        let count = |n| keys_of(None, None, Some(many(n).as_bytes())).len();
        assert_eq!((count(MAX_KEYS), count(MAX_KEYS + 1)), (MAX_KEYS, MAX_KEYS));
        // Those farthest off are left out.
        let kept = keys_of(None, None, Some(many(MAX_KEYS + 1).as_bytes()));
        assert_eq!((kept[0], kept[MAX_KEYS - 1]), (key(b"100@x"), key(b"1@x")));
    }
}
