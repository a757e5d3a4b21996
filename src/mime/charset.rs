//! Charsets to UTF-8, in pieces. An unknown charset is UTF-8 where it is valid, else Latin-1: never fails.

use encoding_rs::{CoderResult, Decoder, Encoding, REPLACEMENT};

use super::utf7::Utf7;

/// A decoder, with the octets of a character not yet complete.
pub(super) enum Charset {
    Known(Box<Decoder>),
    Utf7(Utf7),
    /// us-ascii, unknown or missing: UTF-8, and Latin-1 for octets that are not.
    Fallback(Vec<u8>),
}

impl Charset {
    /// The decoder for a charset parameter or the charset of an encoded word.
    pub(super) fn for_label(label: &[u8]) -> Self {
        let label = label.trim_ascii();
        // us-ascii with octets past ASCII is most often UTF-8; the registry of encodings would make it windows-1252.
        if label.is_empty() || label.eq_ignore_ascii_case(b"us-ascii") || label.eq_ignore_ascii_case(b"ascii") {
            return Self::Fallback(Vec::new());
        }
        if UTF7.iter().any(|name| label.eq_ignore_ascii_case(name)) {
            return Self::Utf7(Utf7::default());
        }
        match Encoding::for_label(label) {
            Some(encoding) if encoding != REPLACEMENT => Self::Known(Box::new(encoding.new_decoder_with_bom_removal())),
            _ => Self::Fallback(Vec::new()),
        }
    }

    /// Whether ASCII octets that come next stand for themselves, whatever came before.
    pub(super) const fn takes_ascii_as_is(&self) -> bool {
        matches!(self, Self::Fallback(held) if held.is_empty())
    }

    /// Decodes a piece; `last` gives out what was held back.
    pub(super) fn decode(&mut self, data: &[u8], last: bool, out: &mut String) {
        match self {
            Self::Known(decoder) => decode_known(decoder, data, last, out),
            Self::Utf7(decoder) => decoder.decode(data, last, out),
            Self::Fallback(held) => decode_mixed(held, data, last, out),
        }
    }
}

/// The text in a charset that a client names; `None` if the charset is not known.
pub fn decode_named(label: &str, data: &[u8]) -> Option<String> {
    let label = label.trim();
    let is_ascii = ["us-ascii", "ascii"].iter().any(|name| label.eq_ignore_ascii_case(name));
    if is_ascii {
        return Some(decode_fallback(data));
    }
    let mut decoder = Charset::for_label(label.as_bytes());
    if matches!(decoder, Charset::Fallback(_)) {
        return None;
    }
    let mut out = String::new();
    decoder.decode(data, true, &mut out);
    Some(out)
}

/// The names that mail has for UTF-7.
const UTF7: [&[u8]; 3] = [b"utf-7", b"unicode-1-1-utf-7", b"x-unicode-2-0-utf-7"];

/// UTF-8 where valid, else Latin-1.
pub(super) fn decode_fallback(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len());
    decode_mixed(&mut Vec::new(), data, true, &mut out);
    out
}

fn decode_known(decoder: &mut Decoder, data: &[u8], last: bool, out: &mut String) {
    let mut rest = data;
    loop {
        let needed = decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len());
        out.reserve(needed.clamp(16, MAX_RESERVE));
        let (result, read, _) = decoder.decode_to_string(rest, out, last);
        rest = rest.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

fn decode_mixed(held: &mut Vec<u8>, data: &[u8], last: bool, out: &mut String) {
    if held.is_empty() {
        decode_mixed_run(data, held, out);
    } else {
        held.extend_from_slice(data);
        let whole = std::mem::take(held);
        decode_mixed_run(&whole, held, out);
    }
    if last {
        out.extend(held.drain(..).map(char::from));
    }
}

/// Decodes all but an incomplete UTF-8 sequence at the end, which goes to `held`.
fn decode_mixed_run(data: &[u8], held: &mut Vec<u8>, out: &mut String) {
    let mut rest = data;
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(text) => return out.push_str(text),
            Err(error) => error,
        };
        let (valid, after) = rest.split_at(error.valid_up_to());
        out.push_str(std::str::from_utf8(valid).unwrap_or_default());
        let Some(len) = error.error_len() else {
            return held.extend_from_slice(after);
        };
        let (invalid, after) = after.split_at(len);
        out.extend(invalid.iter().copied().map(char::from));
        rest = after;
    }
}

/// Output space reserved at once.
const MAX_RESERVE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(label: &[u8], data: &[u8]) -> String {
        let mut whole = String::new();
        Charset::for_label(label).decode(data, true, &mut whole);
        let mut pieces = String::new();
        let mut decoder = Charset::for_label(label);
        for byte in data {
            decoder.decode(&[*byte], false, &mut pieces);
        }
        decoder.decode(b"", true, &mut pieces);
        assert_eq!(whole, pieces);
        whole
    }

    #[test]
    fn charsets() {
        let cases: [(&[u8], &[u8], &str); 13] = [
            (b"iso-8859-1", b"caf\xe9", "caf\u{e9}"),
            (b" KOI8-R ", b"\xf0", "\u{41f}"),
            (b"iso-2022-jp", b"\x1b$B$3\x1b(B", "\u{3053}"),
            (b"utf-8", b"\xef\xbb\xbfa\xc3\xa9", "a\u{e9}"),
            (b"us-ascii", b"a\xc3\xa9\xe9\xc3", "a\u{e9}\u{e9}\u{c3}"),
            (b"x-unknown", b"\xe2\x82", "\u{e2}\u{82}"),
            (b"hz-gb-2312", b"abc", "abc"),
            (b"", b"\xf0\x9f\x98\x80", "\u{1f600}"),
            (b"UTF-7", b"A+ImIDkQ. Hi Mom -+Jjo--!", "A\u{2262}\u{391}. Hi Mom -\u{263a}-!"),
            (b"unicode-1-1-utf-7", b"+ZeVnLIqe-1 +- 1", "\u{65e5}\u{672c}\u{8a9e}1 + 1"),
            (b"utf-7", b"+2D3eAA-", "\u{1f600}"),
            (b"utf-7", b"+2D0- +2D0", "\u{fffd} \u{fffd}"),
            (b"utf-7", b"+3gAAYQ+\xe9", "\u{fffd}a\u{e9}"),
        ];
        for (label, from, to) in cases {
            assert_eq!(decoded(label, from), to, "{}", String::from_utf8_lossy(label));
        }
    }

    #[test]
    fn charsets_that_a_client_names() {
        assert_eq!(decode_named("US-ASCII", b"a").as_deref(), Some("a"));
        assert_eq!(decode_named("UTF-8", b"\xc3\xa9").as_deref(), Some("\u{e9}"));
        assert_eq!(decode_named("ISO-8859-2", b"\xb1").as_deref(), Some("\u{105}"));
        assert_eq!(decode_named("UTF-7", b"+AOk-").as_deref(), Some("\u{e9}"));
        assert_eq!(decode_named("Shift_JIS", b"\x82\xb1").as_deref(), Some("\u{3053}"));
        for unknown in ["X-NONE", "", "ISO-2022-CN"] {
            assert_eq!(decode_named(unknown, b"a"), None, "{unknown}");
        }
    }
}
