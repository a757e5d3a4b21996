//! The views of a user's accounts: which there are, which of them are shown, and what is in a new one.
//!
//! A view that is not shown keeps its row, its name and its messages, so that it can be shown again with the same UIDs.

use redb::ReadableTable;

use super::BLOCK_SHIFT;
use super::twins::twin_of;
use super::txn::Txn;
use crate::mail::{AccountId, MailboxId, MailboxName, ModSeq, Uid, UserId};
use crate::store::common::{all_uids, hidden_name};
use crate::store::error::{Error, Result};
use crate::store::types::AccountView;

/// Why a client's request is refused.
pub(super) const IS_VIEW: &str = "it is the view of an account";

/// The view of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) account: AccountId,
    pub(super) mailbox: MailboxId,
    pub(super) is_shown: bool,
}

/// The user's views, shown or not.
pub(super) fn of_user(table: &impl ReadableTable<(u32, u32), (u32, bool)>, user: UserId) -> Result<Vec<View>> {
    let rows = table.range((user.0, 0)..=(user.0, u32::MAX))?;
    rows.map(|entry| {
        let (key, row) = entry?;
        let (mailbox, is_shown) = row.value();
        Ok(View { account: AccountId(key.value().1), mailbox: MailboxId(mailbox), is_shown })
    })
    .collect()
}

impl Txn<'_> {
    /// The id of this name, unless that is of a view which is not shown.
    pub(super) fn shown_id(&mut self, user: UserId, name: &MailboxName) -> Result<Option<MailboxId>> {
        let views = self.views(user)?;
        let is_shown = |id: &MailboxId| !views.iter().any(|view| view.mailbox == *id && !view.is_shown);
        Ok(self.mailbox_id(user, name)?.filter(is_shown))
    }

    /// Whether a mailbox may get this name: the names of views, shown or not, and what is below them are kept free.
    pub(super) fn check_name(&mut self, user: UserId, name: &MailboxName) -> Result<()> {
        for view in self.views(user)?.iter() {
            let taken = &self.mailbox(view.mailbox)?.name;
            if name == taken || name.is_below(taken) {
                return Err(Error::Refused(IS_VIEW));
            }
        }
        Ok(())
    }

    pub(super) fn set_account_views(&mut self, user: UserId, wanted: &[AccountView]) -> Result<Vec<MailboxName>> {
        let known = self.views(user)?;
        let (mut shown, mut taken): (Vec<&AccountView>, Vec<MailboxName>) = (Vec::new(), Vec::new());
        for view in wanted {
            self.check_account(user, view.account)?;
            let holder = self.mailbox_id(user, &view.name)?;
            let is_other = holder.is_some_and(|id| !known.iter().any(|view| view.mailbox == id));
            if is_other || shown.iter().any(|other| other.name == view.name) {
                taken.push(view.name.clone());
            } else if !shown.iter().any(|other| other.account == view.account) {
                shown.push(view);
            }
        }
        let name_for = |account| shown.iter().find(|view| view.account == account).map(|view| &view.name);
        // All names are let go of before any is given, so that two views can exchange theirs.
        let mut changed = Vec::new();
        for view in known.iter() {
            let (old, new) = (self.mailbox(view.mailbox)?.name.clone(), name_for(view.account));
            let is_same = view.is_shown == new.is_some() && new.is_none_or(|new| *new == old);
            let gives_way = new.is_none() && shown.iter().any(|other| other.name == old);
            if !is_same || gives_way {
                self.mark_written();
                self.tables.mailbox_name.remove((user.0, old.as_str()))?;
                changed.push((*view, old, new));
            }
        }
        for (view, _, new) in &changed {
            if let Some(new) = new {
                self.give_name(user, view.mailbox, new)?;
            }
        }
        let mut new_views = Vec::new();
        for wanted in shown.iter().filter(|wanted| !known.iter().any(|view| view.account == wanted.account)) {
            let mailbox = self.add_mailbox(user, &wanted.name, None)?;
            new_views.push(View { account: wanted.account, mailbox, is_shown: true });
        }
        for (view, old, new) in changed {
            if new.is_none() {
                let mut names = hidden_name(&old, view.mailbox);
                let name = loop {
                    let name = names.next().ok_or(Error::Limit("names of account views"))?;
                    if self.mailbox_id(user, &name)?.is_none() {
                        break name;
                    }
                };
                self.give_name(user, view.mailbox, &name)?;
            }
            self.put_view(user, &View { is_shown: new.is_some(), ..view })?;
        }
        for view in new_views {
            self.put_view(user, &view)?;
            self.fill(user, view)?;
        }
        Ok(taken)
    }

    fn give_name(&mut self, user: UserId, mailbox: MailboxId, name: &MailboxName) -> Result<()> {
        self.tables.mailbox_name.insert((user.0, name.as_str()), mailbox.0)?;
        if self.mailbox(mailbox)?.name != *name {
            self.mailbox_mut(mailbox)?.name = name.clone();
        }
        Ok(())
    }

    /// Puts what INBOX has of the account into its new view, at the mod-sequence with which that was made.
    fn fill(&mut self, user: UserId, view: View) -> Result<()> {
        let Some(inbox) = self.mailbox_id(user, &MailboxName::inbox())? else { return Ok(()) };
        let mod_seq = self.mailbox(view.mailbox)?.counts.highest_mod_seq;
        let merged = self.merged_into(inbox, view.account)?;
        let mut rows = Vec::new();
        for number in self.block_numbers(inbox, &all_uids())? {
            for m in &self.block(inbox, number)?.messages {
                if m.account == Some(view.account) || merged.binary_search(&m.uid.value()).is_ok() {
                    rows.push(twin_of(m, (inbox, m.uid)));
                }
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let sources: Vec<(Uid, bool)> =
            rows.iter().map(|m| (m.twin.map_or(m.uid, |twin| twin.1), m.account == Some(view.account))).collect();
        let twins = self.insert_rows(view.mailbox, mod_seq, rows)?;
        let pairs: Vec<_> = sources.into_iter().zip(twins).collect();
        for chunk in pairs.chunk_by(|a, b| a.0.0.value() >> BLOCK_SHIFT == b.0.0.value() >> BLOCK_SHIFT) {
            let Some(((first, _), _)) = chunk.first() else { continue };
            // Nothing of INBOX changes that anybody is told of: no mod-sequence.
            let block = self.block_mut(inbox, first.value() >> BLOCK_SHIFT, ModSeq(0))?;
            for ((uid, is_first), twin) in chunk {
                if *is_first
                    && let Ok(at) = block.messages.binary_search_by_key(uid, |m| m.uid)
                    && let Some(m) = block.messages.get_mut(at)
                {
                    m.twin = Some((view.mailbox, *twin));
                }
            }
            for ((uid, _), twin) in chunk.iter().filter(|((_, is_first), _)| !is_first) {
                self.tables.twin.insert((inbox.0, uid.value(), view.account.0), twin.value())?;
            }
        }
        Ok(())
    }

    /// UIDs in INBOX of what another account brought and is of this one as well, ascending.
    fn merged_into(&self, inbox: MailboxId, account: AccountId) -> Result<Vec<u32>> {
        let mut uids = Vec::new();
        for entry in self.tables.twin.range((inbox.0, 0, 0)..=(inbox.0, u32::MAX, u32::MAX))? {
            let (_, uid, of) = entry?.0.value();
            if of == account.0 {
                uids.push(uid);
            }
        }
        Ok(uids)
    }
}
