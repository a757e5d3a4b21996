//! What a user is told about a message that cannot be fetched.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::plan::Target;

/// A plain message about it: the account's id, what could be had of it and why no more.
pub(super) fn notice(account: &str, target: &Target, octets: u64, reason: &str, now: i64) -> String {
    let moment = Timestamp::from_second(now).unwrap_or_default().to_zoned(TimeZone::UTC);
    let date = jiff::fmt::rfc2822::to_string(&moment).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(account.as_bytes()).update(&[0]).update(&target.key()).update(&now.to_be_bytes());
    let id = hasher.finalize().to_hex();
    let account: String = account.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let size = target.size.map_or_else(|| "not known".to_owned(), |size| format!("{size} octets"));
    let had = match octets {
        0 => "Nothing of it could be had.".to_owned(),
        octets => format!("The first {octets} octets of it have been put beside this notice."),
    };
    let lines = [
        "From: Tributary <tributary@tributary.invalid>".to_owned(),
        "Subject: A message could not be fetched".to_owned(),
        format!("Date: {date}"),
        format!("Message-ID: <{}@tributary.invalid>", id.get(..32).unwrap_or_default()),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: 8bit".to_owned(),
        String::new(),
        "A message in one of your maildrops could not be fetched whole, several times.".to_owned(),
        had,
        String::new(),
        format!("Account:     {account}"),
        format!("Message:     {}", target.name()),
        format!("Listed size: {size}"),
        format!("Reason:      {reason}"),
        String::new(),
        "It stays where it is, and is tried again once a day. When it can be fetched, it".to_owned(),
        "will be here as well. Other messages are not held up by it.".to_owned(),
    ];
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_message_and_why() {
        let target = Target { number: 7, size: Some(1234), unique_id: Some(b"a\xffb".to_vec()), tries: 2 };
        let text = notice("u/isp\n", &target, 0, "no answer to RETR in time", 86_400);
        for part in [
            "Date: Fri, 2 Jan 1970 00:00:00 +0000\r\n",
            "u/isp?\r\n",
            "a\\xffb\r\n",
            "1234 octets",
            "no answer to RETR in time",
            "Nothing of it",
            "@tributary.invalid>\r\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(notice("u/isp", &target, 5, "x", 0).contains("The first 5 octets"));
        assert!(text.lines().all(|line| line.len() < 998));
        let other = notice("u/isp\n", &Target { number: 8, unique_id: None, ..target }, 0, "", 86_400);
        assert!(other.contains("message 8"));
        let id = |text: &str| text.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
        assert_ne!(id(&text), id(&other));
    }
}
