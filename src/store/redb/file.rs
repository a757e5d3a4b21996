//! One redb file while the store runs. After an access has failed (a full disk, say), redb refuses every further use of
//! the handle: the file is then opened anew, so that the store goes on. Where that is refused as well, what is there can
//! still be read (see `shadow`) until a write finds that the file can be opened again.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::Database;

use super::disk::{Disk, Health};
use super::open::{open_existing, open_file, open_shadow};
use crate::store::error::{Error, Result};
use crate::store::notify::lock;

/// How long readers may take to let go of a handle that has failed: they never wait on a peer.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

/// An opened file.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) database: Arc<Database>,
    pub(super) health: Health,
    /// Why the file cannot be written (see `shadow`). What is shown then may be more than what is durable: the end of a
    /// commit that failed.
    pub(super) refusal: Option<Error>,
}

impl Deref for Handle {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

enum State {
    Open(Handle),
    /// Could not be opened again yet, not even for reading.
    Failed,
    Closed,
}

/// A file that readers and its writer thread share.
pub(super) struct File {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    cache_bytes: usize,
    state: Mutex<State>,
    /// It has to be opened again: long readers give up.
    is_wanted: AtomicBool,
    /// While the file is copied: bodies of which something was written since that began.
    written: Mutex<Option<BTreeSet<u64>>>,
}

impl File {
    pub(super) fn new(disk: Arc<dyn Disk>, path: PathBuf, cache_bytes: usize, handle: Handle) -> Self {
        let state = Mutex::new(State::Open(handle));
        Self { disk, path, cache_bytes, state, is_wanted: AtomicBool::new(false), written: Mutex::new(None) }
    }

    /// Opens another file of the same disk.
    pub(super) fn open_beside(&self, path: &Path) -> Result<Handle> {
        open_file(&*self.disk, path, self.cache_bytes)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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

    /// The handle for reading, opened anew if it has failed. To be let go of soon.
    pub(super) fn get(&self) -> Result<Handle> {
        let mut state = lock(&self.state);
        let opened = match &*state {
            State::Open(handle) if !handle.health.has_failed() => return Ok(handle.clone()),
            State::Open(_) | State::Failed => self.open_again(&mut state),
            State::Closed => return Err(Error::Closed),
        };
        match &*state {
            State::Open(handle) if !handle.health.has_failed() => Ok(handle.clone()),
            _ => Err(opened.err().unwrap_or(Error::Closed)),
        }
    }

    /// The handle for writing. To be let go of before [`Self::reopen`].
    pub(super) fn writable(&self) -> Result<Handle> {
        match &*lock(&self.state) {
            State::Open(handle) => handle.refusal.clone().map_or_else(|| Ok(handle.clone()), Err),
            State::Failed => Err(Error::Internal("an earlier access failed and the file is not open yet".to_owned())),
            State::Closed => Err(Error::Closed),
        }
    }

    /// The handle is not to be used again: opened anew at the next use.
    pub(super) fn fail(&self) {
        if let State::Open(handle) = &*lock(&self.state) {
            handle.health.fail();
        }
    }

    /// Whether it need not be opened again (nor can be, once closed).
    pub(super) fn is_open(&self) -> bool {
        match &*lock(&self.state) {
            State::Open(handle) => handle.refusal.is_none() && !handle.health.has_failed(),
            State::Failed => false,
            State::Closed => true,
        }
    }

    /// Opens the file anew after a failure; readers wait meanwhile. The caller holds no handle. What was committed is
    /// there afterwards, and perhaps what failed to commit; all of it is durable.
    pub(super) fn reopen(&self) -> Result<()> {
        // Whoever reads for long lets go, so that this does not wait for the lock or for them.
        self.is_wanted.store(true, Ordering::Relaxed);
        let reopened = self.open_again(&mut lock(&self.state));
        self.is_wanted.store(reopened.is_err() && !self.is_open(), Ordering::Relaxed);
        reopened
    }

    fn open_again(&self, state: &mut State) -> Result<()> {
        match std::mem::replace(state, State::Failed) {
            // A reader was first.
            State::Open(handle) if handle.refusal.is_none() && !handle.health.has_failed() => {
                *state = State::Open(handle);
                return Ok(());
            }
            State::Open(handle) => {
                let mut waited = Duration::ZERO;
                while Arc::strong_count(&handle.database) > 1 && waited < PATIENCE {
                    std::thread::sleep(STEP);
                    waited += STEP;
                }
                if Arc::strong_count(&handle.database) > 1 {
                    *state = State::Open(handle);
                    return Err(Error::Internal("the file cannot be opened again while it is read".to_owned()));
                }
            }
            State::Failed => {}
            State::Closed => {
                *state = State::Closed;
                return Err(Error::Closed);
            }
        }
        self.disk.uncache(&self.path);
        let opened = open_existing(&*self.disk, &self.path, self.cache_bytes);
        let (handle, outcome) = match opened {
            Ok(handle) => (handle, Ok(())),
            Err(e) => (open_shadow(&*self.disk, &self.path, self.cache_bytes, e.clone())?, Err(e)),
        };
        *state = State::Open(handle);
        outcome
    }

    /// Puts another file in the place of this one; the caller has renamed it already. Those who read the old one go on
    /// with it.
    pub(super) fn swap(&self, handle: Handle) -> Result<()> {
        let mut state = lock(&self.state);
        if matches!(*state, State::Closed) {
            return Err(Error::Closed);
        }
        let old = std::mem::replace(&mut *state, State::Open(handle));
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
        Ok(self.disk.len(&self.path)?)
    }
}
