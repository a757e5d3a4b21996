//! Numbers, sizes, times and addresses of the page.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::http::view::{relative, rfc3339};

/// `1,204,311`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 message`, `2,000 messages`.
pub(super) fn count(of: u64, what: &str) -> String {
    if of == 1 { format!("1 {what}") } else { format!("{} {what}s", number(of)) }
}

/// `512 B`, `3.4 KiB`, `27 MiB`: two digits at least.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(super) fn size(octets: u64) -> String {
    let mut size = octets as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    // What would be rounded to 1024 is 1.0 of the next unit.
    while size >= 1023.5
        && let Some(larger) = units.next()
    {
        (size, unit) = (size / 1024.0, larger);
    }
    if unit == "B" || size >= 9.95 { format!("{size:.0} {unit}") } else { format!("{size:.1} {unit}") }
}

/// `3 min ago` or `in 3 min`, with the exact time to hover for; the script counts on.
pub(super) fn when(time: Option<SystemTime>, now: SystemTime) -> Markup {
    let exact = time.and_then(rfc3339);
    html! {
        @if let Some(exact) = exact { time datetime=(exact) title=(exact) { (relative(time, now)) } } @else { "never" }
    }
}

/// The exact time, for who wants it.
pub(super) fn exact(time: SystemTime) -> String {
    rfc3339(time).unwrap_or_default().replace('T', " ").replace('Z', " UTC")
}

/// When something is to happen: what should have happened already is due.
pub(super) fn due(time: SystemTime, now: SystemTime) -> Markup {
    let exact = rfc3339(time).unwrap_or_default();
    let words = if time > now { relative(Some(time), now) } else { "due now".to_owned() };
    html! { time datetime=(exact) title=(exact) data-due { (words) } }
}

/// A piece of a path: everything but letters, digits, `-`, `_` and `.` percent-encoded; so are `.` and `..`, which a
/// browser would take for a step.
pub(super) fn piece(text: &str) -> String {
    let only_dots = text.bytes().all(|byte| byte == b'.');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && !only_dots);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// Text with commands in backquotes.
pub(super) fn with_commands(text: &str) -> Markup {
    let pieces = text.split('`').enumerate();
    html! { @for (at, piece) in pieces { @if at % 2 == 1 { code { (piece) } } @else { (piece) } } }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_and_sizes_can_be_read() {
        let numbers = [0, 999, 1000, 1_234_567, u64::MAX].map(number);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]);
        assert_eq!([0, 1, 1000].map(|of| count(of, "message")), ["0 messages", "1 message", "1,000 messages"]);
        let sizes = [0, 1023, 1024, 10_188, 10_189, 1_048_063, 1_048_064, 27 << 20, u64::MAX].map(size);
        assert_eq!(
            sizes,
            ["0 B", "1023 B", "1.0 KiB", "9.9 KiB", "10 KiB", "1023 KiB", "1.0 MiB", "27 MiB", "16777216 TiB"]
        );
    }

    #[test]
    fn times_are_exact_and_relative() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let html = when(Some(SystemTime::UNIX_EPOCH), now).into_string();
        assert_eq!(html, "<time datetime=\"1970-01-01T00:00:00Z\" title=\"1970-01-01T00:00:00Z\">16 min ago</time>");
        assert_eq!(when(None, now).into_string(), "never");
        assert!(due(now, now).into_string().contains(">due now<"));
        assert!(due(now + Duration::from_secs(9), now).into_string().contains(">in 9 s<"));
    }

    #[test]
    fn no_name_breaks_out_of_a_path() {
        let pieces = ["ann.b-c_d", "a/b?c#d%", "\u{e9}", "..", "."].map(piece);
        assert_eq!(pieces, ["ann.b-c_d", "a%2Fb%3Fc%23d%25", "%C3%A9", "%2E%2E", "%2E"]);
    }
}
