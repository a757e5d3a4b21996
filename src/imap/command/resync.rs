//! What a client has missed: SELECT and EXAMINE with QRESYNC, and UID FETCH with VANISHED (RFC 7162 sections 3.2.5 and
//! 3.2.6). Sets are only ever walked by their ranges: a client can write `1:4294967295`.

use crate::imap::codec::command::Qresync;
use crate::imap::conn::Output;
use crate::imap::error::CommandError;
use crate::imap::session::{
    Features, MailboxView, SelectedCx, SelectedMailbox, fetch_flags, flags_line, vanished_lines,
};
use crate::mail::{ModSeq, Seq, SequenceSet, SetNumber, UidSet};
use crate::store::Store;

/// The responses of SELECT that bring the cache of the client up to date. UIDVALIDITY has been found to match, and the
/// mailbox has been described.
pub(super) async fn catch_up(
    store: &Store,
    mailbox: &SelectedMailbox,
    features: Features,
    client: &Qresync,
    out: &mut Output,
) -> Result<(), CommandError> {
    let view = &mailbox.view;
    let since = trusted(view, client.mod_seq);
    let known = match &client.known {
        Some(set) => set.resolve(0),
        None => from_to(1, u32::MAX),
    };
    let uid_of = |number| Some(view.by_seq(Seq::new(number)?)?.message.uid.value());
    let seen_up_to = client.matches.as_ref().map_or(0, |(numbers, uids)| known_up_to(uid_of, numbers, uids));
    let unseen = known.intersection(&from_to(seen_up_to.saturating_add(1), u32::MAX));
    earlier(store, mailbox, &unseen, since, out).await?;
    for entry in view.entries(&view.changed_since(&known, since)) {
        flags_line(mailbox, features, out, entry, true);
        out.relieve().await?;
    }
    Ok(())
}

/// The responses of UID FETCH that come before its own. A message that is expunged but still shown to the client is
/// announced first, without EARLIER: that form is for what the client does not count any more.
pub(super) async fn vanished(
    cx: &mut SelectedCx<'_>,
    set: &SequenceSet,
    since: ModSeq,
    out: &mut Output,
) -> Result<(), CommandError> {
    let changed = cx.sync(out, true).await?.changed;
    // Here `*` is the highest UID there has been: the client asks about what is gone.
    let uids = set.resolve(highest_ever(&cx.mailbox.view));
    earlier(cx.store, cx.mailbox, &uids, since, out).await?;
    for uid in changed {
        fetch_flags(cx.mailbox, *cx.features, out, uid.value(), true);
        out.relieve().await?;
    }
    Ok(())
}

/// What the client's mod-sequence is good for. One from the future was given by a store that has been set back since:
/// the client must hear everything.
pub(super) fn trusted(view: &MailboxView, mod_seq: ModSeq) -> ModSeq {
    if mod_seq > view.highest_mod_seq() { ModSeq(0) } else { mod_seq }
}

/// `VANISHED (EARLIER)` for the messages of `uids` that were expunged after `since`: none that the view shows, which
/// another session may have expunged a moment ago, and none that it has not reached yet.
async fn earlier(
    store: &Store,
    mailbox: &SelectedMailbox,
    uids: &UidSet,
    since: ModSeq,
    out: &mut Output,
) -> Result<(), CommandError> {
    let view = &mailbox.view;
    let uids = uids.intersection(&from_to(1, highest_ever(view)));
    if uids.is_empty() || since >= view.highest_mod_seq() {
        return Ok(());
    }
    let gone = store.changes_since(mailbox.id, since).await?.vanished.intersection(&uids);
    let shown: UidSet = view.entries(&gone).map(|entry| entry.message.uid).collect();
    vanished_lines(out, &gone.difference(&shown), true).await
}

/// UIDNEXT of the view less one.
fn highest_ever(view: &MailboxView) -> u32 {
    view.snapshot().counts.uid_next.saturating_sub(1)
}

fn from_to(low: u32, high: u32) -> UidSet {
    if low > high { UidSet::default() } else { std::iter::once((low, high)).collect() }
}

/// Message sequence match data (RFC 7162 section 3.2.5.2): the highest UID up to which the client knows of every
/// expunge; 0 if of none.
///
/// A pair that matches proves it: the client and the mailbox then have as many messages up to this UID, and those of the
/// mailbox are among those of the client. So all pairs before a pair that matches do as well, and the last one is found
/// by halving.
fn known_up_to(uid_of: impl Fn(u32) -> Option<u32>, numbers: &SequenceSet, uids: &SequenceSet) -> u32 {
    let runs = runs(numbers, uids);
    let pair = |index: u64| {
        let run = runs.get(runs.partition_point(|run| run.first <= index).checked_sub(1)?)?;
        let offset = u32::try_from(index - run.first).ok()?;
        Some((run.number.checked_add(offset)?, run.uid.checked_add(offset)?))
    };
    let matches = |(number, uid)| uid_of(number) == Some(uid);
    let (mut known, mut end) = (0, runs.last().map_or(0, |run| run.first + run.length));
    while known < end {
        let middle = known + (end - known) / 2;
        if pair(middle).is_some_and(matches) { known = middle + 1 } else { end = middle }
    }
    known.checked_sub(1).and_then(pair).map_or(0, |(_, uid)| uid)
}

