//! Limits and policy of the IMAP server (DESIGN 2.8).

use std::time::Duration;

use super::accounts::Accounts;
use super::capability::HiddenCapabilities;
use super::codec::fragment::Limits;
use super::keepalive::Keepalive;
use super::socket::TcpKeepalive;

/// Limits and policy; the defaults are those of DESIGN 2.8.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Accept LOGIN and AUTHENTICATE PLAIN without TLS.
    pub allow_cleartext_login: bool,
    /// From connecting to the end of the TLS handshake.
    pub tls_timeout: Duration,
    /// From connecting to a successful login.
    pub login_timeout: Duration,
    /// Between commands after login; at least 30 minutes (RFC 9051 section 5.4).
    pub idle_timeout: Duration,
    /// How long a write, or the octets of an APPEND, may make no progress.
    pub write_stall: Duration,
    /// How long a client that waits for word may hear nothing.
    pub keepalive: Keepalive,
    /// What TCP does besides.
    pub tcp_keepalive: TcpKeepalive,
    /// How often a command that takes long tells how far it is (RFC 9585).
    pub progress: Duration,
    /// Longest line before login, octets.
    pub line_before_login: usize,
    /// Longest line after login, octets.
    pub line: usize,
    /// Largest literal before login, octets.
    pub literal_before_login: u64,
    /// Largest literal after login, octets.
    pub literal: u64,
    /// Most literals in one command.
    pub literals: usize,
    /// Their octets together.
    pub literal_total: u64,
    /// Largest message that APPEND takes, octets.
    pub append: u64,
    /// Most messages in one APPEND, or literals of which they are catenated.
    pub append_literals: usize,
    /// Unparsable commands before the connection ends, before login.
    pub bad_commands_before_login: u32,
    /// The same after login.
    pub bad_commands: u32,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections of one user.
    pub max_user_connections: usize,
    /// Connections of one user from one address.
    pub max_user_address_connections: usize,
    /// What the results that a session follows (RFC 5267) may take in memory, octets.
    pub context_octets: usize,
    /// What clients are not told of.
    pub hidden_capabilities: HiddenCapabilities,
    /// Of what is shown on request only: what clients are told of, unless it is hidden.
    pub shown_capabilities: Vec<String>,
    /// Where mail comes from.
    pub accounts: Accounts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_cleartext_login: false,
            tls_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(31 * 60),
            write_stall: Duration::from_secs(60),
            keepalive: Keepalive::default(),
            tcp_keepalive: TcpKeepalive::default(),
            progress: Duration::from_secs(10),
            line_before_login: 8 << 10,
            line: 64 << 10,
            literal_before_login: 1 << 10,
            literal: 128 << 10,
            literals: 256,
            literal_total: 1 << 20,
            append: 64 << 20,
            append_literals: 1_000,
            bad_commands_before_login: 3,
            bad_commands: 20,
            max_connections: 10_000,
            max_user_connections: 64,
            max_user_address_connections: 32,
            context_octets: 8 << 20,
            hidden_capabilities: HiddenCapabilities::default(),
            shown_capabilities: Vec::new(),
            accounts: Accounts::default(),
        }
    }
}

impl Settings {
    /// The value of APPENDLIMIT: `number = 1*DIGIT` of 32 bits (RFC 7889 section 5).
    pub(super) fn append_limit(&self) -> u64 {
        self.append.min(u32::MAX.into())
    }

    /// The limits of the command stream.
    pub(super) fn fragment_limits(&self, logged_in: bool) -> Limits {
        let (line, literal, append) = if logged_in {
            (self.line, self.literal, self.append)
        } else {
            (self.line_before_login, self.literal_before_login, 0)
        };
        Limits {
            line,
            literal,
            literals: self.literals,
            literal_total: self.literal_total,
            append,
            append_literals: self.append_literals,
        }
    }
}
