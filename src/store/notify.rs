//! Live mailboxes: the newest version of each mailbox that somebody watches.
//!
//! The writer of a back-end publishes after each commit and before it answers the callers (I6). A version is loaded and
//! published under the same lock of the slot, so a loader sees either the commit itself or the publication of it;
//! replacing the same blocks twice does no harm. A slot without a watcher is kept for a while, within limits, and goes on
//! being published to; then it is dropped. Watchers subscribe and leave under the lock of the map, so that a slot is never
//! dropped while somebody is about to watch it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::error::{Error, Result};
use super::snapshot::Snapshot;
use crate::mail::MailboxId;

/// Locks; a panic of another holder does not matter, since every critical section leaves its data whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a mailbox stays in memory when nobody watches it any more.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(600);
/// Messages of such mailboxes in all: about 128 MiB.
const MAX_KEPT_ROWS: usize = 1_250_000;
/// Such mailboxes.
pub(super) const MAX_KEPT: usize = 256;

/// What a slot holds.
#[derive(Clone)]
enum Version {
    /// Not loaded yet.
    Unloaded,
    Current(Arc<Snapshot>),
    /// The mailbox was deleted.
    Gone,
}

struct Slot {
    /// Held while a version is loaded or published.
    order: Mutex<()>,
    /// Number and content of the newest version.
    newest: watch::Sender<(u64, Version)>,
}

impl Slot {
    fn current(&self) -> Option<Arc<Snapshot>> {
        match &self.newest.borrow().1 {
            Version::Current(snapshot) => Some(Arc::clone(snapshot)),
            Version::Unloaded | Version::Gone => None,
        }
    }

    fn send(&self, version: Version) {
        self.newest.send_modify(|newest| *newest = (newest.0 + 1, version));
    }
}

/// Every slot, and those of them that nobody watches any more.
#[derive(Default)]
struct Slots {
    live: HashMap<MailboxId, Arc<Slot>>,
    kept: Kept,
}

/// Unwatched mailboxes that are not forgotten yet: clients select, leave and come back. Least recently watched first.
struct Kept {
    queue: VecDeque<(MailboxId, Instant)>,
    max_rows: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self { queue: VecDeque::new(), max_rows: MAX_KEPT_ROWS }
    }
}

impl Slots {
    /// To be called when the last watcher of a mailbox has left. The slots returned are to be dropped without the lock:
    /// they may be large.
    fn keep(&mut self, mailbox: MailboxId) -> Vec<Arc<Slot>> {
        if self.live.get(&mailbox).is_some_and(|slot| slot.current().is_some()) {
            self.kept.queue.push_back((mailbox, Instant::now()));
            self.forget(Instant::now())
        } else {
            self.live.remove(&mailbox).into_iter().collect()
        }
    }

    /// Forgets what has been kept for long enough, and what is more than may be kept.
    fn forget(&mut self, now: Instant) -> Vec<Arc<Slot>> {
        let len = |slot: &Arc<Slot>| slot.current().map_or(0, |snapshot| snapshot.len());
        let mut rows: usize = self.kept.queue.iter().filter_map(|(mailbox, _)| self.live.get(mailbox)).map(len).sum();
        let mut forgotten = Vec::new();
        while let Some((mailbox, since)) = self.kept.queue.front().copied() {
            let is_old = now.saturating_duration_since(since) >= KEPT_FOR;
            if !is_old && rows <= self.kept.max_rows && self.kept.queue.len() <= MAX_KEPT {
                break;
            }
            self.kept.queue.pop_front();
            if let Some(slot) = self.live.remove(&mailbox) {
                rows = rows.saturating_sub(len(&slot));
                forgotten.push(slot);
            }
        }
        forgotten
    }
}

/// Every live mailbox.
#[derive(Default)]
pub(super) struct Live {
    slots: Arc<Mutex<Slots>>,
}

impl Live {
    /// A watch of the mailbox, which may have to be loaded still (see [`MailboxWatch::load`]).
    pub(super) fn subscribe(&self, mailbox: MailboxId) -> MailboxWatch {
        let mut slots = lock(&self.slots);
        slots.kept.queue.retain(|(kept, _)| *kept != mailbox);
        let slot = slots.live.entry(mailbox).or_insert_with(|| {
            Arc::new(Slot { order: Mutex::new(()), newest: watch::Sender::new((0, Version::Unloaded)) })
        });
        MailboxWatch {
            mailbox,
            receiver: Some(slot.newest.subscribe()),
            slot: Arc::clone(slot),
            slots: Arc::clone(&self.slots),
            seen: AtomicU64::new(0),
        }
    }

    /// The newest version, if it is loaded.
    pub(super) fn current(&self, mailbox: MailboxId) -> Option<Arc<Snapshot>> {
        let slot = lock(&self.slots).live.get(&mailbox).cloned()?;
        slot.current()
    }

    /// Whether somebody watches the mailbox.
    #[cfg(test)]
    pub(super) fn is_watched(&self, mailbox: MailboxId) -> bool {
        lock(&self.slots).live.get(&mailbox).is_some_and(|slot| slot.newest.receiver_count() > 0)
    }

