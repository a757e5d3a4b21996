//! UTF-7 (RFC 2152), which some mail still has and the registry of encodings leaves out. In pieces; never fails.

use super::transfer::sextet_of;

/// A decoder between two pieces.
#[derive(Default)]
pub(super) struct Utf7 {
    /// Within `+...-`, and whether nothing has come of it yet.
    shifted: bool,
    fresh: bool,
    /// Bits of a unit of UTF-16 that is not complete.
    bits: u32,
    count: u32,
    /// The first of two surrogates.
    high: Option<u16>,
}

impl Utf7 {
    /// Decodes a piece; `last` gives out what was held back.
    pub(super) fn decode(&mut self, data: &[u8], last: bool, out: &mut String) {
        for &byte in data {
            self.octet(byte, out);
        }
        if last {
            self.lone_surrogate(out);
        }
    }

    fn octet(&mut self, byte: u8, out: &mut String) {
        if self.shifted {
            if let Some(bits) = sextet_of(byte).map(u32::from) {
                return self.sextet(bits, out);
            }
            self.lone_surrogate(out);
            self.shifted = false;
            if byte == b'-' {
                if self.fresh {
                    out.push('+');
                }
                return;
            }
        }
        match byte {
            b'+' => *self = Self { shifted: true, fresh: true, ..Self::default() },
            // No octet past ASCII belongs here: taken as Latin-1.
            _ => out.push(char::from(byte)),
        }
    }

    fn sextet(&mut self, bits: u32, out: &mut String) {
        self.fresh = false;
        self.bits = self.bits << 6 | bits;
        self.count += 6;
        if self.count >= 16 {
            self.count -= 16;
            let unit = (self.bits >> self.count) as u16;
            self.bits &= (1 << self.count) - 1;
            self.unit(unit, out);
        }
    }

    fn unit(&mut self, unit: u16, out: &mut String) {
        if let (Some(high), 0xdc00..=0xdfff) = (self.high, unit) {
            self.high = None;
            return out.extend(char::decode_utf16([high, unit]).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
        self.lone_surrogate(out);
        match unit {
            0xd800..=0xdbff => self.high = Some(unit),
            _ => out.push(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn lone_surrogate(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}
