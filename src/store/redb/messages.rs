//! Messages into, between and out of mailboxes: APPEND, delivery, COPY, MOVE, EXPUNGE. Each is one transaction
//! and works block by block.

use redb::ReadableTable;

use super::BLOCK_SHIFT;
use super::row::{DeadRow, encode_ranges};
use super::twins::Role;
use super::txn::Txn;
use crate::mail::{BodyId, Flags, MailboxId, Message, ModSeq, Uid, UidSet, UserId};
use crate::store::body::{BodyRow, PreparedBody};
use crate::store::common::{all_uids, check_uids, count, counted, missing};
use crate::store::error::{Error, Result};
use crate::store::types::{Appended, Copied, NewMessage, Stored};

impl Txn<'_> {
    /// Appends all of the messages or none.
    pub(super) fn append(&mut self, mailbox: MailboxId, messages: &[NewMessage]) -> Result<Appended> {
        self.check_append(mailbox, messages)?;
        let row = self.mailbox(mailbox)?;
        let (user, uid_validity) = (row.user, row.uid_validity);
        if messages.is_empty() {
            return Ok(Appended { uid_validity, uids: Vec::new() });
        }
        let mod_seq = self.next_mod_seq(user)?;
        let rows = self.new_rows(user, mod_seq, messages)?;
        let uids = self.place_rows(mailbox, mod_seq, rows)?;
        Ok(Appended { uid_validity, uids })
    }

    /// Puts the new message into `to` and takes the old one out of `from`, which may be the same, at one mod-sequence.
    pub(super) fn replace(
        &mut self,
        from: MailboxId,
        old: Uid,
        to: MailboxId,
        new: &NewMessage,
    ) -> Result<Option<Appended>> {
        let gone = UidSet::from_iter([(old.value(), old.value())]);
        let (replaced, copied) = self.sources(from, &gone, to)?;
        let Some(replaced) = replaced.first() else { return Ok(None) };
        let new = std::slice::from_ref(new);
        self.check_new(to, new, usage(std::slice::from_ref(replaced)))?;
        let user = self.mailbox(to)?.user;
        let mod_seq = self.next_mod_seq(user)?;
        let rows = self.new_rows(user, mod_seq, new)?;
        let uids = self.place_rows(to, mod_seq, rows)?;
        let removed = self.take_out(from, mod_seq, &gone)?;
        self.drop_references(removed.into_iter().map(|m| m.body))?;
        Ok(Some(Appended { uid_validity: copied.uid_validity, uids }))
    }

    /// Rows of new messages, without their UIDs; the bodies are placed.
    fn new_rows(&mut self, user: UserId, mod_seq: ModSeq, messages: &[NewMessage]) -> Result<Vec<Message>> {
        let mut rows = Vec::with_capacity(messages.len());
        for message in messages {
            rows.push(Message {
                uid: Uid::FIRST,
                flags: message.flags.flags,
                keywords: self.intern(user, &message.flags.keywords)?,
                mod_seq,
                internal_date: message.internal_date,
                saved: 0,
                size: u32::try_from(message.body.size()).map_err(|_| Error::Limit("message size"))?,
                body: self.place_body(&message.body)?,
                thread: self.thread_of(user, &message.body.thread_keys)?,
                account: message.account,
                twin: None,
            });
        }
        Ok(rows)
    }

    /// Validates all that could make [`Self::append`] fail.
    pub(super) fn check_append(&mut self, mailbox: MailboxId, messages: &[NewMessage]) -> Result<()> {
        self.check_new(mailbox, messages, Stored::default())
    }

    /// The same where `freed` goes at the same time.
    fn check_new(&mut self, mailbox: MailboxId, messages: &[NewMessage], freed: Stored) -> Result<()> {
        let user = self.mailbox(mailbox)?.user;
        self.check_target(mailbox)?;
        check_uids(&self.mailbox(mailbox)?.counts, messages.len())?;
        if messages.iter().any(|m| u32::try_from(m.body.size()).is_err()) {
            return Err(Error::Limit("message size"));
        }
        for account in messages.iter().filter_map(|m| m.account) {
            self.check_account(user, account)?;
        }
        let octets = messages.iter().map(|m| m.body.size()).sum();
        self.check_quota(user, Stored { octets, messages: messages.len() as u64 }, freed)?;
        self.check_keywords(user, messages.iter().flat_map(|m| &m.flags.keywords))
    }

    fn check_quota(&mut self, user: UserId, more: Stored, freed: Stored) -> Result<()> {
        let mut used = self.user(user)?.usage;
        used.take(freed);
        self.shared.quotas.check(user, used, more)
    }

    pub(super) fn copy(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied> {
        let (messages, mut copied) = self.sources(from, uids, to)?;
        if messages.is_empty() {
            return Ok(copied);
        }
        let user = self.mailbox(to)?.user;
        self.check_quota(user, usage(&messages), Stored::default())?;
        self.add_references(messages.iter().map(|m| m.body))?;
        let mod_seq = self.next_mod_seq(user)?;
        copied.pairs = self.insert_copies(to, mod_seq, messages)?;
        Ok(copied)
    }

    pub(super) fn move_messages(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<Copied> {
        let (messages, mut copied) = self.sources(from, uids, to)?;
        if messages.is_empty() {
            return Ok(copied);
        }
        let moved: UidSet = messages.iter().map(|m| m.uid).collect();
        let user = self.mailbox(to)?.user;
        let mod_seq = self.next_mod_seq(user)?;
        copied.pairs = self.insert_copies(to, mod_seq, messages)?;
        self.take_out(from, mod_seq, &moved)?;
        Ok(copied)
    }

    /// Validates COPY or MOVE and reads what it is about.
    fn sources(&mut self, from: MailboxId, uids: &UidSet, to: MailboxId) -> Result<(Vec<Message>, Copied)> {
        let source = self.mailbox(from)?;
        let (user, uid_next) = (source.user, source.counts.uid_next);
        let target = self.mailbox(to)?;
        // One user's mail never reaches another's mailbox (I10).
        if target.user != user {
            return Err(Error::NoMailbox);
        }
        let uid_validity = target.uid_validity;
        self.check_target(to)?;
        let mut messages = Vec::new();
        for number in self.block_numbers(from, uids)? {
            let block = self.block(from, number)?;
            messages.extend(block.messages.iter().filter(|m| uids.contains_uid(m.uid)).cloned());
        }
        check_uids(&self.mailbox(to)?.counts, messages.len())?;
        let found: UidSet = messages.iter().map(|m| m.uid).collect();
        let missing = missing(uids, &found, uid_next);
        Ok((messages, Copied { uid_validity, pairs: Vec::new(), missing }))
    }

    fn insert_copies(&mut self, to: MailboxId, mod_seq: ModSeq, messages: Vec<Message>) -> Result<Vec<(Uid, Uid)>> {
        let sources: Vec<Uid> = messages.iter().map(|m| m.uid).collect();
        Ok(sources.into_iter().zip(self.place_rows(to, mod_seq, messages)?).collect())
    }

    /// Expunges messages with \Deleted, of `only` if given. Returns their UIDs.
    pub(super) fn expunge(&mut self, mailbox: MailboxId, only: Option<&UidSet>) -> Result<UidSet> {
        let row = self.mailbox(mailbox)?;
        let user = row.user;
        if row.counts.deleted == 0 {
            return Ok(UidSet::default());
        }
        // While somebody watches the mailbox as this transaction finds it, its blocks need not be read to find them.
        let highest = row.counts.highest_mod_seq;
        let watched = self.shared.live.current(mailbox).filter(|known| known.counts.highest_mod_seq == highest);
        let all = watched.map_or_else(all_uids, |known| known.deleted());
        let within = only.map(|only| only.intersection(&all));
        let uids = within.as_ref().unwrap_or(&all);
        let mut chosen = UidSet::default();
        for number in self.block_numbers(mailbox, uids)? {
            for m in &self.block(mailbox, number)?.messages {
                if m.flags.contains(Flags::DELETED) && uids.contains_uid(m.uid) {
                    chosen.insert(m.uid.value());
                }
            }
        }
        if !chosen.is_empty() {
            let mod_seq = self.next_mod_seq(user)?;
            let removed = self.take_out(mailbox, mod_seq, &chosen)?;
            self.drop_references(removed.into_iter().map(|m| m.body))?;
        }
        Ok(chosen)
    }

    /// Puts rows at the end of the mailbox, with new UIDs, this mod-sequence and the saved date of now. Of this mailbox alone:
    /// twins are the caller's.
    pub(super) fn insert_rows(
        &mut self,
        mailbox: MailboxId,
        mod_seq: ModSeq,
        messages: Vec<Message>,
    ) -> Result<Vec<Uid>> {
        let saved = u32::try_from(self.now).unwrap_or(0);
        let row = self.mailbox_mut(mailbox)?;
        let first = row.counts.uid_next;
        for m in &messages {
            count(&mut row.counts, m, true);
        }
        row.counts.uid_next += messages.len() as u32;
        let user = row.user;
        row.counts.highest_mod_seq = row.counts.highest_mod_seq.max(mod_seq);
        self.charge(mailbox, user, |used| used.add(usage(&messages)))?;
        let mut uids = Vec::with_capacity(messages.len());
        let mut rest = messages.into_iter().zip(first..).peekable();
        while let Some((_, value)) = rest.peek() {
            let number = value >> BLOCK_SHIFT;
            let block = self.block_mut(mailbox, number, mod_seq)?;
            while let Some((mut message, value)) = rest.next_if(|(_, value)| value >> BLOCK_SHIFT == number) {
                let uid = Uid::new(value).ok_or(Error::Limit("UIDs of a mailbox"))?;
                (message.uid, message.mod_seq, message.saved) = (uid, mod_seq, saved);
                block.messages.push(message);
                uids.push(uid);
            }
        }
        Ok(uids)
    }

    /// What is in a view is counted where it is: in INBOX.
    fn charge(&mut self, mailbox: MailboxId, user: UserId, change: impl FnOnce(&mut Stored)) -> Result<()> {
        if self.role(mailbox)? != Role::View {
            change(&mut self.user_mut(user)?.usage);
        }
        Ok(())
    }

    /// Takes rows out of this mailbox alone and into its expunge log. The bodies keep their references.
    pub(super) fn remove_rows(&mut self, mailbox: MailboxId, mod_seq: ModSeq, uids: &UidSet) -> Result<Vec<Message>> {
        let mut removed = Vec::new();
        for number in self.block_numbers(mailbox, uids)? {
            let before = removed.len();
            let block = self.block_mut(mailbox, number, mod_seq)?;
            block.messages.retain(|m| {
                let keep = !uids.contains_uid(m.uid);
                if !keep {
                    removed.push(m.clone());
                }
                keep
            });
            debug_assert!(removed.len() > before, "only blocks that lose a message are visited");
        }
        let gone: UidSet = removed.iter().map(|m| m.uid).collect();
        self.tables.expunge.insert((mailbox.0, mod_seq.0), encode_ranges(&gone).as_slice())?;
        let row = self.mailbox_mut(mailbox)?;
        for m in &removed {
            count(&mut row.counts, m, false);
        }
        row.counts.highest_mod_seq = row.counts.highest_mod_seq.max(mod_seq);
        let user = row.user;
        self.charge(mailbox, user, |used| used.take(usage(&removed)))?;
        Ok(removed)
    }

    /// Gives the prepared body its rows, or, when the same octets are stored already, takes those.
    pub(super) fn place_body(&mut self, prepared: &PreparedBody) -> Result<BodyId> {
        self.mark_written();
        self.placed.push(prepared.id());
        let known = self.tables.hash.get(&prepared.row.hash)?.map(|id| BodyId(id.value()));
        if let Some(body) = known {
            self.add_references([body].into_iter())?;
            // Nobody has ever seen the second copy, so it needs no grace.
            let dead = DeadRow { since: 0, body: prepared.row };
            self.tables.dead.insert(prepared.id().0, dead.encode().as_slice())?;
            return Ok(body);
        }
        let row = BodyRow { references: 1, ..prepared.row };
        self.tables.body.insert(prepared.id().0, row.encode().as_slice())?;
        self.tables.hash.insert(&row.hash, prepared.id().0)?;
        self.tables.env.insert(prepared.id().0, prepared.record.as_slice())?;
        Ok(prepared.id())
    }

    fn add_references(&mut self, bodies: impl Iterator<Item = BodyId>) -> Result<()> {
        self.mark_written();
        for (body, count) in counted(bodies) {
            let mut row = self.body_row(body)?;
            row.references = row.references.checked_add(count).ok_or(Error::Limit("copies of a message"))?;
            self.tables.body.insert(body.0, row.encode().as_slice())?;
        }
        Ok(())
    }

    /// Lets go of bodies; one that nobody holds any more is queued for the collector.
    pub(super) fn drop_references(&mut self, bodies: impl Iterator<Item = BodyId>) -> Result<()> {
        self.mark_written();
        for (body, count) in counted(bodies) {
            let mut row = self.body_row(body)?;
            row.references = row.references.saturating_sub(count);
            if row.references > 0 {
                self.tables.body.insert(body.0, row.encode().as_slice())?;
                continue;
            }
            self.tables.body.remove(body.0)?;
            self.tables.hash.remove(&row.hash)?;
            let dead = DeadRow { since: self.now, body: row };
            self.tables.dead.insert(body.0, dead.encode().as_slice())?;
        }
        Ok(())
    }

    fn body_row(&self, body: BodyId) -> Result<BodyRow> {
        let found = self.tables.body.get(body.0)?;
        let bytes = found.ok_or_else(|| Error::Damaged(format!("body {} is missing", body.0)))?;
        BodyRow::decode(bytes.value())
    }
}

/// What these messages add to a user's usage.
fn usage(messages: &[Message]) -> Stored {
    Stored { octets: messages.iter().map(|m| u64::from(m.size)).sum(), messages: messages.len() as u64 }
}
