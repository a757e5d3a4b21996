//! What is fetched of the mail that was there before.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings as ServerSettings, Top, UniqueIds};
use tributary::poll::{AccountSettings, FirstPoll};
use tributary::pop3::Verb;
use tributary::store::LedgerState;

use super::support::*;

fn with(first_poll: FirstPoll, server: &Pop3d) -> AccountSettings {
    AccountSettings { first_poll, ..account("a", server.address()) }
}

async fn fetched_of_ten(first_poll: FirstPoll) -> (House, Pop3d, usize) {
    let server = server().await;
    post(&server, 1..=10);
    let house = House::of(vec![with(first_poll, &server)]).await;
    house.poll_ok("u/a").await;
    let count = house.subjects("a").await.len();
    post(&server, 11..=12);
    let house = house.restarted(vec![with(first_poll, &server)]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await.len(), count + 2, "what comes later is fetched");
    (house, server, count)
}

#[tokio::test]
async fn all_new_or_the_newest_are_fetched() {
    for (first_poll, count) in
        [(FirstPoll::All, 10), (FirstPoll::New, 0), (FirstPoll::Newest(3), 3), (FirstPoll::Newest(99), 10)]
    {
        let (house, server, fetched) = fetched_of_ten(first_poll).await;
        assert_eq!(fetched, count, "{first_poll:?}");
        assert_eq!(server.counters().retrieved, count as u64 + 2, "{first_poll:?}");
        let skipped = house.ledger("a").await.values().filter(|row| row.state == LedgerState::Skipped).count();
        assert_eq!(skipped, 10 - count);
        house.stop().await;
    }
}

#[tokio::test]
async fn what_was_skipped_is_fetched_when_all_is_wanted() {
    let (house, server, _) = fetched_of_ten(FirstPoll::New).await;
    let house = house.restarted(vec![with(FirstPoll::All, &server)]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await.len(), 12);
    assert_eq!(server.counters().retrieved, 12);
    assert!(house.ledger("a").await.values().all(|row| row.state == LedgerState::Stored));
    house.stop().await;
}

#[tokio::test]
async fn skipped_mail_stays_skipped_under_new_unique_ids() {
    let (house, server, _) = fetched_of_ten(FirstPoll::New).await;
    server.rename(|id| format!("new-{id}"));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.adopted), (0, 12), "{report:?}");
    assert_eq!(house.subjects("a").await.len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn the_backlog_counts_down_to_nothing_also_where_dates_are_looked_at_first() {
    let server = server().await;
    for n in ["1", "2", "3"] {
        server.deliver(n, dated_letter(n, "Thu, 1 Jan 2099 10:00:00 +0000"));
    }
    let gate = Arc::new(Semaphore::new(0));
    server.fault(Fault::always(Verb::Retr, Action::Wait(gate.clone())));
    let since = FirstPoll::Since(Duration::from_secs(90 * 24 * 3600));
    let house = House::of(vec![with(since, &server)]).await;
    let backlog = || house.metric("tributary_upstream_backlog_messages", &["u/a"]);
    let watched = async {
        server.seen("RETR").await;
        assert_eq!(backlog(), 3.0);
        gate.add_permits(3);
    };
    tokio::join!(house.poll_ok("u/a"), watched);
    assert_eq!(backlog(), 0.0);
    house.stop().await;
}

#[tokio::test]
async fn old_mail_is_told_by_its_date() {
    let server = server().await;
    server.deliver("old", dated_letter("old", "Thu, 1 Jan 1998 10:00:00 +0000"));
    server.deliver("fresh", dated_letter("fresh", "Thu, 1 Jan 2099 10:00:00 +0000"));
    server.deliver("dateless", message("dateless"));
    let since = FirstPoll::Since(Duration::from_secs(90 * 24 * 3600));
    let house = House::of(vec![with(since, &server)]).await;
    house.poll_ok("u/a").await;
    server.deliver("late", dated_letter("late", "Thu, 1 Jan 1998 11:00:00 +0000"));
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await, ["dateless", "fresh", "late"], "only at the first poll");
    assert_eq!(server.counters().retrieved, 3);
    house.stop().await;
}

async fn nameless_server(top: Top) -> Pop3d {
    let capabilities = ["TOP", "USER", "PIPELINING"].map(str::to_owned).to_vec();
    let settings = ServerSettings { capabilities: Some(capabilities), ..ServerSettings::default() };
    let server = Pop3d::start(settings).await.unwrap();
    server.quirks(|quirks| (quirks.unique_ids, quirks.top) = (UniqueIds::Absent, top));
    post(&server, 1..=6);
    server
}

#[tokio::test]
async fn without_unique_ids_headers_tell_what_was_skipped() {
    let server = nameless_server(Top::Proper).await;
    let house = House::of(vec![with(FirstPoll::Newest(2), &server)]).await;
    house.poll_ok("u/a").await;
    post(&server, 7..=7);
    let house = house.restarted(vec![with(FirstPoll::Newest(2), &server)]).await;
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await, ["5", "6", "7"]);
    assert_eq!(server.counters().retrieved, 3);
    let house = house.restarted(vec![with(FirstPoll::All, &server)]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await.len(), 7);
    house.stop().await;
}

#[tokio::test]
async fn without_unique_ids_and_top_all_is_fetched() {
    let server = nameless_server(Top::Absent).await;
    let house = House::of(vec![with(FirstPoll::New, &server)]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await.len(), 6);
    post(&server, 7..=7);
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await.len(), 7);
    house.stop().await;
}

#[tokio::test]
async fn a_hundred_thousand_messages_are_listed_once_a_session() {
    let server = server().await;
    (0..100_000).for_each(|n| server.deliver(&format!("unique-{n:09}"), b"\r\n".to_vec()));
    let house = House::of(vec![with(FirstPoll::New, &server)]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.ledger("a").await.len(), 100_000);
    post(&server, 1..=3);
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.listed, report.fetched), (100_003, 3), "{report:?}");
    let sessions = usize::try_from(server.counters().logins).unwrap();
    assert_eq!((sent(&server, "UIDL"), sent(&server, "LIST"), sent(&server, "TOP")), (sessions, sessions, 0));
    assert_eq!(server.counters().retrieved, 3);
    assert_eq!(house.subjects("a").await, ["1", "2", "3"]);
    house.stop().await;
}
