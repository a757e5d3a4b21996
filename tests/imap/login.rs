//! Greeting, login, TLS, and what holds before login.

use std::time::Duration;

use tributary::imap::Settings;

use crate::harness::TestServer;

#[tokio::test]
async fn no_password_travels_in_the_clear() {
    let server = TestServer::with(Settings::default()).await;
    let mut c = server.connect().await;
    assert!(c.ok("CAPABILITY").await[0].ends_with("STARTTLS LOGINDISABLED"));
    c.expect("LOGIN alice secret", "NO [PRIVACYREQUIRED] *").await;
    c.expect("AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", "NO [PRIVACYREQUIRED] *").await;
    c.expect("SELECT INBOX", "BAD Log in first").await;
}

#[tokio::test]
async fn authenticate_plain_with_and_without_initial_response() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.expect("AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", "OK [CAPABILITY *] Logged in").await;
    let mut c = server.connect().await;
    c.c("a AUTHENTICATE PLAIN").await;
    c.s("+ ").await;
    c.c("AGFsaWNlAHNlY3JldA==").await;
    c.s("a OK *").await;
    let mut c = server.connect().await;
    c.c("a AUTHENTICATE PLAIN").await;
    c.s("+ ").await;
    c.c("*").await;
    c.s("a BAD Authentication cancelled").await;
    c.expect("AUTHENTICATE PLAIN =", "BAD *").await;
    // alice NUL alice, and bob NUL alice: an identity to act for that is one's own, and one that is not.
    c.expect("AUTHENTICATE PLAIN Ym9iAGFsaWNlAHNlY3JldA==", "NO [AUTHORIZATIONFAILED] *").await;
    c.expect("AUTHENTICATE PLAIN YWxpY2UAYWxpY2UAd3Jvbmc=", "NO [AUTHENTICATIONFAILED] *").await;
    c.expect("AUTHENTICATE XYZ", "NO [CANNOT] *").await;
    c.expect("LOGIN alice wrong", "NO [AUTHENTICATIONFAILED] *").await;
    c.expect("LOGIN nobody secret", "NO [AUTHENTICATIONFAILED] *").await;
    c.expect("LOGIN {5+}\r\nalice {6+}\r\nsecret", "OK *").await;
}

#[tokio::test]
async fn floods_of_nonsense_are_cut() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.expect("NONSENSE", "BAD *").await;
    c.expect("NONSENSE", "BAD *").await;
    c.expect("NONSENSE", "BAD *").await;
    c.s("* BYE *").await;
    c.end().await;
    let mut c = server.login().await;
    for _ in 0..20 {
        c.expect("NONSENSE", "BAD *").await;
    }
    c.s("* BYE *").await;
    c.end().await;
}

#[tokio::test]
async fn a_client_that_does_not_log_in_is_cut() {
    let settings = Settings { login_timeout: Duration::from_millis(50), ..Settings::default() };
    let mut c = TestServer::with(settings).await.connect().await;
    c.s("* BYE Idle for too long").await;
    c.end().await;
}

#[tokio::test]
async fn a_line_past_the_limit_is_refused() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    // The line without its end is 8 KiB: tag, space, NOOP and spaces, which may trail.
    let line = |n: usize| format!("a NOOP{}", " ".repeat(n - 6));
    c.c(&line(8192)).await;
    c.s("a OK *").await;
    c.c(&line(8193)).await;
    c.s("a BAD *").await;
}

#[tokio::test]
async fn a_user_over_the_limit_loses_the_oldest_resting_session() {
    let settings = Settings { allow_cleartext_login: true, max_user_connections: 2, ..Settings::default() };
    let server = TestServer::with(settings).await;
    let (mut first, mut second) = (server.login().await, server.login().await);
    let mut third = server.login().await;
    first.s("* BYE [UNAVAILABLE] *").await;
    first.end().await;
    second.ok("NOOP").await;
    third.ok("NOOP").await;
}

#[tokio::test]
async fn id_and_namespace() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    let id = c.ok("ID (\"name\" \"test\" \"version\" NIL)").await;
    assert!(id[0].starts_with("* ID (\"name\" \"Tributary\" "), "{id:?}");
    c.ok("ID NIL").await;
    c.ok("LOGIN alice secret").await;
    assert_eq!(c.ok("NAMESPACE").await, ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
    c.expect("LOGOUT", "OK *").await;
    c.end().await;
}
