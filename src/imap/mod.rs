//! The IMAP server: IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051) with the extensions that `capability` lists.
//!
//! `conn` alone touches the socket, `dispatch` alone writes tagged lines, `spec` holds the facts about each
//! command; a handler is a plain async function in `command`, one file a command family.

pub mod codec;

mod accounts;
mod capability;
mod command;
mod conn;
mod deflate;
mod dispatch;
mod error;
mod keepalive;
mod metrics;
mod pulse;
mod registry;
mod serve;
mod server;
mod session;
mod settings;
mod socket;
mod spec;

pub use accounts::{Account, Accounts};
pub use capability::{HiddenCapabilities, hideable_capabilities, showable_capabilities};
pub use keepalive::Keepalive;
pub use metrics::Metrics;
pub use server::{Deps, Nudge, Server};
pub use settings::Settings;
pub use socket::TcpKeepalive;
