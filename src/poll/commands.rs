//! What people tell the poller, by the name of an account.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::account::{Command, Request};
use super::{Handle, LeaveOnServer, Mode, Poller, Report};
use crate::status::{AccountState, EventKind};
use crate::store::{self, LedgerChange, LedgerState, Place};

/// Which account is meant cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is none of this name.
    #[error("there is no account {0}")]
    Unknown(String),
    /// Several users have one of this name.
    #[error("{name} may be {}: write it in full", ids.join(" or "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What may be meant.
        ids: Vec<String>,
    },
}

/// Why an account was not polled on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PollNowError {
    /// There is none of this id.
    #[error("no such account")]
    NoAccount,
    /// It is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// It has been told to pause.
    #[error("the account is paused")]
    Paused,
    /// A login now would be refused, or would prolong a lock.
    #[error("the server wants no login yet")]
    NotYet {
        /// How the account is.
        state: AccountState,
        /// When a login is allowed.
        until: SystemTime,
    },
    /// Too many wait for it already.
    #[error("too many polls of the account are waited for")]
    Busy,
    /// The poller does not run, is stopping, or has broken off the poll.
    #[error("the poller is not running")]
    NotRunning,
}

/// Why an account did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is none of this id.
    #[error("no such account")]
    NoAccount,
    /// It is disabled by the configuration.
    #[error("the account is disabled by the configuration (enabled: false)")]
    Disabled,
    /// Nothing is ever held for this account.
    #[error("no deletion of this account needs to be confirmed: only leave_on_server: until_expunged holds any")]
    NothingHeld,
    /// Our own store failed.
    #[error("the store failed: {0}")]
    Store(#[from] store::Error),
}

/// The id of the account that is meant by `user/name`, or by `name` where only one user has such an account, among these
/// ids with their names.
pub fn find<'a>(accounts: impl Iterator<Item = (&'a str, &'a str)>, wanted: &str) -> Result<String, FindError> {
    let mut ids = Vec::new();
    for (id, name) in accounts {
        if id == wanted {
            return Ok(wanted.to_owned());
        }
        if name == wanted {
            ids.push(id.to_owned());
        }
    }
    ids.sort_unstable();
    match (ids.pop(), ids.is_empty()) {
        (None, _) => Err(FindError::Unknown(wanted.to_owned())),
        (Some(id), true) => Ok(id),
        (Some(id), false) => Err(FindError::Ambiguous { name: wanted.to_owned(), ids: [ids, vec![id]].concat() }),
    }
}

impl Poller {
    /// The ids of all accounts, `user/name`, in order.
    pub fn accounts(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.0.roster.handles().keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// The id of the account that is meant by `user/name`, or by `name` where only one user has such an account.
    pub fn find(&self, name: &str) -> Result<String, FindError> {
        let handles = self.0.roster.handles();
        find(handles.iter().map(|(id, handle)| (id.as_str(), handle.settings.name.as_str())), name)
    }

    /// Polls an account now, whatever its time-table says, and waits for the outcome.
    pub async fn poll_now(&self, account: &str) -> Result<Report, PollNowError> {
        self.poll_on_demand(account, Mode::Normal, true).await
    }

    /// Polls an account because a person wants it, and waits for the outcome: also after refused logins and failures,
    /// but unless forced not while it is paused, locked, throttled or within the server's LOGIN-DELAY.
    pub async fn poll_on_demand(&self, account: &str, mode: Mode, force: bool) -> Result<Report, PollNowError> {
        let handle = self.handle(account).ok_or(PollNowError::NoAccount)?;
        if !handle.settings.enabled {
            return Err(PollNowError::Disabled);
        }
        let (answer, outcome) = oneshot::channel();
        let request = Command::Poll(Request { mode, force, answer });
        handle.commands.send(request).await.map_err(|_| PollNowError::NotRunning)?;
        outcome.await.unwrap_or(Err(PollNowError::NotRunning))
    }

    /// The account is polled no more until it is resumed, also by a later run of the service; a running poll comes to
    /// its next safe point. Says whether that is new.
    pub async fn pause(&self, account: &str) -> Result<bool, CommandError> {
        self.set_paused(account, true).await
    }

    /// The account is polled again, at once if its time has come meanwhile. Says whether that is new.
    pub async fn resume(&self, account: &str) -> Result<bool, CommandError> {
        self.set_paused(account, false).await
    }

    async fn set_paused(&self, account: &str, paused: bool) -> Result<bool, CommandError> {
        let handle = self.enabled(account)?;
        let id = handle.kept.account().await?;
        let before = self.0.store.poll_state(id).await?.is_paused;
        handle.kept.try_change(move |state| state.is_paused = paused).await?;
        // The configuration may have put another task in its place meanwhile, which has perhaps read it as it was before.
        let now = self.enabled(account).ok().filter(|now| !Arc::ptr_eq(now, &handle));
        for handle in [Some(handle), now].into_iter().flatten() {
            let (done, seen) = oneshot::channel();
            // A poller that does not run reads it when it starts.
            if handle.commands.send(Command::Recheck(done)).await.is_ok() {
                let _ = seen.await;
            }
        }
        if before != paused {
            tracing::info!(account, "{}", if paused { "paused" } else { "resumed" });
            self.0.events.of_account(account, if paused { EventKind::Paused } else { EventKind::Resumed });
        }
        Ok(before != paused)
    }

    /// Deletions upstream that wait to be confirmed by a person: messages that were expunged here.
    pub async fn held_deletes(&self, account: &str) -> Result<u64, CommandError> {
        Ok(self.held(account).await?.len() as u64)
    }

    /// A person wants the held deletions; the next polls make them. Says how many.
    pub async fn confirm_deletes(&self, account: &str) -> Result<u64, CommandError> {
        let held = self.held(account).await?;
        let count = held.len() as u64;
        if count > 0 {
            let id = self.enabled(account)?.kept.account().await?;
            let wanted = held.into_iter().map(|unique_id| LedgerChange::SetState(unique_id, LedgerState::DeleteWanted));
            self.0.store.change_ledger(id, wanted.collect()).await?;
            tracing::info!(account, count, "held deletions are confirmed");
            self.0.events.of_account(account, EventKind::DeletesConfirmed { messages: count });
        }
        Ok(count)
    }

    /// Unique-ids of messages that are here no more and of which the upstream copy is not yet to be deleted. I8: only
    /// an account that is told to delete what is expunged has any.
    async fn held(&self, account: &str) -> Result<Vec<Vec<u8>>, CommandError> {
        let handle = self.enabled(account)?;
        if handle.settings.leave_on_server != LeaveOnServer::UntilExpunged {
            return Err(CommandError::NothingHeld);
        }
        let ledger = self.0.store.ledger(handle.kept.account().await?).await?;
        let held =
            ledger.into_iter().filter(|(_, row)| row.state == LedgerState::Stored && row.place == Place::Nowhere);
        Ok(held.map(|(unique_id, _)| unique_id).collect())
    }

    fn handle(&self, account: &str) -> Option<Arc<Handle>> {
        self.0.roster.handles().get(account).cloned()
    }

    fn enabled(&self, account: &str) -> Result<Arc<Handle>, CommandError> {
        let handle = self.handle(account).ok_or(CommandError::NoAccount)?;
        if handle.settings.enabled { Ok(handle) } else { Err(CommandError::Disabled) }
    }
}
