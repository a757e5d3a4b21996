//! The ledger and what else is kept of accounts.

use redb::ReadableTable;

use super::super::open::global_number;
use super::super::row::UidlRow;
use super::super::schema::{GLOBAL, POLL_STATE, TROUBLE, UIDL, global};
use super::Check;
use crate::store::error::Result;
use crate::store::types::{LedgerState, PollState, Trouble};

impl Check<'_> {
    pub(super) fn ledger(&mut self) -> Result<()> {
        let next = global_number(&self.reader.meta.open_table(GLOBAL)?, global::NEXT_BODY)?;
        for entry in self.reader.meta.open_table(UIDL)?.iter()? {
            let (key, row) = entry?;
            let account = key.value().0;
            let decoded = UidlRow::decode(row.value());
            let what = || format!("a ledger row of account {account}");
            let Some(row) = self.decoded(decoded, None, what)? else { continue };
            self.problem(!self.accounts.contains_key(&account), None, || {
                format!("a ledger row of account {account}, which is not there")
            });
            let others = row.merged.map(|other| self.accounts.get(&other.0));
            self.problem(others.is_some_and(|other| other != self.accounts.get(&account)), None, || {
                format!("a ledger row of account {account} is one with a message of an account of another user")
            });
            let body = row.body.0;
            let is_skipped = row.state == LedgerState::Skipped;
            self.problem((body == 0) != is_skipped || body >= next, None, || {
                format!("a ledger row of account {account} names body {body}")
            });
        }
        for entry in self.reader.meta.open_table(TROUBLE)?.iter()? {
            let (key, row) = entry?;
            let account = key.value().0;
            let what = || format!("a message in trouble of account {account}");
            self.decoded(Trouble::decode(row.value()), None, what)?;
            let is_known = self.accounts.contains_key(&account);
            self.problem(!is_known, None, || format!("a message in trouble of account {account}, which is not there"));
        }
        for entry in self.reader.meta.open_table(POLL_STATE)?.iter()? {
            let (key, row) = entry?;
            let account = key.value();
            self.decoded(PollState::decode(row.value()), None, || format!("the state of account {account}"))?;
            let is_known = self.accounts.contains_key(&account);
            self.problem(!is_known, None, || format!("the state of account {account}, which is not there"));
        }
        Ok(())
    }
}
