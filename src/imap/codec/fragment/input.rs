//! The octets pushed and not yet used. Each is looked at once, whatever the size of the pushes.

use memchr::memchr;

#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    used: usize,
}

impl Input {
    pub(super) fn push(&mut self, data: &[u8]) {
        // Moving what is left only when it is the smaller half keeps the cost linear.
        if self.used > self.bytes.len() / 2 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(data);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.used = 0;
    }

    /// Gives memory back when nothing is left: an idle session must be small.
    pub(super) fn release(&mut self) {
        const KEPT: usize = 4096;
        if self.is_empty() {
            self.clear();
            self.bytes.shrink_to(KEPT);
        }
    }

    /// Takes at most `most` octets of the line that is being read, without its LF.
    pub(super) fn take_line(&mut self, most: usize) -> &[u8] {
        let start = self.used;
        let near = self.rest().get(..most).unwrap_or_else(|| self.rest());
        self.used += memchr(b'\n', near).unwrap_or(near.len());
        self.bytes.get(start..self.used).unwrap_or_default()
    }

    /// Takes the LF that ends the line, if it is next.
    pub(super) fn take_line_end(&mut self) -> bool {
        let ends = self.rest().first() == Some(&b'\n');
        self.used += usize::from(ends);
        ends
    }

    /// Takes at most `most` octets.
    pub(super) fn take(&mut self, most: u64) -> &[u8] {
        let start = self.used;
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.rest().len());
        self.used += length;
        self.bytes.get(start..self.used).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }
}
