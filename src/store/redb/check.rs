//! Invariants that the files can show, for `tributary check` and for tests. One line a violation; names ids, never
//! message text or addresses (I10).

use std::collections::{HashMap, HashSet};

use redb::ReadableTable;

use super::messages::count;
use super::open::global_number;
use super::read::MetaReader;
use super::row::{DeadRow, MailboxRow, UidlRow, UserState, decode_ranges};
use super::schema::{
    ACCOUNT, BODY, DEAD, ENV, EXPUNGE, GLOBAL, HASH, MAILBOX, MAILBOX_NAME, MSGBLK, POLL_STATE, TROUBLE, UIDL, USER,
    USER_STATE, global,
};
use crate::mail::{MailboxId, MailboxName, UidSet, UserId};
use crate::store::body::{BodyRow, Unplaced};
use crate::store::error::Result;
use crate::store::seam::{BodyRead, Stream};
use crate::store::snapshot::Block;
use crate::store::types::{Counts, LedgerState, PollState, Trouble};

/// A check in progress.
pub(super) struct Check<'r> {
    reader: &'r MetaReader,
    pieces: &'r dyn BodyRead,
    problems: Vec<String>,
    mailboxes: HashMap<u32, MailboxRow>,
    users: HashMap<u32, UserState>,
    /// Account -> user.
    accounts: HashMap<u32, u32>,
    /// Message rows of each body.
    references: HashMap<u64, u32>,
    bodies: HashMap<u64, BodyRow>,
    dead: HashMap<u64, BodyRow>,
}

impl<'r> Check<'r> {
    pub(super) fn new(reader: &'r MetaReader, pieces: &'r dyn BodyRead) -> Self {
        Self {
            reader,
            pieces,
            problems: Vec::new(),
            mailboxes: HashMap::new(),
            users: HashMap::new(),
            accounts: HashMap::new(),
            references: HashMap::new(),
            bodies: HashMap::new(),
            dead: HashMap::new(),
        }
    }

    /// Checks everything but the octets of bodies.
    pub(super) fn run(mut self, unplaced: &Unplaced) -> Result<Vec<String>> {
        self.users_and_accounts()?;
        self.mailboxes()?;
        self.messages()?;
        self.expunge_log()?;
        self.bodies()?;
        self.ledger()?;
        self.pieces(Stream::Message, "chunk", |row| row.chunks, unplaced)?;
        self.pieces(Stream::Text, "text", |row| row.text_chunks, unplaced)?;
        Ok(self.problems)
    }

    fn problem(&mut self, is_wrong: bool, what: impl FnOnce() -> String) {
        if is_wrong {
            self.problems.push(what());
        }
    }

    fn users_and_accounts(&mut self) -> Result<()> {
        for entry in self.reader.meta.open_table(USER)?.iter()? {
            let id = entry?.1.value();
            let Some(row) = self.reader.meta.open_table(USER_STATE)?.get(id)? else {
                self.problem(true, || format!("user {id} has no state"));
                continue;
            };
            let state = UserState::decode(row.value())?;
            let is_double =
                state.keywords.iter().enumerate().any(|(i, k)| state.keywords.iter().skip(i + 1).any(|o| o == k));
            self.problem(is_double, || format!("user {id} has a keyword twice"));
            self.users.insert(id, state);
        }
        for entry in self.reader.meta.open_table(ACCOUNT)?.iter()? {
            let (key, id) = entry?;
            let (user, id) = (key.value().0, id.value());
            self.problem(!self.users.contains_key(&user), || format!("account {id} belongs to no user"));
            self.accounts.insert(id, user);
        }
        Ok(())
    }

    fn mailboxes(&mut self) -> Result<()> {
        let globals = self.reader.meta.open_table(GLOBAL)?;
        let next = global_number(&globals, global::NEXT_MAILBOX)?;
        let last_validity = global_number(&globals, global::LAST_UID_VALIDITY)?;
        let mut validities = HashSet::new();
        for entry in self.reader.meta.open_table(MAILBOX)?.iter()? {
            let (id, row) = entry?;
            let (id, row) = (id.value(), MailboxRow::decode(row.value())?);
            let counts = &row.counts;
            let found = self.reader.mailbox(row.user, &row.name)?.map(|m| m.id);
            self.problem(found != Some(MailboxId(id)), || format!("mailbox {id} is not found by its name"));
            self.problem(u64::from(id) >= next, || format!("mailbox {id} is not below next_mailbox {next}"));
            let validity = row.uid_validity.value();
            self.problem(u64::from(validity) > last_validity, || format!("mailbox {id}: UIDVALIDITY from the future"));
            self.problem(!validities.insert(validity), || format!("mailbox {id}: UIDVALIDITY of another mailbox"));
            let counter = self.users.get(&row.user.0).map_or(0, |user| user.mod_seq.0);
            let highest = counts.highest_mod_seq.0;
            self.problem(highest == 0 || highest > counter, || {
                format!("mailbox {id}: HIGHESTMODSEQ {highest}, counter {counter}")
            });
            self.problem(counts.uid_next == 0, || format!("mailbox {id}: UIDNEXT 0"));
            self.mailboxes.insert(id, row);
        }
        for entry in self.reader.meta.open_table(MAILBOX_NAME)?.iter()? {
            let (key, id) = entry?;
            let ((user, name), id) = (key.value(), id.value());
            let is_same =
                self.mailboxes.get(&id).is_some_and(|row| row.user == UserId(user) && row.name.as_str() == name);
            self.problem(!is_same, || format!("a mailbox name leads to mailbox {id}, which has another"));
            let has_parent = match MailboxName::new(name).ok().and_then(|name| name.parent()) {
                Some(parent) => self.reader.mailbox(UserId(user), &parent)?.is_some(),
                None => true,
            };
            self.problem(!has_parent, || format!("mailbox {id} has no parent"));
        }
        Ok(())
    }

