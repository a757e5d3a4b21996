//! How a poll ends: one of a closed set of results, with a text for people.

use crate::pop3::{self, ErrorKind};
use crate::store;

/// The result of a poll: the `result` label of `tributary_polls_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PollResult {
    /// All went well.
    Ok,
    /// The host name has no address.
    Dns,
    /// No connection, or it was lost.
    Connect,
    /// No TLS, or a certificate that does not verify.
    Tls,
    /// The credentials are refused.
    Auth,
    /// Another session holds the maildrop.
    Locked,
    /// The server wants fewer logins.
    Throttled,
    /// The server does not keep to the protocol.
    Protocol,
    /// The server does not answer.
    Timeout,
    /// Our own store failed.
    Store,
}

impl PollResult {
    /// Every result.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Auth,
        Self::Locked,
        Self::Throttled,
        Self::Protocol,
        Self::Timeout,
        Self::Store,
    ];

    /// The name in metrics, logs and JSON.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Locked => "locked",
            Self::Throttled => "throttled",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::Store => "store",
        }
    }
}

/// Why a poll failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host name has no address.
    #[error("cannot resolve {host}: {reason}")]
    Dns {
        /// The name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// No address took the connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The handshake failed, or TLS cannot be set up as configured.
    #[error("no TLS: {0}")]
    Tls(String),
    /// Connecting took too long; the text names the step.
    #[error("no connection in time: {0}")]
    ConnectTimeout(String),
    /// The session ended badly.
    #[error(transparent)]
    Session(#[from] pop3::Error),
    /// The configured user name or password cannot be sent.
    #[error(transparent)]
    Credentials(#[from] pop3::CredentialError),
    /// STAT, UIDL and LIST contradict each other, and the server wants no other login to ask again.
    #[error("the listing contradicts itself; it is asked for again in the next poll")]
    DoubtfulListing,
    /// There is no password or token to log in with.
    #[error("no credentials: {0}")]
    NoCredentials(String),
    /// Our own store failed.
    #[error("the store failed: {0}")]
    Store(#[from] store::Error),
    /// The service stops.
    #[error("stopped")]
    Stopped,
    /// A part of the poll ended without an answer: a defect.
    #[error("a delivery ended without an answer")]
    Delivery,
}

impl Error {
    /// Its place among the results.
    pub fn result(&self) -> PollResult {
        match self {
            Self::Dns { .. } => PollResult::Dns,
            Self::Connect(_) | Self::Stopped => PollResult::Connect,
            Self::Tls(_) => PollResult::Tls,
            Self::ConnectTimeout(_) => PollResult::Timeout,
            Self::DoubtfulListing => PollResult::Protocol,
            Self::Credentials(_) | Self::NoCredentials(_) => PollResult::Auth,
            Self::Store(_) | Self::Delivery => PollResult::Store,
            Self::Session(error) => match error.kind() {
                ErrorKind::Auth => PollResult::Auth,
                ErrorKind::Locked => PollResult::Locked,
                ErrorKind::Throttled => PollResult::Throttled,
                ErrorKind::Tls => PollResult::Tls,
                ErrorKind::Connection => PollResult::Connect,
                ErrorKind::Timeout => PollResult::Timeout,
                ErrorKind::Protocol => PollResult::Protocol,
            },
        }
    }
}
