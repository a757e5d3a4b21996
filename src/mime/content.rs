//! The MIME fields of one part (RFC 2045, RFC 2183, RFC 3282, RFC 2557), in the form BODYSTRUCTURE shows them. A Content-Type
//! that cannot be read is text/plain (RFC 2045 section 5.2), a Content-Disposition "" as Dovecot shows it, any other field as
//! if it were not there.

use super::header::{Fields, text, unfold};
use super::lexer::Cursor;
use super::transfer::Transfer;
use super::{Parameters, parameter};

/// What the MIME fields of a header block say.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) media_type: Vec<u8>,
    pub(super) subtype: Vec<u8>,
    pub(super) parameters: Parameters,
    pub(super) id: Option<Vec<u8>>,
    pub(super) description: Option<Vec<u8>>,
    pub(super) encoding: Vec<u8>,
    /// The field of the encoding is there and begins with none of RFC 2045 section 6.1.
    pub(super) unknown_encoding: bool,
    pub(super) md5: Option<Vec<u8>>,
    pub(super) disposition: Option<(Vec<u8>, Parameters)>,
    pub(super) language: Vec<Vec<u8>>,
    pub(super) location: Option<Vec<u8>>,
}

impl Content {
    /// Reads the fields of a header block. `digest`: the part stands in a multipart/digest, where the default type is
    /// message/rfc822 (RFC 2046 section 5.1.5). `message`: the block is that of a message, which needs a MIME-Version (RFC 2045
    /// section 4) or at least a Content-Type for its other fields to count. `budget`: parameters that may still be kept.
    ///
    /// The first field of a name counts, or the first that can be read.
    pub(super) fn parse(header: &[u8], digest: bool, message: bool, budget: &mut usize) -> Self {
        let mut content = Self::default();
        let (mut typed, mut versioned) = (false, !message);
        for field in Fields::new(header) {
            versioned |= field.name.eq_ignore_ascii_case(b"MIME-Version");
            let Some(name) = content_name(field.name) else { continue };
            let value = || unfold(field.value);
            match name.to_ascii_lowercase().as_slice() {
                b"type" if !typed => {
                    typed = true;
                    content.read_type(&value(), budget);
                }
                b"transfer-encoding" if content.encoding.is_empty() => {
                    let value = value();
                    content.unknown_encoding = !Transfer::is_known(first_token(&value));
                    content.encoding = lone_token(&value).unwrap_or_default();
                }
                b"id" => keep_first(&mut content.id, field.value),
                b"description" => keep_first(&mut content.description, field.value),
                b"md5" => keep_first(&mut content.md5, field.value),
                b"location" => keep_first(&mut content.location, field.value),
                b"disposition" => content.read_disposition(&value(), budget),
                b"language" if content.language.is_empty() => content.language = languages(&value()),
                _ => {}
            }
        }
        if !typed && !versioned {
            content = Self::default();
        }
        if content.encoding.is_empty() {
            content.encoding = b"7bit".to_vec();
        }
        if !typed {
            let (media_type, subtype): (&[u8], &[u8]) =
                if digest { (b"message", b"rfc822") } else { (b"text", b"plain") };
            (content.media_type, content.subtype) = (media_type.to_vec(), subtype.to_vec());
        }
        if content.is_type(b"text") && content.parameter(b"charset").is_none() {
            content.parameters.push((b"charset".to_vec(), b"us-ascii".to_vec()));
        }
        content
    }

