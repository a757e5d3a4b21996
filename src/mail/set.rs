//! Sets of message numbers: as a client writes them (`SequenceSet`) and resolved (`UidSet`).

use std::num::NonZeroU32;

use super::Uid;

/// One end of a range in a [`SequenceSet`] (RFC 9051 section 9 `seq-number`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetNumber {
    /// A number.
    Number(NonZeroU32),
    /// `*`: the highest there is.
    Star,
}

/// A `sequence-set` as sent, of sequence numbers or of UIDs; a single number is a range of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequenceSet {
    /// Ranges in the order sent; the ends of one may be in either order.
    Ranges(Vec<(SetNumber, SetNumber)>),
    /// `$`: the saved result of the last SEARCH (RFC 5182).
    SavedResult,
}

impl SequenceSet {
    /// The ranges as ascending, disjoint, inclusive bounds with `*` read as `highest`. A set that names only
    /// `*` in an empty mailbox (`highest` 0) is empty. For `$` the answer is empty: the session holds it.
    pub fn resolve(&self, highest: u32) -> UidSet {
        let Self::Ranges(ranges) = self else { return UidSet::default() };
        let value = |n: &SetNumber| match n {
            SetNumber::Number(n) => n.get(),
            SetNumber::Star => highest,
        };
        ranges
            .iter()
            .map(|(a, b)| (value(a), value(b)))
            .map(|(a, b)| (a.min(b), a.max(b)))
            .filter(|(_, high)| *high > 0)
            .map(|(low, high)| (low.max(1), high))
            .collect()
    }
}

/// A set of UIDs (or of other positive numbers) as ascending, disjoint, non-adjacent inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UidSet(Vec<(u32, u32)>);

impl UidSet {
    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers it holds.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(low, high)| u64::from(high - low) + 1).sum()
    }

    /// The inclusive ranges, ascending.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Whether `value` is in the set.
    pub fn contains(&self, value: u32) -> bool {
        let after = self.0.partition_point(|(low, _)| *low <= value);
        after > 0 && self.0[after - 1].1 >= value
    }

    /// Whether `uid` is in the set.
    pub fn contains_uid(&self, uid: Uid) -> bool {
        self.contains(uid.value())
    }

    /// Adds one number. Appending in ascending order is O(1).
    pub fn insert(&mut self, value: u32) {
        match self.0.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(value) => *high = value,
            Some((_, high)) if *high >= value => {
                if !self.contains(value) {
                    let mut all = std::mem::take(&mut self.0);
                    all.push((value, value));
                    *self = all.into_iter().collect();
                }
            }
            _ => self.0.push((value, value)),
        }
    }

    /// Every number, ascending. Only for sets known to be small: a client can write `1:4294967295`.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(low, high)| *low..=*high)
    }

    /// The numbers in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut out, mut a, mut b) = (Vec::new(), self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let (low, high) = (x.0.max(y.0), x.1.min(y.1));
            if low <= high {
                out.push((low, high));
            }
            if x.1 < y.1 {
                a.next()
            } else {
                b.next()
            };
        }
        Self(out)
    }

    /// The numbers that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        for &(mut low, high) in &self.0 {
            let first = other.0.partition_point(|(_, end)| *end < low);
            let mut is_open = true;
            for &(start, end) in other.0.iter().skip(first).take_while(|(start, _)| *start <= high) {
                if start > low {
                    out.push((low, start - 1));
                }
                is_open = end < high;
                low = end.saturating_add(1);
            }
            if is_open {
                out.push((low, high));
            }
        }
        Self(out)
    }
}

impl FromIterator<(u32, u32)> for UidSet {
    /// From inclusive ranges in any order, which may overlap.
    fn from_iter<T: IntoIterator<Item = (u32, u32)>>(iter: T) -> Self {
        let mut all: Vec<_> = iter.into_iter().collect();
        all.sort_unstable();
        let mut out: Vec<(u32, u32)> = Vec::with_capacity(all.len());
        for (low, high) in all {
            match out.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => out.push((low, high)),
            }
        }
        Self(out)
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<T: IntoIterator<Item = Uid>>(iter: T) -> Self {
        let mut set = Self::default();
        for uid in iter {
            set.insert(uid.value());
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u32) -> SetNumber {
        NonZeroU32::new(n).map_or(SetNumber::Star, SetNumber::Number)
    }

    fn set(ranges: &[(u32, u32)]) -> SequenceSet {
        SequenceSet::Ranges(ranges.iter().map(|(a, b)| (number(*a), number(*b))).collect())
    }

    #[test]
    fn star_is_the_highest_in_either_order() {
        assert_eq!(set(&[(5, 0)]).resolve(3).ranges(), [(3, 5)]);
        assert_eq!(set(&[(0, 0)]).resolve(0).ranges(), []);
        assert_eq!(set(&[(4, 2), (3, 9), (11, 11), (10, 10)]).resolve(20).ranges(), [(2, 11)]);
    }

    #[test]
    fn insert_keeps_order_and_merges() {
        let mut s = UidSet::default();
        for n in [5, 6, 9, 7, 1, 6, 8, u32::MAX] {
            s.insert(n);
        }
        assert_eq!(s.ranges(), [(1, 1), (5, 9), (u32::MAX, u32::MAX)]);
        assert_eq!(s.len(), 7);
        assert!(s.contains(9) && !s.contains(10) && !s.contains(2));
    }

    #[test]
    fn intersection_of_overlapping_ranges() {
        let a: UidSet = [(1, 10), (20, 30)].into_iter().collect();
        let b: UidSet = [(5, 22), (25, 25), (30, 40)].into_iter().collect();
        assert_eq!(a.intersection(&b).ranges(), [(5, 10), (20, 22), (25, 25), (30, 30)]);
    }

    #[test]
    fn difference_cuts_at_both_ends() {
        let a: UidSet = [(1, 10), (20, 30), (u32::MAX - 1, u32::MAX)].into_iter().collect();
        let b: UidSet = [(1, 2), (5, 22), (25, 25), (30, 40), (u32::MAX, u32::MAX)].into_iter().collect();
        assert_eq!(a.difference(&b).ranges(), [(3, 4), (23, 24), (26, 29), (u32::MAX - 1, u32::MAX - 1)]);
        assert_eq!(a.difference(&UidSet::default()), a);
        assert!(a.difference(&a).is_empty());
    }
}
