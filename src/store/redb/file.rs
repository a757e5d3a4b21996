//! One redb file while the store runs. After a write has failed (a full disk, say), redb refuses every further use
//! of the handle: the writer thread then opens the file anew, so that the store goes on once there is room again.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::Database;

use super::open::open_file;
use crate::store::error::{Error, Result};
use crate::store::notify::lock;

/// How long readers may take to let go of a handle that has failed: they never wait on a peer.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

enum State {
    Open(Arc<Database>),
    /// Could not be opened again yet.
    Failed,
    Closed,
}

/// A file that readers and its writer thread share.
pub(super) struct File {
    path: PathBuf,
    cache_bytes: usize,
    state: Mutex<State>,
    /// It has to be opened again: long readers give up.
    is_wanted: AtomicBool,
    /// While the file is copied: bodies of which something was written since that began.
    written: Mutex<Option<BTreeSet<u64>>>,
}

impl File {
    pub(super) fn new(path: PathBuf, cache_bytes: usize, database: Database) -> Self {
        let state = Mutex::new(State::Open(Arc::new(database)));
        Self { path, cache_bytes, state, is_wanted: AtomicBool::new(false), written: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// An error when whoever reads for long must let go of the file.
    pub(super) fn may_be_read_on(&self) -> Result<()> {
        if self.is_wanted.load(Ordering::Relaxed) {
            return Err(Error::Unable("a write to the store has failed meanwhile: try again".to_owned()));
        }
        match *lock(&self.state) {
            State::Closed => Err(Error::Closed),
            State::Open(_) | State::Failed => Ok(()),
        }
    }

    /// The handle. To be let go of soon.
    pub(super) fn get(&self) -> Result<Arc<Database>> {
        match &*lock(&self.state) {
            State::Open(database) => Ok(Arc::clone(database)),
            State::Failed => Err(Error::Internal("an earlier write failed and the file is not open yet".to_owned())),
            State::Closed => Err(Error::Closed),
        }
    }

    /// Whether it need not be opened again (nor can be, once closed).
    pub(super) fn is_open(&self) -> bool {
        !matches!(*lock(&self.state), State::Failed)
    }

    /// Opens the file anew after a failure; readers wait meanwhile. The caller holds no handle. What was committed is
    /// there afterwards, and perhaps what failed to commit.
    pub(super) fn reopen(&self) -> Result<()> {
        self.is_wanted.store(true, Ordering::Relaxed);
        let reopened = self.reopen_unread();
        self.is_wanted.store(reopened.is_err() && !self.is_open(), Ordering::Relaxed);
        reopened
    }

    fn reopen_unread(&self) -> Result<()> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Failed) {
            State::Open(database) => {
                let mut waited = Duration::ZERO;
                while Arc::strong_count(&database) > 1 && waited < PATIENCE {
                    std::thread::sleep(STEP);
                    waited += STEP;
                }
                if Arc::strong_count(&database) > 1 {
                    *state = State::Open(database);
                    return Err(Error::Internal("the file cannot be opened again while it is read".to_owned()));
                }
            }
            State::Failed => {}
            State::Closed => {
                *state = State::Closed;
                return Err(Error::Closed);
            }
        }
        *state = State::Open(Arc::new(open_file(&self.path, self.cache_bytes)?));
        Ok(())
    }

    /// Puts another file in the place of this one; the caller has renamed it already. Those who read the old one go on
    /// with it.
    pub(super) fn swap(&self, database: Database) -> Result<()> {
        let mut state = lock(&self.state);
        if matches!(*state, State::Closed) {
            return Err(Error::Closed);
        }
        let old = std::mem::replace(&mut *state, State::Open(Arc::new(database)));
        // Closing takes a while when this was the last who had it.
        drop(state);
        drop(old);
        Ok(())
    }

    /// From now on [`Self::wrote`] is remembered; what was remembered before is handed over.
    pub(super) fn watch_writes(&self) -> BTreeSet<u64> {
        lock(&self.written).replace(BTreeSet::new()).unwrap_or_default()
    }

    /// Ends what [`Self::watch_writes`] began.
    pub(super) fn end_watch(&self) -> BTreeSet<u64> {
        lock(&self.written).take().unwrap_or_default()
    }

    /// By the writer thread, before it commits something of these bodies.
    pub(super) fn wrote(&self, bodies: impl Iterator<Item = u64>) {
        if let Some(written) = &mut *lock(&self.written) {
            written.extend(bodies);
        }
    }

    /// The last reader closes the file.
    pub(super) fn close(&self) {
        *lock(&self.state) = State::Closed;
    }

    /// Bytes it takes on disk. redb doubles a file that is full, and what it has not written yet is not there.
    pub(super) fn len(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.path)?.blocks() * 512)
    }
}
