//! What the ledger knows of messages whose unique-id does not tell who they are: recognised by their header before they are
//! fetched, or by their content after.

use std::collections::{HashMap, HashSet};

use super::plan::{Ledger, is_missing, is_synthetic};
use super::policy::{Policy, Wish};
use crate::ingest::Prepared;
use crate::pop3::Listing;
use crate::store::{self, LedgerState};

/// What TOP and LIST tell of a message: the hash of its header and its size.
pub(super) type HeaderKey = ([u8; 16], u64);

/// A row that may be of a message listed under another name, or under none.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) key: Vec<u8>,
    pub(super) wish: Option<Wish>,
    listed_size: u64,
    stored_at: i64,
}

impl Candidate {
    /// Whether only what TOP and LIST said of it is known, and no more was to be had.
    pub(super) fn is_header_only(&self) -> bool {
        self.key.first() == Some(&2)
    }
}

/// How a message was recognised after it was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Content,
    Header,
}

/// All such rows. One that takes a new unique-id stands for no other message.
#[derive(Debug, Default)]
pub(super) struct Known {
    rows: Vec<Option<Candidate>>,
    by_header: HashMap<HeaderKey, Vec<usize>>,
    by_content: HashMap<[u8; 16], Vec<usize>>,
    /// Rows of messages stored by their content.
    contents: HashMap<Vec<u8>, usize>,
    /// Skipped messages of which only the size was looked at.
    by_size: HashMap<u64, Vec<usize>>,
    /// The server may have given its messages new unique-ids.
    reset: bool,
}

impl Known {
    pub(super) fn new(ledger: &Ledger, listing: &Listing, reset: bool, policy: Policy<'_>) -> Self {
        let mut known = Self { reset, ..Self::default() };
        let nameless = listing.iter().any(|item| item.unique_id.is_none());
        let listed: HashSet<&[u8]> = listing.iter().filter_map(|item| item.unique_id).collect();
        for (key, row) in ledger {
            if !is_missing(key, &listed) && !is_synthetic(key) {
                continue;
            }
            let skipped = row.state == LedgerState::Skipped;
            if skipped && policy.fetch_skipped {
                continue;
            }
            let index = known.rows.len();
            if !(reset || nameless || is_synthetic(key)) {
                // One message may have a new unique-id as well: its content tells.
            } else if row.header_hash == [0; 16] {
                known.by_size.entry(row.listed_size).or_default().push(index);
            } else {
                known.by_header.entry((row.header_hash, row.listed_size)).or_default().push(index);
            }
            if key.first() == Some(&0) {
                known.contents.insert(key.clone(), index);
            } else if row.content != [0; 16] {
                known.by_content.entry(row.content).or_default().push(index);
            }
            known.rows.push(Some(Candidate {
                key: key.clone(),
                wish: policy.wish(row, None),
                listed_size: row.listed_size,
                stored_at: row.stored_at,
            }));
        }
        known
    }

    /// Rows with this header and size, those with a unique-id first: they stand for messages that had one. Without a Message-ID a header tells too little of what was stored.
    pub(super) fn with_header(&self, key: HeaderKey, has_message_id: bool) -> Vec<usize> {
        let fits = |index: &usize| self.get(*index).is_some_and(|row| has_message_id || row.is_header_only());
        let mut rows: Vec<usize> = self.by_header.get(&key).into_iter().flatten().copied().filter(fits).collect();
        rows.sort_by_key(|index| self.get(*index).is_some_and(|row| is_synthetic(&row.key)));
        rows
    }

    /// Skipped rows of this size, of messages that were there when this one was.
    pub(super) fn skipped_with_size(&self, size: u64, received: Option<i64>) -> Vec<usize> {
        let fits = |index: &usize| self.get(*index).is_some_and(|row| received.is_some_and(|at| at < row.stored_at));
        self.by_size.get(&size).into_iter().flatten().copied().filter(fits).collect()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Candidate> {
        self.rows.get(index)?.as_ref()
    }

    pub(super) fn take(&mut self, index: usize) -> Option<Candidate> {
        self.rows.get_mut(index)?.take()
    }

    /// The row of a message that was fetched whole. Its header counts only with a Message-ID.
    pub(super) fn find(&mut self, message: &Fetched<'_>) -> Option<(Candidate, Match)> {
        let hash = message.prepared.body.hash();
        let content = store::content_key(&hash);
        let nameless = self.contents.get(&content).map(|index| (*index, Match::Content));
        let same = self.by_content.get(&store::half(&hash)).into_iter().flatten();
        let named = same.copied().map(|index| (index, Match::Header));
        // Each takes what is most like it, so that it leaves the other to one that looks the same.
        let rows: Vec<_> = if message.has_unique_id {
            named.chain(nameless).collect()
        } else {
            nameless.into_iter().chain(named).collect()
        };
        if let Some((index, how)) = rows.into_iter().find(|(index, _)| self.get(*index).is_some()) {
            return Some((self.claim(index, message.has_unique_id)?, how));
        }
        if message.has_unique_id && !self.reset {
            return None;
        }
        if message.by_content_only || message.reused || !message.prepared.has_message_id {
            return None;
        }
        let rows = self.by_header.get(&(message.prepared.header_hash, message.listed_size))?;
        let index = rows.iter().copied().find(|index| self.get(*index).is_some())?;
        Some((self.claim(index, message.has_unique_id)?, Match::Header))
    }

    fn claim(&mut self, index: usize, for_good: bool) -> Option<Candidate> {
        if for_good { self.take(index) } else { self.get(index).cloned() }
    }
}

/// A message that was fetched whole.
#[derive(Debug)]
pub(super) struct Fetched<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) listed_size: u64,
    pub(super) has_unique_id: bool,
    /// Others have its header and size.
    pub(super) by_content_only: bool,
    /// Its unique-id is that of another message.
    pub(super) reused: bool,
}

impl Candidate {
    /// Whether LIST gives another size than before for a message stored by its content.
    pub(super) fn is_resized(&self, listed_size: u64) -> bool {
        self.key.first() == Some(&0) && self.listed_size != listed_size
    }
}

#[cfg(test)]
impl Known {
    /// The keys that are left, sorted.
    pub(super) fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = self.rows.iter().flatten().map(|row| row.key.clone()).collect();
        keys.sort();
        keys
    }
}
