//! What every back-end limits, counts and answers in the same way.

use std::collections::BTreeMap;

use super::error::{Error, Result};
use super::types::Counts;
use crate::mail::{BodyId, Flags, MAX_UID, MailboxId, MailboxName, Message, UidSet, UidValidity};

/// The most mailboxes a user may have: CREATE is a client's to repeat.
pub(super) const MAX_MAILBOXES: usize = 10_000;

/// The most names a user may be subscribed to: they need not exist.
pub(super) const MAX_SUBSCRIPTIONS: usize = 10_000;

/// From here on (the year 2097) the clock is not believed: what is left of the 32 bits is for mailboxes to come.
const MAX_CLOCK: u64 = 0xf000_0000;

/// Every UID there can be.
pub(super) fn all_uids() -> UidSet {
    UidSet::from_iter([(1, MAX_UID)])
}

/// Whether the mailbox has UIDs for so many more messages.
pub(super) fn check_uids(counts: &Counts, more: usize) -> Result<()> {
    let next = u64::from(counts.uid_next);
    if next + more as u64 > u64::from(MAX_UID) + 1 { Err(Error::Limit("UIDs of a mailbox")) } else { Ok(()) }
}

/// A UIDVALIDITY larger than any before: from the clock, so that it stays so when a store is begun anew (I4). A clock that
/// is wrong by decades must not use the range up.
pub(super) fn uid_validity_after(last: u64, now: i64) -> Result<UidValidity> {
    let clock = u64::try_from(now).unwrap_or(0);
    let clock = if clock < MAX_CLOCK { clock } else { 0 };
    let next = u32::try_from(clock.max(last.saturating_add(1))).ok();
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

/// Names for a view that is not shown, the best first: the one it had, unless another view has it now.
pub(super) fn hidden_name(had: &MailboxName, id: MailboxId) -> impl Iterator<Item = MailboxName> {
    let others = (0u32..).map(move |n| MailboxName::new(&format!("view.{}.{n}", id.0)).ok());
    std::iter::once(Some(had.clone())).chain(others).flatten()
}

/// The UIDs asked for that were given out and are not `found`.
pub(super) fn missing(asked: &UidSet, found: &UidSet, uid_next: u32) -> UidSet {
    let given = UidSet::from_iter((uid_next > 1).then(|| (1, uid_next - 1)));
    asked.intersection(&given).difference(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_validity_ascends_whatever_the_clock_does() {
        let after = |last, now| uid_validity_after(last, now).map(UidValidity::value).ok();
        assert_eq!(after(0, 1_800_000_000), Some(1_800_000_000));
        assert_eq!(after(1_800_000_000, 1_800_000_000), Some(1_800_000_001));
        // Set back by years, before 1970, and forward by decades.
        assert_eq!(after(1_800_000_000, 5), Some(1_800_000_001));
        assert_eq!(after(7, -5), Some(8));
        assert_eq!(after(7, 0xf000_0000), Some(8));
        assert_eq!(after(7, i64::MAX), Some(8));
        assert_eq!(after(7, 0xefff_ffff), Some(0xefff_ffff));
        // To the last that there is.
        assert_eq!(after(0xffff_fffe, 1_800_000_000), Some(u32::MAX));
        assert_eq!(after(0xffff_ffff, 1_800_000_000), None);
        assert_eq!(after(u64::MAX, 1_800_000_000), None);
    }
}
