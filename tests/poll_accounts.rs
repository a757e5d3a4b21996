//! The poller with the real store, against scripted POP3 servers on loopback.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "poll_accounts/accounts.rs"]
mod accounts;
#[path = "poll_accounts/auth.rs"]
mod auth;
#[path = "poll_accounts/deletes.rs"]
mod deletes;
#[path = "poll_accounts/faults.rs"]
mod faults;
#[path = "poll_accounts/first_poll.rs"]
mod first_poll;
#[path = "poll_accounts/identity.rs"]
mod identity;
#[path = "poll_accounts/limits.rs"]
mod limits;
#[path = "poll_accounts/listing.rs"]
mod listing;
#[path = "poll_accounts/mail.rs"]
mod mail;
#[path = "poll_accounts/network.rs"]
mod network;
#[path = "poll_accounts/oauth.rs"]
mod oauth;
#[path = "poll_accounts/quarantine.rs"]
mod quarantine;
#[path = "poll_accounts/quirks.rs"]
mod quirks;
#[path = "poll_accounts/quota.rs"]
mod quota;
#[path = "poll_accounts/rules.rs"]
mod rules;
#[path = "poll_accounts/schedule.rs"]
mod schedule;
#[path = "poll_accounts/support.rs"]
mod support;
#[path = "poll_accounts/tls.rs"]
mod tls;
#[path = "poll_accounts/window.rs"]
mod window;
