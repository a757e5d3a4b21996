//! The task of one webhook: one request at a time, again until it arrives.

use std::pin::Pin;
use std::time::Duration;

use reqwest::{Client, Url};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::super::metrics::{Delivery, Metrics};
use super::message::Message;
use super::queue::{Next, Pending, Queue};
use super::send::{self, Outcome};
use super::sign::Key;
use super::spool::Spool;

/// To be told.
pub(super) struct Order {
    pub(super) messages: Vec<Message>,
    /// Told when what has to outlive a crash is on disk.
    pub(super) done: oneshot::Sender<()>,
}

pub(super) struct Hook {
    url: Url,
    /// The URL as far as it may be shown: the rest is often a secret.
    shown: String,
    keys: watch::Receiver<Key>,
    inbox: mpsc::Receiver<Order>,
    spool: Spool,
    metrics: Metrics,
    queue: Queue,
    kept: Vec<Pending>,
    client: Option<Client>,
    /// The receiver wants to hear nothing any more.
    is_gone: bool,
}

/// A request under way: its message's id, and what came of it.
type Flight = Pin<Box<dyn Future<Output = (String, Outcome)> + Send>>;

impl Hook {
    pub(super) fn new(
        url: Url,
        keys: watch::Receiver<Key>,
        inbox: mpsc::Receiver<Order>,
        spool: Spool,
        metrics: Metrics,
        waits: &'static [Duration],
    ) -> Self {
        let shown = url.origin().ascii_serialization();
        let (queue, kept) = (Queue::new(waits), Vec::new());
        Self { url, shown, keys, inbox, spool, metrics, queue, kept, client: None, is_gone: false }
    }

    pub(super) async fn run(mut self) {
        let spool = self.spool.clone();
        self.kept = tokio::task::spawn_blocking(move || spool.load()).await.unwrap_or_default();
        for pending in self.kept.clone() {
            self.push(pending);
        }
        let mut flight: Option<Flight> = None;
        loop {
            let mut again = None;
            if flight.is_none() {
                match self.queue.next(Instant::now()) {
                    Next::Send(pending) => flight = Some(self.request(pending.message).await),
                    Next::Wait(until) => again = Some(until),
                    Next::Nothing => {}
                }
            }
            tokio::select! {
                order = self.inbox.recv() => match order {
                    Some(order) => self.take(order).await,
                    None => return,
                },
                (id, outcome) = landed(&mut flight) => {
                    flight = None;
                    self.settle(&id, outcome).await;
                }
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {}
            }
        }
    }

    async fn take(&mut self, order: Order) {
        if self.is_gone {
            self.metrics.delivery(Delivery::Failed, order.messages.len() as u64);
        } else {
            order.messages.into_iter().for_each(|message| self.push(Pending { message, tries: 0 }));
            self.keep().await;
        }
        // Who asked may have gone.
        let _ = order.done.send(());
    }

    fn push(&mut self, pending: Pending) {
        if !self.queue.push(pending, Instant::now()) {
            self.metrics.delivery(Delivery::Dropped, 1);
            tracing::warn!(webhook = self.shown, "too much waits for a webhook: the oldest is dropped");
        }
    }

    async fn request(&mut self, message: Message) -> Flight {
        let id = message.id.clone();
        if self.client.is_none() {
            match send::client(&self.url).await {
                Ok(client) => self.client = Some(client),
                Err(why) => return Box::pin(async { (id, Outcome::Failed { why, after: None }) }),
            }
        }
        let (client, url, key) = (self.client.clone(), self.url.clone(), self.keys.borrow().clone());
        Box::pin(async move {
            let outcome = match client {
                Some(client) => send::send(&client, url, &key, message).await,
                None => Outcome::Failed { why: "no client".to_owned(), after: None },
            };
            (id, outcome)
        })
    }

    async fn settle(&mut self, id: &str, outcome: Outcome) {
        let webhook = &self.shown;
        match outcome {
            Outcome::Done => {
                self.metrics.delivery(Delivery::Ok, 1);
                tracing::debug!(webhook, id, "told");
                self.queue.remove(id);
            }
            Outcome::Gone => {
                let lost = self.queue.clear();
                self.metrics.delivery(Delivery::Failed, lost as u64);
                tracing::warn!(webhook, lost, "a webhook answers 410 Gone: it is told nothing more until a restart");
                self.is_gone = true;
            }
            Outcome::Failed { why, after } => {
                if self.queue.retry(id, after, Instant::now(), rand::random()) {
                    self.metrics.delivery(Delivery::Retried, 1);
                    tracing::warn!(webhook, id, error = why, "a webhook cannot be told; it is tried again");
                } else {
                    self.metrics.delivery(Delivery::Failed, 1);
                    tracing::error!(webhook, id, error = why, "a webhook could not be told for a day: given up");
                }
            }
        }
        self.keep().await;
    }

    /// Writes down what a restart must not lose, if that has changed.
    async fn keep(&mut self) {
        let kept = self.queue.kept();
        if kept == self.kept {
            return;
        }
        let (spool, saved) = (self.spool.clone(), kept.clone());
        let done = tokio::task::spawn_blocking(move || spool.save(&saved)).await;
        match done.map_err(|error| error.to_string()).and_then(|saved| saved.map_err(|error| error.to_string())) {
            Ok(()) => self.kept = kept,
            Err(error) => {
                tracing::error!(webhook = self.shown, error, "what a webhook was not told yet cannot be kept")
            }
        }
    }
}

/// The end of the request under way; never, without one.
async fn landed(flight: &mut Option<Flight>) -> (String, Outcome) {
    match flight {
        Some(flight) => flight.await,
        None => std::future::pending().await,
    }
}
