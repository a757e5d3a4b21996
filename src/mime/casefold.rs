//! The case folding of SEARCH. Each character is folded by itself, so that folding a text in pieces gives the same as folding
//! it whole, and a substring of the text stays a substring of the folded text.
//!
//! A character is decomposed (compatibility decomposition), then made upper case and lower case again, which brings together
//! what the titlecase mapping of i;unicode-casemap (RFC 5051 section 2) brings together, and beyond it sharp s with `ss`. As
//! there, a base letter finds its accented forms, because the accent follows it as a character of its own.

use std::sync::LazyLock;

use encoding_rs::Encoding;
use unicode_normalization::char::decompose_compatible;

/// The case folding of SEARCH: what both the search text and the search string go through.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// What SORT and THREAD compare, octet by octet: i;unicode-casemap (RFC 5051 section 2), which is upper case first, so that
/// `_` comes after the letters. Characters whose upper case is several characters stay as they are.
pub fn collation_key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        decompose_compatible(c, |d| {
            let mut upper = d.to_uppercase();
            out.push(upper.next().filter(|_| upper.len() == 0).unwrap_or(d));
        });
    }
    out
}

/// Appends the folded text.
pub(super) fn fold_into(text: &str, out: &mut String) {
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = Encoding::ascii_valid_up_to(rest.as_bytes());
        let (plain, after) = rest.split_at(ascii);
        let start = out.len();
        out.push_str(plain);
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        let mut chars = after.chars();
        while let Some(c) = chars.next() {
            FOLDED.fold(c, out);
            if chars.as_str().starts_with(|next: char| next.is_ascii()) {
                break;
            }
        }
        rest = chars.as_str();
    }
}

/// Folds a character.
fn fold_char(c: char, out: &mut String) {
    decompose_compatible(c, |d| out.extend(d.to_uppercase().flat_map(char::to_lowercase)));
}

/// The characters of most scripts but the East Asian ideographs, folded once.
static FOLDED: LazyLock<Table> = LazyLock::new(Table::new);

struct Table {
    text: String,
    /// Where in `text` each character ends.
    ends: Vec<u32>,
}

impl Table {
    const SIZE: u32 = 0x3100;

    fn new() -> Self {
        let mut table = Self { text: String::new(), ends: Vec::new() };
        for c in (0..Self::SIZE).filter_map(char::from_u32) {
            fold_char(c, &mut table.text);
            table.ends.push(u32::try_from(table.text.len()).unwrap_or(u32::MAX));
        }
        table
    }

    fn fold(&self, c: char, out: &mut String) {
        // Unified ideographs: they have no case and are not decomposed.
        if ('\u{4e00}'..='\u{9fff}').contains(&c) {
            return out.push(c);
        }
        let index = c as usize;
        let end = self.ends.get(index);
        let start = index.checked_sub(1).map_or(Some(&0), |before| self.ends.get(before));
        match start.zip(end).and_then(|(start, end)| self.text.get(*start as usize..*end as usize)) {
            Some(folded) => out.push_str(folded),
            None => fold_char(c, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds() {
        let cases = [
            ("HeLLo", "hello"),
            ("\u{c9}t\u{e9}", "e\u{301}te\u{301}"),
            ("e\u{301}", "e\u{301}"),
            ("Stra\u{df}e", "strasse"),
            ("\u{3a3}\u{3c3}\u{3c2}", "\u{3c3}\u{3c3}\u{3c3}"),
            ("\u{fb01}", "fi"),
            ("\u{ff21}", "a"),
            ("\u{212b}", "a\u{30a}"),
        ];
        for (from, to) in cases {
            assert_eq!(fold(from), to);
        }
    }

    #[test]
    fn collation_ignores_case_and_puts_letters_before_what_follows_them_in_ascii() {
        let cases = [
            ("HeLLo_", "HELLO_"),
            ("\u{c9}\u{e9}", "E\u{301}E\u{301}"),
            ("\u{df}", "\u{df}"),
            ("\u{fb01}", "FI"),
            ("\u{436}", "\u{416}"),
        ];
        for (from, to) in cases {
            assert_eq!(collation_key(from), to);
        }
        assert!(collation_key("_") > collation_key("z"));
    }

    #[test]
    fn every_character_is_folded_as_without_the_table() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let (mut fast, mut slow) = (String::new(), String::new());
            FOLDED.fold(c, &mut fast);
            fold_char(c, &mut slow);
            assert_eq!(fast, slow, "{c:?}");
        }
    }

    #[test]
    fn folding_pieces_is_folding_the_whole() {
        let text = "A\u{df}B \u{130}\u{1c4}\u{e9}\u{ac00}\u{fdfa}";
        let pieces: String = text.chars().map(|c| fold(c.encode_utf8(&mut [0; 4]))).collect();
        assert_eq!(pieces, fold(text));
    }
}
