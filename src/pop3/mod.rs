//! POP3 client (RFC 1939, RFC 2449, RFC 2595, RFC 3206, RFC 5034, RFC 6856): bytes in, bytes out, events.
//!
//! Layer 1: no socket, no clock, no log. `session::Session` is driven by whoever owns the connection; every way in which
//! a server can break the rules is a [`Misbehavior`] variant, and every length a server chooses is bounded by [`Limits`].

mod auth;
mod body;
mod capa;
mod command;
mod error;
mod header;
mod limits;
mod line;
mod listing;
mod misbehavior;
mod reply;
mod session;
mod words;

pub use auth::{ChannelBinding, CredentialError, Credentials, Method};
pub use capa::{Capabilities, Expire};
pub use command::Verb;
pub use error::{Error, ErrorKind};
pub use limits::{Limits, Timeouts};
pub use listing::{Item, Listing};
pub use misbehavior::Misbehavior;
pub use reply::{Refusal, RefusalKind, ResponseCode};
pub use session::{Event, Options, Security, Session};
