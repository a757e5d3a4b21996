//! SKELETON of the facade: signatures that the other layers are written against. Replaced by the store itself.
#![allow(missing_docs, unused_variables, clippy::todo)]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::mail::*;

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// redb page cache of both files together, bytes.
    pub cache_bytes: usize,
    /// How long the bytes of an expunged message stay readable for sessions that still show it.
    pub gc_grace: Duration,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such mailbox (deleted meanwhile, or never there).
    #[error("no such mailbox")]
    NoMailbox,
    #[error("the mailbox exists")]
    MailboxExists,
    /// The mailbox has children and cannot be removed / INBOX cannot be deleted / name not allowed...
    #[error("{0}")]
    Refused(&'static str),
    /// More than MAX_KEYWORDS keywords, or UIDs exhausted.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// Disk full.
    #[error("no space left in the store")]
    NoSpace,
    /// A row or body that cannot be read back: damaged file.
    #[error("damaged: {0}")]
    Damaged(String),
    #[error("store: {0}")]
    Internal(String),
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
}
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone)]
pub struct Store(Arc<()>);

/// A mailbox as LIST and STATUS see it.
#[derive(Clone, Debug)]
pub struct Mailbox {
    pub id: MailboxId,
    pub name: MailboxName,
    pub uid_validity: UidValidity,
    pub special_use: Option<SpecialUse>,
    pub counts: Counts,
}

/// Counters kept with the mailbox row; always equal to what its rows say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub uid_next: u32,
    pub highest_mod_seq: ModSeq,
    pub exists: u32,
    pub unseen: u32,
    pub deleted: u32,
    pub size: u64,
    /// First UID no session has yet been shown as \Recent (see [`Store::claim_recent`]).
    pub recent_from: u32,
}

/// Rows of up to 64 UIDs, decoded.
#[derive(Debug)]
pub struct Block {
    pub max_mod_seq: ModSeq,
    pub messages: Vec<Message>,
}

/// One version of a mailbox, immutable and shared by all sessions that show it. Sequence of messages by UID.
/// Has methods: len, get(index 0-based), position(uid) -> Result<index, insertion index>, iter, iter_range(index range).
#[derive(Debug)]
pub struct Snapshot {
    pub mailbox: MailboxId,
    pub uid_validity: UidValidity,
    pub counts: Counts,
    /// The user's keyword table: bit n of a KeywordSet is row n.
    pub keywords: Arc<Vec<Keyword>>,
    pub blocks: Vec<Arc<Block>>,
    /// Number of messages before each block.
    pub starts: Vec<u32>,
}

impl Snapshot {
    pub fn len(&self) -> usize {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    pub fn get(&self, index: usize) -> Option<&Message> {
        todo!()
    }
    /// Index of the message with this UID, or else where it would stand.
    pub fn position(&self, uid: Uid) -> std::result::Result<usize, usize> {
        todo!()
    }
    pub fn find(&self, uid: Uid) -> Option<&Message> {
        todo!()
    }
    pub fn iter(&self) -> impl Iterator<Item = &Message> + '_ {
        self.blocks.iter().flat_map(|b| b.messages.iter())
    }
    /// What changed from `old`, an earlier version of the same mailbox, to `self`. Skips blocks shared by both.
    pub fn diff(&self, old: &Self) -> Delta {
        todo!()
    }
}

/// What happened to a mailbox between two versions.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    /// UIDs expunged.
    pub vanished: UidSet,
    /// UIDs whose flags or keywords changed.
    pub changed: Vec<Uid>,
    /// UIDs that arrived.
    pub appended: Vec<Uid>,
}

/// The live mailbox: current version now, and word of the next. Wraps a tokio watch receiver.
#[derive(Clone)]
pub struct MailboxWatch(());

impl MailboxWatch {
    /// The newest version; `None` once the mailbox has been deleted.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        todo!()
    }
    /// Completes when a version newer than the last `current` is there (or the mailbox is gone). Cancel-safe.
    pub async fn changed(&mut self) {
        todo!()
    }
}

/// What is derived from a message's bytes once, at ingest (table `env`). All rendered IMAP text is 7-bit clean or
/// uses literals where needed, so that it can be copied to the wire as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// ENVELOPE value, rendered.
    pub envelope: Vec<u8>,
    /// BODY value (non-extensible), rendered.
    pub body: Vec<u8>,
    /// BODYSTRUCTURE value, rendered.
    pub body_structure: Vec<u8>,
    /// The top-level header block with its final blank line, raw, when not longer than 64 KiB; else empty.
    pub header: Vec<u8>,
    /// Encoded `mime::PartTable`.
    pub parts: Vec<u8>,
    /// Date header as days since 1970-01-01 in the date's own zone (SENTSINCE etc.), if parsable.
    pub sent_day: Option<i32>,
}

