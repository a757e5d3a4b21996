//! How bodies and records are compressed: zstd, with a dictionary of what most mail has in it, so that a short message need
//! not spell out the names of its header fields. Written by hand from the RFCs and common usage, of no particular mail.

use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::stream::raw::{CParameter, Decoder, Encoder};

use super::error::{Error, Result};

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

/// A decoder of what either made.
pub(super) fn decoder() -> Result<Decoder<'static>> {
    Ok(Decoder::with_prepared_dictionary(&DECODER)?)
}

/// Compresses a record.
pub(super) fn compress(data: &[u8]) -> Result<Vec<u8>> {
    Ok(Compressor::with_prepared_dictionary(&ENCODER)?.compress(data)?)
}

/// Decompresses records.
pub(super) struct Unpacker(Decompressor<'static>);

impl Unpacker {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(Decompressor::with_prepared_dictionary(&DECODER)?))
    }

    /// What [`compress`] was given, which was `len` octets.
    pub(super) fn decompress(&mut self, data: &[u8], len: usize) -> Result<Vec<u8>> {
        let damaged = || Error::Damaged("a record cannot be decompressed".to_owned());
        if len > MAX_RECORD {
            return Err(damaged());
        }
        let octets = self.0.decompress(data, len).map_err(|_| damaged())?;
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
