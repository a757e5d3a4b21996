//! Secrets out of what a server says: some repeat the line that they refuse, whole, cut, or in capitals.

use zeroize::Zeroizing;

/// The shortest piece of an encoded secret that is looked for: what is shorter tells at most four octets of it.
const MIN_PIECE: usize = 8;

/// The text without the password in any case, and without the encoded forms and longer pieces of them.
pub(super) fn blot(text: &[u8], password: &str, encoded: &[Zeroizing<String>]) -> String {
    let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    let mut blotted = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let run = rest.find(|c: char| !is_base64(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(run);
        if encoded.iter().any(|secret| contains_piece(word, secret)) {
            blotted.push_str("***");
        } else {
            blotted.push_str(word);
        }
        let other = after.find(is_base64).unwrap_or(after.len());
        let (between, after) = after.split_at(other);
        blotted.push_str(between);
        rest = after;
    }
    replace_ignoring_case(&blotted, password)
}

const fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}

/// Whether a piece of the secret, or the whole of a short one, stands in the word.
fn contains_piece(word: &str, secret: &str) -> bool {
    let (word, secret) = (word.as_bytes(), secret.as_bytes());
    let length = secret.len().min(MIN_PIECE);
    length > 0 && word.windows(length).any(|piece| secret.windows(length).any(|own| own.eq_ignore_ascii_case(piece)))
}

fn replace_ignoring_case(text: &str, secret: &str) -> String {
    let (lower, wanted) = (Zeroizing::new(text.to_ascii_lowercase()), Zeroizing::new(secret.to_ascii_lowercase()));
    let mut replaced = String::with_capacity(text.len());
    let mut from = 0;
    // Lower case of ASCII keeps every position.
    for (at, _) in lower.match_indices(wanted.as_str()) {
        replaced.push_str(text.get(from..at).unwrap_or_default());
        replaced.push_str("***");
        from = at + wanted.len();
    }
    replaced.push_str(text.get(from..).unwrap_or_default());
    replaced
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use crate::pop3::{Credentials, ResponseCode};
    use crate::secret::Secret;

    #[test]
    fn secrets_are_blotted_out_in_every_form() {
        let credentials = Credentials::new("user", Secret::new("Hunter2 x")).expect("fits");
        let plain = STANDARD.encode("\0user\0Hunter2 x");
        let login = STANDARD.encode("Hunter2 x");
        let bearer = STANDARD.encode("n,a=user,\x01auth=Bearer Hunter2 x\x01\x01");
        let xoauth2 = STANDARD.encode("user=user\x01auth=Bearer Hunter2 x\x01\x01");
        for (text, want) in [
            ("unknown command PASS Hunter2 x".to_owned(), "unknown command PASS ***"),
            ("unknown command PASS HUNTER2 X!".to_owned(), "unknown command PASS ***!"),
            (format!("bad AUTH PLAIN {plain}"), "bad AUTH PLAIN ***"),
            (format!("bad AUTH PLAIN {}...", &plain[..14]), "bad AUTH PLAIN ***..."),
            (format!("bad AUTH PLAIN {}", plain.to_uppercase()), "bad AUTH PLAIN ***"),
            (format!("\"{login}\"?"), "\"***\"?"),
            (format!("no {bearer} here"), "no *** here"),
            (format!("no {xoauth2} here"), "no *** here"),
            ("Authentication failed".to_owned(), "Authentication failed"),
        ] {
            assert_eq!(credentials.refusal(text.as_bytes()).text, want, "{text}");
        }
    }

    #[test]
    fn a_secret_at_the_cut_of_the_text_is_gone_before_the_cut() {
        let credentials = Credentials::new("user", Secret::new("hunter2")).expect("fits");
        let text = format!("{}hunter2", "x".repeat(196));
        assert!(!credentials.refusal(text.as_bytes()).text.contains("hunt"));
    }

    #[test]
    fn a_secret_that_looks_like_a_code_hides_none() {
        let credentials = Credentials::new("user", Secret::new("auth")).expect("fits");
        let refusal = credentials.refusal(b"[AUTH] no");
        assert_eq!((refusal.code, refusal.text.as_str()), (Some(ResponseCode::Auth), "[***] no"));
    }
}
