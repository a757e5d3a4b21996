//! The message in a RETR response (RFC 1939 section 3): dot-stuffing undone, its end found.
//!
//! Works on pieces of any size and holds at most two octets. Everything but the stuffing passes unchanged (I7, I9).

use memchr::memchr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    LineStart,
    /// `.` at the start of a line.
    Dot,
    /// `.` CR at the start of a line.
    DotCr,
    /// `.` LF at the start of a line, of a server that otherwise ends lines with CRLF.
    DotLf,
    Text,
}

/// Finds the end of one message.
#[derive(Debug)]
pub(super) struct BodyDecoder {
    state: State,
    /// The server's own lines end with a bare LF.
    bare_lf: bool,
    /// Lines of the message so far that ended with CRLF.
    crlf_seen: bool,
    /// The last octet of the line being read.
    last: u8,
    /// A line began with one dot: the server does not stuff.
    pub(super) unstuffed: bool,
}

impl BodyDecoder {
    /// `bare_lf`: the status line before the message ended with a bare LF.
    pub(super) fn new(bare_lf: bool) -> Self {
        Self { state: State::LineStart, bare_lf, crlf_seen: false, last: 0, unstuffed: false }
    }

    /// Takes bytes from the front of `data` and appends what belongs to the message to `out`. True at its end.
    pub(super) fn decode(&mut self, data: &mut &[u8], out: &mut Vec<u8>) -> bool {
        while let Some((&first, rest)) = data.split_first() {
            match (self.state, first) {
                (State::LineStart, b'.') => self.state = State::Dot,
                (State::LineStart | State::Text, _) => {
                    self.text(data, out);
                    continue;
                }
                // RFC 1939 section 3: the first of two dots is the stuffing.
                (State::Dot, b'.') => self.content(b".", out),
                (State::Dot, b'\r') => self.state = State::DotCr,
                (State::Dot, b'\n') if self.lf_ends_lines() => {
                    *data = rest;
                    return true;
                }
                (State::Dot, b'\n') => self.state = State::DotLf,
                (State::DotCr, b'\n') => {
                    *data = rest;
                    return true;
                }
                (held, _) => {
                    self.release(held, out);
                    continue;
                }
            }
            *data = rest;
        }
        false
    }

    /// Whether all but the end of the last line of the response has come: if nothing follows, the message is complete.
    pub(super) fn is_all_but_ended(&self) -> bool {
        matches!(self.state, State::DotCr | State::DotLf)
    }

    /// Copies up to the end of the line.
    fn text(&mut self, data: &mut &[u8], out: &mut Vec<u8>) {
        let end = memchr(b'\n', data);
        let (piece, rest) = data.split_at(end.map_or(data.len(), |at| at + 1));
        *data = rest;
        out.extend_from_slice(piece);
        let content = if end.is_some() { piece.strip_suffix(b"\n").unwrap_or(piece) } else { piece };
        if let Some(&last) = content.last() {
            self.last = last;
        }
        if end.is_some() {
            self.crlf_seen |= self.last == b'\r';
            self.last = 0;
            self.state = State::LineStart;
        } else {
            self.state = State::Text;
        }
    }

    /// What was held back is content: the server does not stuff dots. The dot stays, it is the sender's.
    fn release(&mut self, held: State, out: &mut Vec<u8>) {
        self.unstuffed = true;
        match held {
            State::DotCr => self.content(b".\r", out),
            State::DotLf => {
                self.content(b".\n", out);
                self.last = 0;
                self.state = State::LineStart;
            }
            _ => self.content(b".", out),
        }
    }

    fn content(&mut self, held: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(held);
        self.last = held.last().copied().unwrap_or(0);
        self.state = State::Text;
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
        let mut decoder = BodyDecoder::new(bare_lf);
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
    fn knows_when_only_the_last_line_end_is_missing() {
        for (wire, want) in [(b"a\r\n.\r".as_slice(), true), (b"a\r\n.", false), (b"a\r\n.\n", true), (b"a\r", false)] {
            let mut decoder = BodyDecoder::new(false);
            decoder.decode(&mut { wire }, &mut Vec::new());
            assert_eq!(decoder.is_all_but_ended(), want, "{wire:?}");
        }
    }
}