    fn messages(&mut self) -> Result<()> {
        let mut totals: HashMap<u32, Counts> = HashMap::new();
        for entry in self.reader.meta.open_table(MSGBLK)?.iter()? {
            let (key, bytes) = entry?;
            let (mailbox, number) = key.value();
            let block = Block::decode(number, bytes.value())?;
            self.block(mailbox, number, &block);
            let total = totals.entry(mailbox).or_default();
            block.messages.iter().for_each(|m| count(total, m, true));
        }
        let counts: Vec<(u32, Counts)> = self.mailboxes.iter().map(|(id, row)| (*id, row.counts)).collect();
        for (id, stored) in counts {
            let total = totals.remove(&id).unwrap_or_default();
            let expected = Counts {
                uid_next: stored.uid_next,
                highest_mod_seq: stored.highest_mod_seq,
                recent_from: stored.recent_from,
                ..total
            };
            self.problem(stored != expected, || format!("mailbox {id}: counters {stored:?}, rows say {expected:?}"));
        }
        for id in totals.keys() {
            self.problem(true, || format!("mailbox {id} is not there, but messages of it are"));
        }
        Ok(())
    }

    fn block(&mut self, mailbox: u32, number: u32, block: &Block) {
        let at = || format!("mailbox {mailbox} block {number}");
        let counts = self.mailboxes.get(&mailbox).map(|row| row.counts).unwrap_or_default();
        let user = self.mailboxes.get(&mailbox).map(|row| row.user.0);
        let keywords = user.and_then(|user| self.users.get(&user)).map_or(0, |user| user.keywords.len());
        let is_ascending = block.messages.windows(2).all(|pair| pair[0].uid < pair[1].uid);
        self.problem(block.messages.is_empty() || !is_ascending, || format!("{}: empty or not ascending", at()));
        self.problem(block.max_mod_seq > counts.highest_mod_seq, || format!("{}: above HIGHESTMODSEQ", at()));
        for m in &block.messages {
            let uid = m.uid.value();
            *self.references.entry(m.body.0).or_default() += 1;
            self.problem(uid >= counts.uid_next, || format!("{}: UID {uid} is not below UIDNEXT", at()));
            self.problem(m.mod_seq.0 == 0 || m.mod_seq > block.max_mod_seq, || {
                format!("{}: mod-sequence of UID {uid}", at())
            });
            let is_unknown = m.keywords.iter().any(|bit| bit >= keywords);
            self.problem(is_unknown, || format!("{}: UID {uid} has a keyword that the table lacks", at()));
            let owner = m.account.map(|account| self.accounts.get(&account.0).copied());
            self.problem(owner.is_some_and(|owner| owner != user), || format!("{}: account of UID {uid}", at()));
        }
    }

    fn expunge_log(&mut self) -> Result<()> {
        let mut expunged: HashMap<u32, Vec<(u32, u32)>> = HashMap::new();
        for entry in self.reader.meta.open_table(EXPUNGE)?.iter()? {
            let (key, ranges) = entry?;
            let (mailbox, mod_seq) = key.value();
            let highest = self.mailboxes.get(&mailbox).map_or(0, |row| row.counts.highest_mod_seq.0);
            self.problem(mod_seq > highest, || format!("mailbox {mailbox}: expunge {mod_seq} above HIGHESTMODSEQ"));
            decode_ranges(ranges.value(), expunged.entry(mailbox).or_default())?;
        }
        for (mailbox, ranges) in expunged {
            let total: u64 = ranges.iter().map(|(low, high)| u64::from(high - low) + 1).sum();
            let set: UidSet = ranges.into_iter().collect();
            self.problem(set.len() != total, || format!("mailbox {mailbox}: a UID was expunged twice"));
            let mut present = 0;
            self.reader.blocks(MailboxId(mailbox), crate::mail::ModSeq(0), |block| {
                present += block.messages.iter().filter(|m| set.contains_uid(m.uid)).count();
            })?;
            self.problem(present > 0, || format!("mailbox {mailbox}: {present} expunged UIDs are present"));
        }
        Ok(())
    }

