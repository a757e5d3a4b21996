//! The mail corpus: messages that others wrote, and what Dovecot answers for each.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

/// One message.
pub(crate) struct Case {
    pub(crate) path: String,
    /// The message as it is stored: every line ends in CRLF.
    pub(crate) message: Vec<u8>,
    /// INTERNALDATE that it was appended with.
    pub(crate) internal_date: String,
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
            let row: Json = serde_json::from_str(row).expect("a row is JSON");
            let path = row["path"].as_str().expect("a row has a path").to_owned();
            let file = std::fs::read(corpus.join(&path)).expect("a message is readable");
            let internal_date = row["internaldate"].as_str().expect("a row has a date").to_owned();
            Case { path, message: with_crlf(&file), internal_date }
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
