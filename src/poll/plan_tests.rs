use std::collections::HashSet;

use super::LeaveOnServer::{Forever, Never};
use super::plan::{Ledger, Plan, Policy, Target, plan};
use super::{LeaveOnServer, deliveries::Known};
use crate::pop3::Listing;
use crate::store::LedgerState::{DeleteWanted, Gone, Stored};
use crate::store::{LedgerRow, LedgerState};

fn row(state: LedgerState) -> LedgerRow {
    LedgerRow {
        state,
        message: None,
        body: Some(crate::mail::BodyId(1)),
        listed_size: 10,
        header_hash: [7; 16],
        stored_at: 0,
    }
}

fn ledger(rows: &[(&str, LedgerState)]) -> Ledger {
    rows.iter().map(|(id, state)| (id.as_bytes().to_vec(), row(*state))).collect()
}

fn planned(uidl: &[&str], list: &[&str], rows: &[(&str, LedgerState)], leave_on_server: LeaveOnServer) -> Plan {
    let too_long = HashSet::from([b"huge".to_vec()]);
    let policy = Policy { leave_on_server, max_message_size: 100, too_long: &too_long };
    let mut plan = plan(&Listing::of(uidl, list), &ledger(rows), policy);
    plan.forget.sort();
    plan
}

fn target(number: u32, size: u64, id: &str) -> Target {
    let unique_id = (!id.is_empty()).then(|| id.as_bytes().to_vec());
    Target { number, size: Some(size), unique_id }
}

#[test]
fn only_what_is_unknown_is_retrieved() {
    let got = planned(&["1 a", "2 b", "3 c"], &["1 10", "2 20", "3 30"], &[("b", Stored)], Forever);
    assert_eq!(got, Plan { retrieve: vec![target(1, 10, "a"), target(3, 30, "c")], ..Plan::default() });
}

#[test]
fn what_is_stored_is_deleted_only_where_the_policy_says_so() {
    let rows = [("a", Stored), ("b", DeleteWanted), ("c", Gone)];
    let (uidl, list) = (["1 a", "2 b", "3 c"], ["1 1", "2 2", "3 3"]);
    assert_eq!(planned(&uidl, &list, &rows, Forever), Plan::default());
    let all = vec![target(1, 1, "a"), target(2, 2, "b"), target(3, 3, "c")];
    assert_eq!(planned(&uidl, &list, &rows, Never), Plan { delete: all, ..Plan::default() });
}

#[test]
fn rows_are_forgotten_when_a_complete_listing_lacks_them() {
    let rows = [("a", Stored), ("b", Gone), ("c", DeleteWanted), ("\0content", Stored)];
    let complete = planned(&["1 a"], &["1 1"], &rows, Forever);
    assert_eq!(complete.forget, [b"b".to_vec(), b"c".to_vec()]);
    for (uidl, list) in [(&["1 a"], &["1 1", "2 2"] as &[&str]), (&["1"], &["1 1"])] {
        let partial = planned(uidl, list, &rows, Forever);
        assert!(partial.forget.is_empty(), "{uidl:?}");
    }
}

#[test]
fn a_listing_that_lost_most_is_not_believed() {
    let names: Vec<String> = (0..22).map(|n| format!("id{n}")).collect();
    let mut rows: Vec<_> = names.iter().map(|name| (name.as_str(), Stored)).collect();
    rows.push(("gone", Gone));
    let listed = |count: usize| {
        let uidl: Vec<String> = (0..count).map(|n| format!("{} id{n}", n + 1)).collect();
        let list: Vec<String> = (0..count).map(|n| format!("{} 1", n + 1)).collect();
        let (uidl, list): (Vec<&str>, Vec<&str>) =
            (uidl.iter().map(String::as_str).collect(), list.iter().map(String::as_str).collect());
        planned(&uidl, &list, &rows, Forever).forget.len()
    };
    assert_eq!(listed(22), 1, "the one that is gone");
    assert_eq!(listed(11), 12, "half at most");
    assert_eq!(listed(10), 1, "more than half");
    assert_eq!(listed(0), 1);
}

#[test]
fn long_messages_stay_by_their_listed_size_or_by_experience() {
    let got = planned(&["1 a", "2 b", "3 huge"], &["1 100", "2 101", "3 1"], &[], Never);
    assert_eq!(got, Plan { retrieve: vec![target(1, 100, "a")], too_long: 2, ..Plan::default() });
}

#[test]
fn without_a_unique_id_of_its_own_a_message_is_always_retrieved() {
    let got = planned(&["1 a", "2 a", "3"], &["1 1", "2 1", "3 1"], &[("a", Stored)], Never);
    assert_eq!(got.retrieve, [target(1, 1, ""), target(2, 1, ""), target(3, 1, "")]);
    assert!(got.delete.is_empty());
    assert!(got.forget.is_empty());
}

#[test]
fn new_unique_ids_for_most_of_the_listing_are_taken_for_a_reset() {
    let rows = [("a", Stored), ("b", Stored), ("c", Gone)];
    let reset = planned(&["1 x", "2 y", "3 b"], &["1 1", "2 2", "3 3"], &rows, Forever);
    assert!(reset.reset);
    assert_eq!(reset.forget, [b"c".to_vec()], "a may be x or y");
    let half = planned(&["1 x", "2 b"], &["1 1", "2 2"], &rows, Forever);
    assert!(!half.reset);
    assert_eq!(half.forget, [b"a".to_vec(), b"c".to_vec()]);
    let first = planned(&["1 x"], &["1 1"], &[("c", Gone)], Never);
    assert!(!first.reset, "nothing is missing");
}

#[test]
fn what_is_known_of_messages_without_unique_ids_of_their_own() {
    let rows = ledger(&[("a", Stored), ("b", Stored), ("\0content", Stored)]);
    let known = |uidl: &[&str], reset: bool| {
        let known = Known::new(&rows, &Listing::of(uidl, &[]), reset);
        assert_eq!(known.contents.len(), 1);
        let mut missing: Vec<_> = known.missing.into_inner().expect("whole").into_values().flatten().collect();
        missing.sort();
        missing.into_iter().map(|id| String::from_utf8(id).expect("ascii")).collect::<Vec<_>>()
    };
    assert!(known(&["1 a", "2 b"], false).is_empty(), "nothing to look for");
    assert_eq!(known(&["1 a", "2 a", "3 b"], false), ["a"], "one of both");
    assert_eq!(known(&["1 x", "2 y"], true), ["a", "b"]);
}
