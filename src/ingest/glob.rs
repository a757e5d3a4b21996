//! Patterns of rules: `*` is any run of characters, `?` any one, everything else itself, compared as SEARCH compares.

use crate::mime;

/// A pattern, ready to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    One,
    Any,
}

impl Pattern {
    /// The longest, in octets.
    pub const MAX: usize = 1_000;

    /// A pattern as a person writes it.
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        for c in mime::fold(text).chars() {
            match c {
                // Two in a row say no more than one.
                '*' if pieces.last() == Some(&Piece::Any) => {}
                '*' => pieces.push(Piece::Any),
                '?' => pieces.push(Piece::One),
                c => pieces.push(Piece::Char(c)),
            }
        }
        Self(pieces)
    }

    /// Whether the whole of a folded text is as the pattern says. Takes at most their lengths multiplied: after a mismatch
    /// only the last `*` is tried again, one character further.
    pub(super) fn matches(&self, folded: &str) -> bool {
        let text: Vec<char> = folded.chars().collect();
        let (mut at, mut piece) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(piece), text.get(at)) {
                (None, None) => return true,
                (Some(Piece::Any), _) => {
                    retry = Some((piece + 1, at));
                    piece += 1;
                }
                (Some(Piece::One), Some(_)) => (at, piece) = (at + 1, piece + 1),
                (Some(Piece::Char(wanted)), Some(found)) if wanted == found => (at, piece) = (at + 1, piece + 1),
                _ => match retry {
                    Some((after, from)) if from < text.len() => {
                        retry = Some((after, from + 1));
                        (at, piece) = (from + 1, after);
                    }
                    _ => return false,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, wanted) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything at all", true),
            ("a", "A", true),
            ("a", "ab", false),
            ("?", "a", true),
            ("?", "", false),
            ("*@lists.example.org", "rust@LISTS.example.org", true),
            ("*@lists.example.org", "rust@lists.example.org.evil", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a**b", "ab", true),
            ("*ab", "aab", true),
            ("*abc*abd", "abcabcabd", true),
            ("?*?", "a", false),
            ("?*?", "ab", true),
            ("stra\u{df}e", "STRASSE", true),
            ("caf?", "cafe", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(&mime::fold(text)), wanted, "{pattern:?} {text:?}");
        }
    }

    /// What would take for ever by trying all ways to divide the text.
    #[test]
    fn a_pattern_of_many_stars_is_bounded() {
        let pattern = Pattern::new(&"*a".repeat(Pattern::MAX / 2));
        assert!(!pattern.matches(&("a".repeat(8 << 10) + "b")));
    }
}
