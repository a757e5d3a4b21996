//! An IMAP connection that may end at any moment, because the server is killed.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::{DEADLINE, config};

/// The server is gone. What was sent and not answered may or may not have been done.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    tags: u32,
}

/// The answer to one command: untagged responses with their literals in place, and the tagged line without its tag.
pub(crate) struct Answer {
    pub(crate) untagged: Vec<Vec<u8>>,
    pub(crate) tagged: String,
}

impl Answer {
    /// The number behind a word anywhere in the answer, such as `HIGHESTMODSEQ`.
    pub(crate) fn number(&self, word: &str) -> Option<u64> {
        let lines = self.untagged.iter().map(|line| String::from_utf8_lossy(line).into_owned());
        lines.chain([self.tagged.clone()]).filter_map(|line| number_after(&line, word)).next_back()
    }
}

/// The number behind the last occurrence of a word and a space or an open parenthesis.
pub(crate) fn number_after(line: &str, word: &str) -> Option<u64> {
    let rest = &line[line.rfind(word)? + word.len()..];
    let digits: String = rest.trim_start_matches([' ', '(']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

impl Wire {
    /// Connected and logged in, with mod-sequences told.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, Gone> {
        let stream = TcpStream::connect(address).map_err(|_| Gone)?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut wire = Self { stream: BufReader::new(stream), tags: 0 };
        wire.response()?;
        wire.ok(&format!("LOGIN {} {}", config::USER, config::PASSWORD))?;
        wire.ok("ENABLE CONDSTORE")?;
        Ok(wire)
    }

    /// Sends a command without waiting; its tag.
    pub(crate) fn send(&mut self, command: &[u8]) -> Result<u32, Gone> {
        self.tags += 1;
        let line = [format!("t{} ", self.tags).as_bytes(), command, b"\r\n"].concat();
        self.stream.get_mut().write_all(&line).map_err(|_| Gone)?;
        Ok(self.tags)
    }

    /// Octets of a literal that the server has asked for, and the end of the command.
    pub(crate) fn send_literal(&mut self, octets: &[u8]) -> Result<(), Gone> {
        assert!(self.response()?.starts_with(b"+ "), "the literal was not asked for");
        let stream = self.stream.get_mut();
        stream.write_all(octets).and_then(|()| stream.write_all(b"\r\n")).map_err(|_| Gone)
    }

    /// Reads to the tagged line of this command, the oldest one that is not answered.
    pub(crate) fn answer(&mut self, tag: u32) -> Result<Answer, Gone> {
        let tag = format!("t{tag} ");
        let mut untagged = Vec::new();
        loop {
            let line = self.response()?;
            if let Some(tagged) = line.strip_prefix(tag.as_bytes()) {
                return Ok(Answer { untagged, tagged: String::from_utf8_lossy(tagged).into_owned() });
            }
            assert!(line.starts_with(b"* "), "not in turn: {}", String::from_utf8_lossy(&line));
            untagged.push(line);
        }
    }

    pub(crate) fn command(&mut self, command: &str) -> Result<Answer, Gone> {
        let tag = self.send(command.as_bytes())?;
        self.answer(tag)
    }

    /// A command that has to succeed, unless the server is gone.
    pub(crate) fn ok(&mut self, command: &str) -> Result<Answer, Gone> {
        let answer = self.command(command)?;
        assert!(answer.tagged.starts_with("OK"), "{command}: {}", answer.tagged);
        Ok(answer)
    }

    /// One response with the literals it announces.
    fn response(&mut self) -> Result<Vec<u8>, Gone> {
        let mut whole = Vec::new();
        loop {
            let start = whole.len();
            let count = self.stream.read_until(b'\n', &mut whole).map_err(|error| gone(&error))?;
            if count == 0 || !whole.ends_with(b"\n") {
                return Err(Gone);
            }
            let end = whole.len() - if whole.ends_with(b"\r\n") { 2 } else { 1 };
            let Some(octets) = literal(&whole[start..end]) else {
                whole.truncate(end);
                return if whole.starts_with(b"* BYE") { Err(Gone) } else { Ok(whole) };
            };
            let at = whole.len();
            whole.resize(at + octets, 0);
            self.stream.read_exact(&mut whole[at..]).map_err(|error| gone(&error))?;
        }
    }
}

fn gone(error: &std::io::Error) -> Gone {
    let is_silent = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    assert!(!is_silent, "no answer within {DEADLINE:?}");
    Gone
}

/// The length of the literal that a line ends in (RFC 9051 section 4.3).
fn literal(line: &[u8]) -> Option<usize> {
    let open = line.strip_suffix(b"}")?.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(&line[open + 1..line.len() - 1]).ok()?.parse().ok()
}
