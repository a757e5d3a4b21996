//! The store behind an asynchronous, cheap-to-clone facade.
//!
//! Every mutation is a request to the one writer of its half, which makes it durable, publishes the new mailbox versions,
//! and only then answers the caller (I1, I2, I6). Where rows and octets are kept is the back-end's affair (`seam`): two redb
//! files (`redb`), or memory for tests (`memory`).

mod base64;
mod body;
mod check;
mod clock;
mod codec;
mod common;
mod contain;
mod cutter;
mod decode;
mod error;
mod gc;
mod headers;
mod ledger;
#[cfg(test)]
mod marks_tests;
mod memory;
mod metadata;
mod metrics;
mod notify;
mod object_id;
mod progress;
mod quota;
mod reader;
mod record;
mod redb;
mod repair;
mod seam;
mod segment;
mod snapshot;
#[cfg(test)]
mod snapshot_tests;
mod stats;
mod types;
mod upkeep;
mod user_watch;
#[cfg(test)]
mod views_tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub use body::{BodyRow, BodyWriter, PreparedBody, Unplaced};
pub use check::{Derive, Deriving, Fix, Problem};
pub use cutter::PIECE_LENS;
pub use error::{Error, Result};
pub use ledger::{content_key, half, header_key};
pub use metadata::{
    Annotation, Annotations, EachAnnotation, MAX_ANNOTATION, MAX_ANNOTATIONS, MAX_ANNOTATIONS_LEN, MetadataPrints,
    metadata_print,
};
pub use metrics::Metrics;
pub use notify::MailboxWatch;
pub use object_id::{ObjectId, ObjectIds};
pub use progress::{Progress, Tell};
pub use reader::{BodyCursor, Reader, RecordRef};
pub use seam::{Answer, BodyRead, BodyStore, MetaRead, MetaStore, MetaTxn, Octets, Operation, Piece, Put};
pub use snapshot::{Block, Delta, Snapshot};
pub use stats::{MailboxStats, Stats, TableStats, Usage, UserStats};
pub use types::{
    AccountView, Appended, Copied, Counts, Delivered, Delivery, FlagChange, FlagsStored, LedgerChange, LedgerRow,
    LedgerState, Mailbox, NewMessage, Place, PollState, Quota, QuotaLimit, Record, Settings, Share, Sizes, Stored,
    Trouble,
};
pub use upkeep::{BackupReport, CompactReport, RestoreReport, Upkept};
pub use user_watch::{UserMarks, UserWatch};

use arc_swap::ArcSwap;

use crate::mail::{AccountId, MailboxId, MailboxName, ModSeq, SpecialUse, Uid, UidSet, UserId};
use crate::mime;
use contain::contained;
use notify::lock;

/// What the facade and both back-ends share.
struct Shared {
    live: notify::Live,
    user_watches: user_watch::UserWatches,
    bodies: Arc<body::Bodies>,
    /// `recent_from` of mailboxes where memory is ahead of the row.
    recent: Mutex<HashMap<MailboxId, u32>>,
    /// Users already looked up: every login asks, and must not wait for a commit.
    users: Mutex<HashMap<String, UserId>>,
    quotas: quota::Quotas,
    upkeep: upkeep::Upkeep,
    metrics: Metrics,
    headers: Arc<headers::Headers>,
    /// Made once for a store, and the same in its backups.
    store_id: [u8; 16],
}

impl Shared {
    fn new(next_body: u64, store_id: [u8; 16]) -> Result<Self> {
        Ok(Self {
            live: notify::Live::default(),
            user_watches: user_watch::UserWatches::default(),
            bodies: Arc::new(body::Bodies::new(next_body)),
            recent: Mutex::default(),
            users: Mutex::default(),
            quotas: quota::Quotas::default(),
            upkeep: upkeep::Upkeep::default(),
            metrics: Metrics::new()?,
            headers: Arc::default(),
            store_id,
        })
    }

    fn recent_mark(&self, mailbox: MailboxId) -> u32 {
        lock(&self.recent).get(&mailbox).copied().unwrap_or(0)
    }

