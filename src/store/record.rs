//! Records to bytes and back (`docs/store-format.md`).

use super::codec::{self, Unpacker};
use super::decode::Input;
use super::error::Result;
use super::types::Record;

/// First byte of a record that is compressed, and of one as version 1 wrote it.
const PACKED: u8 = 2;
const PLAIN: u8 = 1;

/// Ends of the four byte strings of a record.
pub(super) struct RecordLayout {
    pub(super) sent_day: Option<i32>,
    pub(super) text_end: u64,
    /// Start of the first string, then the end of each.
    pub(super) bounds: [usize; 5],
}

const HEADER: usize = 1 + 4 + 8 + 4 * 4;

impl Record {
    fn strings(&self) -> [&[u8]; 4] {
        [&self.envelope, &self.body, &self.body_structure, &self.parts]
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let strings = self.strings();
        let mut plain = Vec::with_capacity(HEADER + strings.iter().map(|s| s.len()).sum::<usize>());
        plain.push(self.sent_day.is_some().into());
        plain.extend(self.sent_day.unwrap_or(0).to_le_bytes());
        plain.extend(self.text_end.to_le_bytes());
        for string in strings {
            plain.extend(u32::try_from(string.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        plain.extend(strings.into_iter().flatten());
        let len = u32::try_from(plain.len()).unwrap_or(u32::MAX).to_le_bytes();
        Ok([&[PACKED][..], &len, &codec::compress(&plain)?].concat())
    }

    /// A record as version 1 wrote it: not compressed, with the header block, which is no longer kept here. `None`: it is
    /// none of those. Where its text ends is not known.
    pub(super) fn decode_plain(bytes: &[u8]) -> Result<Option<Self>> {
        if bytes.first() != Some(&PLAIN) {
            return Ok(None);
        }
        let mut input = Input::new("record", bytes)?;
        let has_sent_day = input.u8()? != 0;
        let sent_day = i32::from_le_bytes(input.array()?);
        let mut lengths = [0; 5];
        for length in &mut lengths {
            *length = input.u32()? as usize;
        }
        let mut strings = Vec::with_capacity(lengths.len());
        for length in lengths {
            strings.push(input.bytes(length)?.to_vec());
        }
        let Ok([envelope, body, body_structure, _header, parts]) = <[Vec<u8>; 5]>::try_from(strings) else {
            return Err(input.damaged());
        };
        if !input.rest.is_empty() {
            return Err(input.damaged());
        }
        let sent_day = has_sent_day.then_some(sent_day);
        Ok(Some(Self { envelope, body, body_structure, parts, sent_day, text_end: u64::MAX }))
    }
}

impl RecordLayout {
    /// The record, decompressed, and where its strings are.
    pub(super) fn decode(bytes: &[u8], unpacker: &mut Unpacker) -> Result<(Vec<u8>, Self)> {
        let mut input = Input { what: "record", rest: bytes };
        if input.u8()? != PACKED {
            return Err(input.damaged());
        }
        let len = input.u32()? as usize;
        let plain = unpacker.decompress(input.rest, len)?;
        let mut input = Input { what: "record", rest: &plain };
        let has_sent_day = input.u8()? != 0;
        let sent_day = i32::from_le_bytes(input.array()?);
        let text_end = input.u64()?;
        let mut bounds = [HEADER; 5];
        for i in 1..5 {
            bounds[i] = bounds[i - 1] + input.u32()? as usize;
        }
        if bounds[4] != plain.len() {
            return Err(input.damaged());
        }
        let layout = Self { sent_day: has_sent_day.then_some(sent_day), text_end, bounds };
        Ok((plain, layout))
    }
}
