//! Too many sessions: of a user the one that has rested the longest makes room; of all, the newest is refused.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, pause, resume, sleep};
use tributary::imap::Settings;

use crate::harness::{Client, MESSAGE, TestServer};

const BYE: &str = "* BYE [UNAVAILABLE] Another device of yours needed this connection";
const EVICTED: &str = "tributary_imap_evicted_total";

async fn limited(per_user: usize) -> TestServer {
    let settings = Settings { allow_cleartext_login: true, max_user_connections: per_user, ..Settings::default() };
    TestServer::with(settings).await
}

async fn idle(client: &mut Client) {
    client.c("i IDLE").await;
    client.s("+ *").await;
}

fn connections(server: &TestServer) -> usize {
    let of =
        |state| server.metric(&format!("tributary_imap_connections{{state=\"{state}\"}}")).parse::<usize>().unwrap();
    of("not_authenticated") + of("authenticated") + of("selected")
}

#[tokio::test]
async fn at_the_limit_nobody_goes_and_one_past_it_the_longest_idle() {
    let server = limited(3).await;
    let (mut a, mut b, mut c) = (server.login().await, server.selected("INBOX").await, server.selected("INBOX").await);
    for client in [&mut a, &mut b, &mut c] {
        client.ok("NOOP").await;
    }
    assert_eq!(server.metric(EVICTED), "0");
    // The first to connect is not the one that has rested the longest: that is now the second, in IDLE.
    idle(&mut b).await;
    sleep_a_little().await;
    c.ok("NOOP").await;
    a.ok("NOOP").await;
    let mut d = server.login().await;
    b.s(BYE).await;
    b.end().await;
    for client in [&mut a, &mut c, &mut d] {
        client.ok("NOOP").await;
    }
    assert_eq!(server.metric(EVICTED), "1");
    assert_eq!(server.metric("tributary_imap_idle_sessions"), "0");
    let mut e = server.login().await;
    a.end_with(BYE).await;
    e.ok("NOOP").await;
    // Another user has places of their own.
    let mut other = server.connect().await;
    other.ok("LOGIN bob secret").await;
    for client in [&mut c, &mut d, &mut e] {
        client.ok("NOOP").await;
    }
    assert_eq!((server.metric(EVICTED), connections(&server)), ("2".to_owned(), 4));
}

/// The clock of the sessions counts milliseconds.
async fn sleep_a_little() {
    let from = std::time::Instant::now();
    while from.elapsed() < Duration::from_millis(3) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_session_in_the_middle_of_an_upload_goes_last_and_ends_it_first() {
    let server = limited(2).await;
    let (mut a, mut b) = (server.login().await, server.login().await);
    a.c(&format!("a APPEND INBOX {{{}}}", MESSAGE.len())).await;
    a.s("+ *").await;
    a.raw(&MESSAGE[..20]).await;
    sleep_a_little().await;
    b.ok("NOOP").await;
    let mut c = server.login().await;
    b.end_with(BYE).await;
    c.c(&format!("c APPEND INBOX {{{}}}", MESSAGE.len())).await;
    c.s("+ *").await;
    // All are in the middle of something: the one that began first goes, when it is done.
    let mut d = server.login().await;
    a.raw(format!("{}\r\n", &MESSAGE[20..])).await;
    a.s("a OK [APPENDUID *").await;
    a.end_with(BYE).await;
    c.raw(format!("{MESSAGE}\r\n")).await;
    c.s("c OK [APPENDUID *").await;
    c.ok("NOOP").await;
    assert_eq!(d.ok("STATUS INBOX (MESSAGES)").await, ["* STATUS INBOX (MESSAGES 2)"]);
}

#[tokio::test]
async fn the_limit_of_a_user_and_an_address() {
    let settings = Settings { max_user_address_connections: 2, ..Settings::default() };
    let server = TestServer::with(settings).await;
    let mut a = server.memory(1 << 16, "192.0.2.1").await;
    let mut elsewhere = server.memory(1 << 16, "192.0.2.2").await;
    let mut b = server.memory(1 << 16, "192.0.2.1").await;
    a.ok("NOOP").await;
    sleep_a_little().await;
    b.ok("NOOP").await;
    let mut c = server.memory(1 << 16, "192.0.2.1").await;
    a.s(BYE).await;
    a.end().await;
    elsewhere.ok("NOOP").await;
    b.ok("NOOP").await;
    c.ok("NOOP").await;
    assert_eq!(server.metric(EVICTED), "1");
}

#[tokio::test]
async fn a_hundred_logins_at_once_leave_five_sessions_and_nobody_waiting() {
    let server = limited(5).await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mut client = Client::of(&server).await;
        all.spawn(async move {
            client.s("* OK *").await;
            client.ok("LOGIN alice secret").await;
            client
        });
    }
    let mut clients = all.join_all().await;
    // Ninety-five have been told to go; what is left of them goes by itself.
    assert_eq!(server.metric(EVICTED), "95");
    while connections(&server) != 5 {
        tokio::task::yield_now().await;
    }
    let mut living = 0;
    for client in &mut clients {
        client.c("n NOOP").await;
        match client.response().await {
            Some(line) if line == "n OK NOOP completed" => living += 1,
            line => assert_eq!(line.as_deref(), Some(BYE)),
        }
    }
    assert_eq!(living, 5);
    drop(clients);
    while connections(&server) != 0 {
        tokio::task::yield_now().await;
    }
    server.login().await.ok("NOOP").await;
}

