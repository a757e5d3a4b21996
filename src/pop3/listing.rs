//! The scan listing and unique-id listing of a maildrop (RFC 1939 sections 5 and 7), merged by message number.
//!
//! Unique-ids lie in one buffer, since a listing may have millions. A listing that cannot be trusted in part says so:
//! a message whose unique-id is empty, too long or not unique has none.

use std::ops::Range;

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
    complete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    number: u32,
    size: Option<u64>,
    id: Option<Id>,
}

/// Place of a unique-id in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id {
    start: usize,
    len: usize,
}

impl Id {
    const fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

impl Listing {
    /// The messages, by number.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> + '_ {
        self.entries.iter().map(|entry| Item {
            number: entry.number,
            size: entry.size,
            unique_id: entry.id.and_then(|id| self.ids.get(id.range())),
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
        builder.finish(&limits).expect("listing").0
    }
}

/// Gathers the lines of STAT, UIDL and LIST.
#[derive(Debug, Default)]
pub(super) struct ListingBuilder {
    stat: Option<(u32, u64)>,
    uidl: Option<Vec<(u32, Id)>>,
    list: Option<Vec<(u32, u64)>>,
    ids: Vec<u8>,
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
            _ => self.faults.push(Misbehavior::MalformedStat),
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
        let (digits, id) = line.split_at(line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len()));
        let message = message_number(digits).ok_or(Misbehavior::MalformedUidl)?;
        let mut id = id.trim_ascii();
        if id.is_empty() {
            self.faults.push(Misbehavior::EmptyUniqueId(message));
        } else if id.len() > limits.unique_id {
            self.faults.push(Misbehavior::UniqueIdTooLong(message));
            id = b"";
        } else if id.iter().any(u8::is_ascii_control) {
            // RFC 1939 section 7 allows 0x21 to 0x7E. Spaces and 8-bit octets are seen and do no harm.
            self.faults.push(Misbehavior::InvalidUniqueId(message));
            id = b"";
        }
        let place = Id { start: self.ids.len(), len: id.len() };
        self.ids.extend_from_slice(id);
        let rows = self.uidl.get_or_insert_default();
        rows.push((message, place));
        if rows.len() > limits.listing || self.ids.len() > limits.listing_bytes {
            return Err(Misbehavior::ListingTooLong);
        }
        Ok(())
    }

