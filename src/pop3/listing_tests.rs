use super::*;

const LIMITS: Limits = Limits {
    line: 8192,
    unique_id: 10,
    listing: 3,
    listing_bytes: 25,
    header: 100,
    message: 100,
    window_commands: 4,
    window_bytes: 1000,
};

type Shown = Vec<(u32, Option<u64>, Option<String>)>;

fn build(
    stat: &str,
    uidl: Option<&[&str]>,
    list: Option<&[&str]>,
) -> Result<(Shown, bool, Vec<Misbehavior>), Misbehavior> {
    let mut builder = ListingBuilder::default();
    builder.stat(stat.as_bytes());
    if let Some(lines) = uidl {
        builder.begin_uidl();
        lines.iter().try_for_each(|line| builder.uidl_line(line.as_bytes(), &LIMITS))?;
    }
    if let Some(lines) = list {
        builder.begin_list();
        lines.iter().try_for_each(|line| builder.list_line(line.as_bytes(), &LIMITS))?;
    }
    let (listing, faults) = builder.finish(&LIMITS)?;
    let text = |id: &[u8]| String::from_utf8(id.to_vec()).expect("ascii");
    let shown = listing.iter().map(|item| (item.number, item.size, item.unique_id.map(text))).collect();
    Ok((shown, listing.is_complete(), faults))
}

fn row(number: u32, size: Option<u64>, id: &str) -> (u32, Option<u64>, Option<String>) {
    (number, size, (!id.is_empty()).then(|| id.to_owned()))
}

#[test]
fn a_listing_as_it_should_be() {
    let got = build("2 30 extra", Some(&["1 a", "2 b c "]), Some(&["1 10", "2 20 x"])).expect("fine");
    assert_eq!(got, (vec![row(1, Some(10), "a"), row(2, Some(20), "b c")], true, vec![]));
    assert_eq!(build("0 0", Some(&[]), Some(&[])).expect("fine"), (vec![], true, vec![]));
}

#[test]
fn faults_are_named_and_cost_no_mail() {
    use Misbehavior::*;
    let missing = build("2 30", Some(&["2 b"]), Some(&["1 10", "2 20"])).expect("usable");
    assert_eq!(missing, (vec![row(1, Some(10), ""), row(2, Some(20), "b")], false, vec![MissingUniqueId(1)]));
    let shared = build("3 30", Some(&["1 a", "2 b", "3 a"]), Some(&["1 1", "2 2", "3 3"])).expect("usable");
    let rows = vec![row(1, Some(1), ""), row(2, Some(2), "b"), row(3, Some(3), "")];
    assert_eq!(shared, (rows, false, vec![DuplicateUniqueId(1)]));
    let order = build("2 30", Some(&["2 b", "1 a"]), Some(&["1 1", "2 2"])).expect("usable");
    assert_eq!(order, (vec![row(1, Some(1), "a"), row(2, Some(2), "b")], true, vec![ListingOutOfOrder]));
    let empty = build("1 30", Some(&["1"]), Some(&["1 1"])).expect("usable");
    assert_eq!(empty, (vec![row(1, Some(1), "")], false, vec![EmptyUniqueId(1)]));
    let invalid = build("1 30", Some(&["1 \0a"]), Some(&["1 1"])).expect("usable");
    assert_eq!(invalid, (vec![row(1, Some(1), "")], false, vec![InvalidUniqueId(1)]));
    let twice = build("1 1", Some(&["1 a", "1 a"]), Some(&["1 1"])).expect("usable");
    assert_eq!(twice, (vec![row(1, Some(1), "a")], true, vec![RepeatedNumber(1)]));
    let conflict = build("1 1", Some(&["1 a", "1 b"]), Some(&["1 1"])).expect("usable");
    assert_eq!(conflict, (vec![row(1, Some(1), "a")], false, vec![RepeatedNumber(1)]));
    let count = build("5 1", Some(&["1 a"]), None).expect("usable");
    assert_eq!(count, (vec![row(1, None, "a")], false, vec![CountMismatch]));
    let unsized_one = build("1 1", Some(&["1 a"]), Some(&[])).expect("usable");
    assert_eq!(unsized_one, (vec![row(1, None, "a")], false, vec![MissingSize(1)]));
    let beyond = build("2 1", Some(&["1 a", "7 b"]), None).expect("usable");
    assert_eq!(beyond, (vec![row(1, None, "a"), row(7, None, "b")], false, vec![NumberBeyondCount(7)]));
    let blank = build("1 1", Some(&["", "1 a"]), Some(&["1 1", " "])).expect("usable");
    assert_eq!(blank, (vec![row(1, Some(1), "a")], true, vec![EmptyLine]));
}

#[test]
fn without_uidl_and_list_stat_counts() {
    let got = build("2 30", None, None).expect("usable");
    assert_eq!(got, (vec![row(1, None, ""), row(2, None, "")], false, vec![]));
    assert_eq!(build("4 30", None, None), Err(Misbehavior::ListingTooLong));
}

#[test]
fn without_stat_a_listing_is_never_complete() {
    for stat in ["", "x", "1", "1 x", "-1 5", "+1 5", "4294967296 1"] {
        let got = build(stat, Some(&["1 a"]), Some(&["1 1"])).expect("usable");
        assert_eq!(got, (vec![row(1, Some(1), "a")], false, vec![Misbehavior::MalformedStat]), "{stat:?}");
    }
}

#[test]
fn a_size_that_is_no_number_is_unknown_and_costs_nothing_else() {
    for size in ["", "x", "-5", "18446744073709551616", "1,000"] {
        let got = build("1 1", Some(&["1 a"]), Some(&[&format!("1 {size}")])).expect("usable");
        assert_eq!(got, (vec![row(1, None, "a")], true, vec![Misbehavior::MalformedSize(1)]), "{size:?}");
    }
    let huge = build("1 1", Some(&["1 a"]), Some(&["1 18446744073709551615"])).expect("usable");
    assert_eq!(huge, (vec![row(1, Some(u64::MAX), "a")], true, vec![]));
}

