//! A message on its way into pieces: base64 lines shortened, compressed, cut so that each piece fills its place.
//!
//! The stream begins with an octet that names its format. One that was written by version 1 begins with the first octet of a
//! zstd frame, has no dictionary, and its octets are as they are.

use memchr::memmem;
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

/// The header is a zstd block of its own where it pays, so that it is read without the rest: where so much follows it. Of a
/// message with a longer header, or none, it is so much of its start, if it is a long one.
const MIN_REST: usize = 8 * 1024;
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
            self.encoder = Some(codec::stream_encoder()?);
            self.compress_first(header_end(&self.held).unwrap_or(FIRST_BLOCK))?;
        }
        self.compress_held()
    }

    /// So much of what is held as a block of its own.
    fn compress_first(&mut self, len: usize) -> Result<()> {
        if let Some(mut encoder) = self.encoder.take() {
            let rest = self.held.split_off(len);
            let first = std::mem::replace(&mut self.held, rest);
            self.compress(&mut encoder, &first)?;
            self.drain(|output| encoder.flush(output))?;
            self.encoder = Some(encoder);
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        self.shortener.finish(&mut self.held);
        if self.encoder.is_none() {
            self.encoder = Some(codec::encoder(self.held.len())?);
            if let Some(len) = header_end(&self.held).filter(|len| self.held.len() - len >= MIN_REST) {
                self.compress_first(len)?;
            }
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
        PIECE_LENS.into_iter().find(|len| *len <= left).or_else(|| (left > 0).then_some(left))
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

/// Where in a shortened message the header block ends, blank line included, if that is within [`FIRST_BLOCK`].
fn header_end(shortened: &[u8]) -> Option<usize> {
    let start = shortened.get(..FIRST_BLOCK).unwrap_or(shortened);
    memmem::find(start, b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::base64::Restorer;

    /// Octets that get shorter by half: a block of them gives out nothing before it is there whole.
    fn noise(len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut out);
        out.iter_mut().for_each(|octet| *octet = b'a' + *octet % 16);
        out
    }

    fn cut(message: &[u8]) -> Vec<Piece> {
        let mut cutter = Cutter::new();
        message.chunks(5_000).for_each(|part| cutter.write(part).expect("cut"));
        cutter.finish().expect("finished");
        cutter.full
    }

    /// What can be had of the first `size` octets from the first piece alone.
    fn start(pieces: &[Piece], size: usize) -> Vec<u8> {
        let (mut plain, mut taken, mut out) = (Vec::with_capacity(size), 1, Vec::new());
        let mut decoder = codec::Inflate::Pooled(codec::decoder().expect("a decoder"));
        decoder.run(&pieces[0].bytes, &mut taken, &mut plain).expect("a stream");
        Restorer::default().read(&plain, &mut out, usize::MAX).expect("shortened");
        out
    }

    #[test]
    fn a_header_is_read_from_the_first_piece() {
        let header = [b"Subject: x\r\nX: ".as_slice(), &b"y".repeat(1_000), b"\r\n\r\n"].concat();
        for rest in [MIN_REST * 8, MAX_WHOLE, MAX_WHOLE * 2] {
            let pieces = cut(&[header.as_slice(), &noise(rest)].concat());
            assert!(pieces.len() > 1 && start(&pieces, header.len() + 3).starts_with(&header), "{rest}");
        }
        let long =
            [b"Subject: x\r\nX: ".as_slice(), &b"y".repeat(FIRST_BLOCK), b"\r\n\r\n", &noise(MAX_WHOLE)].concat();
        assert!(start(&cut(&long), FIRST_BLOCK).starts_with(&long[..FIRST_BLOCK - 3]));
    }

    #[test]
    fn what_pays_at_the_limit_and_short_of_it() {
        let is_one_block = |rest: usize| {
            let pieces = cut(&[b"a: b\r\n\r\n".as_slice(), &noise(rest)].concat());
            // What is read here ends within the second block, if there is one.
            let (mut plain, mut taken) = (Vec::with_capacity(11), 1);
            let mut decoder = codec::Inflate::Pooled(codec::decoder().expect("a decoder"));
            decoder.run(&pieces[0].bytes[..200], &mut taken, &mut plain).expect("a stream");
            plain.is_empty()
        };
        assert!(!is_one_block(MIN_REST));
        assert!(is_one_block(MIN_REST - 1));
    }

    #[test]
    fn where_headers_end() {
        let at = |filler: usize| header_end(&[b"x".repeat(filler).as_slice(), b"\r\n\r\n\r\n\r\n"].concat());
        assert_eq!(at(0), Some(4));
        assert_eq!(at(FIRST_BLOCK - 4), Some(FIRST_BLOCK));
        assert_eq!(at(FIRST_BLOCK - 3), None);
        assert_eq!(header_end(b"a\r\nb\n\n"), None);
    }
}
