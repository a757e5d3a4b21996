//! Versions of a mailbox: immutable, shared by every session that shows it, and the difference of two.

use std::collections::BTreeMap;
use std::iter::{once, repeat};
use std::sync::Arc;
use std::time::Instant;

use super::segment::{Placed, Segment};
use super::types::Counts;
use crate::mail::{Keyword, MailboxId, Message, ModSeq, Uid, UidSet, UidValidity};

/// UIDs a block covers: `uid >> BLOCK_SHIFT` is its number.
pub(super) const BLOCK_SHIFT: u32 = 6;

/// Rows of up to 64 UIDs, decoded; never empty within a [`Snapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The highest mod-sequence of its rows, or a higher one that its mailbox has had.
    pub max_mod_seq: ModSeq,
    /// The rows, ascending by UID.
    pub messages: Vec<Message>,
}

impl Block {
    fn number(&self) -> u32 {
        self.messages.first().map_or(0, |m| m.uid.value() >> BLOCK_SHIFT)
    }

    /// Whether two versions of a block hold the same. With as many rows as before, a later one that differs has a row
    /// that was changed or appended since: with a mod-sequence higher than any before.
    fn is_same(&self, other: &Self) -> bool {
        self.max_mod_seq == other.max_mod_seq && self.messages.len() == other.messages.len()
    }
}

/// One version of a mailbox, immutable and shared by all sessions that show it: its messages by UID.
#[derive(Debug)]
pub struct Snapshot {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Its counters in this version.
    pub counts: Counts,
    /// The user's keyword table: bit n of a `KeywordSet` is row n.
    pub keywords: Arc<Vec<Keyword>>,
    segments: Vec<Arc<Segment>>,
    /// Number of messages before each segment.
    starts: Vec<u32>,
    /// When this version was made known: the commit, for versions that the writer made.
    pub committed_at: Instant,
}

/// What happened to a mailbox between two versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// UIDs expunged.
    pub vanished: UidSet,
    /// UIDs whose flags or keywords changed, ascending.
    pub changed: Vec<Uid>,
    /// UIDs that arrived, ascending.
    pub appended: Vec<Uid>,
}

impl Delta {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.vanished.is_empty() && self.changed.is_empty() && self.appended.is_empty()
    }
}

impl Snapshot {
    pub(super) fn new(
        mailbox: MailboxId,
        uid_validity: UidValidity,
        counts: Counts,
        keywords: Arc<Vec<Keyword>>,
        blocks: Vec<Arc<Block>>,
    ) -> Self {
        let blocks = blocks.into_iter().map(|block| (block.number(), Some(block)));
        Self::of(mailbox, uid_validity, counts, keywords, Segment::next(&[], blocks))
    }

    fn of(
        mailbox: MailboxId,
        uid_validity: UidValidity,
        counts: Counts,
        keywords: Arc<Vec<Keyword>>,
        segments: Vec<Arc<Segment>>,
    ) -> Self {
        let mut before = 0;
        let mut starts = Vec::with_capacity(segments.len());
        for segment in &segments {
            starts.push(before);
            before += segment.len;
        }
        Self { mailbox, uid_validity, counts, keywords, segments, starts, committed_at: Instant::now() }
    }

    /// The next version: `changed` blocks by number replaced, or removed where `None`.
    pub(super) fn next(
        &self,
        counts: Counts,
        keywords: &[Keyword],
        changed: BTreeMap<u32, Option<Arc<Block>>>,
    ) -> Self {
        // Rows are only ever added to the table, so one that is not longer has nothing new.
        let keywords = if keywords.len() <= self.keywords.len() {
            Arc::clone(&self.keywords)
        } else {
            Arc::new(keywords.to_vec())
        };
        let segments = Segment::next(&self.segments, changed.into_iter());
        Self::of(self.mailbox, self.uid_validity, counts, keywords, segments)
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        let last = self.segments.last().map_or(0, |segment| segment.len);
        self.starts.last().map_or(0, |start| (start + last) as usize)
    }

    /// Whether it has no message.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Segment and block of the message at `index`, and how many messages come before the block.
    fn locate(&self, index: usize) -> Option<(usize, usize, usize)> {
        let at = self.starts.partition_point(|start| *start as usize <= index).checked_sub(1)?;
        let start = *self.starts.get(at)? as usize;
        let (block, before) = self.segments.get(at)?.locate(u32::try_from(index - start).ok()?);
        Some((at, block, start + before as usize))
    }

