//! Upstream holds what the policy says, and nothing is deleted there that is not here.

use std::time::Duration;

use tributary::demo::pop3d::{Action, Fault, Pop3d, UniqueIds};
use tributary::poll::{AccountSettings, FirstPoll, LeaveOnServer};
use tributary::pop3::Verb;
use tributary::store::LedgerState;

use super::support::*;

fn with(leave_on_server: LeaveOnServer, server: &Pop3d) -> AccountSettings {
    AccountSettings { leave_on_server, ..account("a", server.address()) }
}

async fn posted(count: u32) -> Pop3d {
    let server = server().await;
    post(&server, 1..=count);
    server
}

#[tokio::test]
async fn messages_stay_for_as_long_as_they_are_told_to() {
    let server = posted(4).await;
    let house = House::of(vec![with(LeaveOnServer::For(Duration::from_secs(3600)), &server)]).await;
    house.poll_ok("u/a").await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.deleted, report.deletes_pending), (0, 0));
    let house = house.restarted(vec![with(LeaveOnServer::For(Duration::ZERO), &server)]).await;
    server.fault(Fault::once(Verb::Quit, Action::Close));
    house.poll("u/a").await;
    house.poll_ok("u/a").await;
    assert!(server.unique_ids().is_empty(), "also after a session that was cut");
    assert_eq!((house.subjects("a").await.len(), server.counters().retrieved), (4, 4));
    assert_eq!(house.metric("tributary_upstream_deletes_pending", &["u/a"]), 0.0);
    house.stop().await;
}

#[tokio::test]
async fn messages_are_deleted_when_they_are_expunged() {
    let server = posted(5).await;
    let house = House::of(vec![with(LeaveOnServer::UntilExpunged, &server)]).await;
    house.poll_ok("u/a").await;
    house.expunge("a", 2..=3).await;
    let house = house.restarted(vec![with(LeaveOnServer::UntilExpunged, &server)]).await;
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    assert_eq!(server.unique_ids(), ["id1", "id4", "id5"]);
    assert_eq!(house.subjects("a").await, ["1", "4", "5"], "and never comes back");
    house.stop().await;
}

#[tokio::test]
async fn the_brake_waits_for_a_person() {
    let server = posted(60).await;
    let house = House::of(vec![with(LeaveOnServer::UntilExpunged, &server)]).await;
    house.poll_ok("u/a").await;
    house.expunge("a", 1..=51).await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.deleted, report.deletes_held, report.deletes_pending), (0, 51, 51), "{report:?}");
    assert!(report.faults.contains(&"deletes_held"));
    assert_eq!(house.metric("tributary_upstream_deletes_pending", &["u/a"]), 51.0);
    assert_eq!(sent(&server, "DELE"), 0);
    assert_eq!(house.poller.confirm_deletes("u/a").await.unwrap(), 51);
    let house = house.restarted(vec![with(LeaveOnServer::UntilExpunged, &server)]).await;
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    assert_eq!(server.unique_ids().len(), 9);
    assert_eq!(house.subjects("a").await.len(), 9);
    assert_eq!(house.metric("tributary_upstream_deletes_pending", &["u/a"]), 0.0);
    house.stop().await;
}

#[tokio::test]
async fn large_messages_go_once_they_are_stored() {
    let server = posted(2).await;
    server.deliver("large", [&letter("large")[..], &[b'x'; 2000], b"\r\n"].concat());
    let limited = AccountSettings { delete_larger_than: Some(1000), ..account("a", server.address()) };
    let house = House::of(vec![limited]).await;
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    assert_eq!(server.unique_ids(), ["id1", "id2"]);
    assert_eq!(house.subjects("a").await, ["1", "2", "large"]);
    house.stop().await;
}

#[tokio::test]
async fn a_dry_run_of_deletions_tells_and_keeps() {
    let server = posted(3).await;
    let dry = AccountSettings { delete_dry_run: true, ..with(LeaveOnServer::Never, &server) };
    let house = House::of(vec![dry]).await;
    house.poll_ok("u/a").await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.deletes_pending, report.deletes_dry_run), (3, 3), "{report:?}");
    assert_eq!(report.deletes_for, [("never", 3)]);
    assert_eq!(house.metric("tributary_upstream_deletes_pending", &["u/a"]), 3.0);
    assert_eq!((sent(&server, "DELE"), server.unique_ids().len()), (0, 3));
    assert_eq!(house.metric("tributary_upstream_deletes_total", &["u/a", "dry_run"]), 3.0, "once each");
    assert_eq!(house.ledger("a").await["id1"].state, LedgerState::Stored);
    house.stop().await;
}