    fn forget_recent_mark(&self, mailbox: MailboxId) {
        lock(&self.recent).remove(&mailbox);
    }
}

struct Inner {
    shared: Arc<Shared>,
    meta: Arc<dyn MetaStore>,
    bodies: Arc<dyn BodyStore>,
    /// Where both are files.
    files: Option<self::redb::Handles>,
    /// What is told apart in a message that is stored.
    limits: ArcSwap<mime::Limits>,
    /// Ended before the writers, to which it sends requests.
    collector: Mutex<Option<(std::sync::mpsc::Sender<gc::Wake>, JoinHandle<()>)>>,
}

/// The store. Clones are handles of the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Opening and closing.
impl Store {
    /// Opens or creates both files and starts the threads. Blocking. The error says what to do when a file is locked
    /// by another process, of a newer schema, or missing.
    pub fn open(settings: &Settings) -> Result<Self> {
        Self::run(self::redb::Files::open(settings)?, settings)
    }

    /// The same on a disk of the test's.
    #[cfg(test)]
    fn open_on(settings: &Settings, disk: Arc<dyn self::redb::Disk>) -> Result<Self> {
        Self::run(self::redb::Files::open_on(settings, disk)?, settings)
    }

    fn run(files: self::redb::Files, settings: &Settings) -> Result<Self> {
        let shared = Arc::new(Shared::new(files.next_body, files.store_id)?);
        let (meta, bodies) = files.start(&shared)?;
        let (meta, bodies) = (Arc::new(meta), Arc::new(bodies));
        let handles = self::redb::Handles::new(Arc::clone(&meta), Arc::clone(&bodies), &settings.data_dir);
        Self::start(shared, meta, bodies, Some(handles), settings.gc_grace)
    }

    /// A store without files, for tests: it is gone with its last handle. `gc_grace` as in [`Settings`].
    pub fn in_memory(gc_grace: Duration) -> Result<Self> {
        let shared = Arc::new(Shared::new(1, rand::random())?);
        let meta = memory::Memory::new(Arc::clone(&shared));
        Self::start(shared, Arc::new(meta), Arc::new(memory::Pieces::new()), None, gc_grace)
    }

    /// What is told apart in messages from now on, by all who make records. Not kept: to be said at each start.
    pub fn limit_parsing(&self, limits: mime::Limits) {
        self.0.limits.store(Arc::new(limits));
    }

    /// What is told apart in a message.
    pub fn parse_limits(&self) -> mime::Limits {
        **self.0.limits.load()
    }

    /// Whether a store, or a part of one, is in the directory.
    pub fn exists(data_dir: &Path) -> bool {
        self::redb::exist(data_dir)
    }

    fn start(
        shared: Arc<Shared>,
        meta: Arc<dyn MetaStore>,
        bodies: Arc<dyn BodyStore>,
        files: Option<self::redb::Handles>,
        gc_grace: Duration,
    ) -> Result<Self> {
        let (wake, woken) = std::sync::mpsc::channel();
        let collector = gc::Collector::new(Arc::clone(&shared), Arc::clone(&meta), Arc::clone(&bodies), gc_grace);
        let collector = Mutex::new(Some((wake, collector.spawn(woken)?)));
        Ok(Self(Arc::new(Inner { shared, meta, bodies, files, limits: ArcSwap::default(), collector })))
    }

    /// Completes what is queued, ends the threads and closes the files. Everything after it is [`Error::Closed`].
    pub async fn close(&self) -> Result<()> {
        let saved = self.save_recent_marks().await;
        let inner = Arc::clone(&self.0);
        let ended = tokio::task::spawn_blocking(move || {
            let (collected, meta, bodies) = (inner.end_collector(), inner.meta.stop(), inner.bodies.stop());
            collected.and(meta).and(bodies)
        });
        match ended.await.map_err(|e| Error::Internal(format!("the store was not closed: {e}")))? {
            // Closed already.
            Ok(()) if matches!(saved, Err(Error::Closed)) => Ok(()),
            Ok(()) => saved,
            Err(e) => Err(e),
        }
    }

