//! One POP3 session, without its connection (RFC 1939 section 3).
//!
//! Call order: [`Session::poll_transmit`] until `None`, [`Session::poll_event`] until `None`, then wait for bytes until
//! [`Session::poll_timeout`] and hand them to [`Session::handle_bytes`], or call [`Session::handle_timeout`]. An error
//! ends the session. Nothing is sent before the greeting, nothing behind a command of the AUTHORIZATION state; behind
//! others only where CAPA says PIPELINING (RFC 2449 section 6.6).

mod event;
mod login;
mod message;
#[cfg(test)]
mod tests;
mod transaction;

pub use event::Event;

use std::collections::VecDeque;
use std::time::Instant;

use zeroize::Zeroizing;

use super::command::Command;
use super::limits::{MAX_BANNER_LINES, MAX_CAPABILITIES, MAX_EMPTY_LINES};
use super::line::{Line, LineBuffer};
use super::listing::ListingBuilder;
use super::reply::{self, Status};
use super::{Capabilities, ChannelBinding, Credentials, Error, Limits, Method, Misbehavior, Timeouts, Verb};

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte, or a channel that is as good: the driver's business.
    Tls,
    /// No TLS at all.
    Clear,
    /// STLS before anything else; without it there is no login.
    StartTls,
}

/// What a session is told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who logs in.
    pub credentials: Credentials,
    /// How the connection is protected.
    pub security: Security,
    /// False for a server that hangs or closes on CAPA.
    pub use_capa: bool,
    /// False for a server that says PIPELINING and drops what it is sent behind another command.
    pub use_pipelining: bool,
    /// The one method to log in by; `None`: the strongest that the server offers and that works.
    pub method: Option<Method>,
    /// Methods that are known not to work with this server.
    pub avoid: Vec<Method>,
    /// Of the TLS channel, for [`Security::Tls`].
    pub binding: Option<ChannelBinding>,
    /// Bounds.
    pub limits: Limits,
    /// Patience.
    pub timeouts: Timeouts,
}

/// A session in progress.
#[derive(Debug)]
pub struct Session {
    options: Options,
    phase: Phase,
    capabilities: Capabilities,
    /// Capabilities being read.
    new_capabilities: Capabilities,
    capability_lines: u32,
    login: login::Progress,
    listing: ListingBuilder,
    /// A TOP was answered with a header and nothing else: others may be on their way at once.
    top_keeps_to_headers: bool,
    line: LineBuffer,
    reading: Reading,
    /// Sent and not yet answered, oldest first.
    in_flight: VecDeque<Command>,
    /// Not yet sent.
    queue: VecDeque<Command>,
    out: Zeroizing<Vec<u8>>,
    events: VecDeque<Event>,
    /// Kinds of faults that have been told.
    told: Vec<&'static str>,
    /// In a row.
    empty_lines: u32,
    banner_lines: u32,
    last_verb: Verb,
    deadline: Option<Instant>,
    /// Something complete came since the deadline was set.
    progress: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// AUTHORIZATION.
    Login,
    /// STLS was accepted; the handshake is the driver's.
    AwaitTls,
    /// TRANSACTION, and UPDATE once QUIT has been sent.
    Transaction,
    Ended,
}

/// What the next bytes are.
#[derive(Debug)]
enum Reading {
    Status,
    /// The lines of CAPA, UIDL or LIST.
    Lines(Verb),
    Message(message::Message),
}

impl Session {
    /// A session on a connection that was just made.
    pub fn new(options: Options, now: Instant) -> Self {
        let line = LineBuffer::new(options.limits.line);
        let deadline = Some(now + options.timeouts.reply);
        Self {
            options,
            phase: Phase::Login,
            capabilities: Capabilities::default(),
            new_capabilities: Capabilities::default(),
            capability_lines: 0,
            login: login::Progress::default(),
            listing: ListingBuilder::default(),
            top_keeps_to_headers: false,
            line,
            reading: Reading::Status,
            in_flight: VecDeque::from([Command::new(Verb::Greeting)]),
            queue: VecDeque::new(),
            out: Zeroizing::default(),
            events: VecDeque::new(),
            told: Vec::new(),
            empty_lines: 0,
            banner_lines: 0,
            last_verb: Verb::Greeting,
            deadline,
            progress: false,
        }
    }

    /// Bytes from the server; none at all is the end of the connection.
    pub fn handle_bytes(&mut self, now: Instant, data: &[u8]) -> Result<(), Error> {
        if self.phase == Phase::Ended {
            return Ok(());
        }
        let taken = if data.is_empty() { Err(self.closed()) } else { self.take(data) };
        self.end_if_failed(taken)?;
        self.pump();
        self.arm(now);
        Ok(())
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.phase == Phase::Ended || self.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        if self.end_silent_message() {
            self.pump();
            self.arm(now);
            return Ok(());
        }
        let error = self.not_pop3().unwrap_or_else(|| Error::Timeout { verb: self.awaited() });
        self.end_if_failed(Err(error))
    }

