//! What one client knows of its selected mailbox. Pure: no I/O, no clock.
//!
//! A view is one immutable version of the mailbox (shared by all its sessions) plus the ghosts: messages that
//! are expunged there but not yet announced to this client, and so keep their sequence numbers (RFC 9051
//! section 7.5.1). Sequence numbers turn into UIDs here and nowhere else.

use std::sync::Arc;

use crate::mail::{Message, ModSeq, Seq, SequenceSet, Uid, UidSet};
use crate::store::{Delta, ObjectIds, Snapshot};

/// The client's picture of the selected mailbox.
#[derive(Debug)]
pub(in crate::imap) struct MailboxView {
    snapshot: Arc<Snapshot>,
    /// Ascending by UID. Every look-up is a binary search: a mailbox may lose many messages in one go.
    ghosts: Vec<Message>,
    ids: ObjectIds,
    /// The highest mod-sequence that covered everything before the first ghost appeared (IMAP-RULES 21).
    floor: Option<ModSeq>,
    /// Flags that changed after this were not told: the client does not want to know (RFC 5465).
    untold: Option<ModSeq>,
}

/// A message as the client can name it.
#[derive(Clone, Copy, Debug)]
pub(in crate::imap) struct Entry<'v> {
    /// Its number for this client.
    pub(in crate::imap) seq: u32,
    /// The message.
    pub(in crate::imap) message: &'v Message,
    /// Expunged, but this client has not been told.
    pub(in crate::imap) ghost: bool,
}

/// A sequence number in the set is larger than the number of messages (RFC 9051 section 9 `seq-number`).
#[derive(Debug, PartialEq, Eq)]
pub(in crate::imap) struct OutOfRange;

impl MailboxView {
    pub(in crate::imap) fn new(snapshot: Arc<Snapshot>, ids: ObjectIds) -> Self {
        Self { snapshot, ghosts: Vec::new(), ids, floor: None, untold: None }
    }

    /// What its messages are called.
    pub(in crate::imap) const fn ids(&self) -> ObjectIds {
        self.ids
    }

    /// Moves to `next`, a later version of the mailbox. What vanished becomes a ghost; the delta's `changed` and
    /// `appended` are for the caller to announce.
    pub(in crate::imap) fn advance(&mut self, next: Arc<Snapshot>) -> Delta {
        if Arc::ptr_eq(&self.snapshot, &next) {
            return Delta::default();
        }
        let delta = next.diff(&self.snapshot);
        if !delta.vanished.is_empty() && self.ghosts.is_empty() {
            self.floor = Some(self.snapshot.counts.highest_mod_seq);
        }
        for (low, high) in delta.vanished.ranges() {
            let from = Uid::new(*low).map_or(0, |uid| self.snapshot.position(uid).unwrap_or_else(|at| at));
            let gone = self.snapshot.iter_range(from..usize::MAX).take_while(|m| m.uid.value() <= *high);
            self.ghosts.extend(gone.cloned());
        }
        self.ghosts.sort_by_key(|ghost| ghost.uid);
        self.snapshot = next;
        delta
    }

    /// The sequence numbers of the ghosts, from the highest down, so that none shifts another.
    pub(in crate::imap) fn ghost_numbers(&self) -> Vec<u32> {
        (0..self.ghosts.len()).rev().map(|index| self.ghost_seq(index)).collect()
    }

    /// Lets the ghosts go: the client is told of them. Returns their UIDs.
    pub(in crate::imap) fn bury(&mut self) -> UidSet {
        self.floor = None;
        std::mem::take(&mut self.ghosts).iter().map(|ghost| ghost.uid).collect()
    }

    /// Whether expunges are held back from the client.
    pub(in crate::imap) fn holds_back(&self) -> bool {
        !self.ghosts.is_empty()
    }

    /// The version of the mailbox that the view stands on.
    pub(in crate::imap) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// How many messages the client knows.
    pub(in crate::imap) fn len(&self) -> u32 {
        u32::try_from(self.snapshot.len() + self.ghosts.len()).unwrap_or(u32::MAX)
    }

    /// The mod-sequence up to which this client has been told everything (RFC 7162, IMAP-RULES 21).
    pub(in crate::imap) fn highest_mod_seq(&self) -> ModSeq {
        let told = self.floor.unwrap_or(self.snapshot.counts.highest_mod_seq);
        self.untold.map_or(told, |untold| told.min(untold))
    }

    /// The flags that changed after `since` are not told.
    pub(in crate::imap) fn withhold_flags(&mut self, since: ModSeq) {
        self.untold.get_or_insert(since);
    }

    /// The messages whose flags may have changed without the client having been told; it is told now.
    pub(in crate::imap) fn take_untold(&mut self) -> UidSet {
        let Some(since) = self.untold.take() else { return UidSet::default() };
        self.snapshot.changed_after(since).map(|m| m.uid).collect()
    }

    /// Whether flags are withheld from the client.
    pub(in crate::imap) fn withholds_flags(&self) -> bool {
        self.untold.is_some()
    }

    /// Whether a message of `uids` is expunged without this client having been told.
    pub(in crate::imap) fn has_ghost(&self, uids: &UidSet) -> bool {
        self.ghosts.iter().any(|ghost| uids.contains_uid(ghost.uid))
    }

