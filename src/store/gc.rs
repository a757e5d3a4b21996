//! The collector: removes the pieces of bodies that no message has any more, and of bodies that never got one.
//!
//! Pieces go first, in small transactions of blobs.redb; only then do the rows that remember them go. A crash between
//! the two only makes the next pass repeat itself: ids are never reused, and a dead body never comes back to life.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Shared;
use super::contain::contained;
use super::error::{Error, Result};
use super::seam::{BodyStore, MetaStore, MetaTxn, operation};
use crate::mail::BodyId;

/// Longest time between two passes.
const MAX_INTERVAL: Duration = Duration::from_secs(60);
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// What one transaction removes: little enough that no message waits long behind it.
const MAX_BODIES: usize = 256;
const MAX_PIECES: u64 = 2_000;

/// Rows of a mailbox's expunge log: each is an EXPUNGE or MOVE, so that a client finds exactly what it missed of so many.
const MAX_LOG_ROWS: usize = 10_000;

/// How many of the oldest rows become one in a transaction.
const MERGED_LOG_ROWS: usize = 1_000;

/// What the thread is told.
pub(super) enum Wake {
    /// Make a pass now and say how many bodies were removed.
    Now(oneshot::Sender<Result<usize>>),
    Stop,
}

/// The collector's thread.
pub(super) struct Collector {
    shared: Arc<Shared>,
    meta: Arc<dyn MetaStore>,
    bodies: Arc<dyn BodyStore>,
    grace: Duration,
    /// When each dead body may go. By this clock and not by that of the rows, which may be set forward or back: what died
    /// before the store was opened is shown by no session.
    due: RefCell<HashMap<BodyId, Instant>>,
}

impl Collector {
    pub(super) fn new(
        shared: Arc<Shared>,
        meta: Arc<dyn MetaStore>,
        bodies: Arc<dyn BodyStore>,
        grace: Duration,
    ) -> Self {
        Self { shared, meta, bodies, grace, due: RefCell::default() }
    }

    pub(super) fn spawn(self, wake: Receiver<Wake>) -> std::io::Result<JoinHandle<()>> {
        let opened = Instant::now();
        let mut dead_before = |body, _| {
            self.due.borrow_mut().insert(body, opened);
            false
        };
        // Where this cannot be read the grace begins now.
        drop(contained(|| self.meta.read()?.dead(&mut dead_before, MAX_BODIES, MAX_PIECES)));
        std::thread::Builder::new().name("store-gc".to_owned()).spawn(move || self.run(&wake))
    }

    fn run(&self, wake: &Receiver<Wake>) {
        let interval = self.grace.clamp(MIN_INTERVAL, MAX_INTERVAL);
        loop {
            match wake.recv_timeout(interval) {
                Ok(Wake::Now(done)) => drop(done.send(contained(|| self.pass()))),
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(e) = contained(|| self.pass()) {
                        self.shared.metrics.error(&e);
                    }
                }
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn pass(&self) -> Result<usize> {
        self.shared.live.forget(Instant::now());
        self.merge_expunge_logs()?;
        self.collect_bodies()
    }

    /// Keeps the expunge log of each mailbox at no more than [`MAX_LOG_ROWS`] rows.
    fn merge_expunge_logs(&self) -> Result<()> {
        loop {
            let long = self.meta.read()?.long_expunge_logs(MAX_LOG_ROWS)?;
            if long.is_empty() {
                return Ok(());
            }
            for mailbox in long {
                self.run_in_meta(move |txn| txn.merge_expunged(mailbox, MERGED_LOG_ROWS))?;
            }
        }
    }

    fn collect_bodies(&self) -> Result<usize> {
        // While a backup is made, what it has yet to copy must stay.
        let Some(turn) = self.shared.upkeep.turn() else { return Ok(0) };
        let discarded = self.shared.bodies.discarded();
        let mut removed = match self.discard(&discarded) {
            Ok(removed) => removed,
            Err(e) => {
                self.shared.bodies.discard_again(&discarded);
                return Err(e);
            }
        };
        drop(turn);
        loop {
            let Some(_turn) = self.shared.upkeep.turn() else { return Ok(removed) };
            let due = self.due()?;
            if due.is_empty() {
                return Ok(removed);
            }
            let (bodies, octets): (Vec<BodyId>, Vec<u64>) = due.into_iter().unzip();
            removed += bodies.len();
            self.bodies.remove(&bodies)?;
            let count = bodies.len();
            self.forget(bodies)?;
            self.shared.metrics.collected(count, octets.iter().sum());
        }
    }

    /// Removes the pieces of bodies that no row names. A row may name one all the same: when a commit is reported as
    /// failed, what it wrote may still have become durable.
    fn discard(&self, discarded: &[BodyId]) -> Result<usize> {
        let reader = self.meta.read()?;
        let mut unused = Vec::new();
        for body in discarded {
            if reader.body(*body)?.is_none() {
                unused.push(*body);
            }
        }
        drop(reader);
        for bodies in unused.chunks(MAX_BODIES) {
            self.bodies.remove(bodies)?;
        }
        self.shared.bodies.placed(discarded);
        // How long they were to be nobody knows.
        self.shared.metrics.collected(unused.len(), 0);
        Ok(unused.len())
    }

    /// Some of the bodies that have been dead for longer than the grace period, and the octets of their messages.
    fn due(&self) -> Result<Vec<(BodyId, u64)>> {
        let now = Instant::now();
        let mut due = self.due.borrow_mut();
        let mut is_due = |body, since| since == 0 || *due.entry(body).or_insert_with(|| now + self.grace) <= now;
        self.meta.read()?.dead(&mut is_due, MAX_BODIES, MAX_PIECES)
    }

    fn forget(&self, bodies: Vec<BodyId>) -> Result<()> {
        for body in &bodies {
            self.due.borrow_mut().remove(body);
        }
        self.run_in_meta(move |txn| txn.forget_bodies(&bodies))
    }

    fn run_in_meta(&self, run: impl FnMut(&mut dyn MetaTxn) -> Result<()> + Send + 'static) -> Result<()> {
        let (operation, done) = operation(run);
        self.meta.queue_blocking(operation)?;
        done.blocking_recv().map_err(|_| Error::Closed)?
    }
}
