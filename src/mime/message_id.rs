//! Message-IDs as THREAD compares them (RFC 5256 section 3, RFC 5322 section 3.6.4). Linear time, any octets.

use super::lexer::Cursor;

/// The Message-IDs of an unfolded Message-ID, References or In-Reply-To field, in order, each without its brackets and in
/// one form: "Message IDs are compared [...] after normalization", so quotes and white space that say nothing are left out.
/// What is no Message-ID is passed over.
pub fn message_ids(value: &[u8]) -> Vec<Vec<u8>> {
    let mut ids = Vec::new();
    let mut cursor = Cursor::new(value);
    loop {
        cursor.skip_until(b'<');
        if !cursor.eat(b'<') {
            break;
        }
        ids.extend(message_id(&mut cursor));
        if ids.len() >= 2 * MAX_IDS {
            ids.drain(..MAX_IDS);
        }
    }
    ids.drain(..ids.len().saturating_sub(MAX_IDS));
    ids
}

/// Of more than these only the last are kept: they are the nearest.
const MAX_IDS: usize = 1_000;

/// `msg-id = "<" id-left "@" id-right ">"`, after the opening bracket.
fn message_id(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let mut id = local_part(cursor)?;
    if !cursor.eat(b'@') {
        return None;
    }
    id.push(b'@');
    cursor.skip_cfws();
    id.extend(cursor.domain()?);
    cursor.skip_cfws();
    cursor.eat(b'>').then_some(id)
}

/// `id-left = dot-atom-text / obs-id-left`, the latter being a local part.
fn local_part(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let mut local = Vec::new();
    loop {
        cursor.skip_cfws();
        if cursor.peek() == Some(b'"') {
            local.extend(cursor.quoted_string());
        } else {
            local.extend_from_slice(cursor.atom());
        }
        cursor.skip_cfws();
        match cursor.peek() {
            Some(b'.') => {
                cursor.bump();
                local.push(b'.');
            }
            _ => return (!local.is_empty()).then_some(local),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_order_and_in_one_form() {
        let cases: [(&str, &[&str]); 12] = [
            ("<a.b@c.d>", &["a.b@c.d"]),
            ("<a@b><c@d>\t<e@f>", &["a@b", "c@d", "e@f"]),
            ("words <a@b> of \"doubt <c@d>", &["a@b", "c@d"]),
            ("<\"a.b\"@c>", &["a.b@c"]),
            ("< a . b @ c . d >", &["a.b@c.d"]),
            ("<a(comment)@b>", &["a@b"]),
            ("<a@[10.0.0.1]>", &["a@[10.0.0.1]"]),
            ("12223", &[]),
            ("a@b", &[]),
            ("<12223> <a@> <@b> <> <a@b", &[]),
            ("<a@b@c> <d@e>", &["d@e"]),
            ("", &[]),
        ];
        for (value, want) in cases {
            let got = message_ids(value.as_bytes());
            assert_eq!(got, want.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>(), "{value}");
        }
    }

    #[test]
    fn at_the_limit_and_past_it() {
        let field = |ids: usize| (0..ids).map(|n| format!("<{n}@x>")).collect::<String>();
        for (given, kept) in [(1_000, 1_000), (1_001, 1_000), (2_500, 1_000)] {
            let ids = message_ids(field(given).as_bytes());
            assert_eq!(ids.len(), kept);
            assert_eq!(ids.last(), Some(&format!("{}@x", given - 1).into_bytes()));
        }
    }

    #[test]
    fn hostile_input_takes_linear_time() {
        for piece in ["<", "<a@", "<\"", "<a@b>", "<(", "<a."] {
            message_ids(&piece.as_bytes().repeat(300_000));
        }
    }
}
