//! The mail corpus: messages that others wrote, against what Dovecot answers for each (`TRIBUTARY_CORPUS`).

mod answer;
#[path = "../imap/harness.rs"]
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared with the tests of the IMAP server")]
mod harness;
mod ingest;
mod messages;
mod mime;
mod search;
