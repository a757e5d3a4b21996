//! Message rows against counters, and the expunge log.

use std::collections::{HashMap, HashSet};

use redb::ReadableTable;

use super::super::row::decode_ranges;
use super::super::schema::{EXPUNGE, MSGBLK};
use super::Check;
use crate::mail::{MailboxId, ModSeq, UidSet, UserId};
use crate::store::check::Fix;
use crate::store::common::count;
use crate::store::error::{Error, Result};
use crate::store::snapshot::Block;
use crate::store::types::{Counts, Stored};

impl Check<'_> {
    pub(super) fn messages(&mut self) -> Result<()> {
        let mut totals: HashMap<u32, Counts> = HashMap::new();
        let next_thread = self.next_thread()?;
        // Counting what cannot be read would be a guess.
        let mut unread = HashSet::new();
        for entry in self.reader.meta.open_table(MSGBLK)?.iter()? {
            let (key, bytes) = entry?;
            let (mailbox, number) = key.value();
            let decoded = Block::decode(number, bytes.value());
            let what = || format!("mailbox {mailbox} block {number}, with up to 64 messages,");
            let Some(block) = self.decoded(decoded, None, what)? else {
                unread.insert(mailbox);
                continue;
            };
            self.block(mailbox, number, &block);
            let newest = block.messages.iter().map(|m| m.thread.0).max().unwrap_or(0);
            self.problem(newest >= next_thread, Fix::Ids, || {
                format!("mailbox {mailbox} block {number}: conversation {newest} from the future")
            });
            let total = totals.entry(mailbox).or_default();
            block.messages.iter().for_each(|m| count(total, m, true));
        }
        let counts: Vec<_> = self.mailboxes.iter().map(|(id, row)| (*id, row.user, row.counts)).collect();
        let mut usage: HashMap<UserId, Stored> = HashMap::new();
        let mut unsure = HashSet::new();
        for (id, user, stored) in counts {
            let total = totals.remove(&id).unwrap_or_default();
            if !self.views.contains_key(&id) {
                usage.entry(user).or_default().add(total.usage());
            }
            if unread.contains(&id) {
                unsure.insert(user);
            }
            let expected = Counts {
                uid_next: stored.uid_next,
                highest_mod_seq: stored.highest_mod_seq,
                recent_from: stored.recent_from,
                ..total
            };
            let fix = (!unread.contains(&id)).then_some(Fix::Counters(MailboxId(id)));
            self.problem(stored != expected, fix, || {
                format!("mailbox {id}: counters {stored:?}, rows say {expected:?}")
            });
        }
        self.usage(usage, &unsure);
        for id in totals.keys() {
            self.problem(true, None, || format!("mailbox {id} is not there, but messages of it are"));
        }
        Ok(())
    }

    /// `unsure`: users of whom not every row could be read.
    fn usage(&mut self, mut counted: HashMap<UserId, Stored>, unsure: &HashSet<UserId>) {
        let users: Vec<(UserId, Stored)> = self.users.iter().map(|(id, user)| (UserId(*id), user.usage)).collect();
        for (user, stored) in users {
            let counted = counted.remove(&user).unwrap_or_default();
            let fix = (!unsure.contains(&user)).then_some(Fix::Usage(user));
            self.problem(stored != counted, fix, || format!("user {}: {stored:?}, rows say {counted:?}", user.0));
        }
    }

    fn block(&mut self, mailbox: u32, number: u32, block: &Block) {
        let at = || format!("mailbox {mailbox} block {number}");
        let fix = Fix::Counters(MailboxId(mailbox));
        let counts = self.mailboxes.get(&mailbox).map(|row| row.counts).unwrap_or_default();
        let user = self.mailboxes.get(&mailbox).map(|row| row.user.0);
        let keywords = user.and_then(|user| self.users.get(&user)).map_or(0, |user| user.keywords.len());
        let is_ascending = block.messages.windows(2).all(|pair| pair[0].uid < pair[1].uid);
        self.problem(block.messages.is_empty() || !is_ascending, None, || format!("{}: empty or not ascending", at()));
        self.problem(block.max_mod_seq > counts.highest_mod_seq, fix, || format!("{}: above HIGHESTMODSEQ", at()));
        for m in &block.messages {
            let uid = m.uid.value();
            // What is in a view has its body in INBOX.
            if !self.views.contains_key(&mailbox) {
                *self.references.entry(m.body.0).or_default() += 1;
            }
            self.problem(uid >= counts.uid_next, fix, || format!("{}: UID {uid} is not below UIDNEXT", at()));
            self.problem(m.mod_seq.0 == 0 || m.mod_seq > block.max_mod_seq, None, || {
                format!("{}: mod-sequence of UID {uid}", at())
            });
            let is_unknown = m.keywords.iter().any(|bit| bit >= keywords);
            self.problem(is_unknown, None, || format!("{}: UID {uid} has a keyword that the table lacks", at()));
            let owner = m.account.map(|account| self.accounts.get(&account.0).copied());
            self.problem(owner.is_some_and(|owner| owner != user), None, || format!("{}: account of UID {uid}", at()));
        }
    }

    pub(super) fn expunge_log(&mut self) -> Result<()> {
        let mut expunged: HashMap<u32, Vec<(u32, u32)>> = HashMap::new();
        for entry in self.reader.meta.open_table(EXPUNGE)?.iter()? {
            let (key, ranges) = entry?;
            let (mailbox, mod_seq) = key.value();
            let highest = self.mailboxes.get(&mailbox).map_or(0, |row| row.counts.highest_mod_seq.0);
            let fix = Fix::Counters(MailboxId(mailbox));
            self.problem(mod_seq > highest, fix, || {
                format!("mailbox {mailbox}: expunge {mod_seq} above HIGHESTMODSEQ")
            });
            let decoded = decode_ranges(ranges.value(), expunged.entry(mailbox).or_default());
            self.decoded(decoded, None, || format!("mailbox {mailbox}: expunge {mod_seq}"))?;
        }
        for (mailbox, ranges) in expunged {
            let total: u64 = ranges.iter().map(|(low, high)| u64::from(high - low) + 1).sum();
            let set: UidSet = ranges.into_iter().collect();
            self.problem(set.len() != total, None, || format!("mailbox {mailbox}: a UID was expunged twice"));
            let mut present = 0;
            let read = self.reader.blocks(MailboxId(mailbox), ModSeq(0), |block| {
                present += block.messages.iter().filter(|m| set.contains_uid(m.uid)).count();
            });
            // What cannot be read has been told.
            if !matches!(read, Ok(()) | Err(Error::Damaged(_))) {
                read?;
            }
            self.problem(present > 0, None, || format!("mailbox {mailbox}: {present} expunged UIDs are present"));
        }
        Ok(())
    }
}
