//! Dates of SEARCH and date-times of APPEND.

use super::input::{Input, Parsed};
use crate::imap::codec::calendar;
use crate::mail::InternalDate;

/// `date = date-text / DQUOTE date-text DQUOTE`, `date-text = date-day "-" date-month "-" date-year`, as days since
/// 1970-01-01.
pub(super) fn date(input: &mut Input<'_>) -> Parsed<i32> {
    let quoted = input.eat(b'"');
    let day = digits(input, 1, 2)?;
    let days = month_and_year(input, day)?;
    if quoted {
        input.expect(b'"', "wrong date")?;
    }
    i32::try_from(days).map_err(|_| "wrong date")
}

/// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`
///
/// `date-day-fixed = (SP DIGIT) / 2DIGIT`; one digit alone is taken too. `time = 2DIGIT ":" 2DIGIT ":" 2DIGIT`,
/// `zone = ("+" / "-") 4DIGIT`: its minutes may be 60 and more, but it lies within a day. A leap second is the first second
/// of the next minute.
pub(super) fn date_time(input: &mut Input<'_>) -> Parsed<InternalDate> {
    const WRONG: &str = "wrong date-time";
    input.expect(b'"', WRONG)?;
    let day = if input.eat(b' ') { digits(input, 1, 1)? } else { digits(input, 1, 2)? };
    let days = month_and_year(input, day)?;
    input.expect(b' ', WRONG)?;
    let hour = digits(input, 2, 2)?;
    input.expect(b':', WRONG)?;
    let minute = digits(input, 2, 2)?;
    input.expect(b':', WRONG)?;
    let second = digits(input, 2, 2)?;
    input.expect(b' ', WRONG)?;
    let west = input.eat(b'-');
    if !west {
        input.expect(b'+', WRONG)?;
    }
    let zone = digits(input, 4, 4)?;
    let (zone_hours, zone_minutes) = (zone / 100, zone % 100);
    input.expect(b'"', WRONG)?;
    let zone = zone_hours * 60 + zone_minutes;
    if hour > 23 || minute > 59 || second > 60 || zone >= 24 * 60 {
        return Err(WRONG);
    }
    let zone = if west { -zone } else { zone };
    let unix = days * 86_400 + hour * 3_600 + minute * 60 + second - zone * 60;
    Ok(InternalDate { unix, offset_minutes: i16::try_from(zone).map_err(|_| WRONG)? })
}

/// `"-" date-month "-" date-year`, after the day: days since 1970-01-01. `date-year = 4DIGIT`
fn month_and_year(input: &mut Input<'_>, day: i64) -> Parsed<i64> {
    const WRONG: &str = "wrong date";
    input.expect(b'-', WRONG)?;
    let name = input.take_while(|b| b.is_ascii_alphabetic());
    let month = (1..).zip(calendar::MONTHS).find(|(_, month)| month.as_bytes().eq_ignore_ascii_case(name));
    let (month, _) = month.ok_or(WRONG)?;
    input.expect(b'-', WRONG)?;
    let year = digits(input, 4, 4)?;
    if calendar::is_valid(year, month, day) { Ok(calendar::days_from_date(year, month, day)) } else { Err(WRONG) }
}

/// A number of `least` to `most` digits.
fn digits(input: &mut Input<'_>, least: usize, most: usize) -> Parsed<i64> {
    let digits = input.take_while(|b| b.is_ascii_digit());
    if !(least..=most).contains(&digits.len()) {
        return Err("wrong date");
    }
    Ok(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}
