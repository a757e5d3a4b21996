//! The scan listing and unique-id listing of a maildrop (RFC 1939 sections 5 and 7), merged by message number.
//!
//! Unique-ids lie in one buffer, since a listing may have millions. A listing that cannot be trusted in part says so:
//! a message whose unique-id is empty, too long or not unique has none.

use super::limits::MAX_EMPTY_LINES;
use super::reply::number;
use super::{Limits, Misbehavior};

/// One message of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Its number in this session, and in no other.
    pub number: u32,
    /// What LIST says; a hint, many servers are wrong.
    pub size: Option<u64>,
    /// Its unique-id, where it has one that identifies it.
    pub unique_id: Option<&'a [u8]>,
}

/// What a maildrop holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    entries: Vec<Entry>,
    ids: Vec<u8>,
    has_unique_ids: bool,
    consistent: bool,
    ids_are_numbers: bool,
    complete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    number: u32,
    size: Option<u64>,
    id: Id,
}

/// Place of a unique-id in the buffer; without length: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Id {
    start: u32,
    len: u32,
}

impl Id {
    const NONE: Self = Self { start: 0, len: 0 };

    fn of(self, ids: &[u8]) -> Option<&[u8]> {
        let start = usize::try_from(self.start).ok()?;
        let id = ids.get(start..start.checked_add(usize::try_from(self.len).ok()?)?)?;
        (!id.is_empty()).then_some(id)
    }
}

impl Listing {
    /// The messages, by number.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> + '_ {
        self.entries.iter().map(|entry| Item {
            number: entry.number,
            size: entry.size,
            unique_id: entry.id.of(&self.ids),
        })
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The listed octets of all messages.
    pub fn octets(&self) -> u64 {
        self.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.size.unwrap_or(0)))
    }

    /// Whether the server answered UIDL.
    pub fn has_unique_ids(&self) -> bool {
        self.has_unique_ids
    }

    /// Whether STAT, UIDL and LIST agree on which messages there are.
    pub fn is_consistent(&self) -> bool {
        self.consistent
    }

    /// Whether every unique-id was just the message's number. Such unique-ids identify nothing, and no message has one.
    ///
    /// A maildrop that counts properly looks the same as long as nothing was ever deleted from it; comparing its messages
    /// costs less than taking the numbers of another for unique-ids.
    pub fn ids_are_numbers(&self) -> bool {
        self.ids_are_numbers
    }

    /// Whether every message is here with a unique-id, by all that the server says: what is not here is gone.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

#[cfg(test)]
impl Listing {
    /// A listing of these lines of UIDL and LIST.
    pub(crate) fn of(uidl: &[&str], list: &[&str]) -> Self {
        let (mut builder, limits) = (ListingBuilder::default(), Limits::default());
        builder.begin_uidl();
        builder.begin_list();
        uidl.iter().for_each(|line| builder.uidl_line(line.as_bytes(), &limits).expect("UIDL"));
        list.iter().for_each(|line| builder.list_line(line.as_bytes(), &limits).expect("LIST"));
        let shown = |line: &&str| line.split(' ').next().map(str::to_owned);
        let numbers: std::collections::BTreeSet<_> = uidl.iter().chain(list).filter_map(shown).collect();
        builder.stat(format!("{} 0", numbers.len()).as_bytes());
        builder.finish(&limits).expect("listing").0
    }
}

/// Gathers the lines of STAT, UIDL and LIST.
#[derive(Debug, Default)]
pub(super) struct ListingBuilder {
    stat: Option<(u32, u64)>,
    uidl: Option<Vec<(u32, Id)>>,
    list: Option<Vec<(u32, Option<u64>)>>,
    empty_lines: u32,
    ids: Vec<u8>,
    /// The first of each kind.
    faults: Vec<Misbehavior>,
    suspect: bool,
}

impl ListingBuilder {
    /// `nn mm` (RFC 1939 section 5).
    pub(super) fn stat(&mut self, text: &[u8]) {
        let mut words = words(text);
        let numbers = (words.next().and_then(number), words.next().and_then(number));
        match numbers {
            (Some(count), Some(octets)) => self.stat = Some((count, octets)),
            _ => self.fault(Misbehavior::MalformedStat),
        }
    }

    pub(super) fn begin_uidl(&mut self) {
        self.uidl = Some(Vec::new());
    }

    pub(super) fn begin_list(&mut self) {
        self.list = Some(Vec::new());
    }

