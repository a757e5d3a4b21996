//! The silence of one connection: [`keepalive`](super::keepalive) with a clock, and with what failed.

use std::fmt;
use std::io;

use tokio::time::Instant;

use super::keepalive::{Keepalive, Pace, SharedPath};

/// Held by the connection.
pub(in crate::imap) struct Pulse {
    started: Instant,
    pace: Pace,
    /// Of a network that nobody has logged in from, until the login.
    path: SharedPath,
}

/// A write that makes no progress: the client does not read. Its network may be well.
#[derive(Debug)]
pub(in crate::imap) struct Stalled;

impl Pulse {
    pub(in crate::imap) fn new(bounds: Keepalive) -> Self {
        let started = Instant::now();
        Self { started, pace: Pace::new(bounds, started.elapsed()), path: SharedPath::default() }
    }

    /// The client has logged in, from a network of which more may be known.
    pub(in crate::imap) fn set_path(&mut self, path: SharedPath) {
        self.path = path;
    }

    pub(in crate::imap) fn sent(&mut self) {
        self.pace.sent(self.started.elapsed());
    }

    pub(in crate::imap) fn received(&mut self) {
        self.pace.received(self.started.elapsed(), &mut self.path.lock());
    }

    /// When something must be sent if nothing is until then.
    pub(in crate::imap) fn due(&mut self) -> Instant {
        self.started + self.pace.due(self.started.elapsed(), &mut self.path.lock())
    }

    /// The connection has failed.
    pub(in crate::imap) fn failed(&mut self, error: &io::Error) {
        let reset = match error.kind() {
            _ if error.get_ref().is_some_and(|inner| inner.is::<Stalled>()) => return,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => true,
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => false,
            _ => return,
        };
        self.pace.died(self.started.elapsed(), reset, &mut self.path.lock());
    }
}

impl Stalled {
    pub(in crate::imap) fn error() -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, Self)
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client reads nothing of what is sent to it")
    }
}

impl std::error::Error for Stalled {}
