//! What the service is doing right now, as plain data: written by the parts, read by the status page, its JSON and the
//! webhooks.
//!
//! Never holds a secret or the text of a message.

mod device;
mod event;
mod rate;

use std::collections::BTreeMap;
use std::time::SystemTime;

use tokio::sync::watch;

pub use device::Device;
pub use event::{Event, EventKind, Events};
pub use rate::Rate;

/// The condition of an upstream account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// The last poll went well, or none was made yet.
    #[default]
    Ok,
    /// The last poll failed; it is tried again, later each time.
    Backoff,
    /// The server refuses the credentials.
    AuthFailed,
    /// Another session holds the maildrop; silence until it lets go.
    Locked,
    /// Not polled: disabled or told to pause.
    Paused,
}

impl AccountState {
    /// Every state, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Backoff, Self::AuthFailed, Self::Locked, Self::Paused];

    /// The name in metrics and JSON.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Backoff => "backoff",
            Self::AuthFailed => "auth_failed",
            Self::Locked => "locked",
            Self::Paused => "paused",
        }
    }
}

/// An upstream account as the status page shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountStatus {
    /// Its condition.
    pub state: AccountState,
    /// A poll is running.
    pub polling: bool,
    /// When the last poll began.
    pub last_attempt: Option<SystemTime>,
    /// When the last poll that went well ended.
    pub last_success: Option<SystemTime>,
    /// When the next poll is due.
    pub next_poll: Option<SystemTime>,
    /// How the last poll ended: the `result` label of `tributary_polls_total`.
    pub last_result: Option<&'static str>,
    /// Why the last poll failed, without secrets.
    pub last_error: Option<String>,
    /// Polls that failed in a row.
    pub failures: u32,
    /// Whether a listing was seen since the start: what follows says nothing before.
    pub is_listed: bool,
    /// Messages in the maildrop at the last listing.
    pub listed: u64,
    /// Listed messages that are still to be fetched.
    pub backlog: u64,
    /// Messages fetched since the start.
    pub fetched: u64,
    /// When they came, of the last day.
    pub rate: Rate,
    /// Stored messages that are still to be deleted upstream.
    pub deletes_pending: u64,
    /// Of them, those that wait for `tributary confirm-deletes`.
    pub deletes_held: u64,
    /// Of them, those that only `delete_dry_run` keeps.
    pub deletes_dry_run: u64,
    /// How many of them are wanted for what: `never`, `age`, `expunged`, `larger`.
    pub deletes_for: Vec<(&'static str, u64)>,
    /// Messages that could not be fetched whole.
    pub quarantined: u64,
    /// Messages that stay upstream because they are too long: unique-id and listed size, the first few.
    pub too_large: Vec<(String, u64)>,
    /// What the server calls itself, and what it does wrong, by name.
    pub server: String,
    /// See `server`.
    pub faults: Vec<&'static str>,
}

/// All accounts by their id, `user/name`.
pub type Accounts = BTreeMap<String, AccountStatus>;

/// Where the poller publishes; the status page holds receivers.
pub type AccountsSender = watch::Sender<Accounts>;
