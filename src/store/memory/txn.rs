//! One operation at work on its copy of the state.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::state::{Account, Bodies, Mailbox, State, User, unknown};
use crate::mail::{AccountId, BodyId, MailboxId, MailboxName, ModSeq, SpecialUse, Uid, UidSet, UserId};
use crate::store::Shared;
use crate::store::check::Fix;
use crate::store::clock::unix_now;
use crate::store::error::{Error, Result};
use crate::store::metadata::Annotation;
use crate::store::seam::MetaTxn;
use crate::store::types::{
    AccountView, Appended, Copied, Delivered, Delivery, FlagChange, FlagsStored, LedgerChange, NewMessage, PollState,
    Record, Trouble,
};

/// See the module.
pub(super) struct Txn<'s> {
    pub(super) state: State,
    pub(super) shared: &'s Shared,
    /// Seconds since 1970.
    pub(super) now: i64,
    pub(super) changes: Changes,
    is_changed: bool,
}

/// What others must be told of.
#[derive(Default)]
pub(super) struct Changes {
    /// Mailboxes that changed, came or went.
    pub(super) touched: BTreeSet<MailboxId>,
    /// Bodies taken over: no longer in flight.
    pub(super) placed: Vec<BodyId>,
}

impl<'s> Txn<'s> {
    pub(super) fn new(state: State, shared: &'s Shared) -> Self {
        Self { state, shared, now: unix_now(), changes: Changes::default(), is_changed: false }
    }

    /// The next version, unless nothing changed.
    pub(super) fn finish(mut self) -> Option<(State, Changes)> {
        for id in &self.changes.touched {
            if let Some(mailbox) = self.state.mailboxes.get_mut(id) {
                let counts = &mut Arc::make_mut(mailbox).counts;
                counts.recent_from = counts.recent_from.max(self.shared.recent_mark(*id));
            }
        }
        self.is_changed.then_some((self.state, self.changes))
    }

    /// The state, to be changed.
    pub(super) const fn state_mut(&mut self) -> &mut State {
        self.is_changed = true;
        &mut self.state
    }

    pub(super) fn user_mut(&mut self, user: UserId) -> Result<&mut User> {
        let found = self.state_mut().users.get_mut(&user).ok_or_else(|| unknown("user", user.0))?;
        Ok(Arc::make_mut(found))
    }

    pub(super) fn account_mut(&mut self, account: AccountId) -> Result<&mut Account> {
        let found = self.state_mut().accounts.get_mut(&account).ok_or_else(|| unknown("account", account.0))?;
        Ok(Arc::make_mut(found))
    }

    pub(super) fn mailbox_mut(&mut self, mailbox: MailboxId) -> Result<&mut Mailbox> {
        self.changes.touched.insert(mailbox);
        self.state_mut().mailboxes.get_mut(&mailbox).map(Arc::make_mut).ok_or(Error::NoMailbox)
    }

    pub(super) fn bodies_mut(&mut self) -> &mut Bodies {
        Arc::make_mut(&mut self.state_mut().bodies)
    }

    /// The user's next mod-sequence (I5).
    pub(super) fn next_mod_seq(&mut self, user: UserId) -> Result<ModSeq> {
        let user = self.user_mut(user)?;
        user.mod_seq.0 += 1;
        Ok(user.mod_seq)
    }
}

impl MetaTxn for Txn<'_> {
    fn ensure_user(&mut self, name: &str) -> Result<UserId> {
        self.ensure_user(name)
    }

    fn ensure_account(&mut self, user: UserId, name: &str) -> Result<AccountId> {
        self.ensure_account(user, name)
    }

    fn create_mailbox(
        &mut self,
        user: UserId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        self.create_mailbox(user, name, special_use)
    }

    fn delete_mailbox(&mut self, user: UserId, name: &MailboxName) -> Result<()> {
        self.delete_mailbox(user, name)
    }

    fn rename_mailbox(&mut self, user: UserId, from: &MailboxName, to: &MailboxName) -> Result<()> {
        self.rename_mailbox(user, from, to)
    }

    fn set_account_views(&mut self, user: UserId, views: &[AccountView]) -> Result<Vec<MailboxName>> {
        self.set_account_views(user, views)
    }

    fn set_subscribed(&mut self, user: UserId, name: &MailboxName, subscribed: bool) -> Result<()> {
        self.set_subscribed(user, name, subscribed)
    }

    fn set_metadata(&mut self, user: UserId, mailbox: Option<MailboxId>, changes: &[Annotation]) -> Result<()> {
        self.set_metadata(user, mailbox, changes)
    }

    fn append(&mut self, mailbox: MailboxId, messages: &[NewMessage]) -> Result<Appended> {
        self.append(mailbox, messages)
    }

    fn replace(&mut self, from: MailboxId, old: Uid, to: MailboxId, new: &NewMessage) -> Result<Option<Appended>> {
        self.replace(from, old, to, new)
    }

    fn set_flags(&mut self, mailbox: MailboxId, uids: &UidSet, change: &FlagChange) -> Result<FlagsStored> {
        self.set_flags(mailbox, uids, change)
    }

    fn copy(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied> {
        self.copy(from, uids, to)
    }

    fn move_messages(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied> {
        self.move_messages(from, uids, to)
    }

    fn expunge(&mut self, mailbox: MailboxId, only: Option<&UidSet>) -> Result<UidSet> {
        self.expunge(mailbox, only)
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered> {
        self.deliver(delivery)
    }

    fn change_ledger(&mut self, account: AccountId, changes: &[LedgerChange]) -> Result<()> {
        changes.iter().try_for_each(|change| self.change_ledger(account, change))
    }

    fn set_trouble(&mut self, account: AccountId, key: &[u8], trouble: Option<Trouble>) -> Result<()> {
        self.set_trouble(account, key, trouble)
    }

    fn quarantine(
        &mut self,
        account: AccountId,
        key: &[u8],
        mailbox: MailboxId,
        messages: &[NewMessage],
    ) -> Result<()> {
        self.quarantine(account, key, mailbox, messages)
    }

    fn change_poll_state(&mut self, account: AccountId, change: &dyn Fn(&mut PollState)) -> Result<PollState> {
        self.change_poll_state(account, change)
    }

    fn save_recent_mark(&mut self, mailbox: MailboxId) -> Result<()> {
        let mark = self.shared.recent_mark(mailbox);
        let is_behind = self.state.mailboxes.get(&mailbox).is_some_and(|found| found.counts.recent_from < mark);
        // Taken over at the end of the operation.
        if is_behind { self.mailbox_mut(mailbox).map(drop) } else { Ok(()) }
    }

    fn forget_bodies(&mut self, bodies: &[BodyId]) -> Result<()> {
        let rows = &mut self.bodies_mut().rows;
        for body in bodies {
            if rows.get(body).is_some_and(|found| found.dead_since.is_some()) {
                rows.remove(body);
            }
        }
        Ok(())
    }

    fn repair(&mut self, _: &[Fix]) -> Result<()> {
        // The check of this back-end proposes none.
        Ok(())
    }

    fn set_record(&mut self, body: BodyId, record: &Record) -> Result<()> {
        if let Some(found) = self.bodies_mut().rows.get_mut(&body).filter(|found| found.dead_since.is_none()) {
            found.record = Some(record.encode()?.into());
        }
        Ok(())
    }
}
