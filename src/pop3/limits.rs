//! What a POP3 server may make us hold or wait for.

use std::time::Duration;

/// Empty lines in a row, in place of a reply or in a listing, that are skipped.
pub(super) const MAX_EMPTY_LINES: u32 = 64;

/// Lines around the greeting that are none of the protocol's and are skipped.
pub(super) const MAX_BANNER_LINES: u32 = 32;

/// Lines of one answer to CAPA.
pub(super) const MAX_CAPABILITIES: u32 = 1_000;

/// Bounds on what a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest status or listing line, in bytes without its line end.
    pub line: usize,
    /// Longest unique-id (RFC 1939 section 7 says 70; servers send more). A longer one counts as none.
    pub unique_id: usize,
    /// Most messages in a listing.
    pub listing: usize,
    /// Most bytes of unique-ids in a listing: 70 for each message of the largest listing.
    pub listing_bytes: usize,
    /// Longest header that TOP may bring, in octets, with the blank line at its end; the rest is not kept.
    pub header: usize,
    /// Longest message, in octets after dot-stuffing has been undone.
    pub message: u64,
    /// Most commands on their way when the server allows pipelining.
    pub window_commands: usize,
    /// Most listed octets asked for and not yet received; one message is always allowed.
    pub window_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 8 * 1024,
            unique_id: 1_000,
            listing: 2_000_000,
            listing_bytes: 140_000_000,
            header: 1024 * 1024,
            message: 150 * 1024 * 1024,
            window_commands: 32,
            window_bytes: 4 * 1024 * 1024,
        }
    }
}

/// How long a server may stay silent behind a message that has its listed size and a malformed end.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// How long a server may stay silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, with its TLS handshake. Applied by the driver.
    pub connect: Duration,
    /// Until a reply line is complete.
    pub reply: Duration,
    /// Between two pieces of a message.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), reply: Duration::from_secs(60), body: Duration::from_secs(120) }
    }
}
