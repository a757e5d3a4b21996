//! The store in two redb files: `meta.redb` and `blobs.redb`, each with one writer thread. `redb` is named only in this
//! folder. `docs/store-format.md` describes the bytes.

mod backup;
mod blobs;
mod change;
mod check;
mod compact;
mod copy;
mod directory;
mod disk;
mod error;
mod file;
mod flags;
mod ledger;
mod mailboxes;
mod messages;
mod metadata;
mod migrate;
mod open;
mod read;
mod repair;
mod restore;
mod row;
mod schema;
mod shadow;
mod stats;
mod target;
#[cfg(test)]
mod tests;
mod threads;
mod twins;
mod twins_repair;
mod txn;
mod usage;
mod views;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::error::{Error, Result};
use super::notify::lock;
use super::seam::{Answer, BodyRead, BodyStore, MetaRead, MetaStore, Operation, Put};
use super::snapshot::BLOCK_SHIFT;
use super::stats::TableStats;
use super::types::Settings;
use crate::mail::BodyId;
#[cfg(test)]
pub(super) use disk::Disk;
use file::File;

pub(super) use backup::Handles;
pub(super) use restore::restore;

/// Writes rows of meta.redb.
#[cfg(test)]
#[allow(unreachable_pub, reason = "a method of `MetaTxn` names it")]
pub type WriteRows<'f> = &'f mut dyn FnMut(&mut txn::Txn<'_>) -> Result<()>;

/// Both files, opened; nothing runs yet.
pub(super) struct Files {
    meta: Arc<File>,
    blobs: Arc<File>,
    pub(super) next_body: u64,
    pub(super) store_id: [u8; 16],
}

impl Files {
    /// Opens or creates both files. Blocking. The error says what to do when a file is locked by another process, of a
    /// newer schema, or missing.
    pub(super) fn open(settings: &Settings) -> Result<Self> {
        Self::open_on(settings, Arc::new(disk::FileSystem))
    }

    /// The same on another disk.
    pub(super) fn open_on(settings: &Settings, disk: Arc<dyn disk::Disk>) -> Result<Self> {
        let opened = open::open(settings, &*disk)?;
        let file =
            |name, cache, handle| Arc::new(File::new(Arc::clone(&disk), settings.data_dir.join(name), cache, handle));
        Ok(Self {
            meta: file(open::META, open::Opened::meta_cache(settings), opened.meta),
            blobs: file(open::BLOBS, open::Opened::blobs_cache(settings), opened.blobs),
            next_body: opened.next_body,
            store_id: opened.store_id,
        })
    }

    /// Starts the writer threads.
    pub(super) fn start(self, shared: &Arc<Shared>) -> Result<(Meta, Blobs)> {
        let (requests, queue) = mpsc::channel(writer::QUEUE);
        let thread = writer::spawn(Arc::clone(shared), Arc::clone(&self.meta), queue)?;
        let meta = Meta { file: self.meta, requests, thread: Thread::new(thread) };
        let (requests, queue) = mpsc::channel(blobs::QUEUE);
        let thread = blobs::spawn(Arc::clone(shared), Arc::clone(&self.blobs), queue)?;
        Ok((meta, Blobs { file: self.blobs, requests, thread: Thread::new(thread) }))
    }
}

/// Whether one of the files is in the directory.
pub(super) fn exist(data_dir: &Path) -> bool {
    [open::META, open::BLOBS].iter().any(|name| data_dir.join(name).exists())
}

/// A writer thread, which ends once nobody can send it anything.
struct Thread(Mutex<Option<JoinHandle<()>>>);

impl Thread {
    const fn new(thread: JoinHandle<()>) -> Self {
        Self(Mutex::new(Some(thread)))
    }

    fn join(&self) -> Result<()> {
        let Some(thread) = lock(&self.0).take() else { return Ok(()) };
        thread.join().map_err(|_| Error::Internal("a thread of the store ended early".to_owned()))
    }
}

/// meta.redb and its writer.
pub(super) struct Meta {
    file: Arc<File>,
    requests: mpsc::Sender<writer::Request>,
    thread: Thread,
}

impl MetaStore for Meta {
    fn queue(&self, operation: Box<dyn Operation>) -> Answer<'_, ()> {
        let sent = self.requests.send(writer::Request::Run(operation));
        Box::pin(async { sent.await.map_err(|_| Error::Closed) })
    }

    fn queue_blocking(&self, operation: Box<dyn Operation>) -> Result<()> {
        self.requests.blocking_send(writer::Request::Run(operation)).map_err(|_| Error::Closed)
    }

    fn read(&self) -> Result<Box<dyn MetaRead>> {
        Ok(Box::new(read::MetaReader::begin(&self.file)?))
    }

    fn size(&self) -> Result<u64> {
        self.file.len()
    }

    fn tables(&self, out: &mut Vec<TableStats>) -> Result<()> {
        stats::tables(&self.file, out)
    }

    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.requests.max_capacity() - self.requests.capacity()
    }

    fn stop(&self) -> Result<()> {
        // An error says that it has stopped.
        drop(self.requests.blocking_send(writer::Request::Stop));
        let ended = self.thread.join();
        self.file.close();
        ended
    }
}

impl Drop for Meta {
    /// Without `stop`: what is queued is completed, so that the file can be opened again at once.
    fn drop(&mut self) {
        self.requests = mpsc::channel(1).0;
        drop(self.thread.join());
    }
}

/// blobs.redb and its writer.
pub(super) struct Blobs {
    file: Arc<File>,
    requests: mpsc::Sender<blobs::Request>,
    thread: Thread,
}

impl BodyStore for Blobs {
    fn put(&self, put: Put) -> Answer<'_, ()> {
        let sent = self.requests.send(blobs::Request::Put(put));
        Box::pin(async { sent.await.map_err(|_| Error::Closed) })
    }

    fn remove(&self, bodies: &[BodyId]) -> Result<()> {
        let (done, removed) = oneshot::channel();
        let request = blobs::Request::Remove(bodies.to_vec(), done);
        self.requests.blocking_send(request).map_err(|_| Error::Closed)?;
        removed.blocking_recv().map_err(|_| Error::Closed)?
    }

    fn read(&self) -> Result<Box<dyn BodyRead>> {
        Ok(Box::new(blobs::BlobReader::begin(&self.file)?))
    }

    fn size(&self) -> Result<u64> {
        self.file.len()
    }

    fn tables(&self, out: &mut Vec<TableStats>) -> Result<()> {
        stats::tables(&self.file, out)
    }

    fn stop(&self) -> Result<()> {
        drop(self.requests.blocking_send(blobs::Request::Stop));
        let ended = self.thread.join();
        self.file.close();
        ended
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        self.requests = mpsc::channel(1).0;
        drop(self.thread.join());
    }
}