/// Gmail's own settings decide what its DELE does.
#[tokio::test]
async fn a_server_that_ignores_dele_is_asked_once_a_day() {
    let server = posted(3).await;
    server.quirks(|quirks| quirks.ignores_dele = true);
    let house = House::of(vec![with(LeaveOnServer::Never, &server)]).await;
    house.poll_ok("u/a").await;
    let report = house.poll_ok("u/a").await;
    let asked = sent(&server, "DELE");
    let later = house.poll_ok("u/a").await;
    assert!(report.faults.contains(&"delete_ignored") || later.faults.contains(&"delete_ignored"), "{later:?}");
    house.poll_ok("u/a").await;
    assert!(asked <= 6 && sent(&server, "DELE") <= 6, "at each poll it would be more");
    assert_eq!((server.counters().retrieved, house.subjects("a").await.len()), (3, 3));
    house.stop().await;
}

#[tokio::test]
async fn a_server_that_deletes_only_what_was_retrieved_gets_its_way() {
    let server = posted(4).await;
    server.quirks(|quirks| quirks.dele_needs_retr = true);
    let house = House::of(vec![with(LeaveOnServer::Forever, &server)]).await;
    house.poll_ok("u/a").await;
    let house = house.restarted(vec![with(LeaveOnServer::Never, &server)]).await;
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    assert!(server.unique_ids().is_empty());
    assert_eq!((house.subjects("a").await.len(), server.counters().retrieved), (4, 8));
    house.stop().await;
}

#[tokio::test]
async fn a_refused_deletion_stays_pending() {
    let server = posted(2).await;
    server.fault(Fault::of_message(Verb::Dele, 1, Action::Answer(b"-ERR no\r\n".to_vec())));
    let house = House::of(vec![with(LeaveOnServer::Never, &server)]).await;
    house.poll_ok("u/a").await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.deletes_pending, report.deletes_dry_run), (1, 0), "{report:?}");
    assert_eq!(report.deletes_for, [("never", 1)]);
    assert_eq!(house.metric("tributary_upstream_deletes_pending", &["u/a"]), 1.0);
    server.heal();
    house.poll_ok("u/a").await;
    assert!(server.unique_ids().is_empty());
    house.stop().await;
}

#[tokio::test]
async fn what_was_never_stored_is_never_deleted() {
    let server = posted(3).await;
    let only_new = AccountSettings { first_poll: FirstPoll::New, ..with(LeaveOnServer::Never, &server) };
    let house = House::of(vec![only_new.clone()]).await;
    house.poll_ok("u/a").await;
    post(&server, 4..=4);
    house.poll_ok("u/a").await;
    let house = house.restarted(vec![only_new]).await;
    house.poll_ok("u/a").await;
    assert_eq!(server.unique_ids(), ["id1", "id2", "id3"]);
    assert_eq!(house.subjects("a").await, ["4"]);
    house.stop().await;
}

#[tokio::test]
async fn a_dry_run_of_a_poll_changes_nothing() {
    let server = posted(3).await;
    let house = House::of(vec![with(LeaveOnServer::For(Duration::ZERO), &server)]).await;
    house.poll_ok("u/a").await;
    house.poll_ok("u/a").await;
    assert!(server.unique_ids().is_empty());
    post(&server, 11..=14);
    let retrieved = server.counters().retrieved;
    let report = house.dry_run("u/a").await;
    assert_eq!((report.listed, report.backlog, report.deletes_pending), (4, 4, 0), "{report:?}");
    assert_eq!((report.fetched, report.deleted), (0, 0));
    assert_eq!(house.poll_ok("u/a").await.fetched, 4);
    let report = house.dry_run("u/a").await;
    assert_eq!((report.backlog, report.deletes_pending), (0, 4), "{report:?}");
    assert_eq!(server.unique_ids().len(), 4);
    assert_eq!(server.counters().retrieved, retrieved + 4);
    house.stop().await;
}

/// Identity is the content here, and so is what the brake counts.
#[tokio::test]
async fn without_unique_ids_what_is_expunged_is_deleted_and_braked_alike() {
    let server = posted(60).await;
    server.quirks(|quirks| quirks.unique_ids = UniqueIds::Numbers);
    let house = House::of(vec![with(LeaveOnServer::UntilExpunged, &server)]).await;
    house.poll_ok("u/a").await;
    house.expunge("a", 1..=2).await;
    assert_eq!(house.poll_ok("u/a").await.deleted, 2);
    house.expunge("a", 3..=53).await;
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.deleted, report.deletes_held, report.deletes_pending), (0, 51, 51), "{report:?}");
    house.poller.confirm_deletes("u/a").await.unwrap();
    assert_eq!(house.poll_ok("u/a").await.deleted, 51);
    assert_eq!((server.unique_ids().len(), house.subjects("a").await.len()), (7, 7));
    assert_eq!(server.counters().retrieved, 60);
    house.stop().await;
}
