//! The mail corpus: messages that others wrote, and what Dovecot answers for each.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

/// One message and the answers for it.
pub(crate) struct Case {
    pub(crate) path: String,
    /// The message as it is stored: every line ends in CRLF.
    pub(crate) message: Vec<u8>,
    pub(crate) expected: Json,
}

/// `TRIBUTARY_CORPUS`, or `../shared/corpus` beside the crate. Without a corpus there is nothing to compare with: `None`, but
/// under `CI=true` that is a failure.
pub(crate) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("TRIBUTARY_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if path.join("expected-dovecot.jsonl").is_file() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no mail corpus at {}", path.display());
    println!("skipped: no mail corpus at {}", path.display());
    None
}

/// All messages, in the order of the manifest.
pub(crate) fn load(corpus: &Path) -> Vec<Case> {
    let rows = std::fs::read_to_string(corpus.join("expected-dovecot.jsonl")).expect("corpus is readable");
    rows.lines()
        .map(|row| {
            let expected: Json = serde_json::from_str(row).expect("a row is JSON");
            let path = expected["path"].as_str().expect("a row has a path").to_owned();
            let file = std::fs::read(corpus.join(&path)).expect("a message is readable");
            Case { path, message: with_crlf(&file), expected }
        })
        .collect()
}

/// The message with every bare LF made CRLF.
pub(crate) fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    let mut last = 0;
    for &byte in message {
        if byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        last = byte;
    }
    out
}

/// Text in which one character is one octet, as octets.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("one character is one octet")).collect()
}

/// SHA-256 in hexadecimal, as the corpus gives it.
pub(crate) fn sha256(data: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, data);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An IMAP value, however it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Nil,
    Number(u64),
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    /// Reads one parenthesised list.
    pub(crate) fn parse(wire: &[u8]) -> Self {
        let mut rest = wire;
        let value = Self::read(&mut rest);
        assert!(rest.is_empty(), "left over: {}", String::from_utf8_lossy(rest));
        value
    }

    fn read(rest: &mut &[u8]) -> Self {
        match rest[0] {
            b'(' => {
                *rest = &rest[1..];
                let mut list = Vec::new();
                while rest[0] != b')' {
                    if rest[0] == b' ' {
                        *rest = &rest[1..];
                    }
                    list.push(Self::read(rest));
                }
                *rest = &rest[1..];
                Self::List(list)
            }
            b'"' => {
                let mut text = Vec::new();
                let mut at = 1;
                while rest[at] != b'"' {
                    at += usize::from(rest[at] == b'\\');
                    text.push(rest[at]);
                    at += 1;
                }
                *rest = &rest[at + 1..];
                Self::Text(text)
            }
            b'{' => {
                let end = rest.iter().position(|&b| b == b'}').expect("a literal has a length");
                let len: usize = std::str::from_utf8(&rest[1..end]).expect("digits").parse().expect("a number");
                let text = rest[end + 3..end + 3 + len].to_vec();
                *rest = &rest[end + 3 + len..];
                Self::Text(text)
            }
            _ => {
                let end = rest.iter().position(|b| b" ()".contains(b)).unwrap_or(rest.len());
                let word = std::str::from_utf8(&rest[..end]).expect("an atom");
                *rest = &rest[end..];
                if word == "NIL" { Self::Nil } else { Self::Number(word.parse().expect("a number")) }
            }
        }
    }
}