    /// Makes the marks of `claim_recent` durable.
    async fn save_recent_marks(&self) -> Result<()> {
        let marks: Vec<MailboxId> = lock(&self.0.shared.recent).keys().copied().collect();
        if marks.is_empty() {
            return Ok(());
        }
        self.write(move |txn| marks.iter().try_for_each(|mailbox| txn.save_recent_mark(*mailbox))).await
    }

    /// The metrics of this store.
    pub fn metrics(&self) -> &Metrics {
        &self.0.shared.metrics
    }

    async fn write<T, F>(&self, run: F) -> Result<T>
    where
        F: FnMut(&mut dyn MetaTxn) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.queue(run).await?.await
    }

    /// Puts an operation behind those queued before it. The answer comes when it is durable.
    async fn queue<T, F>(&self, run: F) -> Result<impl Future<Output = Result<T>> + use<T, F>>
    where
        F: FnMut(&mut dyn MetaTxn) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (operation, answer) = seam::operation(run);
        self.0.meta.queue(operation).await?;
        Ok(async { answer.await.map_err(|_| Error::Closed)? })
    }

    /// Runs `f` with a consistent view of the store on a blocking thread.
    pub async fn read<T: Send + 'static>(&self, f: impl FnOnce(&Reader) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || contained(|| f(&Reader::begin(&inner)?)));
        done.await.map_err(|e| Error::Internal(format!("a read ended early: {e}")))?
    }
}

/// Users and mailboxes by name.
impl Store {
    /// The user of this name, made on first use with INBOX, Archive, Drafts, Junk, Sent and Trash (subscribed).
    pub async fn ensure_user(&self, name: &str) -> Result<UserId> {
        if let Some(user) = lock(&self.0.shared.users).get(name) {
            return Ok(*user);
        }
        let wanted = name.to_owned();
        let user = self.write(move |txn| txn.ensure_user(&wanted)).await?;
        lock(&self.0.shared.users).insert(name.to_owned(), user);
        Ok(user)
    }

    /// The user's account of this name, made on first use.
    pub async fn ensure_account(&self, user: UserId, name: &str) -> Result<AccountId> {
        let name = name.to_owned();
        self.write(move |txn| txn.ensure_account(user, &name)).await
    }

    /// All mailboxes of the user, ordered by name, INBOX first.
    pub async fn mailboxes(&self, user: UserId) -> Result<Vec<Mailbox>> {
        let mut mailboxes = self.read(move |reader| reader.meta.mailboxes(user)).await?;
        mailboxes.iter_mut().for_each(|mailbox| self.mark_recent(mailbox));
        Ok(mailboxes)
    }

    /// The user's mailbox of this name.
    pub async fn mailbox(&self, user: UserId, name: &MailboxName) -> Result<Option<Mailbox>> {
        let name = name.clone();
        let mut mailbox = self.read(move |reader| reader.meta.mailbox(user, &name)).await?;
        mailbox.iter_mut().for_each(|mailbox| self.mark_recent(mailbox));
        Ok(mailbox)
    }

    /// Whether the user has mailboxes below this name, at any depth.
    pub async fn has_mailboxes_below(&self, user: UserId, name: &MailboxName) -> Result<bool> {
        let name = name.clone();
        self.read(move |reader| reader.meta.has_mailboxes_below(user, &name)).await
    }

    fn mark_recent(&self, mailbox: &mut Mailbox) {
        mailbox.counts.recent_from = mailbox.counts.recent_from.max(self.0.shared.recent_mark(mailbox.id));
    }

    /// Names subscribed to, whether or not they exist, ordered like [`Self::mailboxes`].
    pub async fn subscriptions(&self, user: UserId) -> Result<Vec<MailboxName>> {
        self.read(move |reader| reader.meta.subscriptions(user)).await
    }

    /// Creates the mailbox and any missing parents. UIDVALIDITY is larger than any given before.
    pub async fn create_mailbox(
        &self,
        user: UserId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        let name = name.clone();
        self.write(move |txn| txn.create_mailbox(user, &name, special_use)).await
    }

