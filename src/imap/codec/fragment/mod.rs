//! Stage one of the codec: finds where a command ends (RFC 9051 sections 2.2 and 4.3; LITERAL+ of RFC 7888, literal8 of
//! RFC 3516). Knows lines, literals and limits, and of the commands only APPEND and REPLACE, whose messages it streams. Must
//! never take octets of a literal for a command, nor hold more than its limits allow, nor look at an octet twice.

mod discard;
mod event;
mod input;
mod marker;
#[cfg(test)]
mod tests;

use discard::Discard;
pub use event::{Event, Limits, Piece};
use input::Input;
use marker::Marker;

/// Splits the input into commands. Sans-IO: `push` octets, then `poll` until `None`.
#[derive(Debug)]
pub struct Fragmenter {
    limits: Limits,
    input: Input,
    state: State,
    /// The line being read; while discarding only its last octets.
    text: Vec<u8>,
    /// Text and literals of this command before `text`.
    pieces: Vec<Piece>,
    text_total: usize,
    literals: usize,
    literal_total: u64,
    /// Message literals of this command.
    streamed: usize,
    /// Set while a command is being thrown away.
    discard: Option<Discard>,
    /// `poll_line` has dropped part of this line.
    line_overflow: bool,
}

#[derive(Debug)]
enum State {
    Line,
    Literal { left: u64 },
    Announced { size: u64, sync: bool },
    Stream { size: u64, left: u64 },
    Skip { left: u64 },
    Closed,
}

enum Step {
    Event(Event),
    Again,
    Wait,
}

