//! Invariants that the files can show, for `tributary check` and for tests. One line a violation; names ids, never
//! message text or addresses (I10).

mod bodies;
mod ledger;
mod marks;
mod messages;
mod twins;

use std::collections::{HashMap, HashSet};

use redb::ReadableTable;

use super::open::global_number;
use super::read::MetaReader;
use super::row::{MailboxRow, UserState};
use super::schema::{ACCOUNT, GLOBAL, MAILBOX, MAILBOX_NAME, ReadTable, USER, USER_STATE, global};
use crate::mail::{MailboxId, UserId};
use crate::store::body::{BodyRow, Unplaced};
use crate::store::check::{Fix, Problem};
use crate::store::error::{Error, Result};
use crate::store::seam::BodyRead;

/// A check in progress.
pub(in crate::store::redb) struct Check<'r> {
    reader: &'r MetaReader,
    names: ReadTable<(u32, &'static str), u32>,
    pieces: &'r dyn BodyRead,
    problems: Vec<Problem>,
    mailboxes: HashMap<u32, MailboxRow>,
    users: HashMap<u32, UserState>,
    /// Account -> user.
    accounts: HashMap<u32, u32>,
    /// Mailboxes that are views: of whom, of which account.
    views: HashMap<u32, (u32, u32)>,
    /// Message rows of each body.
    references: HashMap<u64, u32>,
    bodies: HashMap<u64, BodyRow>,
    dead: HashMap<u64, BodyRow>,
}

impl<'r> Check<'r> {
    pub(in crate::store::redb) fn new(reader: &'r MetaReader, pieces: &'r dyn BodyRead) -> Result<Self> {
        Ok(Self {
            reader,
            names: reader.meta.open_table(MAILBOX_NAME)?,
            pieces,
            problems: Vec::new(),
            mailboxes: HashMap::new(),
            users: HashMap::new(),
            accounts: HashMap::new(),
            views: HashMap::new(),
            references: HashMap::new(),
            bodies: HashMap::new(),
            dead: HashMap::new(),
        })
    }

    /// Checks everything but the octets of bodies.
    pub(in crate::store::redb) fn run(mut self, unplaced: &Unplaced) -> Result<Vec<Problem>> {
        self.users_and_accounts()?;
        self.mailboxes()?;
        self.views()?;
        self.messages()?;
        self.twins()?;
        self.expunge_log()?;
        self.bodies()?;
        self.ledger()?;
        self.metadata()?;
        self.threads()?;
        self.pieces(unplaced)?;
        Ok(self.problems)
    }

    /// `fix` is `None` where only a person can decide.
    fn problem(&mut self, is_wrong: bool, fix: impl Into<Option<Fix>>, what: impl FnOnce() -> String) {
        if is_wrong {
            self.problems.push(Problem { what: what(), fix: fix.into() });
        }
    }

    /// A row, or a problem where it cannot be read.
    fn decoded<T>(
        &mut self,
        row: Result<T>,
        fix: impl Into<Option<Fix>>,
        what: impl FnOnce() -> String,
    ) -> Result<Option<T>> {
        match row {
            Ok(row) => Ok(Some(row)),
            Err(Error::Damaged(_)) => {
                self.problem(true, fix, || format!("{} cannot be read", what()));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn users_and_accounts(&mut self) -> Result<()> {
        for entry in self.reader.meta.open_table(USER)?.iter()? {
            let id = entry?.1.value();
            let Some(row) = self.reader.meta.open_table(USER_STATE)?.get(id)? else {
                self.problem(true, None, || format!("user {id} has no state"));
                continue;
            };
            let decoded = UserState::decode(row.value());
            let Some(state) = self.decoded(decoded, None, || format!("the state of user {id}"))? else { continue };
            let is_double =
                state.keywords.iter().enumerate().any(|(i, k)| state.keywords.iter().skip(i + 1).any(|o| o == k));
            self.problem(is_double, None, || format!("user {id} has a keyword twice"));
            self.users.insert(id, state);
        }
        for entry in self.reader.meta.open_table(ACCOUNT)?.iter()? {
            let (key, id) = entry?;
            let (user, id) = (key.value().0, id.value());
            self.problem(!self.users.contains_key(&user), None, || format!("account {id} belongs to no user"));
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
            let id = id.value();
            let decoded = MailboxRow::decode(row.value());
            let Some(row) = self.decoded(decoded, None, || format!("mailbox {id}"))? else { continue };
            let fix = Fix::Counters(MailboxId(id));
            let counts = &row.counts;
            let found = self.names.get((row.user.0, row.name.as_str()))?.map(|found| found.value());
            self.problem(found != Some(id), Fix::Names, || format!("mailbox {id} is not found by its name"));
            self.problem(u64::from(id) >= next, Fix::Ids, || format!("mailbox {id} is not below next_mailbox {next}"));
            let validity = row.uid_validity.value();
            self.problem(u64::from(validity) > last_validity, Fix::Ids, || {
                format!("mailbox {id}: UIDVALIDITY from the future")
            });
            self.problem(!validities.insert(validity), None, || {
                format!("mailbox {id}: UIDVALIDITY of another mailbox")
            });
            let counter = self.users.get(&row.user.0).map_or(0, |user| user.mod_seq.0);
            let highest = counts.highest_mod_seq.0;
            self.problem(highest == 0 || highest > counter, fix, || {
                format!("mailbox {id}: HIGHESTMODSEQ {highest}, counter {counter}")
            });
            self.problem(counts.uid_next == 0, fix, || format!("mailbox {id}: UIDNEXT 0"));
            self.mailboxes.insert(id, row);
        }
        for entry in self.reader.meta.open_table(MAILBOX_NAME)?.iter()? {
            let (key, id) = entry?;
            let ((user, name), id) = (key.value(), id.value());
            let is_same =
                self.mailboxes.get(&id).is_some_and(|row| row.user == UserId(user) && row.name.as_str() == name);
            self.problem(!is_same, Fix::Names, || format!("a mailbox name leads to mailbox {id}, which has another"));
        }
        Ok(())
    }
}
