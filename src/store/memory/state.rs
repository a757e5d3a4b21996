//! One version of everything but message bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::mail::{
    AccountId, BodyId, Keyword, KeywordSet, MAX_KEYWORDS, MailboxId, MailboxName, Message, ModSeq, SpecialUse,
    ThreadId, Uid, UidSet, UidValidity, UserId,
};
use crate::mime::ThreadKey;
use crate::store::body::BodyRow;
use crate::store::error::{Error, Result};
use crate::store::metadata::Annotations;
use crate::store::snapshot::{BLOCK_SHIFT, Block, Snapshot};
use crate::store::types::{Counts, LedgerRow, PollState, Stored, Trouble};

/// A version. Two versions share what did not change between them.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) users: BTreeMap<UserId, Arc<User>>,
    pub(super) accounts: BTreeMap<AccountId, Arc<Account>>,
    pub(super) mailboxes: BTreeMap<MailboxId, Arc<Mailbox>>,
    pub(super) bodies: Arc<Bodies>,
    /// The last id or value given out of each kind.
    pub(super) last_user: u32,
    pub(super) last_account: u32,
    pub(super) last_mailbox: u32,
    pub(super) last_uid_validity: u32,
    pub(super) last_thread: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) mod_seq: ModSeq,
    /// Row n is bit n of a [`KeywordSet`].
    pub(super) keywords: Arc<Vec<Keyword>>,
    pub(super) mailboxes: BTreeMap<MailboxName, MailboxId>,
    pub(super) subscriptions: BTreeSet<MailboxName>,
    /// By mailbox; `None`: of the server.
    pub(super) metadata: BTreeMap<Option<MailboxId>, Arc<Annotations>>,
    pub(super) threads: Arc<BTreeMap<ThreadKey, ThreadId>>,
    pub(super) views: BTreeMap<AccountId, View>,
    /// By UID in INBOX, and account that the message is of as well: the UID in its view.
    pub(super) merged: Arc<BTreeMap<(Uid, AccountId), Option<Uid>>>,
    /// What two messages have in common that are one -> UID in INBOX of the last that came with it.
    pub(super) merges: Arc<BTreeMap<[u8; 16], Uid>>,
}

/// The view of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) mailbox: MailboxId,
    pub(super) is_shown: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: UserId,
    pub(super) name: String,
    /// `message` of a row is `None` here: where it is follows from the mailboxes.
    pub(super) ledger: BTreeMap<Vec<u8>, LedgerRow>,
    pub(super) troubles: BTreeMap<Vec<u8>, Trouble>,
    pub(super) poll_state: PollState,
}

#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    pub(super) user: UserId,
    pub(super) name: MailboxName,
    pub(super) uid_validity: UidValidity,
    pub(super) special_use: Option<SpecialUse>,
    pub(super) counts: Counts,
    pub(super) messages: BTreeMap<Uid, Message>,
    /// What was expunged, by the mod-sequence of its going; ascending.
    pub(super) expunged: Vec<(ModSeq, UidSet)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Bodies {
    pub(super) rows: BTreeMap<BodyId, Body>,
    /// Those that a message has, by BLAKE3.
    pub(super) by_hash: BTreeMap<[u8; 32], BodyId>,
}

#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) row: BodyRow,
    /// Encoded; `None` for octets that were stored already under another id.
    pub(super) record: Option<Arc<[u8]>>,
    /// Seconds since 1970; `None` while a message has it.
    pub(super) dead_since: Option<i64>,
}

impl User {
    /// The bits of those of the keywords that the table has.
    pub(super) fn known(&self, keywords: &[Keyword]) -> KeywordSet {
        let rows = keywords.iter().filter_map(|keyword| self.keywords.iter().position(|known| known == keyword));
        KeywordSet(rows.fold(0, |set, row| set | 1 << row))
    }

