//! A client that reads fast, counts and understands nothing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest tagged response that is recognised.
const TAIL: usize = 4096;
/// What each client reads at once.
const BUFFER: usize = 1 << 16;

/// One IMAP connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    tail: Vec<u8>,
    tag: u32,
}

impl Client {
    /// Connects and logs in.
    pub async fn login(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        let mut client = Self { stream, buffer: vec![0; BUFFER], tail: Vec::new(), tag: 0 };
        client.read_until("* OK").await;
        client.run("LOGIN alice secret").await;
        client
    }

    /// Runs a command, which must succeed; how many octets and lines it answered.
    pub async fn run(&mut self, command: &str) -> (usize, usize) {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.stream.write_all(format!("{tag} {command}\r\n").as_bytes()).await.expect("send");
        self.read_until(&format!("{tag} OK")).await
    }

    /// APPEND of one message to INBOX.
    pub async fn append(&mut self, message: &str) {
        let literal = format!("APPEND INBOX {{{}+}}\r\n{message}", message.len());
        self.run(&literal).await;
    }

    /// Reads until the last line begins with `wanted`.
    async fn read_until(&mut self, wanted: &str) -> (usize, usize) {
        let (mut octets, mut lines) = (0, 0);
        self.tail.clear();
        loop {
            let n = self.stream.read(&mut self.buffer).await.expect("read");
            assert!(n > 0, "the connection ended before {wanted}");
            let new = &self.buffer[..n];
            octets += n;
            lines += memchr::memchr_iter(b'\n', new).count();
            self.tail.extend_from_slice(&new[n.saturating_sub(TAIL)..]);
            let surplus = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..surplus);
            let Some(whole) = self.tail.strip_suffix(b"\r\n") else { continue };
            let start = whole.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            if whole[start..].starts_with(wanted.as_bytes()) {
                return (octets, lines);
            }
            assert!(!whole[start..].starts_with(b"t"), "{}", String::from_utf8_lossy(&whole[start..]));
        }
    }
}
