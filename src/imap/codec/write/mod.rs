//! Values to wire bytes (RFC 9051 section 9); every function appends to `out`. Must never let an octet out that the
//! grammar does not allow in its place: no NUL outside literal8, nothing above 127 in a quoted string unless it is the
//! UTF-8 of a mailbox name after ENABLE, no unescaped quote, and NIL where there is nothing.

mod structure;
#[cfg(test)]
mod tests;

pub use structure::{body_structure, envelope};

use super::{calendar, chars, utf7};
use crate::mail::{Flags, InternalDate, SequenceSet, SetNumber, UidSet};

/// Longer strings go out as literals: clients have limits on the length of a line (RFC 2683 section 3.2.1.5).
const LONGEST_QUOTED: usize = 1000;

/// What stands for NUL in a literal, which cannot hold it; Dovecot's choice.
const NUL_SUBSTITUTE: u8 = 0x80;

/// `nstring = string / nil`
pub fn nstring(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => string(out, value),
        None => nil(out),
    }
}

/// `nil = "NIL"`
pub fn nil(out: &mut Vec<u8>) {
    out.extend_from_slice(b"NIL");
}

/// `string = quoted / literal`: quoted where 7-bit quoted text can say it. An empty string is `""`, as `{0}` stalls a
/// client.
pub fn string(out: &mut Vec<u8>, value: &[u8]) {
    if value.len() <= LONGEST_QUOTED && value.iter().all(|b| b.is_ascii() && !matches!(b, 0 | b'\r' | b'\n')) {
        quoted(out, value);
    } else {
        literal(out, value);
    }
}

/// `{n}` CRLF and the bytes; a NUL, which only literal8 may hold, becomes 0x80.
pub fn literal(out: &mut Vec<u8>, value: &[u8]) {
    literal_header(out, value.len() as u64);
    let start = out.len();
    out.extend_from_slice(value);
    replace_nul(out.get_mut(start..).unwrap_or_default());
}

/// `{n}` CRLF, for a literal whose `size` octets follow in pieces, each through [`replace_nul`].
pub fn literal_header(out: &mut Vec<u8>, size: u64) {
    out.push(b'{');
    number(out, size);
    out.extend_from_slice(b"}\r\n");
}

/// Makes each NUL 0x80, so that the octets may stand in a literal.
pub fn replace_nul(octets: &mut [u8]) {
    let mut rest = octets;
    while let Some(found) = memchr::memchr(0, rest) {
        let Some((nul, after)) = rest.get_mut(found..).and_then(<[u8]>::split_first_mut) else { return };
        *nul = NUL_SUBSTITUTE;
        rest = after;
    }
}

/// `astring = 1*ASTRING-CHAR / string`; `NIL` is quoted.
pub fn astring(out: &mut Vec<u8>, value: &[u8]) {
    if !value.is_empty() && value.iter().all(|b| chars::is_atom(*b)) && !value.eq_ignore_ascii_case(b"NIL") {
        out.extend_from_slice(value);
    } else {
        string(out, value);
    }
}

/// `value = nstring / literal8` (RFC 5464 section 5): whatever the octets are, they come back as they are.
pub fn value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value.filter(|value| value.contains(&0)) {
        Some(octets) => {
            out.push(b'~');
            literal_header(out, octets.len() as u64);
            out.extend_from_slice(octets);
        }
        None => nstring(out, value),
    }
}

/// `mailbox`: an atom where possible, else quoted; UTF-8 if `utf8` (after ENABLE UTF8=ACCEPT or IMAP4rev2), else modified
/// UTF-7. Never a literal: clients mis-decode names sent as such. `NIL` and the like are quoted.
pub fn mailbox(out: &mut Vec<u8>, name: &str, utf8: bool) {
    let encoded;
    let wire = if utf8 {
        name.as_bytes()
    } else {
        encoded = utf7::encode(name);
        encoded.as_bytes()
    };
    if !wire.is_empty() && wire.iter().all(|b| chars::is_atom(*b)) && !wire.eq_ignore_ascii_case(b"NIL") {
        out.extend_from_slice(wire);
    } else if wire.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
        literal(out, wire);
    } else {
        quoted(out, wire);
    }
}

/// `number64`
pub fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `uid-set`, as `1:3,5`; nothing for an empty set.
pub fn uid_set(out: &mut Vec<u8>, set: &UidSet) {
    for (i, (low, high)) in set.ranges().iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        number(out, u64::from(*low));
        if low != high {
            out.push(b':');
            number(out, u64::from(*high));
        }
    }
}

/// `sequence-set` in the order given, of runs of consecutive numbers.
pub fn number_runs<'a>(out: &mut Vec<u8>, runs: impl Iterator<Item = &'a [u32]>) {
    for (index, run) in runs.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let [first, .., last] = run {
            number(out, u64::from(*first));
            out.push(b':');
            number(out, u64::from(*last));
        } else if let [only] = run {
            number(out, u64::from(*only));
        }
    }
}

/// `sequence-set`, as the client wrote it.
pub fn sequence_set(out: &mut Vec<u8>, set: &SequenceSet) {
    let seq_number = |out: &mut Vec<u8>, n: SetNumber| match n {
        SetNumber::Number(n) => number(out, u64::from(n.get())),
        SetNumber::Star => out.push(b'*'),
    };
    let SequenceSet::Ranges(ranges) = set else { return out.push(b'$') };
    for (i, (first, last)) in ranges.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        seq_number(out, *first);
        if first != last {
            out.push(b':');
            seq_number(out, *last);
        }
    }
}

/// `"(" [flag-fetch *(SP flag-fetch)] ")"`: system flags, `\Recent` if `recent`, keywords.
pub fn flag_list<'a>(out: &mut Vec<u8>, flags: Flags, recent: bool, keywords: impl IntoIterator<Item = &'a str>) {
    out.push(b'(');
    let system = flags.names().map(|name| -> &'a str { name });
    for (i, name) in system.chain(recent.then_some("\\Recent")).chain(keywords).enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b')');
}

/// `date-time`: `"17-Jul-1996 02:44:25 -0700"`, the day padded with a space. Years outside of 0 to 9999, which have no
/// form, become the nearest that has one.
pub fn date_time(out: &mut Vec<u8>, date: &InternalDate) {
    const FIRST: i64 = calendar::days_from_date(0, 1, 1) * 86_400;
    const LAST: i64 = calendar::days_from_date(10_000, 1, 1) * 86_400 - 1;
    let offset = i64::from(date.offset_minutes).clamp(-(99 * 60 + 59), 99 * 60 + 59);
    let local = date.unix.saturating_add(offset * 60).clamp(FIRST, LAST);
    let (year, month, day) = calendar::date_from_days(local.div_euclid(86_400));
    let second = local.rem_euclid(86_400);
    let month = usize::try_from(month - 1).ok().and_then(|m| calendar::MONTHS.get(m)).copied().unwrap_or("Jan");
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let (sign, zone) = (if offset < 0 { '-' } else { '+' }, offset.abs());
    let text = format!(
        "\"{day:2}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} {sign}{:02}{:02}\"",
        zone / 60,
        zone % 60
    );
    out.extend_from_slice(text.as_bytes());
}

/// `quoted`, of octets that may stand there.
pub fn quoted(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    for b in value {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*b);
    }
    out.push(b'"');
}
