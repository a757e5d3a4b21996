//! Where the two files lie: the file system, or in tests a disk that fails and loses power on demand.

use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// Files by path.
pub(in crate::store) trait Disk: Debug + Send + Sync {
    /// Makes the directory (0700) and those above it; their entries are durable.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Opens a file for reading and writing; with `create` it is made (0600) when it is not there. `None`: it is not.
    fn open(&self, path: &Path, create: bool) -> io::Result<Option<Box<dyn StorageBackend>>>;

    /// Makes the entries of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that a file takes on disk.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// After a failed sync the kernel may show pages that are not on the disk and never will be, as if they were clean.
    /// Drops what is cached of the file, so that it is read as the disk has it.
    fn uncache(&self, path: &Path);
}

/// The file system.
#[derive(Debug)]
pub(in crate::store) struct FileSystem;

impl Disk for FileSystem {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        // A relative path of one name has the parent "".
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.make_dir(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists || !dir.is_dir() => Err(e),
            _ => self.sync_dir(parent.unwrap_or_else(|| Path::new("."))),
        }
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Option<Box<dyn StorageBackend>>> {
        // Made here, because redb would give it the mode of the umask.
        match OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(path) {
            Ok(file) => Ok(Some(Box::new(FileBackend::new(file).map_err(io::Error::other)?))),
            Err(e) if e.kind() == io::ErrorKind::NotFound && !create => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        // redb doubles a file that is full, and what it has not written yet is not there.
        Ok(std::fs::metadata(path)?.blocks() * 512)
    }

    fn uncache(&self, path: &Path) {
        if let Ok(file) = File::open(path) {
            // Advice: where it is not taken, redb's checksums still find most of what was lost.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
}

/// First bytes of every redb file, written once all else of a new file is durable.
const MAGIC: &[u8; 4] = b"redb";

/// Where the header of a redb file ends: the first page.
const HEADER_LEN: usize = 4096;

/// Whether the file is not there, or nothing was ever stored in it. A file in use by another process is not new.
pub(super) fn is_new(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    let Some(file) = disk.open(path, false)? else { return Ok(true) };
    let is_locked = matches!(file.try_lock_range(Bound::Unbounded, Bound::Unbounded), Ok(false));
    let is_new = !is_locked && is_blank(&*file)?;
    file.close()?;
    Ok(is_new)
}

/// Clears away what a creation cut short has left of a file that is new: redb would take it for something other than a
/// database.
pub(super) fn clear(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let Some(file) = disk.open(path, false)? else { return Ok(()) };
    if file.len()? > 0 && is_blank(&*file)? {
        file.set_len(0)?;
        file.sync_data()?;
    }
    file.close()
}

/// Whether the file has no header that counts, and nothing after it. A damaged header of a file in use is followed by
/// what was stored.
fn is_blank(file: &dyn StorageBackend) -> io::Result<bool> {
    let (len, mut offset) = (file.len()?, 0);
    let mut buffer = vec![0; 64 * 1024];
    while offset < len {
        let size = usize::try_from(len - offset).unwrap_or(usize::MAX).min(buffer.len());
        let read = buffer.get_mut(..size).unwrap_or_default();
        file.read(offset, read)?;
        let rest = if offset == 0 { read.get(HEADER_LEN..).unwrap_or_default() } else { &*read };
        if (offset == 0 && read.starts_with(MAGIC)) || rest.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        offset += size as u64;
    }
    Ok(true)
}

/// Whether an access of a file has failed: redb then refuses every further use of the handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<AtomicBool>);

impl Health {
    pub(super) fn has_failed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn fail(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if outcome.is_err() {
            self.fail();
        }
        outcome
    }
}

/// A file of a disk that remembers whether it has failed.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) file: Box<dyn StorageBackend>,
    pub(super) health: Health,
}

type Range = Bound<u64>;

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.health.note(self.file.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.health.note(self.file.read(offset, out))
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.health.note(self.file.set_len(len))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.health.note(self.file.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.health.note(self.file.write(offset, data))
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
