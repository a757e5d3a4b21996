//! Tributary: many POP3 maildrops flow into one mailbox; every device sees it over IMAP.
//!
//! Imports point downward only (checked by `tests/layering.rs`); ARCHITECTURE.md shows the layers.

// Layer 0
pub mod mail;
pub mod secret;

// Layer 1: pure
pub mod mime;
pub mod pop3;

// Layer 2
pub mod auth;
pub mod metrics;
pub mod oauth;
mod outbound;
pub mod shutdown;
pub mod status;
pub mod store;
pub mod tls;

// Layer 3
pub mod ingest;

// Layer 4 (imap::codec is layer 1)
pub mod http;
pub mod imap;
pub mod notifier;
pub mod poll;

// Layer 5
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
