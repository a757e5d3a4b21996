//! Messages on their way into the store: several at once, so that they share commits while more are being received;
//! bounded in number and octets, so that a slow store slows the server down.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Error;
use super::plan::{Ledger, Target, is_missing};
use super::source::Destination;
use crate::ingest::{self, Intake, Prepared};
use crate::mail::FlagList;
use crate::pop3::Listing;
use crate::store::{self, Delivered, Delivery, LedgerChange, NewMessage, Store};

/// Messages in flight.
const MAX_COUNT: usize = 32;
/// Octets of messages in flight; one message is always allowed.
const MAX_OCTETS: u64 = 32 * 1024 * 1024;

/// Unique-ids by header hash and listed size.
type Missing = HashMap<([u8; 16], u64), Vec<Vec<u8>>>;

/// What the ledger knows of messages whose unique-id does not tell who they are.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Rows whose unique-id identifies no listed message, by header hash and listed size: the message may be here under
    /// a unique-id that is new, empty or shared.
    pub(super) missing: Mutex<Missing>,
    /// Keys of messages that were stored by their content.
    pub(super) contents: HashSet<Vec<u8>>,
    /// The server may have given its messages new unique-ids.
    reset: bool,
}

impl Known {
    pub(super) fn new(ledger: &Ledger, listing: &Listing, reset: bool) -> Self {
        let contents = ledger.keys().filter(|id| id.first() == Some(&0)).cloned().collect();
        let mut missing = Missing::new();
        if reset || listing.iter().any(|item| item.unique_id.is_none()) {
            let listed: HashSet<&[u8]> = listing.iter().filter_map(|item| item.unique_id).collect();
            for (id, row) in ledger.iter().filter(|(id, _)| is_missing(id, &listed)) {
                missing.entry((row.header_hash, row.listed_size)).or_default().push(id.clone());
            }
        }
        Self { missing: Mutex::new(missing), contents, reset }
    }

    /// The ledger key that the message has now, if it was stored before under another than its unique-id.
    fn find(&self, prepared: &Prepared, listed_size: u64, target: &Target) -> Option<(Vec<u8>, Arrival)> {
        if target.unique_id.is_some() {
            let content = store::content_key(&prepared.body.hash());
            if self.contents.contains(&content) {
                return Some((content, Arrival::KnownContent));
            }
            if !self.reset {
                return None;
            }
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = missing.get_mut(&(prepared.header_hash, listed_size))?;
        // A row that takes a new unique-id stands for no other message; without one it stays what it is.
        let id = if target.unique_id.is_some() { ids.pop() } else { ids.last().cloned() };
        Some((id?, Arrival::KnownHeader))
    }
}

/// A message that has been dealt with.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) target: Target,
    pub(super) octets: u64,
    pub(super) outcome: Result<Arrival, store::Error>,
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
    pub(super) fn new(store: Store, destination: Destination, delete_upstream: bool) -> Self {
        let recipient = Recipient { store, destination, delete_upstream, known: Arc::default() };
        Self { recipient, tasks: JoinSet::new(), submitted: None, octets: 0 }
    }

    pub(super) fn set_known(&mut self, known: Known) {
        self.recipient.known = Arc::new(known);
    }

    /// Hands a complete message to the store.
    pub(super) fn start(&mut self, intake: Intake, target: Target, octets: u64) {
        self.octets += octets;
        let recipient = self.recipient.clone();
        let (submitted, next) = oneshot::channel();
        let turn = Turn { previous: self.submitted.replace(next), submitted };
        self.tasks.spawn(async move {
            let outcome = recipient.deliver(intake, &target, octets, turn).await;
            Done { target, octets, outcome }
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
    known: Arc<Known>,
}

/// A message's place in the order of its maildrop. Dropped: the next one may go.
struct Turn {
    previous: Option<oneshot::Receiver<()>>,
    submitted: oneshot::Sender<()>,
}

impl Recipient {
    async fn deliver(&self, intake: Intake, target: &Target, octets: u64, turn: Turn) -> Result<Arrival, store::Error> {
        let prepared = intake.finish().await?;
        if let Some(previous) = turn.previous {
            // An error says that the previous one was not submitted at all: it is not waited for.
            let _ = previous.await;
        }
        let listed_size = target.size.unwrap_or(octets);
        if let Some((from, arrival)) = self.known.find(&prepared, listed_size, target) {
            if let Some(unique_id) = &target.unique_id {
                let change = LedgerChange::Adopt { from, to: unique_id.clone() };
                self.store.change_ledger(self.destination.account, vec![change]).await?;
            }
            return Ok(arrival);
        }
        let message = NewMessage {
            body: prepared.body,
            flags: FlagList::default(),
            internal_date: prepared.received.unwrap_or_else(ingest::now),
            account: Some(self.destination.account),
        };
        let delivery = Delivery {
            account: self.destination.account,
            mailbox: self.destination.mailbox,
            message,
            unique_id: target.unique_id.clone(),
            listed_size,
            header_hash: prepared.header_hash,
            delete_upstream: self.delete_upstream,
            reused: false,
        };
        let durable = self.store.submit(delivery).await?;
        drop(turn.submitted);
        Ok(match durable.await? {
            Delivered::Stored(_) => Arrival::Stored,
            Delivered::Duplicate if target.unique_id.is_some() => Arrival::KnownUniqueId,
            Delivered::Duplicate => Arrival::KnownContent,
        })
    }
}
