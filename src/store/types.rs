//! What callers hand to the store and get back: plain data.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::body::PreparedBody;
use crate::mail::{
    AccountId, BodyId, FlagList, FlagOp, InternalDate, MailboxId, MailboxName, ModSeq, SpecialUse, Uid, UidSet,
    UidValidity,
};

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where both files are; made (0700) when it is not there.
    pub data_dir: PathBuf,
    /// redb page cache of both files together, in bytes.
    pub cache_bytes: usize,
    /// How long the bytes of an expunged message stay readable for sessions that still show it.
    pub gc_grace: Duration,
}

/// A mailbox as LIST and STATUS see it.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Its id.
    pub id: MailboxId,
    /// Its name.
    pub name: MailboxName,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Its special use (RFC 6154).
    pub special_use: Option<SpecialUse>,
    /// It is the view of this account: it shows the messages of INBOX that came from there, the same messages with UIDs of
    /// their own, and nothing can be put into it.
    pub view: Option<AccountId>,
    /// Its counters.
    pub counts: Counts,
}

/// Counters kept with the mailbox row; always equal to what its rows say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// UIDNEXT; one past `MAX_UID` when UIDs are exhausted.
    pub uid_next: u32,
    /// HIGHESTMODSEQ, at least 1 (RFC 7162 section 3.1.2.1).
    pub highest_mod_seq: ModSeq,
    /// Messages.
    pub exists: u32,
    /// Messages without \Seen.
    pub unseen: u32,
    /// Messages with \Deleted.
    pub deleted: u32,
    /// Sum of their sizes (RFC 8438).
    pub size: u64,
    /// First UID that no session has been shown as \Recent (see `Store::claim_recent`).
    pub recent_from: u32,
}

impl Counts {
    /// What the mailbox adds to its user's usage.
    pub(super) fn usage(&self) -> Stored {
        Stored { octets: self.size, messages: self.exists.into() }
    }
}

/// What a user has stored, in all mailboxes: every message counts, each copy for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Sum of their sizes.
    pub octets: u64,
    /// Messages.
    pub messages: u64,
}

impl Stored {
    pub(super) const fn add(&mut self, more: Self) {
        self.octets = self.octets.saturating_add(more.octets);
        self.messages = self.messages.saturating_add(more.messages);
    }

    pub(super) const fn take(&mut self, less: Self) {
        self.octets = self.octets.saturating_sub(less.octets);
        self.messages = self.messages.saturating_sub(less.messages);
    }
}

/// What of a resource is used, and how much of it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Stored; may be more than the limit, which can be lowered.
    pub used: u64,
    /// The most that may be stored.
    pub limit: u64,
}

impl Share {
    const fn fits(self, more: u64) -> bool {
        match self.used.checked_add(more) {
            Some(sum) => sum <= self.limit,
            None => false,
        }
    }
}

/// What a user may store, and what of it is used; `None`: without limit. One of both is limited at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In octets (the STORAGE resource of RFC 9208).
    pub storage: Option<Share>,
    /// In messages (the MESSAGE resource of RFC 9208).
    pub messages: Option<Share>,
}

impl Quota {
    /// Whether one more message of so many octets may be stored.
    pub const fn fits(self, octets: u64) -> bool {
        self.fits_all(Stored { octets, messages: 1 })
    }

    /// As it will be when these are gone.
    #[must_use]
    pub fn without(self, freed: Stored) -> Self {
        let less = |share: Option<Share>, freed: u64| {
            share.map(|share| Share { used: share.used.saturating_sub(freed), ..share })
        };
        Self { storage: less(self.storage, freed.octets), messages: less(self.messages, freed.messages) }
    }

    /// Whether all of these may be stored beside what there is.
    pub const fn fits_all(self, more: Stored) -> bool {
        let storage = match self.storage {
            Some(share) => share.fits(more.octets),
            None => true,
        };
        let messages = match self.messages {
            Some(share) => share.fits(more.messages),
            None => true,
        };
        storage && messages
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (share, what) in [(self.storage, "octets"), (self.messages, "messages")] {
            if let Some(Share { used, limit }) = share {
                write!(f, "{separator}{used} of {limit} {what}")?;
                separator = " and ";
            }
        }
        f.write_str(" are used")
    }
}

