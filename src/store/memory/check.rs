//! Invariants, as `redb` checks them of its rows: of this back-end they show that its operations keep them.

use std::collections::{BTreeMap, HashSet};

use super::state::{Mailbox, State};
use crate::mail::{BodyId, Flags, MailboxId, Message, UidSet, UserId};
use crate::store::body::Unplaced;
use crate::store::check::Problem;
use crate::store::common::{count, counted};
use crate::store::error::Result;
use crate::store::seam::BodyRead;
use crate::store::types::{Counts, LedgerState, Place};

/// Proposes no fixes: nothing here is damaged by a disk.
pub(super) fn check(state: &State, pieces: &dyn BodyRead, unplaced: &Unplaced) -> Result<Vec<Problem>> {
    let mut check = Check { state, problems: Vec::new() };
    check.names();
    check.marks();
    state.mailboxes.iter().for_each(|(id, mailbox)| check.mailbox(*id, mailbox));
    state.users.keys().for_each(|user| check.twins(*user));
    check.bodies();
    check.ledger();
    check.pieces(pieces, unplaced)?;
    Ok(check.problems)
}

fn is_twin(m: &Message, of: Option<&&Message>, inbox: MailboxId) -> bool {
    let shared = |m: &Message| m.flags.without(Flags::DELETED);
    of.is_some_and(|of| {
        let (uid, mod_seq, saved, flags) = (m.uid, m.mod_seq, m.saved, m.flags);
        let expected = Message { uid, mod_seq, saved, flags, twin: Some((inbox, of.uid)), ..(*of).clone() };
        *m == expected && shared(m) == shared(of)
    })
}

