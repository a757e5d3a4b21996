//! Records to bytes and back (`docs/store-format.md`).

use super::decode::{Input, VERSION};
use super::error::Result;
use super::types::Record;

/// Ends of the five byte strings of a record.
pub(super) struct RecordLayout {
    pub(super) sent_day: Option<i32>,
    /// Start of the first string, then the end of each.
    pub(super) bounds: [usize; 6],
}

const RECORD_HEADER: usize = 1 + 1 + 4 + 5 * 4;

impl Record {
    fn strings(&self) -> [&[u8]; 5] {
        [&self.envelope, &self.body, &self.body_structure, &self.header, &self.parts]
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let strings = self.strings();
        let mut out = Vec::with_capacity(RECORD_HEADER + strings.iter().map(|s| s.len()).sum::<usize>());
        out.extend([VERSION, self.sent_day.is_some().into()]);
        out.extend(self.sent_day.unwrap_or(0).to_le_bytes());
        for string in strings {
            out.extend(u32::try_from(string.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.extend(strings.into_iter().flatten());
        out
    }
}

impl RecordLayout {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input::new("record", bytes)?;
        let has_sent_day = input.u8()? != 0;
        let sent_day = i32::from_le_bytes(input.array()?);
        let mut bounds = [RECORD_HEADER; 6];
        for i in 1..6 {
            bounds[i] = bounds[i - 1] + input.u32()? as usize;
        }
        if bounds[5] != bytes.len() {
            return Err(input.damaged());
        }
        Ok(Self { sent_day: has_sent_day.then_some(sent_day), bounds })
    }
}
