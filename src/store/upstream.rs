//! The ledger: what was taken from each maildrop, by unique-id (I3).

use redb::ReadableTable;

use super::error::{Error, Result};
use super::row::UidlRow;
use super::txn::Txn;
use super::types::{Delivered, Delivery, LedgerChange, LedgerState};
use crate::mail::{AccountId, BodyId};

/// The ledger key of a message whose server has no unique-ids. RFC 1939 section 7: a unique-id is of characters 0x21 to
/// 0x7E, so none starts with this byte.
pub fn content_key(hash: &[u8; 32]) -> Vec<u8> {
    [&[0], hash.as_slice()].concat()
}

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
        if self.tables.uidl.get((account.0, key.as_slice()))?.is_some() {
            return Ok(Delivered::Duplicate);
        }
        let appended = self.append(delivery.mailbox, std::slice::from_ref(message))?;
        let state = if delivery.delete_upstream { LedgerState::DeleteWanted } else { LedgerState::Stored };
        let by_hash = self.tables.hash.get(&message.body.row.hash)?.map(|id| BodyId(id.value()));
        let body = by_hash.ok_or_else(|| Error::Internal("a body just placed has no hash".to_owned()))?;
        let row = UidlRow {
            state,
            body,
            listed_size: delivery.listed_size,
            header_hash: delivery.header_hash,
            stored_at: self.now,
        };
        self.tables.uidl.insert((account.0, key.as_slice()), row.encode().as_slice())?;
        Ok(appended.uids.first().map_or(Delivered::Duplicate, |uid| Delivered::Stored(*uid)))
    }

    pub(super) fn change_ledger(&mut self, account: AccountId, changes: &[LedgerChange]) -> Result<()> {
        for change in changes {
            match change {
                LedgerChange::SetState(unique_id, state) => {
                    let Some(row) = self.ledger_row(account, unique_id)? else { continue };
                    self.put_ledger_row(account, unique_id, &UidlRow { state: *state, ..row })?;
                }
                LedgerChange::Forget(unique_id) => {
                    self.mark_written();
                    self.tables.uidl.remove((account.0, unique_id.as_slice()))?;
                }
                LedgerChange::Adopt { from, to } => {
                    let Some(row) = self.ledger_row(account, from)? else { continue };
                    if self.ledger_row(account, to)?.is_some() {
                        continue;
                    }
                    self.put_ledger_row(account, to, &UidlRow { state: LedgerState::Stored, ..row })?;
                    self.tables.uidl.remove((account.0, from.as_slice()))?;
                }
            }
        }
        Ok(())
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