    fn bodies(&mut self) -> Result<()> {
        let meta = &self.reader.meta;
        let (env, hash) = (meta.open_table(ENV)?, meta.open_table(HASH)?);
        let next = global_number(&meta.open_table(GLOBAL)?, global::NEXT_BODY)?;
        for entry in meta.open_table(BODY)?.iter()? {
            let (id, row) = entry?;
            let (id, row) = (id.value(), BodyRow::decode(row.value())?);
            let counted = self.references.remove(&id).unwrap_or(0);
            let stored = row.references;
            self.problem(stored != counted || counted == 0, || {
                format!("body {id}: {stored} references, {counted} messages")
            });
            self.problem(id >= next, || format!("body {id} is not below next_body {next}"));
            self.problem(env.get(id)?.is_none(), || format!("body {id} has no record"));
            let by_hash = hash.get(&row.hash)?.map(|found| found.value());
            self.problem(by_hash != Some(id), || format!("body {id} is not found by its hash"));
            self.bodies.insert(id, row);
        }
        for (body, _) in std::mem::take(&mut self.references) {
            self.problem(true, || format!("body {body} is missing, but messages have it"));
        }
        for entry in meta.open_table(DEAD)?.iter()? {
            let (id, row) = entry?;
            let id = id.value();
            self.problem(self.bodies.contains_key(&id), || format!("body {id} is alive and dead"));
            self.dead.insert(id, DeadRow::decode(row.value())?.body);
        }
        for entry in hash.iter()? {
            let id = entry?.1.value();
            self.problem(!self.bodies.contains_key(&id), || format!("a hash leads to body {id}, which is not there"));
        }
        for entry in env.iter()? {
            let id = entry?.0.value();
            let is_known = self.bodies.contains_key(&id) || self.dead.contains_key(&id);
            self.problem(!is_known, || format!("a record of body {id}, which is not there"));
        }
        Ok(())
    }

    fn ledger(&mut self) -> Result<()> {
        let next = global_number(&self.reader.meta.open_table(GLOBAL)?, global::NEXT_BODY)?;
        for entry in self.reader.meta.open_table(UIDL)?.iter()? {
            let (key, row) = entry?;
            let account = key.value().0;
            let row = UidlRow::decode(row.value())?;
            self.problem(!self.accounts.contains_key(&account), || {
                format!("a ledger row of account {account}, which is not there")
            });
            let body = row.body.0;
            let is_skipped = row.state == LedgerState::Skipped;
            self.problem((body == 0) != is_skipped || body >= next, || {
                format!("a ledger row of account {account} names body {body}")
            });
        }
        for entry in self.reader.meta.open_table(TROUBLE)?.iter()? {
            let (key, row) = entry?;
            Trouble::decode(row.value())?;
            let account = key.value().0;
            let is_known = self.accounts.contains_key(&account);
            self.problem(!is_known, || format!("a message in trouble of account {account}, which is not there"));
        }
        for entry in self.reader.meta.open_table(POLL_STATE)?.iter()? {
            let (key, row) = entry?;
            PollState::decode(row.value())?;
            let account = key.value();
            let is_known = self.accounts.contains_key(&account);
            self.problem(!is_known, || format!("the state of account {account}, which is not there"));
        }
        Ok(())
    }

    /// Every body has its pieces, numbered from 0, and every piece has its body.
    fn pieces(
        &mut self,
        stream: Stream,
        kind: &'static str,
        expected: impl Fn(&BodyRow) -> u32,
        unplaced: &Unplaced,
    ) -> Result<()> {
        let mut found: HashMap<u64, u32> = HashMap::new();
        let problems = &mut self.problems;
        self.pieces.pieces(stream, &mut |body, n| {
            let pieces = found.entry(body.0).or_default();
            if *pieces != n {
                problems.push(format!("body {}: {kind} {n} is out of order", body.0));
            }
            *pieces += 1;
        })?;
        let alive: Vec<(u64, u32)> = self.bodies.iter().map(|(id, row)| (*id, expected(row))).collect();
        for (body, expected) in alive {
            let pieces = found.remove(&body).unwrap_or(0);
            self.problem(pieces != expected, || format!("body {body}: {pieces} of {expected} {kind} pieces"));
        }
        for body in found.into_keys() {
            let is_known = self.dead.contains_key(&body) || unplaced.in_flight.contains(&body) || body >= unplaced.next;
            self.problem(!is_known, || format!("{kind} pieces of body {body}, which is not there"));
        }
        Ok(())
    }
}
