//! Every table of both files. `docs/store-format.md` describes keys and rows; keep the two the same.

use redb::{
    Key, ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition, Value,
    WriteTransaction,
};

use crate::store::error::Result;
use crate::store::upkeep::Upkept;

/// The schema that this code reads and writes.
pub(super) const SCHEMA_VERSION: u64 = 4;

/// Names of the rows of [`GLOBAL`].
pub(super) mod global {
    pub(crate) const SCHEMA_VERSION: &str = "schema_version";
    pub(crate) const NEXT_USER: &str = "next_user";
    pub(crate) const NEXT_ACCOUNT: &str = "next_account";
    pub(crate) const NEXT_MAILBOX: &str = "next_mailbox";
    pub(crate) const NEXT_BODY: &str = "next_body";
    pub(crate) const NEXT_THREAD: &str = "next_thread";
    pub(crate) const LAST_UID_VALIDITY: &str = "last_uid_validity";
    pub(crate) const IN_FLIGHT: &str = "in_flight";
    pub(crate) const STORE_ID: &str = "store_id";
    pub(crate) const MIGRATING_FROM: &str = "migrating_from";
    pub(crate) const LAST_BACKUP: &str = "last_backup";
    pub(crate) const LAST_COMPACTION: &str = "last_compaction";
}

/// The row of [`GLOBAL`] that says when this was last done: seconds since 1970, `u64`.
pub(super) const fn upkept(what: Upkept) -> &'static str {
    match what {
        Upkept::Backup => global::LAST_BACKUP,
        Upkept::Compaction => global::LAST_COMPACTION,
    }
}

/// Both tables of blobs.redb have this shape: (body, n) -> octets of its stream.
pub(super) type PieceTable = TableDefinition<'static, (u64, u32), &'static [u8]>;

/// `chunk` of blobs.redb: the pieces that fill a page of their own.
pub(super) const CHUNK: PieceTable = TableDefinition::new("chunk");
/// `tail` of blobs.redb: the last pieces, which would not. Their rows share pages with those of other bodies.
pub(super) const TAIL: PieceTable = TableDefinition::new("tail");

/// The tables of blobs.redb, open for writing.
pub(super) struct BlobTables<'t> {
    pub(super) chunk: Table<'t, (u64, u32), &'static [u8]>,
    pub(super) tail: Table<'t, (u64, u32), &'static [u8]>,
}

impl<'t> BlobTables<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self> {
        Ok(Self { chunk: txn.open_table(CHUNK)?, tail: txn.open_table(TAIL)? })
    }

    /// Removes whatever is there of these bodies. Idempotent.
    pub(super) fn remove(&mut self, bodies: std::ops::RangeInclusive<u64>) -> Result<()> {
        let keys = (*bodies.start(), 0)..=(*bodies.end(), u32::MAX);
        self.chunk.retain_in(keys.clone(), |_, _| false)?;
        self.tail.retain_in(keys, |_, _| false)?;
        Ok(())
    }
}

/// Whether a row is copied in the first of two passes. redb splits a full leaf in halves, so rows that come in the order
/// of their keys leave every leaf half empty; a second pass with nearly as many rows then fills them.
pub(super) const fn is_first_pass(row: u64) -> bool {
    row % 19 < 10
}

/// Copies the rows of a table whose keys `keep` wants.
pub(super) fn copy_table<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: TableDefinition<'static, K, V>,
    keep: &mut dyn FnMut(K::SelfType<'_>) -> Result<bool>,
    tick: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let (source, mut copy) = (from.open_table(table)?, to.open_table(table)?);
    for is_first in [true, false] {
        for (row, entry) in (0..).zip(source.iter()?) {
            if is_first_pass(row) != is_first {
                continue;
            }
            let (key, value) = entry?;
            if keep(key.value())? {
                copy.insert(key.value(), value.value())?;
            }
            tick()?;
        }
    }
    Ok(())
}

/// A table open for reading.
pub(super) type ReadTable<K, V> = ReadOnlyTable<K, V>;

