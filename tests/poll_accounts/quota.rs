//! A full quota: polling pauses, nothing is lost or skipped, and it goes on when there is room.

use std::time::Duration;

use tributary::poll::AccountSettings;
use tributary::status::AccountState;
use tributary::store::LedgerState;

use super::schedule::often;
use super::support::*;

/// Octets of each message of [`server_with`] up to number 9.
fn size() -> u64 {
    message("1").len() as u64
}

impl House {
    fn check(&self) {
        assert_eq!(self.store.check().unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_fits_exactly_is_fetched_and_one_octet_more_is_not() {
    for (quota, fits) in [(3 * size(), 3), (3 * size() - 1, 2)] {
        let server = server_with(5).await;
        let house = House::limited(vec![emptying(account("a", server.address()))], quota).await;
        let report = house.poll("u/a").await;
        assert_eq!(report.result.label(), "store", "{report:?}");
        let reason = if fits == 3 {
            assert_eq!(server.counters().connections, 1, "a full quota is no reason to log in");
            format!("the quota of u is full: {quota} octets of {quota} octets; delete mail or raise it")
        } else {
            let (size, used) = (size(), 2 * size());
            format!(
                "a message of {size} octets does not fit into the quota of u: {used} octets of {quota} octets are used; \
                 delete mail or raise it"
            )
        };
        assert_eq!(report.error, Some(reason));
        let stored: Vec<String> = (1..=fits).map(|n| n.to_string()).collect();
        assert_eq!(house.subjects_by_uid("a").await, stored);
        let ledger = house.ledger("a").await;
        assert!(ledger.len() <= fits && ledger.values().all(|row| row.state != LedgerState::Skipped), "{ledger:?}");
        // I1 and I8: what is not stored stays upstream, whatever leave_on_server says.
        let upstream = server.unique_ids();
        assert!((fits + 1..=5).all(|n| upstream.contains(&format!("id{n}"))), "{upstream:?}");
        assert!(server.counters().deleted <= fits as u64);
        let troubles = house.store.troubles(house.account_id("a").await).await.unwrap();
        assert!(troubles.is_empty(), "no message is blamed: {troubles:?}");
        house.check();
        house.stop().await;
    }
}

#[tokio::test]
async fn polling_pauses_until_there_is_room_and_others_are_polled() {
    let (full, other) = (server_with(5).await, server_with(1).await);
    let (user, id) = ("v".to_owned(), "v/b".to_owned());
    let free = AccountSettings { id, user, ..often(account("b", other.address())) };
    let house = House::limited(vec![often(emptying(account("a", full.address()))), free], 3 * size());
    let mut house = house.await;
    let status = house.until("u/a", |status| status.state == AccountState::Paused).await;
    assert!(status.last_error.unwrap().starts_with("the quota of u is full"));
    assert_eq!((status.last_result, status.fetched), (Some("store"), 3));
    let next = status.next_poll.unwrap().duration_since(std::time::SystemTime::now()).unwrap();
    assert!(next > Duration::from_secs(5 * 3600), "{next:?}");
    assert_eq!(house.metric("tributary_account_state", &["u/a", "paused"]), 1.0);
    assert_eq!(house.metric("tributary_polls_total", &["u/a", "store"]), 1.0);

    house.until("v/b", |status| status.fetched == 1 && !status.polling).await;

    // Whatever time passes, and however often the user looks: no login comes of it.
    house.hurry();
    other.deliver("id2", message("2"));
    house.pass(30 * 3600).await;
    house.until("v/b", |status| status.fetched == 2 && status.state == AccountState::Ok).await;
    assert_eq!(full.counters().connections, 1);

    house.expunge("a", 1..=1).await;
    house.until("u/a", |status| status.fetched == 4 && status.state == AccountState::Paused).await;
    assert_eq!(house.subjects("a").await, ["2", "3", "4"]);
    house.expunge("a", 2..=4).await;
    let status = house.until("u/a", |status| status.fetched == 5 && status.state == AccountState::Ok).await;
    assert_eq!((status.last_error, status.backlog), (None, 0));
    house.until("u/a", |_| full.unique_ids().is_empty()).await;
    tokio::time::resume();
    assert_eq!(house.subjects("a").await, ["5"]);
    assert_eq!(full.counters().deleted, 5);
    house.check();
    house.stop().await;
}

/// The message that did not fit is deleted by other means: what comes behind it is not held up for good.
#[tokio::test]
async fn a_message_that_goes_from_the_maildrop_is_waited_for_no_longer() {
    let server = server().await;
    server.deliver("id1", [&*message("large"), &[b'x'; 5000], b"\r\n"].concat());
    let mut house = House::limited(vec![often(account("a", server.address()))], 4096).await;
    house.until("u/a", |status| status.state == AccountState::Paused).await;
    server.remove("id1");
    server.deliver("id2", message("2"));
    house.hurry();
    house.until("u/a", |status| status.fetched == 1 && status.state == AccountState::Ok).await;
    tokio::time::resume();
    assert_eq!(house.subjects("a").await, ["2"]);
    assert!(server.counters().connections < 5);
    house.check();
    house.stop().await;
}

#[tokio::test]
async fn a_full_quota_is_found_out_anew_after_a_restart_without_a_login() {
    let server = server_with(2).await;
    let accounts = || vec![account("a", server.address())];
    let house = House::limited(accounts(), 2 * size()).await;
    house.until_stored(2).await;
    let dir = house.stop().await;
    let connections = server.counters().connections;
    server.deliver("id3", message("3"));
    let mut house = House::limited_on(dir, accounts(), 2 * size()).await;
    house.hurry();
    let status = house.until("u/a", |status| status.state == AccountState::Paused).await;
    tokio::time::resume();
    assert!(status.last_error.unwrap().starts_with("the quota of u is full"));
    let report = house.poll("u/a").await;
    assert_eq!((report.result.label(), server.counters().connections), ("store", connections));
    // Looking costs no room.
    let report = house.dry_run("u/a").await;
    assert_eq!((report.result.label(), report.listed, report.backlog), ("ok", 3, 1), "{report:?}");
    house.until("u/a", |status| status.state == AccountState::Paused && !status.polling).await;
    limit(&house.store, 3 * size()).await;
    house.hurry();
    house.until("u/a", |status| status.fetched == 1).await;
    tokio::time::resume();
    assert_eq!(house.subjects("a").await, ["1", "2", "3"]);
    house.check();
    house.stop().await;
}

impl House {
    async fn until_stored(&self, count: usize) {
        self.poll("u/a").await;
        assert_eq!(self.messages("a").await.len(), count);
    }
}

#[tokio::test]
async fn a_message_too_large_for_the_room_is_waited_for_and_not_skipped() {
    let server = server().await;
    let large = [&*message("large"), &[b'x'; 5000], b"\r\n"].concat();
    server.deliver("id1", message("1"));
    server.deliver("id2", large.clone());
    server.deliver("id3", message("3"));
    let quota = size() + large.len() as u64 - 1;
    let house = House::limited(vec![often(account("a", server.address()))], quota).await;
    let report = house.poll("u/a").await;
    assert_eq!(report.result.label(), "store");
    assert!(report.error.unwrap().starts_with("a message of 4.9 KiB does not fit into the quota of u: "));
    assert!(!house.subjects("a").await.contains(&"large".to_owned()));
    limit(&house.store, 4096).await;
    let report = house.poll("u/a").await;
    assert_eq!(report.error.unwrap(), "a message of 4.9 KiB is larger than the quota of u, 4 KiB; raise it");
    let mut house = house;
    house.hurry();
    limit(&house.store, 2 * size() + large.len() as u64).await;
    house.until("u/a", |status| status.fetched == 3 && status.state == AccountState::Ok).await;
    tokio::time::resume();
    assert_eq!(house.subjects("a").await, ["1", "3", "large"]);
    house.check();
    house.stop().await;
}
