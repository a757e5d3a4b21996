use std::collections::{HashMap, HashSet};

use super::known::{HeaderKey, Known};
use super::plan::{Claim, Comparison, Ledger, Question, Target};
use super::policy::{Policy, Reason, Sight, Wish};
use super::resolve::{Facts, Resolution, resolve};
use super::settings::LeaveOnServer::{self, *};
use crate::mail::{BodyId, MailboxId, Uid};
use crate::pop3::Listing;
use crate::store::{self, LedgerChange, LedgerRow, LedgerState, Place};

const NOW: i64 = 1_000_000;

fn row(hash: u8, state: LedgerState) -> LedgerRow {
    let body = (state != LedgerState::Skipped).then_some(BodyId(u64::from(hash)));
    let place = body.map_or(Place::Nowhere, |_| Place::At(MailboxId(1), Uid::FIRST));
    LedgerRow {
        state,
        place,
        body,
        listed_size: 10,
        header_hash: [hash; 16],
        stored_at: NOW - 100,
        content: [0; 16],
        merged: None,
    }
}

fn stored(rows: &[(&str, u8)]) -> Ledger {
    rows.iter().map(|(id, hash)| (id.as_bytes().to_vec(), row(*hash, LedgerState::Stored))).collect()
}

fn target(number: u32, id: &str) -> Target {
    let unique_id = (!id.is_empty()).then(|| id.as_bytes().to_vec());
    Target { number, size: Some(10), unique_id, tries: 0 }
}

fn facts(hash: u8) -> Facts {
    Facts { hash: [hash; 16], has_message_id: true, received: Some(NOW - 1000) }
}

fn weak(hash: u8) -> Facts {
    Facts { has_message_id: false, ..facts(hash) }
}

type Asked<'a> = (u32, &'a str, Sight, Option<Facts>);

/// What becomes of messages that are not known under their unique-id, after a reset.
fn unknown(ledger: &Ledger, policy: LeaveOnServer, settled: &[(HeaderKey, usize)], asked: &[Asked<'_>]) -> Resolution {
    let (too_long, undead) = (HashSet::new(), HashMap::new());
    let policy = Policy {
        leave_on_server: policy,
        delete_larger_than: None,
        max_message_size: 100,
        first_poll: None,
        fetch_skipped: false,
        too_long: &too_long,
        undead: &undead,
        now: NOW,
    };
    let mut known = Known::new(ledger, &Listing::of(&["1 listed"], &["1 10"]), true, policy);
    let answer = |(number, id, sight, facts): &Asked<'_>| {
        (Comparison { target: target(*number, id), question: Question::Unknown(*sight) }, *facts)
    };
    resolve(asked.iter().map(answer).collect(), &mut known, &settled.iter().copied().collect())
}

fn fetched(resolution: &Resolution) -> Vec<(u32, bool)> {
    resolution.retrieve.iter().map(|r| (r.target.number, r.by_content_only)).collect()
}

fn adopt(from: &str, to: &str) -> LedgerChange {
    LedgerChange::Adopt { from: from.as_bytes().to_vec(), to: to.as_bytes().to_vec() }
}

const FETCH: Sight = Sight::Fetch;

#[test]
fn a_header_and_a_size_that_one_missing_row_has_are_its_message() {
    let ledger = stored(&[("a", 1), ("b", 2)]);
    let got = unknown(&ledger, Forever, &[], &[(1, "x", FETCH, Some(facts(1))), (2, "y", FETCH, Some(facts(9)))]);
    assert_eq!((got.changes.as_slice(), got.adopted), ([adopt("a", "x")].as_slice(), 1));
    assert_eq!(fetched(&got), [(2, false)]);
    assert!(got.delete.is_empty());
    let emptied = unknown(&ledger, Never, &[], &[(1, "x", FETCH, Some(facts(1)))]);
    assert_eq!(emptied.delete[0].wish.reason, Reason::Never);
}

#[test]
fn what_tells_too_little_is_fetched() {
    let ledger = stored(&[("a", 1)]);
    let no_message_id = unknown(&ledger, Never, &[], &[(1, "x", FETCH, Some(weak(1)))]);
    assert_eq!((fetched(&no_message_id), no_message_id.adopted), (vec![(1, false)], 0));
    let no_answer = unknown(&ledger, Never, &[], &[(1, "x", FETCH, None)]);
    assert_eq!(fetched(&no_answer), [(1, false)]);
    let two = [(1, "x", FETCH, Some(facts(1))), (2, "y", FETCH, Some(facts(1)))];
    let more_than_rows = unknown(&ledger, Never, &[], &two);
    assert_eq!((fetched(&more_than_rows), more_than_rows.adopted), (vec![(1, true), (2, true)], 0));
    let as_many = unknown(&stored(&[("a", 1), ("b", 1)]), Never, &[], &two);
    assert_eq!((as_many.adopted, as_many.retrieve.len()), (2, 0));
}

#[test]
fn messages_without_unique_ids_are_recognised_and_keep_their_rows() {
    let ledger = stored(&[("\0content", 1)]);
    let got = unknown(&ledger, Never, &[], &[(1, "", FETCH, Some(facts(1)))]);
    assert_eq!((got.changes.len(), got.retrieve.len(), got.adopted), (0, 0, 0));
    assert_eq!(got.delete[0].target.number, 1);
    let two = [(1, "", FETCH, Some(facts(1))), (2, "", FETCH, Some(facts(1)))];
    let copies = unknown(&ledger, Forever, &[], &two);
    assert_eq!(fetched(&copies), [(1, true), (2, true)]);
    assert_eq!(copies.ambiguous, [(([1; 16], 10), 2)]);
    let settled = unknown(&ledger, Forever, &[(([1; 16], 10), 2)], &two);
    assert!(settled.retrieve.is_empty(), "so many were fetched before and all were known");
    let named = unknown(&ledger, Forever, &[], &[(1, "x", FETCH, Some(facts(1)))]);
    assert_eq!(named.changes, [adopt("\0content", "x")]);
}

