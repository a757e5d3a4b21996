//! Dates of header fields (RFC 5322 sections 3.3 and 4.3), with the obsolete forms.

use super::lexer::Cursor;

/// A date as a header field gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// Days since 1970-01-01 in the date's own zone.
    pub(super) day: i32,
    /// Seconds since midnight in the date's own zone.
    second: i64,
    /// Minutes east of UTC.
    pub(super) zone: i16,
}

impl Date {
    /// Seconds since 1970-01-01 UTC.
    pub(super) fn unix(self) -> i64 {
        i64::from(self.day) * 86_400 + self.second - i64::from(self.zone) * 60
    }

    /// `date-time = [ day-of-week "," ] date time [CFWS]`; what follows is ignored, as is a missing zone. A day without a
    /// time that can be read begins at midnight UTC (RFC 5256 section 2.2).
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        Self::parse_day(value).map(|(day, time)| {
            let (second, zone) = time.unwrap_or_default();
            Self { day, second, zone }
        })
    }

    /// The day, and seconds since midnight and zone.
    fn parse_day(value: &[u8]) -> Option<(i32, Option<(i64, i16)>)> {
        let mut cursor = Cursor::new(value);
        cursor.skip_cfws();
        if cursor.peek().is_some_and(|b| b.is_ascii_alphabetic()) {
            cursor.atom();
            cursor.skip_cfws();
            cursor.eat(b',');
            cursor.skip_cfws();
        }
        let day = number(&mut cursor)?;
        separator(&mut cursor);
        let month = month(cursor.letters())?;
        separator(&mut cursor);
        let year = year(&mut cursor)?;
        if day == 0 || day > days_in_month(year, month) {
            return None;
        }
        Some((days_from_civil(year, month, day), time(&mut cursor)))
    }

    /// The date of a Received field: what follows its last semicolon (RFC 5321 section 4.4).
    pub(super) fn parse_received(value: &[u8]) -> Option<Self> {
        let at = memchr::memrchr(b';', value)?;
        let (day, time) = Self::parse_day(value.get(at + 1..)?)?;
        time.map(|(second, zone)| Self { day, second, zone })
    }
}

/// `time = hour ":" minute [ ":" second ] zone`: seconds since midnight, and the zone.
fn time(cursor: &mut Cursor<'_>) -> Option<(i64, i16)> {
    cursor.skip_cfws();
    let hour = number(cursor)?;
    let minute = after_colon(cursor)?;
    let second = if at_colon(cursor) { after_colon(cursor)? } else { 0 };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((i64::from(hour * 3600 + minute * 60 + second), zone(cursor)))
}

/// The time of an unfolded Date field, seconds since 1970-01-01 UTC.
pub fn sent_at(value: &[u8]) -> Option<i64> {
    Date::parse(value).map(Date::unix)
}

fn number(cursor: &mut Cursor<'_>) -> Option<u32> {
    let digits = cursor.digits();
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    Some(digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
}

/// CFWS between day, month and year; some senders write hyphens there.
fn separator(cursor: &mut Cursor<'_>) {
    cursor.skip_cfws();
    cursor.eat(b'-');
    cursor.skip_cfws();
}

fn at_colon(cursor: &mut Cursor<'_>) -> bool {
    cursor.skip_cfws();
    cursor.peek() == Some(b':')
}

fn after_colon(cursor: &mut Cursor<'_>) -> Option<u32> {
    cursor.skip_cfws();
    if !cursor.eat(b':') {
        return None;
    }
    cursor.skip_cfws();
    number(cursor)
}

/// RFC 5322 section 4.3: two digits from 00 to 49 are 2000 to 2049, other two and three digits are from 1900.
fn year(cursor: &mut Cursor<'_>) -> Option<u32> {
    let start = cursor.position();
    let value = number(cursor)?;
    Some(match cursor.position() - start {
        4 => value,
        2 if value < 50 => value + 2000,
        2 | 3 => value + 1900,
        _ => return None,
    })
}

fn month(name: &[u8]) -> Option<u32> {
    const NAMES: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let name = name.get(..3)?;
    (1..).zip(NAMES).find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(n, _)| n)
}

