//! A disk in memory that fails on demand and keeps one ordered log of all that was done to both files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{BackendError, StorageBackend};

use super::super::super::disk::Disk;
use super::super::open;
use crate::store::notify::lock;

/// Smallest unit that a disk writes whole.
pub(super) const SECTOR: usize = 512;
/// What the kernel caches and writes back together.
const PAGE: u64 = 4096;

pub(super) const EIO: i32 = 5;
pub(super) const ENOSPC: i32 = 28;

/// Index of a file: 0 meta.redb, 1 blobs.redb.
pub(super) type Which = usize;

/// What was done, in order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Create(Which),
    Write(Which, u64, Arc<[u8]>),
    SetLen(Which, u64),
    Sync(Which),
    SyncDir,
    /// A step of the work began.
    Began,
    /// It was acknowledged.
    Acknowledged,
}

#[derive(Clone, Debug, Default)]
struct Node {
    data: Vec<u8>,
    /// The handle that has it locked.
    holder: Option<u64>,
    /// Pages written since the last sync, as the disk has them.
    dirty: BTreeMap<u64, Vec<u8>>,
    /// Pages that a failed sync has given up: shown as written, but the disk has these.
    given_up: BTreeMap<u64, Vec<u8>>,
    /// Pages that take room on the disk.
    taken: BTreeSet<u64>,
}

/// When accesses fail. Writes, syncs and changes of length are counted together; reads apart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    /// The access, counted from 0 since the plan was made, that fails with `errno`.
    pub(super) fails_at: Option<u64>,
    pub(super) errno: i32,
    /// Those after it fail as well.
    pub(super) is_lasting: bool,
    /// Only syncs are counted and fail, and one that fails gives up some of the pages written.
    pub(super) gives_up: bool,
    /// Pages that may still be taken.
    pub(super) room: Option<u64>,
    /// A file may not be made longer.
    pub(super) is_fixed: bool,
    /// The read that fails with EIO.
    pub(super) read_fails_at: Option<u64>,
    /// Files cannot be opened for writing.
    pub(super) is_read_only: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    files: [Option<Node>; 2],
    pub(super) plan: Plan,
    /// Accesses since the plan was made.
    pub(super) calls: u64,
    pub(super) reads: u64,
    /// Accesses that were made to fail.
    pub(super) failed: u64,
    handles: u64,
    pub(super) log: Option<Vec<Event>>,
}

impl State {
    fn record(&mut self, event: impl FnOnce() -> Event) {
        if let Some(log) = &mut self.log {
            log.push(event());
        }
    }

