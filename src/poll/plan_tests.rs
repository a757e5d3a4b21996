use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::known::Known;
use super::plan::{Claim, Comparison, Deletion, Ledger, Plan, Question, Target, plan};
use super::policy::{DAY, Policy, Reason, Sight, Wish};
use super::settings::{FirstPoll, LeaveOnServer, LeaveOnServer::*};
use crate::mail::{BodyId, MailboxId, Uid};
use crate::pop3::Listing;
use crate::store::LedgerState::{DeleteWanted, Gone, Skipped, Stored};
use crate::store::{LedgerRow, LedgerState, Place, Trouble};

const NOW: i64 = 1_000_000;

fn row(state: LedgerState) -> LedgerRow {
    let body = (state != Skipped).then_some(BodyId(1));
    let place = body.map_or(Place::Nowhere, |_| Place::At(MailboxId(1), Uid::FIRST));
    LedgerRow {
        state,
        place,
        body,
        listed_size: 10,
        header_hash: [7; 16],
        stored_at: NOW - 100,
        content: [0; 16],
        merged: None,
    }
}

fn ledger(rows: &[(&str, LedgerState)]) -> Ledger {
    rows.iter().map(|(id, state)| (id.as_bytes().to_vec(), row(*state))).collect()
}

/// Plans with a policy that may be changed.
struct Case {
    ledger: Ledger,
    troubles: HashMap<Vec<u8>, Trouble>,
    too_long: HashSet<Vec<u8>>,
    undead: HashMap<Vec<u8>, i64>,
    leave_on_server: LeaveOnServer,
    delete_larger_than: Option<u64>,
    first_poll: Option<FirstPoll>,
    fetch_skipped: bool,
}

impl Case {
    fn new(rows: &[(&str, LedgerState)], leave_on_server: LeaveOnServer) -> Self {
        Self {
            ledger: ledger(rows),
            troubles: HashMap::new(),
            too_long: HashSet::from([b"huge".to_vec()]),
            undead: HashMap::new(),
            leave_on_server,
            delete_larger_than: None,
            first_poll: None,
            fetch_skipped: false,
        }
    }

    fn policy(&self) -> Policy<'_> {
        Policy {
            leave_on_server: self.leave_on_server,
            delete_larger_than: self.delete_larger_than,
            max_message_size: 100,
            first_poll: self.first_poll,
            fetch_skipped: self.fetch_skipped,
            too_long: &self.too_long,
            undead: &self.undead,
            now: NOW,
        }
    }

    fn of(&self, listing: &Listing) -> Plan {
        let mut plan = plan(listing, &self.ledger, &self.troubles, self.policy());
        plan.forget.sort();
        plan.forget_troubles.sort();
        plan
    }

    fn plan(&self, uidl: &[&str], list: &[&str]) -> Plan {
        self.of(&Listing::of(uidl, list))
    }
}

