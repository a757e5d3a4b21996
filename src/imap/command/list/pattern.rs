//! LIST patterns (RFC 9051 section 6.3.9): the reference and the name together, in NFC.

use unicode_normalization::UnicodeNormalization;

use crate::imap::codec::command::ListArgs;
use crate::mail::{DELIMITER, MAX_NAME_LEN};

/// The patterns of one LIST or LSUB.
pub(super) struct Patterns {
    patterns: Vec<Pattern>,
    places: Places,
}

/// The canonical form of one pattern.
struct Pattern(Vec<char>);

/// Places in a pattern that what was read of a name can have led to, ascending; kept to be used again.
#[derive(Default)]
struct Places {
    now: Vec<usize>,
    next: Vec<usize>,
}

impl Patterns {
    /// One that is longer than any name can need matches nothing, and an empty one is not there (RFC 5258 section 3).
    pub(super) fn new(args: &ListArgs) -> Self {
        let named = args.patterns.iter().filter(|pattern| !pattern.is_empty());
        let whole = named.map(|pattern| format!("{}{pattern}", args.reference).nfc().collect::<Vec<char>>());
        let patterns = whole.filter(|pattern| pattern.len() <= 2 * MAX_NAME_LEN).map(Pattern).collect();
        Self { patterns, places: Places::default() }
    }

    /// Whether one of them matches the name.
    pub(super) fn match_name(&mut self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name, &mut self.places))
    }
}

impl Pattern {
    /// `*` matches anything, `%` anything but the delimiter; INBOX in any case. Time is at most the product of the two
    /// lengths, whatever the pattern: each character of the name moves a set of places in the pattern.
    fn matches(&self, name: &str, places: &mut Places) -> bool {
        let in_inbox = name == "INBOX" || name.starts_with("INBOX/");
        places.now.clear();
        self.enter(0, &mut places.now);
        for (index, c) in name.chars().enumerate() {
            places.next.clear();
            for &place in &places.now {
                match self.0.get(place) {
                    Some('*') => self.enter(place, &mut places.next),
                    Some('%') if c != DELIMITER => self.enter(place, &mut places.next),
                    Some('%') | None => {}
                    Some(p) if *p == c || in_inbox && index < 5 && p.eq_ignore_ascii_case(&c) => {
                        self.enter(place + 1, &mut places.next);
                    }
                    Some(_) => {}
                }
            }
            std::mem::swap(&mut places.now, &mut places.next);
            if places.now.is_empty() {
                return false;
            }
        }
        places.now.last() == Some(&self.0.len())
    }

    /// Adds a place, and those after it that wildcards lead to, as they may stand for nothing. Called with ascending
    /// places: what is not past the last one is there already.
    fn enter(&self, mut place: usize, places: &mut Vec<usize>) {
        while places.last().is_none_or(|last| *last < place) {
            places.push(place);
            if !matches!(self.0.get(place), Some('*' | '%')) {
                return;
            }
            place += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Patterns::new(&ListArgs { patterns: vec![pattern.into()], ..ListArgs::default() }).match_name(name)
    }

    /// What matching means, without regard to time.
    fn plainly(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|n| plainly(rest, &name[n..])),
            Some(('%', rest)) => {
                let level = name.iter().position(|c| *c == '/').unwrap_or(name.len());
                (0..=level).any(|n| plainly(rest, &name[n..]))
            }
            Some((c, rest)) => name.first() == Some(c) && plainly(rest, &name[1..]),
        }
    }

    #[test]
    fn rule_31_wildcards_and_inbox() {
        for (pattern, name, want) in [
            ("*", "a/b", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("%/%", "a/b", true),
            ("%/%", "a/b/c", false),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a/%/c", "a/b/c", true),
            ("a/*", "a/b/c", true),
            ("a*", "a", true),
            ("%/b", "a/b", true),
            ("a%c/d", "abc/d", true),
            ("*%", "a/b", true),
            ("%*", "a/b", true),
            ("inbox", "INBOX", true),
            ("InB%", "INBOX", true),
            ("%nbox", "INBOX", true),
            ("inbox/A", "INBOX/A", true),
            ("inbox/a", "INBOX/A", false),
            ("inbo", "INBOX", false),
            ("inbox", "inboxes", false),
            ("INBOX*", "inboxes", false),
            ("sent", "Sent", false),
            ("", "a", false),
            ("Cafe\u{301}", "Caf\u{e9}", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn empty_patterns_are_not_there() {
        let args = ListArgs { reference: "a".into(), patterns: vec![String::new()], ..ListArgs::default() };
        assert!(!Patterns::new(&args).match_name("a"));
    }

    #[test]
    fn hostile_patterns_take_no_exponential_time() {
        assert!(!matches(&"*a".repeat(500), &"a".repeat(499)));
        assert!(matches(&"%*".repeat(1000), &"a/".repeat(400)));
        assert!(!matches(&"*".repeat(2 * MAX_NAME_LEN + 1), "a"));
        assert!(matches(&"*".repeat(2 * MAX_NAME_LEN), "a"));
    }

    proptest! {
        #[test]
        fn matching_is_as_plain_matching(pattern in "[ab/*%]{1,8}", name in "[ab/]{0,8}") {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(matches(&pattern, &name), plainly(&p, &n));
        }
    }
}
