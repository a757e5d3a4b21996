//! The search text of one part: its transfer encoding undone, its charset made UTF-8, its case folded; in pieces.

use memchr::memchr;

use super::INNER_HEADERS_FOLLOW;
use super::casefold::fold_into;
use super::charset::Charset;
use super::content::Content;
use super::transfer::Transfer;

/// Whether a part of this type is searched: text/* and, for delivery reports and their like, message/*.
pub(super) fn is_text(media_type: &[u8]) -> bool {
    media_type.eq_ignore_ascii_case(b"text") || media_type.eq_ignore_ascii_case(b"message")
}

/// Decodes the content of one part for SEARCH.
pub(super) struct TextSink {
    /// Content not yet decoded: it comes line by line, and is decoded by larger pieces.
    content: Vec<u8>,
    transfer: Transfer,
    charset: Charset,
    octets: Vec<u8>,
    decoded: String,
    folded: String,
}

impl TextSink {
    /// `None` for what is not text, and for text of an unknown encoding, of which nobody knows what it says.
    pub(super) fn of(content: &Content) -> Option<Self> {
        if !is_text(&content.media_type) || content.unknown_encoding {
            return None;
        }
        Some(Self {
            content: Vec::new(),
            transfer: Transfer::named(&content.encoding),
            charset: Charset::for_label(content.parameter(b"charset").unwrap_or_default()),
            octets: Vec::new(),
            decoded: String::new(),
            folded: String::new(),
        })
    }

    pub(super) fn write(&mut self, data: &[u8], out: &mut Vec<u8>) {
        for piece in data.chunks(PIECE) {
            self.content.extend_from_slice(piece);
            if self.content.len() >= PIECE {
                self.decode_content();
                self.give_out(false, out);
            }
        }
    }

    fn decode_content(&mut self) {
        self.transfer.decode(&self.content, &mut self.octets);
        self.content.clear();
    }

    /// Gives out what was held back, and a line end: no match runs over two parts.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        self.decode_content();
        self.transfer.finish(&mut self.octets);
        self.give_out(true, out);
        out.push(b'\n');
    }

    fn give_out(&mut self, last: bool, out: &mut Vec<u8>) {
        // Most text is ASCII and needs one pass.
        if self.charset.takes_ascii_as_is()
            && self.octets.is_ascii()
            && memchr(INNER_HEADERS_FOLLOW, &self.octets).is_none()
        {
            self.octets.make_ascii_lowercase();
            out.append(&mut self.octets);
            return;
        }
        self.charset.decode(&self.octets, last, &mut self.decoded);
        fold_into(&self.decoded, &mut self.folded);
        // NUL has its own meaning in the search text.
        let mut rest = self.folded.as_bytes();
        while let Some(at) = memchr(INNER_HEADERS_FOLLOW, rest) {
            out.extend_from_slice(rest.get(..at).unwrap_or_default());
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        self.octets.clear();
        self.decoded.clear();
        self.folded.clear();
    }
}

/// Octets decoded at once, so that the buffers stay small whatever is fed.
const PIECE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(header: &str, body: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        let mut sink = TextSink::of(&Content::parse(header.as_bytes(), false, false, &mut 10))?;
        for byte in body {
            sink.write(&[*byte], &mut out);
        }
        sink.finish(&mut out);
        String::from_utf8(out).ok()
    }

    #[test]
    fn decoded_and_folded() {
        let base64 = "Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n";
        assert_eq!(text(base64, b"PEI+\r\nyQ==\r\n").as_deref(), Some("<b>e\u{301}\n"));
        let quoted = "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: Quoted-Printable\r\n";
        assert_eq!(text(quoted, b"=C3=\r\n=89A\0B").as_deref(), Some("e\u{301}ab\n"));
        assert_eq!(
            text("Content-Type: message/delivery-status\r\n", b"Action: Failed").as_deref(),
            Some("action: failed\n")
        );
        assert_eq!(text("Content-Type: image/png\r\n", b"x"), None);
        assert_eq!(text("Content-Transfer-Encoding: 8BIT\r\n", b"x").as_deref(), Some("x\n"));
        for unknown in ["7-bit", "", "text/html"] {
            assert_eq!(text(&format!("Content-Transfer-Encoding: {unknown}\r\n"), b"x"), None, "{unknown}");
        }
    }
}
