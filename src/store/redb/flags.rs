//! STORE: flags and keywords of many messages, in one transaction (RFC 9051 section 6.4.6, RFC 7162 section 3.1.3).

use super::twins::is_same_but_deleted;
use super::txn::Txn;
use crate::mail::{FlagOp, Flags, KeywordSet, MailboxId, Message, ModSeq, UidSet, UserId};
use crate::store::common::missing;
use crate::store::error::Result;
use crate::store::types::{FlagChange, FlagsStored};

/// A [`FlagChange`] with its keywords as bits.
struct Change {
    op: FlagOp,
    flags: Flags,
    keywords: KeywordSet,
}

impl Change {
    fn of(&self, message: &Message) -> (Flags, KeywordSet) {
        match self.op {
            FlagOp::Add => (message.flags | self.flags, KeywordSet(message.keywords.0 | self.keywords.0)),
            FlagOp::Remove => (message.flags.without(self.flags), KeywordSet(message.keywords.0 & !self.keywords.0)),
            FlagOp::Replace => (self.flags, self.keywords),
        }
    }

    fn alters(&self, message: &Message) -> bool {
        self.of(message) != (message.flags, message.keywords)
    }
}

impl Txn<'_> {
    pub(super) fn set_flags(&mut self, mailbox: MailboxId, uids: &UidSet, change: &FlagChange) -> Result<FlagsStored> {
        let row = self.mailbox(mailbox)?;
        let (user, uid_next) = (row.user, row.counts.uid_next);
        let mut stored = FlagsStored::default();
        let numbers = self.block_numbers(mailbox, uids)?;
        for number in &numbers {
            for m in self.block(mailbox, *number)?.messages.iter().filter(|m| uids.contains_uid(m.uid)) {
                let is_modified = change.unchanged_since.is_some_and(|since| m.mod_seq > since);
                let set = if is_modified { &mut stored.modified } else { &mut stored.applied };
                set.insert(m.uid.value());
            }
        }
        let found: UidSet = stored.applied.ranges().iter().chain(stored.modified.ranges()).copied().collect();
        stored.missing = missing(uids, &found, uid_next);
        if !stored.applied.is_empty() {
            let resolved = self.resolve(user, change)?;
            self.apply(mailbox, user, &numbers, &stored.applied, &resolved)?;
        }
        Ok(stored)
    }

    fn resolve(&mut self, user: UserId, change: &FlagChange) -> Result<Change> {
        let keywords = match change.op {
            FlagOp::Remove => self.known_keywords(user, &change.list.keywords)?,
            FlagOp::Add | FlagOp::Replace => {
                self.check_keywords(user, &change.list.keywords)?;
                self.intern(user, &change.list.keywords)?
            }
        };
        Ok(Change { op: change.op, flags: change.list.flags, keywords })
    }

    /// A message that the change does not alter keeps its mod-sequence; when none is altered, so does the mailbox.
    fn apply(
        &mut self,
        mailbox: MailboxId,
        user: UserId,
        numbers: &[u32],
        uids: &UidSet,
        change: &Change,
    ) -> Result<()> {
        let mut mod_seq: Option<ModSeq> = None;
        let has_twins = self.has_twins(mailbox)?;
        let mut shared = Vec::new();
        let (mut seen, mut unseen, mut deleted, mut undeleted) = (0, 0, 0, 0);
        for number in numbers {
            let is_due = |m: &Message| uids.contains_uid(m.uid) && change.alters(m);
            if !self.block(mailbox, *number)?.messages.iter().any(is_due) {
                continue;
            }
            let now = match mod_seq {
                Some(now) => now,
                None => self.next_mod_seq(user)?,
            };
            mod_seq = Some(now);
            for m in self.block_mut(mailbox, *number, now)?.messages.iter_mut().filter(|m| is_due(m)) {
                let (before, keywords) = (m.flags, m.keywords);
                (m.flags, m.keywords) = change.of(m);
                m.mod_seq = now;
                if has_twins && !(is_same_but_deleted(before, m.flags) && keywords == m.keywords) {
                    shared.push(m.clone());
                }
                let turned = |flag| (before.contains(flag), m.flags.contains(flag));
                match turned(Flags::SEEN) {
                    (false, true) => seen += 1,
                    (true, false) => unseen += 1,
                    _ => {}
                }
                match turned(Flags::DELETED) {
                    (false, true) => deleted += 1,
                    (true, false) => undeleted += 1,
                    _ => {}
                }
            }
        }
        if let Some(mod_seq) = mod_seq {
            let counts = &mut self.mailbox_mut(mailbox)?.counts;
            counts.unseen = (counts.unseen + unseen).saturating_sub(seen);
            counts.deleted = (counts.deleted + deleted).saturating_sub(undeleted);
            counts.highest_mod_seq = counts.highest_mod_seq.max(mod_seq);
            self.share_from(mailbox, mod_seq, shared)?;
        }
        Ok(())
    }
}
