//! Reading: one consistent view of both halves of the store for the length of a closure on a blocking thread.
//!
//! A reader never crosses an await: a read transaction that stays open keeps every page freed meanwhile from reuse.

use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use zstd::stream::raw::Decoder;

use super::Inner;
use super::base64::Restorer;
use super::codec::{self, Inflate, Unpacker};
use super::cutter::{PLAIN_ZSTD, SHORTENED};
use super::error::{Error, Result};
use super::headers::Headers;
use super::record::RecordLayout;
use super::seam::{BodyRead, BodyStore, MetaRead};
use super::types::Record;
use crate::mail::{BodyId, Message};
use crate::mime;

/// Decompressed octets made at a time.
const STEP: usize = 64 * 1024;

/// When fewer octets than this are wanted, no more are made: that is how headers are read.
const MAX_EXACT: usize = 8 * 1024;

/// The longest header block read into memory (DESIGN 2.8).
const MAX_HEADER: u64 = 1 << 20;

/// Octets that the blocks of a shortened stream of [`MAX_EXACT`] octets and more may begin with.
const OVERHEAD: usize = 64;

/// One consistent read of the store, on a blocking thread. Never held across an await.
pub struct Reader {
    pub(super) meta: Box<dyn MetaRead>,
    /// Begun on first use: after `meta`, so that every body which `meta` names is there.
    bodies: OnceCell<Box<dyn BodyRead>>,
    store: Arc<dyn BodyStore>,
    /// Made on first use.
    unpacker: RefCell<Option<Unpacker>>,
    headers: Arc<Headers>,
    limits: mime::Limits,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn begin(inner: &Inner) -> Result<Self> {
        let unpacker = RefCell::new(None);
        let (meta, store) = (inner.meta.read()?, Arc::clone(&inner.bodies));
        let limits = **inner.limits.load();
        let headers = Arc::clone(&inner.shared.headers);
        Ok(Self { meta, bodies: OnceCell::new(), store, unpacker, headers, limits })
    }

    /// What is told apart in a message.
    pub fn parse_limits(&self) -> mime::Limits {
        self.limits
    }

    /// The record of a body; `None` when the body has been collected.
    pub fn record(&self, body: BodyId) -> Result<Option<RecordRef>> {
        let Some(packed) = self.meta.record(body)? else { return Ok(None) };
        let mut unpacker = self.unpacker.borrow_mut();
        let unpacker = match &mut *unpacker {
            Some(unpacker) => unpacker,
            none => none.insert(Unpacker::new()?),
        };
        let (octets, layout) = RecordLayout::decode((*packed).as_ref(), unpacker)?;
        Ok(Some(RecordRef { octets, layout }))
    }

    /// The header block of a message that was read lately and is still there: its record need not be read.
    pub fn kept_header(&self, body: BodyId) -> Result<Option<Arc<[u8]>>> {
        let Some(kept) = self.headers.get(body) else { return Ok(None) };
        Ok(self.meta.record(body)?.map(|_| kept))
    }

    /// The header block of a message, which lies at `span`; cut at 1 MiB. `None`: the body has been collected.
    pub fn header(&self, message: &Message, span: Range<u64>) -> Result<Option<Arc<[u8]>>> {
        if let Some(kept) = self.headers.get(message.body) {
            return Ok(Some(kept));
        }
        // Of a message that is all header, the hash is checked when that is given out.
        let is_kept = span.end < u64::from(message.size);
        let block = span.start..span.end.min(span.start.saturating_add(MAX_HEADER));
        let mut cursor = BodyCursor::unverified(message.body, block);
        let mut octets = Vec::new();
        while !cursor.is_done() {
            if !self.read_body(&mut cursor, &mut octets, STEP)? {
                return Ok(None);
            }
        }
        let header = octets.into();
        if is_kept {
            self.headers.keep(message.body, &header);
        }
        Ok(Some(header))
    }

