//! Messages of INBOX and their twins in account views: the same messages, with UIDs and \Deleted of their own.
//!
//! A row of INBOX names its twin in the view of its account, and that one the row of INBOX. A message that was delivered
//! to several accounts is of the first; those of the others are in `twin`. Rows of a view hold no body: it goes with the
//! row of INBOX, which goes with them. So what comes, changes or goes does so on all sides, in one transaction and at one
//! mod-sequence.

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::BLOCK_SHIFT;
use super::txn::Txn;
use super::views::IS_VIEW;
use crate::mail::{AccountId, Flags, KeywordSet, MailboxId, MailboxName, Message, ModSeq, Uid, UidSet, UserId};
use crate::store::common::check_uids;
use crate::store::error::{Error, Result};
use crate::store::types::Delivery;

/// What a mailbox is to its user's account views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// They show what is in it.
    Inbox,
    /// It is one of them.
    View,
    /// Nothing.
    Plain,
}

/// UIDs, ascending, each with the index of the message that it is a twin of.
type Twins = Vec<(Uid, usize)>;

/// A row for the twin of `of`. \Deleted is not shared.
pub(super) fn twin_of(of: &Message, twin: (MailboxId, Uid)) -> Message {
    Message { flags: of.flags.without(Flags::DELETED), twin: Some(twin), ..of.clone() }
}

/// Whether two messages have the same of the flags that twins share.
pub(super) fn is_same_but_deleted(one: Flags, other: Flags) -> bool {
    one.without(Flags::DELETED) == other.without(Flags::DELETED)
}