    /// The table with room made for all of these; [`Error::Limit`] when there is none.
    pub(super) fn with<'k>(&self, keywords: impl Iterator<Item = &'k Keyword>) -> Result<Arc<Vec<Keyword>>> {
        let mut table = Arc::clone(&self.keywords);
        for keyword in keywords {
            if !table.contains(keyword) {
                Arc::make_mut(&mut table).push(keyword.clone());
            }
        }
        if table.len() > MAX_KEYWORDS { Err(Error::Limit("keywords of a user")) } else { Ok(table) }
    }
}

impl Mailbox {
    /// The messages with these UIDs, ascending.
    pub(super) fn within<'m>(&'m self, uids: &'m UidSet) -> impl Iterator<Item = &'m Message> {
        self.messages.values().filter(|m| uids.contains_uid(m.uid))
    }
}

impl State {
    /// What the user has in all mailboxes.
    pub(super) fn usage(&self, user: UserId) -> Stored {
        let mut usage = Stored::default();
        let own = self.mailboxes.iter().filter(|(_, mailbox)| mailbox.user == user);
        own.filter(|(id, _)| self.view_of(**id).is_none()).for_each(|(_, mailbox)| usage.add(mailbox.counts.usage()));
        usage
    }

    /// The account of which the mailbox is the view, and whether it is shown.
    pub(super) fn view_of(&self, id: MailboxId) -> Option<(AccountId, bool)> {
        let user = self.mailboxes.get(&id).and_then(|mailbox| self.users.get(&mailbox.user))?;
        let found = user.views.iter().find(|(_, view)| view.mailbox == id);
        found.map(|(account, view)| (*account, view.is_shown))
    }

    /// The id of this name, unless that is of a view which is not shown.
    pub(super) fn shown_id(&self, user: UserId, name: &MailboxName) -> Option<MailboxId> {
        let id = self.users.get(&user).and_then(|user| user.mailboxes.get(name)).copied()?;
        Some(id).filter(|id| self.view_of(*id).is_none_or(|(_, is_shown)| is_shown))
    }

    pub(super) fn inbox(&self, user: UserId) -> Result<MailboxId> {
        self.user(user)?.mailboxes.get(&MailboxName::inbox()).copied().ok_or(Error::NoMailbox)
    }

    pub(super) fn mailbox(&self, mailbox: MailboxId) -> Result<&Mailbox> {
        self.mailboxes.get(&mailbox).map(|found| &**found).ok_or(Error::NoMailbox)
    }

    pub(super) fn user(&self, user: UserId) -> Result<&User> {
        self.users.get(&user).map(|found| &**found).ok_or_else(|| unknown("user", user.0))
    }

    /// Mail of one user's account never reaches another user's mailbox (I10).
    pub(super) fn check_account(&self, user: UserId, account: AccountId) -> Result<()> {
        let is_own = self.accounts.get(&account).is_some_and(|found| found.user == user);
        if is_own { Ok(()) } else { Err(Error::NoMailbox) }
    }

    pub(super) fn snapshot(&self, id: MailboxId, mailbox: &Mailbox) -> Snapshot {
        let mut blocks: Vec<Block> = Vec::new();
        let mut last = None;
        for message in mailbox.messages.values() {
            let number = Some(message.uid.value() >> BLOCK_SHIFT);
            if last != number {
                blocks.push(Block::default());
                last = number;
            }
            if let Some(block) = blocks.last_mut() {
                block.max_mod_seq = block.max_mod_seq.max(message.mod_seq);
                block.messages.push(message.clone());
            }
        }
        let blocks = blocks.into_iter().map(Arc::new).collect();
        let keywords = self.users.get(&mailbox.user).map(|user| Arc::clone(&user.keywords)).unwrap_or_default();
        Snapshot::new(id, mailbox.uid_validity, mailbox.counts, keywords, blocks)
    }
}

/// Ids come from the store itself: one that it does not know is a mistake of the caller.
pub(super) fn unknown(what: &str, id: u32) -> Error {
    Error::Internal(format!("there is no {what} {id}"))
}
