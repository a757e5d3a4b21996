//! Fills dates into a stored sample and gives it the line ends of the wire.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Opens and closes a placeholder.
const MARK: &[u8] = b"@@";

/// When a message was sent, as its sender's clock showed it, and when the demo runs.
pub(super) struct Moment {
    pub(super) date: Timestamp,
    pub(super) utc_offset_minutes: i32,
    pub(super) now: Timestamp,
}

/// Replaces `@@DATE@@` by the date of the message (RFC 5322 section 3.3) and `@@DAY+n@@` by the day n days from now
/// as YYYYMMDD (RFC 5545 section 3.3.4); other text between marks stays. LF becomes CRLF.
pub(super) fn render(sample: &[u8], moment: &Moment) -> Vec<u8> {
    let mut out = Vec::with_capacity(sample.len() + sample.len() / 32 + 128);
    let mut rest = sample;
    while let Some((before, word, after)) = next_mark(rest) {
        push_crlf(&mut out, before);
        match value(word, moment) {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                rest = after;
            }
            None => {
                out.extend_from_slice(MARK);
                rest = rest.get(before.len() + MARK.len()..).unwrap_or_default();
            }
        }
    }
    push_crlf(&mut out, rest);
    out
}

/// The date as a message header shows it.
pub(super) fn header_date(date: Timestamp, utc_offset_minutes: i32) -> String {
    let offset = Offset::from_seconds(utc_offset_minutes.saturating_mul(60)).unwrap_or(Offset::UTC);
    jiff::fmt::rfc2822::to_string(&date.to_zoned(TimeZone::fixed(offset))).unwrap_or_default()
}

fn next_mark(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (before, tail) = split_at_mark(text)?;
    let (word, after) = split_at_mark(tail)?;
    Some((before, word, after))
}

fn split_at_mark(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(text, MARK)?;
    Some((text.get(..at)?, text.get(at + MARK.len()..)?))
}

fn value(word: &[u8], moment: &Moment) -> Option<String> {
    if word == b"DATE" {
        return Some(header_date(moment.date, moment.utc_offset_minutes));
    }
    let days: i64 = std::str::from_utf8(word.strip_prefix(b"DAY+")?).ok()?.parse().ok()?;
    let day = moment.now.checked_add(SignedDuration::from_hours(days.checked_mul(24)?)).ok()?;
    Some(day.to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string())
}

fn push_crlf(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        Moment {
            date: Timestamp::from_second(0).unwrap(),
            utc_offset_minutes: 90,
            now: Timestamp::from_second(86_400 * 31).unwrap(),
        }
    }

    #[test]
    fn dates_are_filled_in() {
        let text = render(b"Date: @@DATE@@\nDTSTART:@@DAY+2@@T1\n", &moment());
        assert_eq!(String::from_utf8(text).unwrap(), "Date: Thu, 1 Jan 1970 01:30:00 +0130\r\nDTSTART:19700203T1\r\n");
    }

    #[test]
    fn other_marks_stay() {
        for text in ["@@ -40,2 +40,10 @@", "@@", "@@DAY+x@@", "@@DAY+99999999999999@@", "a@b @@@@"] {
            assert_eq!(render(text.as_bytes(), &moment()), text.as_bytes());
        }
        assert_eq!(render(b"@@ x @@DAY+0@@", &moment()), b"@@ x 19700201");
    }
}