impl Fragmenter {
    /// A fragmenter at the start of a command.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: Input::default(),
            state: State::Line,
            text: Vec::new(),
            pieces: Vec::new(),
            text_total: 0,
            literals: 0,
            literal_total: 0,
            streamed: 0,
            discard: None,
            line_overflow: false,
        }
    }

    /// Changes the limits (after login).
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Gives input to the fragmenter. Call `poll` until `None` before more: what has not been polled is kept as it is.
    pub fn push(&mut self, data: &[u8]) {
        if !matches!(self.state, State::Closed) {
            self.input.push(data);
        }
    }

    /// The next event; `None` when more input, or an answer to `AppendLiteral`, is needed.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            match self.step() {
                Step::Event(event) => return Some(event),
                Step::Again => {}
                Step::Wait => {
                    self.input.release();
                    return None;
                }
            }
        }
    }

    /// Accepts the announced message literal: its octets follow as `Data`, then `DataEnd`.
    pub fn accept_stream(&mut self) {
        if let State::Announced { size, .. } = self.state {
            self.state = State::Stream { size, left: size };
        }
    }

    /// Refuses the announced message literal: a synchronising one ends the command (the client does not send it), the
    /// octets of a non-synchronising one and the rest of the command are discarded.
    pub fn refuse(&mut self) {
        let State::Announced { size, sync } = self.state else { return };
        if sync {
            self.reset();
        } else {
            self.begin_discard(true, true);
            self.state = State::Skip { left: size };
        }
    }

    /// Takes one raw line (without its line end) for SASL responses and IDLE's DONE; `Err` when over the line limit.
    pub fn poll_line(&mut self) -> Option<Result<Vec<u8>, ()>> {
        if !matches!(self.state, State::Line) || self.discard.is_some() {
            return None;
        }
        // One octet past the limit may be the CR of the line end; past that only the line end matters.
        let room = (self.limits.line + 1).saturating_sub(self.text.len());
        self.text.extend_from_slice(self.input.take_line(room));
        if self.text.len() > self.limits.line {
            self.line_overflow |= !self.input.take_line(usize::MAX).is_empty();
        }
        if !self.input.take_line_end() {
            return None;
        }
        self.strip_cr();
        let overflow = std::mem::take(&mut self.line_overflow) || self.text.len() > self.limits.line;
        let line = std::mem::take(&mut self.text);
        Some(if overflow { Err(()) } else { Ok(line) })
    }

    /// Drops every octet pushed and not yet taken, and the command they began. Used on STARTTLS: nothing sent before
    /// TLS survives it (RFC 9051 section 6.2.1).
    pub fn clear(&mut self) {
        self.input.clear();
        self.reset();
    }

    /// Takes out what has been pushed after the last command: it is in another form (RFC 4978 section 3).
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.input.take(u64::MAX).to_vec()
    }

    /// Whether octets have been pushed that no event has covered yet.
    pub fn has_input(&self) -> bool {
        match self.state {
            State::Closed => false,
            State::Line => {
                !(self.input.is_empty() && self.text.is_empty() && self.pieces.is_empty() && self.discard.is_none())
            }
            _ => true,
        }
    }

    fn step(&mut self) -> Step {
        match self.state {
            State::Line if self.discard.is_some() => self.discard_line(),
            State::Line => self.read_line(),
            State::Literal { left } => self.read_literal(left),
            State::Stream { size, left } => self.read_stream(size, left),
            State::Skip { left } => self.skip(left),
            State::Announced { .. } | State::Closed => Step::Wait,
        }
    }

    fn read_line(&mut self) -> Step {
        // One octet past the limit may be the CR of the line end.
        let room = (self.limits.line + 1).saturating_sub(self.text_total + self.text.len());
        self.text.extend_from_slice(self.input.take_line(room));
        if !self.input.take_line_end() {
            if self.input.is_empty() {
                return Step::Wait;
            }
            self.begin_discard(false, false);
            return Step::Again;
        }
        self.strip_cr();
        let marker = Marker::at_end(&self.text, false);
        if self.text_total + self.text.len() > self.limits.line {
            self.begin_discard(false, false);
            return self.discard_line_end(marker);
        }
        if let Some(marker) = marker {
            return self.begin_literal(marker);
        }
        self.pieces.push(Piece::Text(std::mem::take(&mut self.text)));
        let pieces = std::mem::take(&mut self.pieces);
        self.reset();
        Step::Event(Event::Command(pieces))
    }

    fn begin_literal(&mut self, marker: Marker) -> Step {
        let Limits { literal, literals, literal_total, append, append_literals, .. } = self.limits;
        let is_message = append > 0 && marker::is_message(&self.pieces, &self.text);
        let (most, has_room) = if is_message {
            (append, self.streamed < append_literals)
        } else {
            (literal.min(literal_total.saturating_sub(self.literal_total)), self.literals < literals)
        };
        let Some(size) = marker.size.filter(|size| *size <= most && has_room) else {
            self.begin_discard(is_message && has_room, false);
            return self.discard_line_end(Some(marker));
        };
        self.text_total += self.text.len();
        self.pieces.push(Piece::Text(std::mem::take(&mut self.text)));
        if is_message {
            self.streamed += 1;
            self.state = State::Announced { size, sync: marker.sync };
            return Step::Event(Event::AppendLiteral { head: self.pieces.clone(), size, sync: marker.sync });
        }
        self.literals += 1;
        self.literal_total += size;
        self.pieces.push(Piece::Literal(Vec::new()));
        self.state = State::Literal { left: size };
        if marker.sync { Step::Event(Event::Continue) } else { Step::Again }
    }

    fn read_literal(&mut self, left: u64) -> Step {
        let data = self.input.take(left);
        let left = left.saturating_sub(data.len() as u64);
        if let Some(Piece::Literal(literal)) = self.pieces.last_mut() {
            literal.extend_from_slice(data);
        }
        self.state = if left == 0 { State::Line } else { State::Literal { left } };
        if left == 0 { Step::Again } else { Step::Wait }
    }

    fn read_stream(&mut self, size: u64, left: u64) -> Step {
        if left == 0 {
            self.pieces.push(Piece::Streamed(size));
            self.state = State::Line;
            return Step::Event(Event::DataEnd);
        }
        let data = self.input.take(left).to_vec();
        if data.is_empty() {
            return Step::Wait;
        }
        self.state = State::Stream { size, left: left.saturating_sub(data.len() as u64) };
        Step::Event(Event::Data(data))
    }

    fn strip_cr(&mut self) {
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
    }

    /// Back to the start of a command.
    fn reset(&mut self) {
        self.state = State::Line;
        self.text = Vec::new();
        self.pieces = Vec::new();
        (self.text_total, self.literals, self.literal_total, self.streamed) = (0, 0, 0, 0);
        self.discard = None;
        self.line_overflow = false;
    }
}
