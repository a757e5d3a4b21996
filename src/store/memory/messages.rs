//! Messages into, between and out of mailboxes, and their flags.

use std::sync::Arc;

use super::state::Body;
use super::txn::Txn;
use crate::mail::{BodyId, FlagOp, Flags, KeywordSet, MailboxId, Message, ModSeq, ThreadId, Uid, UidSet, UserId};
use crate::mime::ThreadKey;
use crate::store::body::{BodyRow, PreparedBody};
use crate::store::common::{all_uids, check_uids, count, counted, missing};
use crate::store::error::{Error, Result};
use crate::store::types::{Appended, Copied, FlagChange, FlagsStored, NewMessage, Stored};

impl Txn<'_> {
    pub(super) fn append(&mut self, mailbox: MailboxId, messages: &[NewMessage]) -> Result<Appended> {
        self.append_freeing(mailbox, messages, Stored::default())
    }

    /// The same where `freed` goes at the same time.
    fn append_freeing(&mut self, mailbox: MailboxId, messages: &[NewMessage], freed: Stored) -> Result<Appended> {
        let target = self.state.mailbox(mailbox)?;
        let (user, uid_validity) = (target.user, target.uid_validity);
        self.check_target(mailbox)?;
        check_uids(&target.counts, messages.len())?;
        let sizes = messages.iter().map(|m| u32::try_from(m.body.size()).map_err(|_| Error::Limit("message size")));
        let sizes = sizes.collect::<Result<Vec<u32>>>()?;
        for account in messages.iter().filter_map(|m| m.account) {
            self.state.check_account(user, account)?;
        }
        let octets = messages.iter().map(|m| m.body.size()).sum();
        let mut used = self.state.usage(user);
        used.take(freed);
        let more = Stored { octets, messages: messages.len() as u64 };
        self.shared.quotas.check(user, used, more)?;
        let keywords = self.state.user(user)?.with(messages.iter().flat_map(|m| &m.flags.keywords))?;
        if messages.is_empty() {
            return Ok(Appended { uid_validity, uids: Vec::new() });
        }
        self.user_mut(user)?.keywords = keywords;
        let mut rows = Vec::new();
        for (new, size) in messages.iter().zip(sizes) {
            rows.push(Message {
                uid: Uid::FIRST,
                flags: new.flags.flags,
                keywords: self.state.user(user)?.known(&new.flags.keywords),
                mod_seq: ModSeq(0),
                internal_date: new.internal_date,
                saved: 0,
                size,
                body: self.place(&new.body)?,
                thread: self.thread_of(user, &new.body.thread_keys)?,
                account: new.account,
                twin: None,
            });
        }
        let mod_seq = self.next_mod_seq(user)?;
        Ok(Appended { uid_validity, uids: self.place_rows(mailbox, mod_seq, rows)? })
    }

    pub(super) fn replace(
        &mut self,
        from: MailboxId,
        old: Uid,
        to: MailboxId,
        new: &NewMessage,
    ) -> Result<Option<Appended>> {
        let (source, target) = (self.state.mailbox(from)?, self.state.mailbox(to)?);
        // One user's mail never reaches another's mailbox (I10).
        if source.user != target.user {
            return Err(Error::NoMailbox);
        }
        self.check_target(to)?;
        let Some(octets) = source.messages.get(&old).map(|m| u64::from(m.size)) else { return Ok(None) };
        let freed = Stored { octets, messages: 1 };
        let appended = self.append_freeing(to, std::slice::from_ref(new), freed)?;
        // At the mod-sequence of the new message.
        let mod_seq = self.state.mailbox(to)?.counts.highest_mod_seq;
        self.take_out(from, mod_seq, UidSet::from_iter([(old.value(), old.value())]))?;
        Ok(Some(appended))
    }

    pub(super) fn set_flags(&mut self, mailbox: MailboxId, uids: &UidSet, change: &FlagChange) -> Result<FlagsStored> {
        let target = self.state.mailbox(mailbox)?;
        let user = target.user;
        let is_modified = |m: &Message| change.unchanged_since.is_some_and(|since| m.mod_seq > since);
        let found: UidSet = target.within(uids).map(|m| m.uid).collect();
        let modified: UidSet = target.within(uids).filter(|m| is_modified(m)).map(|m| m.uid).collect();
        let missing = missing(uids, &found, target.counts.uid_next);
        let stored = FlagsStored { applied: found.difference(&modified), modified, missing };
        if stored.applied.is_empty() {
            return Ok(stored);
        }
        let table = &self.state.user(user)?.keywords;
        let known = match change.op {
            FlagOp::Remove => Arc::clone(table),
            FlagOp::Add | FlagOp::Replace => self.state.user(user)?.with(change.list.keywords.iter())?,
        };
        if known.len() > table.len() {
            self.user_mut(user)?.keywords = known;
        }
        let (flags, keywords) = (change.list.flags, self.state.user(user)?.known(&change.list.keywords));
        let after = |m: &Message| match change.op {
            FlagOp::Add => (m.flags | flags, KeywordSet(m.keywords.0 | keywords.0)),
            FlagOp::Remove => (m.flags.without(flags), KeywordSet(m.keywords.0 & !keywords.0)),
            FlagOp::Replace => (flags, keywords),
        };
        // A message that the change does not alter keeps its mod-sequence, and when none is altered so does the mailbox.
        let altered =
            self.state.mailbox(mailbox)?.within(&stored.applied).filter(|m| after(m) != (m.flags, m.keywords));
        let altered: Vec<Uid> = altered.map(|m| m.uid).collect();
        if altered.is_empty() {
            return Ok(stored);
        }
        let mod_seq = self.next_mod_seq(user)?;
        let target = self.mailbox_mut(mailbox)?;
        target.counts.highest_mod_seq = mod_seq;
        let mut shared = Vec::new();
        for uid in altered {
            let Some(m) = target.messages.get_mut(&uid) else { continue };
            count(&mut target.counts, m, false);
            (m.flags, m.keywords) = after(m);
            m.mod_seq = mod_seq;
            count(&mut target.counts, m, true);
            shared.push(m.clone());
        }
        self.share_from(mailbox, mod_seq, &shared)?;
        Ok(stored)
    }

    pub(super) fn copy(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied> {
        self.transfer(from, uids, to, false)
    }

    pub(super) fn move_messages(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied> {
        self.transfer(from, uids, to, true)
    }

    fn transfer(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId, is_move: bool) -> Result<Copied> {
        let (source, target) = (self.state.mailbox(from)?, self.state.mailbox(to)?);
        // One user's mail never reaches another's mailbox (I10).
        if source.user != target.user {
            return Err(Error::NoMailbox);
        }
        let (user, uid_validity) = (source.user, target.uid_validity);
        self.check_target(to)?;
        let messages: Vec<Message> = source.within(uids).cloned().collect();
        check_uids(&target.counts, messages.len())?;
        let found: UidSet = messages.iter().map(|m| m.uid).collect();
        let missing = missing(uids, &found, source.counts.uid_next);
        if messages.is_empty() {
            return Ok(Copied { uid_validity, pairs: Vec::new(), missing });
        }
        if !is_move {
            let octets = messages.iter().map(|m| u64::from(m.size)).sum();
            let more = Stored { octets, messages: messages.len() as u64 };
            self.shared.quotas.check(user, self.state.usage(user), more)?;
        }
        let sources: Vec<Uid> = messages.iter().map(|m| m.uid).collect();
        for (body, copies) in counted(messages.iter().map(|m| m.body)) {
            self.add_references(body, copies)?;
        }
        let mod_seq = self.next_mod_seq(user)?;
        let pairs = sources.into_iter().zip(self.place_rows(to, mod_seq, messages)?).collect();
        if is_move {
            self.take_out(from, mod_seq, found)?;
        }
        Ok(Copied { uid_validity, pairs, missing })
    }

    pub(super) fn expunge(&mut self, mailbox: MailboxId, only: Option<&UidSet>) -> Result<UidSet> {
        let target = self.state.mailbox(mailbox)?;
        let user = target.user;
        let all = all_uids();
        let chosen = target.within(only.unwrap_or(&all)).filter(|m| m.flags.contains(Flags::DELETED));
        let chosen: UidSet = chosen.map(|m| m.uid).collect();
        if !chosen.is_empty() {
            let mod_seq = self.next_mod_seq(user)?;
            self.take_out(mailbox, mod_seq, chosen.clone())?;
        }
        Ok(chosen)
    }

    /// Puts messages, which hold their references already, at the end of this mailbox alone.
    pub(super) fn insert(&mut self, mailbox: MailboxId, mod_seq: ModSeq, messages: Vec<Message>) -> Result<Vec<Uid>> {
        let saved = u32::try_from(self.now).unwrap_or(0);
        let target = self.mailbox_mut(mailbox)?;
        target.counts.highest_mod_seq = mod_seq;
        let mut uids = Vec::new();
        for message in messages {
            let uid = Uid::new(target.counts.uid_next).ok_or(Error::Limit("UIDs of a mailbox"))?;
            target.counts.uid_next += 1;
            count(&mut target.counts, &message, true);
            target.messages.insert(uid, Message { uid, mod_seq, saved, ..message });
            uids.push(uid);
        }
        Ok(uids)
    }

    /// Takes messages out of the mailbox, lets go of their bodies and logs that they are gone.
    pub(super) fn remove(&mut self, mailbox: MailboxId, mod_seq: ModSeq, uids: UidSet) -> Result<Vec<Message>> {
        let target = self.mailbox_mut(mailbox)?;
        target.counts.highest_mod_seq = mod_seq;
        let mut removed = Vec::new();
        target.messages.retain(|uid, m| {
            let goes = uids.contains_uid(*uid);
            if goes {
                count(&mut target.counts, m, false);
                removed.push(m.clone());
            }
            !goes
        });
        target.expunged.push((mod_seq, uids));
        Ok(removed)
    }

    /// The conversation of the first key that is known, else a new one; all keys are known from then on.
    fn thread_of(&mut self, user: UserId, keys: &[ThreadKey]) -> Result<ThreadId> {
        let known = &self.state.user(user)?.threads;
        let thread = match keys.iter().find_map(|key| known.get(key)) {
            Some(thread) => *thread,
            None => {
                self.state_mut().last_thread += 1;
                ThreadId(self.state.last_thread)
            }
        };
        let known = Arc::make_mut(&mut self.user_mut(user)?.threads);
        for key in keys {
            known.entry(*key).or_insert(thread);
        }
        Ok(thread)
    }

    /// Takes over a prepared body, or, when the same octets are stored already, one more reference to those.
    fn place(&mut self, prepared: &PreparedBody) -> Result<BodyId> {
        let id = prepared.id();
        self.changes.placed.push(id);
        let bodies = self.bodies_mut();
        if let Some(known) = bodies.by_hash.get(&prepared.row.hash).copied() {
            // Nobody has ever seen the second copy, so it needs no grace.
            bodies.rows.insert(id, Body { row: prepared.row, record: None, dead_since: Some(0) });
            self.add_references(known, 1)?;
            return Ok(known);
        }
        let row = BodyRow { references: 1, ..prepared.row };
        let record = Some(prepared.record.as_slice().into());
        bodies.rows.insert(id, Body { row, record, dead_since: None });
        bodies.by_hash.insert(row.hash, id);
        Ok(id)
    }

    fn add_references(&mut self, body: BodyId, count: u32) -> Result<()> {
        let row = &mut self.living_body(body)?.row;
        row.references = row.references.checked_add(count).ok_or(Error::Limit("copies of a message"))?;
        Ok(())
    }

    /// Lets go of one reference to each; what nobody holds any more is left to the collector.
    pub(super) fn release(&mut self, bodies: impl Iterator<Item = BodyId>) -> Result<()> {
        let now = self.now;
        for (id, count) in counted(bodies) {
            let body = self.living_body(id)?;
            body.row.references = body.row.references.saturating_sub(count);
            if body.row.references == 0 {
                body.dead_since = Some(now);
                let hash = body.row.hash;
                self.bodies_mut().by_hash.remove(&hash);
            }
        }
        Ok(())
    }

    fn living_body(&mut self, body: BodyId) -> Result<&mut Body> {
        let found = self.bodies_mut().rows.get_mut(&body).filter(|found| found.dead_since.is_none());
        found.ok_or_else(|| Error::Damaged(format!("body {} is missing", body.0)))
    }
}
