//! The two directions of COMPRESS=DEFLATE (RFC 4978): raw deflate (RFC 1951), octets in and octets out.
//!
//! What a resting connection holds is small. Nothing of the compressor, since a flush ends on an octet and what follows may be
//! the work of a new one. Of the decompressor only what it gave out last, at most [`WINDOW`], since the client may refer back to
//! it: a client that has sent little costs little.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The most that a reference in a deflate stream can reach back (RFC 1951 section 2).
const WINDOW: usize = 32 << 10;

/// Octets given out in one step, however much the input could become: the reader takes them in before it asks for more.
const STEP: usize = 16 << 10;

/// Fast, and most of the gain: responses are repetitive. A connection sends in bursts, and there may be thousands of them.
const LEVEL: Compression = Compression::new(3);

/// The input is no deflate stream, or goes on after its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// The sending direction.
#[derive(Default)]
pub(super) struct Deflater {
    state: Option<Box<Compress>>,
}

/// How much of what was put in must have come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// As much as is convenient.
    None,
    /// All of it: the peer can read it (RFC 4978 section 4).
    All,
    /// All of it, and the stream ends.
    End,
}

impl Deflater {
    /// Compresses `plain` to the end of `packed`.
    pub(super) fn pack(&mut self, plain: &[u8], flush: Flush, packed: &mut Vec<u8>) -> Result<(), Damaged> {
        if plain.is_empty() && self.state.is_none() && flush != Flush::End {
            return Ok(());
        }
        let state = self.state.get_or_insert_with(|| Box::new(Compress::new(LEVEL, false)));
        let how = match flush {
            Flush::None => FlushCompress::None,
            Flush::All => FlushCompress::Sync,
            Flush::End => FlushCompress::Finish,
        };
        let start = state.total_in();
        loop {
            // An output that is left with room means that everything has come out (zlib's manual on deflate()).
            packed.reserve((plain.len() / 4).max(256));
            let taken = usize::try_from(state.total_in() - start).unwrap_or(usize::MAX);
            let rest = plain.get(taken..).unwrap_or_default();
            let status = state.compress_vec(rest, packed, how).map_err(|_| Damaged)?;
            if status == Status::StreamEnd || packed.len() < packed.capacity() {
                return Ok(());
            }
        }
    }

    /// Gives the memory back. Only after a flush of all.
    pub(super) fn rest(&mut self) {
        self.state = None;
    }
}

/// The receiving direction.
#[derive(Default)]
pub(super) struct Inflater {
    state: Option<Box<Decompress>>,
    /// Octets received, of which `used` have been inflated.
    raw: Vec<u8>,
    used: usize,
    /// Up to here `raw` may be inflated: to the end of the next flush of the client, or of what was received. What follows the
    /// command that ends compression is then not taken for more of the stream (RFC 8437 section 4.1).
    limit: usize,
    flush: FlushMark,
    /// The last output filled its space: there may be more of it without more input.
    full: bool,
    /// The client has ended its stream.
    ended: bool,
    /// The last [`WINDOW`] octets given out.
    history: Vec<u8>,
}

impl Inflater {
    /// Takes in what was received.
    pub(super) fn push(&mut self, raw: &[u8]) {
        self.raw.drain(..self.used);
        self.limit -= self.used;
        self.used = 0;
        self.raw.extend_from_slice(raw);
    }

    /// Inflates at most [`STEP`] octets to the end of `plain`. None: more must be received first.
    pub(super) fn step(&mut self, plain: &mut Vec<u8>) -> Result<(), Damaged> {
        let start = plain.len();
        while plain.len() == start {
            if self.used == self.limit {
                self.advance_limit();
            }
            if self.used == self.limit && !self.full {
                return Ok(());
            }
            if self.ended {
                return Err(Damaged);
            }
            plain.reserve_exact(STEP);
            self.inflate(plain)?;
        }
        let fresh = plain.get(start..).unwrap_or_default();
        self.history.extend_from_slice(fresh);
        let excess = self.history.len().saturating_sub(WINDOW);
        self.history.drain(..excess);
        Ok(())
    }

