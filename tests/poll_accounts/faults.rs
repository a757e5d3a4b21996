//! Whatever a server does wrong has a name, and the other accounts go on.

use std::time::Duration;

use tokio::net::TcpListener;
use tributary::demo::pop3d::{Action, Fault, Pop3d};
use tributary::poll::{AccountSettings, Report, Settings};
use tributary::pop3::{Limits, Timeouts, Verb};

use super::support::*;

/// Polls a bad account beside a good one; the good one must have its mail, however the bad one ends.
async fn beside_a_good_one(bad: AccountSettings) -> (House, Report) {
    let good = server_with(3).await;
    let timeouts = Timeouts {
        connect: Duration::from_millis(500),
        reply: Duration::from_millis(300),
        body: Duration::from_millis(300),
    };
    let accounts = vec![bad, account("good", good.address())];
    let house = House::with(Settings { accounts, timeouts, limits: Limits::default(), ..Settings::default() }).await;
    let (report, well) = tokio::join!(house.poll("u/bad"), house.poll("u/good"));
    assert_eq!((well.result.label(), well.error), ("ok", None));
    assert_eq!(house.subjects("good").await, ["1", "2", "3"]);
    let result = report.result.label();
    assert!(house.metric("tributary_polls_total", &["u/bad", result]) >= 1.0);
    assert_eq!(house.metric("tributary_polls_total", &["u/good", result]) > 0.0, result == "ok");
    let status = house.status.borrow()["u/bad"].clone();
    assert_eq!((status.last_result, &status.last_error), (Some(result), &report.error));
    assert!(!format!("{report:?}").contains("s3cret"), "{report:?}");
    (house, report)
}

async fn result_of(server: &Pop3d) -> (House, Report) {
    beside_a_good_one(account("bad", server.address())).await
}

#[tokio::test]
async fn a_wrong_password() {
    let server = server_with(1).await;
    let wrong = AccountSettings { login: password("s3cret"), ..account("bad", server.address()) };
    let (house, report) = beside_a_good_one(wrong).await;
    assert_eq!(report.result.label(), "auth");
    assert_eq!(house.status.borrow()["u/bad"].state.label(), "auth_failed");
    house.stop().await;
}

#[tokio::test]
async fn refusals_at_login() {
    for (answer, result, state) in [
        ("-ERR [IN-USE] s3cret\r\n", "locked", "locked"),
        ("-ERR [LOGIN-DELAY] slow down\r\n", "throttled", "backoff"),
        ("-ERR [SYS/TEMP] later\r\n", "throttled", "backoff"),
        ("", "auth", "auth_failed"),
    ] {
        let server = plain_server().await;
        server.fault(Fault::always(Verb::Pass, Action::AnswerAndClose(answer.as_bytes().to_vec())));
        let secretive = AccountSettings { login: password("s3cret"), ..account("bad", server.address()) };
        let (house, report) = beside_a_good_one(secretive).await;
        assert_eq!(report.result.label(), result, "{answer}");
        assert_eq!(house.status.borrow()["u/bad"].state.label(), state, "{answer}");
        house.stop().await;
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_reached() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (house, report) = beside_a_good_one(account("bad", free)).await;
    assert_eq!(report.result.label(), "connect");
    house.stop().await;
    let nowhere = AccountSettings { host: "no.such.host.invalid".to_owned(), ..account("bad", free) };
    let (house, report) = beside_a_good_one(nowhere).await;
    assert_eq!(report.result.label(), "dns");
    house.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_anywhere() {
    for verb in [Verb::Greeting, Verb::User, Verb::Pass, Verb::Stat, Verb::List, Verb::Retr] {
        let server = plain_server().await;
        server.deliver("a", message("a"));
        server.fault(Fault::always(verb, Action::Hang));
        let (house, report) = result_of(&server).await;
        assert_eq!(report.result.label(), "timeout", "{verb}");
        assert_eq!(report.error, Some(format!("no answer to {verb} in time")));
        assert_eq!(report.backlog, u64::from(verb == Verb::Retr));
        house.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_closes_on_capa_is_asked_without_it() {
    for action in [Action::Hang, Action::Close] {
        let server = server_with(2).await;
        server.fault(Fault::always(Verb::Capa, action));
        let (house, report) = result_of(&server).await;
        assert_eq!(report.result.label(), "ok");
        assert_eq!(house.subjects("bad").await.len(), 2);
        house.stop().await;
    }
}

#[tokio::test]
async fn malformed_answers() {
    let long = format!("+OK {}\r\n", "x".repeat(9000));
    for (verb, answer) in [
        (Verb::Stat, "hello there\r\n"),
        (Verb::Uidl, "+OK\r\nnumber one\r\n.\r\n"),
        (Verb::List, "+OK\r\none 5\r\n.\r\n"),
        (Verb::Retr, "250 OK\r\n"),
        (Verb::User, &long),
    ] {
        let server = plain_server().await;
        server.deliver("a", message("a"));
        server.fault(Fault::always(verb, Action::Answer(answer.as_bytes().to_vec())));
        let (house, report) = result_of(&server).await;
        assert_eq!(report.result.label(), "protocol", "{verb}");
        house.stop().await;
    }
}

#[tokio::test]
async fn a_truncated_message_is_never_stored_and_comes_whole_later() {
    let server = server_with(3).await;
    let half = b"+OK\r\nSubject: 2\r\n\r\nhalf\r\n".to_vec();
    server.fault(Fault::of_message(Verb::Retr, 2, Action::AnswerAndClose(half)));
    let (house, report) = result_of(&server).await;
    assert_eq!(report.result.label(), "connect");
    assert_eq!(report.backlog, 2);
    assert_eq!(house.subjects("bad").await, ["1"], "what came whole before it is kept");
    server.heal();
    assert_eq!(house.poll_ok("u/bad").await.fetched, 2);
    assert_eq!(house.subjects("bad").await, ["1", "2", "3"]);
    assert!(house.messages("bad").await.iter().all(|bytes| bytes.ends_with(b"..\r\n")));
    house.stop().await;
}

#[tokio::test]
async fn a_hanging_server_does_not_delay_another_account() {
    let (hanging, good) = (server_with(1).await, server_with(1).await);
    hanging.fault(Fault::always(Verb::Retr, Action::Hang));
    // Default patience: two minutes. The test would not end in time if the good account waited.
    let accounts = vec![account("bad", hanging.address()), account("good", good.address())];
    let house = House::of(accounts).await;
    hanging.seen("RETR").await;
    house.poll_ok("u/good").await;
    assert_eq!(house.subjects("good").await, ["1"]);
}