/// A message body being written: streamed, compressed and hashed with bounded memory. Dropped without `finish`:
/// what was written is discarded.
pub struct BodyWriter(());

impl BodyWriter {
    /// Adds bytes of the message.
    pub async fn write(&mut self, data: &[u8]) -> Result<()> {
        todo!()
    }
    /// Adds decoded, case-folded text for SEARCH (UTF-8).
    pub async fn write_text(&mut self, text: &[u8]) -> Result<()> {
        todo!()
    }
    /// Completes once every chunk is durable in blobs.redb.
    pub async fn finish(self, record: Record) -> Result<PreparedBody> {
        todo!()
    }
}

/// A body whose chunks are durable, not yet part of any message. Dropped unused: discarded by the collector.
pub struct PreparedBody(());

impl PreparedBody {
    /// Size in octets.
    pub fn size(&self) -> u64 {
        todo!()
    }
    /// BLAKE3 of the bytes.
    pub fn hash(&self) -> [u8; 32] {
        todo!()
    }
}

pub struct NewMessage {
    pub body: PreparedBody,
    pub flags: FlagList,
    pub internal_date: InternalDate,
    pub account: Option<AccountId>,
}

#[derive(Clone, Debug)]
pub struct Appended {
    pub uid_validity: UidValidity,
    /// One a message, in order.
    pub uids: Vec<Uid>,
}

/// One message from a maildrop: message row, ledger row, counters and mod-sequence in one transaction (I2).
pub struct Delivery {
    pub account: AccountId,
    pub mailbox: MailboxId,
    pub message: NewMessage,
    /// Its unique-id; `None` where the server has none: identity is then the content (BLAKE3).
    pub unique_id: Option<Vec<u8>>,
    /// Ledger fields.
    pub listed_size: u64,
    pub header_hash: [u8; 16],
    /// Set the ledger row to `DeleteWanted` in the same transaction (leave_on_server: never).
    pub delete_upstream: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    Stored(Uid),
    /// The ledger has this unique-id (or content) already (I3): nothing was stored.
    Duplicate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerState {
    Stored,
    DeleteWanted,
    /// DELE acknowledged and QUIT answered +OK; forgotten once a complete listing no longer shows it.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    pub state: LedgerState,
    pub message: Option<(MailboxId, Uid)>,
    pub listed_size: u64,
    pub header_hash: [u8; 16],
    /// When the message was stored, seconds since 1970.
    pub stored_at: i64,
}

#[derive(Clone, Debug)]
pub enum LedgerChange {
    SetState(Vec<u8>, LedgerState),
    Forget(Vec<u8>),
}

/// A flag change on many messages (STORE).
#[derive(Clone, Debug)]
pub struct FlagChange {
    pub op: FlagOp,
    pub list: FlagList,
    pub unchanged_since: Option<ModSeq>,
}

#[derive(Clone, Debug, Default)]
pub struct FlagsStored {
    /// UIDs that exist and to which the change applied (whether or not it altered anything).
    pub applied: UidSet,
    /// UIDs refused by UNCHANGEDSINCE.
    pub modified: UidSet,
    /// UIDs asked for that are no longer there.
    pub missing: UidSet,
}

#[derive(Clone, Debug)]
pub struct Copied {
    pub uid_validity: UidValidity,
    /// (source, destination), ascending by source.
    pub pairs: Vec<(Uid, Uid)>,
    pub missing: UidSet,
}

/// One consistent read of both files, on a blocking thread. Never held across an await.
pub struct Reader(());

/// Where a partly read body stands, between two reads.
pub struct BodyCursor(());

impl BodyCursor {
    /// Reads octets `range` of the body (the end may lie past the last).
    pub fn new(body: BodyId, range: std::ops::Range<u64>) -> Self {
        todo!()
    }
    pub fn is_done(&self) -> bool {
        todo!()
    }
}

impl Reader {
    /// The record, `None` when the body has been collected. (May become a borrowing `RecordRef`.)
    pub fn record(&self, body: BodyId) -> Result<Option<Record>> {
        todo!()
    }
    /// Appends up to about `max` more octets of the cursor's range to `out`. Decompression state lives in the cursor, so
    /// a large message is read piece by piece over several `Store::read` calls. `NoBody` -> Ok(false).
    pub fn read_body(&self, cursor: &mut BodyCursor, out: &mut Vec<u8>, max: usize) -> Result<bool> {
        todo!()
    }
    /// The decoded, case-folded text of the message for SEARCH BODY, in pieces; `f` returns false to stop.
    pub fn text(&self, body: BodyId, f: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool> {
        todo!()
    }
}

impl Store {
    /// Opens or creates both files and starts the two writer threads and the collector. Blocking.
    /// `Error::Internal`/`Damaged` say what to do (locked by another process, newer schema, missing blobs file).
    pub fn open(settings: &Settings) -> Result<Self> {
        todo!()
    }
    /// Drains the writers, joins their threads and closes the files.
    pub async fn close(&self) -> Result<()> {
        todo!()
    }

