//! Flags as STORE and APPEND list them.

use super::input::{Input, Parsed};
use crate::mail::{FlagList, Flags, Keyword, MAX_KEYWORDS};

/// `flag-list = "(" [flag *(SP flag)] ")"`
pub(super) fn flag_list(input: &mut Input<'_>) -> Parsed<FlagList> {
    let mut list = FlagList::default();
    input.list(true, |input| flag(input, &mut list))?;
    Ok(list)
}

/// `flag *(SP flag)`
pub(super) fn flags(input: &mut Input<'_>) -> Parsed<FlagList> {
    let mut list = FlagList::default();
    flag(input, &mut list)?;
    while input.has_argument() {
        input.sp()?;
        flag(input, &mut list)?;
    }
    Ok(list)
}

/// `flag = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword / flag-extension`
///
/// `flag-extension = "\" atom`: none is defined. `\Recent` (RFC 3501) cannot be stored; clients that copy the flags of
/// a FETCH send it, so it is left out. Another one is refused, as it would not be kept.
fn flag(input: &mut Input<'_>, list: &mut FlagList) -> Parsed<()> {
    if !input.eat(b'\\') {
        let keyword = keyword(input)?;
        if !list.keywords.contains(&keyword) {
            if list.keywords.len() >= MAX_KEYWORDS {
                return Err("too many keywords");
            }
            list.keywords.push(keyword);
        }
        return Ok(());
    }
    let name = input.atom()?;
    match Flags::from_name(&[b"\\", name].concat()) {
        Some(flag) => list.flags |= flag,
        None if name.eq_ignore_ascii_case(b"Recent") => {}
        None => return Err("unknown system flag"),
    }
    Ok(())
}

/// `flag-keyword = "$MDNSent" / "$Forwarded" / "$Junk" / "$NotJunk" / "$Phishing" / atom`
pub(super) fn keyword(input: &mut Input<'_>) -> Parsed<Keyword> {
    let atom = input.atom()?;
    std::str::from_utf8(atom).ok().and_then(Keyword::new).ok_or("keyword too long")
}