    /// The TLS handshake that [`Event::StartTls`] asked for is done.
    pub fn tls_started(&mut self, now: Instant, binding: Option<ChannelBinding>) {
        if self.phase == Phase::AwaitTls {
            self.options.binding = binding;
            self.line.clear();
            self.phase = Phase::Login;
            self.login_over_tls();
            self.arm(now);
        }
    }

    /// The driver was busy itself: the server's time begins anew.
    pub fn touch(&mut self, now: Instant) {
        self.progress = true;
        self.arm(now);
    }

    /// Asks for a message; `size` is the listed one.
    pub fn retrieve(&mut self, number: u32, size: Option<u64>) {
        self.enqueue(Command::of_message(Verb::Retr, number, size));
    }

    /// Asks for the header of a message (RFC 1939 section 7, TOP with no lines of the body).
    pub fn top(&mut self, number: u32) {
        self.enqueue(Command::of_message(Verb::Top, number, None));
    }

    /// Marks a message as deleted.
    pub fn delete(&mut self, number: u32) {
        self.enqueue(Command::of_message(Verb::Dele, number, None));
    }

    /// Keeps the session alive.
    pub fn noop(&mut self) {
        self.enqueue(Command::new(Verb::Noop));
    }

    /// Takes all marks back.
    pub fn reset(&mut self) {
        self.enqueue(Command::new(Verb::Rset));
    }

    /// Ends the session once all before it is answered; nothing may be asked for after it.
    pub fn quit(&mut self) {
        self.enqueue(Command::new(Verb::Quit));
    }

    /// Bytes for the server.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Zeroizing<Vec<u8>>> {
        self.pump();
        if self.deadline.is_none() {
            self.arm(now);
        }
        (!self.out.is_empty()).then(|| std::mem::take(&mut self.out))
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// What the server says it can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The method by which a login is under way: what to avoid next time if the server hangs up on it.
    pub fn tried(&self) -> Option<Method> {
        self.login.under_way()
    }

    /// Whether the next command would be sent at once.
    pub fn has_room(&mut self) -> bool {
        self.pump();
        self.queue.is_empty() && self.in_flight.len() < self.width()
    }

