//! Tells people that mail stands still, and that it flows again: users by a message in INBOX, others by webhooks.
//!
//! `incident` decides and is pure, `letter` and `remedy` find the words, `engine` tells each thing once, `webhook` delivers.
//! It watches what the parts publish in `status`, and is a stranger to them.

mod engine;
#[cfg(test)]
mod engine_tests;
mod incident;
mod letter;
mod metrics;
mod remedy;
mod webhook;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use metrics::Metrics;
pub use webhook::is_signing_secret;

use crate::secret::Secret;
use crate::status::{Accounts, Event, EventKind, Events};
use crate::store::Store;
use engine::Engine;
use webhook::{Hooks, Kind, Message, Sink};

/// After a change others often follow at once: they are looked at together.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest time between two looks: the clock on the wall may be set.
const LONGEST: Duration = Duration::from_secs(60);

/// Who is told what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// A user is told of an account that has failed for so long.
    pub notify_after: Option<Duration>,
    /// Every account.
    pub accounts: Vec<Account>,
    /// Who is told by HTTP.
    pub webhooks: Vec<Webhook>,
}

/// What is said of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `user/name`.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// Its name among the user's accounts.
    pub name: String,
    /// Where its maildrop is.
    pub host: String,
    /// See `host`.
    pub port: u16,
    /// Time between two polls.
    pub poll_interval: Duration,
}

#[cfg(test)]
impl Account {
    /// `ann/isp`.
    fn sample() -> Self {
        Self {
            id: "ann/isp".to_owned(),
            user: "ann".to_owned(),
            name: "isp".to_owned(),
            host: "pop.example".to_owned(),
            port: 995,
            poll_interval: Duration::from_secs(300),
        }
    }
}

/// A URL that is told what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `http` or `https`.
    pub url: String,
    /// Messages came.
    pub new_mail: bool,
    /// An account fails.
    pub failure: bool,
    /// It works again.
    pub recovery: bool,
    /// What requests are signed with; `None`: the one in the data directory, made when it is first needed.
    pub secret: Option<Secret>,
}

/// What it watches and writes to.
#[derive(Debug)]
pub struct Deps {
    /// Where messages go, and what was told is kept.
    pub store: Store,
    /// The state of every account.
    pub accounts: watch::Receiver<Accounts>,
    /// What happens.
    pub events: Events,
    /// Where the secret and what webhooks were not told yet are kept.
    pub data_dir: PathBuf,
    /// What it counts.
    pub metrics: Metrics,
}

/// Its handle. Cheap to clone: every clone is of the same.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<watch::Sender<Settings>>);

impl Notifier {
    /// Nobody is told anything before [`Self::run`].
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(watch::channel(settings).0))
    }

    /// Goes on with these settings. What webhooks that stay were not told yet is not lost.
    pub fn apply(&self, settings: Settings) {
        self.0.send_if_modified(|now| {
            let changed = *now != settings;
            *now = settings;
            changed
        });
    }

    /// Tells until `shutdown`. To be called once.
    pub async fn run(&self, deps: Deps, shutdown: CancellationToken) {
        // Cut anywhere, it loses nothing: see `engine`.
        tokio::select! {
            () = self.work(deps) => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn work(&self, deps: Deps) {
        let Deps { store, mut accounts, events, data_dir, metrics } = deps;
        let mut settings = self.0.subscribe();
        let mut newest = events.subscribe();
        let mut hooks = Hooks::new(data_dir, metrics.clone());
        let mut engine = Engine::new(store, metrics, TimeZone::system());
        let mut told = 0;
        // Of this run of the service: the ids of events begin anew with each.
        let run: u64 = rand::random();
        let webhooks = settings.borrow_and_update().webhooks.clone();
        hooks.apply(&webhooks).await;
        loop {
            let (now_set, seen) = (settings.borrow_and_update().clone(), accounts.borrow_and_update().clone());
            let due = engine.turn(&now_set, &seen, &hooks, SystemTime::now()).await;
            let wait = due.map_or(LONGEST, |due| due.duration_since(SystemTime::now()).unwrap_or_default());
            let look = tokio::time::Instant::now() + wait.clamp(PAUSE, LONGEST);
            loop {
                // Whose other side has gone says nothing more, which ends nothing.
                tokio::select! {
                    Ok(()) = settings.changed() => {
                        let webhooks = settings.borrow().webhooks.clone();
                        hooks.apply(&webhooks).await;
                        break;
                    }
                    Ok(()) = accounts.changed() => {
                        tokio::time::sleep(PAUSE).await;
                        break;
                    }
                    Ok(()) = newest.changed() => {
                        let fresh = events.after(told);
                        told = fresh.last().map_or(told, |event| event.id);
                        hooks.tell(fresh.iter().filter_map(|event| new_mail(run, event)).collect()).await;
                    }
                    () = tokio::time::sleep_until(look) => break,
                }
            }
        }
    }
}

fn new_mail(run: u64, event: &Event) -> Option<Message> {
    let (EventKind::NewMail { messages }, Some(account)) = (&event.kind, &event.account) else { return None };
    let user = event.user.as_deref().unwrap_or_default();
    Some(Message::new_mail(run, event.id, event.at, user, account, *messages))
}

impl Webhook {
    fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::NewMail => self.new_mail,
            Kind::Failure => self.failure,
            Kind::Recovery => self.recovery,
        }
    }
}
