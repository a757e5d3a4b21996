//! Decides what the headers that TOP brought mean. Pure. A header that fits nothing only means that the message is fetched.

use std::collections::{HashMap, HashSet};

use super::known::{HeaderKey, Known};
use super::plan::{Claim, Comparison, Deletion, Question, Target};
use super::policy::{Sight, Wish};
use crate::mime;
use crate::store::{self, LedgerChange};

/// What TOP told of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) hash: [u8; 16],
    pub(super) has_message_id: bool,
    /// Seconds since 1970.
    pub(super) received: Option<i64>,
}

impl Facts {
    pub(super) fn of(header: &[u8]) -> Self {
        let mut scanner = mime::Scanner::new(mime::Limits::default());
        let mut text = Vec::new();
        scanner.feed(header, &mut text);
        let structure = scanner.finish(&mut text);
        Self {
            hash: mime::header_hash(header),
            has_message_id: structure.envelope.message_id.is_some(),
            received: structure.received.map(|(unix, _)| unix),
        }
    }
}

/// A message to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Retrieval {
    pub(super) target: Target,
    /// Its unique-id is that of a stored message, which it does not seem to be.
    pub(super) reused: bool,
    /// What the policy wants if it is the stored one after all.
    pub(super) wish: Option<Wish>,
    /// Others have its header and size: only its content tells who it is.
    pub(super) by_content_only: bool,
    /// It is stored, and fetched only because the server deletes nothing else.
    pub(super) discard: Option<Wish>,
}

impl From<Target> for Retrieval {
    fn from(target: Target) -> Self {
        Self { target, ..Self::default() }
    }
}

/// What the comparisons came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Resolution {
    pub(super) retrieve: Vec<Retrieval>,
    pub(super) delete: Vec<Deletion>,
    pub(super) changes: Vec<LedgerChange>,
    /// Messages that have taken the row of another unique-id.
    pub(super) adopted: u64,
    /// Unique-ids that are listed although the server deleted their messages.
    pub(super) undead: Vec<Vec<u8>>,
    /// Headers and sizes that more messages have than rows, with how many: settled once all were fetched.
    pub(super) ambiguous: Vec<(HeaderKey, usize)>,
    /// `first_poll` could not be followed.
    pub(super) first_poll_impossible: bool,
    /// How many messages with a row of another size are still the message of the row, and how many are not.
    pub(super) same: usize,
    pub(super) other: usize,
}

/// A comparison, and its answer if TOP gave one.
pub(super) type Answer = (Comparison, Option<Facts>);

/// Decides about all of them at once: whether a header identifies a message depends on how many have it.
pub(super) fn resolve(answers: Vec<Answer>, known: &mut Known, settled: &HashSet<(HeaderKey, usize)>) -> Resolution {
    let mut resolution = Resolution::default();
    let mut groups: HashMap<HeaderKey, Vec<(Target, Sight, Facts)>> = HashMap::new();
    for (Comparison { target, question }, facts) in answers {
        match (question, facts) {
            (Question::Row(claim), facts) => resolution.claimed(target, &claim, facts),
            (Question::Unknown(sight), None) => {
                resolution.first_poll_impossible |= sight != Sight::Fetch;
                resolution.retrieve.push(target.into());
            }
            (Question::Unknown(sight), Some(facts)) => {
                groups.entry((facts.hash, target.listed_size())).or_default().push((target, sight, facts));
            }
        }
    }
    for (key, group) in groups {
        resolution.group(key, group, known, settled);
    }
    resolution.retrieve.sort_by_key(|retrieval| retrieval.target.order());
    resolution.delete.sort_by_key(|deletion| deletion.target.number);
    resolution
}