    /// Whether nothing is asked for and unanswered.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.queue.is_empty()
    }

    /// What the server owes an answer to.
    pub fn awaited(&self) -> Verb {
        self.in_flight.front().map_or(self.last_verb, |command| command.verb)
    }

    /// The message whose RETR is being answered, or is what the server owes an answer to: to be asked after an error,
    /// which ends the session but not what is known of it.
    pub fn receiving(&self) -> Option<u32> {
        self.in_flight.front().filter(|command| command.verb == Verb::Retr).map(|command| command.message)
    }

    /// Whether what the server owes an answer to is one of several commands sent without waiting. After a timeout or the
    /// end of the connection: a hint that [`Options::use_pipelining`] be false for the next session.
    pub fn is_pipelining(&self) -> bool {
        self.in_flight.len() > 1 || self.in_flight.front().is_some_and(|command| command.pipelined)
    }

    /// How many commands are sent and have no complete answer.
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    fn take(&mut self, mut data: &[u8]) -> Result<(), Error> {
        while !data.is_empty() {
            match self.phase {
                Phase::AwaitTls => {
                    // RFC 2595 section 4: what came in the clear is no part of the protected session.
                    self.fault(Misbehavior::DataBeforeTls);
                    break;
                }
                Phase::Ended => break,
                Phase::Login | Phase::Transaction => self.read(&mut data)?,
            }
        }
        Ok(())
    }

    fn end_if_failed(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if result.is_err() {
            self.phase = Phase::Ended;
            self.deadline = None;
        }
        result
    }

    fn closed(&self) -> Error {
        self.not_pop3().unwrap_or_else(|| Error::Closed { verb: self.awaited() })
    }

    /// Lines came, but no greeting.
    fn not_pop3(&self) -> Option<Error> {
        (self.awaited() == Verb::Greeting && self.banner_lines > 0).then(|| Misbehavior::NotPop3.into())
    }

    fn read(&mut self, data: &mut &[u8]) -> Result<(), Error> {
        if matches!(self.reading, Reading::Message(_)) {
            return self.read_message(data);
        }
        let Some(line) = self.line.take(data)? else { return Ok(()) };
        match self.reading {
            Reading::Lines(verb) => {
                self.progress = true;
                self.listing_line(verb, &line.text)
            }
            Reading::Status | Reading::Message(_) => self.status_line(&line),
        }
    }

    /// Lines that are skipped gain the server no time.
    fn status_line(&mut self, line: &Line) -> Result<(), Error> {
        if line.text.trim_ascii().is_empty() {
            self.empty_lines += 1;
            self.fault(Misbehavior::EmptyLine);
            return if self.empty_lines > MAX_EMPTY_LINES { Err(Misbehavior::EmptyLine.into()) } else { Ok(()) };
        }
        let Some(status) = reply::parse(&line.text) else { return self.banner_line(&line.text) };
        self.empty_lines = 0;
        self.progress = true;
        let Some(command) = self.in_flight.pop_front() else { return Err(self.unsolicited(&status)) };
        self.last_verb = command.verb;
        if matches!(status, Status::Continue(_)) && command.verb != Verb::Auth {
            return Err(Misbehavior::UnexpectedContinuation.into());
        }
        match self.phase {
            Phase::Transaction => self.transaction_reply(command, &status, line.bare_lf),
            _ => self.login_reply(command, &status),
        }
    }

    /// Some servers greet with more than a line. Once the first command is answered, there are replies only.
    fn banner_line(&mut self, line: &[u8]) -> Result<(), Error> {
        let greeting = self.awaited() == Verb::Greeting;
        if !greeting && self.last_verb != Verb::Greeting {
            return Err(Misbehavior::MalformedReply.into());
        }
        // IMAP, and SMTP and others that begin with three digits.
        let digits = line.get(..3).is_some_and(|code| code.iter().all(u8::is_ascii_digit));
        if greeting && (digits || line.starts_with(b"* ")) {
            return Err(Misbehavior::NotPop3.into());
        }
        self.banner_lines += 1;
        self.fault(Misbehavior::BannerLines);
        if self.banner_lines > MAX_BANNER_LINES { Err(Misbehavior::BannerLines.into()) } else { Ok(()) }
    }

    /// A reply to nothing. A server that leaves says so with `-ERR` (RFC 1939 section 3 knows only its silence).
    fn unsolicited(&self, status: &Status<'_>) -> Error {
        match status {
            Status::Err(text) => Error::Dismissed { refusal: self.options.credentials.refusal(text) },
            Status::Ok(_) | Status::Continue(_) => Misbehavior::UnsolicitedReply.into(),
        }
    }

    fn listing_line(&mut self, verb: Verb, line: &[u8]) -> Result<(), Error> {
        if line == b"." {
            self.reading = Reading::Status;
            self.end_lines_of(verb);
            return self.end_lines(verb);
        }
        // RFC 1939 section 3: dot-stuffing holds for every multi-line response.
        let line = line.strip_prefix(b".").unwrap_or(line);
        match verb {
            Verb::Uidl => self.listing.uidl_line(line, &self.options.limits)?,
            Verb::List => self.listing.list_line(line, &self.options.limits)?,
            _ => {
                self.capability_lines += 1;
                if self.capability_lines > MAX_CAPABILITIES {
                    return Err(Misbehavior::ListingTooLong.into());
                }
                self.new_capabilities.add_line(line);
            }
        }
        Ok(())
    }

    fn end_lines(&mut self, verb: Verb) -> Result<(), Error> {
        match verb {
            Verb::Capa => {
                self.capabilities = Capabilities { known: true, ..std::mem::take(&mut self.new_capabilities) };
                self.after_capa()
            }
            Verb::List => self.end_listing(),
            _ => Ok(()),
        }
    }

    /// The front of what is in flight gets a multi-line answer.
    fn expect_lines(&mut self, command: Command) {
        self.in_flight.push_front(command);
        self.reading = Reading::Lines(command.verb);
    }

    fn send(&mut self, verb: Verb) {
        let command = Command::new(verb);
        command.write(&mut self.out);
        self.in_flight.push_back(command);
    }

    fn send_line(&mut self, verb: Verb, line: &[u8]) {
        self.out.extend_from_slice(line);
        self.in_flight.push_back(Command::new(verb));
    }

    fn refused(&self, verb: Verb, text: &[u8]) -> Error {
        Error::Refused { verb, refusal: self.options.credentials.refusal(text) }
    }

    fn fault(&mut self, fault: Misbehavior) {
        if !self.told.contains(&fault.label()) {
            self.told.push(fault.label());
            self.events.push_back(Event::Misbehaved(fault));
        }
    }

    fn arm(&mut self, now: Instant) {
        if self.in_flight.is_empty() {
            self.deadline = None;
        } else if self.progress || self.deadline.is_none() {
            self.deadline = Some(now + self.patience());
        }
        self.progress = false;
    }
}
