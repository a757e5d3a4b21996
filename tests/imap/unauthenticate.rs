//! UNAUTHENTICATE (RFC 8437).

use std::time::Duration;

use tributary::imap::Settings;

use crate::harness::{MESSAGE, TestServer};

#[tokio::test]
async fn another_user_may_log_in_and_finds_nothing_of_the_first() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.append("INBOX", "(\\Deleted)", MESSAGE).await;
    c.ok("ENABLE CONDSTORE QRESYNC UTF8=ACCEPT IMAP4rev2").await;
    c.ok("SELECT INBOX").await;
    let untagged = c.expect("UNAUTHENTICATE", "OK [CAPABILITY IMAP4rev1 * STARTTLS AUTH=PLAIN] *").await;
    assert!(untagged.is_empty(), "{untagged:?}");
    c.expect("UNAUTHENTICATE", "BAD Log in first").await;
    c.expect("SELECT INBOX", "BAD Log in first").await;
    c.ok("LOGIN bob secret").await;
    // What was enabled is not any more.
    let untagged = c.ok("SELECT INBOX").await;
    assert!(untagged.contains(&"* 0 EXISTS".to_owned()) && untagged.contains(&"* 0 RECENT".to_owned()));
    assert_eq!(c.ok("ENABLE QRESYNC").await[0], "* ENABLED QRESYNC");
    c.ok("UNAUTHENTICATE").await;
    c.ok("LOGIN alice secret").await;
    c.expect("SELECT INBOX (QRESYNC (1 1))", "BAD *").await;
    // Nothing was expunged.
    assert_eq!(c.ok("STATUS INBOX (MESSAGES)").await, ["* STATUS INBOX (MESSAGES 1)"]);
}

/// RFC 8437 section 3: the next AUTHENTICATE may be in the same segment.
#[tokio::test]
async fn it_may_be_pipelined_with_the_next_login() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.raw("a UNAUTHENTICATE\r\nb AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=\r\nc NOOP\r\nd unauthenticate\r\n").await;
    for wanted in ["a OK [CAPABILITY *", "b OK [CAPABILITY *", "c OK *", "d OK *"] {
        c.s(wanted).await;
    }
    c.expect("UNAUTHENTICATE now", "BAD *").await;
}

#[tokio::test]
async fn the_limits_of_strangers_hold_again() {
    let limits = Settings {
        allow_cleartext_login: true,
        login_timeout: Duration::from_millis(800),
        max_user_connections: 1,
        ..Settings::default()
    };
    let server = TestServer::with(limits).await;
    let mut c = server.login().await;
    let long = format!("NOOP{}", " ".repeat(10_000));
    c.ok(&long).await;
    c.ok("UNAUTHENTICATE").await;
    c.expect(&long, "BAD *").await;
    c.expect("APPEND INBOX {5000}", "BAD *").await;
    // The user has no session any more that could be evicted for this one.
    let mut other = server.login().await;
    c.ok("NOOP").await;
    other.ok("NOOP").await;
    c.s("* BYE Idle for too long").await;
    c.end().await;
    assert_eq!(server.metric("tributary_imap_connections{state=\"authenticated\"}"), "1");
}
