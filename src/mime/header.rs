//! Header blocks (RFC 5322 section 2.2): fields in order, unfolding, HEADER.FIELDS, the hash that recognises a message.
//! Any octets are a header block: a line without a colon is a field without a name.

use memchr::{memchr, memchr_iter};

use super::{encoded_word, fold};

/// One field of a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    /// Without the colon and the white space before it; empty if there is no colon.
    pub(super) name: &'a [u8],
    /// What follows the colon, folded as it came, with its line ends.
    pub(super) value: &'a [u8],
    /// The whole field as it came.
    pub(super) raw: &'a [u8],
}

/// The fields of a header block, up to its blank line.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(header: &'a [u8]) -> Self {
        Self { rest: header }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() || is_blank(self.rest) {
            return None;
        }
        let mut end = self.rest.len();
        for lf in memchr_iter(b'\n', self.rest) {
            // RFC 5322 section 2.2.3: a line that starts with white space continues the field.
            if !matches!(self.rest.get(lf + 1), Some(b' ' | b'\t')) {
                end = lf + 1;
                break;
            }
        }
        let (raw, rest) = self.rest.split_at(end);
        self.rest = rest;
        let first_line = memchr(b'\n', raw).unwrap_or(raw.len());
        Some(match memchr(b':', raw).filter(|&colon| colon < first_line) {
            Some(colon) => Field { name: trim_end(&raw[..colon]), value: &raw[colon + 1..], raw },
            None => Field { name: b"", value: raw, raw },
        })
    }
}

/// Without the white space at its end (RFC 5322 section 4.5 `*WSP ":"`).
fn trim_end(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
    name.get(..end).unwrap_or_default()
}

/// The value as one line (RFC 5322 section 2.2.3): line ends dropped, and white space before the value in its
/// first line; of a first line that is all white space, one octet.
pub(super) fn unfold(value: &[u8]) -> Vec<u8> {
    let spaces = value.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let blank = matches!(value.get(spaces..), Some([] | [b'\n', ..] | [b'\r', b'\n', ..]));
    let spaces = if blank { spaces.min(1) } else { spaces };
    let value = value.get(spaces..).unwrap_or_default();
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|&b| b == b'\n') {
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    out
}

/// Each NUL made U+FFFD, as with Dovecot: no string of IMAP but literal8 has a NUL (RFC 9051 section 4.3), and UTF-8 has no other
/// octet for it.
pub(super) fn without_nul(value: Vec<u8>) -> Vec<u8> {
    if memchr(0, &value).is_none() {
        return value;
    }
    value.split(|&b| b == 0).collect::<Vec<_>>().join("\u{fffd}".as_bytes())
}

/// Unfolded for a search, which is for words: a fold counts as one space, however far its line is indented.
fn unfold_to_spaces(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = line.trim_ascii_start();
        if !out.is_empty() && text.len() < line.len() {
            out.push(b' ');
        }
        out.extend_from_slice(text);
    }
    out
}

