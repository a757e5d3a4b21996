//! The mail corpus: messages that others wrote, against what Dovecot, Cyrus and Courier answer for each
//! (`TRIBUTARY_CORPUS`).

mod answer;
mod client;
mod differences;
mod fields;
#[path = "../imap/harness.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]
mod harness;
mod ingest;
mod messages;
mod normal;
mod pieces;
mod search;
mod served;
