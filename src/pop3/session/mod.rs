//! One POP3 session, without its connection (RFC 1939 section 3).
//!
//! Call order: [`Session::poll_transmit`] until `None`, [`Session::poll_event`] until `None`, then wait for bytes until
//! [`Session::poll_timeout`] and hand them to [`Session::handle_bytes`], or call [`Session::handle_timeout`]. An error
//! ends the session. Nothing is sent before the greeting, nothing behind a command of the AUTHORIZATION state; behind
//! others only where CAPA says PIPELINING (RFC 2449 section 6.6).

mod login;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::body::BodyDecoder;
use super::command::Command;
use super::line::{Line, LineBuffer};
use super::listing::ListingBuilder;
use super::reply::{self, Status};
use super::{
    Capabilities, ChannelBinding, Credentials, Error, Limits, Listing, Method, Misbehavior, Refusal, Timeouts, Verb,
};

/// Empty lines in place of a reply that are skipped in one session.
const MAX_EMPTY_LINES: u32 = 64;

/// Lines of one answer to CAPA.
const MAX_CAPABILITIES: u32 = 1_000;

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

/// What a session tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Make the TLS handshake now, then call [`Session::tls_started`]. Bytes read before it are gone.
    StartTls,
    /// Logged in by this method.
    LoggedIn(Method),
    /// This is what the maildrop holds.
    Listed(Listing),
    /// A piece of the message being retrieved.
    Body {
        /// The message.
        number: u32,
        /// Never empty.
        data: Vec<u8>,
    },
    /// The message is complete.
    Retrieved {
        /// The message.
        number: u32,
        /// Its length.
        octets: u64,
    },
    /// The header of a message, as TOP shows it: to be compared, never to be stored.
    Header {
        /// The message.
        number: u32,
        /// Without dot-stuffing; cut at the limit.
        data: Vec<u8>,
    },
    /// The message being retrieved is longer than the limit; no more of it will come.
    TooLong {
        /// The message.
        number: u32,
    },
    /// The message is marked as deleted; it goes when QUIT is answered.
    Deleted {
        /// The message.
        number: u32,
    },
    /// `-ERR` to RETR, TOP or DELE: the other messages are not concerned.
    Refused {
        /// Which of them.
        verb: Verb,
        /// The message.
        number: u32,
        /// How.
        refusal: Refusal,
    },
    /// NOOP or RSET was answered.
    Done(Verb),
    /// QUIT was answered with `+OK`: the deletions are made (RFC 1939 section 6). The last event.
    Closed,
    /// The peer broke a rule in a way that was worked around; each kind is told once.
    Misbehaved(Misbehavior),
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
    /// What TOP has brought so far.
    header: Vec<u8>,
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
    empty_lines: u32,
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
    Message(Message),
}

/// The message being received.
#[derive(Debug)]
struct Message {
    number: u32,
    decoder: BodyDecoder,
    octets: u64,
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
            header: Vec::new(),
            line,
            reading: Reading::Status,
            in_flight: VecDeque::from([Command::new(Verb::Greeting)]),
            queue: VecDeque::new(),
            out: Zeroizing::default(),
            events: VecDeque::new(),
            told: Vec::new(),
            empty_lines: 0,
            last_verb: Verb::Greeting,
            deadline,
            progress: false,
        }
    }

    /// Bytes from the server; none at all is the end of the connection.
    pub fn handle_bytes(&mut self, now: Instant, mut data: &[u8]) -> Result<(), Error> {
        if self.phase == Phase::Ended {
            return Ok(());
        }
        if data.is_empty() {
            return Err(Error::Closed { verb: self.awaited() });
        }
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
        self.pump();
        self.arm(now);
        Ok(())
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        // Some servers end a message with a dot and half a line end, and then wait.
        if let Reading::Message(message) = &self.reading
            && message.decoder.is_all_but_ended()
        {
            let number = message.number;
            self.fault(Misbehavior::UnendedTerminator(number));
            self.end_message();
            self.pump();
            self.arm(now);
            return Ok(());
        }
        Err(Error::Timeout { verb: self.awaited() })
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
        let weight = size.unwrap_or(UNKNOWN_SIZE);
        self.enqueue(Command { verb: Verb::Retr, message: number, weight });
    }

    /// Asks for the header of a message (RFC 1939 section 7, TOP with no lines of the body).
    pub fn top(&mut self, number: u32) {
        self.enqueue(Command { verb: Verb::Top, message: number, weight: HEADER_SIZE });
    }

    /// Marks a message as deleted.
    pub fn delete(&mut self, number: u32) {
        self.enqueue(Command { verb: Verb::Dele, message: number, weight: 0 });
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
        self.queue.is_empty()
    }

    /// Whether nothing is asked for and unanswered.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.queue.is_empty()
    }

    /// What the server owes an answer to.
    pub fn awaited(&self) -> Verb {
        self.in_flight.front().map_or(self.last_verb, |command| command.verb)
    }

    fn read(&mut self, data: &mut &[u8]) -> Result<(), Error> {
        if matches!(self.reading, Reading::Message(_)) {
            return self.read_message(data);
        }
        let Some(line) = self.line.take(data)? else { return Ok(()) };
        self.progress = true;
        match self.reading {
            Reading::Lines(verb) => self.listing_line(verb, &line.text),
            Reading::Status | Reading::Message(_) => self.status_line(&line),
        }
    }

    fn status_line(&mut self, line: &Line) -> Result<(), Error> {
        if line.text.trim_ascii().is_empty() {
            self.empty_lines += 1;
            self.fault(Misbehavior::EmptyLine);
            return if self.empty_lines > MAX_EMPTY_LINES { Err(Misbehavior::EmptyLine.into()) } else { Ok(()) };
        }
        let status = reply::parse(&line.text).ok_or(Misbehavior::MalformedReply)?;
        let command = self.in_flight.pop_front().ok_or(Misbehavior::UnsolicitedReply)?;
        self.last_verb = command.verb;
        if matches!(status, Status::Continue(_)) && command.verb != Verb::Auth {
            return Err(Misbehavior::UnexpectedContinuation.into());
        }
        match self.phase {
            Phase::Transaction => self.transaction_reply(command, &status, line.bare_lf),
            _ => self.login_reply(command, &status),
        }
    }

    fn listing_line(&mut self, verb: Verb, line: &[u8]) -> Result<(), Error> {
        if line == b"." {
            self.reading = Reading::Status;
            let number = self.in_flight.front().map_or(0, |command| command.message);
            self.end_lines_of(verb);
            if verb == Verb::Top {
                let data = std::mem::take(&mut self.header);
                self.events.push_back(Event::Header { number, data });
            }
            return self.end_lines(verb);
        }
        // RFC 1939 section 3: dot-stuffing holds for every multi-line response.
        let line = line.strip_prefix(b".").unwrap_or(line);
        match verb {
            Verb::Uidl => self.listing.uidl_line(line, &self.options.limits)?,
            Verb::List => self.listing.list_line(line, &self.options.limits)?,
            Verb::Top => self.header_line(line),
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

    fn patience(&self) -> Duration {
        let Timeouts { reply, body, .. } = self.options.timeouts;
        if matches!(self.reading, Reading::Message(_)) { body } else { reply }
    }
}

/// What a header takes of the window.
const HEADER_SIZE: u64 = 4 * 1024;

/// What a message of unknown size takes of the window.
const UNKNOWN_SIZE: u64 = 1024 * 1024;
