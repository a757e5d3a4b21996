//! The ledger and what else is kept of an account (I3).

use super::txn::Txn;
use crate::mail::{AccountId, MailboxId};
use crate::store::error::{Error, Result};
use crate::store::ledger::{content_key, half};
use crate::store::types::{
    Delivered, Delivery, LedgerChange, LedgerRow, LedgerState, NewMessage, Place, PollState, Trouble,
};

impl Txn<'_> {
    pub(super) fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered> {
        let (account, message) = (delivery.account, &delivery.message);
        let user = self.state.mailbox(delivery.mailbox)?.user;
        self.state.check_account(user, account)?;
        let hash = message.body.hash();
        let key = delivery.unique_id.clone().unwrap_or_else(|| content_key(&hash));
        if self.account_mut(account)?.ledger.get(&key).is_some_and(|row| is_known(row, delivery)) {
            return Ok(Delivered::Duplicate);
        }
        let (delivered, body, merged) = match self.same_message(user, delivery)? {
            Some((same, first)) => {
                let (uid, body) = (same.uid, same.body);
                self.merge_into(user, same, delivery)?;
                (Delivered::Merged(uid), Some(body), Some(first))
            }
            None => {
                let appended = self.append(delivery.mailbox, std::slice::from_ref(message))?;
                let uid = *appended.uids.first().ok_or(Error::Limit("UIDs of a mailbox"))?;
                self.remember(user, delivery, uid)?;
                (Delivered::Stored(uid), self.state.bodies.by_hash.get(&hash).copied(), None)
            }
        };
        let row = LedgerRow {
            state: if delivery.delete_upstream { LedgerState::DeleteWanted } else { LedgerState::Stored },
            place: Place::NotAsked,
            body,
            listed_size: delivery.listed_size,
            header_hash: delivery.header_hash,
            stored_at: self.now,
            content: half(&hash),
            merged,
        };
        let account = self.account_mut(account)?;
        account.troubles.remove(&key);
        account.ledger.insert(key, row);
        Ok(delivered)
    }

    pub(super) fn change_ledger(&mut self, account: AccountId, change: &LedgerChange) -> Result<()> {
        let now = self.now;
        let found = self.account_mut(account)?;
        let ledger = &mut found.ledger;
        match change {
            LedgerChange::SetState(unique_id, state) => {
                let row = ledger.get_mut(unique_id);
                // What is stored and what was skipped never turn into each other by a state alone.
                let is_skipped = *state == LedgerState::Skipped;
                if let Some(row) = row.filter(|row| (row.state == LedgerState::Skipped) == is_skipped) {
                    row.state = *state;
                }
            }
            LedgerChange::Forget(unique_id) => drop(ledger.remove(unique_id)),
            LedgerChange::Skip { unique_id, listed_size, header_hash } => {
                ledger.entry(unique_id.clone()).or_insert_with(|| LedgerRow {
                    state: LedgerState::Skipped,
                    place: Place::NotAsked,
                    body: None,
                    listed_size: *listed_size,
                    header_hash: *header_hash,
                    stored_at: now,
                    content: [0; 16],
                    merged: None,
                });
            }
            LedgerChange::Resize(unique_id, listed_size) => {
                if let Some(row) = ledger.get_mut(unique_id) {
                    row.listed_size = *listed_size;
                }
            }
            LedgerChange::EndFirstPoll => found.poll_state.first_poll_done = true,
            LedgerChange::Adopt { from, to } => {
                let is_taken = ledger.get(to).is_some_and(|row| row.state != LedgerState::Skipped);
                if from == to || is_taken {
                    return Ok(());
                }
                if let Some(mut row) = ledger.remove(from) {
                    if row.state != LedgerState::Skipped {
                        row.state = LedgerState::Stored;
                    }
                    ledger.insert(to.clone(), row);
                }
            }
        }
        Ok(())
    }

    pub(super) fn set_trouble(&mut self, account: AccountId, key: &[u8], trouble: Option<Trouble>) -> Result<()> {
        let troubles = &mut self.account_mut(account)?.troubles;
        match trouble {
            Some(trouble) => troubles.insert(key.to_vec(), trouble),
            None => troubles.remove(key),
        };
        Ok(())
    }

    pub(super) fn quarantine(
        &mut self,
        account: AccountId,
        key: &[u8],
        mailbox: MailboxId,
        messages: &[NewMessage],
    ) -> Result<()> {
        let user = self.state.mailbox(mailbox)?.user;
        self.state.check_account(user, account)?;
        let trouble = self.account_mut(account)?.troubles.get(key).copied().unwrap_or_default();
        if !trouble.is_quarantined {
            self.append(mailbox, messages)?;
        }
        let trouble = Trouble { last_try: self.now, is_quarantined: true, ..trouble };
        self.set_trouble(account, key, Some(trouble))
    }

    pub(super) fn change_poll_state(
        &mut self,
        account: AccountId,
        change: impl Fn(&mut PollState),
    ) -> Result<PollState> {
        let state = &mut self.account_mut(account)?.poll_state;
        change(state);
        Ok(*state)
    }
}

/// Whether what this row names is the message delivered.
fn is_known(row: &LedgerRow, delivery: &Delivery) -> bool {
    let is_other = delivery.reused && row.content != half(&delivery.message.body.hash());
    row.state != LedgerState::Skipped && !is_other
}