/// Declares the tables of meta.redb once: as definitions and as a struct of them open for writing.
macro_rules! meta_tables {
    ($($(#[$doc:meta])* $field:ident $constant:ident: $key:ty => $value:ty;)*) => {
        $($(#[$doc])* pub(super) const $constant: TableDefinition<'static, $key, $value> =
            TableDefinition::new(stringify!($field));)*

        /// The tables of meta.redb, open for writing.
        pub(super) struct Tables<'t> {
            $(pub(super) $field: Table<'t, $key, $value>,)*
        }

        impl<'t> Tables<'t> {
            /// Opens, and on first use makes, every table.
            pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self> {
                Ok(Self { $($field: txn.open_table($constant)?,)* })
            }
        }

        /// Copies every row of every table of meta.redb, but of those of `but`; `tick` is called for each.
        pub(super) fn copy_tables(
            from: &ReadTransaction,
            to: &WriteTransaction,
            but: &[&str],
            tick: &mut dyn FnMut() -> Result<()>,
        ) -> Result<()> {
            $(if !but.contains(&stringify!($field)) {
                copy_table(from, to, $constant, &mut |_| Ok(true), tick)?;
            })*
            Ok(())
        }

        /// Rows of each table of meta.redb.
        pub(super) fn count_rows(from: &ReadTransaction) -> Result<Vec<(&'static str, u64)>> {
            Ok(vec![$((stringify!($field), from.open_table($constant)?.len()?),)*])
        }
    };
}

meta_tables! {
    /// Schema version, next ids, bodies in flight.
    global GLOBAL: &'static str => &'static [u8];
    /// Name -> user.
    user USER: &'static str => u32;
    /// User -> mod-sequence counter and keywords.
    user_state USER_STATE: u32 => &'static [u8];
    /// (user, name) -> account.
    account ACCOUNT: (u32, &'static str) => u32;
    /// Mailbox -> its row.
    mailbox MAILBOX: u32 => &'static [u8];
    /// (user, name) -> mailbox.
    mailbox_name MAILBOX_NAME: (u32, &'static str) => u32;
    /// (user, name) subscribed to.
    subscription SUBSCRIPTION: (u32, &'static str) => ();
    /// (mailbox, block number) -> block of message rows.
    msgblk MSGBLK: (u32, u32) => &'static [u8];
    /// (mailbox, mod-sequence) -> UIDs expunged.
    expunge EXPUNGE: (u32, u64) => &'static [u8];
    /// Body -> record.
    env ENV: u64 => &'static [u8];
    /// Body -> lengths, reference count, BLAKE3.
    body BODY: u64 => &'static [u8];
    /// BLAKE3 -> body.
    hash HASH: &'static [u8; 32] => u64;
    /// (account, unique-id) -> ledger row.
    uidl UIDL: (u32, &'static [u8]) => &'static [u8];
    /// (account, unique-id or other key) -> failed attempts to fetch it.
    trouble TROUBLE: (u32, &'static [u8]) => &'static [u8];
    /// Account -> what the poller keeps of it.
    poll_state POLL_STATE: u32 => &'static [u8];
    /// Body -> since when it is dead.
    dead DEAD: u64 => &'static [u8];
    /// (user, mailbox or 0 for the server, entry name) -> value of the annotation.
    metadata METADATA: (u32, u32, &'static str) => &'static [u8];
    /// (user, hash of a message-id) -> conversation.
    thread THREAD: (u32, &'static [u8; 16]) => u64;
    /// (user, account) -> mailbox that is the view of the account, and whether it is shown.
    view VIEW: (u32, u32) => (u32, bool);
    /// (INBOX, UID, account): the message is of this account as well -> UID in the account's view; 0: it has none.
    twin TWIN: (u32, u32, u32) => u32;
    /// (user, what two messages that are one have in common) -> UID in INBOX of the last that came with it.
    merge MERGE: (u32, &'static [u8; 16]) => u32;
}