impl Txn<'_> {
    pub(super) fn role(&mut self, mailbox: MailboxId) -> Result<Role> {
        let row = self.mailbox(mailbox)?;
        if row.name.is_inbox() {
            return Ok(Role::Inbox);
        }
        let user = row.user;
        let is_view = self.views(user)?.iter().any(|view| view.mailbox == mailbox);
        Ok(if is_view { Role::View } else { Role::Plain })
    }

    /// Nothing can be put into a view.
    pub(super) fn check_target(&mut self, mailbox: MailboxId) -> Result<()> {
        if self.role(mailbox)? == Role::View { Err(Error::Refused(IS_VIEW)) } else { Ok(()) }
    }

    /// Whether messages of this mailbox may have twins.
    pub(super) fn has_twins(&mut self, mailbox: MailboxId) -> Result<bool> {
        let user = self.mailbox(mailbox)?.user;
        Ok(!self.views(user)?.is_empty() && self.role(mailbox)? != Role::Plain)
    }

    fn inbox(&self, user: UserId) -> Result<MailboxId> {
        self.mailbox_id(user, &MailboxName::inbox())?.ok_or(Error::NoMailbox)
    }

    /// Puts rows at the end of the mailbox, and of INBOX into the views of their accounts as well.
    pub(super) fn place_rows(
        &mut self,
        mailbox: MailboxId,
        mod_seq: ModSeq,
        mut messages: Vec<Message>,
    ) -> Result<Vec<Uid>> {
        messages.iter_mut().for_each(|m| m.twin = None);
        if self.role(mailbox)? == Role::Inbox {
            let row = self.mailbox(mailbox)?;
            let (user, first) = (row.user, row.counts.uid_next);
            for view in self.views(user)?.iter() {
                let (mut rows, mut places) = (Vec::new(), Vec::new());
                for ((n, m), value) in messages.iter().enumerate().zip(first..) {
                    if m.account == Some(view.account) {
                        let uid = Uid::new(value).ok_or(Error::Limit("UIDs of a mailbox"))?;
                        rows.push(twin_of(m, (mailbox, uid)));
                        places.push(n);
                    }
                }
                if rows.is_empty() {
                    continue;
                }
                check_uids(&self.mailbox(view.mailbox)?.counts, rows.len())?;
                for (n, uid) in places.into_iter().zip(self.insert_rows(view.mailbox, mod_seq, rows)?) {
                    if let Some(m) = messages.get_mut(n) {
                        m.twin = Some((view.mailbox, uid));
                    }
                }
            }
        }
        self.insert_rows(mailbox, mod_seq, messages)
    }

    /// Takes messages out of the mailbox and, where they have twins, out of INBOX and every view. Returns the rows that had
    /// the bodies, which keep their references.
    pub(super) fn take_out(&mut self, mailbox: MailboxId, mod_seq: ModSeq, uids: &UidSet) -> Result<Vec<Message>> {
        match self.role(mailbox)? {
            Role::Plain => self.remove_rows(mailbox, mod_seq, uids),
            Role::Inbox => self.take_out_of_inbox(mailbox, mod_seq, uids),
            Role::View => {
                let user = self.mailbox(mailbox)?.user;
                let inbox = self.inbox(user)?;
                let mut twins = Vec::new();
                for number in self.block_numbers(mailbox, uids)? {
                    let block = self.block(mailbox, number)?;
                    let chosen = block.messages.iter().filter(|m| uids.contains_uid(m.uid));
                    twins.extend(chosen.filter_map(|m| m.twin.map(|(_, uid)| uid)));
                }
                twins.sort_unstable();
                self.take_out_of_inbox(inbox, mod_seq, &twins.into_iter().collect())
            }
        }
    }

    fn take_out_of_inbox(&mut self, inbox: MailboxId, mod_seq: ModSeq, uids: &UidSet) -> Result<Vec<Message>> {
        let removed = self.remove_rows(inbox, mod_seq, uids)?;
        for (view, twins) in self.twins(inbox, &removed)? {
            let uids: UidSet = twins.into_iter().map(|(uid, _)| uid).collect();
            self.remove_rows(view, mod_seq, &uids)?;
        }
        for (n, account, _) in self.merged(inbox, &removed)? {
            if let Some(m) = removed.get(n) {
                self.tables.twin.remove((inbox.0, m.uid.value(), account.0))?;
            }
        }
        Ok(removed)
    }

    /// Gives the twins of these messages, ascending by UID, the flags and keywords that they have now, but for \Deleted.
    pub(super) fn share_from(&mut self, mailbox: MailboxId, mod_seq: ModSeq, messages: Vec<Message>) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        if self.role(mailbox)? != Role::View {
            return self.share_to_views(mailbox, None, mod_seq, &messages);
        }
        let user = self.mailbox(mailbox)?.user;
        let inbox = self.inbox(user)?;
        let twins = messages.iter().enumerate().filter_map(|(n, m)| m.twin.map(|(_, uid)| (uid, n)));
        let mut twins: Twins = twins.collect();
        twins.sort_unstable();
        let changed = self.share(inbox, mod_seq, &twins, &messages)?;
        self.share_to_views(inbox, Some(mailbox), mod_seq, &changed)
    }

    fn share_to_views(
        &mut self,
        inbox: MailboxId,
        but: Option<MailboxId>,
        mod_seq: ModSeq,
        messages: &[Message],
    ) -> Result<()> {
        for (view, twins) in self.twins(inbox, messages)? {
            if but != Some(view) {
                self.share(view, mod_seq, &twins, messages)?;
            }
        }
        Ok(())
    }

    /// Gives rows of the mailbox the flags and keywords of messages. Returns the rows that this altered.
    fn share(&mut self, mailbox: MailboxId, mod_seq: ModSeq, twins: &Twins, of: &[Message]) -> Result<Vec<Message>> {
        let mut changed = Vec::new();
        let (mut seen, mut unseen) = (0, 0);
        for chunk in twins.chunk_by(|a, b| a.0.value() >> BLOCK_SHIFT == b.0.value() >> BLOCK_SHIFT) {
            let Some((first, _)) = chunk.first() else { continue };
            let number = first.value() >> BLOCK_SHIFT;
            let (mut at, rows) = (0, &self.block(mailbox, number)?.messages);
            // Which rows of the block are to take over what.
            let mut due = Vec::new();
            for (uid, n) in chunk {
                while rows.get(at).is_some_and(|m| m.uid < *uid) {
                    at += 1;
                }
                let (Some(m), Some(of)) = (rows.get(at).filter(|m| m.uid == *uid), of.get(*n)) else { continue };
                if !(is_same_but_deleted(m.flags, of.flags) && m.keywords == of.keywords) {
                    due.push((at, of));
                }
            }
            if due.is_empty() {
                continue;
            }
            let block = self.block_mut(mailbox, number, mod_seq)?;
            for (at, of) in due {
                let Some(m) = block.messages.get_mut(at) else { continue };
                let before = m.flags.contains(Flags::SEEN);
                let own = if m.flags.contains(Flags::DELETED) { Flags::DELETED } else { Flags::default() };
                m.flags = of.flags.without(Flags::DELETED) | own;
                (m.keywords, m.mod_seq) = (of.keywords, mod_seq);
                match (before, m.flags.contains(Flags::SEEN)) {
                    (false, true) => seen += 1,
                    (true, false) => unseen += 1,
                    _ => {}
                }
                changed.push(m.clone());
            }
        }
        if !changed.is_empty() {
            let counts = &mut self.mailbox_mut(mailbox)?.counts;
            counts.unseen = (counts.unseen + unseen).saturating_sub(seen);
            counts.highest_mod_seq = counts.highest_mod_seq.max(mod_seq);
        }
        Ok(changed)
    }

    /// Where the twins of messages of INBOX, ascending by UID, are.
    fn twins(&mut self, inbox: MailboxId, messages: &[Message]) -> Result<BTreeMap<MailboxId, Twins>> {
        let mut twins: BTreeMap<MailboxId, Twins> = BTreeMap::new();
        for (n, m) in messages.iter().enumerate() {
            if let Some((view, uid)) = m.twin {
                twins.entry(view).or_default().push((uid, n));
            }
        }
        let user = self.mailbox(inbox)?.user;
        let views = self.views(user)?;
        for (n, account, uid) in self.merged(inbox, messages)? {
            if let (Some(uid), Some(view)) = (uid, views.iter().find(|view| view.account == account)) {
                twins.entry(view.mailbox).or_default().push((uid, n));
            }
        }
        twins.values_mut().for_each(|twins| twins.sort_unstable());
        Ok(twins)
    }

    /// Of messages of INBOX, ascending by UID: index, account and twin there of each account that they are of as well.
    fn merged(&self, inbox: MailboxId, messages: &[Message]) -> Result<Vec<(usize, AccountId, Option<Uid>)>> {
        let mut merged = Vec::new();
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return Ok(merged) };
        let range = (inbox.0, first.uid.value(), 0)..=(inbox.0, last.uid.value(), u32::MAX);
        for entry in self.tables.twin.range(range)? {
            let (key, twin) = entry?;
            let (_, uid, account) = key.value();
            if let Ok(n) = messages.binary_search_by_key(&uid, |m| m.uid.value()) {
                merged.push((n, AccountId(account), Uid::new(twin.value())));
            }
        }
        Ok(merged)
    }

    /// The message of INBOX that a delivery is one with: it came from another account, and this one has brought none yet that
    /// is one with it.
    pub(super) fn same_message(&mut self, user: UserId, delivery: &Delivery) -> Result<Option<(Message, AccountId)>> {
        let inbox = delivery.mailbox;
        let Some(key) = delivery.merge.filter(|_| self.role(inbox).is_ok_and(|role| role == Role::Inbox)) else {
            return Ok(None);
        };
        // A row that is behind is replaced by the next that comes: UIDs are never given out again.
        let found = self.tables.merge.get((user.0, &key))?.and_then(|uid| Uid::new(uid.value()));
        let Some(uid) = found else { return Ok(None) };
        let block = self.block(inbox, uid.value() >> BLOCK_SHIFT)?;
        let Some(m) = block.messages.iter().find(|m| m.uid == uid).cloned() else { return Ok(None) };
        let Some(account) = m.account.filter(|account| *account != delivery.account) else { return Ok(None) };
        let is_there = self.tables.twin.get((inbox.0, uid.value(), delivery.account.0))?.is_some();
        Ok((!is_there).then_some((m, account)))
    }

    /// Makes the message of INBOX one of the delivery's account as well: it gains the keywords, and a twin there.
    pub(super) fn merge_into(&mut self, user: UserId, mut message: Message, delivery: &Delivery) -> Result<()> {
        let inbox = delivery.mailbox;
        let new = &delivery.message.flags.keywords;
        self.check_keywords(user, new)?;
        let view = self.views(user)?.iter().find(|view| view.account == delivery.account).copied();
        if let Some(view) = view {
            check_uids(&self.mailbox(view.mailbox)?.counts, 1)?;
        }
        self.mark_written();
        let keywords = KeywordSet(message.keywords.0 | self.intern(user, new)?.0);
        let mut twin = None;
        if keywords != message.keywords || view.is_some() {
            let mod_seq = self.next_mod_seq(user)?;
            message.keywords = keywords;
            let uid = message.uid;
            let changed = self.share(inbox, mod_seq, &vec![(uid, 0)], std::slice::from_ref(&message))?;
            self.share_to_views(inbox, None, mod_seq, &changed)?;
            if let Some(view) = view {
                let row = twin_of(&message, (inbox, uid));
                twin = self.insert_rows(view.mailbox, mod_seq, vec![row])?.first().copied();
            }
        }
        let key = (inbox.0, message.uid.value(), delivery.account.0);
        self.tables.twin.insert(key, twin.map_or(0, Uid::value))?;
        Ok(())
    }
}
