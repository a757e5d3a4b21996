//! What becomes of messages upstream, and which are fetched at first: how these are written.

use std::time::Duration;

use serde::Serializer;

use super::value;
use crate::poll::{FirstPoll, LeaveOnServer};

/// The shortest time for which a message stays upstream.
const MIN_STAY: Duration = Duration::from_secs(1);

/// The most that `newest` may name: no maildrop holds more (`limits.pop3.listing_entries`).
const MAX_NEWEST: u64 = 100_000_000;

/// `forever`, `never`, `until_expunged` or a time.
pub(super) fn leave_on_server(text: &str) -> Result<LeaveOnServer, String> {
    match text {
        "forever" => Ok(LeaveOnServer::Forever),
        "never" => Ok(LeaveOnServer::Never),
        "until_expunged" => Ok(LeaveOnServer::UntilExpunged),
        _ => match humantime::parse_duration(text) {
            Ok(Duration::ZERO) => Err(format!("{text} leaves nothing on the server; write never")),
            Ok(_) => value::age(MIN_STAY)(text).map(LeaveOnServer::For),
            Err(_) => Err(format!("{text:?} is no policy; write forever, never, until_expunged or a time such as 14d")),
        },
    }
}

/// `all`, `new`, `newest N` or `since DURATION`.
pub(super) fn first_poll(text: &str) -> Result<FirstPoll, String> {
    match text.split_once(' ') {
        None if text == "all" => Ok(FirstPoll::All),
        None if text == "new" => Ok(FirstPoll::New),
        Some(("newest", "0")) => Err("newest 0 fetches nothing of what is there; write new".to_owned()),
        Some(("newest", count)) => value::number(1..=MAX_NEWEST)(count).map(FirstPoll::Newest),
        Some(("since", age)) => value::age(MIN_STAY)(age).map(FirstPoll::Since),
        _ => Err(format!("{text:?} is no choice; write all, new, newest 500 or since 90d")),
    }
}

pub(super) fn show_leave_on_server<S: Serializer>(policy: &LeaveOnServer, serializer: S) -> Result<S::Ok, S::Error> {
    match policy {
        LeaveOnServer::Forever => serializer.serialize_str("forever"),
        LeaveOnServer::Never => serializer.serialize_str("never"),
        LeaveOnServer::UntilExpunged => serializer.serialize_str("until_expunged"),
        LeaveOnServer::For(time) => serializer.collect_str(&humantime::format_duration(*time)),
    }
}

pub(super) fn show_first_poll<S: Serializer>(choice: &FirstPoll, serializer: S) -> Result<S::Ok, S::Error> {
    match choice {
        FirstPoll::All => serializer.serialize_str("all"),
        FirstPoll::New => serializer.serialize_str("new"),
        FirstPoll::Newest(count) => serializer.collect_str(&format_args!("newest {count}")),
        FirstPoll::Since(age) => serializer.collect_str(&format_args!("since {}", humantime::format_duration(*age))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn policies_are_read() {
        for (text, want) in [
            ("forever", LeaveOnServer::Forever),
            ("never", LeaveOnServer::Never),
            ("until_expunged", LeaveOnServer::UntilExpunged),
            ("14d", LeaveOnServer::For(14 * DAY)),
            ("1h 30m", LeaveOnServer::For(Duration::from_secs(5400))),
            ("1s", LeaveOnServer::For(MIN_STAY)),
            ("50y", LeaveOnServer::For(value::MAX_AGE)),
        ] {
            assert_eq!(leave_on_server(text), Ok(want), "{text}");
        }
        for (text, needle) in [
            ("0", "write never"),
            ("0d", "write never"),
            ("999ms", "999ms is too short; write 1s or more"),
            ("51y", "51y is too long; write 50y or less"),
            ("14", "\"14\" is no policy; write forever, never, until_expunged or a time such as 14d"),
            ("Never", "is no policy"),
            ("", "is no policy"),
        ] {
            let problem = leave_on_server(text).expect_err(text);
            assert!(problem.contains(needle), "{text}: {problem}");
        }
    }

    #[test]
    fn first_polls_are_read() {
        for (text, want) in [
            ("all", FirstPoll::All),
            ("new", FirstPoll::New),
            ("newest 1", FirstPoll::Newest(1)),
            ("newest 100000000", FirstPoll::Newest(MAX_NEWEST)),
            ("since 90d", FirstPoll::Since(90 * DAY)),
            ("since 1h 30m", FirstPoll::Since(Duration::from_secs(5400))),
            ("since 1s", FirstPoll::Since(MIN_STAY)),
        ] {
            assert_eq!(first_poll(text), Ok(want), "{text}");
        }
        for (text, needle) in [
            ("newest 0", "write new"),
            ("newest 100000001", "is no number from 1 to 100000000"),
            ("newest", "write all, new, newest 500 or since 90d"),
            ("newest  5", "is no number"),
            ("since", "write all, new"),
            ("since yesterday", "\"yesterday\" is no duration"),
            ("since 0s", "too short; write 1s or more"),
            ("since 51y", "too long; write 50y or less"),
            ("none", "is no choice"),
            ("", "is no choice"),
        ] {
            let problem = first_poll(text).expect_err(text);
            assert!(problem.contains(needle), "{text}: {problem}");
        }
    }
}
