//! A message is the same message under whatever name the server gives it, and another one under the same name is not.

use std::time::Duration;

use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings as ServerSettings, Top, UniqueIds};
use tributary::poll::{AccountSettings, LeaveOnServer};
use tributary::pop3::Verb;

use super::support::*;

fn top(kind: Top) -> impl FnOnce(&mut tributary::demo::pop3d::Quirks) {
    move |quirks| quirks.top = kind
}

#[tokio::test]
async fn renumbered_mail_is_recognised_without_being_fetched() {
    let server = server().await;
    post(&server, 1..=120);
    server.quirks(|quirks| quirks.volatile_headers = true);
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    server.rename(|id| format!("migrated-{id}"));
    server.deliver("new", letter("new"));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates, report.adopted), (1, 0, 120), "{report:?}");
    assert!(report.faults.contains(&"unique_ids_changed"));
    assert_eq!(server.counters().retrieved, 121);
    assert_eq!(house.metric("tributary_uidl_resets_total", &["u/a"]), 1.0);
    assert_eq!(house.metric("tributary_messages_duplicate_total", &["u/a", "header"]), 120.0);
    let house = house.restarted(vec![account("a", server.address())]).await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.adopted), (0, 0), "{report:?}");
    assert_eq!(server.counters().retrieved, 121);
    assert_eq!(house.subjects("a").await.len(), 121);
    let ledger = house.ledger("a").await;
    assert!(ledger.len() == 121 && ledger.keys().all(|id| id == "new" || id.starts_with("migrated-")), "{ledger:?}");
    house.stop().await;
}

#[tokio::test]
async fn renumbering_doubles_no_mail_whatever_top_says() {
    for kind in [Top::Absent, Top::Truncated, Top::Unstuffed, Top::WithBody] {
        let server = server().await;
        post(&server, 1..=20);
        server.quirks(top(kind));
        let house = House::of(vec![account("a", server.address())]).await;
        house.poll_ok("u/a").await;
        server.rename(|id| format!("migrated-{id}"));
        let report = house.poll_ok("u/a").await;
        assert_eq!((report.fetched, report.adopted + report.duplicates), (0, 20), "{kind:?} {report:?}");
        let before = server.counters().retrieved;
        assert_eq!(house.poll_ok("u/a").await.duplicates, 0, "{kind:?}");
        assert_eq!(server.counters().retrieved, before, "{kind:?}");
        assert_eq!(house.subjects("a").await.len(), 20, "{kind:?}");
        house.stop().await;
    }
}

/// Without a Message-ID, a header and a size may be those of many messages.
#[tokio::test]
async fn messages_that_look_alike_are_told_apart_by_their_content() {
    let alike = |body: char| format!("Subject: cron\r\n\r\n{body}\r\n").into_bytes();
    let server = server().await;
    ('a'..='c').for_each(|body| server.deliver(&format!("id-{body}"), alike(body)));
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    server.rename(|id| format!("new-{id}"));
    ('d'..='e').for_each(|body| server.deliver(&format!("id-{body}"), alike(body)));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (2, 3), "{report:?}");
    let mut bodies = house.messages("a").await;
    bodies.sort();
    assert_eq!(bodies, ('a'..='e').map(alike).collect::<Vec<_>>());
    house.stop().await;
}

/// The same with a Message-ID that two messages share, as copies do that a list has changed.
#[tokio::test]
async fn more_messages_than_rows_with_one_header_are_fetched_and_compared() {
    let copy = |body: char| format!("Message-ID: <1@x>\r\nSubject: s\r\n\r\n{body}\r\n").into_bytes();
    let server = server().await;
    server.deliver("one", copy('a'));
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    server.rename(|_| "renamed".to_owned());
    server.deliver("two", copy('b'));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates, report.adopted), (1, 1, 0), "{report:?}");
    let mut bodies = house.messages("a").await;
    bodies.sort();
    assert_eq!(bodies, [copy('a'), copy('b')]);
    assert_eq!(house.poll_ok("u/a").await.duplicates, 0);
    house.stop().await;
}

