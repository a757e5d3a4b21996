//! The TRANSACTION and UPDATE states: the listing, deletions, QUIT; and the window of commands on their way.

use super::super::command::Command;
use super::super::reply::Status;
use super::super::{Error, Misbehavior, RefusalKind, Verb};
use super::{Event, Phase, Session};

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
        while let Some(mut next) = self.queue.front().copied() {
            if !self.in_flight.is_empty() && !self.fits(next) {
                return;
            }
            self.queue.pop_front();
            next.pipelined = !self.in_flight.is_empty();
            next.write(&mut self.out);
            self.in_flight.push_back(next);
        }
    }

    /// How many commands may be unanswered at a time.
    pub(super) fn width(&self) -> usize {
        let pipelining = self.capabilities.pipelining && self.options.use_pipelining;
        if pipelining { self.options.limits.window_commands.max(1) } else { 1 }
    }

    /// Whether a command may be sent although others are unanswered.
    fn fits(&self, next: Command) -> bool {
        // A server that ignores how many lines TOP asks for, and does not stuff dots, makes a reply out of a message.
        // So TOP shares the window with TOP only, and that once the server has shown that it brings headers alone.
        let alone = next.verb == Verb::Top && !self.top_keeps_to_headers;
        let alike = |sent: &Command| (sent.verb == Verb::Top) == (next.verb == Verb::Top) && sent.verb != Verb::Quit;
        if alone || next.verb == Verb::Quit || self.in_flight.len() >= self.width() || !self.in_flight.iter().all(alike)
        {
            return false;
        }
        let asked = self.in_flight.iter().fold(next.weight(), |sum, sent| sum.saturating_add(sent.weight()));
        next.weight() == 0 || asked <= self.options.limits.window_bytes
    }

    pub(super) fn transaction_reply(
        &mut self,
        command: Command,
        status: &Status<'_>,
        bare_lf: bool,
    ) -> Result<(), Error> {
        let Command { verb, message: number, .. } = command;
        if let Status::Err(text) = status
            && verb != Verb::Quit
        {
            let refusal = self.options.credentials.refusal(text);
            if refusal.is_goodbye() {
                return Err(Error::Dismissed { refusal });
            }
        }
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
            (Verb::Retr | Verb::Top, Status::Ok(_)) => self.begin_message(command, bare_lf),
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
            // Without RSET the marks stay, and only a dropped link takes them back.
            (Verb::Quit | Verb::Rset, Status::Err(text)) => return Err(self.refused(verb, text)),
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

    /// Takes the command whose lines have ended off the front.
    pub(super) fn end_lines_of(&mut self, verb: Verb) {
        if self.in_flight.front().is_some_and(|command| command.verb == verb) {
            self.in_flight.pop_front();
        }
    }
}
