//! Bounds on what a server may send and on what a session may take, at the limit and one past it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::advance;
use tributary::demo::pop3d::{Action, Fault, Quirks, Settings as ServerSettings, UniqueIds};
use tributary::poll::{AccountSettings, Bounds, PollResult, Report, Settings};
use tributary::pop3::{Limits, Timeouts, Verb};

use super::support::*;

async fn bounded(server: &tributary::demo::pop3d::Pop3d, limits: Limits, bounds: Bounds) -> House {
    let timeouts =
        Timeouts { reply: Duration::from_secs(86_400), body: Duration::from_secs(86_400), ..Timeouts::default() };
    let accounts = vec![account("a", server.address())];
    House::with(Settings { accounts, timeouts, limits, bounds }).await
}

#[tokio::test]
async fn a_session_that_has_its_octets_begins_no_other_message() {
    let size = message("1").len() as u64;
    for (session_octets, fetched) in [(2 * size, 2), (2 * size + 1, 3), (1, 1)] {
        for server in [server().await, plain_server().await] {
            (1..=3).for_each(|n| server.deliver(&format!("id{n}"), message(&n.to_string())));
            let house = bounded(&server, Limits::default(), Bounds { session_octets, ..Bounds::default() }).await;
            let report = house.poll_ok("u/a").await;
            assert_eq!((report.fetched, report.backlog), (fetched, 3 - fetched), "{session_octets}");
            assert_eq!(report.more, fetched < 3);
            assert_eq!(server.counters().retrieved, fetched, "what is begun is brought to its end");
            while house.poll_ok("u/a").await.backlog > 0 {}
            assert_eq!(house.subjects("a").await, ["1", "2", "3"]);
            assert_eq!(server.counters().retrieved, 3);
            house.stop().await;
        }
    }
    // A server that lists less than it sends gains nothing.
    let server = plain_server().await;
    (1..=3).for_each(|n| server.deliver_listed(&format!("id{n}"), message(&n.to_string()), 1));
    let house = bounded(&server, Limits::default(), Bounds { session_octets: 2 * size, ..Bounds::default() }).await;
    assert_eq!(house.poll_ok("u/a").await.fetched, 2);
    house.stop().await;
}

/// A poll of three messages during the first of which so much time passes; `released`: then that message comes.
async fn after(time: Duration, released: bool) -> (Report, u64) {
    // A blocking task holds the clock, which moves by hand only.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || held.recv());
    let server = plain_server().await;
    (1..=3).for_each(|n| server.deliver(&format!("id{n}"), message(&n.to_string())));
    let gate = Arc::new(Semaphore::new(0));
    server.fault(Fault::once(Verb::Retr, Action::Wait(gate.clone())));
    let bounds = Bounds { session_time: Duration::from_secs(60), ..Bounds::default() };
    let house = bounded(&server, Limits::default(), bounds).await;
    let (report, ()) = tokio::join!(house.poll("u/a"), async {
        server.seen("RETR 1").await;
        advance(time).await;
        gate.add_permits(usize::from(released));
    });
    drop(hold);
    let connections = server.counters().connections;
    house.stop().await;
    (report, connections)
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_time_is_over_begins_no_other_message() {
    let limit = Duration::from_secs(60);
    let (report, _) = after(limit - Duration::from_millis(1), true).await;
    assert_eq!((report.result, report.fetched, report.backlog, report.more), (PollResult::Ok, 3, 0, false));
    let (report, _) = after(limit, true).await;
    assert_eq!((report.result, report.fetched, report.backlog, report.more), (PollResult::Ok, 1, 2, true));
}

#[tokio::test(start_paused = true)]
async fn a_session_has_ten_minutes_past_its_time_for_what_is_begun() {
    let limit = Duration::from_secs(60 + 600);
    let (report, connections) = after(limit - Duration::from_millis(1), true).await;
    assert_eq!((report.result, report.fetched, report.backlog, connections), (PollResult::Ok, 1, 2, 1));
    let (report, connections) = after(limit, false).await;
    assert_eq!((report.result, report.fetched, report.backlog, connections), (PollResult::Timeout, 0, 3, 1));
    assert_eq!(report.error.as_deref(), Some("no answer to RETR in time"));
}

#[tokio::test]
async fn messages_past_the_largest_size_stay_and_are_listed_in_the_status() {
    let size = message("1").len() as u64;
    let server = server_with(1).await;
    server.deliver("long", message("22"));
    let max_message_size = size;
    let house = House::of(vec![AccountSettings { max_message_size, ..account("a", server.address()) }]).await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.skipped), (1, 1));
    assert_eq!(house.status.borrow()["u/a"].too_large, [("long".to_owned(), size + 1)]);
    assert_eq!(house.metric("tributary_messages_skipped_total", &["u/a", "too_large"]), 1.0);
    house.stop().await;
}

#[tokio::test]
async fn a_maildrop_with_more_messages_than_the_limit_is_left_alone() {
    for (count, expected) in [(3, (PollResult::Ok, 3)), (4, (PollResult::Protocol, 0))] {
        let server = server_with(count).await;
        let house = bounded(&server, Limits { listing: 3, ..Limits::default() }, Bounds::default()).await;
        let report = house.poll("u/a").await;
        assert_eq!((report.result, report.fetched), expected, "{report:?}");
        assert_eq!(server.counters().retrieved, expected.1);
        house.stop().await;
    }
}

#[tokio::test]
async fn a_reply_line_past_the_limit_ends_the_session() {
    for (length, result) in [(600, PollResult::Ok), (601, PollResult::Protocol)] {
        let server = server_with(1).await;
        let answer = format!("{:x<length$}\r\n", "+OK 1 51 ");
        server.fault(Fault::always(Verb::Stat, Action::Answer(answer.into_bytes())));
        let house = bounded(&server, Limits { line: 600, ..Limits::default() }, Bounds::default()).await;
        let report = house.poll("u/a").await;
        assert_eq!(report.result, result, "{report:?}");
        house.stop().await;
    }
}

#[tokio::test]
async fn of_a_header_past_the_limit_the_rest_is_not_kept() {
    let header = letter("1").windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 4;
    for (limit, cut) in [(header, false), (header - 1, true)] {
        let quirks = Quirks { unique_ids: UniqueIds::Absent, ..Quirks::default() };
        let capabilities = Some(["TOP", "USER"].map(str::to_owned).to_vec());
        let settings = ServerSettings { quirks, capabilities, ..ServerSettings::default() };
        let server = tributary::demo::pop3d::Pop3d::start(settings).await.unwrap();
        post(&server, 1..=1);
        let house = bounded(&server, Limits { header: limit, ..Limits::default() }, Bounds::default()).await;
        house.poll_ok("u/a").await;
        let report = house.poll_ok("u/a").await;
        assert!(sent(&server, "TOP") > 0, "{:?}", server.log());
        assert_eq!(report.faults.contains(&"header_too_long"), cut, "{limit}: {report:?}");
        assert_eq!(house.subjects("a").await, ["1"]);
        house.stop().await;
    }
}
