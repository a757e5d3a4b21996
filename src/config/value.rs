//! The notations of single values: durations, sizes, addresses, names, switches. Each reader's error says what to write.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::section::distance;
use crate::imap::{hideable_capabilities, showable_capabilities};

const UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false; write true or false")),
    }
}

/// The name of a capability that may be hidden, as the server spells it.
pub(super) fn hidden_capability(text: &str) -> Result<String, String> {
    capability(text, &hideable_capabilities().collect::<Vec<_>>(), "can be hidden")
}

/// The name of a capability that is shown on request only, as the server spells it.
pub(super) fn shown_capability(text: &str) -> Result<String, String> {
    capability(text, &showable_capabilities().collect::<Vec<_>>(), "is hidden unless it is named here")
}

fn capability(text: &str, all: &[&str], which: &str) -> Result<String, String> {
    if let Some(known) = all.iter().find(|name| name.eq_ignore_ascii_case(text)) {
        return Ok((*known).to_owned());
    }
    let text_upper = text.to_ascii_uppercase();
    match all.iter().map(|name| (distance(name, &text_upper), name)).min() {
        Some((0..=2, name)) => Err(format!("{text:?} is no capability; write {name} instead")),
        _ => Err(format!("{text:?} is no capability that {which}; those are {}", all.join(", "))),
    }
}

/// A whole number within `range`.
pub(super) fn number(range: std::ops::RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<u64, String> {
    move |text| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && range.contains(&number) => Ok(number),
            _ => Err(format!("{text:?} is no number from {} to {}; write such a number", range.start(), range.end())),
        }
    }
}

/// A duration by humantime, not shorter than `least`.
pub(super) fn duration(least: Duration) -> impl FnOnce(&str) -> Result<Duration, String> {
    move |text| match humantime::parse_duration(text) {
        Ok(duration) if duration < least => {
            Err(format!("{text} is too short; write {} or more", humantime::format_duration(least)))
        }
        Ok(duration) if duration > MAX_DURATION => Err(format!("{text} is too long; write 365d or less")),
        Ok(duration) => Ok(duration),
        Err(_) => Err(format!("{text:?} is no duration; write a number with a unit, such as 30s, 5m or 1h 30m")),
    }
}

/// How old something may be: as [`duration`], but up to [`MAX_AGE`].
pub(super) fn age(least: Duration) -> impl FnOnce(&str) -> Result<Duration, String> {
    move |text| match humantime::parse_duration(text) {
        Ok(age) if age > MAX_AGE => Err(format!("{text} is too long; write 50y or less")),
        Ok(age) if age > MAX_DURATION => Ok(age),
        _ => duration(least)(text),
    }
}

/// 50 years, as humantime counts them: what is older than that was not mailed by POP3, and now less this has a time stamp.
pub(super) const MAX_AGE: Duration = Duration::from_secs(50 * 31_557_600);

/// Longer ones are mistakes, and would overflow an instant.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// A size in bytes within `range`.
pub(super) fn size(range: std::ops::RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<u64, String> {
    move |text| {
        let size = read_size(text)
            .ok_or_else(|| format!("{text:?} is no size; write a whole number with a unit: 512KiB, 25MiB, 2GiB"))?;
        if range.contains(&size) {
            Ok(size)
        } else {
            let (least, most) = (show_size(*range.start()), show_size(*range.end()));
            Err(format!("{text} is out of range; write a size from {least} to {most}"))
        }
    }
}

fn read_size(text: &str) -> Option<u64> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.trim_start_matches(' ');
    let factor = if unit.is_empty() { 1 } else { UNITS.iter().find(|(name, _)| *name == unit)?.1 };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The shortest exact notation.
pub(super) fn show_size(size: u64) -> String {
    let unit = UNITS.iter().find(|(_, factor)| size != 0 && size.is_multiple_of(*factor));
    unit.map_or_else(|| format!("{size}B"), |(name, factor)| format!("{}{name}", size / factor))
}

/// An address to listen on.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no address to listen on; write an IP address and a port, such as \"127.0.0.1:1143\" or \"[::]:143\"")
    })
}

/// The name of a user: anything but what would break a log line or the `user/name` id.
pub(super) fn user_name(text: &str) -> Result<String, String> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    if text.is_empty() || text.len() > 255 || text.chars().any(bad) {
        return Err(format!("{text:?} cannot name a user; write 1 to 255 characters without spaces or /"));
    }
    Ok(text.to_owned())
}

/// The name of an account: part of mailbox names, keywords and metric labels.
pub(super) fn account_name(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(good) {
        return Err(format!(
            "{text:?} cannot name an account; write 1 to 64 letters, digits, dots, underscores or hyphens"
        ));
    }
    Ok(text.to_owned())
}