#[tokio::test]
async fn a_maildrop_without_unique_ids_is_not_fetched_at_every_poll() {
    for unique_ids in [UniqueIds::Absent, UniqueIds::Empty, UniqueIds::Numbers, UniqueIds::Same] {
        // What says UIDL in CAPA and refuses it is taken to be locked.
        let capabilities = ["TOP", "USER", "PIPELINING"].map(str::to_owned).to_vec();
        let settings = ServerSettings { capabilities: Some(capabilities), ..ServerSettings::default() };
        let server = Pop3d::start(settings).await.unwrap();
        server.quirks(|quirks| quirks.unique_ids = unique_ids);
        post(&server, 1..=12);
        let house = House::of(vec![account("a", server.address())]).await;
        house.poll_ok("u/a").await;
        assert_eq!(house.poll_ok("u/a").await.duplicates, 0, "{unique_ids:?}");
        assert_eq!(server.counters().retrieved, 12, "{unique_ids:?}");
        // Another client deletes the first: every number now means another message.
        server.remove("id1");
        post(&server, 13..=14);
        let house = house.restarted(vec![account("a", server.address())]).await;
        house.poll_ok("u/a").await;
        house.poll_ok("u/a").await;
        assert_eq!(server.counters().retrieved, 14, "{unique_ids:?}");
        assert_eq!(house.subjects("a").await.len(), 14, "{unique_ids:?}");
        // The server learns it at last: nothing is fetched for that.
        server.quirks(|quirks| quirks.unique_ids = UniqueIds::Delivered);
        assert_eq!(house.poll_ok("u/a").await.adopted, 13, "{unique_ids:?}");
        assert_eq!(server.counters().retrieved, 14, "{unique_ids:?}");
        house.stop().await;
    }
}

#[tokio::test]
async fn copies_without_unique_ids_are_fetched_once_for_good() {
    let server = server().await;
    server.quirks(|quirks| quirks.unique_ids = UniqueIds::Empty);
    for _ in 0..3 {
        server.deliver("", letter("same"));
    }
    let house = House::of(vec![account("a", server.address())]).await;
    for _ in 0..4 {
        house.poll_ok("u/a").await;
    }
    assert_eq!(house.subjects("a").await, ["same"]);
    // Once to store it, and at most once more to see that all three are one.
    let retrieved = server.counters().retrieved;
    assert!(retrieved <= 6, "{retrieved}");
    house.poll_ok("u/a").await;
    assert_eq!(server.counters().retrieved, retrieved);
    house.stop().await;
}

#[tokio::test]
async fn an_emptied_maildrop_without_unique_ids_has_lost_nothing() {
    for kind in [Top::Proper, Top::Absent] {
        let server = server().await;
        server.quirks(|quirks| (quirks.unique_ids, quirks.top) = (UniqueIds::Numbers, kind));
        post(&server, 1..=3);
        let house = House::of(vec![account("a", server.address())]).await;
        house.poll_ok("u/a").await;
        let house = house.restarted(vec![emptying(account("a", server.address()))]).await;
        post(&server, 4..=5);
        house.poll_ok("u/a").await;
        house.poll_ok("u/a").await;
        assert!(server.unique_ids().is_empty(), "{kind:?}");
        assert_eq!(house.subjects("a").await, ["1", "2", "3", "4", "5"], "{kind:?}");
        house.stop().await;
    }
}

#[tokio::test]
async fn a_reused_unique_id_brings_the_new_message() {
    for kind in [Top::Proper, Top::Absent] {
        let server = server().await;
        post(&server, 1..=3);
        server.quirks(top(kind));
        let house = House::of(vec![account("a", server.address())]).await;
        house.poll_ok("u/a").await;
        server.remove("id2");
        server.deliver("id2", letter("quite another"));
        let report = house.poll_ok("u/a").await;
        assert_eq!(report.fetched, 1, "{kind:?} {report:?}");
        assert!(report.faults.contains(&"unique_id_reused"), "{report:?}");
        let report = house.poll_ok("u/a").await;
        assert_eq!((report.fetched, report.duplicates), (0, 0), "{kind:?} {report:?}");
        assert_eq!(house.subjects("a").await, ["1", "2", "3", "quite another"]);
        house.stop().await;
    }
}

