//! Reading: one consistent view of both halves of the store for the length of a closure on a blocking thread.
//!
//! A reader never crosses an await: a read transaction that stays open keeps every page freed meanwhile from reuse.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::Inner;
use super::error::{Error, Result};
use super::record::RecordLayout;
use super::seam::{BodyRead, BodyStore, MetaRead, Octets, Stream};
use super::types::Record;
use crate::mail::BodyId;

/// Decompressed octets made at a time.
const STEP: usize = 64 * 1024;

/// One consistent read of the store, on a blocking thread. Never held across an await.
pub struct Reader {
    pub(super) meta: Box<dyn MetaRead>,
    /// Begun on first use: after `meta`, so that every body which `meta` names is there.
    bodies: OnceCell<Box<dyn BodyRead>>,
    store: Arc<dyn BodyStore>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn begin(inner: &Inner) -> Result<Self> {
        Ok(Self { meta: inner.meta.read()?, bodies: OnceCell::new(), store: Arc::clone(&inner.bodies) })
    }

    /// The record of a body; `None` when the body has been collected.
    pub fn record(&self, body: BodyId) -> Result<Option<RecordRef<'_>>> {
        let Some(octets) = self.meta.record(body)? else { return Ok(None) };
        let layout = RecordLayout::decode((*octets).as_ref())?;
        Ok(Some(RecordRef { octets, layout }))
    }

    /// Appends up to about `max` more octets of the cursor's range to `out`. `false`: the body has been collected.
    /// When the range covers the whole body, its BLAKE3 is checked at the end.
    pub fn read_body(&self, cursor: &mut BodyCursor, out: &mut Vec<u8>, max: usize) -> Result<bool> {
        if cursor.is_done() {
            return Ok(true);
        }
        let bodies = self.bodies()?;
        if cursor.stream.next == 0 && bodies.piece(cursor.stream.body, Stream::Message, 0)?.is_none() {
            return Ok(false);
        }
        let limit = out.len().saturating_add(max.max(1));
        while !cursor.is_done() && out.len() < limit {
            cursor.step(bodies, out, limit - out.len())?;
        }
        if cursor.is_done() {
            self.verify(cursor)?;
        }
        Ok(true)
    }

    /// The decoded, case-folded text of the message for SEARCH BODY, in pieces; `f` returns false to stop. `false`:
    /// there is none.
    pub fn text(&self, body: BodyId, f: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool> {
        let bodies = self.bodies()?;
        if bodies.piece(body, Stream::Text, 0)?.is_none() {
            return Ok(false);
        }
        let mut stream = Pieces::new(body, Stream::Text);
        let mut buffer = Vec::with_capacity(STEP);
        while !stream.is_ended {
            buffer.clear();
            stream.step(bodies, &mut buffer)?;
            if !buffer.is_empty() && !f(&buffer) {
                break;
            }
        }
        Ok(true)
    }

    pub(super) fn bodies(&self) -> Result<&dyn BodyRead> {
        if self.bodies.get().is_none() {
            // Not shared between threads: the cell is still empty.
            drop(self.bodies.set(self.store.read()?));
        }
        let begun = self.bodies.get().ok_or_else(|| Error::Internal("a read was not begun".to_owned()))?;
        Ok(&**begun)
    }

    fn verify(&self, cursor: &BodyCursor) -> Result<()> {
        let Some(hasher) = cursor.hasher.as_ref() else { return Ok(()) };
        match self.meta.body(cursor.stream.body)? {
            Some(row) if row.size < cursor.position || (cursor.stream.is_ended && row.size > cursor.position) => {
                Err(Error::Damaged(format!("body {} has not the length that was stored", cursor.stream.body.0)))
            }
            Some(row) if row.size == cursor.position && row.hash != *hasher.finalize().as_bytes() => {
                Err(Error::Damaged(format!("the octets of body {} are not what was stored", cursor.stream.body.0)))
            }
            _ => Ok(()),
        }
    }
}

/// A record as it lies in the store.
pub struct RecordRef<'r> {
    octets: Octets<'r>,
    layout: RecordLayout,
}

impl std::fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordRef").finish_non_exhaustive()
    }
}