    /// The user of this name, made on first use with INBOX, Archive, Drafts, Junk, Sent and Trash (subscribed).
    pub async fn ensure_user(&self, name: &str) -> Result<UserId> {
        todo!()
    }
    pub async fn ensure_account(&self, user: UserId, name: &str) -> Result<AccountId> {
        todo!()
    }

    /// All mailboxes of the user, ordered by name, INBOX first.
    pub async fn mailboxes(&self, user: UserId) -> Result<Vec<Mailbox>> {
        todo!()
    }
    pub async fn mailbox(&self, user: UserId, name: &MailboxName) -> Result<Option<Mailbox>> {
        todo!()
    }
    /// Names subscribed to, whether or not they exist.
    pub async fn subscriptions(&self, user: UserId) -> Result<Vec<MailboxName>> {
        todo!()
    }
    /// Creates the mailbox and any missing parents. UIDVALIDITY is larger than any this user has had.
    pub async fn create_mailbox(
        &self,
        user: UserId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        todo!()
    }
    /// Deletes a mailbox that has no children (INBOX and one with children: Refused).
    pub async fn delete_mailbox(&self, user: UserId, name: &MailboxName) -> Result<()> {
        todo!()
    }
    /// Renames with all children, creating missing parents of the new name; INBOX: moves its messages to the new
    /// mailbox and leaves INBOX empty (RFC 9051 section 6.3.6).
    pub async fn rename_mailbox(&self, user: UserId, from: &MailboxName, to: &MailboxName) -> Result<()> {
        todo!()
    }
    pub async fn set_subscribed(&self, user: UserId, name: &MailboxName, subscribed: bool) -> Result<()> {
        todo!()
    }

    /// The live mailbox, loaded on first use and shared.
    pub async fn watch(&self, mailbox: MailboxId) -> Result<MailboxWatch> {
        todo!()
    }
    /// Takes for the calling session all messages no session has been shown as \Recent: returns the first such UID
    /// and moves the mark to `uid_next` (in memory at once, durable with the next commit).
    pub fn claim_recent(&self, mailbox: MailboxId, uid_next: u32) -> u32 {
        todo!()
    }
    /// Everything that changed in a mailbox after `since`: for CHANGEDSINCE (VANISHED), QRESYNC. Vanished UIDs come from the
    /// expunge log.
    pub async fn changes_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Delta> {
        todo!()
    }

    pub async fn body_writer(&self) -> Result<BodyWriter> {
        todo!()
    }
    /// Appends all or none.
    pub async fn append(&self, mailbox: MailboxId, messages: Vec<NewMessage>) -> Result<Appended> {
        todo!()
    }
    pub async fn deliver(&self, delivery: Delivery) -> Result<Delivered> {
        todo!()
    }
    pub async fn set_flags(&self, mailbox: MailboxId, uids: UidSet, change: FlagChange) -> Result<FlagsStored> {
        todo!()
    }
    /// Copies share the body and get flags of their own (all but nothing dropped; \Recent in the destination).
    pub async fn copy(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        todo!()
    }
    /// One transaction (I1): in the destination and out of the source, or neither.
    pub async fn move_messages(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        todo!()
    }
    /// Expunges messages with \Deleted, of `only` if given. Returns their UIDs.
    pub async fn expunge(&self, mailbox: MailboxId, only: Option<UidSet>) -> Result<UidSet> {
        todo!()
    }

    /// Runs `f` with a read transaction of both files on a blocking thread.
    pub async fn read<T: Send + 'static>(&self, f: impl FnOnce(&Reader) -> Result<T> + Send + 'static) -> Result<T> {
        todo!()
    }

    /// The whole ledger of an account by unique-id.
    pub async fn ledger(&self, account: AccountId) -> Result<HashMap<Vec<u8>, LedgerRow>> {
        todo!()
    }
    pub async fn change_ledger(&self, account: AccountId, changes: Vec<LedgerChange>) -> Result<()> {
        todo!()
    }

    /// Checks every invariant that can be checked from the files; one line a violation. Blocking.
    pub fn check(&self) -> Result<Vec<String>> {
        todo!()
    }
}