    /// The message at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<&Message> {
        let (segment, block, start) = self.locate(index)?;
        self.segments.get(segment)?.blocks.get(block)?.block.messages.get(index - start)
    }

    /// Index of the message with this UID, or else where it would stand.
    pub fn position(&self, uid: Uid) -> Result<usize, usize> {
        let number = uid.value() >> BLOCK_SHIFT;
        let at = self.segments.partition_point(|segment| segment.number < Segment::of(number));
        let (Some(segment), Some(start)) = (self.segments.get(at), self.starts.get(at)) else {
            return Err(self.len());
        };
        let index = |before: u32, at: usize| (*start + before) as usize + at;
        if segment.number > Segment::of(number) {
            return Err(index(0, 0));
        }
        let (block, before) = segment.find(number).map_err(|before| index(before, 0))?;
        let found = block.messages.binary_search_by_key(&uid, |m| m.uid);
        found.map(|at| index(before, at)).map_err(|at| index(before, at))
    }

    /// The message with this UID.
    pub fn find(&self, uid: Uid) -> Option<&Message> {
        self.position(uid).ok().and_then(|index| self.get(index))
    }

    /// The blocks, ascending.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = &Block> + '_ {
        self.segments.iter().flat_map(|segment| segment.blocks.iter().map(|placed| &*placed.block))
    }

    /// Every message, ascending by UID.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> + '_ {
        self.blocks().flat_map(|block| block.messages.iter())
    }

    /// The messages at `range`, counted from 0.
    pub fn iter_range(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = &Message> + '_ {
        let (segment, block, start) = self.locate(range.start).unwrap_or((self.segments.len(), 0, 0));
        let segments = self.segments.get(segment..).unwrap_or_default().iter().zip(once(block).chain(repeat(0)));
        let blocks = segments.flat_map(|(segment, from)| segment.blocks.get(from..).unwrap_or_default());
        let messages = blocks.flat_map(|placed| placed.block.messages.iter());
        messages.skip(range.start.saturating_sub(start)).take(range.len())
    }

    /// The messages whose mod-sequence is higher than `since`, ascending by UID. What has none is passed over.
    pub fn changed_after(&self, since: ModSeq) -> impl Iterator<Item = &Message> + '_ {
        let segments = self.segments.iter().filter(move |segment| segment.max_mod_seq > since);
        let blocks =
            segments.flat_map(|segment| &segment.blocks).filter(move |placed| placed.block.max_mod_seq > since);
        blocks.flat_map(|placed| placed.block.messages.iter()).filter(move |m| m.mod_seq > since)
    }

    /// Index of the first message without \Seen.
    pub fn first_unseen(&self) -> Option<usize> {
        let found = self.segments.iter().zip(&self.starts).find(|(segment, _)| segment.unseen > 0)?;
        let (segment, start) = found;
        segment.first_unseen().map(|index| (start + index) as usize)
    }

    /// The messages with \Deleted.
    pub fn deleted(&self) -> UidSet {
        let segments = self.segments.iter().filter(|segment| segment.deleted > 0);
        segments.flat_map(|segment| segment.deleted()).map(|m| m.uid).collect()
    }

    /// What changed from `old`, an earlier version of the same mailbox, to `self`. Skips what both share.
    pub fn diff(&self, old: &Self) -> Delta {
        let mut delta = Delta::default();
        let mut olds = old.segments.iter().peekable();
        for new in &self.segments {
            while let Some(gone) = olds.next_if(|segment| segment.number < new.number) {
                delta.compare_blocks(&gone.blocks, &[]);
            }
            match olds.next_if(|segment| segment.number == new.number) {
                Some(same) if Arc::ptr_eq(same, new) => {}
                Some(other) => delta.compare_blocks(&other.blocks, &new.blocks),
                None => delta.compare_blocks(&[], &new.blocks),
            }
        }
        for gone in olds {
            delta.compare_blocks(&gone.blocks, &[]);
        }
        delta
    }
}

impl Delta {
    fn compare_blocks(&mut self, old: &[Placed], new: &[Placed]) {
        let mut olds = old.iter().peekable();
        for new in new {
            while let Some(gone) = olds.next_if(|placed| placed.number < new.number) {
                self.all_vanished(&gone.block.messages);
            }
            match olds.next_if(|placed| placed.number == new.number) {
                Some(same) if Arc::ptr_eq(&same.block, &new.block) || same.block.is_same(&new.block) => {}
                Some(other) => self.compare(&other.block.messages, &new.block.messages),
                None => self.appended.extend(new.block.messages.iter().map(|m| m.uid)),
            }
        }
        for gone in olds {
            self.all_vanished(&gone.block.messages);
        }
    }

    fn all_vanished(&mut self, messages: &[Message]) {
        for message in messages {
            self.vanished.insert(message.uid.value());
        }
    }

    fn compare(&mut self, old: &[Message], new: &[Message]) {
        let mut olds = old.iter().peekable();
        for message in new {
            while let Some(gone) = olds.next_if(|o| o.uid < message.uid) {
                self.vanished.insert(gone.uid.value());
            }
            match olds.next_if(|o| o.uid == message.uid) {
                Some(before) if before.mod_seq != message.mod_seq => self.changed.push(message.uid),
                Some(_) => {}
                None => self.appended.push(message.uid),
            }
        }
        for gone in olds {
            self.vanished.insert(gone.uid.value());
        }
    }
}