    /// A line of UIDL: number, space, unique-id. The unique-id may hold spaces; what follows it may not.
    pub(super) fn uidl_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), Misbehavior> {
        let line = line.trim_ascii();
        if line.is_empty() {
            self.fault(Misbehavior::EmptyLine);
            return self.count_empty_line();
        }
        let (digits, id) = line.split_at(line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len()));
        let message = message_number(digits).ok_or(Misbehavior::MalformedUidl)?;
        let mut id = id.trim_ascii();
        if id.is_empty() {
            self.fault(Misbehavior::EmptyUniqueId(message));
        } else if id.len() > limits.unique_id {
            self.fault(Misbehavior::UniqueIdTooLong(message));
            id = b"";
        } else if id.iter().any(u8::is_ascii_control) {
            // RFC 1939 section 7 allows 0x21 to 0x7E. Spaces and 8-bit octets are seen and do no harm.
            self.fault(Misbehavior::InvalidUniqueId(message));
            id = b"";
        }
        let place = u32::try_from(self.ids.len()).ok().zip(u32::try_from(id.len()).ok());
        let (start, len) = place.ok_or(Misbehavior::ListingTooLong)?;
        self.ids.extend_from_slice(id);
        let rows = self.uidl.get_or_insert_default();
        rows.push((message, Id { start, len }));
        if rows.len() > limits.listing || self.ids.len() > limits.listing_bytes {
            return Err(Misbehavior::ListingTooLong);
        }
        Ok(())
    }

    /// A line of LIST: number, space, size; servers may add more (RFC 1939 section 5 allows and discourages it). The
    /// size is a hint: one that is no number costs nothing but itself.
    pub(super) fn list_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), Misbehavior> {
        let mut words = words(line);
        let Some(digits) = words.next() else {
            self.fault(Misbehavior::EmptyLine);
            return self.count_empty_line();
        };
        let message = message_number(digits).ok_or(Misbehavior::MalformedList)?;
        let size = words.next().and_then(number);
        if size.is_none() {
            self.fault(Misbehavior::MalformedSize(message));
        }
        let rows = self.list.get_or_insert_default();
        rows.push((message, size));
        if rows.len() > limits.listing { Err(Misbehavior::ListingTooLong) } else { Ok(()) }
    }

    fn fault(&mut self, fault: Misbehavior) {
        if !self.faults.iter().any(|known| known.label() == fault.label()) {
            self.faults.push(fault);
        }
    }

    fn count_empty_line(&mut self) -> Result<(), Misbehavior> {
        self.empty_lines += 1;
        if self.empty_lines > MAX_EMPTY_LINES { Err(Misbehavior::EmptyLine) } else { Ok(()) }
    }

    /// The listing, and what is wrong with it: the first fault of each kind.
    pub(super) fn finish(mut self, limits: &Limits) -> Result<(Listing, Vec<Misbehavior>), Misbehavior> {
        let has_unique_ids = self.uidl.is_some();
        let (uidl, list) = (self.uidl.take(), self.list.take());
        let mut uidl = uidl.unwrap_or_default();
        self.sort(&mut uidl, |ids, a, b| a.of(ids) == b.of(ids));
        let has_sizes = list.is_some();
        let mut list = list.unwrap_or_default();
        self.sort(&mut list, |_, a, b| a == b);
        let mut entries = match (has_unique_ids, has_sizes) {
            (false, false) => self.numbered(limits)?,
            _ => self.merge(&uidl, &list, has_unique_ids, has_sizes),
        };
        drop((uidl, list));
        self.compare_with_stat(&entries);
        let ids_are_numbers = self.drop_numeric_ids(&mut entries);
        self.drop_shared_ids(&mut entries);
        let complete = has_unique_ids && !self.suspect && entries.iter().all(|entry| entry.id != Id::NONE);
        let consistent = !self.suspect;
        Ok((Listing { entries, ids: self.ids, has_unique_ids, ids_are_numbers, consistent, complete }, self.faults))
    }

    /// Without STAT nothing says whether the other two are whole.
    fn compare_with_stat(&mut self, entries: &[Entry]) {
        let count = self.stat.map(|(count, _)| count);
        if count.is_none() {
            self.suspect = true;
        } else if count != u32::try_from(entries.len()).ok() {
            self.fault(Misbehavior::CountMismatch);
            self.suspect = true;
        } else if let Some(last) = entries.last().filter(|last| Some(last.number) != count) {
            self.fault(Misbehavior::NumberBeyondCount(last.number));
            self.suspect = true;
        }
    }

    /// Orders rows by message number. Of a repeated number the first row stays; if they differ, nothing is known of it.
    fn sort<T: Copy>(&mut self, rows: &mut Vec<(u32, T)>, same: impl Fn(&[u8], &T, &T) -> bool) {
        if !rows.is_sorted_by_key(|(number, _)| *number) {
            self.fault(Misbehavior::ListingOutOfOrder);
            rows.sort_by_key(|(number, _)| *number);
        }
        let (mut repeated, mut differs) = (None, false);
        rows.dedup_by(|next, first| {
            let again = next.0 == first.0;
            if again {
                repeated.get_or_insert(first.0);
                differs |= !same(&self.ids, &next.1, &first.1);
            }
            again
        });
        self.suspect |= differs;
        if let Some(number) = repeated {
            self.fault(Misbehavior::RepeatedNumber(number));
        }
    }

    /// One entry for every number that UIDL or LIST shows.
    fn merge(&mut self, uidl: &[(u32, Id)], list: &[(u32, Option<u64>)], has_ids: bool, has_sizes: bool) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(uidl.len().max(list.len()));
        let (mut uidl, mut list) = (uidl.iter().peekable(), list.iter().peekable());
        while let Some(number) = uidl.peek().map(|row| row.0).into_iter().chain(list.peek().map(|row| row.0)).min() {
            let id = uidl.next_if(|row| row.0 == number).map(|row| row.1);
            let size = list.next_if(|row| row.0 == number).map(|row| row.1);
            if has_ids && id.is_none() {
                self.fault(Misbehavior::MissingUniqueId(number));
                self.suspect = true;
            }
            if has_sizes && size.is_none() {
                self.fault(Misbehavior::MissingSize(number));
                self.suspect = true;
            }
            entries.push(Entry { number, size: size.flatten(), id: id.filter(|id| id.len > 0).unwrap_or_default() });
        }
        entries
    }

    /// Neither UIDL nor LIST: STAT says how many there are.
    fn numbered(&self, limits: &Limits) -> Result<Vec<Entry>, Misbehavior> {
        let count = self.stat.map_or(0, |(count, _)| count);
        if usize::try_from(count).is_ok_and(|count| count > limits.listing) {
            return Err(Misbehavior::ListingTooLong);
        }
        Ok((1..=count).map(|number| Entry { number, size: None, id: Id::NONE }).collect())
    }

    /// Unique-ids that are message numbers go: they name another message in the next session.
    fn drop_numeric_ids(&mut self, entries: &mut [Entry]) -> bool {
        let mut with_id = entries.iter().filter_map(|entry| Some((entry.number, entry.id.of(&self.ids)?))).peekable();
        let Some(first) = with_id.peek().map(|(message, _)| *message) else { return false };
        let numeric = with_id.all(|(message, id)| !id.starts_with(b"0") && number(id) == Some(message));
        if numeric {
            entries.iter_mut().for_each(|entry| entry.id = Id::NONE);
            self.fault(Misbehavior::NumericUniqueIds(first));
        }
        numeric
    }

    /// A unique-id that two messages have identifies neither.
    fn drop_shared_ids(&mut self, entries: &mut [Entry]) {
        let with_id = (0_u32..).zip(entries.iter()).filter(|(_, entry)| entry.id != Id::NONE);
        let mut order: Vec<(Id, u32)> = with_id.map(|(index, entry)| (entry.id, index)).collect();
        order.sort_unstable_by(|a, b| a.0.of(&self.ids).cmp(&b.0.of(&self.ids)));
        let mut shared = Vec::new();
        for group in order.chunk_by(|a, b| a.0.of(&self.ids) == b.0.of(&self.ids)).filter(|group| group.len() > 1) {
            shared.extend(group.iter().map(|(_, index)| *index));
        }
        shared.sort_unstable();
        for index in shared {
            if let Some(entry) = usize::try_from(index).ok().and_then(|index| entries.get_mut(index)) {
                entry.id = Id::NONE;
                self.fault(Misbehavior::DuplicateUniqueId(entry.number));
            }
        }
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// RFC 1939 section 5: numbers begin with 1.
fn message_number(digits: &[u8]) -> Option<u32> {
    number(digits).filter(|n| *n > 0)
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
