//! What the status page and `/api/status` show of an account: one view, so that they cannot disagree.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::status::{AccountState, AccountStatus};

/// One account as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct AccountView {
    /// `user/name`.
    pub account: String,
    /// How it is.
    #[serde(serialize_with = "label")]
    pub state: AccountState,
    /// A poll is running.
    pub polling: bool,
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
    /// Messages fetched since the start.
    pub fetched: u64,
}

/// The account's state for people.
pub(super) fn words(account: &AccountView) -> &'static str {
    match account.state {
        _ if account.polling => "polling",
        AccountState::Ok if account.last_success.is_none() => "not polled yet",
        AccountState::Ok => "ok",
        AccountState::Backoff => "failing, will retry",
        AccountState::AuthFailed => "login refused",
        AccountState::Locked => "maildrop locked by another session",
        AccountState::Paused => "paused",
    }
}

impl AccountView {
    /// What the poller says of the account `id`.
    pub(super) fn of(id: &str, status: &AccountStatus) -> Self {
        // During the first poll, which may take hours, the listing is what there is to see.
        let known = status.last_success.is_some() || status.listed > 0;
        Self {
            account: id.to_owned(),
            state: status.state,
            polling: status.polling,
            last_attempt: status.last_attempt,
            last_success: status.last_success,
            next_poll: status.next_poll,
            last_error: status.last_error.clone(),
            listed: known.then_some(status.listed),
            backlog: known.then_some(status.backlog),
            fetched: status.fetched,
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

fn label<S: Serializer>(state: &AccountState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.label())
}
