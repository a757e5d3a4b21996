//! What every back-end limits, counts and answers in the same way.

use std::collections::BTreeMap;

use super::error::{Error, Result};
use super::types::Counts;
use crate::mail::{BodyId, Flags, MAX_UID, Message, UidSet, UidValidity};

/// The most mailboxes a user may have: CREATE is a client's to repeat.
pub(super) const MAX_MAILBOXES: usize = 10_000;

/// The most names a user may be subscribed to: they need not exist.
pub(super) const MAX_SUBSCRIPTIONS: usize = 10_000;

/// The largest UIDVALIDITY: 31 bits, because some clients store it signed.
const MAX_UID_VALIDITY: u64 = 0x7fff_ffff;

/// Every UID there can be.
pub(super) fn all_uids() -> UidSet {
    UidSet::from_iter([(1, MAX_UID)])
}

/// Whether the mailbox has UIDs for so many more messages.
pub(super) fn check_uids(counts: &Counts, more: usize) -> Result<()> {
    let next = u64::from(counts.uid_next);
    if next + more as u64 > u64::from(MAX_UID) + 1 { Err(Error::Limit("UIDs of a mailbox")) } else { Ok(()) }
}

/// A UIDVALIDITY larger than any before: from the clock, so that it stays so when a store is begun anew (I4).
pub(super) fn uid_validity_after(last: u64, now: i64) -> Result<UidValidity> {
    let clock = u64::try_from(now).unwrap_or(0).min(MAX_UID_VALIDITY);
    let next = u32::try_from(clock.max(last + 1)).ok().filter(|next| u64::from(*next) <= MAX_UID_VALIDITY);
    next.and_then(UidValidity::new).ok_or(Error::Limit("UIDVALIDITY"))
}

/// How often each body occurs, ascending.
pub(super) fn counted(bodies: impl Iterator<Item = BodyId>) -> BTreeMap<BodyId, u32> {
    let mut counts = BTreeMap::new();
    for body in bodies {
        *counts.entry(body).or_default() += 1;
    }
    counts
}

/// Adds a message to the counters, or takes it away.
pub(super) fn count(counts: &mut Counts, message: &Message, is_added: bool) {
    let unseen = u32::from(!message.flags.contains(Flags::SEEN));
    let deleted = u32::from(message.flags.contains(Flags::DELETED));
    let size = u64::from(message.size);
    if is_added {
        counts.exists += 1;
        counts.unseen += unseen;
        counts.deleted += deleted;
        counts.size += size;
    } else {
        counts.exists = counts.exists.saturating_sub(1);
        counts.unseen = counts.unseen.saturating_sub(unseen);
        counts.deleted = counts.deleted.saturating_sub(deleted);
        counts.size = counts.size.saturating_sub(size);
    }
}

/// The UIDs asked for that were given out and are not `found`.
pub(super) fn missing(asked: &UidSet, found: &UidSet, uid_next: u32) -> UidSet {
    let given = UidSet::from_iter((uid_next > 1).then(|| (1, uid_next - 1)));
    asked.intersection(&given).difference(found)
}
