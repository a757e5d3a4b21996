//! Messages on their way into the store: several at once, so that they share commits while more are being received;
//! bounded in number and octets, so that a slow store slows the server down.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Error;
use super::known::{Candidate, Fetched, Known, Match};
use super::policy::Wish;
use super::resolve::Retrieval;
use super::source::{Destination, mailbox_of};
use crate::ingest::{self, Intake, Prepared};
use crate::mail::Keyword;
use crate::store::{self, Delivered, Delivery, LedgerChange, NewMessage, Store};

/// Messages in flight.
const MAX_COUNT: usize = 32;
/// Octets of messages in flight; one message is always allowed.
const MAX_OCTETS: u64 = 32 * 1024 * 1024;

/// A message that has been dealt with.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) retrieval: Retrieval,
    pub(super) octets: u64,
    /// What became of it, and what the policy wants of a message that was stored before.
    pub(super) outcome: Result<(Arrival, Option<Wish>), store::Error>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Stored,
    /// Stored before, under this unique-id.
    KnownUniqueId,
    /// Stored before, under its content.
    KnownContent,
    /// Stored before, under another unique-id.
    KnownHeader,
    /// Another account had brought it: it is of this one too now.
    Merged,
}

/// The messages in flight.
pub(super) struct Deliveries {
    recipient: Recipient,
    tasks: JoinSet<Done>,
    /// Completes when the message started last has been submitted: UIDs ascend in the order of the maildrop.
    submitted: Option<oneshot::Receiver<()>>,
    octets: u64,
}

impl Deliveries {
    pub(super) fn new(store: Store, destination: Destination, delete_upstream: bool, keyword: Option<Keyword>) -> Self {
        let recipient = Recipient { store, destination, delete_upstream, keyword, known: Arc::default() };
        Self { recipient, tasks: JoinSet::new(), submitted: None, octets: 0 }
    }

    pub(super) fn set_known(&mut self, known: Known) {
        self.recipient.known = Arc::new(Mutex::new(known));
    }

    /// Hands a complete message to the store.
    pub(super) fn start(&mut self, intake: Intake, retrieval: Retrieval, octets: u64) {
        self.octets += octets;
        let recipient = self.recipient.clone();
        let (submitted, next) = oneshot::channel();
        let turn = Turn { previous: self.submitted.replace(next), submitted };
        self.tasks.spawn(async move {
            let outcome = recipient.deliver(intake, &retrieval, octets, turn).await;
            Done { retrieval, octets, outcome }
        });
    }

    /// The next one that is durable or failed; `None` when none is in flight. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<Done, Error>> {
        let joined = self.tasks.join_next().await?;
        let done = joined.map_err(|_| Error::Delivery);
        if let Ok(done) = &done {
            self.octets -= done.octets;
        }
        Some(done)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.tasks.len() >= MAX_COUNT || self.octets >= MAX_OCTETS
    }
}

/// Where messages go, and what is there.
#[derive(Clone)]
struct Recipient {
    store: Store,
    destination: Destination,
    delete_upstream: bool,
    keyword: Option<Keyword>,
    known: Arc<Mutex<Known>>,
}

/// A message's place in the order of its maildrop. Dropped: the next one may go.
struct Turn {
    previous: Option<oneshot::Receiver<()>>,
    submitted: oneshot::Sender<()>,
}

impl Recipient {
    async fn deliver(
        &self,
        intake: Intake,
        retrieval: &Retrieval,
        octets: u64,
        turn: Turn,
    ) -> Result<(Arrival, Option<Wish>), store::Error> {
        let prepared = intake.finish().await?;
        if let Some(previous) = turn.previous {
            // An error says that the previous one was not submitted at all: it is not waited for.
            let _ = previous.await;
        }
        let Retrieval { target, reused, .. } = retrieval;
        let (account, listed_size) = (self.destination.account, target.size.unwrap_or(octets));
        // The row that a unique-id has comes first: where it is of this very message, another like it is none of it.
        let is_own = match &target.unique_id {
            Some(unique_id) if *reused => {
                self.store.content_of(account, unique_id.clone()).await? == store::half(&prepared.body.hash())
            }
            _ => false,
        };
        let found = if is_own { None } else { self.find(&prepared, listed_size, retrieval) };
        if let Some((row, how)) = found {
            let arrival = if how == Match::Content { Arrival::KnownContent } else { Arrival::KnownHeader };
            let mut changes = Vec::new();
            if let Some(unique_id) = &target.unique_id {
                if *reused {
                    changes.push(LedgerChange::Forget(unique_id.clone()));
                }
                changes.push(LedgerChange::Adopt { from: row.key.clone(), to: unique_id.clone() });
                changes.push(LedgerChange::Resize(unique_id.clone(), listed_size));
            } else if row.is_resized(listed_size) {
                changes.push(LedgerChange::Resize(row.key.clone(), listed_size));
            }
            if !changes.is_empty() {
                self.store.change_ledger(account, changes).await?;
            }
            return Ok((arrival, row.wish.filter(|wish| wish.confirmed || target.unique_id.is_none())));
        }
        let mut flags = prepared.routed.flags;
        if let Some(keyword) = self.keyword.as_ref().filter(|keyword| !flags.keywords.contains(keyword)) {
            flags.keywords.push(keyword.clone());
        }
        let mailbox = match &prepared.routed.deliver_to {
            Some(name) => mailbox_of(&self.store, self.destination.user, name).await?,
            None => self.destination.mailbox,
        };
        let message = NewMessage {
            body: prepared.body,
            flags,
            internal_date: prepared.received.unwrap_or_else(ingest::now),
            account: Some(account),
        };
        let delivery = Delivery {
            account,
            mailbox,
            message,
            unique_id: target.unique_id.clone(),
            listed_size,
            header_hash: prepared.header_hash,
            delete_upstream: self.delete_upstream,
            reused: *reused,
            // Messages are one in INBOX only.
            merge: prepared.merge_key.filter(|_| mailbox == self.destination.mailbox),
        };
        let durable = self.store.submit(delivery).await?;
        drop(turn.submitted);
        let arrival = match durable.await? {
            Delivered::Stored(_) => return Ok((Arrival::Stored, None)),
            Delivered::Merged(_) => return Ok((Arrival::Merged, None)),
            Delivered::Duplicate if target.unique_id.is_some() => Arrival::KnownUniqueId,
            Delivered::Duplicate => Arrival::KnownContent,
        };
        if let (Some(unique_id), true) = (&target.unique_id, *reused) {
            // It is the stored one after all, which is not to be asked about again.
            self.store.change_ledger(account, vec![LedgerChange::Resize(unique_id.clone(), listed_size)]).await?;
        }
        Ok((arrival, retrieval.wish))
    }

    fn find(&self, prepared: &Prepared, listed_size: u64, retrieval: &Retrieval) -> Option<(Candidate, Match)> {
        let has_unique_id = retrieval.target.unique_id.is_some();
        let Retrieval { reused, by_content_only, .. } = *retrieval;
        let message = Fetched { prepared, listed_size, has_unique_id, by_content_only, reused };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).find(&message)
    }
}
