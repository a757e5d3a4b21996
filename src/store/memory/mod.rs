//! The store in memory, for tests in which files are not the point, and as a second opinion on what the traits of
//! `seam` mean: plain maps, no rows, no batches.
//!
//! One version of everything is an immutable [`State`]. An operation gets a copy, of which only what it changes is its
//! own; when it succeeds the copy becomes the newest version, else it is dropped. Readers keep the version they began
//! with. Operations run one at a time on the thread that queues them.

mod check;
mod ledger;
mod mailboxes;
mod messages;
mod pieces;
mod read;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod twins;
mod txn;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::Shared;
use super::error::{Error, Result};
use super::notify::lock;
use super::seam::{Answer, MetaRead, MetaStore, Operation};
use super::snapshot::Snapshot;
pub(super) use pieces::Pieces;
use read::Version;
use state::State;
use txn::Txn;

/// Everything but message bytes.
pub(super) struct Memory {
    shared: Arc<Shared>,
    /// `None`: closed.
    newest: Mutex<Option<Arc<State>>>,
    /// Held by the operation whose turn it is.
    turn: Mutex<()>,
}

impl Memory {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, newest: Mutex::new(Some(Arc::default())), turn: Mutex::new(()) }
    }

    fn newest(&self) -> Result<Arc<State>> {
        lock(&self.newest).clone().ok_or(Error::Closed)
    }

    fn run(&self, mut operation: Box<dyn Operation>) -> Result<()> {
        let outcome = {
            let _turn = lock(&self.turn);
            let before = self.newest()?;
            self.commit(&before, &mut *operation)
        };
        if let Err(e) = &outcome {
            self.shared.metrics.error(e);
        }
        operation.answer(outcome);
        Ok(())
    }

    fn commit(&self, before: &State, operation: &mut dyn Operation) -> Result<()> {
        let started = Instant::now();
        let mut txn = Txn::new(before.clone(), &self.shared);
        // A panic is a bug in one operation: what it did is dropped with its copy.
        let outcome = catch_unwind(AssertUnwindSafe(|| operation.run(&mut txn)));
        outcome.map_err(|_| Error::Internal("an operation panicked".to_owned()))??;
        let Some((state, changes)) = txn.finish() else { return Ok(()) };
        let state = Arc::new(state);
        *lock(&self.newest) = Some(Arc::clone(&state));
        self.shared.metrics.committed(started.elapsed(), 1);
        self.shared.bodies.placed(&changes.placed);
        for user in self.shared.quotas.limited() {
            self.shared.quotas.publish(user, state.usage(user));
        }
        for id in changes.touched {
            let mailbox = state.mailboxes.get(&id);
            if mailbox.is_none() {
                self.shared.forget_recent_mark(id);
            }
            self.shared.live.publish(id, mailbox.map(|mailbox| |_: &Snapshot| state.snapshot(id, mailbox)));
        }
        Ok(())
    }
}

impl MetaStore for Memory {
    fn queue(&self, operation: Box<dyn Operation>) -> Answer<'_, ()> {
        Box::pin(async move { self.run(operation) })
    }

    fn queue_blocking(&self, operation: Box<dyn Operation>) -> Result<()> {
        self.run(operation)
    }

    fn read(&self) -> Result<Box<dyn MetaRead>> {
        Ok(Box::new(Version(self.newest()?)))
    }

    fn size(&self) -> Result<u64> {
        self.newest().map(|_| 0)
    }

    fn stop(&self) -> Result<()> {
        let _turn = lock(&self.turn);
        *lock(&self.newest) = None;
        Ok(())
    }
}
