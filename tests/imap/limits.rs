//! Time and patience: clients that fall silent, do not read, or go away in the middle.

use std::time::Duration;

use tributary::imap::{Keepalive, Settings};

use crate::harness::{MESSAGE, TestServer};

/// A word every 30 ms.
fn often() -> Keepalive {
    let every = Duration::from_millis(30);
    Keepalive { shortest: every, first: every, longest: every, ..Keepalive::default() }
}

fn settings() -> Settings {
    Settings { allow_cleartext_login: true, ..Settings::default() }
}

#[tokio::test]
async fn a_session_that_rests_too_long_is_told_so() {
    let server = TestServer::with(Settings { idle_timeout: Duration::from_millis(50), ..settings() }).await;
    let mut c = server.login().await;
    c.s("* BYE Idle for too long").await;
    c.end().await;
}

#[tokio::test]
async fn a_message_that_does_not_arrive_is_not_waited_for() {
    let server = TestServer::with(Settings { write_stall: Duration::from_millis(50), ..settings() }).await;
    let mut c = server.login().await;
    c.c("a APPEND INBOX {100}").await;
    c.s("+ *").await;
    c.raw("Subject: half").await;
    c.s("* BYE Idle for too long").await;
    c.end().await;
    assert_eq!(server.login().await.ok("STATUS INBOX (MESSAGES)").await, ["* STATUS INBOX (MESSAGES 0)"]);
}

/// A later literal of a refused APPEND leaves nothing of the first: the session has its long rest again.
#[tokio::test]
async fn an_append_refused_late_leaves_no_upload_behind() {
    let limits = Settings { write_stall: Duration::from_millis(300), append: 10, ..settings() };
    let server = TestServer::with(limits).await;
    let mut c = server.login().await;
    c.raw("a APPEND INBOX {3+}\r\na:b {11+}\r\n01234567890\r\n").await;
    c.s("a NO [TOOBIG] *").await;
    c.c("i IDLE").await;
    c.s("+ *").await;
    c.c("DONE").await;
    c.s("i OK *").await;
    c.expect("APPEND INBOX {4+}\r\na:b\n", "OK [APPENDUID * 1] *").await;
}

/// The server writes no faster than the client reads, and gives up on one that does not read at all.
#[tokio::test]
async fn a_client_that_stops_reading_is_cut() {
    let stall = Duration::from_millis(100);
    let server = TestServer::with(Settings { write_stall: stall, ..settings() }).await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "", &format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(60_000))).await;
    for _ in 0..6 {
        c.ok("COPY 1:* INBOX").await;
    }
    let mut deaf = server.selected("INBOX").await;
    deaf.c("a FETCH 1:* (BODY.PEEK[])").await;
    // Not reading is what this client does: the server says when it is gone.
    while server.metric("tributary_imap_connections{state=\"selected\"}") != "1" {
        c.ok("NOOP").await;
    }
    let got = deaf.rest().await;
    assert!(got < 64 * 1_080_000, "all of it came: {got}");
    c.ok("NOOP").await;
}

#[tokio::test]
async fn idle_is_kept_alive_and_outlives_the_logout_of_others() {
    let server = TestServer::with(Settings { keepalive: often(), ..settings() }).await;
    let (mut idler, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    idler.c("i IDLE").await;
    idler.s("+ *").await;
    idler.s("* OK Still here").await;
    other.ok("LOGOUT").await;
    other.end().await;
    server.login().await.append("INBOX", "", MESSAGE).await;
    while idler.s("* *").await != "* 1 EXISTS" {}
    idler.c("DONE").await;
    let (_, tagged) = idler.finish("i").await;
    assert!(tagged.starts_with("OK"), "{tagged}");
}

/// What was pipelined before the client closed its side is done and answered.
#[tokio::test]
async fn a_half_closed_connection_still_gets_its_answers() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.raw("a LOGIN alice secret\r\nb SELECT INBOX\r\nc APPEND INBOX {6+}\r\na: b\r\n\r\nd FETCH 1 (UID)\r\n").await;
    c.close_sending().await;
    for tag in ["a", "b", "c"] {
        let (_, tagged) = c.finish(tag).await;
        assert!(tagged.starts_with("OK"), "{tagged}");
    }
    c.s("* 1 FETCH (UID 1)").await;
    c.s("d OK *").await;
    c.end().await;
}
