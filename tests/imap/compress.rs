//! COMPRESS=DEFLATE (RFC 4978).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Client, DEADLINE, MESSAGE, TestServer};

/// A client after COMPRESS.
struct Packed {
    stream: TcpStream,
    packer: Compress,
    unpacker: Decompress,
    /// Octets received that are not inflated yet.
    raw: Vec<u8>,
    plain: Vec<u8>,
    received: usize,
    sent: usize,
    ended: bool,
}

impl Packed {
    async fn start(mut c: Client) -> Self {
        c.expect("COMPRESS DEFLATE", "OK *").await;
        Self {
            stream: c.into_stream(),
            packer: Compress::new(Compression::best(), false),
            unpacker: Decompress::new(false),
            raw: Vec::new(),
            plain: Vec::new(),
            received: 0,
            sent: 0,
            ended: false,
        }
    }

    fn pack(&mut self, plain: &str, flush: FlushCompress) -> Vec<u8> {
        let mut wire = Vec::with_capacity(plain.len() + 1024);
        self.packer.compress_vec(plain.as_bytes(), &mut wire, flush).expect("packed");
        wire
    }

    async fn send(&mut self, wire: &[u8]) {
        self.sent += wire.len();
        self.stream.write_all(wire).await.expect("send");
    }

    async fn c(&mut self, plain: &str) {
        let wire = self.pack(&format!("{plain}\r\n"), FlushCompress::Sync);
        self.send(&wire).await;
    }

    /// Reads until the plain text ends with `end`, and takes it; `None` where the stream ends before.
    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if self.plain.ends_with(end.as_bytes()) {
                return Some(String::from_utf8(std::mem::take(&mut self.plain)).expect("text"));
            }
            let mut buf = [0; 4096];
            let n = timeout(DEADLINE, self.stream.read(&mut buf)).await.expect("in time").unwrap_or(0);
            if n == 0 {
                return None;
            }
            self.received += n;
            self.raw.extend_from_slice(&buf[..n]);
            self.inflate();
        }
    }

    fn inflate(&mut self) {
        while !self.ended {
            self.plain.reserve(1 << 16);
            let (before, had) = (self.unpacker.total_in(), self.plain.len());
            let status =
                self.unpacker.decompress_vec(&self.raw, &mut self.plain, FlushDecompress::Sync).expect("deflate");
            self.raw.drain(..(self.unpacker.total_in() - before) as usize);
            self.ended = status == Status::StreamEnd;
            if self.plain.len() == had {
                return;
            }
        }
    }

    /// Runs a command; all that is answered.
    async fn run(&mut self, command: &str) -> String {
        self.c(&format!("t {command}")).await;
        let mut all = String::new();
        loop {
            all.push_str(&self.until("\r\n").await.expect("an answer"));
            let last = all.trim_end().rsplit("\r\n").next().unwrap_or_default();
            if last.starts_with("t ") {
                return all;
            }
        }
    }
}

#[tokio::test]
async fn everything_after_the_ok_is_compressed_and_flushed() {
    let server = TestServer::start().await;
    server.fill(30).await;
    let mut c = Packed::start(server.login().await).await;
    assert!(c.run("SELECT INBOX").await.contains("* 30 EXISTS"));
    let all = c.run("FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])").await;
    assert_eq!(all.matches("Hello Bob").count(), 30);
    assert!(all.len() > 8 * c.received, "{} {}", all.len(), c.received);
    assert!(c.run("COMPRESS DEFLATE").await.starts_with("t NO [COMPRESSIONACTIVE]"));
    // Pipelined, in one segment.
    let wire = c.pack("a NOOP\r\nb NOOP\r\nc FETCH 1 (UID)\r\n", FlushCompress::Sync);
    c.send(&wire).await;
    assert_eq!(c.until("c OK FETCH completed\r\n").await.unwrap().lines().count(), 4);
    assert!(c.run("LOGOUT").await.starts_with("* BYE"));
    assert_eq!(c.until("more").await, None);
}

#[tokio::test]
async fn it_is_refused_before_login_and_for_other_mechanisms() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.expect("COMPRESS DEFLATE", "BAD Log in first").await;
    c.ok("LOGIN alice secret").await;
    c.expect("COMPRESS GZIP", "BAD *").await;
    c.expect("COMPRESS", "BAD *").await;
    c.expect("COMPRESS DEFLATE x", "BAD *").await;
    c.ok("SELECT INBOX").await;
    c.expect("compress deflate", "OK *").await;
}

#[tokio::test]
async fn input_split_at_every_byte_and_messages_in_literals() {
    let server = TestServer::start().await;
    let mut c = Packed::start(server.login().await).await;
    let message = MESSAGE.repeat(50);
    let wire = c.pack(
        &format!("a APPEND INBOX {{{}+}}\r\n{message}\r\nb STATUS INBOX (SIZE)\r\n", message.len()),
        FlushCompress::Sync,
    );
    for octet in wire {
        c.send(&[octet]).await;
    }
    let answer = c.until("b OK STATUS completed\r\n").await.unwrap();
    assert!(answer.contains(&format!("SIZE {}", message.len())), "{answer}");
}

