//! One bad message never blocks the next, and its user learns of it.

use tributary::demo::pop3d::{Action, Fault, Pop3d, UniqueIds};
use tributary::poll::{AccountSettings, Mode};
use tributary::pop3::Verb;
use tributary::store::Trouble;

use super::support::*;

const NOTICE: &str = "A message could not be fetched";

async fn troubles(house: &House) -> Vec<(String, Trouble)> {
    let troubles = house.store.troubles(house.account_id("a").await).await.unwrap();
    troubles.into_iter().map(|(key, trouble)| (String::from_utf8_lossy(&key).into_owned(), trouble)).collect()
}

/// A day has gone by.
async fn next_day(house: &House) {
    let id = house.account_id("a").await;
    let aged = house.store.troubles(id).await.unwrap().into_iter().map(|(key, trouble)| {
        let last_try = trouble.last_try - 24 * 3600;
        (key, Some(Trouble { last_try, ..trouble }))
    });
    house.store.set_troubles(id, aged.collect()).await.unwrap();
}

/// Message 2 of 4 has failed until it is in quarantine.
async fn quarantined(action: Action) -> (House, Pop3d) {
    let server = server().await;
    post(&server, 1..=4);
    server.fault(Fault::of_message(Verb::Retr, 2, action));
    let mut house = House::of(vec![account("a", server.address())]).await;
    for _ in 0..6 {
        let _ = house.poller.poll_on_demand("u/a", Mode::Normal, true).await.unwrap();
        if troubles(&house).await.iter().any(|(_, trouble)| trouble.is_quarantined) {
            break;
        }
        house = house.restarted(vec![account("a", server.address())]).await;
    }
    let found = troubles(&house).await;
    assert!(found.len() == 1 && found[0].1.is_quarantined && found[0].1.tries >= 3, "{found:?}");
    (house, server)
}

#[tokio::test]
async fn what_could_be_had_is_delivered_with_a_notice() {
    let half = b"+OK\r\nSubject: half\r\nMessage-ID: <2@b.example>\r\n\r\nnot whole\r\n".to_vec();
    let (house, server) = quarantined(Action::AnswerAndClose(half)).await;
    assert_eq!(house.subjects("a").await, ["1", "3", "4", NOTICE, "half"]);
    let report = house.poll_ok("u/a").await;
    assert_eq!(report.quarantined, 1, "{report:?}");
    assert_eq!(house.metric("tributary_messages_quarantined", &["u/a"]), 1.0);
    let asked = sent(&server, "RETR");
    house.poll_ok("u/a").await;
    assert_eq!(sent(&server, "RETR"), asked, "it rests");
    // The next day, still in vain: nothing is delivered again.
    next_day(&house).await;
    let tried = house.poller.poll_on_demand("u/a", Mode::Normal, true).await.unwrap();
    assert_eq!((tried.result.label(), sent(&server, "RETR")), ("connect", asked + 1));
    assert_eq!(house.subjects("a").await.len(), 5);
    // The day after it comes whole.
    server.heal();
    next_day(&house).await;
    let house = house.restarted(vec![account("a", server.address())]).await;
    house.poller.poll_on_demand("u/a", Mode::Normal, true).await.unwrap();
    assert_eq!(house.subjects("a").await, ["1", "2", "3", "4", NOTICE, "half"]);
    assert!(troubles(&house).await.is_empty());
    assert_eq!(house.poll_ok("u/a").await.quarantined, 0);
    assert_eq!(house.metric("tributary_messages_quarantined", &["u/a"]), 0.0);
    house.stop().await;
}

#[tokio::test]
async fn of_a_refused_message_there_is_only_the_notice() {
    let (house, server) = quarantined(Action::Answer(b"-ERR I/O error\r\n".to_vec())).await;
    assert_eq!(house.subjects("a").await, ["1", "3", "4", NOTICE]);
    let notice = house.messages("a").await.into_iter().find(|bytes| bytes.starts_with(b"From: Tributary")).unwrap();
    let notice = String::from_utf8(notice).unwrap();
    for part in ["u/a", "id2", "I/O error", "once a day"] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    // It is removed upstream: nothing more is said of it.
    server.remove("id2");
    assert_eq!(house.poll_ok("u/a").await.quarantined, 0);
    assert!(troubles(&house).await.is_empty());
    house.stop().await;
}