    /// Appends up to about `max` more octets of the cursor's range to `out`. `false`: the body has been collected.
    /// When the range covers the whole body, its BLAKE3 is checked at the end.
    pub fn read_body(&self, cursor: &mut BodyCursor, out: &mut Vec<u8>, max: usize) -> Result<bool> {
        if cursor.is_done() {
            return Ok(true);
        }
        let bodies = self.bodies()?;
        if cursor.stream.next == 0 && !cursor.stream.begin(bodies)? {
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

/// The record of a body.
pub struct RecordRef {
    octets: Vec<u8>,
    layout: RecordLayout,
}

impl std::fmt::Debug for RecordRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordRef").finish_non_exhaustive()
    }
}

impl RecordRef {
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

    /// Encoded `mime::PartTable`.
    pub fn parts(&self) -> &[u8] {
        self.string(3)
    }

    /// Date header as days since 1970-01-01 in its own zone.
    pub const fn sent_day(&self) -> Option<i32> {
        self.layout.sent_day
    }

    /// What SEARCH looks into ends before this octet of the message.
    pub const fn text_end(&self) -> u64 {
        self.layout.text_end
    }

    /// A copy that outlives the reader.
    pub fn to_owned(&self) -> Record {
        Record {
            envelope: self.envelope().to_vec(),
            body: self.body().to_vec(),
            body_structure: self.body_structure().to_vec(),
            parts: self.parts().to_vec(),
            sent_day: self.sent_day(),
            text_end: self.text_end(),
        }
    }

    fn string(&self, index: usize) -> &[u8] {
        let bounds = &self.layout.bounds;
        bounds.get(index..index + 2).and_then(|b| self.octets.get(b[0]..b[1])).unwrap_or_default()
    }
}

/// The stream of a body being read piece by piece.
struct Pieces {
    body: BodyId,
    /// The piece to be read next.
    next: u32,
    piece: Vec<u8>,
    /// How much of `piece` the decoder has taken.
    taken: usize,
    format: Option<Format>,
    is_ended: bool,
}

/// How the octets are made of the stream.
enum Format {
    /// As version 1 wrote it.
    Plain(Inflate),
    Shortened(Box<Shortened>),
}

struct Shortened {
    decoder: Inflate,
    restorer: Restorer,
    /// Decompressed octets, and how many of them the restorer has taken.
    plain: Vec<u8>,
    taken: usize,
    /// All is decompressed.
    is_ended: bool,
}

impl Pieces {
    const fn new(body: BodyId) -> Self {
        Self { body, next: 0, piece: Vec::new(), taken: 0, format: None, is_ended: false }
    }

    /// Reads the first piece; `false`: the body has been collected.
    fn begin(&mut self, bodies: &dyn BodyRead) -> Result<bool> {
        let Some(bytes) = bodies.piece(self.body, 0)? else { return Ok(false) };
        self.piece.extend_from_slice((*bytes).as_ref());
        self.next = 1;
        self.format = Some(match self.piece.first() {
            Some(&PLAIN_ZSTD) => Format::Plain(Inflate::Plain(Decoder::new()?)),
            Some(&SHORTENED) => {
                self.taken = 1;
                let (decoder, restorer) = (Inflate::Pooled(codec::decoder()?), Restorer::default());
                let shortened = Shortened { decoder, restorer, plain: Vec::new(), taken: 0, is_ended: false };
                Format::Shortened(Box::new(shortened))
            }
            _ => return Err(Error::Damaged(format!("body {} is of an unknown format", self.body.0))),
        });
        Ok(true)
    }

    fn next_piece(&mut self, bodies: &dyn BodyRead) -> Result<()> {
        let found = bodies.piece(self.body, self.next)?;
        let bytes = found.ok_or_else(|| Error::Damaged(format!("body {} ends too early", self.body.0)))?;
        self.piece.clear();
        self.piece.extend_from_slice((*bytes).as_ref());
        (self.taken, self.next) = (0, self.next + 1);
        Ok(())
    }

    /// Whether a limit is kept to, whatever capacity there is.
    const fn is_bounded(&self) -> bool {
        matches!(self.format, Some(Format::Shortened(_)))
    }

