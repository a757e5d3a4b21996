//! Rebuilds what other rows tell: counters, indexes, reference counts, ids to give out. Never guesses, and never takes a
//! message away.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use redb::ReadableTable;

use super::open::global_number;
use super::row::{DeadRow, MailboxRow, decode_ranges};
use super::schema::global;
use super::txn::Txn;
use crate::mail::{BodyId, MailboxId, ModSeq, UserId};
use crate::store::body::BodyRow;
use crate::store::check::Fix;
use crate::store::common::{all_uids, count};
use crate::store::error::{Error, Result};
use crate::store::snapshot::Block;
use crate::store::types::{Counts, Record, Stored};

impl Txn<'_> {
    pub(super) fn repair(&mut self, fixes: &[Fix]) -> Result<()> {
        self.mark_written();
        let fixes: BTreeSet<Fix> = fixes.iter().copied().collect();
        for fix in fixes {
            match fix {
                Fix::Twins(user) => {
                    self.rebuild_twins(user)?;
                    // What comes after reads the tables.
                    self.flush()?;
                }
                Fix::Counters(mailbox) => self.recount(mailbox)?,
                Fix::Usage(user) => self.recount_user(user)?,
                Fix::Names => self.rebuild_names()?,
                Fix::Ids => self.raise_ids()?,
                Fix::References => self.rebuild_references()?,
                Fix::Record(_) | Fix::Stray(_) => {}
            }
        }
        Ok(())
    }

    /// UIDNEXT and HIGHESTMODSEQ are only ever raised (I4, I5).
    fn recount(&mut self, mailbox: MailboxId) -> Result<()> {
        let Ok(row) = self.mailbox(mailbox) else { return Ok(()) };
        let (user, old) = (row.user, row.counts);
        let mut counts = Counts {
            uid_next: old.uid_next.max(1),
            highest_mod_seq: old.highest_mod_seq.max(ModSeq(1)),
            recent_from: old.recent_from,
            ..Counts::default()
        };
        for number in self.block_numbers(mailbox, &all_uids())? {
            let block = self.block(mailbox, number)?;
            counts.highest_mod_seq = counts.highest_mod_seq.max(block.max_mod_seq);
            for message in &block.messages {
                count(&mut counts, message, true);
                counts.uid_next = counts.uid_next.max(message.uid.value() + 1);
            }
        }
        let mut ranges = Vec::new();
        for entry in self.tables.expunge.range((mailbox.0, 0)..=(mailbox.0, u64::MAX))? {
            let (key, row) = entry?;
            counts.highest_mod_seq = counts.highest_mod_seq.max(ModSeq(key.value().1));
            decode_ranges(row.value(), &mut ranges)?;
        }
        counts.uid_next = ranges.iter().map(|(_, high)| high.saturating_add(1)).fold(counts.uid_next, u32::max);
        if self.user(user)?.mod_seq < counts.highest_mod_seq {
            self.user_mut(user)?.mod_seq = counts.highest_mod_seq;
        }
        self.mailbox_mut(mailbox)?.counts = counts;
        Ok(())
    }

    /// What the counters of the user's mailboxes say together; of one that cannot be read nothing is known.
    fn recount_user(&mut self, user: UserId) -> Result<()> {
        let ids: Vec<u32> = self.tables.mailbox.iter()?.map(|entry| Ok(entry?.0.value())).collect::<Result<_>>()?;
        let views = self.views(user)?;
        let mut usage = Stored::default();
        for id in ids.into_iter().filter(|id| !views.iter().any(|view| view.mailbox.0 == *id)) {
            match self.mailbox(MailboxId(id)) {
                Ok(row) if row.user == user => usage.add(row.counts.usage()),
                Ok(_) | Err(Error::Damaged(_)) => {}
                Err(e) => return Err(e),
            }
        }
        self.user_mut(user)?.usage = usage;
        Ok(())
    }

    /// Every mailbox is found by its name.
    fn rebuild_names(&mut self) -> Result<()> {
        let mut names: BTreeMap<(u32, String), u32> = BTreeMap::new();
        for entry in self.tables.mailbox.iter()? {
            let (id, row) = entry?;
            let row = MailboxRow::decode(row.value())?;
            let before = names.insert((row.user.0, row.name.as_str().to_owned()), id.value());
            if before.is_some() {
                return Err(Error::Damaged(
                    "two mailboxes have the same name: which one has it is not known".to_owned(),
                ));
            }
        }
        let old: Vec<(u32, String)> =
            self.tables.mailbox_name.iter()?.map(|entry| Ok(own(entry?.0.value()))).collect::<Result<_>>()?;
        for (user, name) in old.iter().filter(|key| !names.contains_key(*key)) {
            self.tables.mailbox_name.remove((*user, name.as_str()))?;
        }
        for ((user, name), id) in &names {
            self.tables.mailbox_name.insert((*user, name.as_str()), *id)?;
        }
        Ok(())
    }

    /// No id or UIDVALIDITY that is in use is given out again (I4).
    fn raise_ids(&mut self) -> Result<()> {
        let (mut mailbox, mut validity, mut thread) = (0, 0, 0);
        for entry in self.tables.mailbox.iter()? {
            let (id, row) = entry?;
            mailbox = mailbox.max(u64::from(id.value()) + 1);
            validity = validity.max(u64::from(MailboxRow::decode(row.value())?.uid_validity.value()));
        }
        for entry in self.tables.thread.iter()? {
            thread = thread.max(entry?.1.value() + 1);
        }
        for entry in self.tables.msgblk.iter()? {
            let (key, bytes) = entry?;
            let block = Block::decode(key.value().1, bytes.value())?;
            thread = block.messages.iter().map(|m| m.thread.0 + 1).fold(thread, u64::max);
        }
        let body = self.tables.body.last()?.map_or(0, |(id, _)| id.value() + 1);
        for (key, least) in [
            (global::NEXT_MAILBOX, mailbox),
            (global::LAST_UID_VALIDITY, validity),
            (global::NEXT_BODY, body),
            (global::NEXT_THREAD, thread),
        ] {
            if global_number(&self.tables.global, key)? < least {
                self.set_global(key, least)?;
            }
        }
        self.shared.bodies.raise(body);
        Ok(())
    }

    /// A body has as many references as message rows, and is found by its hash; one that no message has is dead.
    fn rebuild_references(&mut self) -> Result<()> {
        let mut counted: HashMap<u64, u32> = HashMap::new();
        let views: HashSet<u32> =
            self.tables.view.iter()?.map(|entry| Ok(entry?.1.value().0)).collect::<Result<_>>()?;
        for entry in self.tables.msgblk.iter()? {
            let (key, bytes) = entry?;
            if views.contains(&key.value().0) {
                continue;
            }
            for message in Block::decode(key.value().1, bytes.value())?.messages {
                *counted.entry(message.body.0).or_default() += 1;
            }
        }
        let bodies: Vec<(u64, BodyRow)> = self
            .tables
            .body
            .iter()?
            .map(|entry| {
                let (id, row) = entry?;
                Ok((id.value(), BodyRow::decode(row.value())?))
            })
            .collect::<Result<_>>()?;
        let mut hashes = HashMap::new();
        for (id, row) in bodies {
            let references = counted.get(&id).copied().unwrap_or(0);
            if references == 0 {
                self.tables.body.remove(id)?;
                let dead = DeadRow { since: self.now, body: row };
                self.tables.dead.insert(id, dead.encode().as_slice())?;
                continue;
            }
            // Dead rows of bodies that are alive would have them collected.
            self.tables.dead.remove(id)?;
            hashes.insert(row.hash, id);
            if row.references != references {
                self.tables.body.insert(id, BodyRow { references, ..row }.encode().as_slice())?;
            }
        }
        self.tables.hash.retain(|hash, id| hashes.get(hash) == Some(&id))?;
        for (hash, id) in hashes {
            self.tables.hash.insert(&hash, id)?;
        }
        Ok(())
    }

    pub(super) fn set_record(&mut self, body: BodyId, record: &Record) -> Result<()> {
        if self.tables.body.get(body.0)?.is_none() {
            return Ok(());
        }
        self.mark_written();
        self.tables.env.insert(body.0, record.encode()?.as_slice())?;
        Ok(())
    }
}

fn own((user, name): (u32, &str)) -> (u32, String) {
    (user, name.to_owned())
}
