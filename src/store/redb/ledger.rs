//! Rows of the ledger and what else is kept of an account.

use std::collections::HashMap;

use redb::ReadableTable;

use super::read::MetaReader;
use super::row::{DeadRow, UidlRow};
use super::schema::{POLL_STATE, TROUBLE, UIDL};
use super::twins::Role;
use super::txn::Txn;
use crate::mail::{AccountId, BodyId, MailboxId, Uid, UserId};
use crate::store::body::BodyRow;
use crate::store::error::{Error, Result};
use crate::store::ledger::{content_key, half};
use crate::store::types::{Delivered, Delivery, LedgerChange, LedgerState, NewMessage, PollState, Trouble};

impl Txn<'_> {
    pub(super) fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered> {
        let message = &delivery.message;
        let key = match &delivery.unique_id {
            Some(unique_id) => unique_id.clone(),
            None => content_key(&message.body.hash()),
        };
        let account = delivery.account;
        let user = self.mailbox(delivery.mailbox)?.user;
        self.check_account(user, account)?;
        match self.ledger_row(account, &key)? {
            None => {}
            Some(row) if row.state == LedgerState::Skipped => {}
            Some(row) if delivery.reused && !self.is_same(&row, delivery)? => {}
            Some(_) => return Ok(Delivered::Duplicate),
        }
        let (delivered, body, merged) = match self.same_message(user, delivery)? {
            Some((same, first)) => {
                let (uid, body) = (same.uid, same.body);
                self.merge_into(user, same, delivery)?;
                (Delivered::Merged(uid), body, Some(first))
            }
            None => {
                let (uid, body) = self.deliver_new(user, delivery)?;
                (Delivered::Stored(uid), body, None)
            }
        };
        self.set_trouble(account, &key, None)?;
        let state = if delivery.delete_upstream { LedgerState::DeleteWanted } else { LedgerState::Stored };
        let row = UidlRow {
            state,
            body,
            listed_size: delivery.listed_size,
            header_hash: delivery.header_hash,
            stored_at: self.now,
            content: half(&message.body.hash()),
            merged,
        };
        self.tables.uidl.insert((account.0, key.as_slice()), row.encode().as_slice())?;
        Ok(delivered)
    }

    fn deliver_new(&mut self, user: UserId, delivery: &Delivery) -> Result<(Uid, BodyId)> {
        let message = &delivery.message;
        let appended = self.append(delivery.mailbox, std::slice::from_ref(message))?;
        let uid = appended.uids.first().copied();
        let uid = uid.ok_or_else(|| Error::Internal("a message just delivered has no UID".to_owned()))?;
        if let Some(key) = delivery.merge.filter(|_| self.role(delivery.mailbox).is_ok_and(|role| role == Role::Inbox))
        {
            self.tables.merge.insert((user.0, &key), uid.value())?;
        }
        let by_hash = self.tables.hash.get(&message.body.row.hash)?.map(|id| BodyId(id.value()));
        Ok((uid, by_hash.ok_or_else(|| Error::Internal("a body just placed has no hash".to_owned()))?))
    }

    pub(super) fn change_ledger(&mut self, account: AccountId, changes: &[LedgerChange]) -> Result<()> {
        for change in changes {
            match change {
                LedgerChange::SetState(unique_id, state) => {
                    let Some(row) = self.ledger_row(account, unique_id)? else { continue };
                    // What is stored and what was skipped never turn into each other by a state alone.
                    if (row.state == LedgerState::Skipped) == (*state == LedgerState::Skipped) {
                        self.put_ledger_row(account, unique_id, &UidlRow { state: *state, ..row })?;
                    }
                }
                LedgerChange::Forget(unique_id) => {
                    self.mark_written();
                    self.tables.uidl.remove((account.0, unique_id.as_slice()))?;
                }
                LedgerChange::Skip { unique_id, listed_size, header_hash } => {
                    if self.ledger_row(account, unique_id)?.is_none() {
                        let (listed_size, header_hash) = (*listed_size, *header_hash);
                        let (state, body, stored_at) = (LedgerState::Skipped, BodyId(0), self.now);
                        let row = UidlRow {
                            state,
                            body,
                            listed_size,
                            header_hash,
                            stored_at,
                            content: [0; 16],
                            merged: None,
                        };
                        self.put_ledger_row(account, unique_id, &row)?;
                    }
                }
                LedgerChange::Resize(unique_id, listed_size) => {
                    let Some(row) = self.ledger_row(account, unique_id)? else { continue };
                    self.put_ledger_row(account, unique_id, &UidlRow { listed_size: *listed_size, ..row })?;
                }
                LedgerChange::EndFirstPoll => {
                    self.change_poll_state(account, |state| state.first_poll_done = true)?;
                }
                LedgerChange::Adopt { from, to } if from == to => {}
                LedgerChange::Adopt { from, to } => {
                    let Some(row) = self.ledger_row(account, from)? else { continue };
                    if self.ledger_row(account, to)?.is_some_and(|known| known.state != LedgerState::Skipped) {
                        continue;
                    }
                    let state = if row.state == LedgerState::Skipped { row.state } else { LedgerState::Stored };
                    self.put_ledger_row(account, to, &UidlRow { state, ..row })?;
                    self.tables.uidl.remove((account.0, from.as_slice()))?;
                }
            }
        }
        Ok(())
    }

    /// Delivers what could be had of a message that cannot be fetched, and the notice beside it, and remembers that.
    pub(super) fn quarantine(
        &mut self,
        account: AccountId,
        key: &[u8],
        mailbox: MailboxId,
        messages: &[NewMessage],
    ) -> Result<()> {
        let user = self.mailbox(mailbox)?.user;
        self.check_account(user, account)?;
        let trouble = self.trouble(account, key)?.unwrap_or_default();
        if !trouble.is_quarantined {
            self.append(mailbox, messages)?;
        }
        let trouble = Trouble { last_try: self.now, is_quarantined: true, ..trouble };
        self.set_trouble(account, key, Some(trouble))
    }

    fn trouble(&self, account: AccountId, key: &[u8]) -> Result<Option<Trouble>> {
        let found = self.tables.trouble.get((account.0, key))?;
        found.map(|row| Trouble::decode(row.value())).transpose()
    }

    pub(super) fn set_trouble(&mut self, account: AccountId, key: &[u8], trouble: Option<Trouble>) -> Result<()> {
        match trouble {
            Some(trouble) => {
                self.mark_written();
                self.tables.trouble.insert((account.0, key), trouble.encode().as_slice())?;
            }
            None if self.tables.trouble.get((account.0, key))?.is_some() => {
                self.mark_written();
                self.tables.trouble.remove((account.0, key))?;
            }
            None => {}
        }
        Ok(())
    }

    pub(super) fn change_poll_state(
        &mut self,
        account: AccountId,
        change: impl FnOnce(&mut PollState),
    ) -> Result<PollState> {
        let found = self.tables.poll_state.get(account.0)?;
        let before = found.map(|row| PollState::decode(row.value())).transpose()?.unwrap_or_default();
        let mut state = before;
        change(&mut state);
        if state != before {
            self.mark_written();
            self.tables.poll_state.insert(account.0, state.encode().as_slice())?;
        }
        Ok(state)
    }

    /// Whether the message of this row is the one delivered. Where nothing is known of its octets the header decides.
    fn is_same(&self, row: &UidlRow, delivery: &Delivery) -> Result<bool> {
        if row.content != [0; 16] {
            return Ok(row.content == half(&delivery.message.body.hash()));
        }
        let alive = self.tables.body.get(row.body.0)?.map(|row| BodyRow::decode(row.value())).transpose()?;
        let dead = self.tables.dead.get(row.body.0)?.map(|row| DeadRow::decode(row.value())).transpose()?;
        let known = alive.or_else(|| dead.map(|row| row.body));
        Ok(known.map_or(row.header_hash == delivery.header_hash, |known| known.hash == delivery.message.body.hash()))
    }

    fn ledger_row(&self, account: AccountId, unique_id: &[u8]) -> Result<Option<UidlRow>> {
        let found = self.tables.uidl.get((account.0, unique_id))?;
        found.map(|row| UidlRow::decode(row.value())).transpose()
    }

    fn put_ledger_row(&mut self, account: AccountId, unique_id: &[u8], row: &UidlRow) -> Result<()> {
        self.mark_written();
        self.tables.uidl.insert((account.0, unique_id), row.encode().as_slice())?;
        Ok(())
    }
}

impl MetaReader {
    pub(super) fn troubles(&self, account: AccountId) -> Result<HashMap<Vec<u8>, Trouble>> {
        let table = self.meta.open_table(TROUBLE)?;
        let rows = table.range((account.0, &[][..])..(account.0 + 1, &[][..]))?;
        rows.map(|entry| {
            let (key, row) = entry?;
            Ok((key.value().1.to_vec(), Trouble::decode(row.value())?))
        })
        .collect()
    }

    pub(super) fn content_of(&self, account: AccountId, unique_id: &[u8]) -> Result<[u8; 16]> {
        let found = self.meta.open_table(UIDL)?.get((account.0, unique_id))?;
        Ok(found.map(|row| UidlRow::decode(row.value())).transpose()?.map_or([0; 16], |row| row.content))
    }

    pub(super) fn poll_state(&self, account: AccountId) -> Result<PollState> {
        let found = self.meta.open_table(POLL_STATE)?.get(account.0)?;
        Ok(found.map(|row| PollState::decode(row.value())).transpose()?.unwrap_or_default())
    }
}
