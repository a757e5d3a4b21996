use super::*;

#[test]
fn a_server_without_uidl_list_or_capa_is_served() {
    let outcome = play(
        options(),
        &logged_in(&[
            ("STAT", "+OK 1 20\r\n"),
            ("UIDL", "-ERR\r\n"),
            ("LIST", "-ERR\r\n"),
            ("RETR 1", "+OK\nx\n.\n"),
            ("DELE 1", "+OK\n\n"),
            ("QUIT", "+OK\n"),
        ]),
    );
    assert!(matches!(&outcome.events[0], Event::Listed(listing) if listing.len() == 1 && !listing.has_unique_ids()));
    assert_eq!(outcome.events.last(), Some(&Event::Closed));
    assert!(told(&outcome).contains(&Event::Misbehaved(Misbehavior::EmptyLine)));
}

#[test]
fn uidl_refused_although_announced_ends_the_session() {
    let capa = ("CAPA", "+OK\r\nUIDL\r\n.\r\n");
    let script = [capa, LOGIN[1], LOGIN[2], capa, ("STAT", "+OK 1 1\r\n"), ("UIDL", "-ERR maildrop busy\r\n")];
    assert_eq!(play(options(), &script).error.map(|error| error.kind()), Some(ErrorKind::Locked));
}

/// What STAT, UIDL and LIST come to: how many messages, how many with a unique-id, whether that is all, and the faults.
fn listing(stat: &str, uidl: &str, list: &str) -> (usize, usize, bool, Vec<Event>) {
    let script = logged_in(&[("STAT", stat), ("UIDL", uidl), ("LIST", list)]);
    let outcome = play(options(), &script);
    assert_eq!(outcome.error, None);
    let Some(Event::Listed(listing)) = outcome.events.iter().find(|event| matches!(event, Event::Listed(_))) else {
        panic!("no listing: {outcome:?}")
    };
    let with_id = listing.iter().filter(|item| item.unique_id.is_some()).count();
    (listing.len(), with_id, listing.is_complete(), told(&outcome))
}

#[test]
fn a_listing_that_is_doubtful_is_never_complete() {
    let (two, sizes) = ("+OK\r\n1 a\r\n2 b\r\n.\r\n", "+OK\r\n1 5\r\n2 5\r\n.\r\n");
    assert_eq!(listing("+OK 2 10\r\n", two, sizes), (2, 2, true, vec![]));
    for (stat, uidl, list, count, with_id, told) in [
        ("+OK 2 10", "+OK\r\n.\r\n", sizes, 2, 0, Some(Misbehavior::MissingUniqueId(1))),
        ("+OK 2 10", "+OK\r\n2 b\r\n.\r\n", sizes, 2, 1, Some(Misbehavior::MissingUniqueId(1))),
        ("+OK 2 10", "+OK\r\n1\r\n2 b\r\n.\r\n", sizes, 2, 1, Some(Misbehavior::EmptyUniqueId(1))),
        ("+OK 2 10", "+OK\r\n1 a\r\n2 a\r\n.\r\n", sizes, 2, 0, Some(Misbehavior::DuplicateUniqueId(1))),
        ("+OK 2 10", "+OK\r\n1 1\r\n2 2\r\n.\r\n", sizes, 2, 0, Some(Misbehavior::NumericUniqueIds(1))),
        ("+OK 2 10", "-ERR\r\n", sizes, 2, 0, None),
        ("+OK 3 10", two, sizes, 2, 2, Some(Misbehavior::CountMismatch)),
        ("+OK hello", two, sizes, 2, 2, Some(Misbehavior::MalformedStat)),
        ("-ERR what", two, sizes, 2, 2, Some(Misbehavior::MalformedStat)),
        ("+OK 2 10", two, "+OK\r\n1 5\r\n.\r\n", 2, 2, Some(Misbehavior::MissingSize(2))),
        ("+OK 2 10", "+OK\r\n1 a\r\n9 b\r\n.\r\n", "-ERR\r\n", 2, 2, Some(Misbehavior::NumberBeyondCount(9))),
        ("+OK 2 10", "+OK\r\n1 a\r\n2 b\r\n1 c\r\n.\r\n", sizes, 2, 2, Some(Misbehavior::ListingOutOfOrder)),
    ] {
        let (got_count, got_ids, complete, faults) = listing(&format!("{stat}\r\n"), uidl, list);
        assert_eq!((got_count, got_ids, complete), (count, with_id, false), "{stat} {uidl:?} {list:?}");
        assert_eq!(faults.first().cloned(), told.map(fault), "{stat} {uidl:?} {list:?}");
    }
}

#[test]
fn a_listing_with_harmless_oddities_is_complete() {
    for (uidl, list) in [
        ("+OK\r\n2 b\r\n1 a\r\n.\r\n", "+OK\r\n2 5\r\n1 5\r\n.\r\n"),
        ("+OK\r\n1 a with spaces\r\n2 b\r\n2 b\r\n.\r\n", "+OK\r\n1 0\r\n2 99999999999 more\r\n.\r\n"),
        ("+OK\r\n\r\n1 a\r\n2 b\r\n.\r\n", "+OK\r\n1 five\r\n2 5\r\n.\r\n"),
        ("+OK\n1 a\n2 b\n.\n", "-ERR\n"),
    ] {
        let (count, with_id, complete, _) = listing("+OK 2 10\r\n", uidl, list);
        assert_eq!((count, with_id, complete), (2, 2, true), "{uidl:?} {list:?}");
    }
}

#[test]
fn a_listing_cut_off_is_no_listing() {
    let answers = ["+OK 2 10\r\n", "+OK\r\n1 a\r\n2 b\r\n.\r\n", "+OK\r\n1 5\r\n2 5\r\n.\r\n"];
    let whole = answers.concat();
    for end in 0..whole.len() {
        let mut peer = Peer::new(options(), WHOLE);
        let now = peer.now;
        let capa = "+OK\r\nPIPELINING\r\n.\r\n";
        for answer in ["+OK\r\n", capa, "+OK\r\n", "+OK\r\n", capa] {
            peer.session.handle_bytes(now, answer.as_bytes()).expect("login");
        }
        if end > 0 {
            peer.session.handle_bytes(now, &whole.as_bytes()[..end]).expect("begins");
        }
        let error = peer.session.handle_bytes(now, b"").expect_err("closed");
        assert_eq!(error.kind(), ErrorKind::Connection, "{end}");
        assert!(!all_events(&mut peer.session).iter().any(|event| matches!(event, Event::Listed(_))), "{end}");
    }
}

#[test]
fn a_refused_listing_is_no_empty_maildrop() {
    for text in
        ["[SYS/TEMP] later", "[IN-USE] busy", "maildrop locked", "try again later", "Disconnected for inactivity"]
    {
        let answer = format!("-ERR {text}\r\n");
        let (stat, uidl) = (("STAT", "+OK 1 1\r\n"), ("UIDL", "+OK\r\n1 a\r\n.\r\n"));
        for script in
            [vec![("STAT", answer.as_str())], vec![stat, ("UIDL", &answer)], vec![stat, uidl, ("LIST", &answer)]]
        {
            let outcome = play(options(), &logged_in(&script));
            assert!(outcome.error.is_some(), "{script:?}");
            assert!(!outcome.events.iter().any(|event| matches!(event, Event::Listed(_))), "{script:?}");
        }
    }
}
