//! The header in an answer to TOP (RFC 1939 section 7), told from all that servers send with it.

/// Keeps the octets up to and with the first blank line, and no more than the limit.
#[derive(Debug)]
pub(super) struct HeaderCollector {
    data: Vec<u8>,
    limit: usize,
    /// The line being read has had nothing but CR.
    blank: bool,
    ended: Option<End>,
}

/// Why no more is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The blank line has come.
    BlankLine,
    /// The limit was reached before it.
    Limit,
}

impl HeaderCollector {
    pub(super) fn new(limit: usize) -> Self {
        Self { data: Vec::new(), limit, blank: true, ended: None }
    }

    /// Takes what it keeps of a piece of the answer. True if something came behind the blank line: no line of the body
    /// was asked for.
    pub(super) fn add(&mut self, mut piece: &[u8]) -> bool {
        while self.ended.is_none() && !piece.is_empty() {
            let (line, rest) = piece.split_at(memchr::memchr(b'\n', piece).map_or(piece.len(), |at| at + 1));
            piece = rest;
            let (content, whole) = line.strip_suffix(b"\n").map_or((line, false), |content| (content, true));
            self.blank &= content.iter().all(|b| *b == b'\r');
            let left = self.limit.saturating_sub(self.data.len());
            if line.len() > left {
                self.data.extend_from_slice(line.get(..left).unwrap_or_default());
                self.ended = Some(End::Limit);
                return false;
            }
            self.data.extend_from_slice(line);
            if whole {
                self.ended = self.blank.then_some(End::BlankLine);
                self.blank = true;
            }
        }
        self.ended == Some(End::BlankLine) && !piece.is_empty()
    }

    /// Why no more is kept; `None`: the answer ended first.
    pub(super) const fn ended(&self) -> Option<End> {
        self.ended
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(wire: &[u8], step: usize, limit: usize) -> (Vec<u8>, Option<End>, bool) {
        let mut collector = HeaderCollector::new(limit);
        let body = wire.chunks(step).fold(false, |body, piece| collector.add(piece) | body);
        let ended = collector.ended();
        (collector.finish(), ended, body)
    }

    #[test]
    fn the_blank_line_ends_what_is_kept_however_the_answer_is_cut() {
        let cases: &[(&str, &str, Option<End>, bool)] = &[
            ("A: b\r\n\r\n", "A: b\r\n\r\n", Some(End::BlankLine), false),
            ("A: b\r\n\r\nbody\r\n\r\nC: d\r\n", "A: b\r\n\r\n", Some(End::BlankLine), true),
            ("A: b\n\nbody\n", "A: b\n\n", Some(End::BlankLine), true),
            ("A: b\r\r\n\r\r\nbody\r\n", "A: b\r\r\n\r\r\n", Some(End::BlankLine), true),
            ("\r\nbody\r\n", "\r\n", Some(End::BlankLine), true),
            ("A: b\r\nC: d\r\n", "A: b\r\nC: d\r\n", None, false),
            ("A: b\r\n \r\nC: d\r\n", "A: b\r\n \r\nC: d\r\n", None, false),
            ("A: b\r", "A: b\r", None, false),
            ("", "", None, false),
        ];
        for (wire, kept, ended, body) in cases {
            for step in 1..=wire.len().max(1) {
                let want = (kept.as_bytes().to_vec(), *ended, *body);
                assert_eq!(collect(wire.as_bytes(), step, 100), want, "{wire:?} by {step}");
            }
        }
    }

    #[test]
    fn a_header_at_the_limit_is_whole_and_nothing_is_kept_behind_one_past_it() {
        let wire = b"A: b\r\n\r\n";
        // A short line behind a long one would make a header that nobody sent.
        let long = b"A: b\r\nLong: xxxxxxxxxxxx\r\nC: d\r\n\r\n";
        for step in 1..=long.len() {
            assert_eq!(collect(wire, step, 8), (wire.to_vec(), Some(End::BlankLine), false), "{step}");
            assert_eq!(collect(wire, step, 7), (wire[..7].to_vec(), Some(End::Limit), false), "{step}");
            assert_eq!(collect(long, step, 16), (long[..16].to_vec(), Some(End::Limit), false), "{step}");
        }
    }
}
