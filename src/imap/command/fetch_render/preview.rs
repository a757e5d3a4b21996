//! PREVIEW (RFC 8970): the first words of a message, made of as little of its body as it takes.
//!
//! They are made when they are asked for, LAZY or not: a few kilobytes are read, and the answer is never NIL.

use std::ops::Range;

use super::Octets;
use crate::mail::BodyId;
use crate::mime::{Leaf, PartTable, Preview};
use crate::store::{self, BodyCursor, Reader, RecordRef};

/// Octets of content read at a time, and at most, of one part.
const PIECE: usize = 8 << 10;
const MOST: u64 = 256 << 10;
/// The longest header block that is looked at, and how many parts are.
const MAX_HEADER: u64 = 64 << 10;
const MAX_PARTS: usize = 16;

/// The preview; empty where there is no text. `None`: the body has been collected.
pub(super) fn preview(body: BodyId, record: &RecordRef, reader: &Reader) -> store::Result<Option<String>> {
    let leaves = PartTable::from_bytes(record.parts()).leaves(MAX_PARTS);
    let mut source = Source { reader, body, octets: None };
    for (at, leaf) in leaves.iter().enumerate() {
        let Some(header) = source.read(&leaf.header, MAX_HEADER)? else { return Ok(None) };
        let Some(part) = Preview::of(&header) else { continue };
        if part.is_html() {
            let Some(plain) = source.plain_alternative(leaf, leaves.get(at + 1..).unwrap_or_default())? else {
                return Ok(None);
            };
            if !plain.is_empty() {
                return Ok(Some(plain));
            }
        }
        let Some(text) = source.text(part, &leaf.body)? else { return Ok(None) };
        if !text.is_empty() {
            return Ok(Some(text));
        }
    }
    Ok(Some(String::new()))
}

/// The body being read; most reads go on where the last one ended.
struct Source<'r> {
    reader: &'r Reader,
    body: BodyId,
    octets: Option<Octets>,
}

impl Source<'_> {
    /// The first octets of a range, at most so many.
    fn read(&mut self, span: &Range<u64>, most: u64) -> store::Result<Option<Vec<u8>>> {
        let mut out = Vec::new();
        let mut octets = self.at(span.start..span.end.min(span.start.saturating_add(most)));
        while !octets.0.is_done() {
            if !octets.read(self.reader, &mut out, PIECE)? {
                return Ok(None);
            }
        }
        self.octets = Some(octets);
        Ok(Some(out))
    }

    /// What a part has to show.
    fn text(&mut self, mut part: Preview, span: &Range<u64>) -> store::Result<Option<String>> {
        let mut octets = self.at(span.start..span.end.min(span.start.saturating_add(MOST)));
        let mut piece = Vec::new();
        while !octets.0.is_done() && !part.is_full() {
            piece.clear();
            if !octets.read(self.reader, &mut piece, PIECE)? {
                return Ok(None);
            }
            part.write(&piece);
        }
        self.octets = Some(octets);
        Ok(Some(part.finish()))
    }

    /// Plain text is preferred to HTML that stands before it in a multipart/alternative (RFC 2046 section 5.1.4).
    fn plain_alternative(&mut self, html: &Leaf, later: &[Leaf]) -> store::Result<Option<String>> {
        let Some(multipart) = &html.multipart else { return Ok(Some(String::new())) };
        for leaf in later.iter().filter(|leaf| leaf.multipart.as_ref() == Some(multipart)) {
            let Some(header) = self.read(&leaf.header, MAX_HEADER)? else { return Ok(None) };
            let Some(plain) = Preview::of(&header).filter(|part| !part.is_html()) else { continue };
            let Some(header) = self.read(multipart, MAX_HEADER)? else { return Ok(None) };
            if Preview::is_alternative(&header) {
                return self.text(plain, &leaf.body);
            }
            break;
        }
        Ok(Some(String::new()))
    }

    fn at(&mut self, span: Range<u64>) -> Octets {
        let spare = self.octets.take();
        let spare = spare.and_then(|mut octets| octets.0.advance_to(self.body, &span).then_some(octets));
        spare.unwrap_or_else(|| Octets(BodyCursor::unverified(self.body, span)))
    }
}
