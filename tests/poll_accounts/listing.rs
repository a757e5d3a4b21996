//! Listings that contradict themselves.

use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings as ServerSettings};
use tributary::poll::{AccountSettings, FirstPoll};
use tributary::pop3::Verb;

use super::support::*;

/// A maildrop with a message that was fetched before and nine that were not.
async fn house_with_one_of_ten(settings: ServerSettings) -> (House, Pop3d) {
    let server = Pop3d::start(settings).await.unwrap();
    post(&server, 1..=1);
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    post(&server, 2..=10);
    (house, server)
}

#[tokio::test]
async fn a_listing_that_contradicts_itself_is_refused_whole_and_asked_for_again() {
    let (house, server) = house_with_one_of_ten(ServerSettings::default()).await;
    let logins = server.counters().logins;
    server.fault(Fault::once(Verb::Uidl, Action::Answer(b"+OK\r\n2 unheard-of\r\n.\r\n".to_vec())));
    let report = house.poll_ok("u/a").await;
    assert_eq!((report.fetched, server.counters().logins - logins), (9, 2), "{report:?}");
    assert!(report.faults.contains(&"missing_unique_id"), "{report:?}");
    let ledger = house.ledger("a").await;
    assert_eq!((ledger.len(), ledger.contains_key("unheard-of")), (10, false), "nothing of it was believed");
    assert_eq!(server.counters().retrieved, 10);
    house.poll_ok("u/a").await;
    assert_eq!(server.counters().logins - logins, 3, "what is in order is asked for once");
    house.stop().await;
}

#[tokio::test]
async fn a_listing_that_always_contradicts_itself_stops_no_mail() {
    let (house, server) = house_with_one_of_ten(ServerSettings::default()).await;
    server.fault(Fault::always(Verb::Stat, Action::Answer(b"+OK 3 100\r\n".to_vec())));
    let report = house.poll_ok("u/a").await;
    assert_eq!(report.fetched, 9, "{report:?}");
    let logins = server.counters().logins;
    post(&server, 11..=11);
    assert_eq!(house.poll_ok("u/a").await.fetched, 1);
    assert_eq!(server.counters().logins - logins, 1, "it is known to be the server's way");
    house.stop().await;
}

#[tokio::test]
async fn a_server_with_a_login_delay_is_asked_again_in_the_next_poll() {
    let capabilities = ["TOP", "UIDL", "USER", "LOGIN-DELAY 60"].map(str::to_owned).to_vec();
    let settings = ServerSettings { capabilities: Some(capabilities), ..ServerSettings::default() };
    let (house, server) = house_with_one_of_ten(settings).await;
    let logins = server.counters().logins;
    server.fault(Fault::once(Verb::Stat, Action::Answer(b"+OK 3 100\r\n".to_vec())));
    let report = house.poll("u/a").await;
    assert_eq!((report.result.label(), report.fetched, report.login_delay), ("protocol", 0, Some(60)), "{report:?}");
    assert_eq!(server.counters().logins - logins, 1);
    assert_eq!(house.poll_ok("u/a").await.fetched, 9);
    house.stop().await;
}

#[tokio::test]
async fn a_first_poll_ends_also_where_listings_never_agree() {
    let server = server().await;
    post(&server, 1..=5);
    server.fault(Fault::always(Verb::Stat, Action::Answer(b"+OK 3 100\r\n".to_vec())));
    let settings = AccountSettings { first_poll: FirstPoll::New, ..account("a", server.address()) };
    let house = House::of(vec![settings]).await;
    assert_eq!(house.poll_ok("u/a").await.fetched, 0);
    post(&server, 6..=7);
    assert_eq!(house.poll_ok("u/a").await.fetched, 2, "what comes later is fetched");
    house.stop().await;
}
