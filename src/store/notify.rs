//! Live mailboxes: the newest version of each mailbox that somebody watches.
//!
//! The writer thread publishes after each commit and before it answers the callers (I6). A version is loaded and
//! published under the same lock of the slot, so a loader sees either the commit itself or the publication of it;
//! replacing the same blocks twice does no harm. A slot without a watcher is dropped: watchers subscribe and leave
//! under the lock of the map, so that the writer never drops a slot that somebody is about to watch.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::error::{Error, Result};
use super::snapshot::{Block, Snapshot};
use super::types::Counts;
use crate::mail::{Keyword, MailboxId, UserId};

/// Locks; a panic of another holder does not matter, since every critical section leaves its data whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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
    fn send(&self, version: Version) {
        self.newest.send_modify(|newest| *newest = (newest.0 + 1, version));
    }
}

type Slots = Mutex<HashMap<MailboxId, Arc<Slot>>>;

/// Every live mailbox.
#[derive(Default)]
pub(super) struct Live {
    slots: Arc<Slots>,
}

/// What one transaction did to a mailbox.
pub(super) struct Touched {
    pub(super) mailbox: MailboxId,
    /// Whose keyword table counts.
    pub(super) user: Option<UserId>,
    /// `None`: deleted.
    pub(super) counts: Option<Counts>,
    /// Changed blocks by number; `None` for one that became empty.
    pub(super) blocks: BTreeMap<u32, Option<Arc<Block>>>,
}

impl Live {
    /// A watch of the mailbox, which may have to be loaded still (see [`MailboxWatch::load`]).
    pub(super) fn subscribe(&self, mailbox: MailboxId) -> MailboxWatch {
        let mut slots = lock(&self.slots);
        let slot = slots.entry(mailbox).or_insert_with(|| {
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

    /// Whether somebody watches the mailbox.
    #[cfg(test)]
    pub(super) fn is_watched(&self, mailbox: MailboxId) -> bool {
        lock(&self.slots).contains_key(&mailbox)
    }

    /// Reads every live mailbox again. Writer thread only.
    pub(super) fn reload(&self, read: impl Fn(MailboxId) -> Result<Snapshot>) {
        let slots: Vec<_> = lock(&self.slots).iter().map(|(id, slot)| (*id, Arc::clone(slot))).collect();
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

    /// Makes the next version of a mailbox out of what a committed transaction changed. Writer thread only.
    pub(super) fn publish(&self, touched: Touched, keywords: &[Keyword]) {
        let Some(slot) = lock(&self.slots).get(&touched.mailbox).cloned() else { return };
        let _order = lock(&slot.order);
        let Some(counts) = touched.counts else {
            slot.send(Version::Gone);
            lock(&self.slots).remove(&touched.mailbox);
            return;
        };
        // A loader that comes later reads from after this commit.
        let current = match &slot.newest.borrow().1 {
            Version::Current(snapshot) => Arc::clone(snapshot),
            Version::Unloaded | Version::Gone => return,
        };
        slot.send(Version::Current(Arc::new(current.next(counts, keywords, touched.blocks))));
    }
}

/// The live mailbox: its newest version now, and word of the next.
pub struct MailboxWatch {
    mailbox: MailboxId,
    /// `None` only while being dropped.
    receiver: Option<watch::Receiver<(u64, Version)>>,
    slot: Arc<Slot>,
    slots: Arc<Slots>,
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
        let is_mine = slots.get(&self.mailbox).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot));
        if is_mine && self.slot.newest.receiver_count() == 0 {
            slots.remove(&self.mailbox);
        }
    }
}
