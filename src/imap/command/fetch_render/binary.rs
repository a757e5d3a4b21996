//! BINARY and BINARY.SIZE (RFC 3516, RFC 9051 section 6.4.5): parts with their transfer encoding undone.
//!
//! A literal begins with its length, and what cannot be decoded must not be begun: so each part is decoded once before the
//! line of its message begins, only to see how much comes of it, and again while it is sent, unless it was short.

use std::ops::Range;

use memchr::memchr;

use super::section::{header, section_name, want};
use super::{Job, Octets};
use crate::imap::codec::command::{FetchItem, Section, SectionText};
use crate::imap::codec::write;
use crate::mime::{Decoder, PartTable, Want, filter_header};
use crate::store::{self, BodyCursor, Reader, RecordRef};

/// Octets read and decoded at a time.
const PIECE: usize = 64 << 10;
/// Of one message so many decoded octets are kept from the first time.
pub(super) const KEPT: usize = 256 << 10;

/// One item of one message, while it is found out what it shows.
pub(super) struct Measure {
    source: Option<Source>,
    /// The decoded octets that are asked for.
    wanted: Range<u64>,
    reading: Option<Reading>,
    /// Decoded octets so far.
    decoded: u64,
    /// Of them, how many are wanted, and whether a NUL is among those.
    shown: u64,
    nul: bool,
    /// The octets wanted, as long as there is room for them.
    kept: Option<Vec<u8>>,
}

/// What is decoded, from its start.
#[derive(Clone)]
struct Source {
    span: Range<u64>,
    decoder: Decoder,
}

struct Reading {
    octets: Octets,
    decoder: Decoder,
}

/// How far a measure has come.
pub(super) enum Progress {
    /// So many octets were read; there are more.
    More(usize),
    Done,
    /// The content is not of its encoding, or that is not known.
    Undecodable,
    /// The body has been collected.
    Gone,
}

/// Whether the item is measured before it is sent.
pub(super) fn is_binary(item: &FetchItem) -> bool {
    matches!(item, FetchItem::Binary { .. } | FetchItem::BinarySize(_))
}

impl Measure {
    /// The measure of an item that [`is_binary`]; `Err` tells why there is none.
    pub(super) fn of(
        item: &FetchItem,
        job: &Job,
        record: &RecordRef,
        reader: &Reader,
    ) -> store::Result<Result<Self, Progress>> {
        let (section, partial, keep) = match item {
            FetchItem::Binary { section, partial, .. } => (section, *partial, true),
            FetchItem::BinarySize(section) => (section, None, false),
            _ => return Ok(Err(Progress::Undecodable)),
        };
        let (offset, count) = partial.unwrap_or((0, u64::MAX));
        let mut measure = Self {
            source: None,
            wanted: offset..offset.saturating_add(count),
            reading: None,
            decoded: 0,
            shown: 0,
            nul: false,
            kept: keep.then(Vec::new),
        };
        let table = PartTable::from_bytes(record.parts());
        let found = match (section.path.is_empty(), want(&section.text)) {
            (true, Want::Whole) => Some((0..u64::from(job.message.size), None)),
            (_, want) => table.content(&section.path, want),
        };
        let Some((span, encoding)) = found else { return Ok(Ok(measure)) };
        if let SectionText::HeaderFields(names) | SectionText::HeaderFieldsNot(names) = &section.text {
            let Some(block) = header(span, job, reader)? else { return Ok(Err(Progress::Gone)) };
            let keep = matches!(section.text, SectionText::HeaderFields(_));
            let mut room = usize::MAX;
            measure.count(&filter_header(&block, names, keep), &mut room);
            return Ok(Ok(measure));
        }
        let decoder = match encoding {
            None => Some(Decoder::identity()),
            Some(encoding) => match header(encoding, job, reader)? {
                Some(block) => Decoder::of(&block),
                None => return Ok(Err(Progress::Gone)),
            },
        };
        let Some(decoder) = decoder else { return Ok(Err(Progress::Undecodable)) };
        let source = Source { span, decoder };
        measure.reading = Some(source.open(job));
        measure.source = Some(source);
        Ok(Ok(measure))
    }

    /// Goes on by one piece. Of what is kept, `room` is taken.
    pub(super) fn step(&mut self, reader: &Reader, room: &mut usize) -> store::Result<Progress> {
        let Some(mut reading) = self.reading.take() else { return Ok(Progress::Done) };
        if self.decoded >= self.wanted.end {
            return Ok(Progress::Done);
        }
        let mut decoded = Vec::new();
        let read = match reading.next(reader, &mut decoded)? {
            Next::Gone => return Ok(Progress::Gone),
            Next::Undecodable => return Ok(Progress::Undecodable),
            Next::More(read) => Some(read),
            Next::End => None,
        };
        self.count(&decoded, room);
        Ok(match read {
            None => Progress::Done,
            Some(read) => {
                self.reading = Some(reading);
                Progress::More(read)
            }
        })
    }

