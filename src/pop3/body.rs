//! The message in a RETR or TOP response (RFC 1939 section 3): dot-stuffing undone, its end found.
//!
//! Works on pieces of any size and holds back a few octets. Everything but the stuffing passes unchanged (I7, I9).
//!
//! A dot that may be the end is held back until what follows decides. `.` CRLF on a line of its own always is the end.
//! Two more ends occur in practice, and are believed only when the message has exactly the listed size, since any
//! sentence ends like them: a dot behind a last line without its line end, and a dot with half a line end; then the next
//! reply follows, or nothing at all.

use memchr::memchr;

/// Finds the end of one message.
#[derive(Debug)]
pub(super) struct BodyDecoder {
    /// The server's own lines end with a bare LF.
    bare_lf: bool,
    /// The listed size, if there is one.
    listed: Option<u64>,
    /// Octets of the message so far.
    octets: u64,
    /// At the start of a line.
    line_start: bool,
    /// Lines of the message so far that ended with CRLF.
    crlf_seen: bool,
    /// The last octet of the line being read.
    last: u8,
    /// What may be the end: a dot, and what followed it.
    held: Vec<u8>,
    /// A line began with one dot: the server does not stuff.
    pub(super) unstuffed: bool,
    end: Option<End>,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Clean,
    /// Half a line end behind the dot.
    Unended,
    /// The dot is not on a line of its own.
    Glued,
}

/// What the octets held back are.
enum Verdict {
    /// Not decided yet.
    Open,
    /// The message goes on.
    Content,
    /// The message has ended; the octets behind this many are the next reply.
    End(End, usize),
}

impl BodyDecoder {
    /// `bare_lf`: the status line before the message ended with a bare LF. `listed`: the size that LIST showed.
    pub(super) fn new(bare_lf: bool, listed: Option<u64>) -> Self {
        Self {
            bare_lf,
            listed,
            octets: 0,
            line_start: true,
            crlf_seen: false,
            last: 0,
            held: Vec::new(),
            unstuffed: false,
            end: None,
        }
    }

    /// Takes bytes from the front of `data` and appends what belongs to the message to `out`. True at its end.
    pub(super) fn decode(&mut self, data: &mut &[u8], out: &mut Vec<u8>) -> bool {
        while let Some((&first, rest)) = data.split_first() {
            if self.held.is_empty() {
                if first == b'.' && (self.line_start || self.is_as_long_as_listed()) {
                    self.held.push(first);
                    *data = rest;
                } else {
                    self.text(data, out);
                }
                continue;
            }
            self.held.push(first);
            *data = rest;
            if self.decide(out) {
                return true;
            }
        }
        false
    }

    /// Octets of the message so far.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// How the message would have ended, if nothing follows.
    pub(super) fn end_if_silent(&self) -> Option<End> {
        match self.held.as_slice() {
            b".\r" | b".\n" if self.line_start => Some(End::Unended),
            b".\r" | b".\n" | b".\r\n" => Some(End::Glued),
            _ => None,
        }
    }

    /// After the end: how it was found, and the octets of the next reply that were read to find it.
    pub(super) fn ending(&self) -> (End, &[u8]) {
        (self.end.unwrap_or(End::Clean), &self.held)
    }

    /// Looks at what is held back. True at the end of the message.
    fn decide(&mut self, out: &mut Vec<u8>) -> bool {
        match self.verdict() {
            Verdict::Open => {}
            Verdict::End(end, length) => {
                self.end = Some(end);
                self.held.drain(..length.min(self.held.len()));
                return true;
            }
            Verdict::Content => {
                let held = std::mem::take(&mut self.held);
                // RFC 1939 section 3: the first of two dots is the stuffing. A lone dot stays, it is the sender's.
                let stuffed = self.line_start && held.starts_with(b"..");
                self.unstuffed |= self.line_start && !stuffed;
                let mut rest = held.get(usize::from(stuffed)..).unwrap_or_default();
                // The dot is no longer in question; what follows it may be.
                self.take_text(&mut rest, 1, out);
                return self.decode(&mut rest, out);
            }
        }
        false
    }

    fn verdict(&self) -> Verdict {
        let held = self.held.as_slice();
        let exact = self.is_as_long_as_listed();
        let line_end = match held {
            [b'.', b'\r', b'\n', ..] => 3,
            [b'.', b'\r' | b'\n', ..] => 2,
            _ => return Verdict::Content,
        };
        if self.line_start && (line_end == 3 || (held == b".\n" && self.lf_ends_lines())) {
            return Verdict::End(End::Clean, line_end);
        }
        let reply = held.get(line_end..).unwrap_or_default();
        if reply.is_empty() {
            // CR may be the first half of CRLF, and silence may follow.
            return if exact || line_end == 2 && self.line_start { Verdict::Open } else { Verdict::Content };
        }
        let begins = |word: &[u8]| word.starts_with(reply);
        if !exact || !(begins(b"+OK") || begins(b"-ERR")) {
            return Verdict::Content;
        }
        let end = if self.line_start { End::Unended } else { End::Glued };
        if reply == b"+OK" || reply == b"-ERR" { Verdict::End(end, line_end) } else { Verdict::Open }
    }

