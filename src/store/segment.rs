//! A stretch of a mailbox: up to 64 blocks. Two versions of a mailbox share the segments that are the same in both, so
//! that a commit makes, and a session compares, what has changed, however large the mailbox is.

use std::iter::Peekable;
use std::sync::Arc;

use super::snapshot::Block;
use crate::mail::{Flags, Message, ModSeq};

/// Blocks a segment covers: `block number >> SEGMENT_SHIFT` is its number.
const SEGMENT_SHIFT: u32 = 6;

/// A block by its number, or that it is no longer there.
pub(super) type Change = (u32, Option<Arc<Block>>);

/// A block in its segment.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) number: u32,
    /// Messages before it in the segment.
    start: u32,
    unseen: u32,
    deleted: u32,
    pub(super) block: Arc<Block>,
}

/// Never empty.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    /// Ascending by number.
    pub(super) blocks: Vec<Placed>,
    /// Messages.
    pub(super) len: u32,
    /// Highest of its blocks.
    pub(super) max_mod_seq: ModSeq,
    /// Messages without \Seen.
    pub(super) unseen: u32,
    /// Messages with \Deleted.
    pub(super) deleted: u32,
}

impl Placed {
    fn new(number: u32, block: Arc<Block>) -> Self {
        let count = |is_counted: fn(&Message) -> bool| {
            u32::try_from(block.messages.iter().filter(|m| is_counted(m)).count()).unwrap_or(u32::MAX)
        };
        let unseen = count(|m| !m.flags.contains(Flags::SEEN));
        let deleted = count(|m| m.flags.contains(Flags::DELETED));
        Self { number, start: 0, unseen, deleted, block }
    }
}

impl Segment {
    /// The segment that the block of this number belongs to.
    pub(super) const fn of(block: u32) -> u32 {
        block >> SEGMENT_SHIFT
    }

    /// The segments of `old` with `changed` blocks, ascending by number, replaced or removed.
    pub(super) fn next(old: &[Arc<Self>], changed: impl Iterator<Item = Change>) -> Vec<Arc<Self>> {
        let mut segments = Vec::with_capacity(old.len() + 1);
        let mut changed = changed.peekable();
        let of_next = |changed: &mut Peekable<_>| changed.peek().map(|(block, _): &Change| Self::of(*block));
        for segment in old {
            while let Some(number) = of_next(&mut changed).filter(|number| *number < segment.number) {
                segments.extend(Self::merge(number, &[], &mut changed));
            }
            if of_next(&mut changed) == Some(segment.number) {
                segments.extend(Self::merge(segment.number, &segment.blocks, &mut changed));
            } else {
                segments.push(Arc::clone(segment));
            }
        }
        while let Some(number) = of_next(&mut changed) {
            segments.extend(Self::merge(number, &[], &mut changed));
        }
        segments
    }

    /// Takes the changes that belong to segment `number`. `None`: nothing is left of it.
    fn merge(number: u32, old: &[Placed], changed: &mut Peekable<impl Iterator<Item = Change>>) -> Option<Arc<Self>> {
        let mut blocks = Vec::with_capacity(1 << SEGMENT_SHIFT);
        let mut old = old.iter().peekable();
        while let Some((block, change)) = changed.next_if(|(block, _)| Self::of(*block) == number) {
            while let Some(same) = old.next_if(|placed| placed.number < block) {
                blocks.push(same.clone());
            }
            old.next_if(|placed| placed.number == block);
            blocks.extend(change.map(|change| Placed::new(block, change)));
        }
        blocks.extend(old.cloned());
        let mut segment = Self { number, blocks, len: 0, max_mod_seq: ModSeq::default(), unseen: 0, deleted: 0 };
        for placed in &mut segment.blocks {
            placed.start = segment.len;
            segment.len += u32::try_from(placed.block.messages.len()).unwrap_or(u32::MAX);
            segment.max_mod_seq = segment.max_mod_seq.max(placed.block.max_mod_seq);
            segment.unseen += placed.unseen;
            segment.deleted += placed.deleted;
        }
        (!segment.blocks.is_empty()).then(|| Arc::new(segment))
    }

    /// Which block has message `index` of the segment, and how many come before that block.
    pub(super) fn locate(&self, index: u32) -> (usize, u32) {
        let at = self.blocks.partition_point(|placed| placed.start <= index).saturating_sub(1);
        (at, self.blocks.get(at).map_or(0, |placed| placed.start))
    }

    /// Block `number`, with how many messages of the segment come before it; else how many come before where it would
    /// stand.
    pub(super) fn find(&self, number: u32) -> Result<(&Block, u32), u32> {
        let at = self.blocks.partition_point(|placed| placed.number < number);
        match self.blocks.get(at) {
            Some(placed) if placed.number == number => Ok((&placed.block, placed.start)),
            Some(placed) => Err(placed.start),
            None => Err(self.len),
        }
    }

    /// Index of the first message without \Seen.
    pub(super) fn first_unseen(&self) -> Option<u32> {
        let placed = self.blocks.iter().find(|placed| placed.unseen > 0)?;
        let at = placed.block.messages.iter().position(|m| !m.flags.contains(Flags::SEEN))?;
        Some(placed.start + u32::try_from(at).ok()?)
    }

    /// Messages with \Deleted.
    pub(super) fn deleted(&self) -> impl Iterator<Item = &Message> {
        let blocks = self.blocks.iter().filter(|placed| placed.deleted > 0);
        blocks.flat_map(|placed| &placed.block.messages).filter(|m| m.flags.contains(Flags::DELETED))
    }
}
