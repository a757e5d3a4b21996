//! Encoded words (RFC 2047) to text. Linear time; what is no encoded word stays as it is.

use memchr::{memchr, memmem};

use super::charset::{self, Charset};
use super::transfer::{self, Transfer};

/// The value decoded. Octets outside of encoded words are UTF-8 where valid, else Latin-1.
pub fn decode(value: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut pending: Option<(&[u8], Vec<u8>)> = None;
    while let Some(at) = memmem::find(rest, b"=?") {
        let (before, from) = rest.split_at(at);
        let Some(word) = Word::parse(from) else {
            flush(&mut out, &mut pending);
            out.push_str(&charset::decode_fallback(&rest[..at + 2]));
            rest = &rest[at + 2..];
            continue;
        };
        // RFC 2047 section 6.2: white space between two encoded words is not shown. Words of one charset are joined
        // before it is applied, since many senders split a character over two words.
        let adjacent = pending.is_some() && before.iter().all(u8::is_ascii_whitespace);
        match pending.as_mut() {
            Some((charset, bytes)) if adjacent && charset.eq_ignore_ascii_case(word.charset) => {
                bytes.extend_from_slice(&word.bytes);
            }
            _ => {
                flush(&mut out, &mut pending);
                if !adjacent {
                    out.push_str(&charset::decode_fallback(before));
                }
                pending = Some((word.charset, word.bytes));
            }
        }
        rest = &from[word.len..];
    }
    flush(&mut out, &mut pending);
    out.push_str(&charset::decode_fallback(rest));
    out
}

fn flush(out: &mut String, pending: &mut Option<(&[u8], Vec<u8>)>) {
    if let Some((label, bytes)) = pending.take() {
        let mut decoder = Charset::for_label(label);
        decoder.decode(&bytes, true, out);
    }
}

struct Word<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
    len: usize,
}

impl<'a> Word<'a> {
    /// `encoded-word = "=?" charset "?" encoding "?" encoded-text "?="`; the charset may carry a language (RFC 2231
    /// section 5). Spaces in the text are tolerated.
    fn parse(from: &'a [u8]) -> Option<Self> {
        let charset_end = 2 + memchr(b'?', from.get(2..)?)?;
        let charset = from.get(2..charset_end)?;
        if charset.is_empty() || charset.len() > MAX_CHARSET || charset.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let encoding = from.get(charset_end + 1)?.to_ascii_lowercase();
        if from.get(charset_end + 2) != Some(&b'?') {
            return None;
        }
        let text_start = charset_end + 3;
        let text_end = text_start + memchr(b'?', from.get(text_start..)?)?;
        let text = from.get(text_start..text_end)?;
        if from.get(text_end + 1) != Some(&b'=') {
            return None;
        }
        let bytes = match encoding {
            b'b' => {
                let mut bytes = Vec::new();
                let mut decoder = Transfer::base64();
                decoder.decode(text, &mut bytes);
                decoder.finish(&mut bytes);
                bytes
            }
            b'q' => transfer::decode_q(text),
            _ => return None,
        };
        let charset = charset.split(|&b| b == b'*').next().unwrap_or_default();
        Some(Word { charset, bytes, len: text_end + 2 })
    }
}

/// Longer names are no charset; keeps the search for the end of the word short.
const MAX_CHARSET: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let cases: [(&[u8], &str); 12] = [
            (b"plain", "plain"),
            (b"=?ISO-8859-1?Q?a_b=E9?=", "a b\u{e9}"),
            (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            (b"=?ISO-8859-1?Q?a?= b =?utf-8*en?B?w6k=?= c", "a b \u{e9} c"),
            (b"=?utf-8?B?ww==?=\t=?UTF-8?B?qQ==?=", "\u{e9}"),
            (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\u{e9}"),
            (b"=?iso-2022-jp?B?GyRCJDMbKEI=?=", "\u{3053}"),
            (b"a =?x?= b", "a =?x?= b"),
            (b"=?=?utf-8?q?a?=", "=?a"),
            (b"=?no-such?q?a=E9?=", "a\u{e9}"),
            (b"caf\xc3\xa9 \xe9", "caf\u{e9} \u{e9}"),
            (b"=?utf-8?q?open", "=?utf-8?q?open"),
        ];
        for (from, to) in cases {
            assert_eq!(decode(from), to, "{}", String::from_utf8_lossy(from));
        }
    }

    #[test]
    fn hostile_input_takes_linear_time() {
        let many = b"=?a?q?".repeat(200_000);
        assert!(!decode(&many).is_empty());
    }
}
