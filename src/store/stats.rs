//! What takes how much room.

use serde::{Deserialize, Serialize};

/// Room of one scope: a mailbox, a user or the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Octets of the messages, each copy counted (the STORAGE resource of RFC 9208).
    pub logical: u64,
    /// Octets when identical messages of the scope are counted once.
    pub distinct: u64,
    /// Bytes that these take compressed.
    pub stored: u64,
    /// Bytes of rows: message rows, expunge log, records, ledger.
    pub index: u64,
}

/// One mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxStats {
    /// Its name.
    pub name: String,
    /// Its room. Messages that are in several mailboxes count in each.
    pub usage: Usage,
}

/// One user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserStats {
    /// The name in the configuration.
    pub name: String,
    /// Room of all the mailboxes, what they share counted once.
    pub usage: Usage,
    /// INBOX first, then by name.
    pub mailboxes: Vec<MailboxStats>,
}

/// One table of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStats {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// The whole store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// By name.
    pub users: Vec<UserStats>,
    /// Room of all users, what they share counted once.
    pub total: Usage,
    /// Bytes of expunged messages that the collector has not removed yet.
    pub dead: u64,
    /// The tables of both files.
    pub tables: Vec<TableStats>,
    /// Size of meta.redb, with free pages.
    pub meta_file: u64,
    /// Size of blobs.redb, with free pages.
    pub blobs_file: u64,
}