/// What a user may store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaLimit {
    /// In octets.
    pub octets: Option<u64>,
    /// In messages.
    pub messages: Option<u64>,
}

impl QuotaLimit {
    /// With what is used of it; `None` without any limit.
    pub(super) fn quota(self, used: Stored) -> Option<Quota> {
        let share = |used, limit: Option<u64>| limit.map(|limit| Share { used, limit });
        let quota = Quota { storage: share(used.octets, self.octets), messages: share(used.messages, self.messages) };
        (self != Self::default()).then_some(quota)
    }
}

impl From<Option<u64>> for QuotaLimit {
    /// Of octets alone.
    fn from(octets: Option<u64>) -> Self {
        Self { octets, messages: None }
    }
}

/// A message to be put into a mailbox.
#[derive(Debug)]
pub struct NewMessage {
    /// Its bytes.
    pub body: PreparedBody,
    /// Its flags.
    pub flags: FlagList,
    /// INTERNALDATE.
    pub internal_date: InternalDate,
    /// The upstream account it came from.
    pub account: Option<AccountId>,
}

/// What APPEND made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: UidValidity,
    /// One UID a message, in order.
    pub uids: Vec<Uid>,
}

/// One message from a maildrop: message row, ledger row, counters and mod-sequence in one transaction (I2).
#[derive(Debug)]
pub struct Delivery {
    /// The account it came from.
    pub account: AccountId,
    /// Where it goes.
    pub mailbox: MailboxId,
    /// The message.
    pub message: NewMessage,
    /// Its unique-id; `None` where the server has none: identity is then the content (BLAKE3).
    pub unique_id: Option<Vec<u8>>,
    /// Size that LIST gave, for the ledger.
    pub listed_size: u64,
    /// Normalised hash of its header, for the ledger.
    pub header_hash: [u8; 16],
    /// Write the ledger row as `DeleteWanted` (leave_on_server: never).
    pub delete_upstream: bool,
    /// The server is believed to have given the unique-id of a stored message to this one: other octets than those of the
    /// ledger row are a new message, which takes the row over.
    pub reused: bool,
    /// What two messages have in common that are one message, delivered to two accounts; `None`: it is never merged.
    pub merge: Option<[u8; 16]>,
}

/// The view of an account: a mailbox that shows the messages of INBOX that came from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// The account.
    pub account: AccountId,
    /// What the mailbox is called.
    pub name: MailboxName,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It is in the mailbox under this UID.
    Stored(Uid),
    /// It is one with this message of INBOX, which another account had brought: that one now is of this account as well.
    Merged(Uid),
    /// The ledger has this unique-id (or content) already (I3): nothing was stored.
    Duplicate,
}

/// What is to happen, or has happened, to the message upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// It is here; nothing is to be done upstream.
    Stored,
    /// It is here and is to be deleted upstream.
    DeleteWanted,
    /// DELE and QUIT were acknowledged; forgotten once a complete listing no longer shows it.
    Gone,
    /// It was left where it is by `first_poll`: nothing of it is stored, and nothing is ever deleted upstream for it.
    Skipped,
}

/// Where a message from a maildrop is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this mailbox, and perhaps in others.
    At(MailboxId, Uid),
    /// Expunged everywhere, or never stored.
    Nowhere,
    /// Nobody asked.
    NotAsked,
}

/// One row of the ledger: a message that was taken from a maildrop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its state upstream.
    pub state: LedgerState,
    /// Where it is now, also after MOVE or COPY.
    pub place: Place,
    /// Its body; `None` when it was skipped. The octets may be gone.
    pub body: Option<BodyId>,
    /// Size that LIST gave.
    pub listed_size: u64,
    /// Normalised hash of its header.
    pub header_hash: [u8; 16],
    /// When it was stored, seconds since 1970.
    pub stored_at: i64,
    /// The first half of the BLAKE3 of its octets, also when these are gone; zero where it is not known.
    pub content: [u8; 16],
    /// It is one with a message that this account had brought: body and place are of that.
    pub merged: Option<AccountId>,
}

