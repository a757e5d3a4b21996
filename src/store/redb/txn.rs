//! One transaction of meta.redb, shared by all the operations that the writer groups into it.
//!
//! Rows that operations of one batch are likely to share (users, mailboxes, message blocks) are decoded once, changed
//! in memory and written back by [`Txn::flush`]. An operation validates, then writes: [`Txn::has_written`] tells
//! the writer whether a failed operation left the transaction as it was.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use redb::ReadableTable;

use super::BLOCK_SHIFT;
use super::row::{MailboxRow, UserState};
use super::schema::{Tables, global};
use super::views::View;
use crate::mail::{
    AccountId, BodyId, Keyword, KeywordSet, MAX_KEYWORDS, MailboxId, ModSeq, UidSet, UidValidity, UserId,
};
use crate::store::Shared;
use crate::store::clock::unix_now;
use crate::store::common::uid_validity_after;
use crate::store::error::{Error, Result};
use crate::store::snapshot::Block;
use crate::store::types::{Counts, Stored};
use crate::store::user_watch::UserChange;

/// A cached row, and whether it must be written back.
struct Cached<T> {
    row: T,
    is_dirty: bool,
}

impl<T> Cached<T> {
    const fn clean(row: T) -> Self {
        Self { row, is_dirty: false }
    }
}

/// One transaction; see the module.
#[allow(unreachable_pub, reason = "a method of `MetaTxn` names it in tests")]
pub struct Txn<'t> {
    pub(super) tables: Tables<'t>,
    pub(super) shared: &'t Shared,
    /// Seconds since 1970 when the transaction began.
    pub(super) now: i64,
    users: HashMap<UserId, Cached<UserState>>,
    /// `None`: deleted in this transaction.
    mailboxes: HashMap<MailboxId, Cached<Option<MailboxRow>>>,
    /// By (mailbox, block number).
    blocks: BTreeMap<(u32, u32), Cached<Block>>,
    views: HashMap<UserId, Arc<[View]>>,
    /// Bodies that this transaction took over: in `body` or `dead` now, no longer in flight.
    pub(super) placed: Vec<BodyId>,
    /// Whose subscriptions or annotations changed.
    pub(super) changed: HashMap<UserId, UserChange>,
    has_written: bool,
    has_written_before: bool,
}

/// What a transaction did to a mailbox.
pub(super) struct Touched {
    pub(super) mailbox: MailboxId,
    /// Whose keyword table counts.
    pub(super) user: Option<UserId>,
    /// `None`: deleted.
    pub(super) counts: Option<Counts>,
    /// Changed blocks by number; `None` for one that became empty.
    pub(super) blocks: BTreeMap<u32, Option<Arc<Block>>>,
}

/// What a transaction changed, for those who watch.
pub(super) struct Outcome {
    pub(super) touched: Vec<Touched>,
    pub(super) keywords: HashMap<UserId, Vec<Keyword>>,
    /// Of the users whose rows changed.
    pub(super) usage: Vec<(UserId, Stored)>,
    pub(super) changed: HashMap<UserId, UserChange>,
    pub(super) placed: Vec<BodyId>,
}

impl<'t> Txn<'t> {
    pub(super) fn new(tables: Tables<'t>, shared: &'t Shared) -> Self {
        Self {
            tables,
            shared,
            now: unix_now(),
            users: HashMap::new(),
            mailboxes: HashMap::new(),
            blocks: BTreeMap::new(),
            views: HashMap::new(),
            placed: Vec::new(),
            changed: HashMap::new(),
            has_written: false,
            has_written_before: false,
        }
    }

    /// Whether anything was written since the last [`Self::begin_operation`].
    pub(super) const fn has_written(&self) -> bool {
        self.has_written
    }

    pub(super) const fn begin_operation(&mut self) {
        self.has_written_before |= self.has_written;
        self.has_written = false;
    }

    /// Whether any operation wrote: if not, there is nothing to commit.
    pub(super) const fn is_unchanged(&self) -> bool {
        !self.has_written && !self.has_written_before
    }

    /// To be called by whoever writes to a table directly.
    pub(super) const fn mark_written(&mut self) {
        self.has_written = true;
    }

    /// Gives out the next id of this kind.
    pub(super) fn next_id(&mut self, kind: &'static str) -> Result<u32> {
        let id = self.global(kind)?.max(1);
        let id = u32::try_from(id).map_err(|_| Error::Limit("ids"))?;
        self.set_global(kind, u64::from(id) + 1)?;
        Ok(id)
    }

    /// A UIDVALIDITY larger than any before (I4).
    pub(super) fn next_uid_validity(&mut self) -> Result<UidValidity> {
        let last = self.global(global::LAST_UID_VALIDITY)?;
        let value = uid_validity_after(last, self.now)?;
        self.set_global(global::LAST_UID_VALIDITY, value.value().into())?;
        Ok(value)
    }

    fn global(&self, key: &str) -> Result<u64> {
        super::open::global_number(&self.tables.global, key)
    }

