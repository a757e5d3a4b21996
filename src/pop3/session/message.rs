//! The answers to RETR and TOP.

use std::time::Duration;

use super::super::body::{BodyDecoder, End};
use super::super::command::Command;
use super::super::header::{self, HeaderCollector};
use super::super::limits::SILENCE;
use super::super::{Error, Misbehavior, Timeouts, Verb};
use super::{Event, Reading, Session};

/// The message being received.
#[derive(Debug)]
pub(super) struct Message {
    number: u32,
    decoder: BodyDecoder,
    /// For TOP: all that is kept of it.
    header: Option<HeaderCollector>,
    /// What LIST says.
    size: Option<u64>,
    /// The last octets, to find a line that is cut into pieces.
    tail: Vec<u8>,
    /// A line begins like the answer to another command, which is on its way.
    holds_answer: bool,
}

/// How an answer begins, behind the line before it.
const ANSWER: &[u8] = b"\n+OK";

impl Message {
    /// Looks for the answer to the next command.
    fn look_at(&mut self, piece: &[u8]) {
        let seam = piece.get(..piece.len().min(ANSWER.len() - 1)).unwrap_or_default();
        self.tail.extend_from_slice(seam);
        let has_answer = |bytes| memchr::memmem::find(bytes, ANSWER).is_some();
        self.holds_answer |= has_answer(&self.tail) || has_answer(piece);
        if let Some((_, end)) = piece.split_last_chunk::<{ ANSWER.len() - 1 }>() {
            self.tail.clear();
            self.tail.extend_from_slice(end);
        }
        self.tail.drain(..self.tail.len().saturating_sub(ANSWER.len() - 1));
    }

    /// Whether the end of the message seems to have been lost on its way, so that the next one became a part of it and
    /// those behind it would come under the numbers of others. A message may hold such a line as well, and LIST may be
    /// wrong about it: where commands are sent one at a time, nothing of this is asked.
    fn is_merged(&self) -> bool {
        self.holds_answer && self.size != Some(self.decoder.octets())
    }
}

impl Session {
    /// RETR or TOP was answered with `+OK`.
    pub(super) fn begin_message(&mut self, command: Command, bare_lf: bool) {
        let header = (command.verb == Verb::Top).then(|| HeaderCollector::new(self.options.limits.header));
        let decoder = BodyDecoder::new(bare_lf, command.size);
        self.reading = Reading::Message(Message {
            number: command.message,
            decoder,
            header,
            size: command.size,
            tail: b"\n".to_vec(),
            holds_answer: false,
        });
        self.in_flight.push_front(command);
    }

    pub(super) fn read_message(&mut self, data: &mut &[u8]) -> Result<(), Error> {
        let others_wait = self.in_flight.len() > 1;
        let Reading::Message(message) = &mut self.reading else { return Ok(()) };
        let (number, limit) = (message.number, self.options.limits.message);
        let mut piece = Vec::with_capacity(data.len());
        let before = message.decoder.octets();
        let ended = message.decoder.decode(data, &mut piece);
        let (octets, unstuffed) = (message.decoder.octets(), message.decoder.unstuffed);
        let is_header = message.header.is_some();
        let with_body = message.header.as_mut().is_some_and(|header| header.add(&piece));
        if others_wait && !is_header {
            message.look_at(&piece);
        }
        let merged = message.is_merged();
        self.progress = true;
        if with_body {
            self.top_keeps_to_headers = false;
            self.fault(Misbehavior::TopWithBody(number));
        }
        if merged && (ended || octets > limit) {
            return Err(Misbehavior::MergedMessages(number).into());
        }
        if octets > limit && !is_header {
            if before <= limit {
                self.fault(Misbehavior::MessageTooLong(number));
                self.events.push_back(Event::TooLong { number });
            }
        } else if !piece.is_empty() && !is_header {
            self.events.push_back(Event::Body { number, data: piece });
        }
        if octets > limit.saturating_mul(2) {
            return Err(Misbehavior::MessageNeverEnds(number).into());
        }
        if unstuffed {
            self.fault(Misbehavior::UnstuffedDot(number));
        }
        if ended {
            self.end_message();
        }
        Ok(())
    }

    /// Nothing followed what may be the end of a message: then it is. Some servers end a message with a dot and half a
    /// line end, or behind a last line without its line end, and then wait. False if there is no such message.
    pub(super) fn end_silent_message(&mut self) -> bool {
        let Reading::Message(message) = &self.reading else { return false };
        let Some(end) = message.decoder.end_if_silent().filter(|_| !message.is_merged()) else { return false };
        self.note_end(message.number, end);
        self.end_reading();
        true
    }

    fn end_message(&mut self) {
        let Reading::Message(message) = &self.reading else { return };
        let (end, next) = message.decoder.ending();
        let (number, next) = (message.number, next.to_vec());
        self.note_end(number, end);
        self.end_reading();
        self.line.resume(next);
    }

    fn note_end(&mut self, number: u32, end: End) {
        match end {
            End::Clean => {}
            End::Unended => self.fault(Misbehavior::UnendedTerminator(number)),
            End::Glued => self.fault(Misbehavior::GluedTerminator(number)),
        }
    }

    fn end_reading(&mut self) {
        let Reading::Message(message) = std::mem::replace(&mut self.reading, Reading::Status) else { return };
        let (number, octets) = (message.number, message.decoder.octets());
        if let Some(command) = self.in_flight.pop_front() {
            self.last_verb = command.verb;
        }
        if let Some(header) = message.header {
            self.end_header(number, header, octets);
        } else if octets <= self.options.limits.message {
            if octets == 0 {
                self.fault(Misbehavior::EmptyMessage(number));
            }
            self.events.push_back(Event::Retrieved { number, octets });
        }
    }

    fn end_header(&mut self, number: u32, header: HeaderCollector, octets: u64) {
        match header.ended() {
            None => self.fault(Misbehavior::TopTruncated(number)),
            Some(header::End::Limit) => self.fault(Misbehavior::HeaderTooLong(number)),
            Some(header::End::BlankLine) => {}
        }
        let data = header.finish();
        self.top_keeps_to_headers = u64::try_from(data.len()) == Ok(octets);
        self.events.push_back(Event::Header { number, data });
    }

    /// How long the server may stay silent now.
    pub(super) fn patience(&self) -> Duration {
        let Timeouts { reply, body, .. } = self.options.timeouts;
        match &self.reading {
            Reading::Message(message) => {
                let decoder = &message.decoder;
                let ended = decoder.end_if_silent().is_some() && decoder.is_as_long_as_listed();
                if ended { body.min(SILENCE) } else { body }
            }
            Reading::Status | Reading::Lines(_) => reply,
        }
    }
}
