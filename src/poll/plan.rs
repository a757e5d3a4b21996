//! What one session does with a maildrop, from its listing, the ledger and the policy. Pure.

use std::collections::{HashMap, HashSet};

use crate::pop3::{Item, Listing};
use crate::store::{LedgerRow, LedgerState};

use super::settings::LeaveOnServer;

/// The ledger of one account.
pub(super) type Ledger = HashMap<Vec<u8>, LedgerRow>;

/// Ledger rows that may vanish from one listing to the next without doubt in the listing.
const BELIEVED_LOSS: usize = 10;

/// What an account wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy<'a> {
    pub(super) leave_on_server: LeaveOnServer,
    pub(super) max_message_size: u64,
    /// Unique-ids of messages that turned out to be too long.
    pub(super) too_long: &'a HashSet<Vec<u8>>,
}

/// A message of this session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) number: u32,
    pub(super) size: Option<u64>,
    /// `None`: its content identifies it.
    pub(super) unique_id: Option<Vec<u8>>,
}

impl Target {
    fn of(item: Item<'_>) -> Self {
        Self { number: item.number, size: item.size, unique_id: item.unique_id.map(<[u8]>::to_vec) }
    }
}

/// What to do, in the order of the listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Not yet stored.
    pub(super) retrieve: Vec<Target>,
    /// Stored, and not wanted upstream any more.
    pub(super) delete: Vec<Target>,
    /// Ledger rows of messages that are gone upstream.
    pub(super) forget: Vec<Vec<u8>>,
    /// Messages that are too long.
    pub(super) too_long: u64,
    /// Most of the listing is unknown and stored messages are missing from it: the server may have given its messages
    /// new unique-ids. What is retrieved is compared with what is missing, and no row of a missing one is forgotten.
    pub(super) reset: bool,
}

/// Sorts the listing into what to do.
pub(super) fn plan(listing: &Listing, ledger: &Ledger, policy: Policy<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut listed = HashSet::with_capacity(listing.len());
    for item in listing.iter() {
        let row = item.unique_id.and_then(|id| ledger.get(id));
        listed.extend(item.unique_id);
        let remembered = item.unique_id.is_some_and(|id| policy.too_long.contains(id));
        match row {
            Some(_) => {
                // A row that is Gone and still listed: the server has not kept its word, ask again.
                if policy.leave_on_server == LeaveOnServer::Never {
                    plan.delete.push(Target::of(item));
                }
            }
            None if remembered || item.size.is_some_and(|size| size > policy.max_message_size) => plan.too_long += 1,
            None => plan.retrieve.push(Target::of(item)),
        }
    }
    let renamed = plan.retrieve.iter().filter(|target| target.unique_id.is_some()).count();
    let missing = ledger.iter().any(|(id, row)| row.state != LedgerState::Gone && is_missing(id, &listed));
    plan.reset = missing && renamed * 2 > listing.len();
    if listing.is_complete() {
        plan.forget = forgettable(ledger, &listed, plan.reset);
    }
    plan
}

/// Whether a row has a unique-id, not listed. Messages stored by their content are never listed by it.
pub(super) fn is_missing(id: &[u8], listed: &HashSet<&[u8]>) -> bool {
    id.first() != Some(&0) && !listed.contains(id)
}

/// Rows that the listing no longer shows. Where most of what should be there is missing at once, the listing is not
/// believed: to forget in error is to fetch everything again, to remember in vain costs a row.
fn forgettable(ledger: &Ledger, listed: &HashSet<&[u8]>, reset: bool) -> Vec<Vec<u8>> {
    let expected = ledger.values().filter(|row| row.state != LedgerState::Gone).count();
    let lost = ledger.iter().filter(|(id, row)| row.state != LedgerState::Gone && is_missing(id, listed)).count();
    let doubtful = reset || (lost > BELIEVED_LOSS && lost * 2 > expected);
    let gone = |row: &LedgerRow| row.state == LedgerState::Gone || !doubtful;
    ledger.iter().filter(|(id, row)| is_missing(id, listed) && gone(row)).map(|(id, _)| id.clone()).collect()
}
