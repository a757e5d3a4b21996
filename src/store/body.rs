//! Message bytes on their way in: compressed and hashed as they stream, cut into pieces, durable before any message
//! names them (I2). A body that no message came to use is discarded by the collector, or at the next start.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::Store;
use super::cutter::Cutter;
use super::error::{Error, Result};
use super::notify::lock;
use super::seam::Put;
use super::types::Record;
use crate::mail::BodyId;
use crate::mime::ThreadKey;

/// Pieces gathered before they are sent to the writer: small messages need one request in all.
const PIECES_TO_SEND: usize = 16;

/// Octets taken between two chances to send: bounds memory and the time a runtime thread is kept.
const MAX_WRITE: usize = 256 * 1024;

/// What is known of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRow {
    /// Octets of the message.
    pub size: u64,
    /// Pieces of its stream.
    pub chunks: u32,
    /// Message rows that have it.
    pub references: u32,
    /// BLAKE3 of the octets.
    pub hash: [u8; 32],
}

/// Ids of bodies whose pieces may be there although no row names them.
#[derive(Debug)]
pub struct Unplaced {
    /// Ids from here on were given out after the check began.
    pub next: u64,
    /// Being written, or waiting for their message.
    pub in_flight: HashSet<u64>,
}

/// Ids of bodies that are being written or wait for their message. Never reused.
#[derive(Debug)]
pub(super) struct Bodies(Mutex<InFlight>);

#[derive(Debug)]
struct InFlight {
    next: u64,
    ids: BTreeSet<u64>,
    /// Those of `ids` that nobody will use; the collector removes their pieces.
    discarded: Vec<u64>,
    /// A commit of meta.redb failed: whether it took bodies over is not known until the file is opened again.
    is_suspended: bool,
}

impl Bodies {
    pub(super) const fn new(next: u64) -> Self {
        Self(Mutex::new(InFlight { next, ids: BTreeSet::new(), discarded: Vec::new(), is_suspended: false }))
    }

    fn begin(&self) -> BodyId {
        let mut state = lock(&self.0);
        let id = state.next;
        state.next += 1;
        state.ids.insert(id);
        BodyId(id)
    }

    /// `next_body` and the row `in_flight` for a transaction that takes over `placed`.
    pub(super) fn to_persist(&self, placed: &[BodyId]) -> (u64, Vec<u8>) {
        let state = lock(&self.0);
        let placed: BTreeSet<u64> = placed.iter().map(|body| body.0).collect();
        (state.next, state.ids.difference(&placed).flat_map(|id| id.to_le_bytes()).collect())
    }

    /// The transaction that took these over is durable.
    pub(super) fn placed(&self, bodies: &[BodyId]) {
        let mut state = lock(&self.0);
        for body in bodies {
            state.ids.remove(&body.0);
        }
    }

    fn discard_unless_placed(&self, body: BodyId) {
        let mut state = lock(&self.0);
        if state.ids.contains(&body.0) {
            state.discarded.push(body.0);
        }
    }

    /// The collector could not remove these.
    pub(super) fn discard_again(&self, bodies: &[BodyId]) {
        bodies.iter().for_each(|body| self.discard_unless_placed(*body));
    }

    /// No id below this is given out any more.
    pub(super) fn raise(&self, least: u64) {
        let mut state = lock(&self.0);
        state.next = state.next.max(least);
    }

    /// Ids that no transaction has taken over yet.
    pub(super) fn unplaced(&self) -> Unplaced {
        let state = lock(&self.0);
        Unplaced { next: state.next, in_flight: state.ids.iter().copied().collect() }
    }

    /// Nothing is given out for removal until [`Self::resume`].
    pub(super) fn suspend(&self) {
        lock(&self.0).is_suspended = true;
    }

    /// The file has been opened again: its rows tell which bodies are in use.
    pub(super) fn resume(&self) {
        lock(&self.0).is_suspended = false;
    }

    /// Bodies whose pieces are to be removed unless a row names them; to be told [`Self::placed`] when that is done.
    pub(super) fn discarded(&self) -> Vec<BodyId> {
        let mut state = lock(&self.0);
        if state.is_suspended {
            return Vec::new();
        }
        std::mem::take(&mut state.discarded).into_iter().map(BodyId).collect()
    }
}

