//! Mail comes once and whole, and upstream is emptied only after that.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tributary::demo::pop3d::{Action, Fault};
use tributary::pop3::Verb;
use tributary::store::LedgerState;

use super::support::*;

#[tokio::test]
async fn two_accounts_are_fetched_once_also_across_a_restart() {
    let (one, two) = (server_with(3).await, server_with(200).await);
    let accounts = || vec![account("one", one.address()), account("two", two.address())];
    let house = House::of(accounts()).await;
    // The first poll is made without being asked for; this one comes behind it or takes its place.
    house.poll_ok("u/one").await;
    house.poll_ok("u/two").await;
    assert_eq!(house.subjects("one").await, ["1", "2", "3"]);
    assert_eq!(house.subjects("two").await.len(), 200);
    assert!(house.messages("two").await.iter().all(|bytes| bytes.ends_with(b"\r\n\r\n.hello\r\n..\r\n")), "I7");

    assert_eq!(house.poll_ok("u/two").await.fetched, 0);
    one.deliver("id4", message("4"));
    let report = house.poll_ok("u/one").await;
    assert_eq!((report.listed, report.fetched, report.duplicates), (4, 1, 0));
    assert_eq!(house.metric("tributary_messages_fetched_total", &["u/one"]), 4.0);
    assert_eq!(house.metric("tributary_account_state", &["u/one", "ok"]), 1.0);

    let house = house.restarted(accounts()).await;
    assert_eq!(house.poll_ok("u/one").await.fetched, 0);
    assert_eq!(house.poll_ok("u/two").await.fetched, 0);
    assert_eq!(house.subjects("one").await.len(), 4);
    assert_eq!((one.counters().retrieved, two.counters().retrieved), (4, 200));
    assert_eq!((one.counters().pipelined, two.counters().pipelined), (0, 0));
    assert_eq!(one.unique_ids().len(), 4, "forever leaves all");
    house.stop().await;
}

/// Several messages are on their way into the store at once; a client that sorts by arrival must not see it.
#[tokio::test]
async fn uids_ascend_in_the_order_of_the_maildrop() {
    let server = server_with(300).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    let order: Vec<String> = (1..=300).map(|n| n.to_string()).collect();
    assert_eq!(house.subjects_by_uid("a").await, order);
    house.stop().await;
}

#[tokio::test]
async fn never_deletes_upstream_only_what_is_durable_here() {
    let server = server_with(5).await;
    let gate = Arc::new(Semaphore::new(0));
    server.fault(Fault::always(Verb::Dele, Action::Wait(gate.clone())));
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    server.seen("DELE").await;
    // I1: the server has only just been asked; the message and its row are there already.
    let asked = server.log().iter().find_map(|line| line.strip_prefix("DELE ").map(str::to_owned)).unwrap();
    assert!(house.subjects("a").await.contains(&asked));
    assert_eq!(house.ledger("a").await[&format!("id{asked}")].state, LedgerState::DeleteWanted);
    assert_eq!(server.counters().deleted, 0);
    gate.add_permits(100);
    server.seen("QUIT").await;
    house.poll_ok("u/a").await;
    assert!(server.unique_ids().is_empty());
    assert_eq!(server.counters().deleted, 5);
    assert_eq!(house.subjects("a").await.len(), 5);
    assert_eq!(house.ledger("a").await.len(), 0, "a complete listing without them lets them be forgotten");
    assert_eq!(house.metric("tributary_upstream_deletes_total", &["u/a", "ok"]), 5.0);
    house.stop().await;
}

#[tokio::test]
async fn a_ledger_row_is_gone_once_quit_was_answered() {
    let server = server_with(2).await;
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    let report = house.poll_ok("u/a").await;
    // Either this poll or the one before it has emptied the maildrop; the next complete listing forgets the rows.
    if report.deleted == 2 {
        assert!(house.ledger("a").await.values().all(|row| row.state == LedgerState::Gone));
    }
    house.poll_ok("u/a").await;
    assert!(house.ledger("a").await.is_empty());
    house.stop().await;
}

#[tokio::test]
async fn an_interrupted_deletion_is_resumed_without_fetching_again() {
    let server = server_with(4).await;
    server.fault(Fault::once(Verb::Quit, Action::Close));
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    server.seen("QUIT").await;
    server.seen("QUIT").await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.deleted), (0, 4), "{report:?}");
    assert!(server.unique_ids().is_empty());
    assert_eq!(server.counters().retrieved, 4);
    assert_eq!(house.subjects("a").await.len(), 4);
    house.stop().await;
}

#[tokio::test]
async fn mail_that_arrives_meanwhile_comes_with_the_next_poll() {
    let server = server_with(1).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    for n in 2..5 {
        server.deliver(&format!("id{n}"), message(&n.to_string()));
        assert_eq!(house.poll_ok("u/a").await.fetched, 1);
    }
    server.remove("id1");
    house.poll_ok("u/a").await;
    assert_eq!(house.ledger("a").await.len(), 3);
    assert_eq!(house.subjects("a").await.len(), 4, "I8: nothing is removed here because it vanished there");
    house.stop().await;
}

#[tokio::test]
async fn a_server_without_unique_ids_gives_each_message_once() {
    let server = plain_server().await;
    server.fault(Fault::always(Verb::Uidl, Action::Answer(b"-ERR what?\r\n".to_vec())));
    (1..4).for_each(|n| server.deliver("", message(&n.to_string())));
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (0, 3));
    assert_eq!(house.subjects("a").await, ["1", "2", "3"]);
    house.stop().await;
}

