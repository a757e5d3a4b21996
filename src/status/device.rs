//! A device: an IMAP session of somebody who has logged in.

use std::net::IpAddr;
use std::time::SystemTime;

/// One session, as its user sees it. Shown to that user and to administrators only (I10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Names the session while it lasts; never given twice by one run of the service.
    pub id: u64,
    /// Who has logged in.
    pub user: String,
    /// What the mail program calls itself (ID, RFC 2971): name and version; empty where it has not said. Untrusted text,
    /// without control characters and of bounded length.
    pub client: String,
    /// Where it connects from.
    pub address: IpAddr,
    /// The connection is encrypted.
    pub tls: bool,
    /// The selected mailbox.
    pub mailbox: Option<String>,
    /// When it logged in.
    pub since: SystemTime,
    /// When its last command began or ended.
    pub active: SystemTime,
    /// It waits for news: IDLE, or NOTIFY.
    pub idle: bool,
}