/// Owns a body id in flight.
#[derive(Debug)]
struct Claim {
    bodies: Arc<Bodies>,
    id: BodyId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.bodies.discard_unless_placed(self.id);
    }
}

/// A message body being written: streamed, compressed and hashed with bounded memory. Dropped without `finish`:
/// what was written is discarded.
pub struct BodyWriter {
    claim: Claim,
    /// Keeps the writer thread alive.
    store: Store,
    message: Cutter,
    hasher: blake3::Hasher,
    size: u64,
    thread_keys: Vec<ThreadKey>,
}

impl std::fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyWriter").field("id", &self.claim.id).field("size", &self.size).finish_non_exhaustive()
    }
}

impl BodyWriter {
    pub(super) fn new(store: Store) -> Result<Self> {
        let bodies = &store.0.shared.bodies;
        let claim = Claim { bodies: Arc::clone(bodies), id: bodies.begin() };
        let (message, hasher) = (Cutter::new(), blake3::Hasher::new());
        Ok(Self { claim, store, message, hasher, size: 0, thread_keys: Vec::new() })
    }

    /// Adds octets of the message.
    pub async fn write(&mut self, data: &[u8]) -> Result<()> {
        self.size += data.len() as u64;
        for part in data.chunks(MAX_WRITE) {
            self.hasher.update(part);
            self.message.write(part)?;
            self.send_when_due().await?;
        }
        Ok(())
    }

    /// By which the message finds its conversation, in the order in which they are to be tried.
    pub fn set_thread_keys(&mut self, keys: Vec<ThreadKey>) {
        self.thread_keys = keys;
    }

    /// Completes once every piece is durable in blobs.redb.
    pub async fn finish(mut self, record: Record) -> Result<PreparedBody> {
        let record = record.encode()?;
        self.message.finish()?;
        let (done, durable) = oneshot::channel();
        self.send(Some(done)).await?;
        durable.await.map_err(|_| Error::Closed)??;
        let row = BodyRow {
            size: self.size,
            chunks: self.message.next,
            references: 0,
            hash: *self.hasher.finalize().as_bytes(),
        };
        let mut thread_keys = self.thread_keys;
        if thread_keys.is_empty() {
            thread_keys.push(content_thread(&row.hash));
        }
        Ok(PreparedBody { claim: self.claim, row, record, thread_keys })
    }

    async fn send_when_due(&mut self) -> Result<()> {
        if self.message.full.len() >= PIECES_TO_SEND { self.send(None).await } else { Ok(()) }
    }

    async fn send(&mut self, done: Option<oneshot::Sender<Result<()>>>) -> Result<()> {
        let pieces = std::mem::take(&mut self.message.full);
        self.store.0.bodies.put(Put { body: self.claim.id, pieces, done }).await
    }
}

/// A body whose pieces are durable, not yet part of any message. Dropped unused: discarded by the collector.
#[derive(Debug)]
pub struct PreparedBody {
    claim: Claim,
    pub(super) row: BodyRow,
    /// Encoded.
    pub(super) record: Vec<u8>,
    /// At least one.
    pub(super) thread_keys: Vec<ThreadKey>,
}

/// The key of a message that names no message-id: the same octets are in the same conversation (RFC 8474 section 5.2).
pub(super) fn content_thread(hash: &[u8; 32]) -> ThreadKey {
    let mut out = [0; 16];
    blake3::Hasher::new_keyed(hash).update(b"thread").finalize_xof().fill(&mut out);
    out
}

impl PreparedBody {
    /// Size in octets.
    pub fn size(&self) -> u64 {
        self.row.size
    }

    /// Octets of memory that it holds until a message has it: what is derived from the message.
    pub fn held(&self) -> usize {
        self.record.len()
    }

    /// BLAKE3 of the octets.
    pub fn hash(&self) -> [u8; 32] {
        self.row.hash
    }

    pub(super) const fn id(&self) -> BodyId {
        self.claim.id
    }
}