#[test]
fn first_poll_skips_what_is_not_known() {
    let none = Ledger::new();
    let key = store::header_key(&[1; 16], 10);
    let skip =
        |unique_id: &[u8]| LedgerChange::Skip { unique_id: unique_id.to_vec(), listed_size: 10, header_hash: [1; 16] };
    for (sight, id, facts, want) in [
        (Sight::Skip, "", Some(facts(1)), Some(key.as_slice())),
        (Sight::Skip, "", None, None),
        (Sight::SkipBefore(NOW), "x", Some(facts(1)), Some(b"x".as_slice())),
        (Sight::SkipBefore(NOW), "x", None, None),
        (Sight::SkipBefore(NOW - 1000), "x", Some(facts(1)), None),
        (Sight::SkipBefore(NOW), "x", Some(Facts { received: None, ..facts(1) }), None),
    ] {
        let got = unknown(&none, Forever, &[], &[(1, id, sight, facts)]);
        assert_eq!(got.changes, want.map(skip).into_iter().collect::<Vec<_>>(), "{sight:?} {facts:?}");
        assert_eq!(got.retrieve.len(), usize::from(want.is_none()));
        assert_eq!(got.first_poll_impossible, facts.is_none());
    }
    let alike = [(1, "", Sight::Skip, Some(facts(1))), (2, "", Sight::Skip, Some(facts(1)))];
    assert_eq!(unknown(&none, Forever, &[], &alike).retrieve.len(), 2, "one row cannot stand for two");
}

#[test]
fn what_was_skipped_stays_skipped_under_another_name() {
    let key = store::header_key(&[1; 16], 10);
    let ledger = Ledger::from([(key.clone(), row(1, LedgerState::Skipped))]);
    let got = unknown(&ledger, Never, &[], &[(1, "", FETCH, Some(weak(1)))]);
    assert_eq!((got.retrieve.len(), got.delete.len(), got.changes.len()), (0, 0, 0));
    let got = unknown(&ledger, Never, &[], &[(1, "x", FETCH, Some(facts(1)))]);
    assert_eq!(got.changes, [LedgerChange::Adopt { from: key, to: b"x".to_vec() }]);
    assert!(got.delete.is_empty(), "what was never stored is never deleted");
    // Of one that nobody looked at, the size and that it is older.
    let unseen = Ledger::from([(b"a".to_vec(), row(0, LedgerState::Skipped))]);
    let got = unknown(&unseen, Never, &[], &[(1, "x", FETCH, Some(facts(5)))]);
    assert_eq!((got.changes, got.delete.len()), (vec![adopt("a", "x")], 0));
    let later = Facts { received: Some(NOW), ..facts(5) };
    assert_eq!(unknown(&unseen, Never, &[], &[(1, "x", FETCH, Some(later))]).retrieve.len(), 1);
}

#[test]
fn a_row_is_believed_only_as_far_as_its_header_goes() {
    let wish = Some(Wish { reason: Reason::Never, confirmed: true });
    let claim = |resized, undead| Claim { header_hash: [1; 16], stored_at: NOW, resized, undead, skipped: false, wish };
    let outcome = |claim: Claim, facts| {
        let comparison = Comparison { target: target(1, "a"), question: Question::Row(claim) };
        let got = resolve(vec![(comparison, facts)], &mut Known::default(), &HashSet::new());
        let reused = got.retrieve.iter().map(|retrieval| retrieval.reused).collect::<Vec<_>>();
        assert!(got.retrieve.iter().all(|retrieval| retrieval.wish == wish));
        (got.delete.len(), reused, got.changes.len(), got.undead.len())
    };
    let nothing: Vec<bool> = vec![];
    assert_eq!(outcome(claim(false, false), Some(facts(1))), (1, nothing.clone(), 0, 0));
    assert_eq!(outcome(claim(false, false), None), (1, nothing.clone(), 0, 0), "unique-id and size");
    assert_eq!(outcome(claim(false, false), Some(facts(2))), (0, vec![true], 0, 0), "never deleted unseen");
    assert_eq!(outcome(claim(true, false), Some(facts(1))), (1, nothing.clone(), 1, 0), "the new size is noted");
    assert_eq!(outcome(claim(true, false), None), (0, vec![true], 0, 0));
    assert_eq!(outcome(claim(false, true), Some(facts(1))), (1, nothing, 0, 1));
    assert_eq!(outcome(claim(false, true), None), (0, vec![true], 0, 0));
}

#[test]
fn facts_are_read_from_what_top_shows() {
    let header = b"Received: by x; 2 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@x>\r\nSubject: s\r\n\r\n";
    let got = Facts::of(header);
    assert_eq!((got.has_message_id, got.received), (true, Some(86_400)));
    let other =
        Facts::of(b"Status: RO\r\nReceived: by x; 2 Jan 1970 00:00:00 +0000\r\nmessage-id:  <1@x>\r\nSubject: s\r\n");
    assert_eq!(other.hash, got.hash, "what servers change does not count");
    let nothing = Facts::of(b"");
    assert_eq!((nothing.has_message_id, nothing.received), (false, None));
}
