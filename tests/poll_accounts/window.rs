//! Maildrops that show a part at a time, and sessions that take a part at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings as ServerSettings, Window};
use tributary::poll::{Bounds, Settings};
use tributary::pop3::Verb;

use super::support::*;

async fn windowed(capabilities: &[&str]) -> Pop3d {
    let capabilities = ["TOP", "UIDL", "USER", "SASL PLAIN"].iter().chain(capabilities);
    let capabilities = Some(capabilities.map(|name| (*name).to_owned()).collect());
    let server = Pop3d::start(ServerSettings { capabilities, ..ServerSettings::default() }).await.unwrap();
    server.quirks(|quirks| {
        quirks.window = Window::First(10);
        quirks.hides_retrieved = true;
    });
    server
}

#[tokio::test]
async fn a_window_is_drained_in_one_poll() {
    let server = windowed(&["PIPELINING"]).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    let before = server.counters().logins;
    post(&server, 1..=35);
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.backlog, report.more), (35, 0, false), "{report:?}");
    assert_eq!(server.counters().logins - before, 5, "four windows, and one that is empty");
    let order: Vec<String> = (1..=35).map(|n| n.to_string()).collect();
    assert_eq!(house.subjects_by_uid("a").await, order);
    // What it is like is known now: a few are enough for another look.
    post(&server, 36..=38);
    let before = server.counters().logins;
    assert_eq!(house.poll_ok("u/a").await.fetched, 3);
    assert_eq!(server.counters().logins - before, 2);
    house.stop().await;
}

#[tokio::test]
async fn a_window_on_what_is_emptied_is_drained_in_one_poll() {
    let server = server().await;
    server.quirks(|quirks| quirks.window = Window::First(10));
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    house.poll_ok("u/a").await;
    post(&server, 1..=25);
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.deleted), (25, 25), "{report:?}");
    assert!(server.unique_ids().is_empty());
    assert_eq!(house.subjects("a").await.len(), 25);
    house.stop().await;
}

#[tokio::test]
async fn a_login_delay_is_waited_for() {
    let server = windowed(&["LOGIN-DELAY 600"]).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    post(&server, 1..=15);
    let before = server.counters().logins;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.more), (10, true), "{report:?}");
    assert_eq!(server.counters().logins - before, 1);
    house.stop().await;
}

#[tokio::test]
async fn a_throttle_behind_a_window_does_not_make_the_poll_a_failure() {
    let server = windowed(&[]).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    post(&server, 1..=15);
    let gate = Arc::new(Semaphore::new(0));
    server.fault(Fault::once(Verb::Quit, Action::Wait(gate.clone())));
    let asked = sent(&server, "QUIT");
    let (report, ()) = tokio::join!(house.poll("u/a"), async {
        server.seen("RETR 10").await;
        server.quirks(|quirks| quirks.login_delay = Some(Duration::from_secs(3600)));
        gate.add_permits(1);
    });
    assert!(sent(&server, "QUIT") > asked);
    assert_eq!((report.result.label(), report.fetched, report.more), ("ok", 10, true), "{report:?}");
    assert_eq!(report.listed, 10, "of the session that listed something");
    house.stop().await;
}

#[tokio::test]
async fn a_session_takes_no_more_than_it_may_and_ends_well() {
    let server = server().await;
    let account = account("a", server.address());
    let bounds = Bounds { session_octets: 1000, ..Bounds::default() };
    let house = House::with(Settings { accounts: vec![account], bounds, ..Settings::default() }).await;
    house.poll_ok("u/a").await;
    let size = letter("1").len() as u64;
    post(&server, 1..=9);
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.more), (1000_u64.div_ceil(size), true), "{report:?}");
    assert_eq!(report.fetched + report.backlog, 9);
    assert_eq!(server.log().last().map(String::as_str), Some("QUIT"));
    for _ in 0..3 {
        house.poll_ok("u/a").await;
    }
    assert_eq!(house.subjects("a").await.len(), 9);
    assert_eq!(server.counters().retrieved, 9);
    house.stop().await;
}

#[tokio::test]
async fn a_session_out_of_time_begins_nothing_more() {
    let server = server().await;
    post(&server, 1..=3);
    let bounds = Bounds { session_time: Duration::ZERO, ..Bounds::default() };
    let accounts = vec![account("a", server.address())];
    let house = House::with(Settings { accounts, bounds, ..Settings::default() }).await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.backlog, report.more), (0, 3, true), "{report:?}");
    assert_eq!((sent(&server, "RETR"), server.log().last().map(String::as_str)), (0, Some("QUIT")));
    house.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_up_on_a_second_login_so_soon_is_not_taken_to_refuse_the_password() {
    let server = windowed(&[]).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    post(&server, 1..=15);
    let gate = Arc::new(Semaphore::new(0));
    server.fault(Fault::once(Verb::Quit, Action::Wait(gate.clone())));
    let (report, ()) = tokio::join!(house.poll("u/a"), async {
        server.seen("RETR 10").await;
        server.fault(Fault::once(Verb::Auth, Action::Close));
        gate.add_permits(1);
    });
    assert_eq!((report.result.label(), report.fetched, report.more), ("ok", 10, true), "{report:?}");
    assert_eq!(house.poll_ok("u/a").await.fetched, 5);
    assert_eq!(house.subjects("a").await.len(), 15);
    house.stop().await;
}
