//! OAuth 2.0 logins and their renewal, against a provider on loopback that answers by script.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "oauth/browser.rs"]
mod browser;
#[path = "oauth/device.rs"]
mod device;
#[path = "oauth/provider.rs"]
mod provider;
#[path = "oauth/renewal.rs"]
mod renewal;
#[allow(dead_code, reason = "shared with the tests of the poller")]
#[path = "poll_accounts/support.rs"]
mod support;
