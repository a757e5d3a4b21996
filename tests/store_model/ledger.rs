//! What the model keeps of an account.

use std::collections::BTreeMap;

use tributary::store::{LedgerState, PollState};

use crate::op::Change;
use crate::view::{key, state};

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) state: LedgerState,
    pub(crate) size: u64,
    pub(crate) header: u8,
    pub(crate) body: Option<(u8, u32)>,
    /// What the body is compared with; another than what was delivered where that is one with another message.
    pub(crate) content: Option<u8>,
    /// The account whose message it is.
    pub(crate) of: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) ledger: BTreeMap<Vec<u8>, Row>,
    pub(crate) troubles: BTreeMap<Vec<u8>, (u32, i64, bool)>,
    pub(crate) poll_state: PollState,
}

impl Account {
    pub(crate) fn change(&mut self, change: &Change) {
        let ledger = &mut self.ledger;
        match change {
            Change::SetState(n, to) => {
                let row = ledger.get_mut(&key(*n));
                let is_skipped = state(*to) == LedgerState::Skipped;
                if let Some(row) = row.filter(|row| (row.state == LedgerState::Skipped) == is_skipped) {
                    row.state = state(*to);
                }
            }
            Change::Forget(n) => drop(ledger.remove(&key(*n))),
            Change::Skip { key: n, size, header } => {
                let row = Row {
                    state: LedgerState::Skipped,
                    size: u64::from(*size),
                    header: *header,
                    body: None,
                    content: None,
                    of: 0,
                };
                ledger.entry(key(*n)).or_insert(row);
            }
            Change::Resize(n, size) => {
                if let Some(row) = ledger.get_mut(&key(*n)) {
                    row.size = u64::from(*size);
                }
            }
            Change::EndFirstPoll => self.poll_state.first_poll_done = true,
            Change::Adopt(from, to) => {
                let is_free = ledger.get(&key(*to)).is_none_or(|row| row.state == LedgerState::Skipped);
                if from != to
                    && is_free
                    && let Some(mut row) = ledger.remove(&key(*from))
                {
                    if row.state != LedgerState::Skipped {
                        row.state = LedgerState::Stored;
                    }
                    ledger.insert(key(*to), row);
                }
            }
        }
    }
}