/// Messages 1 to `count` of these sizes, called `id1` and so on.
fn numbered(count: u32, size: u64) -> Listing {
    let uidl: Vec<String> = (1..=count).map(|n| format!("{n} id{n}")).collect();
    let list: Vec<String> = (1..=count).map(|n| format!("{n} {size}")).collect();
    let lines = |lines: &[String]| lines.iter().map(String::clone).collect::<Vec<_>>();
    let (uidl, list) = (lines(&uidl), lines(&list));
    Listing::of(
        &uidl.iter().map(String::as_str).collect::<Vec<_>>(),
        &list.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

fn rows(count: u32, change: impl Fn(u32, &mut LedgerRow)) -> Ledger {
    let named = |n: u32| {
        let mut row = row(Stored);
        change(n, &mut row);
        (format!("id{n}").into_bytes(), row)
    };
    (1..=count).map(named).collect()
}

fn planned(uidl: &[&str], list: &[&str], rows: &[(&str, LedgerState)], leave_on_server: LeaveOnServer) -> Plan {
    Case::new(rows, leave_on_server).plan(uidl, list)
}

fn target(number: u32, size: u64, id: &str) -> Target {
    let unique_id = (!id.is_empty()).then(|| id.as_bytes().to_vec());
    Target { number, size: Some(size), unique_id, tries: 0 }
}

fn deletion(number: u32, size: u64, id: &str, reason: Reason) -> Deletion {
    let wish = Wish { reason, confirmed: true };
    Deletion { target: target(number, size, id), wish, header_hash: [7; 16] }
}

fn numbers(targets: &[Target]) -> Vec<u32> {
    targets.iter().map(|target| target.number).collect()
}

fn compared(plan: &Plan) -> Vec<u32> {
    plan.compare.iter().map(|comparison| comparison.target.number).collect()
}

#[test]
fn only_what_is_unknown_is_retrieved() {
    let got = planned(&["1 a", "2 b", "3 c"], &["1 10", "2 10", "3 30"], &[("b", Stored)], Forever);
    assert_eq!(got, Plan { retrieve: vec![target(1, 10, "a"), target(3, 30, "c")], ..Plan::default() });
    assert!(planned(&["1 a"], &["1 10"], &[], Forever).all_new);
    assert!(!planned(&[], &[], &[], Forever).all_new);
}

#[test]
fn what_is_stored_is_deleted_only_where_the_policy_says_so() {
    let rows = [("a", Stored), ("b", DeleteWanted)];
    let (uidl, list) = (["1 a", "2 b"], ["1 10", "2 10"]);
    assert_eq!(planned(&uidl, &list, &rows, Forever), Plan::default());
    let all = vec![deletion(1, 10, "a", Reason::Never), deletion(2, 10, "b", Reason::Never)];
    assert_eq!(planned(&uidl, &list, &rows, Never), Plan { delete: all, ..Plan::default() });
}

#[test]
fn messages_are_deleted_when_they_have_been_here_for_so_long() {
    let rows = [("a", Stored), ("b", Stored)];
    let aged = |seconds| planned(&["1 a", "2 b"], &["1 10", "2 10"], &rows, For(Duration::from_secs(seconds))).delete;
    assert_eq!(aged(100), [deletion(1, 10, "a", Reason::Age), deletion(2, 10, "b", Reason::Age)]);
    assert_eq!(aged(101), []);
}

#[test]
fn messages_are_deleted_when_they_are_expunged_everywhere() {
    let mut case = Case::new(&[("a", Stored), ("b", Stored)], UntilExpunged);
    case.ledger.get_mut(b"a".as_slice()).expect("a").place = Place::NotAsked;
    case.ledger.get_mut(b"b".as_slice()).expect("b").place = Place::Nowhere;
    let got = case.plan(&["1 a", "2 b"], &["1 10", "2 10"]).delete;
    assert_eq!(got.iter().map(|d| (d.target.number, d.wish.reason)).collect::<Vec<_>>(), [(2, Reason::Expunged)]);
    case.leave_on_server = Forever;
    assert_eq!(case.plan(&["1 a", "2 b"], &["1 10", "2 10"]).delete, []);
}

#[test]
fn the_brake_holds_more_than_fifty_that_are_more_than_half() {
    let counts = |listed: u32, expunged: u32, confirmed: u32| {
        let mut case = Case::new(&[], UntilExpunged);
        case.ledger = rows(listed, |n, row| {
            row.place = if n > expunged { row.place } else { Place::Nowhere };
            row.state = if n <= confirmed { DeleteWanted } else { Stored };
        });
        let plan = case.of(&numbered(listed, 10));
        (plan.delete.len(), plan.held)
    };
    assert_eq!(counts(50, 50, 0), (50, 0), "at the limit");
    assert_eq!(counts(51, 51, 0), (0, 51), "one past it");
    assert_eq!(counts(102, 51, 0), (51, 0), "half");
    assert_eq!(counts(101, 51, 0), (0, 51), "more than half");
    assert_eq!(counts(101, 101, 101), (101, 0), "a person has confirmed them");
    assert_eq!(counts(101, 61, 10), (10, 51), "what was confirmed goes, the rest waits");
    assert_eq!(counts(101, 0, 101), (0, 0), "what is here stays there");
}

#[test]
fn large_messages_are_deleted_whatever_the_policy_once_they_are_stored() {
    let mut case = Case::new(&[("a", Stored), ("b", Skipped)], Forever);
    case.delete_larger_than = Some(10);
    assert_eq!(case.plan(&["1 a", "2 b", "3 c"], &["1 10", "2 10", "3 50"]).delete, [], "at the limit");
    case.delete_larger_than = Some(9);
    let got = case.plan(&["1 a", "2 b", "3 c"], &["1 10", "2 10", "3 50"]);
    assert_eq!(got.delete, [deletion(1, 10, "a", Reason::Larger)]);
    assert_eq!(numbers(&got.retrieve), [3]);
}

#[test]
fn what_was_skipped_is_neither_fetched_nor_deleted_until_all_is_wanted() {
    let mut case = Case::new(&[("a", Skipped), ("b", Stored), ("\x02header", Skipped)], Never);
    let got = case.plan(&["1 a", "2 b"], &["1 10", "2 10"]);
    assert_eq!((got.retrieve.len(), got.delete.len(), got.forget.len()), (0, 1, 0));
    case.fetch_skipped = true;
    let got = case.plan(&["1 a", "2 b"], &["1 10", "2 10"]);
    assert_eq!(numbers(&got.retrieve), [1]);
    assert_eq!(got.forget, [b"\x02header".to_vec()]);
}

#[test]
fn first_poll_decides_about_what_is_unknown() {
    let (uidl, list) = (["1 a", "2 b", "3 c"], ["1 1", "2 2", "3 3"]);
    let mut case = Case::new(&[("b", Stored)], Forever);
    case.ledger.get_mut(b"b".as_slice()).expect("b").listed_size = 2;
    let mut with = |first_poll| {
        case.first_poll = Some(first_poll);
        let plan = case.plan(&uidl, &list);
        (numbers(&plan.retrieve), numbers(&plan.skip), compared(&plan))
    };
    assert_eq!(with(FirstPoll::All), (vec![1, 3], vec![], vec![]));
    assert_eq!(with(FirstPoll::New), (vec![], vec![1, 3], vec![]));
    assert_eq!(with(FirstPoll::Newest(1)), (vec![3], vec![1], vec![]));
    assert_eq!(with(FirstPoll::Newest(2)), (vec![3], vec![1], vec![]), "the last of the listing, known or not");
    assert_eq!(with(FirstPoll::Newest(9)), (vec![1, 3], vec![], vec![]));
    assert_eq!(with(FirstPoll::Since(Duration::from_secs(9))), (vec![], vec![], vec![1, 3]));
    let without_ids = Case { first_poll: Some(FirstPoll::New), ..Case::new(&[], Forever) };
    let plan = without_ids.plan(&["1", "2"], &["1 1", "2 2"]);
    assert_eq!((compared(&plan), plan.skip.len()), (vec![1, 2], 0), "the header is their name");
    assert!(plan.compare.iter().all(|c| c.question == Question::Unknown(Sight::Skip)));
}

#[test]
fn rows_are_forgotten_when_a_complete_listing_lacks_them() {
    let rows = [("a", Stored), ("b", Gone), ("c", DeleteWanted), ("\0content", Stored), ("\x02header", Skipped)];
    let complete = planned(&["1 a"], &["1 10"], &rows, Forever);
    assert_eq!(complete.forget, [b"b".to_vec(), b"c".to_vec()]);
    for (uidl, list) in [(&["1 a"], &["1 10", "2 2"] as &[&str]), (&["1"], &["1 10"]), (&["1 1"], &["1 10"])] {
        let partial = planned(uidl, list, &rows, Forever);
        assert!(partial.forget.is_empty(), "{uidl:?}");
    }
}

#[test]
fn a_listing_that_lost_most_is_not_believed() {
    let mut case = Case::new(&[("gone", Gone)], Forever);
    case.ledger.extend(rows(22, |_, _| {}));
    let listed = |count| case.of(&numbered(count, 10)).forget.len();
    assert_eq!(listed(22), 1, "the one that is gone");
    assert_eq!(listed(11), 12, "half at most");
    assert_eq!(listed(10), 1, "more than half");
    assert_eq!(listed(0), 1);
}

#[test]
fn long_messages_stay_by_their_listed_size_or_by_experience() {
    let got = planned(&["1 a", "2 b", "3 huge"], &["1 100", "2 101", "3 1"], &[], Never);
    assert_eq!(numbers(&got.retrieve), [1]);
    assert_eq!(got.too_large, [("b".to_owned(), 101), ("huge".to_owned(), 1)]);
    let many = Case::new(&[], Forever).of(&numbered(30, 101));
    assert_eq!((many.too_long, many.too_large.len()), (30, 20), "the first few by name");
}

#[test]
fn without_a_unique_id_of_its_own_a_message_is_retrieved_unless_one_of_its_size_is_stored() {
    let got = planned(&["1 a", "2 a", "3"], &["1 1", "2 1", "3 1"], &[("a", Stored)], Never);
    assert_eq!(got.retrieve, [target(1, 1, ""), target(2, 1, ""), target(3, 1, "")]);
    assert!(got.delete.is_empty() && got.forget.is_empty());
    let got = planned(&["1 a", "2 a", "3"], &["1 1", "2 10", "3 1"], &[("a", Stored)], Never);
    assert_eq!((numbers(&got.retrieve), compared(&got)), (vec![1, 3], vec![2]), "it may be a");
    let got = planned(&["1", "2"], &["1 1", "2 10"], &[("\0content", Stored)], Never);
    assert_eq!((numbers(&got.retrieve), compared(&got)), (vec![1], vec![2]));
}

#[test]
fn unique_ids_that_are_message_numbers_are_none() {
    let got = planned(&["1 1", "2 2"], &["1 10", "2 20"], &[("1", Stored)], Never);
    assert!(!got.reset);
    assert_eq!((numbers(&got.retrieve), compared(&got)), (vec![2], vec![1]));
    assert!(got.compare.iter().all(|c| c.target.unique_id.is_none()));
    let got = planned(&["1 1", "2 3"], &["1 10", "2 20"], &[("1", Stored)], Never);
    assert_eq!(got.delete.len(), 1);
}

#[test]
fn new_unique_ids_for_most_of_the_listing_are_taken_for_a_reset() {
    let rows = [("a", Stored), ("b", Stored), ("c", Gone)];
    let reset = planned(&["1 x", "2 y", "3 b"], &["1 10", "2 11", "3 10"], &rows, Forever);
    assert!(reset.reset);
    assert_eq!(reset.forget, [b"c".to_vec()], "a may be x");
    assert_eq!((compared(&reset), numbers(&reset.retrieve)), (vec![1], vec![2]), "by the size of what is missing");
    let half = planned(&["1 x", "2 b"], &["1 10", "2 10"], &rows, Forever);
    assert!(!half.reset);
    assert_eq!(half.forget, [b"c".to_vec()], "a may be x");
    let quiet = planned(&["1 b"], &["1 10"], &rows, Forever);
    assert_eq!(quiet.forget, [b"a".to_vec(), b"c".to_vec()]);
    let first = planned(&["1 x"], &["1 10"], &[("c", Gone)], Never);
    assert!(!first.reset, "nothing is missing");
}

#[test]
fn another_size_under_a_known_unique_id_is_looked_at_before_anything_is_deleted() {
    let got = planned(&["1 a", "2 b"], &["1 10", "2 11"], &[("a", Stored), ("b", Stored)], Never);
    assert_eq!(got.delete, [deletion(1, 10, "a", Reason::Never)]);
    let wish = Some(Wish { reason: Reason::Never, confirmed: true });
    let (header_hash, stored_at) = ([7; 16], NOW - 100);
    let claim = Claim { header_hash, stored_at, resized: true, undead: false, skipped: false, wish };
    assert_eq!(got.compare, [Comparison { target: target(2, 11, "b"), question: Question::Row(claim) }]);
}

#[test]
fn where_most_sizes_have_changed_a_sample_is_looked_at() {
    let mut case = Case::new(&[], Forever);
    case.ledger = rows(20, |_, _| {});
    let got = case.of(&numbered(20, 11));
    assert_eq!((got.compare.len(), got.resized.len()), (8, 12));
    case.ledger = rows(20, |n, row| row.listed_size = if n <= 10 { 10 } else { 11 });
    let got = case.of(&numbered(20, 11));
    assert_eq!((got.compare.len(), got.resized.len()), (10, 0), "half are not most");
    case.ledger = rows(20, |_, row| *row = LedgerRow { header_hash: [0; 16], ..self::row(Skipped) });
    let got = case.of(&numbered(20, 11));
    assert_eq!((got.compare.len(), got.resized.len()), (0, 20), "what was never seen tells nothing");
}

#[test]
fn what_was_deleted_and_is_listed_is_looked_at_once_a_day() {
    let mut case = Case::new(&[("a", Gone)], Never);
    let looked = |case: &Case, size: u64| {
        let got = case.plan(&["1 a"], &[&format!("1 {size}")]);
        assert!(got.delete.is_empty());
        (got.compare.len(), got.undead)
    };
    assert_eq!(looked(&case, 10), (1, 0));
    case.undead.insert(b"a".to_vec(), NOW - DAY + 1);
    assert_eq!(looked(&case, 10), (0, 1));
    assert_eq!(looked(&case, 11), (1, 0), "it may be another message");
    case.undead.insert(b"a".to_vec(), NOW - DAY);
    assert_eq!(looked(&case, 10), (1, 0));
}

#[test]
fn what_failed_comes_last_and_rests_in_quarantine() {
    let mut case = Case::new(&[("e", Stored)], Forever);
    let trouble = |tries, is_quarantined, age| Trouble { tries, is_quarantined, last_try: NOW - age };
    case.troubles = HashMap::from([
        (b"a".to_vec(), trouble(2, false, 0)),
        (b"b".to_vec(), trouble(1, false, 0)),
        (b"d".to_vec(), trouble(3, true, DAY - 1)),
        (b"e".to_vec(), trouble(1, false, 0)),
        (b"vanished".to_vec(), trouble(3, true, 0)),
    ]);
    let (uidl, list) = (["1 a", "2 b", "3 c", "4 d", "5 e"], ["1 1", "2 1", "3 1", "4 1", "5 10"]);
    let got = case.plan(&uidl, &list);
    assert_eq!(numbers(&got.retrieve), [3, 2, 1]);
    assert_eq!(got.forget_troubles, [b"e".to_vec(), b"vanished".to_vec()], "what is stored, and what is gone");
    assert_eq!(case.plan(&uidl, &["1 1"]).forget_troubles, Vec::<Vec<u8>>::new(), "an incomplete listing");
    case.troubles.insert(b"d".to_vec(), trouble(3, true, DAY));
    assert_eq!(numbers(&case.plan(&uidl, &list).retrieve), [3, 2, 1, 4]);
    let nameless = target(1, 9, "").key();
    case.troubles = HashMap::from([(nameless, trouble(1, false, 0))]);
    assert_eq!(numbers(&case.plan(&["1", "2"], &["1 9", "2 9"]).retrieve), [2, 1]);
}

#[test]
fn what_is_known_of_messages_without_unique_ids_of_their_own() {
    let case = Case::new(&[("a", Stored), ("b", Stored), ("\0content", Stored)], Forever);
    let known = |uidl: &[&str], reset: bool| {
        let known = Known::new(&case.ledger, &Listing::of(uidl, &[]), reset, case.policy());
        known.keys().into_iter().map(|id| String::from_utf8(id).expect("ascii")).collect::<Vec<_>>()
    };
    assert_eq!(known(&["1 a", "2 b"], false), ["\0content"], "nothing else to look for");
    assert_eq!(known(&["1 a", "2 a", "3 b"], false), ["\0content", "a"], "one of both");
    assert_eq!(known(&["1 x", "2 y"], true), ["\0content", "a", "b"]);
}

#[test]
fn a_hundred_thousand_messages_are_planned() {
    let mut case = Case::new(&[], Never);
    case.ledger = rows(50_000, |_, _| {});
    let plan = case.of(&numbered(100_000, 10));
    assert_eq!((plan.retrieve.len(), plan.delete.len(), plan.compare.len()), (50_000, 50_000, 0));
}
