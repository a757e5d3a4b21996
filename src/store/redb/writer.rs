//! The one writer thread of meta.redb: group commit.
//!
//! It takes what is queued, runs it in one transaction, commits, publishes the new mailbox versions, then answers
//! (I1, I2, I6). An operation that fails before it writes is answered its error and leaves the transaction alone; one
//! that fails later spoils it, and the batch is run again one operation at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::file::File;
use super::read::MetaReader;
use super::schema::Tables;
use super::txn::{Outcome, Touched, Txn};
use crate::store::Shared;
use crate::store::contain::{contained, damaged};
use crate::store::error::{Error, Result};
use crate::store::seam::{MetaRead, Operation};
use crate::store::snapshot::Snapshot;

/// Requests that may wait before callers are held back.
pub(super) const QUEUE: usize = 1024;

/// Size of meta.redb from which its commits save the allocator state. That doubles the time of a small commit; without
/// it, opening after a crash walks the file, about 20 ms a MiB.
const QUICK_REPAIR_FROM: u64 = 64 << 20;

/// The most operations in one transaction: bounds what a failed commit takes with it and the memory of a batch.
const MAX_BATCH: usize = 512;

/// Something to be done by a writer thread, which writes nothing meanwhile.
pub(super) type Alone = Box<dyn FnOnce() + Send>;

/// What the writer thread is sent.
pub(super) enum Request {
    Run(Box<dyn Operation>),
    /// Do this between two transactions.
    Alone(Alone),
    /// Nothing sent after this is run.
    Stop,
}

/// Body of the writer thread.
fn run(shared: &Shared, file: &File, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.blocking_recv() {
        let mut batch = Vec::new();
        let mut next = Some(first);
        let (mut is_stopping, mut alone) = (false, None);
        while let Some(request) = next {
            match request {
                Request::Run(operation) => batch.push(operation),
                Request::Alone(run) => alone = Some(run),
                Request::Stop => is_stopping = true,
            }
            let is_full = is_stopping || alone.is_some() || batch.len() >= MAX_BATCH;
            next = if is_full { None } else { requests.try_recv().ok() };
        }
        commit_batch(shared, file, batch);
        if let Some(run) = alone {
            run();
        }
        if is_stopping {
            return;
        }
    }
}

fn commit_batch(shared: &Shared, file: &File, mut batch: Vec<Box<dyn Operation>>) {
    if batch.is_empty() {
        return;
    }
    if !file.is_open()
        && let Err(e) = recover(shared, file)
    {
        return answer_all(shared, batch, &e);
    }
    // What panics beside an operation has met a damaged file; the handle is not to be used again.
    let committed = catch_unwind(AssertUnwindSafe(|| commit(shared, file, &mut batch)));
    let committed = committed.unwrap_or_else(|_| {
        file.fail();
        Err(Failure::All(damaged()))
    });
    if !file.is_open() {
        // Whether or not this batch is what failed, the next must not fail for it.
        shared.bodies.suspend();
        // Tried again before the next batch if it does not succeed now.
        drop(recover(shared, file));
    }
    match committed {
        Ok(outcomes) => {
            for (operation, outcome) in batch.into_iter().zip(outcomes) {
                if let Err(e) = &outcome {
                    shared.metrics.error(e);
                }
                operation.answer(outcome);
            }
        }
        Err(Failure::Operation) if batch.len() > 1 => {
            for operation in batch {
                commit_batch(shared, file, vec![operation]);
            }
        }
        Err(Failure::Operation) => answer_all(shared, batch, &Error::Internal("an operation failed".to_owned())),
        Err(Failure::All(e)) => answer_all(shared, batch, &e),
    }
}

/// Opens the file anew after a failure. What failed may have become durable all the same, so everything that
/// memory holds of the file is read again.
fn recover(shared: &Shared, file: &File) -> Result<()> {
    contained(|| {
        file.reopen()?;
        shared.live.reload(|mailbox| MetaReader::begin(file)?.snapshot(mailbox));
        shared.quotas.reload(|user| MetaReader::begin(file)?.usage(user));
        shared.user_watches.publish_all();
        shared.bodies.resume();
        Ok(())
    })
}

fn answer_all(shared: &Shared, batch: Vec<Box<dyn Operation>>, error: &Error) {
    shared.metrics.error(error);
    for operation in batch {
        operation.answer(Err(error.clone()));
    }
}

/// Why nothing of a batch was committed.
enum Failure {
    /// One operation of several failed after it had written.
    Operation,
    /// The only operation of the batch failed, or the transaction could not be begun, written or committed.
    All(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::All(error.into())
    }
}

/// Commits a batch; the answer has one outcome for each operation.
fn commit(shared: &Shared, file: &File, batch: &mut [Box<dyn Operation>]) -> Result<Vec<Result<()>>, Failure> {
    let started = Instant::now();
    let handle = file.writable()?;
    let mut transaction = handle.database.begin_write()?;
    transaction.set_quick_repair(is_large(file));
    let (outcomes, changes) = {
        let mut txn = Txn::new(Tables::open(&transaction)?, shared);
        let outcomes = run_all(&mut txn, batch)?;
        if txn.is_unchanged() {
            return Ok(outcomes);
        }
        txn.flush()?;
        (outcomes, txn.into_outcome())
    };
    file.wrote(changes.placed.iter().map(|body| body.0));
    transaction.commit()?;
    shared.metrics.committed(started.elapsed(), batch.len());
    shared.bodies.placed(&changes.placed);
    publish(shared, changes);
    Ok(outcomes)
}

fn run_all(txn: &mut Txn<'_>, batch: &mut [Box<dyn Operation>]) -> Result<Vec<Result<()>>, Failure> {
    let is_single = batch.len() == 1;
    let mut outcomes = Vec::with_capacity(batch.len());
    for operation in batch {
        txn.begin_operation();
        // A panic is a bug in one operation; it must not take the store, and everybody's mail, with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| operation.run(txn)));
        match outcome {
            Ok(Err(e)) if txn.has_written() => {
                return Err(if is_single { Failure::All(e) } else { Failure::Operation });
            }
            Ok(outcome) => outcomes.push(outcome),
            Err(_) if is_single => return Err(Failure::All(Error::Internal("an operation panicked".to_owned()))),
            Err(_) => return Err(Failure::Operation),
        }
    }
    Ok(outcomes)
}

fn publish(shared: &Shared, changes: Outcome) {
    changes.usage.into_iter().for_each(|(user, usage)| shared.quotas.publish(user, usage));
    for Touched { mailbox, user, counts, blocks } in changes.touched {
        if counts.is_none() {
            shared.forget_recent_mark(mailbox);
        }
        let keywords = user.and_then(|user| changes.keywords.get(&user)).map_or(&[][..], Vec::as_slice);
        shared.live.publish(mailbox, counts.map(|counts| move |now: &Snapshot| now.next(counts, keywords, blocks)));
    }
    changes.changed.into_iter().for_each(|(user, change)| shared.user_watches.publish(user, change));
}

fn is_large(file: &File) -> bool {
    file.len().is_ok_and(|len| len >= QUICK_REPAIR_FROM)
}

/// Starts the writer thread.
pub(super) fn spawn(
    shared: Arc<Shared>,
    file: Arc<File>,
    requests: mpsc::Receiver<Request>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("store-meta".to_owned()).spawn(move || run(&shared, &file, requests))
}