#[test]
fn one_fault_of_each_kind_is_kept_however_many_there_are() {
    let limits = Limits { listing: 1_000, listing_bytes: 10_000, ..LIMITS };
    let mut builder = ListingBuilder::default();
    for line in (1..=1_000).map(|n| format!("{n}")) {
        builder.uidl_line(line.as_bytes(), &limits).expect("usable");
        assert!(builder.faults.len() <= 1);
    }
    let (listing, faults) = builder.finish(&limits).expect("usable");
    assert_eq!((listing.len(), faults), (1_000, vec![Misbehavior::EmptyUniqueId(1)]));
}

#[test]
fn unique_ids_that_are_the_message_numbers_are_none() {
    let numeric = |uidl: &[&str]| {
        let count = format!("{} 0", uidl.len());
        let (rows, complete, faults) = build(&count, Some(uidl), None).expect("usable");
        (rows.iter().all(|(_, _, id)| id.is_none()), complete, faults)
    };
    assert_eq!(numeric(&["1 1", "2 2", "3 3"]), (true, false, vec![Misbehavior::NumericUniqueIds(1)]));
    assert_eq!(numeric(&["1 1"]), (true, false, vec![Misbehavior::NumericUniqueIds(1)]));
    // Of a maildrop from which something was deleted, or which does not count by the message.
    for real in [&["1 1", "2 3"] as &[&str], &["1 2"], &["1 01"], &["1 1", "2 b"], &["1 1x"]] {
        assert_eq!(numeric(real), (false, true, vec![]), "{real:?}");
    }
    assert!(Listing::of(&["1 1", "2 2"], &["1 5", "2 5"]).ids_are_numbers());
    assert!(!Listing::of(&["1 a", "2 2"], &["1 5", "2 5"]).ids_are_numbers());
    assert!(!Listing::of(&[], &[]).ids_are_numbers());
}

#[test]
fn empty_lines_at_the_limit_pass_and_one_past_it_ends_the_listing() {
    for uidl in [true, false] {
        let mut builder = ListingBuilder::default();
        let mut line = || if uidl { builder.uidl_line(b"", &LIMITS) } else { builder.list_line(b"", &LIMITS) };
        (0..MAX_EMPTY_LINES).for_each(|_| line().expect("skipped"));
        assert_eq!(line(), Err(Misbehavior::EmptyLine));
    }
}

#[test]
fn a_unique_id_of_the_default_limit_passes_and_one_octet_more_does_not() {
    let limits = Limits::default();
    for (length, kept) in [(70, true), (71, true), (1_000, true), (1_001, false)] {
        let mut builder = ListingBuilder::default();
        builder.uidl_line(format!("1 {}", "x".repeat(length)).as_bytes(), &limits).expect("usable");
        let (listing, faults) = builder.finish(&limits).expect("usable");
        assert_eq!(listing.iter().any(|item| item.unique_id.is_some()), kept, "{length}");
        assert_eq!(faults.contains(&Misbehavior::UniqueIdTooLong(1)), !kept, "{length}");
    }
}

#[test]
fn a_hundred_thousand_messages_take_a_few_dozen_octets_each() {
    let limits = Limits::default();
    let mut builder = ListingBuilder::default();
    builder.stat(b"100000 1");
    for number in 1..=100_000 {
        builder.uidl_line(format!("{number} {:016x}", number * 7).as_bytes(), &limits).expect("UIDL");
        builder.list_line(format!("{number} 2000").as_bytes(), &limits).expect("LIST");
    }
    let (listing, faults) = builder.finish(&limits).expect("listing");
    assert_eq!((listing.len(), listing.is_complete(), faults), (100_000, true, vec![]));
    assert_eq!(listing.ids.len(), 1_600_000);
    assert!(size_of::<Entry>() <= 32 && size_of::<(u32, Id)>() <= 12, "what one message costs besides its unique-id");
}

#[test]
fn numbers_are_strict() {
    for line in ["a", "0 a", "-1 a", "+1 a", "1a b", "4294967296 a"] {
        assert_eq!(build("1 1", Some(&[line]), None), Err(Misbehavior::MalformedUidl), "{line:?}");
    }
    for line in ["x", "x 5", "0 5", "-1 5", "4294967296 5"] {
        assert_eq!(build("1 1", None, Some(&[line])), Err(Misbehavior::MalformedList), "{line:?}");
    }
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    assert_eq!(build("1 1", Some(&["1 0123456789"]), None).expect("at limit").2, []);
    let long = build("1 1", Some(&["1 0123456789x"]), None).expect("usable");
    assert_eq!(long, (vec![row(1, None, "")], false, vec![Misbehavior::UniqueIdTooLong(1)]));
    assert!(build("3 1", Some(&["1 a", "2 b", "3 c"]), Some(&["1 1", "2 2", "3 3"])).is_ok());
    assert_eq!(build("4 1", Some(&["1 a", "2 b", "3 c", "4 d"]), None), Err(Misbehavior::ListingTooLong));
    assert_eq!(build("4 1", None, Some(&["1 1", "2 2", "3 3", "4 4"])), Err(Misbehavior::ListingTooLong));
    assert!(build("3 1", Some(&["1 0123456789", "2 012345678x", "3 01234"]), None).is_ok());
    let bytes = build("3 1", Some(&["1 0123456789", "2 012345678x", "3 012345"]), None);
    assert_eq!(bytes, Err(Misbehavior::ListingTooLong));
}
