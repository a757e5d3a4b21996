//! Account views made anew from INBOX. What is only in a view goes back to INBOX, unless it was expunged there.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::BLOCK_SHIFT;
use super::row::decode_ranges;
use super::twins::twin_of;
use super::txn::Txn;
use super::views::View;
use crate::mail::{Flags, MailboxId, MailboxName, Message, ModSeq, Uid, UidSet, UserId};
use crate::store::common::{all_uids, count};
use crate::store::error::{Error, Result};

impl Txn<'_> {
    pub(super) fn rebuild_twins(&mut self, user: UserId) -> Result<()> {
        let Some(inbox) = self.mailbox_id(user, &MailboxName::inbox())? else { return Ok(()) };
        for view in self.views(user)?.iter() {
            if matches!(self.mailbox(view.mailbox), Err(Error::NoMailbox)) {
                self.forget_view(user, view.account)?;
            }
        }
        let views = self.views(user)?;
        let mod_seq = self.next_mod_seq(user)?;
        self.return_lost(inbox, &views, mod_seq)?;
        let messages = self.all_rows(inbox)?;
        let first: BTreeMap<u32, u32> = messages.iter().filter_map(|m| Some((m.uid.value(), m.account?.0))).collect();
        let mut merged = BTreeSet::new();
        for entry in self.tables.twin.range((inbox.0, 0, 0)..=(inbox.0, u32::MAX, u32::MAX))? {
            let (_, uid, account) = entry?.0.value();
            merged.insert((uid, account));
        }
        for (uid, account) in merged.clone() {
            let is_own = self.check_account(user, crate::mail::AccountId(account)).is_ok();
            if !is_own || first.get(&uid).is_none_or(|first| *first == account) {
                merged.remove(&(uid, account));
                self.tables.twin.remove((inbox.0, uid, account))?;
            }
        }
        for m in messages.iter().filter(|m| m.twin.is_some()) {
            if !views.iter().any(|view| m.account == Some(view.account)) {
                self.name_twin(inbox, m.uid, None)?;
            }
        }
        for view in views.iter() {
            let is_of =
                |m: &&Message| m.account == Some(view.account) || merged.contains(&(m.uid.value(), view.account.0));
            let own: Vec<Message> = messages.iter().filter(is_of).cloned().collect();
            self.rebuild_view(inbox, *view, &own, mod_seq)?;
        }
        Ok(())
    }

    fn all_rows(&mut self, mailbox: MailboxId) -> Result<Vec<Message>> {
        let mut rows = Vec::new();
        for number in self.block_numbers(mailbox, &all_uids())? {
            rows.extend(self.block(mailbox, number)?.messages.iter().cloned());
        }
        Ok(rows)
    }

    /// Messages of which only the twin is left.
    fn return_lost(&mut self, inbox: MailboxId, views: &[View], mod_seq: ModSeq) -> Result<()> {
        let mut known = self.all_rows(inbox)?.iter().map(|m| m.uid.value()).collect::<BTreeSet<u32>>();
        let mut expunged = Vec::new();
        for entry in self.tables.expunge.range((inbox.0, 0)..=(inbox.0, u64::MAX))? {
            decode_ranges(entry?.1.value(), &mut expunged)?;
        }
        let expunged: UidSet = expunged.into_iter().collect();
        let mut lost = Vec::new();
        for view in views {
            for m in self.all_rows(view.mailbox)? {
                let Some((_, uid)) = m.twin.filter(|(of, _)| *of == inbox) else { continue };
                let has_body = self.tables.body.get(m.body.0)?.is_some();
                if has_body && !expunged.contains_uid(uid) && known.insert(uid.value()) {
                    lost.push(Message { twin: None, ..m });
                }
            }
        }
        if !lost.is_empty() {
            self.insert_rows(inbox, mod_seq, lost)?;
        }
        Ok(())
    }

    /// Makes what is in the view the twins of these.
    fn rebuild_view(&mut self, inbox: MailboxId, view: View, own: &[Message], mod_seq: ModSeq) -> Result<()> {
        let named = |m: &Message| m.twin.filter(|(at, _)| *at == inbox).map(|(_, uid)| uid);
        let mut kept: BTreeMap<Uid, Message> = BTreeMap::new();
        let mut gone = UidSet::default();
        for m in self.all_rows(view.mailbox)? {
            let of =
                named(&m).and_then(|uid| own.binary_search_by_key(&uid, |m| m.uid).ok()).and_then(|at| own.get(at));
            // Of two twins the one that INBOX names stays.
            let before = match of {
                Some(of) if kept.contains_key(&of.uid) && of.twin != Some((view.mailbox, m.uid)) => Some(m),
                Some(of) => kept.insert(of.uid, m),
                None => Some(m),
            };
            before.iter().for_each(|m| gone.insert(m.uid.value()));
        }
        if !gone.is_empty() {
            self.remove_rows(view.mailbox, mod_seq, &gone)?;
        }
        let missing: Vec<&Message> = own.iter().filter(|m| !kept.contains_key(&m.uid)).collect();
        if !missing.is_empty() {
            let rows = missing.iter().map(|m| twin_of(m, (inbox, m.uid))).collect();
            let uids = self.insert_rows(view.mailbox, mod_seq, rows)?;
            for (of, uid) in missing.into_iter().zip(uids) {
                kept.insert(of.uid, Message { uid, mod_seq, ..twin_of(of, (inbox, of.uid)) });
            }
        }
        for of in own {
            let Some(twin) = kept.get(&of.uid) else { continue };
            self.correct(view.mailbox, twin, of, mod_seq)?;
            if of.account == Some(view.account) {
                self.name_twin(inbox, of.uid, Some((view.mailbox, twin.uid)))?;
            } else {
                self.tables.twin.insert((inbox.0, of.uid.value(), view.account.0), twin.uid.value())?;
            }
        }
        Ok(())
    }

    /// Gives a row of a view what it must have of its twin.
    fn correct(&mut self, view: MailboxId, twin: &Message, of: &Message, mod_seq: ModSeq) -> Result<()> {
        let own = if twin.flags.contains(Flags::DELETED) { Flags::DELETED } else { Flags::default() };
        let (uid, saved) = (twin.uid, twin.saved);
        let place = twin.twin.unwrap_or((view, of.uid));
        let expected = twin_of(of, place);
        let flags = expected.flags | own;
        let right = Message { uid, saved, flags, mod_seq: twin.mod_seq, ..expected };
        if right == *twin {
            return Ok(());
        }
        let number = uid.value() >> BLOCK_SHIFT;
        let block = self.block_mut(view, number, mod_seq)?;
        if let Ok(at) = block.messages.binary_search_by_key(&uid, |m| m.uid)
            && let Some(m) = block.messages.get_mut(at)
        {
            let (before, after) = (m.clone(), Message { mod_seq, saved: m.saved, ..right });
            *m = after.clone();
            let counts = &mut self.mailbox_mut(view)?.counts;
            count(counts, &before, false);
            count(counts, &after, true);
            counts.highest_mod_seq = counts.highest_mod_seq.max(mod_seq);
        }
        Ok(())
    }

    /// Nobody is told of a change of this.
    fn name_twin(&mut self, inbox: MailboxId, uid: Uid, twin: Option<(MailboxId, Uid)>) -> Result<()> {
        let block = self.block_mut(inbox, uid.value() >> BLOCK_SHIFT, ModSeq(0))?;
        if let Ok(at) = block.messages.binary_search_by_key(&uid, |m| m.uid)
            && let Some(m) = block.messages.get_mut(at)
        {
            m.twin = twin;
        }
        Ok(())
    }
}