    pub(super) fn set_global(&mut self, key: &'static str, value: u64) -> Result<()> {
        self.has_written = true;
        self.tables.global.insert(key, value.to_le_bytes().as_slice())?;
        Ok(())
    }

    fn load_user(&mut self, user: UserId) -> Result<&mut Cached<UserState>> {
        use std::collections::hash_map::Entry;
        match self.users.entry(user) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(vacant) => {
                let row = match self.tables.user_state.get(user.0)? {
                    Some(row) => UserState::decode(row.value())?,
                    None => UserState::default(),
                };
                Ok(vacant.insert(Cached::clean(row)))
            }
        }
    }

    pub(super) fn user(&mut self, user: UserId) -> Result<&UserState> {
        Ok(&self.load_user(user)?.row)
    }

    pub(super) fn user_mut(&mut self, user: UserId) -> Result<&mut UserState> {
        self.has_written = true;
        let cached = self.load_user(user)?;
        cached.is_dirty = true;
        Ok(&mut cached.row)
    }

    /// The user's next mod-sequence (I5).
    pub(super) fn next_mod_seq(&mut self, user: UserId) -> Result<ModSeq> {
        let state = self.user_mut(user)?;
        state.mod_seq.0 += 1;
        Ok(state.mod_seq)
    }

    /// Whether the user's table has room for these keywords. Validation: to be called before any write.
    pub(super) fn check_keywords<'k>(
        &mut self,
        user: UserId,
        keywords: impl IntoIterator<Item = &'k Keyword>,
    ) -> Result<()> {
        let known = &self.user(user)?.keywords;
        let mut new: Vec<&Keyword> = Vec::new();
        for keyword in keywords {
            if !known.contains(keyword) && !new.contains(&keyword) {
                new.push(keyword);
            }
        }
        if known.len() + new.len() > MAX_KEYWORDS { Err(Error::Limit("keywords of a user")) } else { Ok(()) }
    }

    /// The bits of these keywords, with new ones added to the table in the spelling given.
    pub(super) fn intern(&mut self, user: UserId, keywords: &[Keyword]) -> Result<KeywordSet> {
        let mut set = KeywordSet::default();
        for keyword in keywords {
            let index = match self.user(user)?.keyword(keyword) {
                Some(index) => index,
                None => {
                    let table = &mut self.user_mut(user)?.keywords;
                    table.push(keyword.clone());
                    table.len() - 1
                }
            };
            set.0 |= 1 << index;
        }
        Ok(set)
    }

    /// The bits of those of the keywords that the table has.
    pub(super) fn known_keywords(&mut self, user: UserId, keywords: &[Keyword]) -> Result<KeywordSet> {
        let state = self.user(user)?;
        Ok(KeywordSet(keywords.iter().filter_map(|k| state.keyword(k)).fold(0, |set, index| set | 1 << index)))
    }

    fn load_mailbox(&mut self, mailbox: MailboxId) -> Result<&mut Cached<Option<MailboxRow>>> {
        use std::collections::hash_map::Entry;
        match self.mailboxes.entry(mailbox) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(vacant) => {
                let found = self.tables.mailbox.get(mailbox.0)?;
                let row = found.map(|row| MailboxRow::decode(row.value())).transpose()?;
                Ok(vacant.insert(Cached::clean(row)))
            }
        }
    }

    pub(super) fn mailbox(&mut self, mailbox: MailboxId) -> Result<&MailboxRow> {
        self.load_mailbox(mailbox)?.row.as_ref().ok_or(Error::NoMailbox)
    }

    pub(super) fn mailbox_mut(&mut self, mailbox: MailboxId) -> Result<&mut MailboxRow> {
        self.has_written = true;
        let cached = self.load_mailbox(mailbox)?;
        cached.is_dirty = true;
        cached.row.as_mut().ok_or(Error::NoMailbox)
    }

    /// The user's views, shown or not.
    pub(super) fn views(&mut self, user: UserId) -> Result<Arc<[View]>> {
        if let Some(views) = self.views.get(&user) {
            return Ok(Arc::clone(views));
        }
        let views: Arc<[View]> = super::views::of_user(&self.tables.view, user)?.into();
        self.views.insert(user, Arc::clone(&views));
        Ok(views)
    }

    pub(super) fn put_view(&mut self, user: UserId, view: &View) -> Result<()> {
        self.has_written = true;
        self.views.remove(&user);
        self.tables.view.insert((user.0, view.account.0), (view.mailbox.0, view.is_shown))?;
        Ok(())
    }

    pub(super) fn forget_view(&mut self, user: UserId, account: AccountId) -> Result<()> {
        self.has_written = true;
        self.views.remove(&user);
        self.tables.view.remove((user.0, account.0))?;
        Ok(())
    }

    pub(super) fn insert_mailbox(&mut self, mailbox: MailboxId, row: MailboxRow) {
        self.has_written = true;
        self.mailboxes.insert(mailbox, Cached { row: Some(row), is_dirty: true });
    }

    /// Removes the mailbox row and its blocks; what the blocks refer to must have been let go before.
    pub(super) fn remove_mailbox(&mut self, mailbox: MailboxId) -> Result<()> {
        self.has_written = true;
        self.mailboxes.insert(mailbox, Cached { row: None, is_dirty: true });
        self.blocks.retain(|(of, _), _| *of != mailbox.0);
        self.tables.msgblk.retain_in((mailbox.0, 0)..=(mailbox.0, u32::MAX), |_, _| false)?;
        self.tables.expunge.retain_in((mailbox.0, 0)..=(mailbox.0, u64::MAX), |_, _| false)?;
        Ok(())
    }

    /// Numbers of the blocks that have messages with UIDs within `uids`, ascending.
    pub(super) fn block_numbers(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for (low, high) in uids.ranges() {
            let range = (mailbox.0, low >> BLOCK_SHIFT)..=(mailbox.0, high >> BLOCK_SHIFT);
            for entry in self.tables.msgblk.range(range.clone())? {
                numbers.push(entry?.0.value().1);
            }
            numbers.extend(self.blocks.range(range).map(|((_, number), _)| *number));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn load_block(&mut self, mailbox: MailboxId, number: u32) -> Result<&mut Cached<Block>> {
        use std::collections::btree_map::Entry;
        match self.blocks.entry((mailbox.0, number)) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(vacant) => {
                let block = match self.tables.msgblk.get((mailbox.0, number))? {
                    Some(bytes) => Block::decode(number, bytes.value())?,
                    None => Block::default(),
                };
                Ok(vacant.insert(Cached::clean(block)))
            }
        }
    }

    /// A block; empty when it is not there.
    pub(super) fn block(&mut self, mailbox: MailboxId, number: u32) -> Result<&Block> {
        Ok(&self.load_block(mailbox, number)?.row)
    }

    /// A block to be changed at `mod_seq`.
    pub(super) fn block_mut(&mut self, mailbox: MailboxId, number: u32, mod_seq: ModSeq) -> Result<&mut Block> {
        self.has_written = true;
        let cached = self.load_block(mailbox, number)?;
        cached.is_dirty = true;
        cached.row.max_mod_seq = cached.row.max_mod_seq.max(mod_seq);
        Ok(&mut cached.row)
    }

    /// Writes back every changed row, with the state of body ids that must commit with them.
    pub(super) fn flush(&mut self) -> Result<()> {
        for (user, cached) in self.users.iter().filter(|(_, cached)| cached.is_dirty) {
            self.tables.user_state.insert(user.0, cached.row.encode().as_slice())?;
        }
        for (mailbox, cached) in self.mailboxes.iter_mut().filter(|(_, cached)| cached.is_dirty) {
            match &mut cached.row {
                Some(row) => {
                    row.counts.recent_from = row.counts.recent_from.max(self.shared.recent_mark(*mailbox));
                    self.tables.mailbox.insert(mailbox.0, row.encode().as_slice())?;
                }
                None => drop(self.tables.mailbox.remove(mailbox.0)?),
            }
        }
        let mut bytes = Vec::new();
        for (key, cached) in self.blocks.iter().filter(|(_, cached)| cached.is_dirty) {
            if cached.row.messages.is_empty() {
                self.tables.msgblk.remove(key)?;
            } else {
                cached.row.encode(&mut bytes);
                self.tables.msgblk.insert(key, bytes.as_slice())?;
            }
        }
        let (next, in_flight) = self.shared.bodies.to_persist(&self.placed);
        self.set_global(global::NEXT_BODY, next)?;
        self.tables.global.insert(global::IN_FLIGHT, in_flight.as_slice())?;
        Ok(())
    }

    /// What changed, whether or not somebody watches: a watcher may come before the commit. After [`Self::flush`].
    pub(super) fn into_outcome(self) -> Outcome {
        let mut changes = self.changed;
        let mut blocks: HashMap<u32, BTreeMap<u32, Option<Arc<Block>>>> = HashMap::new();
        for ((mailbox, number), cached) in self.blocks {
            if cached.is_dirty {
                let block = (!cached.row.messages.is_empty()).then(|| Arc::new(cached.row));
                blocks.entry(mailbox).or_default().insert(number, block);
            }
        }
        let touched = self.mailboxes.into_iter().filter(|(_, cached)| cached.is_dirty).map(|(mailbox, cached)| {
            let blocks = blocks.remove(&mailbox.0).unwrap_or_default();
            let (user, counts) = (cached.row.as_ref().map(|row| row.user), cached.row.map(|row| row.counts));
            Touched { mailbox, user, counts, blocks }
        });
        let touched: Vec<Touched> = touched.collect();
        let changed = self.users.iter().filter(|(_, cached)| cached.is_dirty);
        // A mailbox that is deleted is told by the row of its user.
        let owners = touched.iter().filter_map(|touched| touched.user).chain(changed.clone().map(|(user, _)| *user));
        owners.for_each(|user| changes.entry(user).or_default().mailboxes = true);
        Outcome {
            usage: changed.map(|(user, cached)| (*user, cached.row.usage)).collect(),
            touched,
            changed: changes,
            keywords: self.users.into_iter().map(|(user, cached)| (user, cached.row.keywords)).collect(),
            placed: self.placed,
        }
    }
}
