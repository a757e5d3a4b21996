//! One redb file while the store runs. After a write has failed (a full disk, say), redb refuses every further use
//! of the handle: the writer thread then opens the file anew, so that the store goes on once there is room again.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
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
}

impl File {
    pub(super) fn new(path: PathBuf, cache_bytes: usize, database: Database) -> Self {
        Self { path, cache_bytes, state: Mutex::new(State::Open(Arc::new(database))) }
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

    /// The last reader closes the file.
    pub(super) fn close(&self) {
        *lock(&self.state) = State::Closed;
    }

    /// Bytes it takes on disk. redb doubles a file that is full, and what it has not written yet is not there.
    pub(super) fn len(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.path)?.blocks() * 512)
    }
}
