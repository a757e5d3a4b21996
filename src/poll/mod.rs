//! Brings mail from POP3 maildrops into the store: one task an account, so that no account delays another.
//!
//! `plan` and `scheduler` decide and are pure; `source` makes one poll; `drive` runs its session. Upstream is changed only
//! by `leave_on_server` (I8), and only after the store has what is deleted there (I1).

mod account;
mod connect;
mod deliveries;
mod drive;
mod error;
mod known;
mod learnt;
mod metrics;
mod notice;
mod plan;
#[cfg(test)]
mod plan_tests;
mod resolve;
mod scheduler;
mod settings;
mod source;
mod trust;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use error::{Error, PollResult};
pub use metrics::Metrics;
pub use settings::{AccountSettings, Bounds, FirstPoll, LeaveOnServer, Login, Route, Settings, Tls};
pub use source::{Mode, Report};

use crate::status::{AccountState, AccountStatus, AccountsSender};
use crate::store::Store;
use account::{Account, Request};

/// Callers that may wait for a poll of one account.
const MAX_REQUESTS: usize = 64;

/// All accounts. Cheap to clone: every clone is the same poller.
#[derive(Clone)]
pub struct Poller(Arc<Inner>);

struct Inner {
    handles: HashMap<String, Handle>,
    /// Taken by [`Poller::run`].
    accounts: Mutex<Vec<Account>>,
}

struct Handle {
    user: String,
    enabled: bool,
    nudge: Arc<Notify>,
    requests: mpsc::Sender<Request>,
}

/// Why an account was not polled on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PollNowError {
    /// There is none of this id.
    #[error("no such account")]
    NoAccount,
    /// It is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The poller does not run, or is stopping.
    #[error("the poller is not running")]
    NotRunning,
}

impl Poller {
    /// A poller of these accounts; nothing happens before [`Poller::run`].
    pub fn new(settings: Settings, store: Store, metrics: &Metrics, status: AccountsSender) -> Self {
        let (mut handles, mut accounts) = (HashMap::new(), Vec::new());
        for account in settings.accounts {
            let (requests, inbox) = mpsc::channel(MAX_REQUESTS);
            let nudge = Arc::new(Notify::new());
            let (user, enabled) = (account.user.clone(), account.enabled);
            handles.insert(account.id.clone(), Handle { user, enabled, nudge: nudge.clone(), requests });
            let its_metrics = metrics.account(&account.id, account.poll_interval);
            let state = if account.enabled { AccountState::Ok } else { AccountState::Paused };
            its_metrics.state(state, None);
            let shown = AccountStatus { state, ..AccountStatus::default() };
            status.send_modify(|accounts| {
                accounts.insert(account.id.clone(), shown);
            });
            if account.enabled {
                let (timeouts, limits, bounds) = (settings.timeouts, settings.limits, settings.bounds);
                let source = source::Source::new(account, timeouts, limits, bounds, store.clone(), its_metrics);
                accounts.push(Account::new(source, status.clone(), nudge, inbox));
            }
        }
        Self(Arc::new(Inner { handles, accounts: Mutex::new(accounts) }))
    }

    /// Polls until `shutdown`, then lets sessions come to their next safe point. A second call does nothing.
    pub async fn run(&self, shutdown: CancellationToken) {
        let accounts = std::mem::take(&mut *self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner));
        let mut tasks = JoinSet::new();
        for account in accounts {
            tasks.spawn(account.run(shutdown.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "an account's task has ended; the others go on");
            }
        }
    }

    /// The user looks at the mailbox: polls what is stale. Rate-limited, returns at once.
    pub fn nudge(&self, user: &str) {
        self.0.handles.values().filter(|handle| handle.user == user).for_each(|handle| handle.nudge.notify_one());
    }

    /// Polls an account now, whatever its time-table says, and waits for the outcome.
    pub async fn poll_now(&self, account: &str) -> Result<Report, PollNowError> {
        let handle = self.0.handles.get(account).ok_or(PollNowError::NoAccount)?;
        if !handle.enabled {
            return Err(PollNowError::Disabled);
        }
        let (answer, outcome) = oneshot::channel();
        handle.requests.send(Request(answer)).await.map_err(|_| PollNowError::NotRunning)?;
        outcome.await.map_err(|_| PollNowError::NotRunning)
    }
}
