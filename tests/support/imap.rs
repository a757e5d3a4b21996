//! A small synchronous IMAP client: enough to ask the service for its state, and nothing that it shares code with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;

pub struct Imap {
    stream: BufReader<TcpStream>,
    tags: u32,
}

/// The answer to one command: each untagged response with its literals in place, and the tagged line without tag.
pub struct Answer {
    pub untagged: Vec<Vec<u8>>,
    pub tagged: String,
}

impl Answer {
    /// The untagged responses as text.
    pub fn text(&self) -> String {
        self.untagged.iter().map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect()
    }
}

impl Imap {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut imap = Self { stream: BufReader::new(stream), tags: 0 };
        let greeting = imap.response();
        assert!(greeting.starts_with(b"* OK"), "{}", String::from_utf8_lossy(&greeting));
        imap
    }

    /// Sends a command and reads to its tagged line, whatever that says.
    pub fn command(&mut self, command: &str) -> Answer {
        self.tags += 1;
        let tag = format!("t{} ", self.tags);
        self.stream.get_mut().write_all(format!("{tag}{command}\r\n").as_bytes()).unwrap();
        let mut untagged = Vec::new();
        loop {
            let line = self.response();
            if let Some(tagged) = line.strip_prefix(tag.as_bytes()) {
                return Answer { untagged, tagged: String::from_utf8_lossy(tagged).into_owned() };
            }
            untagged.push(line);
        }
    }

    /// Sends a command that has to succeed.
    pub fn ok(&mut self, command: &str) -> Answer {
        let answer = self.command(command);
        assert!(answer.tagged.starts_with("OK"), "{command}: {}\n{}", answer.tagged, answer.text());
        answer
    }

    /// One STATUS item of a mailbox.
    pub fn status(&mut self, mailbox: &str, item: &str) -> u64 {
        let text = self.ok(&format!("STATUS {mailbox} ({item})")).text();
        let at = text.rfind(&format!("{item} ")).unwrap_or_else(|| panic!("no {item} in {text}"));
        let digits: String = text[at + item.len() + 1..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("{item} in {text}"))
    }

    /// UID and header field of every message of a mailbox, in the order of the server.
    pub fn uids_with_field(&mut self, mailbox: &str, field: &str) -> Vec<(u32, String)> {
        self.ok(&format!("EXAMINE {mailbox}"));
        let answer = self.ok(&format!("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS ({field})])"));
        let rows = answer.untagged.iter().filter_map(|line| {
            let text = String::from_utf8_lossy(line);
            let uid = text.split_once("UID ")?.1.chars().take_while(char::is_ascii_digit).collect::<String>();
            let value = text.split_once(&format!("\n{field}: "))?.1.lines().next()?.trim().to_owned();
            Some((uid.parse().ok()?, value))
        });
        rows.collect()
    }

    /// Reads to the end of the connection, which BYE comes before; the line of BYE.
    pub fn ends_with_bye(&mut self) -> String {
        let mut text = String::new();
        self.stream.read_to_string(&mut text).unwrap();
        let bye = text.lines().find(|line| line.starts_with("* BYE ")).unwrap_or_else(|| panic!("no BYE: {text}"));
        bye.to_owned()
    }

    /// One response line with the literals it announces.
    fn response(&mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        loop {
            let start = whole.len();
            let n = self.stream.read_until(b'\n', &mut whole).unwrap();
            assert!(n > 0, "the server closed the connection after {:?}", String::from_utf8_lossy(&whole));
            let line = &whole[start..];
            let line = line.strip_suffix(b"\r\n").unwrap_or(line);
            let Some(octets) = literal(line) else {
                whole.truncate(start + line.len());
                return whole;
            };
            let at = whole.len();
            whole.resize(at + octets, 0);
            self.stream.read_exact(&mut whole[at..]).unwrap();
        }
    }
}

/// The length of the literal that a line ends in (RFC 9051 section 4.3).
fn literal(line: &[u8]) -> Option<usize> {
    let open = line.strip_suffix(b"}")?.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(&line[open + 1..line.len() - 1]).ok()?.parse().ok()
}
