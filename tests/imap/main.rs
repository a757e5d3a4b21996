//! The IMAP server, spoken to over sockets: transcripts with one and several clients.
//!
//! Tests named `rule_NN_...` prove the rule of that number in IMAP-RULES, the list of what servers get wrong.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod account_views;
mod append;
mod binary;
mod capability;
mod catenate;
mod compress;
mod condstore;
mod context;
mod devices;
mod evict;
mod fetch;
mod flags;
mod grammar;
mod harness;
mod hostile;
mod idle;
mod keepalive;
mod limits;
mod login;
mod mailboxes;
mod messages;
mod metadata;
mod notify;
mod objectid;
mod partial;
mod preview;
mod protocol;
mod qresync;
mod quota;
mod replace;
mod rev2;
mod rules;
mod search;
mod searchres;
mod slow;
mod sort;
mod thread;
mod uidonly;
mod unauthenticate;
mod utf8;