struct Check<'s> {
    state: &'s State,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn problem(&mut self, is_wrong: bool, what: impl FnOnce() -> String) {
        if is_wrong {
            self.problems.push(what().into());
        }
    }

    /// Names lead to mailboxes and mailboxes to names, and no UIDVALIDITY is there twice (I4).
    fn names(&mut self) {
        let mut validities = HashSet::new();
        for (id, mailbox) in &self.state.mailboxes {
            let found = self.state.users.get(&mailbox.user).and_then(|user| user.mailboxes.get(&mailbox.name));
            self.problem(found != Some(id), || format!("mailbox {} is not found by its name", id.0));
            let value = mailbox.uid_validity.value();
            let is_new = validities.insert(value) && value <= self.state.last_uid_validity;
            self.problem(!is_new, || format!("mailbox {}: UIDVALIDITY", id.0));
        }
        for (id, user) in &self.state.users {
            let names = user.mailboxes.len();
            let mailboxes = self.state.mailboxes.values().filter(|mailbox| mailbox.user == *id).count();
            self.problem(names != mailboxes, || format!("user {}: {names} names, {mailboxes} mailboxes", id.0));
        }
    }

    fn marks(&mut self) {
        let last = self.state.last_thread;
        for (id, user) in &self.state.users {
            let is_own = |mailbox: &MailboxId| self.state.mailboxes.get(mailbox).is_some_and(|row| row.user == *id);
            let is_stray = !user.metadata.keys().flatten().all(is_own);
            self.problem(is_stray, || format!("user {}: annotations of a mailbox that is not there", id.0));
            let is_wrong = user.threads.values().any(|thread| thread.0 == 0 || thread.0 > last);
            self.problem(is_wrong, || format!("user {}: a conversation from the future", id.0));
        }
    }

    fn mailbox(&mut self, id: MailboxId, mailbox: &Mailbox) {
        let at = || format!("mailbox {}", id.0);
        let user = self.state.users.get(&mailbox.user);
        let (counter, keywords) = user.map_or((0, 0), |user| (user.mod_seq.0, user.keywords.len()));
        let stored = mailbox.counts;
        let Counts { uid_next, highest_mod_seq, recent_from, .. } = stored;
        let mut rows = Counts { uid_next, highest_mod_seq, recent_from, ..Counts::default() };
        self.problem(highest_mod_seq.0 == 0 || highest_mod_seq.0 > counter, || format!("{}: HIGHESTMODSEQ", at()));
        for (uid, m) in &mailbox.messages {
            count(&mut rows, m, true);
            let uid = uid.value();
            self.problem(uid != m.uid.value() || uid >= uid_next, || format!("{}: UID {uid}", at()));
            self.problem(m.mod_seq.0 == 0 || m.mod_seq > highest_mod_seq, || {
                format!("{}: mod-sequence of UID {uid}", at())
            });
            let is_unknown = m.keywords.iter().any(|bit| bit >= keywords);
            self.problem(is_unknown, || format!("{}: UID {uid} has a keyword that the table lacks", at()));
            let is_foreign = m.account.is_some_and(|account| self.state.check_account(mailbox.user, account).is_err());
            self.problem(is_foreign, || format!("{}: account of UID {uid}", at()));
        }
        self.problem(stored != rows, || format!("{}: counters {stored:?}, rows say {rows:?}", at()));
        let log = &mailbox.expunged;
        let is_ascending = log.is_sorted_by(|a, b| a.0 < b.0) && log.iter().all(|(at, _)| *at <= highest_mod_seq);
        self.problem(!is_ascending, || format!("{}: mod-sequences of the expunge log", at()));
        let gone: UidSet = log.iter().flat_map(|(_, uids)| uids.ranges()).copied().collect();
        let is_double = log.iter().map(|(_, uids)| uids.len()).sum::<u64>() != gone.len();
        self.problem(is_double, || format!("{}: a UID was expunged twice", at()));
        let present = mailbox.within(&gone).count();
        self.problem(present > 0, || format!("{}: {present} expunged UIDs are present", at()));
    }

    /// Every message of INBOX has a twin in the view of each of its accounts, and every message of a view is one.
    fn twins(&mut self, user: UserId) {
        let Ok(inbox) = self.state.inbox(user) else { return };
        let (Ok(own), Ok(messages)) = (self.state.user(user), self.state.mailbox(inbox)) else { return };
        for (uid, account) in own.merged.keys() {
            let first = messages.messages.get(uid).and_then(|m| m.account);
            let is_wrong = first.is_none_or(|first| first == *account);
            self.problem(is_wrong, || format!("user {}: accounts of UID {}", user.0, uid.value()));
        }
        for m in messages.messages.values() {
            let view = m.account.and_then(|account| own.views.get(&account)).map(|view| view.mailbox);
            self.problem(m.twin.map(|twin| twin.0) != view, || {
                format!("user {}: twin of UID {}", user.0, m.uid.value())
            });
        }
        for (account, view) in &own.views {
            let mut expected = BTreeMap::new();
            for m in messages.messages.values() {
                let twin = match own.merged.get(&(m.uid, *account)) {
                    Some(twin) => *twin,
                    None if m.account == Some(*account) => m.twin.map(|twin| twin.1),
                    None => continue,
                };
                expected.insert(twin, m);
            }
            let there = self.state.mailbox(view.mailbox).map(|found| &found.messages);
            let is_right = there.is_ok_and(|there| {
                there.len() == expected.len() && there.values().all(|m| is_twin(m, expected.get(&Some(m.uid)), inbox))
            });
            self.problem(!is_right, || format!("mailbox {}: messages that are not those of INBOX", view.mailbox.0));
        }
    }

    fn bodies(&mut self) {
        let with_bodies = self.state.mailboxes.iter().filter(|(id, _)| self.state.view_of(**id).is_none());
        let messages = with_bodies.flat_map(|(_, mailbox)| mailbox.messages.values());
        let mut references = counted(messages.map(|m| m.body));
        let bodies = &self.state.bodies;
        for (id, body) in &bodies.rows {
            let (stored, counted) = (body.row.references, references.remove(id).unwrap_or(0));
            let is_alive = body.dead_since.is_none();
            self.problem(stored != counted || is_alive != (counted > 0), || {
                format!("body {}: {stored} references, {counted} messages", id.0)
            });
            self.problem(is_alive && body.record.is_none(), || format!("body {} has no record", id.0));
            let is_found = bodies.by_hash.get(&body.row.hash) == Some(id);
            self.problem(is_alive != is_found, || format!("body {}: found by its hash: {is_found}", id.0));
        }
        for body in references.into_keys() {
            self.problem(true, || format!("body {} is missing, but messages have it", body.0));
        }
        let is_stale = bodies.by_hash.values().any(|id| !bodies.rows.contains_key(id));
        self.problem(is_stale, || "a hash leads to a body which is not there".to_owned());
    }

    fn ledger(&mut self) {
        for (id, account) in &self.state.accounts {
            let is_unknown = !self.state.users.contains_key(&account.user);
            self.problem(is_unknown, || format!("account {} belongs to no user", id.0));
            for row in account.ledger.values() {
                let is_whole =
                    row.body.is_none() == (row.state == LedgerState::Skipped) && row.place == Place::NotAsked;
                self.problem(!is_whole, || format!("a ledger row of account {} names body {:?}", id.0, row.body));
            }
        }
    }

    /// Every body has its pieces, numbered from 0, and every piece has its body.
    fn pieces(&mut self, pieces: &dyn BodyRead, unplaced: &Unplaced) -> Result<()> {
        let mut found: BTreeMap<BodyId, Vec<u32>> = BTreeMap::new();
        pieces.pieces(&mut |body, n, _| found.entry(body).or_default().push(n))?;
        for (id, body) in self.state.bodies.rows.iter().filter(|(_, body)| body.dead_since.is_none()) {
            let there = found.remove(id).unwrap_or_default();
            let is_whole = there.iter().copied().eq(0..body.row.chunks);
            self.problem(!is_whole, || format!("body {}: pieces {there:?}", id.0));
        }
        for id in found.into_keys() {
            let is_known = self.state.bodies.rows.contains_key(&id);
            let is_to_come = unplaced.in_flight.contains(&id.0) || id.0 >= unplaced.next;
            self.problem(!is_known && !is_to_come, || format!("pieces of body {}, which is not there", id.0));
        }
        Ok(())
    }
}