#[tokio::test]
async fn shared_unique_ids_neither_lose_nor_double_mail() {
    let server = server_with(2).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    // id1 is known; now another message comes under the same unique-id.
    server.deliver("id1", message("other"));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (1, 1), "{report:?}");
    assert!(report.faults.contains(&"duplicate_unique_id"));
    assert_eq!(house.subjects("a").await, ["1", "2", "other"]);
    // The unique-ids become what they should be: `other` is known by its content and takes its unique-id.
    server.remove("id1");
    server.deliver("id1", message("1"));
    server.deliver("id9", message("other"));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (0, 1), "{report:?}");
    assert_eq!(house.poll_ok("u/a").await.duplicates, 0);
    assert_eq!(house.subjects("a").await, ["1", "2", "other"]);
    house.stop().await;
}

#[tokio::test]
async fn new_unique_ids_double_no_mail() {
    let server = server_with(30).await;
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    server.rename(|id| format!("migrated-{id}"));
    server.deliver("new", message("new"));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (1, 30), "{report:?}");
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (0, 0), "{report:?}");
    assert_eq!(house.subjects("a").await.len(), 31);
    let ledger = house.ledger("a").await;
    assert!(ledger.len() == 31 && ledger.keys().all(|id| id == "new" || id.starts_with("migrated-")), "{ledger:?}");
    assert_eq!(house.metric("tributary_uidl_resets_total", &["u/a"]), 1.0);
    house.stop().await;
}

#[tokio::test]
async fn wrong_sizes_and_a_refused_message_stop_no_other() {
    let server = plain_server().await;
    (1..6).for_each(|n| server.deliver_listed(&format!("id{n}"), message(&n.to_string()), 1_000_000 * n));
    server.fault(Fault::of_message(Verb::Retr, 2, Action::Answer(b"-ERR not this one\r\n".to_vec())));
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await, ["1", "3", "4", "5"]);
    server.heal();
    assert_eq!(house.poll_ok("u/a").await.fetched, 1);
    assert_eq!(server.counters().pipelined, 0);
    house.stop().await;
}

#[tokio::test]
async fn long_messages_are_skipped_and_counted() {
    let server = server_with(1).await;
    let at_limit: Arc<[u8]> = [b"Subject: x\r\n\r\n".as_slice(), &[b'x'; 84], b"\r\n"].concat().into();
    assert_eq!(at_limit.len(), 100);
    let past: Arc<[u8]> = [b"Subject: x\r\n\r\n".as_slice(), &[b'x'; 85], b"\r\n"].concat().into();
    server.deliver("fits", at_limit);
    server.deliver("long", past.clone());
    server.deliver_listed("lies", past, 10);
    let limited = tributary::poll::AccountSettings { max_message_size: 100, ..account("a", server.address()) };
    let house = House::of(vec![limited]).await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.listed, report.skipped), (4, 2), "{report:?}");
    assert_eq!(house.subjects("a").await, ["1", "x"]);
    let before = server.counters().retrieved;
    assert_eq!(house.poll_ok("u/a").await.skipped, 2);
    assert_eq!(server.counters().retrieved, before, "what turned out to be long is not asked for again");
    house.stop().await;
}

#[tokio::test]
async fn a_message_of_50_mb_passes_with_bounded_memory() {
    let server = server().await;
    let line = [&[b'x'; 998], b"\r\n".as_slice()].concat();
    let mut large = b"Subject: large\r\n\r\n".to_vec();
    while large.len() < 50 << 20 {
        large.extend_from_slice(&line);
    }
    let large: Arc<[u8]> = large.into();
    server.deliver("large", large.clone());
    let gate = Arc::new(Semaphore::new(0));
    server.fault(Fault::always(Verb::Retr, Action::Wait(gate.clone())));
    let house = House::of(vec![account("a", server.address())]).await;
    server.seen("RETR").await;
    let before = peak_memory();
    gate.add_permits(1);
    house.poll_ok("u/a").await;
    // The server's own copy was there before.
    let grown = peak_memory() - before;
    assert!(grown < 30 << 20, "{} MiB", grown >> 20);
    assert!(house.messages("a").await == [large.to_vec()]);
    house.stop().await;
}

/// VmHWM of this process, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn a_nudge_is_rate_limited_and_disabled_accounts_rest() {
    let server = server_with(1).await;
    let disabled = tributary::poll::AccountSettings { enabled: false, ..account("b", server.address()) };
    let house = House::of(vec![account("a", server.address()), disabled]).await;
    house.poll_ok("u/a").await;
    let logins = server.counters().logins;
    house.poller.nudge("u");
    house.poller.nudge("nobody");
    house.poll_ok("u/a").await;
    assert_eq!(server.counters().logins, logins + 1, "the nudge came too soon");
    assert_eq!(house.metric("tributary_polls_on_demand_total", &["u/a", "started"]), 0.0);
    let counted = async {
        while house.metric("tributary_polls_on_demand_total", &["u/a", "fresh"]) != 1.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), counted).await.expect("the nudge is counted");
    assert!(house.poller.poll_now("u/b").await.is_err());
    assert!(house.poller.poll_now("u/c").await.is_err());
    assert_eq!(house.status.borrow()["u/b"].state.label(), "paused");
    house.stop().await;
}

#[tokio::test]
async fn shutdown_comes_to_a_safe_point() {
    let server = server_with(50).await;
    let gate = Arc::new(Semaphore::new(3));
    server.fault(Fault::always(Verb::Retr, Action::Wait(gate.clone())));
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    server.seen("RETR 4").await;
    let stopping = tokio::spawn(house.stop());
    gate.add_permits(50);
    let dir = stopping.await.unwrap();
    assert_eq!(server.log().last().map(String::as_str), Some("QUIT"));
    assert_eq!(server.counters().deleted, server.counters().retrieved);
    assert!(server.counters().retrieved < 50, "nothing new was begun");
    drop(dir);
}
