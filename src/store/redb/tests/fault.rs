//! A file whose writes fail on demand, as on a full disk; and what the store makes of that.

use std::collections::HashMap;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::*;

static FULL: LazyLock<Mutex<HashMap<PathBuf, Arc<AtomicBool>>>> = LazyLock::new(Mutex::default);

/// The switch that makes writes to this file fail.
fn switch(path: &Path) -> Arc<AtomicBool> {
    Arc::clone(lock(&FULL).entry(path.to_owned()).or_default())
}

/// What tests open instead of the plain file.
#[derive(Debug)]
pub(in crate::store) struct FaultyFile {
    file: FileBackend,
    is_full: Arc<AtomicBool>,
}

impl FaultyFile {
    pub(in crate::store) fn new(path: &Path, file: std::fs::File) -> Result<Self, redb::DatabaseError> {
        Ok(Self { file: FileBackend::new(file)?, is_full: switch(path) })
    }

    fn room(&self) -> io::Result<()> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

type Range = Bound<u64>;

impl StorageBackend for FaultyFile {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_goes_on_once_there_is_room_again() {
    let f = fixture().await;
    f.add(b"before").await;
    let watch = f.store.watch(f.inbox).await.expect("watch");
    for file in [open::META, open::BLOBS] {
        let is_full = switch(&f.dir.path().join("data").join(file));
        let message = f.message(b"prepared while there was room").await;
        is_full.store(true, Ordering::Relaxed);
        if file == open::META {
            assert!(f.store.append(f.inbox, vec![message]).await.is_err());
            let change = flags(FlagOp::Add, Flags::FLAGGED, &["k"]);
            assert!(f.store.set_flags(f.inbox, set(&[(1, 1)]), change).await.is_err());
        } else {
            let mut writer = f.store.body_writer().await.expect("a writer");
            writer.write(b"too much").await.expect("queued");
            assert!(writer.finish(Record::default()).await.is_err());
        }
        is_full.store(false, Ordering::Relaxed);
        let stored = f.add(b"after").await;
        assert_eq!(f.read_back(f.inbox, stored).await, b"after");
        assert_eq!(f.read_back(f.inbox, uid(1)).await, b"before");
        let snapshot = watch.current().expect("a version");
        assert_eq!(snapshot.counts, f.counts(f.inbox).await);
        assert!(snapshot.find(stored).is_some());
        f.store.collect().await.expect("collect");
        assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
        assert_eq!(f.store.check_octets().expect("check"), Vec::<String>::new());
    }
}
