//! Clients that stop reading: bounded in memory, complete when they read again, cut after a minute without progress.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, pause, resume, sleep, timeout};
use tributary::imap::Settings;
use tributary::mail::{FlagList, FlagOp, Flags};
use tributary::store::{self, FlagChange, Store};

use crate::harness::{Client, DEADLINE, MESSAGE, TestServer};

const SELECTED: &str = "tributary_imap_connections{state=\"selected\"}";
/// Octets on their way to a client of these tests.
const ROOM: usize = 1 << 10;

/// A server with a message of a megabyte, and a client that has begun to fetch it and read the first octet.
async fn fetching(server: &TestServer) -> DuplexStream {
    let mut client = server.memory(ROOM, "192.0.2.1").await;
    client.ok("SELECT INBOX").await;
    client.c("f FETCH 1 BODY.PEEK[]").await;
    let mut stream = client.into_stream();
    stream.read_exact(&mut [0]).await.unwrap();
    stream
}

/// Sets or clears `\Flagged` on everything in INBOX.
async fn flag(server: &TestServer, op: FlagOp) {
    let list = FlagList { flags: Flags::FLAGGED, ..FlagList::default() };
    let change = FlagChange { op, list, unchanged_since: None };
    let all = std::iter::once((1, u32::MAX)).collect();
    server.store.set_flags(server.inbox().await, all, change).await.expect("stored");
}

#[tokio::test]
async fn a_minute_without_progress_is_the_end() {
    let server = TestServer::start().await;
    server.store_large().await;
    let mut stream = fetching(&server).await;
    pause();
    let from = Instant::now();
    sleep(Duration::from_millis(59_900)).await;
    assert_eq!(server.metric(SELECTED), "1");
    // Progress: another minute.
    stream.read_exact(&mut [0; 100]).await.unwrap();
    sleep(Duration::from_millis(59_900)).await;
    assert_eq!(server.metric(SELECTED), "1");
    while server.metric(SELECTED) == "1" {
        sleep(Duration::from_millis(50)).await;
    }
    assert!((119_800..=120_100).contains(&from.elapsed().as_millis()), "{:?}", from.elapsed());
}

#[tokio::test]
async fn a_client_that_pauses_in_a_literal_misses_nothing() {
    let server = TestServer::start().await;
    server.store_large().await;
    let mut stream = fetching(&server).await;
    let mut rest = Vec::new();
    for _ in 0..20 {
        pause();
        sleep(Duration::from_secs(59)).await;
        resume();
        let mut some = [0; 7];
        stream.read_exact(&mut some).await.unwrap();
        rest.extend_from_slice(&some);
    }
    // Others read and write meanwhile.
    let mut other = server.selected("INBOX").await;
    other.ok("STORE 1 +FLAGS (\\Seen)").await;
    stream.write_all(b"n NOOP\r\n").await.unwrap();
    while !rest.ends_with(b"n OK NOOP completed\r\n") {
        assert!(timeout(DEADLINE, stream.read_buf(&mut rest)).await.expect("in time").unwrap() > 0);
    }
    let text = String::from_utf8(rest).unwrap();
    let (literal, end) = text.split_once("\r\n)\r\n").unwrap();
    assert!(literal.ends_with("0123456789abcdef") && literal.matches("0123456789abcdef").count() == 60_000);
    assert!(end.starts_with("f OK ") || end.contains("\r\nf OK "), "{end}");
    assert!(end.contains("* 1 FETCH (FLAGS (\\Seen"), "{end}");
}

/// One octet in 59 seconds is progress: the client is not cut, and holds up nobody.
#[tokio::test]
async fn a_client_that_trickles_is_served_as_slowly_as_it_reads() {
    let server = TestServer::start().await;
    server.store_large().await;
    let mut stream = fetching(&server).await;
    let before = server.metric("tributary_imap_sent_bytes_total").parse::<u64>().unwrap();
    pause();
    for _ in 0..100 {
        sleep(Duration::from_secs(59)).await;
        stream.read_exact(&mut [0]).await.unwrap();
    }
    assert_eq!(server.metric(SELECTED), "1");
    let after = server.metric("tributary_imap_sent_bytes_total").parse::<u64>().unwrap();
    assert!(after - before <= 100, "{before} {after}");
}

/// Ten thousand changes are told as what has come of them.
#[tokio::test]
async fn what_happens_while_an_idle_client_does_not_read_is_told_as_one() {
    let server = TestServer::start().await;
    server.fill(100).await;
    let mut idler = server.memory(ROOM, "192.0.2.1").await;
    idler.ok("SELECT INBOX").await;
    idler.c("i IDLE").await;
    idler.s("+ *").await;
    for round in 0..100 {
        flag(&server, if round % 2 == 0 { FlagOp::Add } else { FlagOp::Remove }).await;
    }
    let mut other = server.selected("INBOX").await;
    other.ok("STORE 7 +FLAGS (\\Answered)").await;
    other.ok("STORE 1:10 +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    other.append("INBOX", "", MESSAGE).await;
    idler.c("DONE").await;
    let (lines, tagged) = idler.finish("i").await;
    assert!(tagged.starts_with("OK"), "{tagged}");
    // The picture that the client is left with is that of the store.
    let (picture, told) = picture(100, &lines);
    assert_eq!(picture, truth(&mut other).await);
    assert!(told < 1_000, "{told} lines for 10,000 changes");
    assert!(idler.ok("NOOP").await.is_empty());
}

/// What a client that knew `messages` without flags knows after these lines: the flags of each message, and how many lines
/// they were.
fn picture(messages: usize, lines: &[String]) -> (Vec<String>, usize) {
    let mut known = vec!["()".to_owned(); messages];
    for line in lines {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["*", number, "EXPUNGE"] => drop(known.remove(number.parse::<usize>().unwrap() - 1)),
            ["*", number, "EXISTS"] => known.resize(number.parse().unwrap(), "()".to_owned()),
            ["*", number, "FETCH", items] => known[number.parse::<usize>().unwrap() - 1] = flags(items),
            _ => {}
        }
    }
    (known, lines.len())
}

