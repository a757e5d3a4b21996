//! Brings mail from POP3 maildrops into the store: one task an account, so that no account delays another.
//!
//! `plan` and `scheduler` decide and are pure; `source` makes one poll; `drive` runs its session. Upstream is changed only
//! by `leave_on_server` (I8), and only after the store has what is deleted there (I1).

mod account;
mod commands;
mod connect;
mod deliveries;
mod drive;
mod error;
mod fault;
mod gate;
mod kept;
mod known;
mod learnt;
mod mark;
mod metrics;
mod notice;
mod plan;
#[cfg(test)]
mod plan_tests;
mod policy;
mod probe;
mod quota;
mod resolve;
#[cfg(test)]
mod resolve_tests;
mod scheduler;
mod settings;
mod source;
mod supervise;
mod tell;
mod trust;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use commands::{CommandError, FindError, PollNowError, find};
pub use error::{Error, PollResult};
pub use fault::fault_labels;
pub use metrics::Metrics;
pub use probe::{Probe, Setting, Step, Verdict, probe_all};
pub use settings::{AccountSettings, Bounds, FirstPoll, LeaveOnServer, Login, Route, Settings, Tls};
pub use source::{Mode, Report};

use crate::status::{AccountState, AccountStatus, AccountsSender};
use crate::store::Store;
use account::{Account, Command};
use gate::Gates;
use kept::Kept;

/// Callers that may wait for a poll of one account, and commands that may wait to be taken.
const MAX_REQUESTS: usize = 64;

/// All accounts. Cheap to clone: every clone is the same poller.
#[derive(Clone)]
pub struct Poller(Arc<Inner>);

struct Inner {
    store: Store,
    handles: HashMap<String, Handle>,
    /// Taken by [`Poller::run`].
    accounts: Mutex<Vec<Account>>,
}

/// What the rest of the service holds of an account.
struct Handle {
    user: String,
    name: String,
    enabled: bool,
    leave_on_server: LeaveOnServer,
    nudge: Arc<Notify>,
    commands: mpsc::Sender<Command>,
    kept: Kept,
}

impl Poller {
    /// A poller of these accounts; nothing happens before [`Poller::run`].
    pub fn new(settings: Settings, store: Store, metrics: &Metrics, status: AccountsSender) -> Self {
        let (mut handles, mut accounts) = (HashMap::new(), Vec::new());
        let mut gates = Gates::new(settings.bounds);
        for account in settings.accounts {
            let (commands, inbox) = mpsc::channel(MAX_REQUESTS);
            let nudge = Arc::new(Notify::new());
            let handle = Handle {
                user: account.user.clone(),
                name: account.name.clone(),
                enabled: account.enabled,
                leave_on_server: account.leave_on_server,
                nudge: nudge.clone(),
                commands,
                kept: Kept::new(store.clone(), &account),
            };
            handles.insert(account.id.clone(), handle);
            let its_metrics = metrics.account(&account.id, account.poll_interval);
            let state = if account.enabled { AccountState::Ok } else { AccountState::Paused };
            its_metrics.state(state, None);
            let shown = AccountStatus { state, ..AccountStatus::default() };
            status.send_modify(|accounts| {
                accounts.insert(account.id.clone(), shown);
            });
            if account.enabled {
                let gate = gates.of(&account);
                let (timeouts, limits, bounds) = (settings.timeouts, settings.limits, settings.bounds);
                let source = source::Source::new(account, timeouts, limits, bounds, store.clone(), its_metrics);
                accounts.push(Account::new(source, status.clone(), gate, nudge, inbox));
            }
        }
        Self(Arc::new(Inner { store, handles, accounts: Mutex::new(accounts) }))
    }

    /// Polls until `shutdown`, then lets sessions come to their next safe point. A second call does nothing.
    pub async fn run(&self, shutdown: CancellationToken) {
        let accounts = std::mem::take(&mut *self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner));
        let mut tasks = JoinSet::new();
        for account in accounts {
            let id = account.source.settings.id.clone();
            tasks.spawn(supervise::supervise(id, account, shutdown.clone()));
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
}
