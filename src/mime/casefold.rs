//! The case folding of SEARCH. Each character is folded by itself, so that folding a text in pieces gives the same as folding
//! it whole, and a substring of the text stays a substring of the folded text.
//!
//! A character is decomposed (compatibility decomposition), then made upper case and lower case again, which brings together
//! what the titlecase mapping of i;unicode-casemap (RFC 5051 section 2) brings together, and beyond it sharp s with `ss`. As
//! there, a base letter finds its accented forms, because the accent follows it as a character of its own.

use unicode_normalization::char::decompose_compatible;

/// The case folding of SEARCH: what both the search text and the search string go through.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// Appends the folded text.
pub(super) fn fold_into(text: &str, out: &mut String) {
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = rest.bytes().position(|b| !b.is_ascii()).unwrap_or(rest.len());
        let (plain, after) = rest.split_at(ascii);
        let start = out.len();
        out.push_str(plain);
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        let mut chars = after.chars();
        if let Some(c) = chars.next() {
            decompose_compatible(c, |d| out.extend(d.to_uppercase().flat_map(char::to_lowercase)));
        }
        rest = chars.as_str();
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
    fn folding_pieces_is_folding_the_whole() {
        let text = "A\u{df}B \u{130}\u{1c4}\u{e9}\u{ac00}\u{fdfa}";
        let pieces: String = text.chars().map(|c| fold(c.encode_utf8(&mut [0; 4]))).collect();
        assert_eq!(pieces, fold(text));
    }
}