async fn truth(client: &mut Client) -> Vec<String> {
    client.ok("FETCH 1:* (FLAGS)").await.iter().map(|line| flags(line)).collect()
}

/// The flags in an answer, but for `\Recent`, which another session may have.
fn flags(line: &str) -> String {
    let list = line.split_once("FLAGS (").unwrap().1.split_once(')').unwrap().0;
    let flags: Vec<&str> = list.split(' ').filter(|flag| !flag.is_empty() && *flag != "\\Recent").collect();
    format!("({})", flags.join(" "))
}

/// A whole mailbox of flags, with COMPRESS, TLS and plain, to a client that reads nothing for a while.
#[tokio::test]
async fn a_pause_behind_tls_costs_nothing() {
    let server = TestServer::start().await;
    for _ in 0..8 {
        server.store_large().await;
    }
    let mut plain = Client::of(&server).await;
    plain.s("* OK *").await;
    plain.ok("STARTTLS").await;
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(server.roots.clone())
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = "localhost".try_into().expect("a name");
    let stream = connector.connect(name, plain.into_stream()).await.expect("TLS");
    let mut client = server.client(stream);
    client.ok("LOGIN alice secret").await;
    client.ok("SELECT INBOX").await;
    client.c("f FETCH 1:8 BODY.PEEK[]").await;
    client.s("* 1 FETCH *").await;
    // Until the pipe is full.
    let mut other = server.selected("INBOX").await;
    let mut sent = String::new();
    loop {
        other.ok("NOOP").await;
        flag(&server, FlagOp::Add).await;
        let now = server.metric("tributary_imap_sent_bytes_total");
        if now.len() == sent.len() && now[..2] == sent[..2] {
            break;
        }
        sent = now;
    }
    let (lines, tagged) = client.finish("f").await;
    assert!(tagged.starts_with("OK"), "{tagged}");
    assert_eq!(lines.iter().filter(|line| line.matches("0123456789abcdef").count() == 60_000).count(), 7);
    assert!(lines.last().unwrap().contains("FLAGS (\\Flagged"), "{:?}", lines.last());
}

/// No read transaction is held while a client does not read: it would make the file grow with every change.
#[tokio::test]
async fn the_file_does_not_grow_behind_a_client_that_does_not_read() {
    let mut sizes = Vec::new();
    for slow in [false, true] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let settings = store::Settings {
            data_dir: dir.path().join("data"),
            cache_bytes: 8 << 20,
            gc_grace: Duration::from_secs(3600),
        };
        let settings_of_server = Settings { allow_cleartext_login: true, ..Settings::default() };
        let server = TestServer::over(Store::open(&settings).expect("opens"), settings_of_server).await;
        server.store_large().await;
        for _ in 0..50 {
            server.put(MESSAGE.as_bytes()).await;
        }
        let mut stream = fetching(&server).await;
        let mut octets = Vec::new();
        while !slow && !octets.ends_with(b" completed\r\n") {
            stream.read_buf(&mut octets).await.unwrap();
        }
        for round in 0..300 {
            flag(&server, if round % 2 == 0 { FlagOp::Add } else { FlagOp::Remove }).await;
        }
        sizes.push(server.store.sizes().await.expect("sizes").meta);
        drop(stream);
    }
    assert!(sizes[1] <= sizes[0] + sizes[0] / 4, "{sizes:?}");
}

/// Resident octets of this process.
#[cfg(target_os = "linux")]
fn resident() -> i64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("statm");
    pages.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096
}

/// Two hundred that stopped in the middle of a large message: each costs what is being written and what comes next.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn two_hundred_slow_clients_cost_a_bounded_memory() {
    const CLIENTS: usize = 200;
    let settings = Settings { max_user_connections: 1000, max_user_address_connections: 1000, ..Settings::default() };
    let server = TestServer::with(settings).await;
    server.store_large().await;
    drop(fetching(&server).await);
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(fetching(&server).await);
    }
    // Whatever is still being rendered is done when the writer has answered this.
    flag(&server, FlagOp::Add).await;
    let each = (resident() - before) / CLIENTS as i64;
    println!("{each} octets for each slow client");
    // Of which much is what decompresses the message.
    assert!(each < 400 << 10, "{each}");
    // One of them reads again.
    let mut all = Vec::new();
    let first = &mut clients[0];
    while !all.ends_with(b" completed\r\n") {
        assert!(timeout(DEADLINE, first.read_buf(&mut all)).await.expect("in time").unwrap() > 0);
    }
    assert!(all.len() > 1_000_000);
}