    /// Whether the top-level type is this (ASCII case-insensitive).
    pub(super) fn is_type(&self, media_type: &[u8]) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type)
    }

    pub(super) fn is_subtype(&self, subtype: &[u8]) -> bool {
        self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// The first parameter of this name (ASCII case-insensitive).
    pub(super) fn parameter(&self, name: &[u8]) -> Option<&[u8]> {
        self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice())
    }

    /// Shows the part as octets that nobody looks into (RFC 2046 section 4.5.1).
    pub(super) fn make_opaque(&mut self) {
        (self.media_type, self.subtype) = (b"application".to_vec(), b"octet-stream".to_vec());
    }

    /// Writes plain ASCII text, and nothing else said about it, in lower case.
    pub(super) fn make_plain(&mut self) {
        let charset = |(name, value): &(Vec<u8>, Vec<u8>)| {
            name.eq_ignore_ascii_case(b"charset") && value.eq_ignore_ascii_case(b"us-ascii")
        };
        let bare = self.id.is_none()
            && self.description.is_none()
            && self.md5.is_none()
            && self.disposition.is_none()
            && self.language.is_empty()
            && self.location.is_none();
        let ascii = matches!(self.parameters.as_slice(), [only] if charset(only));
        let plain = self.is_type(b"text") && self.is_subtype(b"plain") && self.encoding.eq_ignore_ascii_case(b"7bit");
        if plain && ascii && bare {
            *self = Self::default_text();
        }
    }

    /// What a part without MIME fields is (RFC 2045 section 5.2).
    pub(super) fn default_text() -> Self {
        Self {
            media_type: b"text".to_vec(),
            subtype: b"plain".to_vec(),
            parameters: vec![(b"charset".to_vec(), b"us-ascii".to_vec())],
            encoding: b"7bit".to_vec(),
            ..Self::default()
        }
    }

    /// `type "/" subtype *(";" parameter)` (RFC 2045 section 5.1); what is none is text/plain (section 5.2).
    fn read_type(&mut self, value: &[u8], budget: &mut usize) {
        let mut cursor = Cursor::new(value);
        cursor.skip_cfws();
        let media_type = cursor.token();
        cursor.skip_cfws();
        let slash = cursor.eat(b'/');
        cursor.skip_cfws();
        let subtype = cursor.token();
        cursor.skip_cfws();
        let ends = matches!(cursor.peek(), None | Some(b';')) && !cursor.has_open_comment();
        if media_type.is_empty() || !slash || subtype.is_empty() || !ends {
            (self.media_type, self.subtype) = (b"text".to_vec(), b"plain".to_vec());
            return;
        }
        self.media_type = media_type.to_vec();
        self.subtype = subtype.to_vec();
        self.parameters = parameter::parse(&mut cursor, budget);
    }

    /// `disposition-type *(";" disposition-parm)` (RFC 2183 section 2). Of several fields the last counts, up to the first with
    /// parameters.
    fn read_disposition(&mut self, value: &[u8], budget: &mut usize) {
        if self.disposition.as_ref().is_some_and(|(_, parameters)| !parameters.is_empty()) {
            return;
        }
        let mut cursor = Cursor::new(value);
        cursor.skip_cfws();
        let kind = cursor.token();
        cursor.skip_cfws();
        if kind.is_empty() || !cursor.has_open_comment() {
            self.disposition = Some((kind.to_vec(), parameter::parse(&mut cursor, budget)));
        }
    }
}

/// Keeps the text of the first field of its name.
fn keep_first(kept: &mut Option<Vec<u8>>, value: &[u8]) {
    if kept.is_none() {
        *kept = Some(text(value));
    }
}

/// The field name without `Content-`.
fn content_name(name: &[u8]) -> Option<&[u8]> {
    const PREFIX: &[u8] = b"content-";
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

/// The token at the start of a value, after CFWS; maybe none.
fn first_token(value: &[u8]) -> &[u8] {
    let mut cursor = Cursor::new(value);
    cursor.skip_cfws();
    cursor.token()
}

/// A value that is one token and nothing else but CFWS.
fn lone_token(value: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(value);
    cursor.skip_cfws();
    let token = cursor.token();
    cursor.skip_cfws();
    (!token.is_empty() && cursor.is_at_end() && !cursor.has_open_comment()).then(|| token.to_vec())
}

/// `Language-Tag *("," Language-Tag)` (RFC 3282 section 2), up to the first that is none.
fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let mut cursor = Cursor::new(value);
    let mut tags = Vec::new();
    loop {
        cursor.skip_cfws();
        let tag = cursor.atom();
        cursor.skip_cfws();
        if tag.is_empty() || cursor.has_open_comment() || tags.len() == MAX_LANGUAGES {
            return tags;
        }
        tags.push(tag.to_vec());
        if !cursor.eat(b',') {
            return tags;
        }
    }
}