/// Pairs of consecutive numbers and consecutive UIDs.
struct Run {
    /// How many pairs there are before it.
    first: u64,
    number: u32,
    uid: u32,
    length: u64,
}

/// Pairs two sets position by position; what one of them has more is left out.
fn runs(numbers: &SequenceSet, uids: &SequenceSet) -> Vec<Run> {
    let (mut numbers, mut uids) = (bounds(numbers).into_iter(), bounds(uids).into_iter());
    let (mut a, mut b) = (numbers.next(), uids.next());
    let (mut first, mut runs) = (0, Vec::new());
    while let (Some((number, last_number)), Some((uid, last_uid))) = (a, b) {
        let more = (last_number - number).min(last_uid - uid);
        let length = u64::from(more) + 1;
        runs.push(Run { first, number, uid, length });
        first += length;
        let rest = |low: u32, high: u32| (high - low > more).then(|| (low + more + 1, high));
        a = rest(number, last_number).or_else(|| numbers.next());
        b = rest(uid, last_uid).or_else(|| uids.next());
    }
    runs
}

/// The ranges of a set without `*`, in the order sent.
fn bounds(set: &SequenceSet) -> Vec<(u32, u32)> {
    let SequenceSet::Ranges(ranges) = set else { return Vec::new() };
    let number = |n: SetNumber| match n {
        SetNumber::Number(n) => Some(n.get()),
        SetNumber::Star => None,
    };
    let range = |(a, b): &(SetNumber, SetNumber)| number(*a).zip(number(*b)).map(|(a, b)| (a.min(b), a.max(b)));
    ranges.iter().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn set(ranges: &[(u32, u32)]) -> SequenceSet {
        let number = |n| SetNumber::Number(NonZeroU32::new(n).expect("not zero"));
        SequenceSet::Ranges(ranges.iter().map(|(a, b)| (number(*a), number(*b))).collect())
    }

    /// The mailbox of the examples of RFC 7162 section 3.2.5.2: every third UID, 10,003 messages.
    fn thirds(number: u32) -> Option<u32> {
        (1..=10_003).contains(&number).then_some(number * 3)
    }

    #[test]
    fn the_example_of_the_rfc() {
        let numbers = set(&[(5000, 5000), (7500, 7500), (9000, 9000), (9990, 9999)]);
        let tail = (29970..=29997).step_by(3).map(|uid| (uid, uid));
        let uids: Vec<_> = [(15000, 15000), (22500, 22500), (27000, 27000)].into_iter().chain(tail).collect();
        assert_eq!(known_up_to(thirds, &numbers, &set(&uids)), 29997);
        // Message 5000 is there, 7500 has another UID: what lies between is not known.
        assert_eq!(known_up_to(thirds, &numbers, &set(&[(15000, 15000), (22503, 22503), (27003, 27003)])), 15000);
        assert_eq!(known_up_to(thirds, &numbers, &set(&[(15001, 15001)])), 0);
    }

    #[test]
    fn sets_of_all_numbers_are_not_walked() {
        let all = set(&[(1, u32::MAX)]);
        assert_eq!(known_up_to(Some, &all, &all), u32::MAX);
        assert_eq!(known_up_to(|n| (n <= 1_000_000).then_some(n), &all, &all), 1_000_000);
        assert_eq!(known_up_to(|_| None, &all, &all), 0);
    }

    #[test]
    fn sets_of_different_size_pair_as_far_as_they_go() {
        assert_eq!(known_up_to(Some, &set(&[(1, 3)]), &set(&[(1, 9)])), 3);
        assert_eq!(known_up_to(Some, &set(&[(1, 9)]), &set(&[(1, 2), (3, 4)])), 4);
        assert_eq!(known_up_to(Some, &set(&[(3, 1)]), &set(&[(1, 3)])), 3);
        assert_eq!(known_up_to(Some, &SequenceSet::SavedResult, &set(&[(1, 1)])), 0);
        assert_eq!(known_up_to(Some, &set(&[(u32::MAX, u32::MAX), (1, 1)]), &set(&[(1, 2)])), 0);
    }

    proptest! {
        /// A client that knew `before`, and tells some of it, is told of nothing up to the UID found, and of no less than
        /// it could be.
        #[test]
        fn what_matches_is_what_the_client_knows(
            before in prop::collection::btree_set(1..200_u32, 1..60),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            told in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
        ) {
            let before: Vec<u32> = before.into_iter().collect();
            let gone: BTreeSet<u32> = gone.iter().map(|at| *at.get(&before)).collect();
            let now: Vec<u32> = before.iter().copied().filter(|uid| !gone.contains(uid)).collect();
            let uid_of = |n: u32| now.get(n as usize - 1).copied();
            let told: BTreeSet<usize> = told.iter().map(|at| at.index(before.len())).collect();
            let numbers: UidSet = told.iter().map(|at| (*at as u32 + 1, *at as u32 + 1)).collect();
            let uids: UidSet = told.iter().map(|at| (before[*at], before[*at])).collect();
            let found = known_up_to(uid_of, &set(numbers.ranges()), &set(uids.ranges()));
            let first_gone = gone.first().copied().unwrap_or(u32::MAX);
            let best = told.iter().map(|at| before[*at]).filter(|uid| *uid < first_gone).max().unwrap_or(0);
            prop_assert_eq!(found, best);
        }
    }
}