impl RecordRef<'_> {
    /// ENVELOPE value, rendered.
    pub fn envelope(&self) -> &[u8] {
        self.string(0)
    }

    /// BODY value, rendered.
    pub fn body(&self) -> &[u8] {
        self.string(1)
    }

    /// BODYSTRUCTURE value, rendered.
    pub fn body_structure(&self) -> &[u8] {
        self.string(2)
    }

    /// The top-level header block with its final blank line; empty when it is longer than 64 KiB.
    pub fn header(&self) -> &[u8] {
        self.string(3)
    }

    /// Encoded `mime::PartTable`.
    pub fn parts(&self) -> &[u8] {
        self.string(4)
    }

    /// Date header as days since 1970-01-01 in its own zone.
    pub const fn sent_day(&self) -> Option<i32> {
        self.layout.sent_day
    }

    /// A copy that outlives the reader.
    pub fn to_owned(&self) -> Record {
        Record {
            envelope: self.envelope().to_vec(),
            body: self.body().to_vec(),
            body_structure: self.body_structure().to_vec(),
            header: self.header().to_vec(),
            parts: self.parts().to_vec(),
            sent_day: self.sent_day(),
        }
    }

    fn string(&self, index: usize) -> &[u8] {
        let bounds = &self.layout.bounds;
        bounds.get(index..index + 2).and_then(|b| (*self.octets).as_ref().get(b[0]..b[1])).unwrap_or_default()
    }
}

/// A zstd stream being read piece by piece.
struct Pieces {
    body: BodyId,
    stream: Stream,
    /// Made on first use.
    decoder: Option<Decoder<'static>>,
    /// The piece to be read next.
    next: u32,
    piece: Vec<u8>,
    /// How much of `piece` the decoder has taken.
    taken: usize,
    is_ended: bool,
}

impl Pieces {
    const fn new(body: BodyId, stream: Stream) -> Self {
        Self { body, stream, decoder: None, next: 0, piece: Vec::new(), taken: 0, is_ended: false }
    }

    /// Fills the spare room of `out` once; sets `is_ended` at the end of the stream.
    fn step(&mut self, bodies: &dyn BodyRead, out: &mut Vec<u8>) -> Result<()> {
        if self.taken == self.piece.len() {
            let found = bodies.piece(self.body, self.stream, self.next)?;
            let bytes = found.ok_or_else(|| Error::Damaged(format!("body {} ends too early", self.body.0)))?;
            self.piece.clear();
            self.piece.extend_from_slice((*bytes).as_ref());
            (self.taken, self.next) = (0, self.next + 1);
        }
        let mut input = InBuffer::around(&self.piece);
        input.set_pos(self.taken);
        let filled = out.len();
        let mut output = OutBuffer::around_pos(out, filled);
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(Decoder::new()?),
        };
        let rest = decoder.run(&mut input, &mut output).map_err(|e| Error::Damaged(e.to_string()))?;
        self.taken = input.pos();
        self.is_ended = rest == 0;
        Ok(())
    }
}

/// Where a partly read body stands, between two reads.
pub struct BodyCursor {
    stream: Pieces,
    range: Range<u64>,
    /// Octets decompressed so far.
    position: u64,
    /// For a range that begins at 0: whether it turns out to cover the body is known at the end.
    hasher: Option<Box<blake3::Hasher>>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for BodyCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyCursor")
            .field("body", &self.stream.body)
            .field("range", &self.range)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl BodyCursor {
    /// Reads octets `range` of the body; its end may lie past the last octet.
    pub fn new(body: BodyId, range: Range<u64>) -> Self {
        let hasher = (range.start == 0).then(Box::default);
        Self { stream: Pieces::new(body, Stream::Message), range, position: 0, hasher, buffer: Vec::new() }
    }

    /// Goes on to another range of the same body, if it does not lie before what has been read: a client that reads a
    /// large message in pieces does not have it decompressed from the start for each. `false`: take a new cursor.
    pub fn advance_to(&mut self, body: BodyId, range: &Range<u64>) -> bool {
        let can = self.stream.body == body && !self.stream.is_ended && range.start >= self.position;
        if can {
            self.range = range.clone();
        }
        can
    }

    /// Whether all of the range, or of the body, has been read.
    pub fn is_done(&self) -> bool {
        self.stream.is_ended || self.position >= self.range.end || self.range.is_empty()
    }

    fn step(&mut self, bodies: &dyn BodyRead, out: &mut Vec<u8>, room: usize) -> Result<()> {
        let wanted = usize::try_from(self.range.end - self.position).unwrap_or(usize::MAX);
        let before = usize::try_from(self.range.start.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let size = if before > 0 { STEP.min(before) } else { STEP.min(room).min(wanted) };
        // The capacity bounds the step: what is decompressed past the range would be lost to the next one.
        if self.buffer.capacity() == size {
            self.buffer.clear();
        } else {
            self.buffer = Vec::with_capacity(size);
        }
        self.stream.step(bodies, &mut self.buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.buffer);
        }
        let skip = self.range.start.saturating_sub(self.position);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.buffer.len());
        let take = (self.buffer.len() - skip).min(wanted.saturating_sub(skip));
        out.extend_from_slice(self.buffer.get(skip..skip + take).unwrap_or_default());
        self.position += self.buffer.len() as u64;
        Ok(())
    }
}
