//! What the poller is told: by the configuration, or by a test.

use std::path::PathBuf;
use std::time::Duration;

use crate::ingest::Rules;
use crate::mail::{Keyword, MailboxName};
use crate::oauth::TokenSource;
use crate::pop3::{Limits, Method, Timeouts};
use crate::secret::SecretSource;

/// The poller as a whole.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The maildrops.
    pub accounts: Vec<AccountSettings>,
    /// Patience with servers.
    pub timeouts: Timeouts,
    /// Bounds on what servers send.
    pub limits: Limits,
    /// Bounds on the poller itself.
    pub bounds: Bounds,
}

/// Bounds on the poller itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at one time, of all accounts.
    pub connections: usize,
    /// Connections at one time to one host.
    pub host_connections: usize,
    /// Octets of messages received in one session; what is left waits for the next.
    pub session_octets: u64,
    /// The longest session; what is left waits for the next.
    pub session_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            host_connections: 8,
            session_octets: 64 << 30,
            session_time: Duration::from_secs(6 * 3600),
        }
    }
}

/// One maildrop.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountSettings {
    /// `user/name`: its name in logs, metrics and commands.
    pub id: String,
    /// Whose mail it is.
    pub user: String,
    /// Its name among the user's accounts.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// Login name at the server.
    pub username: String,
    /// What proves who logs in.
    pub login: Login,
    /// The one method to log in by; `None`: the strongest that works.
    pub method: Option<Method>,
    /// How the server is reached.
    pub route: Route,
    /// SHA-256 of the one certificate to trust, in hex, with or without colons; replaces the check of its chain.
    pub certificate_sha256: Option<String>,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Any certificate is taken: no protection against whoever sits between.
    pub insecure: bool,
    /// Time between two polls.
    pub poll_interval: Duration,
    /// What happens upstream to what was fetched.
    pub leave_on_server: LeaveOnServer,
    /// Longer messages are deleted upstream once they are stored, whatever `leave_on_server` says.
    pub delete_larger_than: Option<u64>,
    /// Nothing is deleted upstream; the log says what would be.
    pub delete_dry_run: bool,
    /// What is fetched of the messages that are there at the first poll.
    pub first_poll: FirstPoll,
    /// Where mail goes; made if missing.
    pub deliver_to: MailboxName,
    /// What its messages are marked with; left out where the user has no room for another keyword.
    pub keyword: Option<Keyword>,
    /// What the user wants of certain messages.
    pub rules: Rules,
    /// A message that another account has brought to INBOX is one with that one.
    pub merge: bool,
    /// False: not polled.
    pub enabled: bool,
    /// Longer messages stay where they are.
    pub max_message_size: u64,
}

/// Protection of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte.
    Implicit,
    /// STLS, without which there is no login.
    StartTls,
    /// None.
    None,
}

/// What proves who logs in.
#[derive(Clone, Debug, PartialEq)]
pub enum Login {
    /// A password.
    Password(SecretSource),
    /// OAuth 2.0 access tokens.
    Token(TokenSource),
}

/// How a server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// By TCP.
    #[default]
    Direct,
    /// Through a SOCKS5 proxy (RFC 1928), which also resolves the name.
    Socks5 {
        /// Host name or address of the proxy.
        host: String,
        /// Its port.
        port: u16,
        /// User name and password (RFC 1929), if it wants any.
        login: Option<(String, crate::secret::Secret)>,
    },
    /// Through the standard input and output of a program, run without a shell.
    Tunnel(Vec<String>),
}

/// What is fetched of the messages that are in the maildrop at the first poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstPoll {
    /// All of them.
    #[default]
    All,
    /// None: only what comes later.
    New,
    /// This many, the last of the listing.
    Newest(u64),
    /// Those that are not older than this.
    Since(Duration),
}

/// What happens upstream to a message once it is stored (I8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveOnServer {
    /// Nothing.
    Forever,
    /// It is deleted.
    Never,
    /// It is deleted when it has been here for so long.
    For(Duration),
    /// It is deleted when it has been expunged here.
    UntilExpunged,
}
