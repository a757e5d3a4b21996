//! Contexts (RFC 5267 section 4.3): what searching commands with UPDATE found, kept so that the client can be told what each
//! result gains and loses. Which messages match is decided elsewhere; here is where they stand, and how that is said. No clock,
//! and no input or output but the lines written.
//!
//! What a client that applies every ADDTO and REMOVEFROM has is what the same search would find in the present version.

use super::MailboxView;
use crate::imap::codec::command::{SearchKey, SortCriterion};
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::mail::{Uid, UidSet};

#[cfg(test)]
mod tests;

/// Contexts of one session (RFC 5267 section 4.3.1: at least one).
pub(in crate::imap) const MAX_CONTEXTS: usize = 16;

/// Ranges in one line: below 8,192 octets, as two numbers of a pair may be as long as a range.
const RANGES_A_LINE: usize = 200;

/// What one place in a sorted result takes besides its key.
const PLACE: usize = size_of::<Place>();

/// Why there is no context: the number of contexts, or what they would hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::imap) struct Refused;

/// All contexts of the selected mailbox.
#[derive(Debug)]
pub(in crate::imap) struct Contexts {
    list: Vec<SearchContext>,
    /// Messages that arrived or changed, and were not looked at since.
    changed: UidSet,
    /// Octets that the results may take together.
    room: usize,
}

/// The result of one searching command.
#[derive(Debug)]
pub(in crate::imap) struct SearchContext {
    pub(in crate::imap) tag: Box<[u8]>,
    /// The client speaks of it by UID.
    pub(in crate::imap) uid: bool,
    /// Names messages by UID alone.
    pub(in crate::imap) key: SearchKey,
    /// The highest UID, that `*` stood for when the result was last brought up to date.
    pub(in crate::imap) star: u32,
    found: UidSet,
    /// Of SORT.
    order: Option<Order>,
}

/// The order of a sorted result.
#[derive(Debug)]
struct Order {
    criteria: Vec<SortCriterion>,
    /// Ascending.
    places: Vec<Place>,
    /// What the keys take.
    octets: usize,
}

/// A message in a sorted result. Those that are alike remain in the order of the mailbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::imap) struct Place {
    /// What it is compared by, so that octets compare as the criteria do.
    pub(in crate::imap) key: Box<[u8]>,
    pub(in crate::imap) uid: u32,
}

/// Messages that enter or leave a result in a row, and the context position of the first; position 0 leaves the order to the
/// client (RFC 5267 sections 4.3.3 and 4.3.4).
type Pair = (u32, Vec<u32>);

impl Contexts {
    pub(in crate::imap) fn new(room: usize) -> Self {
        Self { list: Vec::new(), changed: UidSet::default(), room }
    }

    pub(in crate::imap) fn get(&self, index: usize) -> Option<&SearchContext> {
        self.list.get(index)
    }

    pub(in crate::imap) fn get_mut(&mut self, index: usize) -> Option<&mut SearchContext> {
        self.list.get_mut(index)
    }

    pub(in crate::imap) fn has(&self, tag: &[u8]) -> bool {
        self.list.iter().any(|context| *context.tag == *tag)
    }

    pub(in crate::imap) fn add(&mut self, context: SearchContext) -> Result<(), Refused> {
        if self.list.len() >= MAX_CONTEXTS || self.octets().saturating_add(context.octets()) > self.room {
            return Err(Refused);
        }
        self.list.push(context);
        Ok(())
    }

    /// Ends the contexts of these commands; none if one of them has none.
    pub(in crate::imap) fn cancel(&mut self, tags: &[Vec<u8>]) -> Result<(), Refused> {
        if !tags.iter().all(|tag| self.has(tag)) {
            return Err(Refused);
        }
        self.list.retain(|context| tags.iter().all(|tag| **tag != *context.tag));
        Ok(())
    }