    fn inflate(&mut self, plain: &mut Vec<u8>) -> Result<(), Damaged> {
        let state = match &mut self.state {
            Some(state) => state,
            None => {
                let mut fresh = Box::new(Decompress::new(false));
                if !self.history.is_empty() {
                    fresh.set_dictionary(&self.history).map_err(|_| Damaged)?;
                }
                self.state.insert(fresh)
            }
        };
        let input = self.raw.get(self.used..self.limit).unwrap_or_default();
        let before = state.total_in();
        let room = plain.capacity();
        let status = state.decompress_vec(input, plain, FlushDecompress::None).map_err(|_| Damaged)?;
        self.used += usize::try_from(state.total_in() - before).unwrap_or_default();
        self.full = plain.len() == room;
        self.ended = status == Status::StreamEnd;
        if self.ended {
            self.full = false;
        }
        Ok(())
    }

    /// Gives memory back: all of the state where the client has just flushed, as every client does that waits for an answer.
    pub(super) fn rest(&mut self) {
        if self.used == self.raw.len() {
            self.raw = Vec::new();
            (self.used, self.limit) = (0, 0);
            if self.flush.is_complete() && !self.full && !self.ended {
                self.state = None;
                self.history.shrink_to_fit();
            }
        }
    }

    /// The client ends compression after the command just read: what the flush after it still gives out, and the octets that
    /// come after the stream.
    pub(super) fn end(mut self) -> Result<Vec<u8>, Damaged> {
        let mut rest = Vec::new();
        while !self.ended && (self.used < self.limit || self.full) {
            rest.reserve_exact(STEP);
            self.inflate(&mut rest)?;
        }
        rest.extend_from_slice(self.raw.get(self.used..).unwrap_or_default());
        Ok(rest)
    }

    fn advance_limit(&mut self) {
        while let Some(octet) = self.raw.get(self.limit) {
            self.limit += 1;
            self.flush.advance(*octet);
            if self.flush.is_complete() {
                return;
            }
        }
    }
}

/// How much has been seen of what a flush ends with: the length of an empty stored block, 00 00 FF FF (RFC 1951 section 3.2.4).
/// Where data happens to look like it, nothing comes of it but a shorter step.
#[derive(Default)]
struct FlushMark(u8);

impl FlushMark {
    fn advance(&mut self, octet: u8) {
        self.0 = match (self.0, octet) {
            (1 | 2, 0) => 2,
            (_, 0) => 1,
            (seen @ (2 | 3), 0xff) => seen + 1,
            _ => 0,
        };
    }