/// Even one of the same size: before anything is deleted that an earlier session stored, it is looked at.
#[tokio::test]
async fn a_reused_unique_id_is_stored_before_it_is_deleted() {
    let server = server().await;
    post(&server, 1..=3);
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    server.remove("id2");
    server.deliver("id2", letter("9"));
    let at_once = LeaveOnServer::For(Duration::ZERO);
    let aged = AccountSettings { leave_on_server: at_once, ..account("a", server.address()) };
    let house = house.restarted(vec![aged]).await;
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    assert!(server.unique_ids().is_empty());
    assert_eq!(house.subjects("a").await, ["1", "2", "3", "9"]);
    house.stop().await;
}

/// A unique-id of a deleted message that comes back for another one (mail servers that count from 1 again).
#[tokio::test]
async fn a_unique_id_that_was_deleted_and_returns_is_not_deleted_unseen() {
    let server = server().await;
    post(&server, 1..=1);
    let house = House::of(vec![emptying(account("a", server.address()))]).await;
    server.seen("QUIT").await;
    server.deliver("id1", letter("2"));
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    assert!(server.unique_ids().is_empty());
    assert_eq!(house.subjects("a").await, ["1", "2"]);
    house.stop().await;
}

#[tokio::test]
async fn sizes_that_change_are_not_new_mail() {
    let server = server().await;
    post(&server, 1..=30);
    server.quirks(|quirks| quirks.adds_header_at_login = true);
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    let tops = sent(&server, "TOP");
    assert!(tops <= 8, "a sample tells: {tops}");
    let house = house.restarted(vec![account("a", server.address())]).await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (0, 0), "{report:?}");
    assert_eq!(server.counters().retrieved, 30);
    assert_eq!(sent(&server, "TOP"), tops, "the new sizes are known");
    assert_eq!(house.subjects("a").await.len(), 30);
    house.stop().await;
}

#[tokio::test]
async fn a_server_that_closes_on_top_is_asked_without_it() {
    use tributary::demo::pop3d::{Action, Fault};
    use tributary::pop3::Verb;
    let server = server().await;
    post(&server, 1..=5);
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    server.rename(|id| format!("new-{id}"));
    server.fault(Fault::always(Verb::Top, Action::Close));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (0, 5), "{report:?}");
    assert_eq!(house.subjects("a").await.len(), 5);
    house.stop().await;
}

#[tokio::test]
async fn an_incomplete_listing_forgets_and_deletes_nothing_it_does_not_show() {
    let server = server().await;
    post(&server, 1..=20);
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    server.quirks(|quirks| quirks.uidl_ends_after = Some(5));
    post(&server, 21..=21);
    let report = house.poll_ok("u/a").await;
    assert_eq!(report.fetched, 1, "{report:?}");
    assert_eq!(house.ledger("a").await.len(), 21, "nothing is forgotten");
    server.quirks(|quirks| quirks.uidl_ends_after = None);
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, server.counters().retrieved), (0, 21), "{report:?}");
    assert_eq!(house.subjects("a").await.len(), 21);
    house.stop().await;
}

#[tokio::test]
async fn when_one_of_a_sample_is_another_message_all_are_looked_at_in_the_same_session() {
    let server = server().await;
    post(&server, 1..=20);
    let house = House::of(vec![account("a", server.address())]).await;
    assert_eq!(house.poll_ok("u/a").await.fetched, 20);
    for n in 1..=20 {
        server.remove(&format!("id{n}"));
        let message = letter(&if n == 1 { "another".to_owned() } else { n.to_string() });
        let size = message.len() as u64 + 7;
        server.deliver_listed(&format!("id{n}"), message, size);
    }
    let before = sent(&server, "TOP");
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (1, 0), "{report:?}");
    assert_eq!(sent(&server, "TOP") - before, 20);
    house.stop().await;
}

#[tokio::test]
async fn mail_that_moves_to_new_unique_ids_in_a_broken_session_is_not_new() {
    let server = server_with(5).await;
    let house = House::of(vec![account("a", server.address())]).await;
    assert_eq!(house.poll_ok("u/a").await.fetched, 5);
    server.rename(|id| format!("{id}-new"));
    server.fault(Fault::of_message(Verb::Retr, 3, Action::Answer(b"-ERR not now\r\n".to_vec())));
    house.poll("u/a").await;
    server.heal();
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, report.duplicates), (0, 1), "{report:?}");
    assert_eq!(house.messages("a").await.len(), 5);
    house.stop().await;
}
