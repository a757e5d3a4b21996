//! Lines out of a byte stream, ended by CRLF or by a bare LF, with a bound on their length.

use memchr::memchr;

use super::Misbehavior;

/// A line without its line end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: Vec<u8>,
    /// Whether a bare LF ended it.
    pub(super) bare_lf: bool,
}

/// Collects one line at a time.
#[derive(Debug)]
pub(super) struct LineBuffer {
    partial: Vec<u8>,
    limit: usize,
}

impl LineBuffer {
    pub(super) fn new(limit: usize) -> Self {
        Self { partial: Vec::new(), limit }
    }

    /// Takes bytes from the front of `data` up to the end of a line; `None` when the line goes on.
    pub(super) fn take(&mut self, data: &mut &[u8]) -> Result<Option<Line>, Misbehavior> {
        let end = memchr(b'\n', data);
        let (piece, rest) = data.split_at(end.map_or(data.len(), |at| at + 1));
        *data = rest;
        // One octet more than the limit may be the CR of the line end.
        let content = piece.strip_suffix(b"\n").unwrap_or(piece);
        if self.partial.len() + content.len() > self.limit + 1 {
            return Err(Misbehavior::LineTooLong);
        }
        self.partial.extend_from_slice(content);
        if end.is_none() {
            return Ok(None);
        }
        let mut text = std::mem::take(&mut self.partial);
        let bare_lf = text.last() != Some(&b'\r');
        if !bare_lf {
            text.pop();
        }
        if text.len() > self.limit {
            return Err(Misbehavior::LineTooLong);
        }
        Ok(Some(Line { text, bare_lf }))
    }

    /// The line begins with these bytes, which were read in another way.
    pub(super) fn resume(&mut self, begun: Vec<u8>) {
        self.partial = begun;
    }

    /// Forgets a line that has begun.
    pub(super) fn clear(&mut self) {
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(data: &[u8], step: usize, limit: usize) -> Result<Vec<(String, bool)>, Misbehavior> {
        let mut buffer = LineBuffer::new(limit);
        let mut lines = Vec::new();
        for mut piece in data.chunks(step) {
            while !piece.is_empty() {
                if let Some(line) = buffer.take(&mut piece)? {
                    lines.push((String::from_utf8(line.text).expect("ascii"), line.bare_lf));
                }
            }
        }
        Ok(lines)
    }

    #[test]
    fn lines_end_with_crlf_or_lf_however_cut() {
        for step in 1..8 {
            let got = lines(b"+OK\r\na\rb\n\r\n\n", step, 10).expect("lines");
            let want = [("+OK", false), ("a\rb", true), ("", false), ("", true)];
            assert_eq!(got, want.map(|(t, b)| (t.to_owned(), b)));
        }
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_past_it_does_not() {
        for end in ["\r\n", "\n"] {
            for step in [1, 5, 100] {
                assert!(lines(format!("0123456789{end}").as_bytes(), step, 10).is_ok());
                assert_eq!(
                    lines(format!("01234567890{end}").as_bytes(), step, 10),
                    Err(Misbehavior::LineTooLong),
                    "{end:?} {step}"
                );
            }
        }
        assert_eq!(lines(&[b'x'; 100], 100, 10), Err(Misbehavior::LineTooLong));
    }
}
