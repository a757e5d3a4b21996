//! Reading rows: what cannot be read is [`Error::Damaged`], never a panic.

use super::error::{Error, Result};

/// First byte of a row.
pub(super) const VERSION: u8 = 1;

/// A cursor over a row.
pub(super) struct Input<'a> {
    pub(super) what: &'static str,
    pub(super) rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Result<Self> {
        let mut input = Self { what, rest: bytes };
        if input.u8()? != VERSION {
            return Err(input.damaged());
        }
        Ok(input)
    }

    /// A row of which there are two versions: which one it is.
    pub(super) fn of_two(what: &'static str, bytes: &'a [u8]) -> Result<(u8, Self)> {
        let mut input = Self { what, rest: bytes };
        match input.u8()? {
            version @ (1 | 2) => Ok((version, input)),
            _ => Err(input.damaged()),
        }
    }

    pub(super) fn damaged(&self) -> Error {
        Error::Damaged(format!("a {} row cannot be read", self.what))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }
}
