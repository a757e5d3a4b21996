//! What the status page and `/api/status` show of an account: one view, so that they cannot disagree.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

/// Yields the state of every account now.
pub type Accounts = Arc<dyn Fn() -> Vec<AccountView> + Send + Sync>;

/// One account as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct AccountView {
    /// `user/name`.
    pub account: String,
    /// How it is.
    pub state: AccountState,
    /// When the last poll began.
    #[serde(serialize_with = "time")]
    pub last_attempt: Option<SystemTime>,
    /// When a poll last succeeded.
    #[serde(serialize_with = "time")]
    pub last_success: Option<SystemTime>,
    /// When the next poll is due.
    #[serde(serialize_with = "time")]
    pub next_poll: Option<SystemTime>,
    /// What went wrong last, in words; `None` after a success.
    pub last_error: Option<String>,
    /// Messages in the maildrop at the last listing.
    pub listed: Option<u64>,
    /// Of them, those not fetched yet.
    pub backlog: Option<u64>,
}

/// The states of the metric `account_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// The last poll succeeded, or none has been due.
    Ok,
    /// Polls fail; the next one waits.
    Backoff,
    /// The upstream server refuses user name or password.
    AuthFailed,
    /// Another session holds the maildrop.
    Locked,
    /// Not polled.
    Paused,
}

impl AccountState {
    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Backoff => "failing, will retry",
            Self::AuthFailed => "login refused",
            Self::Locked => "maildrop locked by another session",
            Self::Paused => "paused",
        }
    }
}

/// RFC 3339, whole seconds, UTC.
pub(super) fn rfc3339(time: SystemTime) -> Option<String> {
    let timestamp = jiff::Timestamp::try_from(time).ok()?;
    Some(jiff::Timestamp::from_second(timestamp.as_second()).ok()?.to_string())
}

fn time<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.and_then(rfc3339).serialize(serializer)
}
