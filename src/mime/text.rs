//! The search text of one part: its transfer encoding undone, its charset made UTF-8, its case folded; in pieces.

use super::casefold::fold_into;
use super::charset::Charset;
use super::content::Content;
use super::transfer::Transfer;

/// Decodes the content of one part for SEARCH.
pub(super) struct TextSink {
    transfer: Transfer,
    charset: Charset,
    octets: Vec<u8>,
    decoded: String,
    folded: String,
}

impl TextSink {
    /// `None` for what is not text: searched are text/* and, for delivery reports and their like, message/*.
    pub(super) fn of(content: &Content) -> Option<Self> {
        if !content.is_type(b"text") && !content.is_type(b"message") {
            return None;
        }
        Some(Self {
            transfer: Transfer::named(&content.encoding),
            charset: Charset::for_label(content.parameter(b"charset").unwrap_or_default()),
            octets: Vec::new(),
            decoded: String::new(),
            folded: String::new(),
        })
    }

    pub(super) fn write(&mut self, data: &[u8], out: &mut Vec<u8>) {
        for piece in data.chunks(PIECE) {
            self.transfer.decode(piece, &mut self.octets);
            self.give_out(false, out);
        }
    }

    /// Gives out what was held back, and a line end: no match runs over two parts.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        self.transfer.finish(&mut self.octets);
        self.give_out(true, out);
        out.push(b'\n');
    }

    fn give_out(&mut self, last: bool, out: &mut Vec<u8>) {
        self.charset.decode(&self.octets, last, &mut self.decoded);
        fold_into(&self.decoded, &mut self.folded);
        out.extend_from_slice(self.folded.as_bytes());
        self.octets.clear();
        self.decoded.clear();
        self.folded.clear();
    }
}

/// Octets decoded at once, so that the buffers stay small whatever is fed.
const PIECE: usize = 16 * 1024;