    /// Deletes a mailbox; those below it stay (INBOX: Refused).
    pub async fn delete_mailbox(&self, user: UserId, name: &MailboxName) -> Result<()> {
        let name = name.clone();
        self.write(move |txn| txn.delete_mailbox(user, &name)).await
    }

    /// Renames with all children, creating missing parents of the new name; INBOX: moves its messages to the new
    /// mailbox and leaves INBOX empty (RFC 9051 section 6.3.6).
    pub async fn rename_mailbox(&self, user: UserId, from: &MailboxName, to: &MailboxName) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.write(move |txn| txn.rename_mailbox(user, &from, &to)).await
    }

    /// Of the user's account views exactly these are shown from now on. Returns the names that other mailboxes have: those
    /// views are not shown.
    pub async fn set_account_views(&self, user: UserId, views: Vec<AccountView>) -> Result<Vec<MailboxName>> {
        self.write(move |txn| txn.set_account_views(user, &views)).await
    }

    /// Adds the name to the user's subscriptions, or takes it away.
    pub async fn set_subscribed(&self, user: UserId, name: &MailboxName, subscribed: bool) -> Result<()> {
        let name = name.clone();
        self.write(move |txn| txn.set_subscribed(user, &name, subscribed)).await
    }
}

/// Mailboxes and what happens in them.
impl Store {
    /// The live mailbox, loaded on first use and shared.
    pub async fn watch(&self, mailbox: MailboxId) -> Result<MailboxWatch> {
        let watch = self.0.shared.live.subscribe(mailbox);
        if watch.is_loaded() {
            return Ok(watch);
        }
        let inner = Arc::clone(&self.0);
        let loaded = tokio::task::spawn_blocking(move || {
            watch.load(|| contained(|| inner.meta.read()?.snapshot(mailbox)))?;
            Ok(watch)
        });
        loaded.await.map_err(|e| Error::Internal(format!("a mailbox was not loaded: {e}")))?
    }

    /// Takes for the calling session all messages that no session has been shown as \Recent: returns the first such
    /// UID and moves the mark to `uid_next` (in memory at once, durable with the next change of the mailbox).
    pub fn claim_recent(&self, mailbox: MailboxId, uid_next: u32) -> u32 {
        let mut marks = lock(&self.0.shared.recent);
        // Under the lock, so that of two sessions one gets the messages. A mailbox that is gone has no message.
        let row = || contained(|| self.0.meta.read()?.mailbox_by_id(mailbox));
        let first = match marks.get(&mailbox) {
            Some(mark) => *mark,
            None => row().map_or(uid_next, |row| row.counts.recent_from),
        };
        marks.insert(mailbox, first.max(uid_next));
        first
    }

    /// Everything that changed in a mailbox after `since`, for CHANGEDSINCE, VANISHED and QRESYNC: `changed` has every
    /// message with a higher mod-sequence, whether it is new or not; `appended` is empty; `vanished` comes from the
    /// expunge log and may name UIDs that the client never saw.
    pub async fn changes_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Delta> {
        self.read(move |reader| reader.meta.changes_since(mailbox, since)).await
    }

    /// Begins a message body.
    pub async fn body_writer(&self) -> Result<BodyWriter> {
        BodyWriter::new(self.clone())
    }

    /// Appends all or none.
    pub async fn append(&self, mailbox: MailboxId, messages: Vec<NewMessage>) -> Result<Appended> {
        self.write(move |txn| txn.append(mailbox, &messages)).await
    }

    /// One transaction: the new message in `to` and the old one out of `from`, or neither; `None` when the old one is gone.
    pub async fn replace(&self, from: MailboxId, old: Uid, to: MailboxId, new: NewMessage) -> Result<Option<Appended>> {
        self.write(move |txn| txn.replace(from, old, to, &new)).await
    }

    /// Stores a message from a maildrop, unless the ledger has it. Its keywords are left out where the user has no room for them.
    pub async fn deliver(&self, delivery: Delivery) -> Result<Delivered> {
        self.submit(delivery).await?.await
    }