    /// A line of LIST: number, space, size; servers may add more (RFC 1939 section 5 allows and discourages it).
    pub(super) fn list_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), Misbehavior> {
        let mut words = words(line);
        let message = words.next().and_then(message_number).ok_or(Misbehavior::MalformedList)?;
        let size = words.next().and_then(number).ok_or(Misbehavior::MalformedList)?;
        let rows = self.list.get_or_insert_default();
        rows.push((message, size));
        if rows.len() > limits.listing { Err(Misbehavior::ListingTooLong) } else { Ok(()) }
    }

    /// The listing, and what is wrong with it.
    pub(super) fn finish(mut self, limits: &Limits) -> Result<(Listing, Vec<Misbehavior>), Misbehavior> {
        let has_unique_ids = self.uidl.is_some();
        let (uidl, list) = (self.uidl.take(), self.list.take());
        let mut uidl = uidl.unwrap_or_default();
        self.sort(&mut uidl, |ids, a, b| ids.get(a.range()) == ids.get(b.range()));
        let has_sizes = list.is_some();
        let mut list = list.unwrap_or_default();
        self.sort(&mut list, |_, a, b| a == b);
        let mut entries = match (has_unique_ids, has_sizes) {
            (false, false) => self.numbered(limits)?,
            _ => self.merge(&uidl, &list, has_unique_ids, has_sizes),
        };
        if self.stat.is_some_and(|(count, _)| usize::try_from(count) != Ok(entries.len())) {
            self.faults.push(Misbehavior::CountMismatch);
            self.suspect = true;
        }
        self.drop_shared_ids(&mut entries);
        let complete = has_unique_ids && !self.suspect && entries.iter().all(|entry| entry.id.is_some());
        let consistent = !self.suspect;
        Ok((Listing { entries, ids: self.ids, has_unique_ids, consistent, complete }, self.faults))
    }

    /// Orders rows by message number. Of a repeated number the first row stays; if they differ, nothing is known of it.
    fn sort<T: Copy>(&mut self, rows: &mut Vec<(u32, T)>, same: impl Fn(&[u8], &T, &T) -> bool) {
        if !rows.is_sorted_by_key(|(number, _)| *number) {
            self.faults.push(Misbehavior::ListingOutOfOrder);
            rows.sort_by_key(|(number, _)| *number);
        }
        let Self { ids, faults, suspect, .. } = self;
        rows.dedup_by(|next, first| {
            let repeated = next.0 == first.0;
            if repeated {
                faults.push(Misbehavior::RepeatedNumber(first.0));
                *suspect |= !same(ids, &next.1, &first.1);
            }
            repeated
        });
    }

    /// One entry for every number that UIDL or LIST shows.
    fn merge(&mut self, uidl: &[(u32, Id)], list: &[(u32, u64)], has_ids: bool, has_sizes: bool) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(uidl.len().max(list.len()));
        let (mut uidl, mut list) = (uidl.iter().peekable(), list.iter().peekable());
        while let Some(number) = uidl.peek().map(|row| row.0).into_iter().chain(list.peek().map(|row| row.0)).min() {
            let id = uidl.next_if(|row| row.0 == number).map(|row| row.1);
            let size = list.next_if(|row| row.0 == number).map(|row| row.1);
            if has_ids && id.is_none() {
                self.faults.push(Misbehavior::MissingUniqueId(number));
            }
            if has_sizes && size.is_none() {
                self.faults.push(Misbehavior::MissingSize(number));
                self.suspect = true;
            }
            entries.push(Entry { number, size, id: id.filter(|id| id.len > 0) });
        }
        entries
    }

    /// Neither UIDL nor LIST: STAT says how many there are.
    fn numbered(&self, limits: &Limits) -> Result<Vec<Entry>, Misbehavior> {
        let count = self.stat.map_or(0, |(count, _)| count);
        if usize::try_from(count).is_ok_and(|count| count > limits.listing) {
            return Err(Misbehavior::ListingTooLong);
        }
        Ok((1..=count).map(|number| Entry { number, size: None, id: None }).collect())
    }

    /// A unique-id that two messages have identifies neither.
    fn drop_shared_ids(&mut self, entries: &mut [Entry]) {
        let Self { ids, faults, .. } = self;
        let id_of = |id: Id| ids.get(id.range()).unwrap_or_default();
        let mut order: Vec<(&[u8], usize)> =
            entries.iter().enumerate().filter_map(|(index, entry)| Some((id_of(entry.id?), index))).collect();
        order.sort_unstable();
        let mut shared = Vec::new();
        for group in order.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            shared.extend(group.iter().map(|(_, index)| *index));
        }
        for index in shared {
            if let Some(entry) = entries.get_mut(index) {
                entry.id = None;
                faults.push(Misbehavior::DuplicateUniqueId(entry.number));
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
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        line: 8192,
        unique_id: 10,
        listing: 3,
        listing_bytes: 25,
        header: 100,
        message: 100,
        window_commands: 4,
        window_bytes: 1000,
    };

    type Shown = Vec<(u32, Option<u64>, Option<String>)>;

    fn build(
        stat: &str,
        uidl: Option<&[&str]>,
        list: Option<&[&str]>,
    ) -> Result<(Shown, bool, Vec<Misbehavior>), Misbehavior> {
        let mut builder = ListingBuilder::default();
        builder.stat(stat.as_bytes());
        if let Some(lines) = uidl {
            builder.begin_uidl();
            lines.iter().try_for_each(|line| builder.uidl_line(line.as_bytes(), &LIMITS))?;
        }
        if let Some(lines) = list {
            builder.begin_list();
            lines.iter().try_for_each(|line| builder.list_line(line.as_bytes(), &LIMITS))?;
        }
        let (listing, faults) = builder.finish(&LIMITS)?;
        let text = |id: &[u8]| String::from_utf8(id.to_vec()).expect("ascii");
        let shown = listing.iter().map(|item| (item.number, item.size, item.unique_id.map(text))).collect();
        Ok((shown, listing.is_complete(), faults))
    }

    fn row(number: u32, size: Option<u64>, id: &str) -> (u32, Option<u64>, Option<String>) {
        (number, size, (!id.is_empty()).then(|| id.to_owned()))
    }

    #[test]
    fn a_listing_as_it_should_be() {
        let got = build("2 30 extra", Some(&["1 a", "2 b c "]), Some(&["1 10", "2 20 x"])).expect("fine");
        assert_eq!(got, (vec![row(1, Some(10), "a"), row(2, Some(20), "b c")], true, vec![]));
        assert_eq!(build("0 0", Some(&[]), Some(&[])).expect("fine"), (vec![], true, vec![]));
    }

    #[test]
    fn faults_are_named_and_cost_no_mail() {
        use Misbehavior::*;
        let missing = build("2 30", Some(&["2 b"]), Some(&["1 10", "2 20"])).expect("usable");
        assert_eq!(missing, (vec![row(1, Some(10), ""), row(2, Some(20), "b")], false, vec![MissingUniqueId(1)]));
        let shared = build("3 30", Some(&["1 a", "2 b", "3 a"]), Some(&["1 1", "2 2", "3 3"])).expect("usable");
        let rows = vec![row(1, Some(1), ""), row(2, Some(2), "b"), row(3, Some(3), "")];
        assert_eq!(shared, (rows, false, vec![DuplicateUniqueId(1), DuplicateUniqueId(3)]));
        let order = build("2 30", Some(&["2 b", "1 a"]), Some(&["1 1", "2 2"])).expect("usable");
        assert_eq!(order, (vec![row(1, Some(1), "a"), row(2, Some(2), "b")], true, vec![ListingOutOfOrder]));
        let empty = build("1 30", Some(&["1"]), Some(&["1 1"])).expect("usable");
        assert_eq!(empty, (vec![row(1, Some(1), "")], false, vec![EmptyUniqueId(1)]));
        let invalid = build("1 30", Some(&["1 \0a"]), Some(&["1 1"])).expect("usable");
        assert_eq!(invalid, (vec![row(1, Some(1), "")], false, vec![InvalidUniqueId(1)]));
        let twice = build("1 1", Some(&["1 a", "1 a"]), Some(&["1 1"])).expect("usable");
        assert_eq!(twice, (vec![row(1, Some(1), "a")], true, vec![RepeatedNumber(1)]));
        let conflict = build("1 1", Some(&["1 a", "1 b"]), Some(&["1 1"])).expect("usable");
        assert_eq!(conflict, (vec![row(1, Some(1), "a")], false, vec![RepeatedNumber(1)]));
        let count = build("5 1", Some(&["1 a"]), None).expect("usable");
        assert_eq!(count, (vec![row(1, None, "a")], false, vec![CountMismatch]));
        let unsized_one = build("1 1", Some(&["1 a"]), Some(&[])).expect("usable");
        assert_eq!(unsized_one, (vec![row(1, None, "a")], false, vec![MissingSize(1)]));
    }

    #[test]
    fn without_uidl_and_list_stat_counts() {
        let got = build("2 30", None, None).expect("usable");
        assert_eq!(got, (vec![row(1, None, ""), row(2, None, "")], false, vec![]));
        assert_eq!(build("4 30", None, None), Err(Misbehavior::ListingTooLong));
        assert_eq!(build("x", None, None).expect("usable").2, [Misbehavior::MalformedStat]);
    }

    #[test]
    fn numbers_are_strict() {
        for line in ["", "a", "0 a", "-1 a", "+1 a", "1a b", "4294967296 a"] {
            assert_eq!(build("1 1", Some(&[line]), None), Err(Misbehavior::MalformedUidl), "{line:?}");
        }
        for line in ["", "1", "1 x", "1 -5", "0 5", "1 18446744073709551616"] {
            assert_eq!(build("1 1", None, Some(&[line])), Err(Misbehavior::MalformedList), "{line:?}");
        }
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_past_it() {
        assert_eq!(build("1 1", Some(&["1 0123456789"]), None).expect("at limit").2, []);
        let long = build("1 1", Some(&["1 0123456789x"]), None).expect("usable");
        assert_eq!(long, (vec![row(1, None, "")], false, vec![Misbehavior::UniqueIdTooLong(1)]));
        assert!(build("3 1", Some(&["1 a", "2 b", "3 c"]), Some(&["1 1", "2 2", "3 3"])).is_ok());
        assert_eq!(build("4 1", Some(&["1 a", "2 b", "3 c", "4 d"]), None), Err(Misbehavior::ListingTooLong));
        assert_eq!(build("4 1", None, Some(&["1 1", "2 2", "3 3", "4 4"])), Err(Misbehavior::ListingTooLong));
        assert!(build("3 1", Some(&["1 0123456789", "2 012345678x", "3 01234"]), None).is_ok());
        let bytes = build("3 1", Some(&["1 0123456789", "2 012345678x", "3 012345"]), None);
        assert_eq!(bytes, Err(Misbehavior::ListingTooLong));
    }
}
