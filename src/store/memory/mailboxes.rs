//! Users, accounts, and mailboxes by name (RFC 9051 sections 6.3.4 to 6.3.8).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::{Account, Mailbox, User};
use super::txn::Txn;
use crate::mail::{AccountId, MailboxId, MailboxName, SpecialUse, Uid, UserId};
use crate::store::common::{MAX_MAILBOXES, MAX_SUBSCRIPTIONS, all_uids, uid_validity_after};
use crate::store::error::{Error, Result};
use crate::store::metadata::{Annotation, check_annotations};
use crate::store::types::{Counts, PollState};

/// The next id of a kind.
fn next(last: &mut u32) -> Result<u32> {
    *last = last.checked_add(1).ok_or(Error::Limit("ids"))?;
    Ok(*last)
}

impl Txn<'_> {
    pub(super) fn ensure_user(&mut self, name: &str) -> Result<UserId> {
        if let Some((id, _)) = self.state.users.iter().find(|(_, user)| user.name == name) {
            return Ok(*id);
        }
        let id = UserId(next(&mut self.state_mut().last_user)?);
        self.state.users.insert(id, Arc::new(User { name: name.to_owned(), ..User::default() }));
        self.add_mailbox(id, MailboxName::inbox(), None)?;
        for (special_use, _, name) in SpecialUse::ALL {
            let name = MailboxName::new(name).map_err(|_| Error::Refused("this name cannot be a mailbox name"))?;
            self.add_mailbox(id, name, Some(special_use))?;
        }
        let user = self.user_mut(id)?;
        user.subscriptions = user.mailboxes.keys().cloned().collect();
        Ok(id)
    }

    pub(super) fn ensure_account(&mut self, user: UserId, name: &str) -> Result<AccountId> {
        self.state.user(user)?;
        let is_it = |account: &Account| account.user == user && account.name == name;
        if let Some((id, _)) = self.state.accounts.iter().find(|(_, account)| is_it(account)) {
            return Ok(*id);
        }
        let id = AccountId(next(&mut self.state_mut().last_account)?);
        let account = Account {
            user,
            name: name.to_owned(),
            ledger: BTreeMap::new(),
            troubles: BTreeMap::new(),
            poll_state: PollState::default(),
        };
        self.state.accounts.insert(id, Arc::new(account));
        Ok(id)
    }

    pub(super) fn add_mailbox(
        &mut self,
        user: UserId,
        name: MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        let uid_validity = uid_validity_after(self.state.last_uid_validity.into(), self.now)?;
        self.state_mut().last_uid_validity = uid_validity.value();
        let id = MailboxId(next(&mut self.state.last_mailbox)?);
        let highest_mod_seq = self.next_mod_seq(user)?;
        self.user_mut(user)?.mailboxes.insert(name.clone(), id);
        let first = Uid::FIRST.value();
        let counts = Counts { uid_next: first, highest_mod_seq, recent_from: first, ..Counts::default() };
        let (messages, expunged) = (BTreeMap::new(), Vec::new());
        let mailbox = Mailbox { user, name, uid_validity, special_use, counts, messages, expunged };
        self.state.mailboxes.insert(id, Arc::new(mailbox));
        self.changes.touched.insert(id);
        Ok(id)
    }

    /// The names above `name` up to the first that there is, topmost first.
    fn missing_parents(&self, user: UserId, name: &MailboxName) -> Result<Vec<MailboxName>> {
        let there = &self.state.user(user)?.mailboxes;
        let above = std::iter::successors(name.parent(), MailboxName::parent);
        let mut missing: Vec<_> = above.take_while(|parent| !there.contains_key(parent)).collect();
        missing.reverse();
        Ok(missing)
    }

    pub(super) fn create_mailbox(
        &mut self,
        user: UserId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        self.check_name(user, name)?;
        let there = &self.state.user(user)?.mailboxes;
        if there.contains_key(name) {
            return Err(Error::MailboxExists);
        }
        let parents = self.missing_parents(user, name)?;
        if there.len() + parents.len() + 1 > MAX_MAILBOXES {
            return Err(Error::Limit("mailboxes of a user"));
        }
        let has_use = |id: &&MailboxId| self.state.mailboxes.get(id).is_some_and(|m| m.special_use == special_use);
        let taken = there.values().find(has_use).copied().filter(|_| special_use.is_some());
        if let Some(had_it) = taken {
            self.mailbox_mut(had_it)?.special_use = None;
        }
        for parent in parents {
            self.add_mailbox(user, parent, None)?;
        }
        self.add_mailbox(user, name.clone(), special_use)
    }

    pub(super) fn delete_mailbox(&mut self, user: UserId, name: &MailboxName) -> Result<()> {
        if name.is_inbox() {
            return Err(Error::Refused("INBOX cannot be deleted"));
        }
        let id = self.state.shown_id(user, name).ok_or(Error::NoMailbox)?;
        self.check_target(id)?;
        self.user_mut(user)?.mailboxes.remove(name);
        self.changes.touched.insert(id);
        self.user_mut(user)?.metadata.remove(&Some(id));
        let removed = self.state.mailboxes.remove(&id).ok_or(Error::NoMailbox)?;
        self.release(removed.messages.values().map(|m| m.body))
    }

    pub(super) fn rename_mailbox(&mut self, user: UserId, from: &MailboxName, to: &MailboxName) -> Result<()> {
        let there = &self.state.user(user)?.mailboxes;
        let source = self.state.shown_id(user, from);
        let is_hidden = |id| self.state.view_of(id).is_some_and(|(_, is_shown)| !is_shown);
        let below = || there.iter().filter(|(name, id)| name.is_below(from) && !is_hidden(**id));
        // A name that only has others below it is renamed with them.
        if source.is_none() && below().next().is_none() {
            return Err(Error::NoMailbox);
        }
        if !from.is_inbox() {
            below().map(|(_, id)| *id).chain(source).try_for_each(|id| self.check_target(id))?;
        }
        self.check_name(user, to)?;
        if from == to || there.contains_key(to) {
            return Err(Error::MailboxExists);
        }
        if let Some(inbox) = source.filter(|_| from.is_inbox()) {
            let target = self.create_mailbox(user, to, None)?;
            return self.move_messages(inbox, &all_uids(), target).map(drop);
        }
        if to.is_below(from) {
            return Err(Error::Refused("a mailbox cannot be moved below itself"));
        }
        let parents = self.missing_parents(user, to)?;
        if there.len() + parents.len() > MAX_MAILBOXES {
            return Err(Error::Limit("mailboxes of a user"));
        }
        let new_names: Vec<_> = below().filter_map(|(old, _)| old.renamed(from, to)).collect();
        new_names.iter().try_for_each(|new| self.check_name(user, new))?;
        let mut names = BTreeMap::new();
        let mut moved = Vec::new();
        for (old, id) in there {
            match old.renamed(from, to).filter(|_| !is_hidden(*id)) {
                Some(new) => moved.push((new, *id)),
                None => drop(names.insert(old.clone(), *id)),
            }
        }
        for (new, _) in &moved {
            // Below a name that was deleted mailboxes may have stayed.
            if names.contains_key(new) {
                return Err(Error::MailboxExists);
            }
            if MailboxName::new(new.as_str()).is_err() {
                return Err(Error::Refused("a mailbox below would get too long a name"));
            }
        }
        for (new, id) in moved {
            self.mailbox_mut(id)?.name = new.clone();
            names.insert(new, id);
        }
        self.user_mut(user)?.mailboxes = names;
        parents.into_iter().try_for_each(|parent| self.add_mailbox(user, parent, None).map(drop))
    }

    pub(super) fn set_metadata(
        &mut self,
        user: UserId,
        mailbox: Option<MailboxId>,
        changes: &[Annotation],
    ) -> Result<()> {
        if let Some(mailbox) = mailbox
            && self.state.mailbox(mailbox)?.user != user
        {
            return Err(Error::NoMailbox);
        }
        let known = self.state.user(user)?.metadata.get(&mailbox);
        let lens = known.iter().flat_map(|known| known.iter()).map(|(entry, value)| (entry.clone(), value.len()));
        check_annotations(lens.collect(), changes)?;
        let known = Arc::make_mut(self.user_mut(user)?.metadata.entry(mailbox).or_default());
        for (entry, value) in changes {
            match value {
                Some(value) => drop(known.insert(entry.clone(), value.clone())),
                None => drop(known.remove(entry)),
            }
        }
        Ok(())
    }

    pub(super) fn set_subscribed(&mut self, user: UserId, name: &MailboxName, subscribed: bool) -> Result<()> {
        let names = &self.state.user(user)?.subscriptions;
        if names.contains(name) == subscribed {
            return Ok(());
        }
        if subscribed && names.len() >= MAX_SUBSCRIPTIONS {
            return Err(Error::Limit("subscriptions of a user"));
        }
        let names = &mut self.user_mut(user)?.subscriptions;
        if subscribed {
            names.insert(name.clone())
        } else {
            names.remove(name)
        };
        Ok(())
    }
}