    /// Forgets mailboxes that nobody has watched for a while.
    pub(super) fn forget(&self, now: Instant) {
        let forgotten = lock(&self.slots).forget(now);
        drop(forgotten);
    }

    /// Lets unwatched mailboxes have so many messages in all.
    #[cfg(test)]
    pub(super) fn keep_rows(&self, max_rows: usize) {
        lock(&self.slots).kept.max_rows = max_rows;
    }

    /// Reads every live mailbox again. Writer thread only.
    pub(super) fn reload(&self, read: impl Fn(MailboxId) -> Result<Snapshot>) {
        let slots: Vec<_> = lock(&self.slots).live.iter().map(|(id, slot)| (*id, Arc::clone(slot))).collect();
        for (mailbox, slot) in slots {
            let _order = lock(&slot.order);
            let is_loaded = matches!(slot.newest.borrow().1, Version::Current(_));
            match read(mailbox) {
                Ok(snapshot) if is_loaded => slot.send(Version::Current(Arc::new(snapshot))),
                Err(Error::NoMailbox) if is_loaded => slot.send(Version::Gone),
                // What cannot be read stays as it was shown.
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Makes the next version of a mailbox out of the one that its watchers have; `None`: it was deleted. To be called for
    /// one commit after the other.
    pub(super) fn publish(&self, mailbox: MailboxId, next: Option<impl FnOnce(&Snapshot) -> Snapshot>) {
        let Some(slot) = lock(&self.slots).live.get(&mailbox).cloned() else { return };
        let _order = lock(&slot.order);
        let Some(next) = next else {
            slot.send(Version::Gone);
            let mut slots = lock(&self.slots);
            slots.live.remove(&mailbox);
            slots.kept.queue.retain(|(kept, _)| *kept != mailbox);
            return;
        };
        // A loader that comes later reads from after this commit.
        let current = match &slot.newest.borrow().1 {
            Version::Current(snapshot) => Arc::clone(snapshot),
            Version::Unloaded | Version::Gone => return,
        };
        slot.send(Version::Current(Arc::new(next(&current))));
        if slot.newest.receiver_count() == 0 {
            // It may have grown.
            self.forget(Instant::now());
        }
    }
}

/// The live mailbox: its newest version now, and word of the next.
pub struct MailboxWatch {
    mailbox: MailboxId,
    /// `None` only while being dropped.
    receiver: Option<watch::Receiver<(u64, Version)>>,
    slot: Arc<Slot>,
    slots: Arc<Mutex<Slots>>,
    /// Number of the version that `current` gave last.
    seen: AtomicU64,
}

impl std::fmt::Debug for MailboxWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailboxWatch").field("mailbox", &self.mailbox).field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl MailboxWatch {
    /// The newest version; `None` once the mailbox has been deleted.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        let newest = self.slot.newest.borrow();
        self.seen.store(newest.0, Ordering::Relaxed);
        match &newest.1 {
            Version::Current(snapshot) => Some(Arc::clone(snapshot)),
            Version::Unloaded | Version::Gone => None,
        }
    }

    /// Whether a version newer than the last `current` is there.
    pub fn has_changed(&self) -> bool {
        self.slot.newest.borrow().0 != self.seen.load(Ordering::Relaxed)
    }

    /// Completes when a version newer than the last `current` is there, or the mailbox is gone. Cancel-safe.
    pub async fn changed(&mut self) {
        let seen = *self.seen.get_mut();
        match &mut self.receiver {
            // The slot, kept by `self`, owns the sender: waiting cannot fail.
            Some(receiver) => drop(receiver.wait_for(|newest| newest.0 != seen).await),
            None => std::future::pending().await,
        }
    }

    /// Whether there is a version, or the mailbox is known to be gone.
    pub(super) fn is_loaded(&self) -> bool {
        !matches!(self.slot.newest.borrow().1, Version::Unloaded)
    }

    /// Loads the mailbox unless it is loaded. `read` must begin its read transaction when called.
    pub(super) fn load(&self, read: impl FnOnce() -> Result<Snapshot>) -> Result<()> {
        let _order = lock(&self.slot.order);
        if matches!(self.slot.newest.borrow().1, Version::Unloaded) {
            let snapshot = read()?;
            self.slot.send(Version::Current(Arc::new(snapshot)));
        }
        Ok(())
    }
}

impl Clone for MailboxWatch {
    fn clone(&self) -> Self {
        Self {
            mailbox: self.mailbox,
            receiver: self.receiver.clone(),
            slot: Arc::clone(&self.slot),
            slots: Arc::clone(&self.slots),
            seen: AtomicU64::new(self.seen.load(Ordering::Relaxed)),
        }
    }
}

impl Drop for MailboxWatch {
    fn drop(&mut self) {
        let mut slots = lock(&self.slots);
        drop(self.receiver.take());
        let is_mine = slots.live.get(&self.mailbox).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot));
        let is_last = is_mine && self.slot.newest.receiver_count() == 0;
        let forgotten = if is_last { slots.keep(self.mailbox) } else { Vec::new() };
        drop(slots);
        drop(forgotten);
    }
}
