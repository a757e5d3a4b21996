//! The mail corpus: messages that others wrote, against what Dovecot answers for each (`TRIBUTARY_CORPUS`).

mod answer;
mod ingest;
mod messages;
mod mime;
mod search;
