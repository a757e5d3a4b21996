//! The base subject of a message (RFC 5256 section 2.1): what SORT and THREAD compare. Linear time, any octets.

use super::encoded_word;
use super::header::collapse;

/// The base subject, and what was taken off to get it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseSubject {
    /// Without prefixes and trailers; empty for a message that has no subject beside them.
    pub text: String,
    /// Something that marks a reply or a forwarded message was taken off.
    pub is_reply: bool,
}

/// The base subject of an unfolded Subject field.
pub fn base_subject(subject: &[u8]) -> BaseSubject {
    // Step 1: decoded, tabs and line ends made spaces, and several spaces one.
    let decoded = encoded_word::decode(subject);
    let whole = String::from_utf8(collapse(decoded.as_bytes())).unwrap_or_default();
    let mut is_reply = false;
    let mut rest = whole.as_str();
    loop {
        rest = without_trailers(rest, &mut is_reply);
        rest = without_leaders(rest, &mut is_reply);
        // Step 6.
        match strip_prefix(rest, "[fwd:").and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => {
                rest = inner;
                is_reply = true;
            }
            None => return BaseSubject { text: rest.to_owned(), is_reply },
        }
    }
}

/// Step 2: `subj-trailer = "(fwd)" / WSP`, as often as there is one.
fn without_trailers<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_end_matches(' ');
        let Some(start) = text.len().checked_sub(FWD.len()) else { return text };
        match text.split_at_checked(start) {
            Some((before, last)) if last.eq_ignore_ascii_case(FWD) => {
                text = before;
                *is_reply = true;
            }
            _ => return text,
        }
    }
}

const FWD: &str = "(fwd)";

/// Steps 3 to 5: `subj-leader = (*subj-blob subj-refwd) / WSP`, and a `subj-blob` before other text.
fn without_leaders<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_start_matches(' ');
        // Where the blobs end is found once for all of them, as there may be very many.
        let (mut after, mut last_blob_before_text) = (text, None);
        while let Some(next) = without_blob(after) {
            if next.is_empty() {
                // The last blob is all the text there is.
                last_blob_before_text = Some(after);
            }
            after = next;
        }
        if let Some(next) = without_refwd(after) {
            text = next;
            *is_reply = true;
        } else {
            return last_blob_before_text.unwrap_or(after);
        }
    }
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`, `BLOBCHAR` being anything but brackets; what follows it.
fn without_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    Some(inside.get(end..)?.strip_prefix(']')?.trim_start_matches(' '))
}

/// `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`; what follows it.
fn without_refwd(text: &str) -> Option<&str> {
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| strip_prefix(text, word))?.trim_start_matches(' ');
    without_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// What follows an ASCII prefix in any case.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_subjects() {
        let cases: [(&str, &str, bool); 33] = [
            ("", "", false),
            ("hello", "hello", false),
            ("  a \t b\r\n c ", "a b c", false),
            ("Re: hello", "hello", true),
            ("RE:hello", "hello", true),
            ("re  : hello", "hello", true),
            ("Fw: hello", "hello", true),
            ("FWD: hello", "hello", true),
            ("Re: Re: fwd:  hello", "hello", true),
            ("Re[2]: hello", "hello", true),
            ("Re [a b] : hello", "hello", true),
            ("Re [a b]: hello", "hello", true),
            ("Reply: hello", "Reply: hello", false),
            ("fwdd: hello", "fwdd: hello", false),
            ("[list] hello", "hello", false),
            ("[list][other] hello", "hello", false),
            ("[list] Re: [x] hello", "hello", true),
            ("[list]", "[list]", false),
            ("[a] [b]", "[b]", false),
            ("Re: [list]", "[list]", true),
            ("[a] Re:", "", true),
            ("[a[b] x", "[a[b] x", false),
            ("hello (fwd)", "hello", true),
            ("hello (FWD) (fwd) ", "hello", true),
            ("(fwd)", "", true),
            ("hello(fwd)", "hello", true),
            ("[fwd: hello]", "hello", true),
            ("[Fwd: Re: hello (fwd)]", "hello", true),
            ("[fwd: [list] hello]", "hello", true),
            ("Re: [Fwd: [FWD: hello] (fwd)]", "hello", true),
            ("=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", "Gr\u{fc}\u{df}e", true),
            ("\u{e9}", "\u{e9}", false),
            ("Re:", "", true),
        ];
        for (subject, text, is_reply) in cases {
            assert_eq!(base_subject(subject.as_bytes()), BaseSubject { text: text.into(), is_reply }, "{subject}");
        }
    }

    #[test]
    fn hostile_input_takes_linear_time() {
        for piece in ["[", "[a]", "re:", "[a]re:", "(fwd)", "[fwd:", "]", " ", "re[", "=?"] {
            base_subject(piece.repeat(200_000).as_bytes());
            base_subject(format!("{}{}", piece.repeat(100_000), "]".repeat(100_000)).as_bytes());
        }
    }
}
