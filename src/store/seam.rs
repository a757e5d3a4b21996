//! The seam between what a mail store does and where it keeps it: [`MetaStore`] for everything but message bytes,
//! [`BodyStore`] for message bytes. Both speak of mailboxes, messages and bodies, not of keys and values, so that a
//! back-end is free in how it lays them out. `redb` is one of them, `memory` another.
//!
//! Order of writes: the pieces of a body are durable in the [`BodyStore`] before an operation of the [`MetaStore`]
//! names it (I2); they go only after the last row that names them.

use std::collections::HashMap;
use std::pin::Pin;

use tokio::sync::oneshot;

use super::body::{BodyRow, Unplaced};
use super::check::{Fix, Problem};
use super::error::{Error, Result};
use super::metadata::{Annotation, Annotations, EachAnnotation};
use super::progress::Tell;
use super::snapshot::{Delta, Snapshot};
use super::stats::{Stats, TableStats};
use super::types::{
    AccountView, Appended, Copied, Delivered, Delivery, FlagChange, FlagsStored, LedgerChange, LedgerRow, Mailbox,
    NewMessage, PollState, Record, Stored, Trouble,
};
use super::upkeep::Upkept;
use crate::mail::{AccountId, BodyId, MailboxId, MailboxName, ModSeq, SpecialUse, Uid, UidSet, UserId};

/// A future of a trait that is used as an object.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Octets as they lie in a store, for as long as its reader lives.
pub type Octets<'r> = Box<dyn AsRef<[u8]> + 'r>;

/// Users, accounts, mailboxes, message rows, records and the ledger.
///
/// Operations run in the order in which they were queued. An operation is answered when what it did is durable, and
/// after the new versions of the mailboxes it changed were published (I1, I6). One that fails changes nothing.
pub trait MetaStore: Send + Sync {
    /// Queues an operation; completes once there is room for it.
    fn queue(&self, operation: Box<dyn Operation>) -> Answer<'_, ()>;

    /// The same for a thread that may block.
    fn queue_blocking(&self, operation: Box<dyn Operation>) -> Result<()>;

    /// A consistent view of what is committed now. Blocking; to be let go of soon.
    fn read(&self) -> Result<Box<dyn MetaRead>>;

    /// Bytes it takes on disk.
    fn size(&self) -> Result<u64>;

    /// Its tables, if it has any, added to `out`. Blocking.
    fn tables(&self, _out: &mut Vec<TableStats>) -> Result<()> {
        Ok(())
    }

    /// Operations that wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        0
    }

    /// Completes what is queued and closes. Everything after it is [`Error::Closed`]. Blocking.
    fn stop(&self) -> Result<()>;
}

/// A mutation, waiting for its turn.
pub trait Operation: Send {
    /// Makes the change; may be called again in a fresh transaction after the first was given up.
    fn run(&mut self, txn: &mut dyn MetaTxn) -> Result<()>;

    /// Answers the caller with what `run` made, or with why it did not become durable.
    fn answer(self: Box<Self>, outcome: Result<()>);
}

/// What an operation can do. A method that fails may leave half of its work behind: the operation is then to fail with
/// its error, and nothing of it is kept. Ids are those that the store gave out; one of a mailbox that is gone is
/// [`Error::NoMailbox`], and so is whatever belongs to another user (I10).
///
/// Every method that changes a mailbox takes one mod-sequence, the user's next, for all that it changes (I5); one that
/// turns out to change nothing takes none. New UIDs are UIDNEXT and up (I4), and past [`crate::mail::MAX_UID`]
/// [`Error::Limit`]. A keyword that the user's table lacks is added to it, in the spelling given, up to
/// [`crate::mail::MAX_KEYWORDS`]; past it [`Error::Limit`].
pub trait MetaTxn {
    /// The user of this name; made if need be, with INBOX and a mailbox of each special use, all subscribed.
    fn ensure_user(&mut self, name: &str) -> Result<UserId>;

    /// The user's account of this name; made if need be.
    fn ensure_account(&mut self, user: UserId, name: &str) -> Result<AccountId>;