    /// The message with this number.
    pub(in crate::imap) fn by_seq(&self, seq: Seq) -> Option<Entry<'_>> {
        let wanted = seq.value();
        let (mut before, mut end) = (0, self.ghosts.len());
        while before < end {
            let middle = before + (end - before) / 2;
            if self.ghost_seq(middle) < wanted { before = middle + 1 } else { end = middle }
        }
        if let Some(message) = self.ghosts.get(before).filter(|_| self.ghost_seq(before) == wanted) {
            return Some(Entry { seq: wanted, message, ghost: true });
        }
        let message = self.snapshot.get(wanted as usize - before - 1)?;
        Some(Entry { seq: wanted, message, ghost: false })
    }

    /// The number of a message of the present version.
    pub(in crate::imap) fn seq_of(&self, uid: Uid) -> Option<u32> {
        let index = self.snapshot.position(uid).ok()?;
        Some((index + self.ghosts_before(uid) + 1) as u32)
    }

    /// The highest UID the client can name with `*`, 0 when the mailbox is empty.
    pub(in crate::imap) fn highest_uid(&self) -> u32 {
        let last = self.snapshot.len().checked_sub(1).and_then(|i| self.snapshot.get(i)).map_or(0, |m| m.uid.value());
        self.ghosts.last().map_or(last, |ghost| last.max(ghost.uid.value()))
    }

    /// The UIDs that a set names: ranges that cover the named messages and no other message of the view. Sets
    /// of UIDs may name nothing (IMAP-RULES 4); numbers past the end are an error.
    pub(in crate::imap) fn resolve(&self, set: &SequenceSet, uid: bool) -> Result<UidSet, OutOfRange> {
        if uid {
            return Ok(set.resolve(self.highest_uid()));
        }
        let numbers = set.resolve(self.len());
        let SequenceSet::Ranges(ranges) = set else { return Ok(UidSet::default()) };
        let names_star_only_of_empty = numbers.is_empty() && !ranges.is_empty();
        if names_star_only_of_empty || numbers.ranges().last().is_some_and(|(_, high)| *high > self.len()) {
            return Err(OutOfRange);
        }
        Ok(self.uids_of(&numbers))
    }

    /// The UIDs of sequence numbers; numbers past the end name nothing.
    pub(in crate::imap) fn uids_of(&self, numbers: &UidSet) -> UidSet {
        let uid_of = |n: u32| Seq::new(n).and_then(|seq| self.by_seq(seq)).map(|entry| entry.message.uid.value());
        let bounds = numbers.ranges().iter().filter(|(low, _)| *low <= self.len());
        bounds.filter_map(|(low, high)| Some((uid_of(*low)?, uid_of((*high).min(self.len()))?))).collect()
    }

    /// The messages of the view with these UIDs, ascending.
    pub(in crate::imap) fn entries<'v>(&'v self, uids: &'v UidSet) -> impl Iterator<Item = Entry<'v>> + 'v {
        uids.ranges().iter().flat_map(|(low, high)| self.range(*low, *high))
    }

    /// Those of `uids` in the view that changed after `since`. What has no change is passed over.
    pub(in crate::imap) fn changed_since(&self, uids: &UidSet, since: ModSeq) -> UidSet {
        let living: UidSet = self.snapshot.changed_after(since).map(|m| m.uid).collect();
        let ghosts = self.ghosts.iter().filter(|m| m.mod_seq > since).map(|m| (m.uid.value(), m.uid.value()));
        living.ranges().iter().copied().chain(ghosts).collect::<UidSet>().intersection(uids)
    }

    /// The messages of the view from UID `low` to `high`.
    fn range(&self, low: u32, high: u32) -> impl Iterator<Item = Entry<'_>> {
        let first = Uid::new(low.max(1)).unwrap_or(Uid::FIRST);
        let index = self.snapshot.position(first).unwrap_or_else(|at| at);
        let last = Uid::new(high).unwrap_or(first).max(first);
        let mut living = self.snapshot.iter_range(index..usize::MAX).take_while(move |m| m.uid <= last).peekable();
        let ghosts_before = self.ghosts_before(first);
        let mut ghosts = self.ghosts.iter().skip(ghosts_before).take_while(move |m| m.uid <= last).peekable();
        let mut seq = (index + ghosts_before) as u32;
        std::iter::from_fn(move || {
            let ghost = match (living.peek(), ghosts.peek()) {
                (Some(a), Some(b)) => b.uid < a.uid,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            let message = if ghost { ghosts.next()? } else { living.next()? };
            seq += 1;
            Some(Entry { seq, message, ghost })
        })
    }

    fn ghosts_before(&self, uid: Uid) -> usize {
        self.ghosts.partition_point(|ghost| ghost.uid < uid)
    }

    /// The sequence number of a ghost: what the client counts before it is living messages and earlier ghosts.
    fn ghost_seq(&self, index: usize) -> u32 {
        let living = self.ghosts.get(index).map_or(0, |g| self.snapshot.position(g.uid).unwrap_or_else(|at| at));
        (living + index + 1) as u32
    }
}