/// Minutes east of UTC. What is unknown is -0000 (RFC 5322 section 4.3).
fn zone(cursor: &mut Cursor<'_>) -> i16 {
    cursor.skip_cfws();
    let east = match cursor.peek() {
        Some(b'+') => true,
        Some(b'-') => false,
        _ => return named_zone(cursor.letters()),
    };
    cursor.bump();
    let digits = cursor.digits();
    let [a, b, c, d] = match digits {
        [a, b, c, d] => [a, b, c, d].map(|d| i16::from(d - b'0')),
        _ => return 0,
    };
    let minutes = (a * 10 + b) * 60 + c * 10 + d;
    if minutes > 24 * 60 {
        return 0;
    }
    if east { minutes } else { -minutes }
}

/// `obs-zone` of North America; all others are UTC.
fn named_zone(name: &[u8]) -> i16 {
    let hours = match name.to_ascii_uppercase().as_slice() {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => 0,
    };
    hours * 60
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar. The year is at most 9999.
fn days_from_civil(year: u32, month: u32, day: u32) -> i32 {
    // Counted from the first of March of year 0, so that the leap day is the last of its year.
    let years = if month > 2 { year } else { year.saturating_sub(1) } as i32;
    let months = ((month + 9) % 12) as i32;
    let days = (153 * months + 2) / 5 + day as i32 - 1;
    years * 365 + years / 4 - years / 100 + years / 400 + days - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases: [(&str, Option<(i64, i16)>); 22] = [
            ("Thu, 01 Jan 1970 00:00:00 +0000", Some((0, 0))),
            ("Fri, 21 Nov 1997 09:55:06 -0600", Some((880_127_706, -360))),
            ("21 Nov 97 09:55 CST (Central)", Some((880_127_700, -360))),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", Some((880_127_706, -360))),
            ("21-Nov-1997 09:55:06 GMT", Some((880_106_106, 0))),
            ("29 Feb 2000 12:00:00 +0530", Some((951_805_800, 330))),
            ("29 Feb 1900 12:00:00 +0000", None),
            ("1 Jan 49 00:00 Z", Some((2_493_072_000, 0))),
            ("1 Jan 50 00:00 Z", Some((-631_152_000, 0))),
            ("1 Jan 100 00:00 Z", Some((946_684_800, 0))),
            ("31 Dec 2016 23:59:60 +0000", Some((1_483_228_800, 0))),
            ("31 Dec 2016 23:59:61 +0000", Some((1_483_142_400, 0))),
            ("31 Dec 2016 24:00:00 +0000", Some((1_483_142_400, 0))),
            ("Wed, 15 Dec 2010    59:10 -0500", Some((1_292_371_200, 0))),
            ("15 Dec 2010", Some((1_292_371_200, 0))),
            ("1 Jan 1970 00:00:00 +9999", Some((0, 0))),
            ("1 Jan 1970 00:00:00", Some((0, 0))),
            ("0 Jan 1970 00:00:00", None),
            ("Whenever", None),
            ("", None),
            ("99999999999 Jan 1970 00:00:00", None),
            ("1 January 1970 00:00:00 nonsense", Some((0, 0))),
        ];
        for (value, want) in cases {
            assert_eq!(Date::parse(value.as_bytes()).map(|d| (d.unix(), d.zone)), want, "{value}");
        }
    }

    #[test]
    fn day_is_that_of_the_own_zone() {
        let day = |value: &[u8]| Date::parse(value).map(|d| d.day);
        assert_eq!(day(b"2 Jan 1970 00:30:00 +0200"), Some(1));
        assert_eq!(day(b"31 Dec 1969 23:30:00 -0200"), Some(-1));
    }

    #[test]
    fn received() {
        let date = Date::parse_received(b"from a (b;c) by d;\r\n\tThu, 1 Jan 1970 01:00:00 +0100");
        assert_eq!(date.map(Date::unix), Some(0));
        assert_eq!(Date::parse_received(b"from a by d"), None);
        assert_eq!(Date::parse_received(b"by d; Thu, 1 Jan 1970 24:00:00 +0100"), None);
    }
}
