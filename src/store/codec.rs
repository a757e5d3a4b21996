//! How bodies and records are compressed: zstd, with a dictionary of what most mail has in it, so that a short message need
//! not spell out the names of its header fields. Written by hand from the RFCs and common usage, of no particular mail.

use std::sync::{LazyLock, Mutex};

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::stream::raw::{CParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::error::{Error, Result};
use super::notify::lock;

/// Level for what is compressed as a whole, and for a longer stream. Higher ones take much more time for a fraction of
/// a percent.
const LEVEL: i32 = 6;
const STREAM_LEVEL: i32 = 3;

/// Bounds the memory of a longer stream, on both ways: 512 KiB.
const STREAM_WINDOW_LOG: u32 = 19;

/// Part of the file format: never to be changed, a new one needs a new format of stream and record.
static DICTIONARY: LazyLock<Vec<u8>> =
    LazyLock::new(|| include_str!("dictionary.txt").replace('\n', "\r\n").into_bytes());
static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(&DICTIONARY, LEVEL));
static STREAM_ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(&DICTIONARY, STREAM_LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(&DICTIONARY));

/// An encoder of `size` octets, which are at hand.
pub(super) fn encoder(size: usize) -> Result<Encoder<'static>> {
    let mut encoder = Encoder::with_prepared_dictionary(&ENCODER)?;
    encoder.set_pledged_src_size(Some(size as u64))?;
    Ok(encoder)
}

/// An encoder of a stream of unknown length.
pub(super) fn stream_encoder() -> Result<Encoder<'static>> {
    let mut encoder = Encoder::with_prepared_dictionary(&STREAM_ENCODER)?;
    encoder.set_parameter(CParameter::WindowLog(STREAM_WINDOW_LOG))?;
    Ok(encoder)
}

/// Decoders not in use: to make one takes about as long as to decompress a short message, and its first frame takes longer.
/// At most 700 KiB each.
static SPARE: Mutex<Vec<Decoder<'static>>> = Mutex::new(Vec::new());
static SPARE_UNPACKERS: Mutex<Vec<Decompressor<'static>>> = Mutex::new(Vec::new());
const MAX_SPARE: usize = 4;

/// Keeps what is not in use, up to so many.
fn keep<T>(spare: &Mutex<Vec<T>>, unused: Option<T>) {
    let mut spare = lock(spare);
    if spare.len() < MAX_SPARE {
        spare.extend(unused);
    }
}

/// A decoder of what either made, on loan.
pub(super) struct PooledDecoder(Option<Decoder<'static>>);

/// A decoder at the start of a stream.
pub(super) fn decoder() -> Result<PooledDecoder> {
    let spare = lock(&SPARE).pop();
    let decoder = match spare {
        Some(mut spare) => {
            spare.reinit()?;
            spare
        }
        None => Decoder::with_prepared_dictionary(&DECODER)?,
    };
    Ok(PooledDecoder(Some(decoder)))
}

impl Drop for PooledDecoder {
    fn drop(&mut self) {
        keep(&SPARE, self.0.take());
    }
}

/// What decompresses a stream.
pub(super) enum Inflate {
    /// Of version 1: no dictionary.
    Plain(Decoder<'static>),
    Pooled(PooledDecoder),
}

impl Inflate {
    /// Fills the spare room of `out` once from `piece`, of which `taken` octets are done; `true`: that was all of the stream.
    pub(super) fn run(&mut self, piece: &[u8], taken: &mut usize, out: &mut Vec<u8>) -> Result<bool> {
        let decoder = match self {
            Self::Plain(decoder) | Self::Pooled(PooledDecoder(Some(decoder))) => decoder,
            Self::Pooled(PooledDecoder(None)) => return Err(Error::Internal("a decoder was given back".to_owned())),
        };
        let mut input = InBuffer::around(piece);
        input.set_pos(*taken);
        let filled = out.len();
        let rest = decoder
            .run(&mut input, &mut OutBuffer::around_pos(out, filled))
            .map_err(|e| Error::Damaged(e.to_string()))?;
        *taken = input.pos();
        Ok(rest == 0)
    }
}

/// Compresses a record.
pub(super) fn compress(data: &[u8]) -> Result<Vec<u8>> {
    Ok(Compressor::with_prepared_dictionary(&ENCODER)?.compress(data)?)
}

/// Decompresses records.
pub(super) struct Unpacker(Option<Decompressor<'static>>);

impl Drop for Unpacker {
    fn drop(&mut self) {
        keep(&SPARE_UNPACKERS, self.0.take());
    }
}

impl Unpacker {
    pub(super) fn new() -> Result<Self> {
        let spare = lock(&SPARE_UNPACKERS).pop();
        Ok(Self(Some(match spare {
            Some(spare) => spare,
            None => Decompressor::with_prepared_dictionary(&DECODER)?,
        })))
    }

    /// What [`compress`] was given, which was `len` octets.
    pub(super) fn decompress(&mut self, data: &[u8], len: usize) -> Result<Vec<u8>> {
        let damaged = || Error::Damaged("a record cannot be decompressed".to_owned());
        if len > MAX_RECORD {
            return Err(damaged());
        }
        let unpacker = self.0.as_mut().ok_or_else(damaged)?;
        let octets = unpacker.decompress(data, len).map_err(|_| damaged())?;
        if octets.len() == len { Ok(octets) } else { Err(damaged()) }
    }
}

/// No record is longer: what it is made of is bounded by the limits of `mime`.
const MAX_RECORD: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_part_of_the_format() {
        let hash = blake3::hash(&DICTIONARY).to_hex();
        assert_eq!(hash.get(..32), Some("4d6503e69b9a352b1459c5d9b73ef341"), "{} octets", DICTIONARY.len());
    }

    #[test]
    fn records_come_back_and_damage_is_told() {
        let record = b"(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 1 1 NIL NIL NIL NIL)";
        let packed = compress(record).expect("compressed");
        assert!(packed.len() < record.len() / 2, "{}", packed.len());
        let mut unpacker = Unpacker::new().expect("a decoder");
        assert_eq!(unpacker.decompress(&packed, record.len()).expect("decompressed"), record);
        let cases =
            [(&packed[..packed.len() - 1], record.len()), (b"nothing of the kind", 9), (&packed, record.len() + 1)];
        for (damaged, len) in cases.into_iter().chain([(&packed[..], MAX_RECORD + 1)]) {
            assert!(matches!(unpacker.decompress(damaged, len), Err(Error::Damaged(_))));
        }
    }
}