/// A change of one ledger row. A change of a row that is not there does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerChange {
    /// Sets the state of the row of this unique-id. A row that was skipped stays so, and no other becomes skipped.
    SetState(Vec<u8>, LedgerState),
    /// Forgets the row of this unique-id.
    Forget(Vec<u8>),
    /// Remembers a message that `first_poll` leaves where it is. Nothing happens when the unique-id is known.
    Skip {
        /// Its unique-id.
        unique_id: Vec<u8>,
        /// Size that LIST gave.
        listed_size: u64,
        /// Normalised hash of its header, zero where it was not looked at.
        header_hash: [u8; 16],
    },
    /// LIST now gives this size for the message.
    Resize(Vec<u8>, u64),
    /// `first_poll` has been applied to all that was there.
    EndFirstPoll,
    /// The server now calls the message `from` by the unique-id `to`: the row moves there, as `Stored`. Nothing
    /// happens when `to` is known already, unless it was skipped.
    Adopt {
        /// The unique-id it had.
        from: Vec<u8>,
        /// The unique-id it has.
        to: Vec<u8>,
    },
}

/// A message that could not be fetched whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Sessions in which it failed.
    pub tries: u32,
    /// When it failed last, seconds since 1970.
    pub last_try: i64,
    /// What could be had of it has been delivered with a notice.
    pub is_quarantined: bool,
}

/// What the poller keeps of an account from one run of the service to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollState {
    /// `first_poll` has been applied.
    pub first_poll_done: bool,
    /// Told to pause.
    pub is_paused: bool,
    /// The caller's code for the account's state; 0 when nothing is known.
    pub state: u8,
    /// Polls that failed in a row.
    pub failures: u32,
    /// When the last login was tried, seconds since 1970.
    pub last_attempt: i64,
    /// No login before this time, seconds since 1970.
    pub not_before: i64,
    /// 16 bits of a hash of what was logged in with: enough to see that it has changed, too few to test guesses.
    pub credentials: u16,
    /// When a poll last ended well, seconds since 1970; 0 when none has. May be some minutes behind.
    pub last_success: i64,
}

/// A flag change on many messages (STORE).
#[derive(Clone, Debug)]
pub struct FlagChange {
    /// Add, remove or replace.
    pub op: FlagOp,
    /// The flags.
    pub list: FlagList,
    /// UNCHANGEDSINCE (RFC 7162 section 3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// What a flag change did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagsStored {
    /// UIDs that exist and to which the change applied, whether or not it altered anything.
    pub applied: UidSet,
    /// UIDs refused by UNCHANGEDSINCE.
    pub modified: UidSet,
    /// UIDs asked for that are no longer there.
    pub missing: UidSet,
}

/// What COPY or MOVE made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// UIDVALIDITY of the destination.
    pub uid_validity: UidValidity,
    /// (source, destination), ascending by source.
    pub pairs: Vec<(Uid, Uid)>,
    /// UIDs asked for that are no longer there.
    pub missing: UidSet,
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
    /// Encoded `mime::PartTable`.
    pub parts: Vec<u8>,
    /// Date header as days since 1970-01-01 in the date's own zone (SENTSINCE etc.), if parsable.
    pub sent_day: Option<i32>,
    /// What SEARCH looks into, text and the header blocks of parts, ends before this octet of the message.
    pub text_end: u64,
}

/// Bytes on disk and what is stored, for the gauges `store_size_bytes{file}`, `store_messages` and `store_dead_bodies`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Size of meta.redb.
    pub meta: u64,
    /// Size of blobs.redb.
    pub blobs: u64,
    /// Messages in all mailboxes of all users.
    pub messages: u64,
    /// Bodies that no message has any more and that the collector has not removed yet.
    pub dead_bodies: u64,
    /// When the last backup without problems ended, seconds since 1970, if there was one.
    pub last_backup: Option<i64>,
    /// When the last compaction ended, seconds since 1970, if there was one.
    pub last_compaction: Option<i64>,
}
