//! What the poller is told: by the configuration, or by a test.

use std::path::PathBuf;
use std::time::Duration;

use crate::mail::MailboxName;
use crate::pop3::{Limits, Timeouts};
use crate::secret::Secret;

/// The poller as a whole.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The maildrops.
    pub accounts: Vec<AccountSettings>,
    /// Patience with servers.
    pub timeouts: Timeouts,
    /// Bounds on what servers send.
    pub limits: Limits,
}

/// One maildrop.
#[derive(Clone, Debug)]
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
    /// Password at the server.
    pub password: Secret,
    /// SHA-256 of the one certificate to trust, in hex, with or without colons; replaces the check of its chain.
    pub certificate_sha256: Option<String>,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Time between two polls.
    pub poll_interval: Duration,
    /// What happens upstream to what was fetched.
    pub leave_on_server: LeaveOnServer,
    /// Where mail goes; made if missing.
    pub deliver_to: MailboxName,
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

/// What happens upstream to a message once it is stored (I8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveOnServer {
    /// Nothing.
    Forever,
    /// It is deleted.
    Never,
}
