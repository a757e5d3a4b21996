//! Webhooks: what happens, told by signed POST requests as standardwebhooks.com has them. Each webhook has a task and a queue
//! of its own: one that is slow or down delays no other.

mod hook;
mod message;
mod queue;
mod send;
mod sign;
mod spool;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

pub(super) use message::{Kind, Message};
pub use sign::is_signing_secret;

use super::{Metrics, Webhook};
use crate::secret::Secret;
use hook::{Hook, Order};
use sign::Key;
use spool::Spool;

/// Below the data directory: what was not told yet.
const SPOOL: &str = "webhooks";

/// In the data directory: what requests are signed with where the configuration has no secret.
const SECRET: &str = "webhook.secret";

/// Orders that may wait to be taken, which a task always does at once.
const MAX_ORDERS: usize = 16;

/// Who is to be told something.
pub(super) trait Sink {
    /// Returns when what has to outlive a crash is on disk.
    fn tell(&self, messages: Vec<Message>) -> impl Future<Output = ()> + Send;
}

/// All webhooks.
pub(super) struct Hooks {
    data_dir: PathBuf,
    metrics: Metrics,
    waits: &'static [Duration],
    running: HashMap<String, Running>,
}

/// One webhook with its task, which ends with it.
struct Running {
    settings: Webhook,
    key: watch::Sender<Key>,
    orders: mpsc::Sender<Order>,
    spool: Spool,
    _task: AbortOnDropHandle<()>,
}

impl Hooks {
    pub(super) fn new(data_dir: PathBuf, metrics: Metrics) -> Self {
        Self { data_dir, metrics, waits: &queue::WAITS, running: HashMap::new() }
    }

    /// Goes on with these. Those that stay keep what they were not told yet.
    pub(super) async fn apply(&mut self, webhooks: &[Webhook]) {
        let own = if webhooks.iter().any(|hook| hook.secret.is_none()) { self.own_secret().await } else { None };
        let mut wanted: HashMap<String, &Webhook> = HashMap::new();
        for webhook in webhooks {
            let nth = (0_u32..).map(|nth| name(&webhook.url, nth));
            if let Some(free) = nth.into_iter().find(|name| !wanted.contains_key(name)) {
                wanted.insert(free, webhook);
            }
        }
        self.running.retain(|name, _| wanted.contains_key(name));
        for (name, webhook) in &wanted {
            // Without a secret there is nothing that a receiver could check: the log has said why.
            let Some(secret) = webhook.secret.as_ref().or(own.as_ref()) else { continue };
            let key = Key::new(secret);
            match self.running.get_mut(name) {
                Some(running) => {
                    running.settings = (*webhook).clone();
                    running.key.send_replace(key);
                }
                None => match self.start(name, webhook, key) {
                    Some(running) => drop(self.running.insert(name.clone(), running)),
                    None => tracing::error!("the URL of a webhook cannot be used"),
                },
            }
        }
        let (directory, names) = (self.data_dir.join(SPOOL), wanted.into_keys().collect::<Vec<_>>());
        // What could not be removed is looked at again at the next start.
        drop(tokio::task::spawn_blocking(move || spool::tidy(&directory, &names)).await);
    }

    fn start(&self, name: &str, webhook: &Webhook, key: Key) -> Option<Running> {
        let url = reqwest::Url::parse(&webhook.url).ok()?;
        let (orders, inbox) = mpsc::channel(MAX_ORDERS);
        let (key, keys) = watch::channel(key);
        let spool = Spool::new(&self.data_dir.join(SPOOL), name);
        let hook = Hook::new(url, keys, inbox, spool.clone(), self.metrics.clone(), self.waits);
        let task = AbortOnDropHandle::new(tokio::spawn(hook.run()));
        Some(Running { settings: webhook.clone(), key, orders, spool, _task: task })
    }

    async fn own_secret(&self) -> Option<Secret> {
        let file = self.data_dir.join(SECRET);
        let shown = file.clone();
        let secret = tokio::task::spawn_blocking(move || sign::kept_secret(&file)).await;
        let secret = secret.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()));
        secret
            .map_err(|error| {
                tracing::error!(file = %shown.display(), error, "no secret for webhooks, which are told nothing");
            })
            .ok()
    }
}

impl Sink for Hooks {
    async fn tell(&self, messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        let mut taken = Vec::new();
        for hook in self.running.values() {
            let wanted: Vec<Message> = messages.iter().filter(|m| hook.settings.wants(m.kind)).cloned().collect();
            if wanted.is_empty() {
                continue;
            }
            let (done, ack) = oneshot::channel();
            if hook.orders.send(Order { messages: wanted, done }).await.is_ok() {
                taken.push((ack, &hook.spool));
            }
        }
        for (ack, spool) in taken {
            if ack.await.is_err() {
                tracing::error!(?spool, "a webhook's task has ended");
            }
        }
    }
}

/// Names a webhook by its URL; the nth of the same one.
fn name(url: &str, nth: u32) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(url.as_bytes()).update(&nth.to_be_bytes());
    format!("{}.json", hasher.finalize().to_hex().get(..16).unwrap_or_default())
}