impl Resolution {
    /// A message whose unique-id has a row.
    fn claimed(&mut self, target: Target, claim: &Claim, facts: Option<Facts>) {
        let unseen = claim.header_hash == [0; 16];
        let is_same = match facts {
            None => !claim.resized && !claim.undead,
            // Skipped unseen: it was there before it was skipped.
            Some(facts) if unseen => facts.received.is_some_and(|at| at < claim.stored_at),
            Some(facts) => facts.hash == claim.header_hash,
        };
        if claim.resized {
            *(if is_same { &mut self.same } else { &mut self.other }) += 1;
        }
        if !is_same {
            let (reused, wish) = (!claim.skipped, claim.wish);
            return self.retrieve.push(Retrieval { target, reused, wish, ..Retrieval::default() });
        }
        if let Some(unique_id) = &target.unique_id {
            if claim.resized {
                self.changes.push(LedgerChange::Resize(unique_id.clone(), target.listed_size()));
            }
            if claim.undead {
                self.undead.push(unique_id.clone());
            }
        }
        if let Some(wish) = claim.wish {
            self.delete.push(Deletion { target, wish, header_hash: claim.header_hash });
        }
    }

    /// Messages with the same header and size.
    fn group(
        &mut self,
        key: HeaderKey,
        mut group: Vec<(Target, Sight, Facts)>,
        known: &mut Known,
        settled: &HashSet<(HeaderKey, usize)>,
    ) {
        // Those with a unique-id take their rows first.
        group.sort_by_key(|(target, ..)| (target.unique_id.is_none(), target.number));
        let first = group.first().map(|(_, _, facts)| *facts);
        let has_message_id = first.is_some_and(|facts| facts.has_message_id);
        let mut rows = known.with_header(key, has_message_id);
        if rows.is_empty() {
            rows = known.skipped_with_size(key.1, first.and_then(|facts| facts.received));
        }
        let count = group.len();
        let nameless = group.iter().all(|(target, ..)| target.unique_id.is_none());
        let is_settled = nameless && has_message_id && settled.contains(&(key, count));
        if rows.is_empty() {
            let alike = count > 1;
            group.into_iter().for_each(|(target, sight, facts)| self.new_message(target, sight, facts, alike));
        } else if count <= rows.len() || is_settled {
            let (mut rows, mut last) = (rows.into_iter(), None);
            for (target, ..) in group {
                last = rows.next().or(last);
                self.recognised(target, last, known);
            }
        } else {
            if nameless {
                self.ambiguous.push((key, count));
            }
            let fetched = group.into_iter().map(|(target, ..)| Retrieval {
                target,
                by_content_only: true,
                ..Retrieval::default()
            });
            self.retrieve.extend(fetched);
        }
    }

    /// The message is that of another row.
    fn recognised(&mut self, target: Target, index: Option<usize>, known: &mut Known) {
        let Some(row) = index.and_then(|index| known.get(index).cloned()) else {
            return self.retrieve.push(target.into());
        };
        if let Some(unique_id) = &target.unique_id {
            let _ = index.and_then(|index| known.take(index));
            self.changes.push(LedgerChange::Adopt { from: row.key, to: unique_id.clone() });
            self.adopted += 1;
        }
        // What the brake might hold waits for the next session, which counts all of it.
        if let Some(wish) = row.wish.filter(|wish| wish.confirmed || target.unique_id.is_none()) {
            self.delete.push(Deletion { target, wish, header_hash: [0; 16] });
        }
    }

    /// The message is not known. `alike`: another one looks the same.
    fn new_message(&mut self, target: Target, sight: Sight, facts: Facts, alike: bool) {
        let skipped = match sight {
            Sight::Fetch => false,
            Sight::Skip => !alike || target.unique_id.is_some(),
            Sight::SkipBefore(time) => {
                facts.received.is_some_and(|at| at < time) && (!alike || target.unique_id.is_some())
            }
        };
        if !skipped {
            return self.retrieve.push(target.into());
        }
        let listed_size = target.listed_size();
        let unique_id = target.unique_id.unwrap_or_else(|| store::header_key(&facts.hash, listed_size));
        self.changes.push(LedgerChange::Skip { unique_id, listed_size, header_hash: facts.hash });
    }
}
