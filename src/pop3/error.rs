//! Why a POP3 session ended before its time.

use super::{Misbehavior, Refusal, RefusalKind, Verb};

/// The end of a session; nothing can be done with it any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server broke the rules in a way that cannot be worked around.
    #[error("the server broke the protocol: {0}")]
    Misbehavior(#[from] Misbehavior),
    /// `-ERR` where the session cannot go on without `+OK`.
    #[error("the server refused {verb}: {refusal}")]
    Refused {
        /// What was refused.
        verb: Verb,
        /// How.
        refusal: Refusal,
    },
    /// None of the methods that the server offers can be used with these credentials and settings.
    #[error("the server offers no way to log in that can be used")]
    NoMethod,
    /// `-ERR` that answers no command, or says that the server leaves: its last words before it closes.
    #[error("the server ended the session: {refusal}")]
    Dismissed {
        /// Its words.
        refusal: Refusal,
    },
    /// The end of the connection where more was due.
    #[error("the server closed the connection during {verb}")]
    Closed {
        /// What was being waited for.
        verb: Verb,
    },
    /// The server stayed silent for too long.
    #[error("no answer to {verb} in time")]
    Timeout {
        /// What was being waited for.
        verb: Verb,
    },
}

/// What an error calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Other credentials.
    Auth,
    /// Silence until the lock is gone.
    Locked,
    /// Fewer logins.
    Throttled,
    /// TLS cannot be had.
    Tls,
    /// The connection was lost.
    Connection,
    /// No answer.
    Timeout,
    /// The server does not keep to the protocol.
    Protocol,
}

impl Error {
    /// What it calls for.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Misbehavior(_) => ErrorKind::Protocol,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::NoMethod => ErrorKind::Auth,
            // A server that hangs up on a password has refused it.
            Self::Closed { verb } if verb.is_login() => ErrorKind::Auth,
            Self::Closed { .. } => ErrorKind::Connection,
            Self::Dismissed { refusal } => match refusal.kind() {
                RefusalKind::Locked => ErrorKind::Locked,
                RefusalKind::Throttled => ErrorKind::Throttled,
                RefusalKind::Credentials | RefusalKind::Other => ErrorKind::Connection,
            },
            Self::Refused { verb: Verb::Stls, .. } => ErrorKind::Tls,
            Self::Refused { verb, refusal } => match refusal.kind() {
                RefusalKind::Credentials => ErrorKind::Auth,
                RefusalKind::Locked => ErrorKind::Locked,
                RefusalKind::Throttled => ErrorKind::Throttled,
                RefusalKind::Other if refusal.is_goodbye() => ErrorKind::Connection,
                RefusalKind::Other if verb.is_login() => ErrorKind::Auth,
                RefusalKind::Other if *verb == Verb::Greeting => ErrorKind::Throttled,
                RefusalKind::Other => ErrorKind::Protocol,
            },
        }
    }

    /// Whether a new connection that leaves CAPA out is worth a try.
    pub fn is_about_capa(&self) -> bool {
        matches!(self, Self::Closed { verb: Verb::Capa } | Self::Timeout { verb: Verb::Capa })
    }
}
