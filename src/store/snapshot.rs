//! Versions of a mailbox: immutable, shared by every session that shows it, and the difference of two.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::types::Counts;
use crate::mail::{Keyword, MailboxId, Message, ModSeq, Uid, UidSet, UidValidity};

/// UIDs a block covers: `uid >> BLOCK_SHIFT` is its number.
pub(super) const BLOCK_SHIFT: u32 = 6;

/// Rows of up to 64 UIDs, decoded; never empty within a [`Snapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Highest mod-sequence of its rows and of the expunges from it.
    pub max_mod_seq: ModSeq,
    /// The rows, ascending by UID.
    pub messages: Vec<Message>,
}

impl Block {
    fn number(&self) -> u32 {
        self.messages.first().map_or(0, |m| m.uid.value() >> BLOCK_SHIFT)
    }

    /// Whether two blocks of the same UIDs hold the same: expunge raises `max_mod_seq` as well.
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
    /// The rows.
    pub blocks: Vec<Arc<Block>>,
    /// Number of messages before each block.
    pub starts: Vec<u32>,
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
        let mut before = 0;
        let starts = blocks
            .iter()
            .map(|block| {
                let start = before;
                before += u32::try_from(block.messages.len()).unwrap_or(u32::MAX);
                start
            })
            .collect();
        Self { mailbox, uid_validity, counts, keywords, blocks, starts, committed_at: Instant::now() }
    }

    /// The next version: `changed` blocks by number replaced, or removed where `None`.
    pub(super) fn next(
        &self,
        counts: Counts,
        keywords: &[Keyword],
        changed: BTreeMap<u32, Option<Arc<Block>>>,
    ) -> Self {
        let mut blocks = Vec::with_capacity(self.blocks.len() + changed.len());
        let mut changed = changed.into_iter().peekable();
        for old in &self.blocks {
            let number = old.number();
            while let Some((_, block)) = changed.next_if(|(n, _)| *n < number) {
                blocks.extend(block);
            }
            match changed.next_if(|(n, _)| *n == number) {
                Some((_, block)) => blocks.extend(block),
                None => blocks.push(Arc::clone(old)),
            }
        }
        blocks.extend(changed.filter_map(|(_, block)| block));
        // Rows are only ever added to the table, so one that is not longer has nothing new.
        let keywords = if keywords.len() <= self.keywords.len() {
            Arc::clone(&self.keywords)
        } else {
            Arc::new(keywords.to_vec())
        };
        Self::new(self.mailbox, self.uid_validity, counts, keywords, blocks)
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        let last = self.blocks.last().map_or(0, |block| block.messages.len());
        self.starts.last().map_or(0, |start| *start as usize) + last
    }

    /// Whether it has no message.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The message at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<&Message> {
        let block = self.starts.partition_point(|start| *start as usize <= index).checked_sub(1)?;
        self.blocks.get(block)?.messages.get(index - *self.starts.get(block)? as usize)
    }

    /// Index of the message with this UID, or else where it would stand.
    pub fn position(&self, uid: Uid) -> Result<usize, usize> {
        let number = uid.value() >> BLOCK_SHIFT;
        let at = self.blocks.partition_point(|block| block.number() < number);
        match (self.blocks.get(at), self.starts.get(at)) {
            (Some(block), Some(start)) if block.number() == number => block
                .messages
                .binary_search_by_key(&uid, |m| m.uid)
                .map(|i| i + *start as usize)
                .map_err(|i| i + *start as usize),
            (Some(_), Some(start)) => Err(*start as usize),
            _ => Err(self.len()),
        }
    }

    /// The message with this UID.
    pub fn find(&self, uid: Uid) -> Option<&Message> {
        self.position(uid).ok().and_then(|index| self.get(index))
    }

    /// Every message, ascending by UID.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> + '_ {
        self.blocks.iter().flat_map(|block| block.messages.iter())
    }

    /// The messages at `range`, counted from 0.
    pub fn iter_range(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = &Message> + '_ {
        let first = self.starts.partition_point(|start| *start as usize <= range.start).saturating_sub(1);
        let skipped = self.starts.get(first).map_or(0, |start| *start as usize);
        let messages = self.blocks.get(first..).unwrap_or_default().iter().flat_map(|block| block.messages.iter());
        messages.skip(range.start.saturating_sub(skipped)).take(range.len())
    }

    /// What changed from `old`, an earlier version of the same mailbox, to `self`. Skips what both share.
    pub fn diff(&self, old: &Self) -> Delta {
        let mut delta = Delta::default();
        let mut olds = old.blocks.iter().peekable();
        for new in &self.blocks {
            let number = new.number();
            while let Some(gone) = olds.next_if(|block| block.number() < number) {
                delta.all_vanished(&gone.messages);
            }
            match olds.next_if(|block| block.number() == number) {
                Some(same) if Arc::ptr_eq(same, new) || same.is_same(new) => {}
                Some(other) => delta.compare(&other.messages, &new.messages),
                None => delta.appended.extend(new.messages.iter().map(|m| m.uid)),
            }
        }
        for gone in olds {
            delta.all_vanished(&gone.messages);
        }
        delta
    }
}

impl Delta {
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
