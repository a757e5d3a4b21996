//! Backup, restore and compaction: what they report, and what keeps them and the collector out of each other's way.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::unix_now;
use super::error::{Error, Result};
use super::notify::lock;
use super::progress::Tell;
use super::seam::{MetaTxn, operation};
use super::types::Settings;
use super::{Inner, Store};

/// What a backup did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Messages in the copy.
    pub messages: u64,
    /// Message bodies in the copy.
    pub bodies: u64,
    /// Of these, copied now; the others stood there already.
    pub copied: u64,
    /// Bytes of the bodies that were copied now, as stored.
    pub copied_bytes: u64,
    /// Bodies of an earlier backup that no message has any more.
    pub removed: u64,
    /// What is wrong with the copy, or with the store that it was made from; one line each.
    pub problems: Vec<String>,
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// Messages in the store.
    pub messages: u64,
    /// Message bodies in the store.
    pub bodies: u64,
    /// Bytes of the bodies, as stored.
    pub bytes: u64,
    /// What is wrong with the backup; one line each.
    pub problems: Vec<String>,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactReport {
    /// Bytes of meta.redb before.
    pub meta_before: u64,
    /// Bytes of meta.redb after.
    pub meta_after: u64,
    /// Bytes of blobs.redb before.
    pub blobs_before: u64,
    /// Bytes of blobs.redb after.
    pub blobs_after: u64,
    /// The longest that writes had to wait.
    pub waited: Duration,
}

/// What the store remembers the last time of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkept {
    /// A backup without problems.
    Backup,
    /// A compaction of both files.
    Compaction,
}

/// What keeps upkeep commands and the collector out of each other's way.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// How many want the collector to rest. Locked while it removes something.
    resting: Mutex<u32>,
    /// What is going on.
    busy: Mutex<Option<&'static str>>,
}

impl Upkeep {
    /// Begins `what`, unless something else is going on.
    pub(super) fn begin(&self, what: &'static str) -> Result<Busy<'_>> {
        let mut busy = lock(&self.busy);
        if let Some(other) = *busy {
            return Err(Error::Unable(format!("{other} is running: wait for its end, then try again")));
        }
        *busy = Some(what);
        Ok(Busy(self))
    }

    /// Nothing is collected from here on, as long as the answer lives.
    pub(super) fn rest(&self) -> Resting<'_> {
        *lock(&self.resting) += 1;
        Resting(self)
    }

    /// The collector's turn to remove a little, unless it has to rest.
    pub(super) fn turn(&self) -> Option<MutexGuard<'_, u32>> {
        Some(lock(&self.resting)).filter(|resting| **resting == 0)
    }
}

/// An upkeep command is going on.
pub(super) struct Busy<'u>(&'u Upkeep);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        *lock(&self.0.busy) = None;
    }
}

/// The collector rests.
pub(super) struct Resting<'u>(&'u Upkeep);

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        *lock(&self.0.resting) -= 1;
    }
}

impl Inner {
    fn files(&self) -> Result<&super::redb::Handles> {
        self.files.as_ref().ok_or(Error::Refused("this store is in memory: there are no files"))
    }
}

/// Backup, restore and compaction.
impl Store {
    /// Copies the store into the directory `target`, which becomes a data directory of its own; what an earlier backup
    /// left there is used again. `beside`: directories of the data directory that are copied as they are. Goes on beside
    /// everything else. Blocking.
    pub fn backup(&self, target: &Path, beside: &[&str], tell: Tell<'_>) -> Result<BackupReport> {
        self.0.files()?.backup(&self.0.shared, target, beside, tell)
    }

    /// Makes a store from the backup in `from`. The data directory must not have one. Blocking.
    pub fn restore(settings: &Settings, from: &Path, beside: &[&str], tell: Tell<'_>) -> Result<RestoreReport> {
        super::redb::restore(settings, from, beside, tell)
    }

    /// Gives room that nothing uses any more back to the disk. Reads go on; writes wait for a moment. Blocking.
    pub fn compact(&self, tell: Tell<'_>) -> Result<CompactReport> {
        let inner: &Arc<Inner> = &self.0;
        inner.files()?.compact(&inner.shared, tell)
    }

    /// Remembers that this has been done now. Blocking.
    pub fn note_upkeep(&self, what: Upkept) -> Result<()> {
        let (operation, done) = operation(move |txn: &mut dyn MetaTxn| txn.note_upkeep(what, unix_now()));
        self.0.meta.queue_blocking(operation)?;
        done.blocking_recv().map_err(|_| Error::Closed)?
    }
}