    fn node(&mut self, which: Which) -> io::Result<&mut Node> {
        self.files[which].as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn call(&mut self, is_sync: bool) -> io::Result<()> {
        if self.plan.gives_up && !is_sync {
            return Ok(());
        }
        let call = self.calls;
        self.calls += 1;
        let fails = self.plan.fails_at.is_some_and(|at| call == at || (self.plan.is_lasting && call > at));
        if fails {
            self.failed += 1;
            return Err(io::Error::from_raw_os_error(self.plan.errno));
        }
        Ok(())
    }

    fn write(&mut self, which: Which, offset: u64, data: &[u8]) -> io::Result<()> {
        let outcome = self.call(false);
        // What fails may have been written in part.
        let data = if outcome.is_ok() { data } else { &data[..data.len() / 2 / SECTOR * SECTOR] };
        let pages = offset / PAGE..(offset + data.len() as u64).div_ceil(PAGE);
        let room = self.plan.room;
        let node = self.node(which)?;
        let more = pages.clone().filter(|page| !node.taken.contains(page)).count() as u64;
        if room.is_some_and(|room| more > room) {
            self.failed += 1;
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        for page in pages {
            node.taken.insert(page);
            if !node.dirty.contains_key(&page) {
                let start = ((page * PAGE) as usize).min(node.data.len());
                let end = (start + PAGE as usize).min(node.data.len());
                let old = node.given_up.remove(&page).unwrap_or_else(|| node.data[start..end].to_vec());
                node.dirty.insert(page, old);
            }
        }
        apply_write(&mut node.data, offset, data);
        self.plan.room = room.map(|room| room - more);
        self.record(|| Event::Write(which, offset, data.into()));
        outcome
    }

    fn set_len(&mut self, which: Which, len: u64) -> io::Result<()> {
        self.call(false)?;
        let is_fixed = self.plan.is_fixed;
        let node = self.node(which)?;
        if is_fixed && len > node.data.len() as u64 {
            self.failed += 1;
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        node.data.resize(len as usize, 0);
        node.dirty.retain(|page, _| page * PAGE < len);
        node.given_up.retain(|page, _| page * PAGE < len);
        node.taken.retain(|page| page * PAGE < len);
        self.record(|| Event::SetLen(which, len));
        Ok(())
    }

    fn sync(&mut self, which: Which) -> io::Result<()> {
        let outcome = self.call(true);
        let gives_up = self.plan.gives_up;
        let node = self.node(which)?;
        if outcome.is_ok() {
            node.dirty.clear();
            self.record(|| Event::Sync(which));
        } else if gives_up {
            for (page, old) in std::mem::take(&mut node.dirty) {
                if page % 2 == 0 {
                    node.given_up.entry(page).or_insert(old);
                }
            }
        }
        outcome
    }
}

/// What a write leaves, also past the end.
pub(super) fn apply_write(file: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if file.len() < end {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(data);
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Sim(Arc<Mutex<State>>);

impl Sim {
    /// A disk that holds these files.
    pub(super) fn with(files: [Option<Vec<u8>>; 2]) -> Self {
        let sim = Self::default();
        for (node, data) in lock(&sim.0).files.iter_mut().zip(files) {
            *node = data.map(|data| Node { data, ..Node::default() });
        }
        sim
    }

    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Counts from 0 and fails as said.
    pub(super) fn plan(&self, plan: Plan) {
        let mut state = self.state();
        (state.plan, state.calls, state.reads, state.failed) = (plan, 0, 0, 0);
    }

    pub(super) fn mark(&self, event: Event) {
        self.state().record(|| event);
    }

    /// The files as they are shown.
    pub(super) fn files(&self) -> [Option<Vec<u8>>; 2] {
        self.state().files.clone().map(|node| node.map(|node| node.data))
    }

    /// The files as the disk has them: pages that were given up are not there.
    pub(super) fn on_disk(&self) -> [Option<Vec<u8>>; 2] {
        self.state().files.clone().map(|node| node.map(|mut node| node.without_given_up()))
    }
}

impl Node {
    fn without_given_up(&mut self) -> Vec<u8> {
        for (page, old) in std::mem::take(&mut self.given_up) {
            apply_write(&mut self.data, page * PAGE, &old);
        }
        self.data.clone()
    }
}

fn which(path: &Path) -> Which {
    let name = path.file_name().expect("a file");
    [open::META, open::BLOBS].iter().position(|known| name == *known).expect("meta.redb or blobs.redb")
}

impl Disk for Sim {
    fn make_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let which = which(path);
        let mut state = self.state();
        if state.plan.is_read_only {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if state.files[which].is_none() {
            if !create {
                return Ok(None);
            }
            state.files[which] = Some(Node::default());
            state.record(|| Event::Create(which));
        }
        state.handles += 1;
        Ok(Some(Box::new(SimFile { sim: self.clone(), which, handle: state.handles })))
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call(true)?;
        state.record(|| Event::SyncDir);
        Ok(())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(self.state().node(which(path))?.data.len() as u64)
    }

    fn uncache(&self, path: &Path) {
        if let Ok(node) = self.state().node(which(path)) {
            node.without_given_up();
        }
    }
}

#[derive(Debug)]
struct SimFile {
    sim: Sim,
    which: Which,
    handle: u64,
}

type Range = Bound<u64>;

impl StorageBackend for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.sim.state().node(self.which)?.data.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.sim.state();
        let read = state.reads;
        state.reads += 1;
        if state.plan.read_fails_at == Some(read) {
            state.failed += 1;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let data = &state.node(self.which)?.data;
        let found = data.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.sim.state().set_len(self.which, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sim.state().sync(self.which)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.sim.state().write(self.which, offset, data)
    }

    fn close(&self) -> io::Result<()> {
        if let Ok(node) = self.sim.state().node(self.which)
            && node.holder == Some(self.handle)
        {
            node.holder = None;
        }
        Ok(())
    }

    fn try_lock_range(&self, _: Range, _: Range) -> Result<bool, BackendError> {
        let mut state = self.sim.state();
        let node = state.node(self.which)?;
        Ok(*node.holder.get_or_insert(self.handle) == self.handle)
    }

    fn unlock_range(&self, _: Range, _: Range) -> Result<(), BackendError> {
        Ok(self.close()?)
    }
}