/// Unfolded, and without the CR that stand alone: one within the value is a space, unless white space follows it. IMAP strings
/// that are quoted have no CR (RFC 9051 section 4.3).
pub(super) fn text(value: &[u8]) -> Vec<u8> {
    let value = without_nul(unfold(value));
    if memchr(b'\r', &value).is_none() {
        return value;
    }
    let mut out = Vec::with_capacity(value.len());
    for (at, &byte) in value.iter().enumerate() {
        match (byte, value.get(at + 1)) {
            (b'\r', None | Some(b' ' | b'\t' | b'\r')) => {}
            (b'\r', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}

/// Unfolded, with every run of white space made one space.
pub(super) fn collapse(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for word in value.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out
}

/// The fields of a raw header block that are named (`keep` true) or not named, in order, raw with their folding, and the
/// final blank line (HEADER.FIELDS and HEADER.FIELDS.NOT, RFC 9051 section 6.4.5.1). Of a message that ends in its header,
/// without a blank line, HEADER.FIELDS.NOT has none either.
pub fn filter_header(header: &[u8], names: &[Vec<u8>], keep: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut fields = Fields::new(header);
    for field in fields.by_ref() {
        if names.iter().any(|name| name.eq_ignore_ascii_case(field.name)) == keep {
            out.extend_from_slice(field.raw);
        }
    }
    if keep || !fields.rest.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// For SEARCH HEADER: the values of each field of this name (ASCII case-insensitive), unfolded, RFC 2047 decoded, case-folded
/// with the same `fold` as the search text.
pub fn header_texts(header: &[u8], name: &[u8]) -> Vec<String> {
    Fields::new(header)
        .filter(|field| field.name.eq_ignore_ascii_case(name))
        .map(|field| fold(&encoded_word::decode(&unfold_to_spaces(field.value))))
        .collect()
}

/// The first field of this name, unfolded and not decoded.
pub fn header_value(header: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    Fields::new(header).find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| unfold(field.value))
}

/// The whole header block decoded and folded, one line a field (SEARCH TEXT).
pub fn header_text(header: &[u8]) -> String {
    let mut out = String::new();
    for field in Fields::new(header) {
        if !field.name.is_empty() {
            out.push_str(&fold(&encoded_word::decode(field.name)));
            out.push_str(": ");
        }
        let value = fold(&encoded_word::decode(&unfold_to_spaces(field.value)));
        value.split('\0').for_each(|run| out.push_str(run));
        out.push('\n');
    }
    out
}

/// Normalised hash of a header block for recognising a message under another unique-id: fields that servers add or change
/// are left out, white space is folded, names are case-insensitive.
pub fn header_hash(header: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for field in Fields::new(header).filter(|field| !is_volatile(field.name)) {
        hasher.update(&field.name.to_ascii_lowercase());
        hasher.update(b":");
        hasher.update(&collapse(field.value));
        hasher.update(b"\n");
    }
    let mut out = [0; 16];
    hasher.finalize_xof().fill(&mut out);
    out
}

/// Fields that a server may add or change between two retrievals of the same message.
const VOLATILE: [&[u8]; 11] = [
    b"return-path",
    b"delivered-to",
    b"status",
    b"content-length",
    b"lines",
    b"x-status",
    b"x-keywords",
    b"x-uidl",
    b"x-uid",
    b"x-imap",
    b"x-imapbase",
];

fn is_volatile(name: &[u8]) -> bool {
    const MOZILLA: &[u8] = b"x-mozilla-";
    VOLATILE.iter().any(|v| v.eq_ignore_ascii_case(name))
        || name.get(..MOZILLA.len()).is_some_and(|p| p.eq_ignore_ascii_case(MOZILLA))
}

fn is_blank(line: &[u8]) -> bool {
    line.starts_with(b"\n") || line.starts_with(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"Subject: a\r\n b\r\nno colon\r\nTo  : x\r\nsubject:c\r\n\r\nBody: no\r\n";

    #[test]
    fn fields_in_order() {
        let fields: Vec<(&[u8], Vec<u8>)> = Fields::new(HEADER).map(|f| (f.name, unfold(f.value))).collect();
        let want: [(&[u8], &[u8]); 4] = [(b"Subject", b"a b"), (b"", b"no colon"), (b"To", b"x"), (b"subject", b"c")];
        assert_eq!(fields.len(), want.len());
        assert!(fields.iter().zip(want).all(|(a, b)| a.0 == b.0 && a.1 == b.1));
        let name = |field| Fields::new(field).next().map(|f| f.name);
        assert_eq!((name(b"A \t: b"), name(b"A\r: b")), (Some(&b"A"[..]), Some(&b"A\r"[..])));
    }

    #[test]
    fn lone_carriage_returns_blank_lines_and_nul() {
        let cases: [(&[u8], &[u8]); 11] = [
            (b"a\0b", "a\u{fffd}b".as_bytes()),
            (b"\0\0", "\u{fffd}\u{fffd}".as_bytes()),
            (b" a\rb", b"a b"),
            (b" a\r b", b"a b"),
            (b" a\r", b"a"),
            (b" \ra", b" a"),
            (b" \r", b""),
            (b" a\r\r\n b", b"a b"),
            (b"   ", b"  "),
            (b" \r\n a", b" a"),
            (b"  \r\n a", b"  a"),
        ];
        for (value, want) in cases {
            assert_eq!(text(value), want, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn filter_keeps_folding_and_ends_in_a_blank_line() {
        let names = [b"SUBJECT".to_vec()];
        assert_eq!(filter_header(HEADER, &names, true), b"Subject: a\r\n b\r\nsubject:c\r\n\r\n");
        assert_eq!(filter_header(HEADER, &names, false), b"no colon\r\nTo  : x\r\n\r\n");
        assert_eq!(filter_header(b"", &names, true), b"\r\n");
        assert_eq!(filter_header(b"To: x\r\n", &names, false), b"To: x\r\n");
    }

    #[test]
    fn texts_are_decoded_and_folded() {
        let header = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n an ALLE\r\n\r\n";
        assert_eq!(header_texts(header, b"subject"), [fold("Gr\u{fc}\u{df}e an alle")]);
        assert_eq!(header_text(header), format!("subject: {}\n", fold("gr\u{fc}sse an alle")));
    }

    #[test]
    fn texts_have_one_space_for_a_fold() {
        let header = b"Subject: hello\r\n\t beautiful\r\n  world\r\n\r\n";
        assert_eq!(header_texts(header, b"subject"), ["hello beautiful world"]);
        assert_eq!(header_text(header), "subject: hello beautiful world\n");
    }

    #[test]
    fn hash_ignores_what_servers_change() {
        let a = header_hash(b"Return-Path: <x>\r\nSubject: a\r\n  b\r\nX-UIDL: 1\r\nX-Mozilla-Keys: y\r\n\r\n");
        let b = header_hash(b"SUBJECT:a b\r\nStatus: RO\r\n\r\n");
        assert_eq!(a, b);
        assert_ne!(a, header_hash(b"Subject: ab\r\n\r\n"));
    }
}