#[tokio::test]
async fn a_message_that_ends_every_session_comes_last() {
    let (house, server) = quarantined(Action::Close).await;
    assert_eq!(house.subjects("a").await, ["1", "3", "4", NOTICE]);
    let house = house.restarted(vec![emptying(account("a", server.address()))]).await;
    house.poller.poll_on_demand("u/a", Mode::Normal, true).await.unwrap();
    house.poll_ok("u/a").await;
    assert_eq!(server.unique_ids(), ["id2"], "what is not here whole is never deleted");
    house.stop().await;
}

#[tokio::test]
async fn trouble_that_passes_is_not_the_messages_fault() {
    for code in ["[SYS/TEMP]", "[IN-USE]"] {
        let server = server().await;
        post(&server, 1..=2);
        let answer = format!("-ERR {code} later\r\n").into_bytes();
        server.fault(Fault::of_message(Verb::Retr, 1, Action::Answer(answer)));
        let house = House::of(vec![account("a", server.address())]).await;
        for _ in 0..4 {
            house.poll_ok("u/a").await;
        }
        assert!(troubles(&house).await.is_empty(), "{code}");
        assert_eq!(house.subjects("a").await, ["2"]);
        server.heal();
        house.poll_ok("u/a").await;
        assert_eq!(house.subjects("a").await, ["1", "2"]);
        house.stop().await;
    }
}

#[tokio::test]
async fn a_folder_file_that_is_no_mail_is_stored_and_named() {
    let server = server().await;
    server.deliver("x", b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\n\r\nx\r\n".to_vec());
    let house = House::of(vec![account("a", server.address())]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await.len(), 1, "I9");
    server.deliver("y", b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\n\r\ny\r\n".to_vec());
    assert!(house.poll_ok("u/a").await.faults.contains(&"folder_internal_data"));
    house.stop().await;
}

#[tokio::test]
async fn a_message_without_a_unique_id_is_counted_too() {
    let server = server().await;
    server.quirks(|quirks| quirks.unique_ids = UniqueIds::Empty);
    post(&server, 1..=3);
    server.fault(Fault::of_message(Verb::Retr, 1, Action::Answer(b"-ERR no\r\n".to_vec())));
    let house = House::of(vec![account("a", server.address())]).await;
    for _ in 0..4 {
        house.poll_ok("u/a").await;
    }
    assert_eq!(house.subjects("a").await, ["2", "3", NOTICE]);
    assert_eq!(sent(&server, "RETR 1"), 3);
    server.heal();
    next_day(&house).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await, ["1", "2", "3", NOTICE]);
    assert!(troubles(&house).await.is_empty());
    house.stop().await;
}

#[tokio::test]
async fn a_message_that_never_ends_is_given_up() {
    let server = server().await;
    post(&server, 1..=2);
    let endless = [b"+OK\r\n".as_slice(), &[b'x'; 1000]].concat();
    server.fault(Fault::of_message(Verb::Retr, 1, Action::Answer(endless)));
    let limited = AccountSettings { max_message_size: 300, ..account("a", server.address()) };
    let house = House::of(vec![limited]).await;
    for _ in 0..5 {
        house.poller.poll_on_demand("u/a", Mode::Normal, true).await.unwrap();
    }
    assert_eq!(house.subjects("a").await, ["2", NOTICE]);
    assert_eq!(sent(&server, "RETR 1"), 3);
    house.stop().await;
}

#[tokio::test]
async fn a_server_that_refuses_all_is_in_trouble_itself() {
    for (count, notices) in [(20, 20), (21, 0)] {
        let server = server().await;
        post(&server, 1..=count);
        server.fault(Fault::always(Verb::Retr, Action::Answer(b"-ERR try again\r\n".to_vec())));
        let house = House::of(vec![account("a", server.address())]).await;
        for _ in 0..4 {
            house.poll_ok("u/a").await;
        }
        assert_eq!(house.messages("a").await.len(), notices, "{count}");
        server.heal();
        next_day(&house).await;
        house.poll_ok("u/a").await;
        assert_eq!(house.subjects("a").await.iter().filter(|s| *s != NOTICE).count(), count as usize);
        house.stop().await;
    }
}
