//! A message on its way into pieces: base64 lines shortened, compressed, cut so that each piece fills its place.
//!
//! The stream begins with an octet that names its format. One that was written by version 1 begins with the first octet of a
//! zstd frame, has no dictionary, and its octets are as they are.

use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

use super::base64::Shortener;
use super::codec;
use super::error::Result;
use super::seam::Piece;

/// Lengths that a piece may have; only the last is of another, shorter than the least of them. redb rounds the page of a
/// value up to a power of two: with key and page header (20 bytes) these fill 16, 8 and 4 KiB.
pub const PIECE_LENS: [usize; 3] = [16_364, 8_172, 4_076];

const PIECE_LEN: usize = PIECE_LENS[0];

/// First octet of a stream: octets shortened as `base64` says, then one zstd frame with the dictionary of `codec`.
pub(super) const SHORTENED: u8 = 1;
/// First octet of a zstd frame, and so of a stream of version 1.
pub(super) const PLAIN_ZSTD: u8 = 0x28;

/// A message up to this long, once shortened, is compressed as a whole.
const MAX_WHOLE: usize = 128 * 1024;

/// The start of a longer one is a zstd block of its own: its header is read without the rest.
const FIRST_BLOCK: usize = 16 * 1024;

/// One stream being cut into pieces.
pub(super) struct Cutter {
    shortener: Shortener,
    /// Shortened and not yet compressed.
    held: Vec<u8>,
    /// Made once it is known whether the message is a long one.
    encoder: Option<Encoder<'static>>,
    current: Vec<u8>,
    /// Pieces that are complete.
    pub(super) full: Vec<Piece>,
    /// Number of the next piece.
    pub(super) next: u32,
}

impl Cutter {
    pub(super) fn new() -> Self {
        let (shortener, held, current, full) = (Shortener::default(), Vec::new(), Vec::new(), Vec::new());
        Self { shortener, held, encoder: None, current, full, next: 0 }
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<()> {
        self.shortener.write(data, &mut self.held);
        if self.encoder.is_none() {
            if self.held.len() <= MAX_WHOLE {
                return Ok(());
            }
            let mut encoder = codec::stream_encoder()?;
            let rest = self.held.split_off(FIRST_BLOCK);
            let first = std::mem::replace(&mut self.held, rest);
            self.compress(&mut encoder, &first)?;
            self.drain(|output| encoder.flush(output))?;
            self.encoder = Some(encoder);
        }
        self.compress_held()
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        self.shortener.finish(&mut self.held);
        if self.encoder.is_none() {
            self.encoder = Some(codec::encoder(self.held.len())?);
        }
        self.compress_held()?;
        if let Some(mut encoder) = self.encoder.take() {
            self.drain(|output| encoder.finish(output, true))?;
        }
        while let Some(len) = self.last_len() {
            let rest = self.current.split_off(len);
            self.cut(rest);
        }
        Ok(())
    }

    /// How long the next of the last pieces is.
    fn last_len(&self) -> Option<usize> {
        let left = self.current.len();
        PIECE_LENS.into_iter().find(|len| *len <= left).or((left > 0).then_some(left))
    }

    fn compress_held(&mut self) -> Result<()> {
        if let Some(mut encoder) = self.encoder.take() {
            let mut held = std::mem::take(&mut self.held);
            self.compress(&mut encoder, &held)?;
            held.clear();
            (self.held, self.encoder) = (held, Some(encoder));
        }
        Ok(())
    }

    fn compress(&mut self, encoder: &mut Encoder<'static>, data: &[u8]) -> Result<()> {
        let mut input = InBuffer::around(data);
        while input.pos() < data.len() {
            self.step(|output| encoder.run(&mut input, output))?;
        }
        Ok(())
    }

    /// Steps until the encoder has nothing left to give.
    fn drain(&mut self, mut run: impl FnMut(&mut OutBuffer<'_, Vec<u8>>) -> std::io::Result<usize>) -> Result<()> {
        while self.step(&mut run)? > 0 {}
        Ok(())
    }

    fn step(&mut self, run: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> std::io::Result<usize>) -> Result<usize> {
        if self.current.capacity() == 0 {
            self.current.reserve_exact(PIECE_LEN);
            if self.next == 0 {
                self.current.push(SHORTENED);
            }
        }
        let filled = self.current.len();
        let rest = run(&mut OutBuffer::around_pos(&mut self.current, filled))?;
        if self.current.len() >= PIECE_LEN {
            self.cut(Vec::new());
        }
        Ok(rest)
    }

    fn cut(&mut self, rest: Vec<u8>) {
        let bytes = std::mem::replace(&mut self.current, rest);
        self.full.push(Piece { n: self.next, bytes });
        self.next += 1;
    }
}