    fn is_complete(&self) -> bool {
        self.0 == 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(deflater: &mut Deflater, plain: &[u8], flush: Flush) -> Vec<u8> {
        let mut out = Vec::new();
        deflater.pack(plain, flush, &mut out).expect("packed");
        out
    }

    /// Everything that can be had without more input; the largest step.
    fn drain(inflater: &mut Inflater) -> (Vec<u8>, usize) {
        let (mut all, mut largest) = (Vec::new(), 0);
        loop {
            let mut plain = Vec::new();
            inflater.step(&mut plain).expect("a stream");
            if plain.is_empty() {
                return (all, largest);
            }
            largest = largest.max(plain.len());
            all.extend(plain);
        }
    }

    #[test]
    fn a_flush_lets_everything_out() {
        let (mut deflater, mut inflater) = (Deflater::default(), Inflater::default());
        for size in [1, 100, 5_000, 70_000, 300_000] {
            let plain: Vec<u8> = (0..size).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            inflater.push(&packed(&mut deflater, &plain, Flush::All));
            assert_eq!(drain(&mut inflater).0, plain, "{size}");
        }
        assert!(packed(&mut Deflater::default(), b"", Flush::All).is_empty());
    }

    #[test]
    fn both_go_on_after_a_rest() {
        let (mut deflater, mut inflater) = (Deflater::default(), Inflater::default());
        let mut client = Decompress::new(false);
        for round in 0..50 {
            let plain = format!("a{round} NOOP\r\n").repeat(round * 20).into_bytes();
            let wire = packed(&mut deflater, &plain, Flush::All);
            let mut read = Vec::with_capacity(plain.len() + 1);
            client.decompress_vec(&wire, &mut read, FlushDecompress::Sync).expect("a stream");
            assert_eq!(read, plain);
            if round % 2 == 0 {
                deflater.rest();
                assert!(deflater.state.is_none());
            }
        }
        // A client whose compressor remembers what it sent before the rest.
        let mut client = Compress::new(Compression::best(), false);
        for round in 0..200 {
            let plain = format!("a{round} UID FETCH 1:* (FLAGS) (CHANGEDSINCE {round})\r\n").repeat(10).into_bytes();
            let mut wire = Vec::with_capacity(plain.len() + 100);
            client.compress_vec(&plain, &mut wire, FlushCompress::Sync).expect("packed");
            inflater.push(&wire);
            assert_eq!(drain(&mut inflater).0, plain);
            inflater.rest();
            assert!(inflater.state.is_none() && inflater.raw.capacity() == 0);
            assert!(inflater.history.len() <= WINDOW);
        }
        assert_eq!(inflater.history.len(), WINDOW);
    }

    /// Four kilobytes that would be four megabytes come out no faster than they are taken.
    #[test]
    fn a_bomb_comes_out_in_steps() {
        let wire = packed(&mut Deflater::default(), &vec![0; 4 << 20], Flush::All);
        assert!(wire.len() < 32 << 10);
        let mut inflater = Inflater::default();
        inflater.push(&wire);
        let mut plain = Vec::new();
        inflater.step(&mut plain).expect("a stream");
        assert_eq!(plain.len(), STEP);
        let (rest, largest) = drain(&mut inflater);
        assert_eq!((rest.len(), largest), ((4 << 20) - STEP, STEP));
    }

    #[test]
    fn what_follows_the_last_flush_is_left_alone() {
        for flush in [Flush::All, Flush::End] {
            for chunk in [1, 3, 1000] {
                let mut wire = packed(&mut Deflater::default(), b"a UNAUTHENTICATE\r\n", flush);
                wire.extend_from_slice(b"b NOOP\r\n");
                let mut inflater = Inflater::default();
                let mut plain = Vec::new();
                let mut chunks = wire.chunks(chunk);
                while !plain.ends_with(b"\n") {
                    inflater.push(chunks.next().expect("more"));
                    inflater.step(&mut plain).expect("a stream");
                }
                assert_eq!(plain, b"a UNAUTHENTICATE\r\n");
                // What the client sends plain comes when it has flushed.
                let marked = inflater.ended || inflater.flush.is_complete();
                let rest: Vec<u8> = chunks.flatten().copied().collect();
                if marked {
                    let mut left = inflater.end().expect("a stream");
                    left.extend(rest);
                    assert_eq!(left, b"b NOOP\r\n", "{flush:?} {chunk}");
                }
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        let mut inflater = Inflater::default();
        inflater.push(b"a NOOP\r\n");
        assert_eq!(inflater.step(&mut Vec::new()), Err(Damaged));
        let mut inflater = Inflater::default();
        inflater.push(&packed(&mut Deflater::default(), b"x", Flush::End));
        inflater.push(b"y");
        let mut plain = Vec::new();
        assert_eq!((inflater.step(&mut plain), plain.as_slice()), (Ok(()), b"x".as_slice()));
        assert_eq!(inflater.step(&mut plain), Err(Damaged));
    }

    proptest! {
        #[test]
        fn any_octets_in_any_pieces(
            texts in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..200), 1..20),
            chunk in 1..40_usize,
        ) {
            let (mut deflater, mut inflater) = (Deflater::default(), Inflater::default());
            let (mut wire, mut read) = (Vec::new(), Vec::new());
            for (index, text) in texts.iter().enumerate() {
                wire.extend(packed(&mut deflater, text, if index % 3 == 0 { Flush::None } else { Flush::All }));
            }
            wire.extend(packed(&mut deflater, b"end", Flush::All));
            for chunk in wire.chunks(chunk) {
                inflater.push(chunk);
                read.extend(drain(&mut inflater).0);
            }
            prop_assert_eq!(read, [texts.concat(), b"end".to_vec()].concat());
        }

        #[test]
        fn no_octets_make_it_panic(wire in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut inflater = Inflater::default();
            inflater.push(&wire);
            let mut plain = Vec::new();
            while plain.len() < 1 << 20 {
                let before = plain.len();
                if inflater.step(&mut plain).is_err() || plain.len() == before {
                    break;
                }
            }
        }
    }
}