#[tokio::test]
async fn at_the_limit_of_all_the_newest_is_refused() {
    let settings = Settings { allow_cleartext_login: true, max_connections: 2, ..Settings::default() };
    let server = TestServer::with(settings).await;
    let (mut a, b) = (server.login().await, server.connect().await);
    let mut refused = Client::of(&server).await;
    // What it has sent already does not cost it the answer.
    refused.c("a LOGIN alice secret").await;
    refused.end_with("* BYE [UNAVAILABLE] Too many connections, try again later").await;
    let (ours, theirs) = tokio::io::duplex(1024);
    server.serve(theirs, "192.0.2.1");
    server.client(ours).s("* BYE [UNAVAILABLE] *").await;
    a.ok("NOOP").await;
    drop(b);
    while connections(&server) != 1 {
        tokio::task::yield_now().await;
    }
    // The place is given back a moment after the gauge.
    loop {
        let mut next = Client::of(&server).await;
        if next.response().await.unwrap().starts_with("* OK") {
            return next.ok("LOGIN alice secret").await.clear();
        }
    }
}

/// It is told to go in the middle of a FETCH that it does not read: its command has a minute to end.
#[tokio::test]
async fn an_evicted_session_that_does_not_read_is_cut() {
    for trickle in [false, true] {
        let server = limited(1).await;
        let mut deaf = server.memory(1 << 10, "192.0.2.1").await;
        server.store_large().await;
        deaf.ok("SELECT INBOX").await;
        deaf.c("f FETCH 1 BODY.PEEK[]").await;
        let mut stream = deaf.into_stream();
        let mut octet = [0];
        stream.read_exact(&mut octet).await.unwrap();
        let next = server.memory(1 << 16, "192.0.2.1").await;
        assert_eq!(server.metric(EVICTED), "1");
        pause();
        let from = Instant::now();
        while connections(&server) == 2 {
            sleep(Duration::from_secs(1)).await;
            if trickle {
                stream.read_exact(&mut octet).await.unwrap();
            }
        }
        assert!((59..=62).contains(&from.elapsed().as_secs()), "{trickle}: {:?}", from.elapsed());
        // Nothing that is no part of the message was written into it.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(!rest.windows(3).any(|octets| octets == b"BYE"), "{trickle}");
        resume();
        drop(next);
    }
}
