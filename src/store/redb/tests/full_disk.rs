//! A disk on which writes to some files fail on demand, as when it is full.

use std::collections::HashSet;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ::redb::{BackendError, StorageBackend};

use super::super::disk::{Disk, FileSystem};
use crate::store::notify::lock;

/// The file system, with files for which there is no room.
#[derive(Clone, Debug, Default)]
pub(super) struct FullDisk(Arc<Mutex<HashSet<PathBuf>>>);

impl FullDisk {
    /// From now on there is room for more of this file, or there is none.
    pub(super) fn set_full(&self, path: &Path, is_full: bool) {
        let mut full = lock(&self.0);
        if is_full {
            full.insert(path.to_owned());
        } else {
            full.remove(path);
        }
    }
}

impl Disk for FullDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        FileSystem.make_dir(dir)
    }
    fn open(&self, path: &Path, create: bool) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let file = FileSystem.open(path, create)?;
        Ok(file.map(|file| Box::new(FullFile { file, path: path.to_owned(), disk: self.clone() }) as _))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        FileSystem.sync_dir(dir)
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        FileSystem.len(path)
    }
    fn uncache(&self, path: &Path) {
        FileSystem.uncache(path);
    }
}

#[derive(Debug)]
struct FullFile {
    file: Box<dyn StorageBackend>,
    path: PathBuf,
    disk: FullDisk,
}

impl FullFile {
    fn room(&self) -> io::Result<()> {
        if lock(&self.disk.0).contains(&self.path) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

type Range = Bound<u64>;

impl StorageBackend for FullFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room().and_then(|()| self.file.set_len(len))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.room().and_then(|()| self.file.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room().and_then(|()| self.file.write(offset, data))
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
    fn try_lock_range(&self, start: Range, end: Range) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Range, end: Range) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Range, end: Range) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Range, end: Range) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Range, end: Range) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Range, end: Range) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