    fn count(&mut self, decoded: &[u8], room: &mut usize) {
        let wanted = within(decoded, self.decoded, &self.wanted);
        self.decoded += decoded.len() as u64;
        self.shown += wanted.len() as u64;
        self.nul |= memchr(0, wanted).is_some();
        let Some(kept) = &mut self.kept else { return };
        match room.checked_sub(wanted.len()) {
            Some(left) => {
                *room = left;
                kept.extend_from_slice(wanted);
            }
            None => self.kept = None,
        }
    }

    /// Writes the item. Returned: what follows, if it is a literal that was not kept.
    pub(super) fn render(self, item: &FetchItem, job: &Job, out: &mut Vec<u8>) -> Option<Decoding> {
        out.extend_from_slice(&label(item));
        out.push(b' ');
        if let FetchItem::BinarySize(_) = item {
            write::number(out, self.decoded);
            return None;
        }
        if self.shown == 0 {
            // Never `{0}`, which stalls a client.
            out.extend_from_slice(b"\"\"");
            return None;
        }
        // RFC 9051 section 7.5.2: literal8 tells that there is a NUL.
        if self.nul {
            out.push(b'~');
        }
        write::literal_header(out, self.shown);
        match (self.kept, self.source) {
            (None, Some(source)) => Some(Decoding {
                reading: source.open(job),
                wanted: self.wanted,
                decoded: 0,
                left: self.shown,
                pending: Vec::new(),
            }),
            (kept, _) => {
                out.extend_from_slice(&kept.unwrap_or_default());
                None
            }
        }
    }
}

impl Source {
    fn open(&self, job: &Job) -> Reading {
        let octets = Octets(BodyCursor::unverified(job.message.body, self.span.clone()));
        Reading { octets, decoder: self.decoder.clone() }
    }
}

enum Next {
    /// So many octets were read.
    More(usize),
    End,
    Undecodable,
    Gone,
}

impl Reading {
    /// Decodes the next piece, or what was held back at the end.
    fn next(&mut self, reader: &Reader, out: &mut Vec<u8>) -> store::Result<Next> {
        if self.octets.0.is_done() {
            return Ok(if self.decoder.finish(out).is_ok() { Next::End } else { Next::Undecodable });
        }
        let mut raw = Vec::new();
        if !self.octets.read(reader, &mut raw, PIECE)? {
            return Ok(Next::Gone);
        }
        Ok(if self.decoder.decode(&raw, out).is_ok() { Next::More(raw.len()) } else { Next::Undecodable })
    }
}

/// The octets of a literal that are decoded while they are sent.
pub(super) struct Decoding {
    reading: Reading,
    wanted: Range<u64>,
    decoded: u64,
    /// What the literal still has to have.
    left: u64,
    pending: Vec<u8>,
}

impl Decoding {
    /// Adds a piece to `out`. `false`: it cannot be had, although it was there before.
    pub(super) fn step(&mut self, reader: &Reader, out: &mut Vec<u8>) -> store::Result<bool> {
        self.pending.clear();
        let next = self.reading.next(reader, &mut self.pending)?;
        let wanted = within(&self.pending, self.decoded, &self.wanted);
        let wanted =
            wanted.get(..usize::try_from(self.left).unwrap_or(usize::MAX).min(wanted.len())).unwrap_or_default();
        out.extend_from_slice(wanted);
        self.decoded += self.pending.len() as u64;
        self.left -= wanted.len() as u64;
        Ok(match next {
            Next::More(_) => true,
            Next::End => self.left == 0,
            Next::Undecodable | Next::Gone => false,
        })
    }

    pub(super) const fn is_done(&self) -> bool {
        self.left == 0
    }
}

/// What of `data`, which stands at `position`, lies in `wanted`.
fn within<'d>(data: &'d [u8], position: u64, wanted: &Range<u64>) -> &'d [u8] {
    let at = |offset: u64| usize::try_from(offset.saturating_sub(position)).unwrap_or(usize::MAX).min(data.len());
    data.get(at(wanted.start)..at(wanted.end)).unwrap_or_default()
}

/// `BINARY[section]<offset>` or `BINARY.SIZE[section]`, as the response names it.
fn label(item: &FetchItem) -> Vec<u8> {
    let named = |word: &[u8], section: &Section, partial| section_name(word, section, partial);
    match item {
        FetchItem::Binary { section, partial, .. } => named(b"BINARY", section, *partial),
        FetchItem::BinarySize(section) => named(b"BINARY.SIZE", section, None),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_within_a_range() {
        let data = b"0123456789";
        for (wanted, want) in [
            (0..u64::MAX, &b"0123456789"[..]),
            (100..110, b"0123456789"),
            (103..105, b"34"),
            (95..102, b"01"),
            (109..200, b"9"),
            (110..200, b""),
            (0..100, b""),
            (105..105, b""),
        ] {
            let position = if wanted.end == u64::MAX { 0 } else { 100 };
            assert_eq!(within(data, position, &wanted), want, "{wanted:?}");
        }
    }
}
