//! What a session tells its driver.

use super::super::{Listing, Method, Misbehavior, Refusal, Verb};

/// What a session tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Make the TLS handshake now, then call [`Session::tls_started`](super::Session::tls_started). Bytes read before it are gone.
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
    /// The message is complete. One of no octets has had no [`Event::Body`].
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
        /// Without dot-stuffing, lines as the server ends them. The blank line that ends the header is the last of it,
        /// unless the server left it out or the limit came first; nothing of the body is here.
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