    /// The same in two steps: queued behind what was submitted before, so that messages get their UIDs in that order;
    /// the answer comes when the message is durable.
    pub async fn submit(&self, mut delivery: Delivery) -> Result<impl Future<Output = Result<Delivered>> + use<>> {
        self.queue(move |txn| ledger::deliver(txn, &mut delivery)).await
    }

    /// Changes the flags of those of `uids` that exist.
    pub async fn set_flags(&self, mailbox: MailboxId, uids: UidSet, change: FlagChange) -> Result<FlagsStored> {
        self.write(move |txn| txn.set_flags(mailbox, &uids, &change)).await
    }

    /// Copies share the body and get the flags, keywords and INTERNALDATE of their source as their own.
    pub async fn copy(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        self.write(move |txn| txn.copy(from, &uids, to)).await
    }

    /// One transaction (I1): in the destination and out of the source, or neither.
    pub async fn move_messages(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        self.write(move |txn| txn.move_messages(from, &uids, to)).await
    }

    /// Expunges messages with \Deleted, of `only` if given. Returns their UIDs.
    pub async fn expunge(&self, mailbox: MailboxId, only: Option<UidSet>) -> Result<UidSet> {
        self.write(move |txn| txn.expunge(mailbox, only.as_ref())).await
    }
}

/// Upkeep.
impl Store {
    /// Removes now what the collector would remove by and by; says how many bodies that were.
    pub async fn collect(&self) -> Result<usize> {
        let (done, removed) = tokio::sync::oneshot::channel();
        match &*lock(&self.0.collector) {
            Some((wake, _)) => wake.send(gc::Wake::Now(done)).map_err(|_| Error::Closed)?,
            None => return Err(Error::Closed),
        }
        removed.await.map_err(|_| Error::Closed)?
    }

    /// Bytes on disk and messages stored.
    pub async fn sizes(&self) -> Result<Sizes> {
        let inner = Arc::clone(&self.0);
        self.read(move |reader| {
            Ok(Sizes {
                meta: inner.meta.size()?,
                blobs: inner.bodies.size()?,
                messages: reader.meta.messages()?,
                dead_bodies: reader.meta.dead_bodies()?,
                last_backup: reader.meta.upkept(Upkept::Backup)?,
                last_compaction: reader.meta.upkept(Upkept::Compaction)?,
            })
        })
        .await
    }

    /// What takes how much room, by user and mailbox. Blocking; reads every row and piece.
    pub fn stats(&self, tell: Tell<'_>) -> Result<Stats> {
        contained(|| self.add_up(tell))
    }

    fn add_up(&self, tell: Tell<'_>) -> Result<Stats> {
        let reader = Reader::begin(&self.0)?;
        let mut stats = reader.meta.stats(reader.bodies()?, tell)?;
        drop(reader);
        self.0.meta.tables(&mut stats.tables)?;
        self.0.bodies.tables(&mut stats.tables)?;
        (stats.meta_file, stats.blobs_file) = (self.0.meta.size()?, self.0.bodies.size()?);
        Ok(stats)
    }

    /// What [`Self::examine`] finds, one line each. Blocking.
    pub fn check(&self) -> Result<Vec<String>> {
        Ok(self.examine()?.iter().map(ToString::to_string).collect())
    }

    /// What [`Self::examine_octets`] finds, one line each. Blocking, and as slow as the disk.
    pub fn check_octets(&self) -> Result<Vec<String>> {
        Ok(self.examine_octets(&|_| {})?.iter().map(ToString::to_string).collect())
    }
}

impl Inner {
    fn end_collector(&self) -> Result<()> {
        let Some((wake, thread)) = lock(&self.collector).take() else { return Ok(()) };
        drop(wake.send(gc::Wake::Stop));
        thread.join().map_err(|_| Error::Internal("a thread of the store ended early".to_owned()))
    }
}

impl Drop for Inner {
    /// A store dropped without `close` still ends its threads, so that the files can be opened again at once: the writers
    /// end as their halves are dropped.
    fn drop(&mut self) {
        drop(self.end_collector());
    }
}
