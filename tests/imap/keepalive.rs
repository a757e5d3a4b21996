//! What a client in IDLE hears when nothing happens, and what becomes of one that has vanished.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::{Instant, Sleep, pause, resume, sleep, timeout};

use crate::harness::{Client, TestServer};

/// What TCP waits for an acknowledgement.
const UNACKNOWLEDGED: Duration = Duration::from_secs(180);

const HOUR: Duration = Duration::from_secs(3600);

/// The server's end of a connection, as a kernel shows it: when the network has died, what is written is taken, and after a
/// while without an acknowledgement the connection fails.
struct Mortal {
    stream: DuplexStream,
    dead: Arc<AtomicBool>,
    given_up: Option<Pin<Box<Sleep>>>,
}

impl Mortal {
    fn has_failed(&mut self, cx: &mut Context<'_>) -> bool {
        self.given_up.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready())
    }
}

impl AsyncRead for Mortal {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.has_failed(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        match self.dead.load(Ordering::Relaxed) {
            true => Poll::Pending,
            false => Pin::new(&mut self.stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.dead.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        if self.has_failed(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.given_up.get_or_insert_with(|| Box::pin(sleep(UNACKNOWLEDGED)));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A client in IDLE; from here on time passes when there is nothing to do.
async fn idler(server: &TestServer, peer: &str) -> Client<DuplexStream> {
    let mut client = server.memory(1 << 16, peer).await;
    client.ok("SELECT INBOX").await;
    client.c("i IDLE").await;
    client.s("+ *").await;
    pause();
    client
}

/// Seconds until the client hears a word.
async fn word(client: &mut Client<DuplexStream>) -> u64 {
    let from = Instant::now();
    let line = client.octets_within(HOUR).await.expect("a line");
    assert_eq!(line, b"* OK Still here");
    (from.elapsed() + Duration::from_millis(500)).as_secs()
}

#[tokio::test]
async fn the_silence_in_idle_grows_to_29_minutes() {
    let server = TestServer::start().await;
    let mut client = idler(&server, "192.0.2.1").await;
    let mut words = Vec::new();
    for _ in 0..8 {
        words.push(word(&mut client).await);
    }
    assert_eq!(words, [120, 120, 240, 480, 960, 1740, 1740, 1740]);
    client.c("DONE").await;
    client.s("i OK *").await;
    resume();
    // The next one from there starts from what is known, from elsewhere it does not.
    assert_eq!(word(&mut idler(&server, "192.0.2.99").await).await, 1740);
    resume();
    assert_eq!(word(&mut idler(&server, "198.51.100.1").await).await, 120);
}

/// NOTIFY (RFC 5465) between commands: the client has no reason to speak, and is neither cut nor left in doubt; nothing is said
/// into half a command.
#[tokio::test]
async fn who_asked_to_be_notified_hears_the_same_without_idle() {
    let server = TestServer::start().await;
    let mut client = server.memory(1 << 16, "192.0.2.1").await;
    client.ok("SELECT INBOX").await;
    client.ok("NOTIFY SET (SELECTED (MessageNew MessageExpunge))").await;
    pause();
    let mut words = Vec::new();
    for _ in 0..5 {
        words.push(word(&mut client).await);
    }
    assert_eq!(words, [120, 120, 240, 480, 960]);
    client.raw("n NO").await;
    sleep(Duration::from_secs(1000)).await;
    client.raw("OP\r\n").await;
    client.s("n OK *").await;
}

#[tokio::test]
async fn whatever_passes_spares_the_word() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut client = idler(&server, "192.0.2.1").await;
    sleep(Duration::from_secs(100)).await;
    resume();
    let mut other = server.selected("INBOX").await;
    other.ok("STORE 1 +FLAGS (\\Seen)").await;
    client.s("* 1 FETCH *").await;
    pause();
    assert_eq!(word(&mut client).await, 120);
    // A client that speaks in time is never spoken to, and proves the network.
    for _ in 0..4 {
        sleep(Duration::from_secs(100)).await;
        client.c("DONE").await;
        client.s("i OK *").await;
        client.c("i IDLE").await;
        client.s("+ *").await;
    }
    assert_eq!(word(&mut client).await, 200);
}

#[tokio::test]
async fn nothing_is_said_into_half_a_line() {
    let server = TestServer::start().await;
    let mut client = idler(&server, "192.0.2.1").await;
    sleep(Duration::from_secs(119)).await;
    client.raw("DO").await;
    assert!(timeout(HOUR, client.octets_within(2 * HOUR)).await.is_err());
    client.raw("NE\r\n").await;
    client.s("i OK *").await;
}

#[tokio::test]
async fn a_client_that_has_vanished_gives_its_place_back_and_teaches_its_network() {
    let server = TestServer::start().await;
    let (ours, stream) = tokio::io::duplex(1 << 16);
    let dead = Arc::new(AtomicBool::new(false));
    let served = server.serve(Mortal { stream, dead: Arc::clone(&dead), given_up: None }, "192.0.2.1");
    let mut client = server.client(ours);
    client.s("* OK *").await;
    client.ok("LOGIN alice secret").await;
    client.ok("SELECT INBOX").await;
    client.c("i IDLE").await;
    client.s("+ *").await;
    assert_eq!(server.metric("tributary_imap_idle_sessions"), "1");
    assert_eq!(server.metric("tributary_imap_connections{state=\"selected\"}"), "1");
    pause();
    dead.store(true, Ordering::Relaxed);
    let from = Instant::now();
    served.await.expect("no panic");
    assert_eq!((from.elapsed() + Duration::from_millis(500)).as_secs(), 120 + 180);
    assert_eq!(server.metric("tributary_imap_idle_sessions"), "0");
    assert_eq!(server.metric("tributary_imap_connections{state=\"selected\"}"), "0");
    resume();
    // Well below the two minutes that were too long there.
    let mut next = idler(&server, "192.0.2.2").await;
    assert_eq!([word(&mut next).await, word(&mut next).await], [60, 60]);
}