/// A host name or an IP address (IPv6 with or without brackets).
pub(super) fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<std::net::IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    if let Some((name, port)) = text.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        return Err(format!("{text:?} has a port in it; write host: {name} and port: {port}"));
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || text.len() > 253 || !text.chars().all(good) {
        return Err(format!("{text:?} is no host name; write a name such as pop.example.com, or an IP address"));
    }
    Ok(text.to_owned())
}

/// A host and a port, `host:port`; IPv6 in brackets.
pub(super) fn endpoint(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("{text:?} is no host and port; write them as in \"127.0.0.1:1080\" or \"[::1]:1080\"");
    let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = number(1..=u16::MAX.into())(port).ok().and_then(|port| u16::try_from(port).ok()).ok_or_else(wrong)?;
    if name.contains(':') && !name.starts_with('[') {
        return Err(wrong());
    }
    Ok((host(name).map_err(|_| wrong())?, port))
}

/// Whether a connection to this host stays within this machine (RFC 6761 section 6.3).
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// `a, b or c`.
pub(super) fn alternatives(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_owned(),
        [names @ .., last] => format!("{} or {last}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_show() {
        let cases = [
            ("0", 0),
            ("1", 1),
            ("1000B", 1000),
            ("8KiB", 8192),
            ("25MiB", 25 << 20),
            ("2 GiB", 2 << 30),
            ("3TiB", 3 << 40),
        ];
        for (text, want) in cases {
            assert_eq!(size(0..=u64::MAX)(text), Ok(want), "{text}");
            assert_eq!(size(0..=u64::MAX)(&show_size(want)), Ok(want), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "25MB", "25mib", "1 M", "18446744073709551616", "16777216TiB", "1KiBx"]
        {
            assert!(size(0..=u64::MAX)(text).is_err(), "{text}");
        }
        assert_eq!(show_size(150 << 20), "150MiB");
        assert!(size(10..=20)("9").is_err() && size(10..=20)("10").is_ok());
        assert!(size(10..=20)("20").is_ok() && size(10..=20)("21").is_err());
    }

    #[test]
    fn durations() {
        let read = |text| duration(Duration::from_secs(1))(text);
        assert_eq!(read("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(read("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(read("1s"), Ok(Duration::from_secs(1)));
        assert!(read("999ms").is_err());
        assert!(read("365d").is_ok() && read("366d").is_err());
        assert!(read("5").is_err() && read("").is_err() && read("soon").is_err());
    }

    #[test]
    fn ages_are_longer_than_durations() {
        let read = |text| age(Duration::from_secs(1))(text);
        assert_eq!(read("5y"), Ok(Duration::from_secs(5 * 31_557_600)));
        assert!(read("1s").is_ok() && read("999ms").is_err());
        assert!(read("50y").is_ok() && read("50y 1s").is_err());
        assert!(read("soon").expect_err("no duration").contains("is no duration"));
    }

    #[test]
    fn endpoints() {
        assert_eq!(endpoint("127.0.0.1:1080"), Ok(("127.0.0.1".to_owned(), 1080)));
        assert_eq!(endpoint("[::1]:65535"), Ok(("::1".to_owned(), 65535)));
        assert_eq!(endpoint("proxy.example:1"), Ok(("proxy.example".to_owned(), 1)));
        for text in
            ["", ":", "proxy", "proxy:", ":1080", "proxy:0", "proxy:65536", "::1:1080", "[::1]", "a b:1", "a:1:2"]
        {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        for host in ["localhost", "LOCALHOST.", "pop.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "notlocalhost", "128.0.0.1", "::2", "0.0.0.0", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn alternatives_are_listed() {
        assert_eq!(alternatives(&["a"]), "a");
        assert_eq!(alternatives(&["a", "b", "c"]), "a, b or c");
    }

    #[test]
    fn numbers_take_digits_only() {
        let read = |text| number(1..=65535)(text);
        assert_eq!(read("995"), Ok(995));
        assert_eq!(read("65535"), Ok(65535));
        for text in ["0", "65536", "+1", "-1", " 1", "1e3", "0x10", "", "4294967297"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_and_hosts() {
        assert!(user_name("alice@isp.example").is_ok());
        assert!(user_name("a/b").is_err() && user_name("").is_err() && user_name("a b").is_err());
        assert!(user_name(&"u".repeat(255)).is_ok() && user_name(&"u".repeat(256)).is_err());
        assert!(account_name("isp-1.old_x").is_ok());
        assert!(account_name("is p").is_err() && account_name("").is_err() && account_name("\u{e9}").is_err());
        assert!(account_name(&"a".repeat(64)).is_ok() && account_name(&"a".repeat(65)).is_err());
        assert_eq!(host("[::1]"), Ok("::1".to_owned()));
        assert!(host("pop.example.com").is_ok() && host("127.0.0.1").is_ok());
        assert!(host("pop.example.com:995").expect_err("port").contains("port: 995"));
        assert!(host("https://x").is_err() && host("").is_err());
    }
}