    /// CREATE (RFC 9051 section 6.3.4): with the names above it, up to the first that is there. UIDVALIDITY is larger
    /// than any before. The special use is taken from the user's mailbox that had it (RFC 6154 section 3).
    /// [`Error::MailboxExists`]; [`Error::Limit`] past 10,000 mailboxes.
    fn create_mailbox(
        &mut self,
        user: UserId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId>;

    /// DELETE (RFC 9051 section 6.3.5), with its annotations. Mailboxes below it stay. [`Error::Refused`] for INBOX.
    fn delete_mailbox(&mut self, user: UserId, name: &MailboxName) -> Result<()>;

    /// RENAME (RFC 9051 section 6.3.6): with all below it, and the names above the new one like CREATE; ids,
    /// UIDVALIDITY and annotations stay. The old name may be that of no mailbox, as long as some are below it. Of INBOX the
    /// messages move to a new mailbox. [`Error::MailboxExists`] when any of the new names is taken; [`Error::Refused`] below
    /// itself, or when a name would get too long; [`Error::Limit`] like
    /// CREATE.
    fn rename_mailbox(&mut self, user: UserId, from: &MailboxName, to: &MailboxName) -> Result<()>;

    /// Of the user's account views exactly these are shown from now on, under these names. One that is new has the messages
    /// of INBOX that came from its account; one that is not shown keeps its UIDs and UIDVALIDITY, and its messages stay those
    /// of INBOX. Returns the names that other mailboxes have: those views are not shown.
    fn set_account_views(&mut self, user: UserId, views: &[AccountView]) -> Result<Vec<MailboxName>>;

    /// SUBSCRIBE and UNSUBSCRIBE: the name need not be that of a mailbox. [`Error::Limit`] past 10,000 names.
    fn set_subscribed(&mut self, user: UserId, name: &MailboxName, subscribed: bool) -> Result<()>;

    /// SETMETADATA (RFC 5464 section 4.3) of the user's mailbox, or (`None`) of the server: all of the changes or none.
    /// [`Error::Limit`] past what `metadata` allows.
    fn set_metadata(&mut self, user: UserId, mailbox: Option<MailboxId>, changes: &[Annotation]) -> Result<()>;

    /// APPEND (RFC 9051 section 6.3.12, RFC 3502): all of the messages in order, or none. Octets that are stored
    /// already are shared.
    fn append(&mut self, mailbox: MailboxId, messages: &[NewMessage]) -> Result<Appended>;

    /// REPLACE (RFC 8508): the new message is in `to` and the old one out of `from`, or neither. `None`, and nothing is
    /// changed, when the old one is no longer there.
    fn replace(&mut self, from: MailboxId, old: Uid, to: MailboxId, new: &NewMessage) -> Result<Option<Appended>>;

    /// STORE (RFC 9051 section 6.4.6), UNCHANGEDSINCE (RFC 7162 section 3.1.3). A message that it does not alter keeps
    /// its mod-sequence; one without any of the keywords to be removed is not altered.
    fn set_flags(&mut self, mailbox: MailboxId, uids: &UidSet, change: &FlagChange) -> Result<FlagsStored>;

    /// COPY (RFC 9051 section 6.4.7), also into the same mailbox.
    fn copy(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied>;

    /// MOVE (RFC 6851), also within the same mailbox: in the destination and out of the source, or neither.
    fn move_messages(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied>;

    /// EXPUNGE and UID EXPUNGE (RFC 9051 section 6.4.9): messages with \Deleted, of `only` if given. Returns their
    /// UIDs.
    fn expunge(&mut self, mailbox: MailboxId, only: Option<&UidSet>) -> Result<UidSet>;

    /// Message and ledger row, unless the ledger has the message (I2, I3); see [`Delivery`]. Its trouble is forgotten.
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered>;

    /// The changes, in order; see [`LedgerChange`].
    fn change_ledger(&mut self, account: AccountId, changes: &[LedgerChange]) -> Result<()>;

    /// Remembers the trouble of a message, or forgets it.
    fn set_trouble(&mut self, account: AccountId, key: &[u8], trouble: Option<Trouble>) -> Result<()>;

    /// Appends `messages` unless the key is quarantined, and marks it so.
    fn quarantine(&mut self, account: AccountId, key: &[u8], mailbox: MailboxId, messages: &[NewMessage])
    -> Result<()>;

    /// Changes what the poller keeps, and says what it is now.
    fn change_poll_state(&mut self, account: AccountId, change: &dyn Fn(&mut PollState)) -> Result<PollState>;

    /// Makes the mark of [`super::Store::claim_recent`] durable where the row is behind it.
    fn save_recent_mark(&mut self, mailbox: MailboxId) -> Result<()>;

    /// Forgets dead bodies whose pieces are gone, with their records.
    fn forget_bodies(&mut self, bodies: &[BodyId]) -> Result<()>;

    /// Remembers when this was last done, seconds since 1970. A back-end without files has nothing to remember.
    fn note_upkeep(&mut self, _what: Upkept, _at: i64) -> Result<()> {
        Ok(())
    }

    /// Rebuilds these, of which [`Fix::Record`] and [`Fix::Stray`] are none, from the rows as they are now.
    fn repair(&mut self, fixes: &[Fix]) -> Result<()>;

    /// Replaces the record of a body that is there.
    fn set_record(&mut self, body: BodyId, record: &Record) -> Result<()>;

    /// Merges the `rows` oldest rows of the mailbox's expunge log into one, under the highest mod-sequence of them. A client
    /// that asks for what vanished in between is told of UIDs that it knows are gone (RFC 7162 section 3.2.5 allows that);
    /// none is kept from it.
    fn merge_expunged(&mut self, _mailbox: MailboxId, _rows: usize) -> Result<()> {
        Ok(())
    }

    /// For tests that write rows as no operation would.
    #[cfg(test)]
    fn rows(&mut self, _: super::redb::WriteRows<'_>) -> Result<()> {
        Err(Error::Refused("there are no rows"))
    }
}

/// A consistent view of a [`MetaStore`].
pub trait MetaRead {
    /// The user's mailbox of this name.
    fn mailbox(&self, user: UserId, name: &MailboxName) -> Result<Option<Mailbox>>;

    /// The mailbox of this id, or [`Error::NoMailbox`].
    fn mailbox_by_id(&self, mailbox: MailboxId) -> Result<Mailbox>;

    /// All mailboxes of the user, ordered by name, INBOX first.
    fn mailboxes(&self, user: UserId) -> Result<Vec<Mailbox>>;

    /// Whether the user has mailboxes below this name, at any depth.
    fn has_mailboxes_below(&self, user: UserId, name: &MailboxName) -> Result<bool>;

    /// Names subscribed to, ordered like [`Self::mailboxes`].
    fn subscriptions(&self, user: UserId) -> Result<Vec<MailboxName>>;

    /// The annotations of the user's mailbox, or (`None`) of the server; none of a mailbox of another user.
    fn metadata(&self, user: UserId, mailbox: Option<MailboxId>) -> Result<Annotations>;

    /// Every annotation of the user: of the server (`None`) and of each mailbox.
    fn all_metadata(&self, user: UserId, each: &mut EachAnnotation<'_>) -> Result<()>;

    /// What the user has stored: a counter that commits with the messages (I2).
    fn usage(&self, user: UserId) -> Result<Stored>;

    /// The mailbox as it is, or [`Error::NoMailbox`].
    fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot>;

    /// See [`super::Store::changes_since`].
    fn changes_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Delta>;

    /// The encoded record of a body; `None` when the body has been collected.
    fn record(&self, body: BodyId) -> Result<Option<Octets<'_>>>;

    /// What is known of a body, also of one that is dead and not yet collected.
    fn body(&self, body: BodyId) -> Result<Option<BodyRow>>;

    /// Calls `f` with every body that a message has.
    fn bodies(&self, f: &mut dyn FnMut(BodyId, &BodyRow) -> Result<()>) -> Result<()>;

    /// Some of the dead bodies for which `is_due` says so, told since when they are dead (seconds since 1970; 0: nobody has
    /// ever seen them): at most `max_bodies`, and no more once they have `max_pieces`. With the octets of the message of each.
    fn dead(
        &self,
        is_due: &mut dyn FnMut(BodyId, i64) -> bool,
        max_bodies: usize,
        max_pieces: u64,
    ) -> Result<Vec<(BodyId, u64)>>;

    /// Mailboxes of which the expunge log has more than `max` rows.
    fn long_expunge_logs(&self, _max: usize) -> Result<Vec<MailboxId>> {
        Ok(Vec::new())
    }

    /// The ledger of an account; with where each message is now, if asked for.
    fn ledger(&self, account: AccountId, with_places: bool) -> Result<HashMap<Vec<u8>, LedgerRow>>;

    /// Messages of the account that could not be fetched.
    fn troubles(&self, account: AccountId) -> Result<HashMap<Vec<u8>, Trouble>>;

    /// See [`super::Store::content_of`].
    fn content_of(&self, account: AccountId, unique_id: &[u8]) -> Result<[u8; 16]>;

    /// What the poller keeps of the account.
    fn poll_state(&self, account: AccountId) -> Result<PollState>;

    /// Messages in all mailboxes.
    fn messages(&self) -> Result<u64>;

    /// Bodies that no message has any more, until the collector has removed them.
    fn dead_bodies(&self) -> Result<u64>;

    /// See [`MetaTxn::note_upkeep`].
    fn upkept(&self, _what: Upkept) -> Result<Option<i64>> {
        Ok(None)
    }

    /// What takes how much room, but for the files as such.
    fn stats(&self, bodies: &dyn BodyRead, tell: Tell<'_>) -> Result<Stats>;

    /// Every invariant that the rows and the numbers of the pieces can show.
    fn check(&self, bodies: &dyn BodyRead, unplaced: &Unplaced) -> Result<Vec<Problem>>;
}

/// Message bytes, as pieces of compressed streams. Body ids are never reused.
pub trait BodyStore: Send + Sync {
    /// Stores pieces; completes once there is room for them. They may wait for others of the same body until
    /// [`Put::done`] is asked for.
    fn put(&self, put: Put) -> Answer<'_, ()>;

    /// Removes whatever is there of these bodies, durably. Blocking.
    fn remove(&self, bodies: &[BodyId]) -> Result<()>;

    /// A consistent view of what is committed now. Blocking; to be let go of soon.
    fn read(&self) -> Result<Box<dyn BodyRead>>;

    /// Bytes it takes on disk.
    fn size(&self) -> Result<u64>;

    /// Its tables, if it has any, added to `out`. Blocking.
    fn tables(&self, _out: &mut Vec<TableStats>) -> Result<()> {
        Ok(())
    }

    /// Completes what is queued and closes. Blocking.
    fn stop(&self) -> Result<()>;
}

/// A consistent view of a [`BodyStore`].
pub trait BodyRead {
    /// Piece `n`, counted from 0.
    fn piece(&self, body: BodyId, n: u32) -> Result<Option<Octets<'_>>>;

    /// Calls `f` with body, number and length of every piece, ascending.
    fn pieces(&self, f: &mut dyn FnMut(BodyId, u32, usize)) -> Result<()>;
}

/// Piece `n` of a body.
#[derive(Debug)]
pub struct Piece {
    /// Its number.
    pub n: u32,
    /// Of one of [`super::PIECE_LENS`]; the last one may be shorter.
    pub bytes: Vec<u8>,
}

/// Pieces to be stored.
#[derive(Debug)]
pub struct Put {
    /// Of this body.
    pub body: BodyId,
    /// In the order of their numbers.
    pub pieces: Vec<Piece>,
    /// With the last pieces of a body: told when all of them are durable.
    pub done: Option<oneshot::Sender<Result<()>>>,
}

/// An operation made of a closure.
struct Call<F, T> {
    run: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Operation for Call<F, T>
where
    F: FnMut(&mut dyn MetaTxn) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, txn: &mut dyn MetaTxn) -> Result<()> {
        self.value = Some((self.run)(txn)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { run, value, reply } = *self;
        // What the closure holds (bodies) is released before the caller goes on.
        drop(run);
        // A caller that has gone away does not undo what is durable.
        drop(reply.send(outcome.and_then(|()| value.ok_or(Error::Closed))));
    }
}

/// A request of `run`, and where its answer arrives.
pub(super) fn operation<T, F>(run: F) -> (Box<dyn Operation>, oneshot::Receiver<Result<T>>)
where
    F: FnMut(&mut dyn MetaTxn) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Call { run, value: None, reply }), answer)
}