    /// Ends one context; its tag.
    pub(in crate::imap) fn drop_at(&mut self, index: usize) -> Option<Box<[u8]>> {
        (index < self.list.len()).then(|| self.list.remove(index).tag)
    }

    /// Whether the results have outgrown their room.
    pub(in crate::imap) fn is_too_large(&self) -> bool {
        self.octets() > self.room
    }

    /// Messages to be looked at again: each context may gain or lose them.
    pub(in crate::imap) fn note(&mut self, uids: impl IntoIterator<Item = Uid>) {
        if !self.list.is_empty() {
            let more = uids.into_iter().map(|uid| (uid.value(), uid.value()));
            self.changed = self.changed.ranges().iter().copied().chain(more).collect();
        }
    }

    /// What has been noted since the last time.
    pub(in crate::imap) fn take_changed(&mut self) -> UidSet {
        std::mem::take(&mut self.changed)
    }

    /// Takes expunged messages out of every result. Said before EXPUNGE, while their numbers are valid (RFC 5267 section 4.3.4);
    /// it may be said where EXPUNGE may not (section 4.3.2).
    pub(in crate::imap) async fn expunged(
        &mut self,
        view: &MailboxView,
        vanished: &UidSet,
        out: &mut Output,
    ) -> std::io::Result<()> {
        for context in &mut self.list {
            context.lose(view, vanished, out).await?;
        }
        Ok(())
    }

    fn octets(&self) -> usize {
        self.list.iter().map(SearchContext::octets).sum()
    }
}

impl SearchContext {
    /// Of SEARCH: the result is in the order of the mailbox.
    pub(in crate::imap) fn searched(tag: &[u8], uid: bool, key: SearchKey, star: u32, found: UidSet) -> Self {
        Self { tag: tag.into(), uid, key, star, found, order: None }
    }

    /// Of SORT.
    pub(in crate::imap) fn sorted(
        tag: &[u8],
        uid: bool,
        key: SearchKey,
        star: u32,
        criteria: Vec<SortCriterion>,
        mut places: Vec<Place>,
    ) -> Self {
        places.sort_unstable();
        let found = places.iter().map(|place| (place.uid, place.uid)).collect();
        let octets = places.iter().map(|place| place.key.len()).sum();
        Self {
            found,
            order: Some(Order { criteria, places, octets }),
            ..Self::searched(tag, uid, key, star, UidSet::default())
        }
    }

    pub(in crate::imap) fn found(&self) -> &UidSet {
        &self.found
    }

    /// How the result is sorted; `None`: as the mailbox.
    pub(in crate::imap) fn criteria(&self) -> Option<&[SortCriterion]> {
        self.order.as_ref().map(|order| order.criteria.as_slice())
    }

    /// Takes messages out of the result, as far as they are in it, and says so.
    pub(in crate::imap) async fn lose(
        &mut self,
        view: &MailboxView,
        uids: &UidSet,
        out: &mut Output,
    ) -> std::io::Result<()> {
        let lost = self.found.intersection(uids);
        if lost.is_empty() {
            return Ok(());
        }
        self.found = self.found.difference(&lost);
        let pairs = match &mut self.order {
            Some(order) => order.remove(&lost),
            None => vec![(0, lost.iter().collect())],
        };
        self.tell("REMOVEFROM", view, pairs, out).await
    }

    /// Puts messages into the result, none of which is in it, and says so. `places` are theirs, of a sorted result.
    pub(in crate::imap) async fn gain(
        &mut self,
        view: &MailboxView,
        uids: &UidSet,
        places: Vec<Place>,
        out: &mut Output,
    ) -> std::io::Result<()> {
        if uids.is_empty() {
            return Ok(());
        }
        self.found = self.found.ranges().iter().chain(uids.ranges()).copied().collect();
        let pairs = match &mut self.order {
            Some(order) => order.insert(places),
            None => vec![(0, uids.iter().collect())],
        };
        self.tell("ADDTO", view, pairs, out).await
    }

