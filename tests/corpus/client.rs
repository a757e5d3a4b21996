//! A client that speaks IMAP in octets: what comes back is compared octet by octet.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::answer::Value;

/// The limit of every wait.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) async fn login(address: std::net::SocketAddr, user: &str, password: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("an option of TCP");
        let mut client = Self { stream: BufReader::new(stream) };
        assert!(client.response().await.starts_with(b"* OK"), "a greeting");
        client.ok(&format!("LOGIN {user} {password}")).await;
        client
    }

    /// Runs a command that must succeed; its untagged responses.
    pub(crate) async fn ok(&mut self, command: &str) -> Vec<Vec<u8>> {
        self.send(format!("t {command}\r\n").as_bytes()).await;
        let (untagged, tagged) = self.finish().await;
        assert!(tagged.starts_with("t OK"), "{command}: {tagged}");
        untagged
    }

    /// APPEND; the tagged response. A message with NUL needs a literal8 (RFC 9051 section 4.3).
    pub(crate) async fn append(&mut self, mailbox: &str, date: &str, message: &[u8]) -> String {
        let marker = if message.contains(&0) { "~" } else { "" };
        self.send(format!("t APPEND {mailbox} \"{date}\" {marker}{{{}}}\r\n", message.len()).as_bytes()).await;
        let answer = self.response().await;
        if !answer.starts_with(b"+ ") {
            return String::from_utf8_lossy(&answer).into_owned();
        }
        self.send(&[message, b"\r\n"].concat()).await;
        self.finish().await.1
    }

    /// UID FETCH of one message; the items with their values.
    pub(crate) async fn fetch(&mut self, uid: u32, items: &str) -> Vec<(String, Value)> {
        let untagged = self.ok(&format!("UID FETCH {uid} ({items})")).await;
        let of_message =
            |response: &&Vec<u8>| response.windows(9).take(20).any(|at| at == b" FETCH (U" || at == b" FETCH (B");
        let response = untagged.iter().find(of_message).unwrap_or_else(|| panic!("UID {uid} is there"));
        let at = response.iter().position(|b| *b == b'(').expect("a list");
        let mut rest = &response[at + 1..];
        let mut found = Vec::new();
        while rest.first() != Some(&b')') {
            rest = rest.strip_prefix(b" ").unwrap_or(rest);
            let name = Value::item_name(&mut rest);
            found.push((name, Value::read(&mut rest)));
        }
        found
    }

    async fn send(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).await.expect("the server reads");
    }

    async fn finish(&mut self) -> (Vec<Vec<u8>>, String) {
        let mut untagged = Vec::new();
        loop {
            let response = self.response().await;
            if response.starts_with(b"t ") {
                return (untagged, String::from_utf8_lossy(&response).into_owned());
            }
            untagged.push(response);
        }
    }

    /// The next response: a line with its literals in place, without its CRLF.
    async fn response(&mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        loop {
            let read = self.stream.read_until(b'\n', &mut whole);
            let n = timeout(DEADLINE, read).await.expect("a response in time").expect("a response");
            assert!(n > 0, "the server closed the connection");
            let Some(size) = literal_size(&whole) else { break };
            let start = whole.len();
            whole.resize(start + size, 0);
            let read = self.stream.read_exact(&mut whole[start..]);
            timeout(DEADLINE, read).await.expect("a literal in time").expect("a literal");
        }
        whole.truncate(whole.len() - 2);
        whole
    }
}

fn literal_size(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = line.iter().rposition(|b| *b == b'{')?;
    std::str::from_utf8(&line[open + 1..]).ok()?.parse().ok()
}
