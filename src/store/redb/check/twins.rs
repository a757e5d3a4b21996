//! Account views: every message of INBOX has a twin in the view of each of its accounts, and every message of a view is one.

use std::collections::{BTreeMap, HashMap};

use redb::ReadableTable;

use super::super::schema::{MAILBOX_NAME, MERGE, TWIN, VIEW};
use super::super::twins::twin_of;
use super::Check;
use crate::mail::{AccountId, Flags, MailboxId, Message, ModSeq, UserId};
use crate::store::check::Fix;
use crate::store::error::{Error, Result};

/// What accounts a message of INBOX is of beside its first: by UID, account and UID there.
type Merged = BTreeMap<u32, Vec<(u32, u32)>>;

impl Check<'_> {
    /// Views and accounts lead to each other. Before the messages, as bodies are not counted in views.
    pub(super) fn views(&mut self) -> Result<()> {
        for entry in self.reader.meta.open_table(VIEW)?.iter()? {
            let (key, row) = entry?;
            let ((user, account), (mailbox, _)) = (key.value(), row.value());
            let found = self.mailboxes.get(&mailbox);
            let is_own = found.is_some_and(|row| row.user.0 == user && !row.name.is_inbox())
                && self.accounts.get(&account) == Some(&user);
            let is_first = self.views.insert(mailbox, (user, account)).is_none();
            // A view is made of INBOX: what was in it is not lost with it.
            let fix = found.is_none().then_some(Fix::Twins(UserId(user)));
            self.problem(!is_own || !is_first, fix, || {
                format!("mailbox {mailbox} cannot be the view of account {account} of user {user}")
            });
        }
        Ok(())
    }

    pub(super) fn twins(&mut self) -> Result<()> {
        let mut merged: HashMap<u32, Merged> = HashMap::new();
        for entry in self.reader.meta.open_table(TWIN)?.iter()? {
            let (key, twin) = entry?;
            let (inbox, uid, account) = key.value();
            merged.entry(inbox).or_default().entry(uid).or_default().push((account, twin.value()));
        }
        let users: Vec<u32> = self.users.keys().copied().collect();
        for user in users {
            let inbox = self.reader.meta.open_table(MAILBOX_NAME)?.get((user, "INBOX"))?.map(|id| id.value());
            let Some(inbox) = inbox else { continue };
            let merged = merged.remove(&inbox).unwrap_or_default();
            let views = self.views.iter().filter(|(_, (of, _))| *of == user);
            let views: BTreeMap<u32, u32> = views.map(|(mailbox, (_, account))| (*account, *mailbox)).collect();
            if views.is_empty() && merged.is_empty() {
                continue;
            }
            match self.twins_of(UserId(user), inbox, &views, &merged) {
                // Told already where the rows were read.
                Err(Error::Damaged(_)) => {}
                done => done?,
            }
        }
        for inbox in merged.into_keys() {
            self.problem(true, None, || {
                format!("messages of mailbox {inbox}, which is no INBOX, are of more accounts")
            });
        }
        for entry in self.reader.meta.open_table(MERGE)?.iter()? {
            let user = entry?.0.value().0;
            let is_known = self.users.contains_key(&user);
            self.problem(!is_known, None, || format!("messages of user {user}, who is not there, may be one"));
        }
        Ok(())
    }

    fn twins_of(&mut self, user: UserId, inbox: u32, views: &BTreeMap<u32, u32>, merged: &Merged) -> Result<()> {
        let mut messages = Vec::new();
        self.reader.blocks(MailboxId(inbox), ModSeq(0), |block| messages.extend(block.messages))?;
        let fix = Fix::Twins(user);
        for (uid, others) in merged {
            let found = messages.binary_search_by_key(uid, |m: &Message| m.uid.value());
            let first = found.ok().and_then(|at| messages.get(at)).and_then(|m| m.account);
            let is_own = |account: &u32| self.accounts.get(account) == Some(&user.0);
            let is_right =
                |(account, _): &(u32, u32)| is_own(account) && first.is_some_and(|first| first.0 != *account);
            let is_wrong = !others.iter().all(is_right);
            self.problem(is_wrong, fix, || format!("mailbox {inbox}: accounts of UID {uid}"));
        }
        let strays = messages.iter().filter(|m| match (m.account.and_then(|account| views.get(&account.0)), m.twin) {
            (None, None) => false,
            (Some(view), Some((twin, _))) => twin.0 != *view,
            _ => true,
        });
        let strays = strays.count();
        self.problem(strays > 0, fix, || format!("mailbox {inbox}: {strays} messages have no twin, or a wrong one"));
        for (account, view) in views {
            let mut expected: BTreeMap<u32, &Message> = BTreeMap::new();
            let (mut doubles, mut others) = (0u64, 0u64);
            for m in &messages {
                let other = merged.get(&m.uid.value()).and_then(|of| of.iter().find(|(of, _)| of == account));
                let twin = match other {
                    Some((_, twin)) => Some(*twin),
                    None if m.account == Some(AccountId(*account)) => Some(m.twin.map_or(0, |(_, uid)| uid.value())),
                    None => None,
                };
                doubles += u64::from(twin.is_some_and(|uid| expected.insert(uid, m).is_some()));
            }
            self.reader.blocks(MailboxId(*view), ModSeq(0), |block| {
                for m in &block.messages {
                    let twin = expected.remove(&m.uid.value());
                    others += u64::from(!twin.is_some_and(|twin| is_twin(m, twin, inbox)));
                }
            })?;
            let wrong = doubles + others + expected.len() as u64;
            self.problem(wrong > 0, fix, || format!("mailbox {view}: {wrong} messages are not those of INBOX"));
        }
        Ok(())
    }
}

/// Whether the row of a view is what it must be for this one of INBOX.
fn is_twin(m: &Message, of: &Message, inbox: u32) -> bool {
    let expected = twin_of(of, (MailboxId(inbox), of.uid));
    let flags = m.flags.without(Flags::DELETED);
    *m == Message { uid: m.uid, mod_seq: m.mod_seq, saved: m.saved, flags: m.flags, ..expected.clone() }
        && flags == expected.flags
}