    /// `"* ESEARCH" search-correlator [SP "UID"] SP ("ADDTO" / "REMOVEFROM") SP "(" context-position SP sequence-set *(SP
    /// context-position SP sequence-set) ")"`, as many lines as it takes: clients have limits on the length of a line.
    async fn tell(&self, verb: &str, view: &MailboxView, pairs: Vec<Pair>, out: &mut Output) -> std::io::Result<()> {
        // 0: no line is begun.
        let mut ranges_in_line = 0;
        for (mut position, uids) in pairs {
            let numbers: Vec<u32> = uids.iter().map(|uid| self.number(view, *uid)).collect();
            let runs: Vec<&[u32]> = numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b)).collect();
            for runs in runs.chunks(RANGES_A_LINE) {
                if ranges_in_line > 0 && ranges_in_line + runs.len() > RANGES_A_LINE {
                    out.line(")");
                    out.relieve().await?;
                    ranges_in_line = 0;
                }
                if ranges_in_line == 0 {
                    out.push("* ESEARCH (TAG ");
                    write::string(out.buf(), &self.tag);
                    out.push(if self.uid { ") UID " } else { ") " });
                    out.push(format!("{verb} ("));
                } else {
                    out.push(" ");
                }
                write::number(out.buf(), position.into());
                out.push(" ");
                write::number_runs(out.buf(), runs.iter().copied());
                ranges_in_line += runs.len() + 1;
                if position > 0 && verb == "ADDTO" {
                    position += runs.iter().map(|run| run.len() as u32).sum::<u32>();
                }
            }
        }
        if ranges_in_line > 0 {
            out.line(")");
        }
        out.relieve().await
    }

    /// What the client calls the message, which may be expunged and not yet announced.
    fn number(&self, view: &MailboxView, uid: u32) -> u32 {
        if self.uid {
            return uid;
        }
        let one = std::iter::once((uid, uid)).collect();
        view.entries(&one).next().map_or(0, |entry| entry.seq)
    }

    fn octets(&self) -> usize {
        let sorted = self.order.as_ref().map_or(0, |order| order.octets + order.places.len() * PLACE);
        self.key.octets() + size_of_val(self.found.ranges()) + sorted
    }
}

impl Order {
    /// Each position is that before the pair is removed, and after those before it were.
    fn remove(&mut self, lost: &UidSet) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = Vec::new();
        let (mut position, mut in_row, mut octets) = (1, false, 0);
        self.places.retain(|place| {
            let goes = lost.contains(place.uid);
            match pairs.last_mut().filter(|_| goes && in_row) {
                Some((_, row)) => row.push(place.uid),
                None if goes => pairs.push((position, vec![place.uid])),
                None => position += 1,
            }
            octets += if goes { place.key.len() } else { 0 };
            in_row = goes;
            !goes
        });
        self.octets = self.octets.saturating_sub(octets);
        pairs
    }

    /// Each position is the one that the first message of the pair has in the end.
    fn insert(&mut self, mut new: Vec<Place>) -> Vec<Pair> {
        new.sort_unstable();
        self.octets += new.iter().map(|place| place.key.len()).sum::<usize>();
        let total = self.places.len() + new.len();
        let mut olds = std::mem::replace(&mut self.places, Vec::with_capacity(total)).into_iter().peekable();
        let mut pairs: Vec<Pair> = Vec::new();
        for place in new {
            let before = self.places.len();
            while let Some(old) = olds.next_if(|old| *old < place) {
                self.places.push(old);
            }
            let in_row = before == self.places.len();
            match pairs.last_mut().filter(|_| in_row) {
                Some((_, row)) => row.push(place.uid),
                None => pairs.push((self.places.len() as u32 + 1, vec![place.uid])),
            }
            self.places.push(place);
        }
        self.places.extend(olds);
        pairs
    }
}
