//! The TRANSACTION and UPDATE states: the listing, messages, deletions, QUIT; and the window of commands on their way.

use super::super::body::BodyDecoder;
use super::super::command::Command;
use super::super::reply::Status;
use super::super::{Error, Misbehavior, RefusalKind, Verb};
use super::{Event, Message, Phase, Reading, Session};

impl Session {
    pub(super) fn begin_listing(&mut self) {
        self.phase = Phase::Transaction;
        for verb in [Verb::Stat, Verb::Uidl, Verb::List] {
            self.enqueue(Command::new(verb));
        }
    }

    pub(super) fn enqueue(&mut self, command: Command) {
        self.queue.push_back(command);
    }

    /// Sends what the window allows: one command, or several where the server says PIPELINING, with a bound on the
    /// octets asked for. QUIT waits until all before it is answered, so that no answer to DELE is lost.
    pub(super) fn pump(&mut self) {
        if self.phase != Phase::Transaction {
            return;
        }
        let limits = self.options.limits;
        let width = if self.capabilities.pipelining { limits.window_commands.max(1) } else { 1 };
        while let Some(next) = self.queue.front().copied() {
            let quitting = next.verb == Verb::Quit || self.awaited() == Verb::Quit;
            let asked: u64 = self.in_flight.iter().fold(next.weight, |sum, c| sum.saturating_add(c.weight));
            let full = self.in_flight.len() >= width || quitting || (next.weight > 0 && asked > limits.window_bytes);
            if full && !self.in_flight.is_empty() {
                return;
            }
            self.queue.pop_front();
            next.write(&mut self.out);
            self.in_flight.push_back(next);
        }
    }

    pub(super) fn transaction_reply(
        &mut self,
        command: Command,
        status: &Status<'_>,
        bare_lf: bool,
    ) -> Result<(), Error> {
        let Command { verb, message: number, .. } = command;
        match (verb, status) {
            (Verb::Stat, Status::Ok(text)) => self.listing.stat(text),
            (Verb::Uidl, Status::Ok(_)) => {
                self.listing.begin_uidl();
                self.expect_lines(command);
            }
            (Verb::List, Status::Ok(_)) => {
                self.listing.begin_list();
                self.expect_lines(command);
            }
            (Verb::Retr, Status::Ok(_)) => {
                self.in_flight.push_front(command);
                let decoder = BodyDecoder::new(bare_lf);
                self.reading = Reading::Message(Message { number, decoder, octets: 0 });
            }
            (Verb::Top, Status::Ok(_)) => {
                self.header.clear();
                self.expect_lines(command);
            }
            (Verb::Dele, Status::Ok(_)) => self.events.push_back(Event::Deleted { number }),
            (Verb::Quit, Status::Ok(_)) => {
                self.phase = Phase::Ended;
                self.events.push_back(Event::Closed);
            }
            (Verb::Stat | Verb::Uidl | Verb::List, Status::Err(text)) => return self.listing_refused(verb, text),
            (Verb::Retr | Verb::Top | Verb::Dele, Status::Err(text)) => {
                let refusal = self.options.credentials.refusal(text);
                self.events.push_back(Event::Refused { verb, number, refusal });
            }
            (Verb::Quit, Status::Err(text)) => return Err(self.refused(verb, text)),
            _ => self.events.push_back(Event::Done(verb)),
        }
        Ok(())
    }

    /// A listing command that the server does not have leaves its column empty; any other refusal ends the session,
    /// because what is listed without it would be taken for new.
    fn listing_refused(&mut self, verb: Verb, text: &[u8]) -> Result<(), Error> {
        let refusal = self.options.credentials.refusal(text);
        let announced = verb == Verb::Uidl && self.capabilities.uidl;
        if announced || refusal.code.is_some() || refusal.kind() != RefusalKind::Other {
            return Err(Error::Refused { verb, refusal });
        }
        match verb {
            Verb::Stat => self.fault(Misbehavior::MalformedStat),
            Verb::List => return self.end_listing(),
            _ => {}
        }
        Ok(())
    }

    /// After the answer to LIST, the last of the three.
    pub(super) fn end_listing(&mut self) -> Result<(), Error> {
        let (listing, faults) = std::mem::take(&mut self.listing).finish(&self.options.limits)?;
        faults.into_iter().for_each(|fault| self.fault(fault));
        self.events.push_back(Event::Listed(listing));
        Ok(())
    }

    /// A line of the answer to TOP. Servers send lines of the body although none is asked for.
    pub(super) fn header_line(&mut self, line: &[u8]) {
        if self.header.len() + line.len() + 2 <= self.options.limits.header {
            self.header.extend_from_slice(line);
            self.header.extend_from_slice(b"\r\n");
        }
    }

    /// Takes the command whose lines have ended off the front.
    pub(super) fn end_lines_of(&mut self, verb: Verb) {
        if self.in_flight.front().is_some_and(|command| command.verb == verb) {
            self.in_flight.pop_front();
        }
    }

    pub(super) fn read_message(&mut self, data: &mut &[u8]) -> Result<(), Error> {
        let Reading::Message(message) = &mut self.reading else { return Ok(()) };
        let (number, limit) = (message.number, self.options.limits.message);
        let mut piece = Vec::with_capacity(data.len());
        let ended = message.decoder.decode(data, &mut piece);
        let unstuffed = message.decoder.unstuffed;
        let before = message.octets;
        message.octets = before.saturating_add(piece.len() as u64);
        let octets = message.octets;
        self.progress = true;
        if octets > limit {
            if before <= limit {
                self.fault(Misbehavior::MessageTooLong(number));
                self.events.push_back(Event::TooLong { number });
            }
            if octets > limit.saturating_mul(2) {
                return Err(Misbehavior::MessageNeverEnds(number).into());
            }
        } else if !piece.is_empty() {
            self.events.push_back(Event::Body { number, data: piece });
        }
        if unstuffed {
            self.fault(Misbehavior::UnstuffedDot(number));
        }
        if ended {
            self.end_message();
        }
        Ok(())
    }

    pub(super) fn end_message(&mut self) {
        let Reading::Message(message) = std::mem::replace(&mut self.reading, Reading::Status) else { return };
        self.end_lines_of(Verb::Retr);
        self.last_verb = Verb::Retr;
        if message.octets <= self.options.limits.message {
            self.events.push_back(Event::Retrieved { number: message.number, octets: message.octets });
        }
    }
}