/// A response in IDLE can be read at once, and DONE may come with the next command.
#[tokio::test]
async fn rule_08_idle_is_flushed() {
    let server = TestServer::start().await;
    let mut c = Packed::start(server.login().await).await;
    c.run("SELECT INBOX").await;
    for n in 1..4 {
        c.c("i IDLE").await;
        c.until("+ idling\r\n").await.unwrap();
        server.fill(1).await;
        c.until(" RECENT\r\n").await.unwrap();
        let wire = c.pack("DONE\r\nn NOOP\r\n", FlushCompress::Sync);
        c.send(&wire).await;
        let answer = c.until("n OK NOOP completed\r\n").await.unwrap();
        assert!(answer.starts_with("i OK"), "{n}: {answer}");
    }
}

#[tokio::test]
async fn damaged_data_ends_the_session_with_bye() {
    let server = TestServer::start().await;
    let mut c = Packed::start(server.login().await).await;
    c.run("NOOP").await;
    c.send(b"\xff\xff\xff\xff a NOOP\r\n").await;
    assert!(c.until("\r\n").await.unwrap().starts_with("* BYE [CLIENTBUG] "));
    assert_eq!(c.until("more").await, None);
}

/// A few kilobytes that inflate to hundreds of megabytes are refused like any command that is too long.
#[tokio::test]
async fn a_bomb_is_a_line_that_is_too_long() {
    let server = TestServer::start().await;
    let mut c = Packed::start(server.login().await).await;
    let spaces = " ".repeat(1 << 20);
    let mut wire = c.pack("a NOOP", FlushCompress::None);
    for _ in 0..300 {
        wire.extend(c.pack(&spaces, FlushCompress::None));
    }
    wire.extend(c.pack("\r\n", FlushCompress::Sync));
    assert!(wire.len() < 1 << 20);
    // The server may have hung up before it has all of it.
    let _ = c.stream.write_all(&wire).await;
    let answer = c.until("\r\n").await.unwrap();
    assert!(answer.contains("a BAD "), "{answer}");
}

/// What metrics count is what is on the wire.
#[tokio::test]
async fn metrics_count_what_is_on_the_wire() {
    let server = TestServer::start().await;
    server.fill(20).await;
    let c = server.selected("INBOX").await;
    let mut c = Packed::start(c).await;
    let before: f64 = server.metric("tributary_imap_sent_bytes_total").parse().unwrap();
    let all = c.run("FETCH 1:* BODY.PEEK[]").await;
    let after: f64 = server.metric("tributary_imap_sent_bytes_total").parse().unwrap();
    assert_eq!(after - before, c.received as f64);
    assert!(all.len() > 10 * c.received);
}

/// RFC 8437 section 4.1: both sides end compression, the client after the command, the server after the OK. What the client
/// sends behind it is plain, in the same segment too.
#[tokio::test]
async fn unauthenticate_ends_compression() {
    for flush in [FlushCompress::Sync, FlushCompress::Finish] {
        let server = TestServer::start().await;
        let mut c = Packed::start(server.login().await).await;
        c.run("SELECT INBOX").await;
        let mut wire = c.pack("u UNAUTHENTICATE\r\n", flush);
        wire.extend_from_slice(b"v AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=\r\nw COMPRESS DEFLATE\r\n");
        c.send(&wire).await;
        let mut seen = String::new();
        while !c.ended {
            let mut buf = [0; 4096];
            let n = timeout(DEADLINE, c.stream.read(&mut buf)).await.expect("in time").expect("read");
            assert!(n > 0, "{seen}");
            c.raw.extend_from_slice(&buf[..n]);
            c.inflate();
            seen = String::from_utf8_lossy(&c.plain).into_owned();
        }
        assert!(seen.starts_with("u OK ") && seen.ends_with("\r\n"), "{seen}");
        let mut rest = std::mem::take(&mut c.raw);
        while !rest.ends_with(b"w OK DEFLATE active\r\n") {
            let mut buf = [0; 4096];
            let n = timeout(DEADLINE, c.stream.read(&mut buf)).await.expect("in time").expect("read");
            assert!(n > 0, "{rest:?}");
            rest.extend_from_slice(&buf[..n]);
        }
        assert!(rest.starts_with(b"v OK [CAPABILITY "));
    }
}

/// A client may end its stream only once it has read the OK.
#[tokio::test]
async fn unauthenticate_ends_compression_of_a_client_that_ends_its_stream_late() {
    for (end, chunk) in [(&b"\x03\x00"[..], 9), (b"\x03\x00", 1), (b"\x01\x00\x00\xff\xff", 1), (b"", 9)] {
        let server = TestServer::start().await;
        let mut c = Packed::start(server.login().await).await;
        let wire = c.pack("u UNAUTHENTICATE\r\n", FlushCompress::Sync);
        c.send(&wire).await;
        while !c.ended {
            let mut buf = [0; 4096];
            let n = timeout(DEADLINE, c.stream.read(&mut buf)).await.expect("in time").expect("read");
            assert!(n > 0);
            c.raw.extend_from_slice(&buf[..n]);
            c.inflate();
        }
        for octets in [end, b"v NOOP\r\n"].concat().chunks(chunk) {
            c.send(octets).await;
            tokio::task::yield_now().await;
        }
        let mut rest = std::mem::take(&mut c.raw);
        while !rest.ends_with(b"\n") {
            let mut buf = [0; 4096];
            let n = timeout(DEADLINE, c.stream.read(&mut buf)).await.expect("in time").expect("read");
            assert!(n > 0, "{rest:?}");
            rest.extend_from_slice(&buf[..n]);
        }
        assert_eq!(rest, b"v OK NOOP completed\r\n");
    }
}
