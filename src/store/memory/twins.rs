//! Account views, their twins of messages of INBOX, and messages that were delivered to several accounts.

use std::sync::Arc;

use super::state::View;
use super::txn::Txn;
use crate::mail::{AccountId, Flags, KeywordSet, MailboxId, MailboxName, Message, ModSeq, Uid, UidSet, UserId};
use crate::store::common::{check_uids, count, hidden_name};
use crate::store::error::{Error, Result};
use crate::store::types::{AccountView, Delivery};

const IS_VIEW: &str = "it is the view of an account";

impl Txn<'_> {
    /// Nothing can be put into a view, and it is neither deleted nor renamed by a client.
    pub(super) fn check_target(&self, mailbox: MailboxId) -> Result<()> {
        if self.state.view_of(mailbox).is_some() { Err(Error::Refused(IS_VIEW)) } else { Ok(()) }
    }

    /// The names of views, shown or not, and what is below them are kept free.
    pub(super) fn check_name(&self, user: UserId, name: &MailboxName) -> Result<()> {
        for view in self.state.user(user)?.views.values() {
            let taken = &self.state.mailbox(view.mailbox)?.name;
            if name == taken || name.is_below(taken) {
                return Err(Error::Refused(IS_VIEW));
            }
        }
        Ok(())
    }

    pub(super) fn set_account_views(&mut self, user: UserId, wanted: &[AccountView]) -> Result<Vec<MailboxName>> {
        let known = self.state.user(user)?.views.clone();
        let mut names = self.state.user(user)?.mailboxes.clone();
        names.retain(|_, id| self.state.view_of(*id).is_none());
        let (mut shown, mut taken): (Vec<AccountView>, Vec<MailboxName>) = (Vec::new(), Vec::new());
        for view in wanted {
            self.state.check_account(user, view.account)?;
            if names.contains_key(&view.name) || shown.iter().any(|other| other.name == view.name) {
                taken.push(view.name.clone());
            } else if !shown.iter().any(|other| other.account == view.account) {
                shown.push(view.clone());
            }
        }
        let mut renamed = Vec::new();
        for view in &shown {
            if let Some(known) = known.get(&view.account) {
                names.insert(view.name.clone(), known.mailbox);
                renamed.push((view.account, known.mailbox, view.name.clone(), true));
            }
        }
        for (account, view) in known.iter().filter(|(account, _)| !shown.iter().any(|view| view.account == **account)) {
            let had = self.state.mailbox(view.mailbox)?.name.clone();
            let is_free =
                |name: &MailboxName| !names.contains_key(name) && !shown.iter().any(|view| view.name == *name);
            let name = hidden_name(&had, view.mailbox).find(is_free).ok_or(Error::Limit("names of account views"))?;
            names.insert(name.clone(), view.mailbox);
            renamed.push((*account, view.mailbox, name, false));
        }
        for (account, mailbox, name, is_shown) in renamed {
            if self.state.mailbox(mailbox)?.name != name {
                self.mailbox_mut(mailbox)?.name = name;
            }
            self.user_mut(user)?.views.insert(account, View { mailbox, is_shown });
        }
        self.user_mut(user)?.mailboxes = names;
        for view in shown.into_iter().filter(|view| !known.contains_key(&view.account)) {
            let mailbox = self.add_mailbox(user, view.name, None)?;
            self.user_mut(user)?.views.insert(view.account, View { mailbox, is_shown: true });
            self.fill(user, view.account, mailbox)?;
        }
        Ok(taken)
    }

    fn fill(&mut self, user: UserId, account: AccountId, view: MailboxId) -> Result<()> {
        let inbox = self.state.inbox(user)?;
        let mod_seq = self.state.mailbox(view)?.counts.highest_mod_seq;
        let merged = Arc::clone(&self.state.user(user)?.merged);
        let rows = self.state.mailbox(inbox)?.messages.values().cloned();
        let rows: Vec<Message> =
            rows.filter(|m| m.account == Some(account) || merged.contains_key(&(m.uid, account))).collect();
        for m in rows {
            self.add_twin(user, &m, account, view, mod_seq)?;
        }
        Ok(())
    }

    /// The twin of a message of INBOX in the view of one of its accounts.
    fn add_twin(
        &mut self,
        user: UserId,
        m: &Message,
        account: AccountId,
        view: MailboxId,
        mod_seq: ModSeq,
    ) -> Result<()> {
        let inbox = self.state.inbox(user)?;
        check_uids(&self.state.mailbox(view)?.counts, 1)?;
        let row = Message { flags: m.flags.without(Flags::DELETED), twin: Some((inbox, m.uid)), ..m.clone() };
        let twin = self.insert(view, mod_seq, vec![row])?.first().copied();
        if m.account != Some(account) {
            Arc::make_mut(&mut self.user_mut(user)?.merged).insert((m.uid, account), twin);
        } else if let Some(row) = self.mailbox_mut(inbox)?.messages.get_mut(&m.uid) {
            row.twin = twin.map(|uid| (view, uid));
        }
        Ok(())
    }

    /// Puts messages at the end of the mailbox, and of INBOX into the views of their accounts as well.
    pub(super) fn place_rows(
        &mut self,
        mailbox: MailboxId,
        mod_seq: ModSeq,
        messages: Vec<Message>,
    ) -> Result<Vec<Uid>> {
        let copies = messages.into_iter().map(|m| Message { twin: None, ..m }).collect();
        let uids = self.insert(mailbox, mod_seq, copies)?;
        let user = self.state.mailbox(mailbox)?.user;
        if self.state.inbox(user)? == mailbox {
            for uid in &uids {
                let Some(m) = self.state.mailbox(mailbox)?.messages.get(uid).cloned() else { continue };
                let view =
                    m.account.and_then(|account| Some((account, *self.state.users.get(&user)?.views.get(&account)?)));
                if let Some((account, view)) = view {
                    self.add_twin(user, &m, account, view.mailbox, mod_seq)?;
                }
            }
        }
        Ok(uids)
    }

    /// Every twin of a message of INBOX.
    fn twins(&self, user: UserId, m: &Message) -> Result<Vec<(MailboxId, Uid)>> {
        let owner = self.state.user(user)?;
        let merged = owner.merged.range((m.uid, AccountId(0))..=(m.uid, AccountId(u32::MAX)));
        let others = merged.filter_map(|((_, account), uid)| Some((owner.views.get(account)?.mailbox, (*uid)?)));
        Ok(m.twin.into_iter().chain(others).collect())
    }

    /// Takes messages out of the mailbox and, where they have twins, out of INBOX and every view; their bodies are released.
    pub(super) fn take_out(&mut self, mailbox: MailboxId, mod_seq: ModSeq, uids: UidSet) -> Result<()> {
        let user = self.state.mailbox(mailbox)?.user;
        let inbox = self.state.inbox(user)?;
        let (at, uids) = match self.state.view_of(mailbox) {
            Some(_) => {
                let twins = self.state.mailbox(mailbox)?.within(&uids).filter_map(|m| m.twin);
                let mut twins: Vec<Uid> = twins.map(|(_, uid)| uid).collect();
                twins.sort_unstable();
                (inbox, twins.into_iter().collect())
            }
            None => (mailbox, uids),
        };
        let removed = self.remove(at, mod_seq, uids)?;
        if at == inbox {
            let mut gone: std::collections::BTreeMap<MailboxId, Vec<Uid>> = std::collections::BTreeMap::new();
            for m in &removed {
                for (view, uid) in self.twins(user, m)? {
                    gone.entry(view).or_default().push(uid);
                }
            }
            for (view, mut uids) in gone {
                uids.sort_unstable();
                self.remove(view, mod_seq, uids.into_iter().collect())?;
            }
            let is_gone = |uid: Uid| removed.binary_search_by_key(&uid, |m| m.uid).is_ok();
            let merged = &self.state.user(user)?.merged;
            if merged.keys().any(|(uid, _)| is_gone(*uid)) {
                Arc::make_mut(&mut self.user_mut(user)?.merged).retain(|(uid, _), _| !is_gone(*uid));
            }
        }
        self.release(removed.into_iter().map(|m| m.body))
    }

    /// Gives the twins of these messages the flags and keywords that they have now, but for \Deleted.
    pub(super) fn share_from(&mut self, mailbox: MailboxId, mod_seq: ModSeq, messages: &[Message]) -> Result<()> {
        let user = self.state.mailbox(mailbox)?.user;
        let inbox = self.state.inbox(user)?;
        if mailbox != inbox && self.state.view_of(mailbox).is_none() {
            return Ok(());
        }
        for of in messages {
            let uid = if mailbox == inbox { of.uid } else { of.twin.map_or(of.uid, |(_, uid)| uid) };
            let Some(m) = self.state.mailbox(inbox)?.messages.get(&uid).cloned() else { continue };
            for (at, uid) in self.twins(user, &m)?.into_iter().chain([(inbox, uid)]) {
                self.share(at, uid, mod_seq, of)?;
            }
        }
        Ok(())
    }

    fn share(&mut self, mailbox: MailboxId, uid: Uid, mod_seq: ModSeq, of: &Message) -> Result<()> {
        let Some(m) = self.state.mailbox(mailbox)?.messages.get(&uid) else { return Ok(()) };
        let own = if m.flags.contains(Flags::DELETED) { Flags::DELETED } else { Flags::default() };
        let flags = of.flags.without(Flags::DELETED) | own;
        if (flags, of.keywords) == (m.flags, m.keywords) {
            return Ok(());
        }
        let target = self.mailbox_mut(mailbox)?;
        if let Some(m) = target.messages.get_mut(&uid) {
            count(&mut target.counts, m, false);
            (m.flags, m.keywords, m.mod_seq) = (flags, of.keywords, mod_seq);
            count(&mut target.counts, m, true);
            target.counts.highest_mod_seq = mod_seq;
        }
        Ok(())
    }

    /// The message of INBOX that a delivery is one with, and the account that brought it.
    pub(super) fn same_message(&self, user: UserId, delivery: &Delivery) -> Result<Option<(Message, AccountId)>> {
        let owner = self.state.user(user)?;
        let inbox = self.state.inbox(user)?;
        let uid = delivery.merge.filter(|_| delivery.mailbox == inbox).and_then(|key| owner.merges.get(&key));
        let Some(m) = uid.and_then(|uid| self.state.mailboxes.get(&inbox)?.messages.get(uid)) else { return Ok(None) };
        let account = m.account.filter(|account| *account != delivery.account);
        let is_there = owner.merged.contains_key(&(m.uid, delivery.account));
        Ok(account.filter(|_| !is_there).map(|account| (m.clone(), account)))
    }

    pub(super) fn merge_into(&mut self, user: UserId, mut message: Message, delivery: &Delivery) -> Result<()> {
        let new = &delivery.message.flags.keywords;
        let table = self.state.user(user)?.with(new.iter())?;
        if table.len() > self.state.user(user)?.keywords.len() {
            self.user_mut(user)?.keywords = table;
        }
        let owner = self.state.user(user)?;
        let keywords = KeywordSet(message.keywords.0 | owner.known(new).0);
        let view = owner.views.get(&delivery.account).copied();
        if keywords != message.keywords || view.is_some() {
            let mod_seq = self.next_mod_seq(user)?;
            message.keywords = keywords;
            self.share_from(delivery.mailbox, mod_seq, std::slice::from_ref(&message))?;
            if let Some(view) = view {
                return self.add_twin(user, &message, delivery.account, view.mailbox, mod_seq);
            }
        }
        Arc::make_mut(&mut self.user_mut(user)?.merged).insert((message.uid, delivery.account), None);
        Ok(())
    }

    /// What is delivered later may be one with this message of INBOX.
    pub(super) fn remember(&mut self, user: UserId, delivery: &Delivery, uid: Uid) -> Result<()> {
        if let Some(key) =
            delivery.merge.filter(|_| self.state.inbox(user).is_ok_and(|inbox| inbox == delivery.mailbox))
        {
            Arc::make_mut(&mut self.user_mut(user)?.merges).insert(key, uid);
        }
        Ok(())
    }
}
