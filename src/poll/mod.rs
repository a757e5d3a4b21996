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
mod roster;
mod scheduler;
mod settings;
mod source;
mod supervise;
mod tell;
mod trust;

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use commands::{CommandError, FindError, PollNowError, find};
pub use error::{Error, PollResult};
pub use fault::fault_labels;
pub use metrics::Metrics;
pub use probe::{Probe, Setting, Step, Verdict, probe_all};
pub use settings::{AccountSettings, Bounds, FirstPoll, LeaveOnServer, Login, Route, Settings, Tls};
pub use source::{Mode, Report};

use crate::status::{AccountsSender, Events};
use crate::store::Store;
use account::Command;
use kept::Kept;
use roster::Roster;

/// Callers that may wait for a poll of one account, and commands that may wait to be taken.
const MAX_REQUESTS: usize = 64;

/// All accounts. Cheap to clone: every clone is the same poller.
#[derive(Clone)]
pub struct Poller(Arc<Inner>);

struct Inner {
    store: Store,
    events: Events,
    roster: Roster,
}

/// What the rest of the service holds of an account.
struct Handle {
    settings: AccountSettings,
    nudge: Arc<Notify>,
    commands: mpsc::Sender<Command>,
    kept: Kept,
    /// Cancelled when the configuration ends the account, or has it begin anew.
    stop: CancellationToken,
    /// Cancelled when its task has ended.
    ended: CancellationToken,
}

impl Poller {
    /// A poller of these accounts; nothing happens before [`Poller::run`].
    pub fn new(settings: Settings, store: Store, metrics: &Metrics, status: AccountsSender, events: Events) -> Self {
        let roster = Roster::new(&settings, store.clone(), metrics.clone(), status, events.clone());
        let poller = Self(Arc::new(Inner { store, events, roster }));
        poller.apply(settings);
        poller
    }

    /// Takes other settings while it runs: accounts that are not among them come to their next safe point and end, new ones
    /// begin, those that differ do both, and a poll of any other goes on as if nothing had been. Limits count from the next
    /// poll of each account on. The store keeps what it has of an account that ends.
    pub fn apply(&self, settings: Settings) {
        self.0.roster.apply(settings);
    }

    /// Polls until `shutdown`, then lets sessions come to their next safe point. A second call does nothing.
    pub async fn run(&self, shutdown: CancellationToken) {
        let Some(mut begun) = self.0.roster.take_begun() else { return };
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(begun) = begun.recv() => {
                    let (poller, shutdown) = (self.clone(), shutdown.clone());
                    tasks.spawn(async move { poller.0.roster.work(begun, shutdown).await });
                }
                Some(ended) = tasks.join_next() => complain(ended),
            }
        }
        drop(begun);
        while let Some(ended) = tasks.join_next().await {
            complain(ended);
        }
    }

    /// The user looks at the mailbox: polls what is stale. Rate-limited, returns at once.
    pub fn nudge(&self, user: &str) {
        let of_user = |handle: &&Arc<Handle>| handle.settings.user == user;
        self.0.roster.handles().values().filter(of_user).for_each(|handle| handle.nudge.notify_one());
    }
}

fn complain(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an account's task has ended; the others go on");
    }
}