/// Language tags kept of one part.
const MAX_LANGUAGES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(value: &str) -> (String, String, usize) {
        let content = Content::parse(format!("Content-Type: {value}\r\n\r\n").as_bytes(), false, false, &mut 100);
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        (text(&content.media_type), text(&content.subtype), content.parameters.len())
    }

    #[test]
    fn types() {
        let cases = [
            ("Text/HTML; charset=x", ("Text", "HTML", 1)),
            ("text/html", ("text", "html", 1)),
            ("text", ("text", "plain", 1)),
            ("application-x-gzip; name=x", ("text", "plain", 1)),
            ("text/plain>", ("text", "plain", 1)),
            ("multipart/mixed boundary=x", ("text", "plain", 1)),
            ("; name=x", ("text", "plain", 1)),
            ("image (c) / (c) png (c) ; a=b", ("image", "png", 1)),
        ];
        for (value, (media_type, subtype, parameters)) in cases {
            assert_eq!(kind(value), (media_type.to_owned(), subtype.to_owned(), parameters), "{value}");
        }
    }

    #[test]
    fn fields() {
        let header =
            b"Content-Type: a/b\r\nContent-type: c/d\r\nCONTENT-ID: <x>\r\nContent-Transfer-Encoding: base64 (c)\r\n\
            Content-Disposition: inline; filename=x\r\nContent-Language: en, de\r\nContent-Location: l\r\n\r\n";
        let content = Content::parse(header, false, false, &mut 100);
        assert!(content.is_type(b"A") && content.is_subtype(b"B"));
        assert_eq!(content.id.as_deref(), Some(b"<x>".as_slice()));
        assert_eq!(content.encoding, b"base64");
        assert_eq!(content.disposition, Some((b"inline".to_vec(), vec![(b"filename".to_vec(), b"x".to_vec())])));
        assert_eq!(content.language, [b"en".to_vec(), b"de".to_vec()]);
        assert_eq!(content.location.as_deref(), Some(b"l".as_slice()));
    }

    #[test]
    fn defaults() {
        assert!(Content::parse(b"", true, false, &mut 100).is_type(b"message"));
        let content =
            Content::parse(b"Content-Transfer-Encoding: a b\r\nContent-Disposition: ;x=y\r\n", false, false, &mut 100);
        assert_eq!(content.parameter(b"charset"), Some(b"us-ascii".as_slice()));
        assert_eq!(content.encoding, b"7bit");
        assert_eq!(content.disposition, Some((Vec::new(), vec![(b"x".to_vec(), b"y".to_vec())])));
    }

    #[test]
    fn dispositions_with_an_open_comment() {
        let kind = |value: &str| {
            let header = format!("Content-Disposition: {value}\r\n");
            Content::parse(header.as_bytes(), false, false, &mut 100).disposition
        };
        assert_eq!(kind("(open; a=b"), Some((Vec::new(), Vec::new())));
        assert_eq!(kind("inline (open; a=b"), None);
        assert_eq!(kind("inline; (open; a=b"), Some((b"inline".to_vec(), Vec::new())));
    }

    #[test]
    fn the_first_field_that_can_be_read_counts() {
        let content = Content::parse(
            b"Content-ID: a\r\nContent-ID: b\r\nContent-Transfer-Encoding: x y\r\nContent-Transfer-Encoding: base64\r\n\
            Content-Disposition: inline\r\nContent-Disposition: attachment; a=b\r\nContent-Disposition: c; d=e\r\n\
            Content-Language: (\r\nContent-Language: en,,de\r\nContent-Language: fr\r\n",
            false,
            false,
            &mut 100,
        );
        assert_eq!(content.id.as_deref(), Some(b"a".as_slice()));
        assert_eq!(content.encoding, b"base64");
        assert_eq!(content.disposition.map(|(kind, _)| kind), Some(b"attachment".to_vec()));
        assert_eq!(content.language, [b"en".to_vec()]);
    }

    #[test]
    fn a_message_without_mime_has_no_mime_fields() {
        let id = |header: &[u8], message| Content::parse(header, false, message, &mut 100).id;
        assert_eq!(id(b"Content-ID: a\r\n", true), None);
        for header in [b"Content-ID: a\r\nMIME-Version: 1.0\r\n".as_slice(), b"Content-ID: a\r\nContent-Type: x\r\n"] {
            assert_eq!(id(header, true).as_deref(), Some(b"a".as_slice()));
        }
        assert_eq!(id(b"Content-ID: a\r\n", false).as_deref(), Some(b"a".as_slice()));
    }

    #[test]
    fn languages_at_the_limit_and_past_it() {
        let list = |n: usize| languages(&b"en,".repeat(n)).len();
        assert_eq!(list(MAX_LANGUAGES), MAX_LANGUAGES);
        assert_eq!(list(MAX_LANGUAGES + 1), MAX_LANGUAGES);
    }
}
