//! The deliberate differences, each with its reason: `tests/data/corpus-differences.tsv`.

use std::collections::{BTreeMap, BTreeSet};

/// Server, message and field.
pub(crate) type Place = (String, String, String);

/// Read from the table; each place has a reason.
pub(crate) struct Differences {
    reasons: BTreeMap<Place, String>,
}

impl Differences {
    /// Lines of server, reason, message and fields with tabs between them. The message `*` stands for `every` message of
    /// which the server recorded the field.
    pub(crate) fn read(every: &BTreeSet<Place>) -> Self {
        let mut reasons = BTreeMap::new();
        for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let [server, reason, message, fields] =
                line.split('\t').collect::<Vec<_>>().try_into().expect("four columns");
            for field in fields.split(' ') {
                let mut put = |place: Place| {
                    assert!(reasons.insert(place, reason.to_owned()).is_none(), "twice in the table: {line} ({field})");
                };
                if message == "*" {
                    let of_field = |place: &&Place| place.0 == server && (place.2 == field || place.2.ends_with(field));
                    every.iter().filter(of_field).for_each(|place| put(place.clone()));
                } else {
                    put((server.to_owned(), message.to_owned(), field.to_owned()));
                }
            }
        }
        Self { reasons }
    }

    pub(crate) fn has(&self, place: &Place) -> bool {
        self.reasons.contains_key(place)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.reasons.keys()
    }

    /// Fields and messages of each reason.
    pub(crate) fn totals(&self) -> BTreeMap<(&str, &str), (usize, usize)> {
        let mut totals = BTreeMap::<_, (usize, BTreeSet<&str>)>::new();
        for ((server, message, _), reason) in &self.reasons {
            let total = totals.entry((server.as_str(), reason.as_str())).or_default();
            total.0 += 1;
            total.1.insert(message);
        }
        totals.into_iter().map(|(key, (fields, messages))| (key, (fields, messages.len()))).collect()
    }
}

const TABLE: &str = include_str!("../data/corpus-differences.tsv");