    /// Copies up to the end of the line, or to the listed size.
    fn text(&mut self, data: &mut &[u8], out: &mut Vec<u8>) {
        let left = self.listed.and_then(|listed| listed.checked_sub(self.octets)).filter(|left| *left > 0);
        let most = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX).min(data.len());
        let line = data.get(..most).and_then(|piece| memchr(b'\n', piece)).map_or(most, |at| at + 1);
        self.take_text(data, line, out);
    }

    /// Copies octets that hold no LF but as the last.
    fn take_text(&mut self, data: &mut &[u8], length: usize, out: &mut Vec<u8>) {
        let (piece, rest) = data.split_at(length.min(data.len()));
        *data = rest;
        out.extend_from_slice(piece);
        self.octets = self.octets.saturating_add(piece.len() as u64);
        let content = piece.strip_suffix(b"\n").unwrap_or(piece);
        if let Some(&last) = content.last() {
            self.last = last;
        }
        self.line_start = content.len() < piece.len();
        if self.line_start {
            self.crlf_seen |= self.last == b'\r';
            self.last = 0;
        }
    }

    /// Whether the message so far has exactly the listed size.
    pub(super) fn is_as_long_as_listed(&self) -> bool {
        self.listed == Some(self.octets)
    }

    /// A server that ends its lines with CRLF may pass a message with bare LF through as it is; there a line of one dot
    /// and LF is content, and only `.` CRLF is the end.
    fn lf_ends_lines(&self) -> bool {
        self.bare_lf || !self.crlf_seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(wire: &[u8], step: usize, bare_lf: bool) -> (Vec<u8>, Option<usize>, bool) {
        let mut decoder = BodyDecoder::new(bare_lf, None);
        let (mut out, mut taken) = (Vec::new(), 0);
        for piece in wire.chunks(step) {
            let mut rest = piece;
            let done = decoder.decode(&mut rest, &mut out);
            taken += piece.len() - rest.len();
            if done {
                return (out, Some(taken), decoder.unstuffed);
            }
        }
        (out, None, decoder.unstuffed)
    }

    #[test]
    fn messages_come_out_whole_however_the_wire_is_cut() {
        // (wire, message, octets left over, unstuffed)
        let cases: &[(&[u8], &[u8], usize, bool)] = &[
            (b"a\r\nb\r\n.\r\n", b"a\r\nb\r\n", 0, false),
            (b".\r\n", b"", 0, false),
            (b"..\r\n...\r\n..a\r\n.\r\n+OK", b".\r\n..\r\n.a\r\n", 3, false),
            (b"a\n.\nrest", b"a\n", 4, false),
            (b"a\n.\r\nrest", b"a\n", 4, false),
            (b"a\r\n.b\r\n.\r\n", b"a\r\n.b\r\n", 0, true),
            (b"a\r\n.\rb\r\n.\r\n", b"a\r\n.\rb\r\n", 0, true),
            (b"a\r\n.\r\r\n.\r\n", b"a\r\n.\r\r\n", 0, true),
            // Bare LF inside a message of a server that ends its lines with CRLF.
            (b"a\r\nb\n.\nc\r\n.\r\n", b"a\r\nb\n.\nc\r\n", 0, true),
            (b"a\r\r\n\0\r\n.\r\n", b"a\r\r\n\0\r\n", 0, false),
            (b"a.\r\n.\r\n", b"a.\r\n", 0, false),
            (b"a\r\n.\n..\n.\r\n", b"a\r\n.\n.\n", 0, true),
            (b"\r\n.\r\n+OK", b"\r\n", 3, false),
            (b"\n\0\r\r\n\r.\r\n.\r\n", b"\n\0\r\r\n\r.\r\n", 0, false),
            // An empty line at the end is the server's or the sender's; either way it stays.
            (b"a\r\n\r\n.\r\n", b"a\r\n\r\n", 0, false),
        ];
        for (wire, message, left, unstuffed) in cases {
            for step in 1..=wire.len() {
                let (out, end, seen) = decode(wire, step, false);
                assert_eq!(out, *message, "{:?} by {step}", String::from_utf8_lossy(wire));
                assert_eq!(end, Some(wire.len() - left), "{:?} by {step}", String::from_utf8_lossy(wire));
                assert_eq!(seen, *unstuffed, "{:?}", String::from_utf8_lossy(wire));
            }
        }
    }

    #[test]
    fn a_server_of_bare_lf_ends_messages_with_it() {
        let (out, end, _) = decode(b"a\r\n.\nrest", 3, true);
        assert_eq!((out.as_slice(), end), (b"a\r\n".as_slice(), Some(5)));
    }

    #[test]
    fn nothing_but_the_terminator_ends_a_message() {
        for wire in [b"a\r\n".as_slice(), b"a\r\n.", b"a\r\n..\r\n", b"a.\r\n", b"a\r\n.\r", b" .\r\n"] {
            assert_eq!(decode(wire, 1, false).1, None, "{wire:?}");
        }
    }

    #[test]
    fn knows_what_end_silence_would_mean() {
        for (wire, listed, want) in [
            (b"a\r\n.\r".as_slice(), None, Some(End::Unended)),
            (b"a\r\n.\n", None, Some(End::Unended)),
            (b"a\r\n.", Some(3), None),
            (b"a\r", None, None),
            (b"a.\r\n", None, None),
            (b"a.\r\n", Some(2), None),
            (b"a.\r\n", Some(1), Some(End::Glued)),
            (b"a.\r", Some(1), Some(End::Glued)),
            (b"a.", Some(1), None),
            (b"a.\r\nb", Some(1), None),
            (b"a.\r\n+O", Some(1), None),
        ] {
            let mut decoder = BodyDecoder::new(false, listed);
            decoder.decode(&mut { wire }, &mut Vec::new());
            assert_eq!(decoder.end_if_silent(), want, "{wire:?} {listed:?}");
        }
    }

    #[test]
    fn a_malformed_end_is_believed_only_at_the_listed_size_and_before_a_reply() {
        // (wire, listed size, message if it ends, how, octets of the next reply)
        type Case = (&'static [u8], u64, Option<(&'static [u8], End)>);
        let cases: &[Case] = &[
            (b"a b.\r\n+OK", 3, Some((b"a b", End::Glued))),
            (b"a b.\r\n-ERR", 3, Some((b"a b", End::Glued))),
            (b"a b.\n+OK", 3, Some((b"a b", End::Glued))),
            (b"a\r\n.\r+OK", 3, Some((b"a\r\n", End::Unended))),
            (b"a\r\n.\n-ERR", 3, Some((b"a\r\n", End::Unended))),
            (b".\r+OK", 0, Some((b"", End::Unended))),
            (b"a b.\r\n+OK", 4, None),
            (b"a b.\r\n+OK", 2, None),
            (b"a b.\r\n+O?", 3, None),
            (b"a b.\r\n-- ", 3, None),
            (b"a b..\r\n+OK", 3, None),
            (b"a\r\n.\r+OK", 4, None),
        ];
        for (wire, listed, want) in cases {
            for step in 1..=wire.len() {
                let (mut decoder, mut out) = (BodyDecoder::new(false, Some(*listed)), Vec::new());
                let ended = wire.chunks(step).any(|mut piece| decoder.decode(&mut piece, &mut out));
                let shown = String::from_utf8_lossy(wire);
                assert_eq!(ended, want.is_some(), "{shown:?} by {step}");
                match want {
                    Some((message, end)) => {
                        let reply: &[u8] = if wire.ends_with(b"K") { b"+OK" } else { b"-ERR" };
                        assert_eq!(
                            (out.as_slice(), decoder.ending()),
                            (*message, (*end, reply)),
                            "{shown:?} by {step}"
                        );
                    }
                    None => assert!(wire.starts_with(&out), "{shown:?} by {step}"),
                }
            }
        }
    }

    #[test]
    fn the_listed_size_changes_no_well_formed_message() {
        let (wire, message) = (b"a. b.\r\n..\r\n..c.\r\nd.\r\n\r\n.\r\n", b"a. b.\r\n.\r\n.c.\r\nd.\r\n\r\n");
        for listed in 0..30 {
            for step in 1..=wire.len() {
                let (mut decoder, mut out) = (BodyDecoder::new(false, Some(listed)), Vec::new());
                assert!(wire.chunks(step).any(|mut piece| decoder.decode(&mut piece, &mut out)), "{listed} by {step}");
                assert_eq!((out.as_slice(), decoder.octets()), (message.as_slice(), 21), "{listed} by {step}");
                assert_eq!(decoder.ending(), (End::Clean, b"".as_slice()), "{listed} by {step}");
                assert!(!decoder.unstuffed);
            }
        }
    }
}
