//! Users, accounts, and mailboxes by name: create, delete, rename, subscribe (RFC 9051 sections 6.3.4 to 6.3.8).

use redb::{ReadableTable, ReadableTableMetadata};

use super::row::MailboxRow;
use super::schema::global;
use super::twins::Role;
use super::txn::Txn;
use super::views::IS_VIEW;
use crate::mail::{AccountId, DELIMITER, MailboxId, MailboxName, SpecialUse, Uid, UserId};
use crate::store::common::{MAX_MAILBOXES, MAX_SUBSCRIPTIONS, all_uids};
use crate::store::error::{Error, Result};
use crate::store::types::Counts;

/// The keys between which everything below a name lies: what begins with the name and a delimiter comes before the name
/// and the character after the delimiter.
pub(super) fn below(name: &MailboxName) -> (String, String) {
    (format!("{name}{DELIMITER}"), format!("{name}{}", char::from(DELIMITER as u8 + 1)))
}

impl Txn<'_> {
    pub(super) fn ensure_user(&mut self, name: &str) -> Result<UserId> {
        let found = self.tables.user.get(name)?.map(|id| UserId(id.value()));
        if let Some(user) = found {
            return Ok(user);
        }
        let user = UserId(self.next_id(global::NEXT_USER)?);
        self.tables.user.insert(name, user.0)?;
        self.user_mut(user)?;
        let special = SpecialUse::ALL.iter().map(|(special_use, _, name)| (Some(*special_use), *name));
        for (special_use, name) in std::iter::once((None, "INBOX")).chain(special) {
            let name = MailboxName::new(name).map_err(|_| Error::Refused("this name cannot be a mailbox name"))?;
            self.add_mailbox(user, &name, special_use)?;
            self.tables.subscription.insert((user.0, name.as_str()), ())?;
        }
        Ok(user)
    }

    pub(super) fn ensure_account(&mut self, user: UserId, name: &str) -> Result<AccountId> {
        let found = self.tables.account.get((user.0, name))?.map(|id| AccountId(id.value()));
        if let Some(account) = found {
            return Ok(account);
        }
        let account = AccountId(self.next_id(global::NEXT_ACCOUNT)?);
        self.tables.account.insert((user.0, name), account.0)?;
        Ok(account)
    }

    /// Mail of one user's account never reaches another user's mailbox (I10).
    pub(super) fn check_account(&self, user: UserId, account: AccountId) -> Result<()> {
        for entry in self.tables.account.range((user.0, "")..(user.0 + 1, ""))? {
            if entry?.1.value() == account.0 {
                return Ok(());
            }
        }
        Err(Error::NoMailbox)
    }

    pub(super) fn mailbox_id(&self, user: UserId, name: &MailboxName) -> Result<Option<MailboxId>> {
        Ok(self.tables.mailbox_name.get((user.0, name.as_str()))?.map(|id| MailboxId(id.value())))
    }

    /// Creates the mailbox and its missing parents.
    pub(super) fn create_mailbox(
        &mut self,
        user: UserId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        self.check_name(user, name)?;
        if self.mailbox_id(user, name)?.is_some() {
            return Err(Error::MailboxExists);
        }
        let parents = self.missing_parents(user, name)?;
        self.check_room(user, parents.len() + 1)?;
        if special_use.is_some() {
            for (_, mailbox) in self.mailbox_names(user)? {
                if self.mailbox(mailbox)?.special_use == special_use {
                    self.mailbox_mut(mailbox)?.special_use = None;
                }
            }
        }
        for parent in parents {
            self.add_mailbox(user, &parent, None)?;
        }
        self.add_mailbox(user, name, special_use)
    }

    /// Whether the user may have so many mailboxes more. To count them takes time for each, so it is done only where those
    /// of all users together might be too many.
    fn check_room(&self, user: UserId, more: usize) -> Result<()> {
        let most = (MAX_MAILBOXES + 1).saturating_sub(more);
        let names = &self.tables.mailbox_name;
        let has_room = names.len()? < most as u64 || names.range((user.0, "")..(user.0 + 1, ""))?.count() < most;
        if has_room { Ok(()) } else { Err(Error::Limit("mailboxes of a user")) }
    }

    /// Parents of `name` that do not exist, topmost first.
    fn missing_parents(&self, user: UserId, name: &MailboxName) -> Result<Vec<MailboxName>> {
        let mut missing = Vec::new();
        let mut above = name.parent();
        while let Some(parent) = above {
            if self.mailbox_id(user, &parent)?.is_some() {
                break;
            }
            above = parent.parent();
            missing.push(parent);
        }
        missing.reverse();
        Ok(missing)
    }

    fn mailbox_names(&self, user: UserId) -> Result<Vec<(MailboxName, MailboxId)>> {
        self.names_within((user.0, "")..(user.0 + 1, ""))
    }

    /// What is below a name, at any depth.
    fn names_below(&self, user: UserId, name: &MailboxName) -> Result<Vec<(MailboxName, MailboxId)>> {
        let (first, end) = below(name);
        self.names_within((user.0, first.as_str())..(user.0, end.as_str()))
    }

    fn names_within(&self, range: std::ops::Range<(u32, &str)>) -> Result<Vec<(MailboxName, MailboxId)>> {
        let mut names = Vec::new();
        for entry in self.tables.mailbox_name.range(range)? {
            let (key, id) = entry?;
            let name = MailboxName::new(key.value().1)
                .map_err(|_| Error::Damaged("the name of a mailbox cannot be read".to_owned()))?;
            names.push((name, MailboxId(id.value())));
        }
        Ok(names)
    }

    pub(super) fn add_mailbox(
        &mut self,
        user: UserId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        let mailbox = MailboxId(self.next_id(global::NEXT_MAILBOX)?);
        let uid_validity = self.next_uid_validity()?;
        let highest_mod_seq = self.next_mod_seq(user)?;
        let first = Uid::FIRST.value();
        let counts = Counts { uid_next: first, highest_mod_seq, recent_from: first, ..Counts::default() };
        self.insert_mailbox(mailbox, MailboxRow { user, name: name.clone(), uid_validity, special_use, counts });
        self.tables.mailbox_name.insert((user.0, name.as_str()), mailbox.0)?;
        Ok(mailbox)
    }

    /// Deletes a mailbox; mailboxes below it stay (RFC 3501 section 6.3.4).
    pub(super) fn delete_mailbox(&mut self, user: UserId, name: &MailboxName) -> Result<()> {
        if name.is_inbox() {
            return Err(Error::Refused("INBOX cannot be deleted"));
        }
        let mailbox = self.shown_id(user, name)?.ok_or(Error::NoMailbox)?;
        if self.role(mailbox)? == Role::View {
            return Err(Error::Refused(IS_VIEW));
        }
        let counts = self.mailbox(mailbox)?.counts;
        let mut bodies = Vec::new();
        for number in self.block_numbers(mailbox, &all_uids())? {
            bodies.extend(self.block(mailbox, number)?.messages.iter().map(|m| m.body));
        }
        self.drop_references(bodies.into_iter())?;
        self.user_mut(user)?.usage.take(counts.usage());
        self.tables.mailbox_name.remove((user.0, name.as_str()))?;
        self.remove_metadata(user, mailbox)?;
        self.remove_mailbox(mailbox)
    }

    pub(super) fn rename_mailbox(&mut self, user: UserId, from: &MailboxName, to: &MailboxName) -> Result<()> {
        let source = self.shown_id(user, from)?;
        let views = self.views(user)?;
        let is_hidden = |id: MailboxId| views.iter().any(|view| view.mailbox == id && !view.is_shown);
        let mut names = self.names_below(user, from)?;
        names.retain(|(_, mailbox)| !is_hidden(*mailbox));
        // A name that only has others below it is renamed with them.
        if source.is_none() && names.is_empty() {
            return Err(Error::NoMailbox);
        }
        let is_moved = |id: MailboxId| source == Some(id) || names.iter().any(|(_, below)| *below == id);
        if !from.is_inbox() && views.iter().any(|view| is_moved(view.mailbox)) {
            return Err(Error::Refused(IS_VIEW));
        }
        self.check_name(user, to)?;
        if from == to || self.mailbox_id(user, to)?.is_some() {
            return Err(Error::MailboxExists);
        }
        if let Some(inbox) = source.filter(|_| from.is_inbox()) {
            return self.rename_inbox(user, inbox, to);
        }
        if to.is_below(from) {
            return Err(Error::Refused("a mailbox cannot be moved below itself"));
        }
        names.extend(source.map(|mailbox| (from.clone(), mailbox)));
        let parents = self.missing_parents(user, to)?;
        self.check_room(user, parents.len())?;
        for new in names.iter().filter_map(|(old, _)| old.renamed(from, to)) {
            self.check_name(user, &new)?;
        }
        let mut renamed = Vec::new();
        for (old, mailbox) in names {
            let Some(new) = old.renamed(from, to) else { continue };
            // Below a name that was deleted mailboxes may have stayed.
            if self.mailbox_id(user, &new)?.is_some() && new.renamed(from, to).is_none() {
                return Err(Error::MailboxExists);
            }
            if MailboxName::new(new.as_str()).is_err() {
                return Err(Error::Refused("a mailbox below would get too long a name"));
            }
            renamed.push((old, new, mailbox));
        }
        for parent in parents {
            self.add_mailbox(user, &parent, None)?;
        }
        for (old, _, _) in &renamed {
            self.tables.mailbox_name.remove((user.0, old.as_str()))?;
        }
        for (_, new, mailbox) in renamed {
            self.tables.mailbox_name.insert((user.0, new.as_str()), mailbox.0)?;
            self.mailbox_mut(mailbox)?.name = new;
        }
        Ok(())
    }

    /// RFC 9051 section 6.3.6: the messages of INBOX move to a new mailbox; INBOX stays, empty, with its children.
    fn rename_inbox(&mut self, user: UserId, inbox: MailboxId, to: &MailboxName) -> Result<()> {
        let target = self.create_mailbox(user, to, None)?;
        self.move_messages(inbox, &all_uids(), target)?;
        Ok(())
    }

    pub(super) fn set_subscribed(&mut self, user: UserId, name: &MailboxName, subscribed: bool) -> Result<()> {
        let key = (user.0, name.as_str());
        if self.tables.subscription.get(key)?.is_some() == subscribed {
            return Ok(());
        }
        let most = MAX_SUBSCRIPTIONS;
        let names = &self.tables.subscription;
        let is_full = || -> Result<bool> {
            // To count is slow, as in `check_room`.
            let own = (user.0, "")..(user.0 + 1, "");
            Ok(names.len()? >= most as u64 && names.range(own)?.count() >= most)
        };
        if subscribed && is_full()? {
            return Err(Error::Limit("subscriptions of a user"));
        }
        self.mark_written();
        if subscribed {
            self.tables.subscription.insert(key, ())?;
        } else {
            self.tables.subscription.remove(key)?;
        }
        Ok(())
    }
}