    /// Adds octets to `out`, which is to have at most `limit`, and may have none to add yet; sets `is_ended` after the last.
    fn step(&mut self, bodies: &dyn BodyRead, out: &mut Vec<u8>, limit: usize) -> Result<()> {
        let wants_input = match &self.format {
            Some(Format::Shortened(shortened)) => shortened.wants_input(),
            _ => true,
        };
        if wants_input && self.taken == self.piece.len() {
            self.next_piece(bodies)?;
        }
        match &mut self.format {
            Some(Format::Plain(decoder)) => {
                self.is_ended = decoder.run(&self.piece, &mut self.taken, out)?;
            }
            Some(Format::Shortened(shortened)) => {
                shortened.step(&self.piece, &mut self.taken, out, limit)?;
                self.is_ended = shortened.has_given_all()?;
            }
            None => return Err(Error::Internal("a body was not begun".to_owned())),
        }
        Ok(())
    }
}

impl Shortened {
    const fn wants_input(&self) -> bool {
        self.taken == self.plain.len() && !self.is_ended
    }

    fn step(&mut self, piece: &[u8], taken: &mut usize, out: &mut Vec<u8>, limit: usize) -> Result<()> {
        if self.wants_input() {
            // The cutter makes a header a block of its own: with no room for more, the rest is not decompressed. Where
            // there is more room, what blocks begin with fits as well.
            let room = limit.saturating_sub(out.len());
            let size = if room < MAX_EXACT { room.max(1) } else { STEP.min(room.saturating_add(OVERHEAD)) };
            if self.plain.capacity() == size {
                self.plain.clear();
            } else {
                self.plain = Vec::with_capacity(size);
            }
            self.taken = 0;
            self.is_ended = self.decoder.run(piece, taken, &mut self.plain)?;
        }
        let rest = self.plain.get(self.taken..).unwrap_or_default();
        self.taken += self.restorer.read(rest, out, limit)?;
        Ok(())
    }

    fn has_given_all(&self) -> Result<bool> {
        if !self.is_ended || self.taken < self.plain.len() || self.restorer.has_more() {
            return Ok(false);
        }
        let damaged = || Error::Damaged("a shortened body ends too early".to_owned());
        if self.restorer.is_complete() { Ok(true) } else { Err(damaged()) }
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
        Self { stream: Pieces::new(body), range, position: 0, hasher, buffer: Vec::new() }
    }

    /// The same for octets that are looked through and not given out: what is damaged is found when it is.
    pub fn unverified(body: BodyId, range: Range<u64>) -> Self {
        Self { stream: Pieces::new(body), range, position: 0, hasher: None, buffer: Vec::new() }
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
        if before == 0 && self.stream.is_bounded() {
            let start = out.len();
            self.stream.step(bodies, out, start.saturating_add(room.min(wanted)))?;
            let given = out.get(start..).unwrap_or_default();
            if let Some(hasher) = &mut self.hasher {
                hasher.update(given);
            }
            self.position += given.len() as u64;
            return Ok(());
        }
        let size = if before > 0 { STEP.min(before) } else { STEP.min(room).min(wanted) };
        // The capacity bounds the step: what is decompressed past the range would be lost to the next one.
        if self.buffer.capacity() == size {
            self.buffer.clear();
        } else {
            self.buffer = Vec::with_capacity(size);
        }
        self.stream.step(bodies, &mut self.buffer, size)?;
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

/// Length and BLAKE3 of the octets of a body; `None` when it has no pieces.
pub(super) fn digest(bodies: &dyn BodyRead, body: BodyId) -> Result<Option<(u64, [u8; 32])>> {
    let (mut cursor, mut out) = (BodyCursor::new(body, 0..u64::MAX), Vec::new());
    if !cursor.stream.begin(bodies)? {
        return Ok(None);
    }
    let (mut hasher, mut octets) = (blake3::Hasher::new(), 0);
    while !cursor.is_done() {
        out.clear();
        cursor.step(bodies, &mut out, STEP)?;
        hasher.update(&out);
        octets += out.len() as u64;
    }
    Ok(Some((octets, *hasher.finalize().as_bytes())))
}
