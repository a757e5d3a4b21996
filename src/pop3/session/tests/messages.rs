use super::*;

#[test]
fn a_message_at_the_limit_passes_and_one_past_it_is_cut_off() {
    let limits = Limits { message: 10, ..Limits::default() };
    for step in [1, 4, 100] {
        let (mut session, now) = retrieving(limits);
        for piece in b"+OK\r\n01234567\r\n.\r\n+OK\r\n012345678\r\n.\r\n".chunks(step) {
            session.handle_bytes(now, piece).expect("tolerated");
        }
        let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
        assert!(events.contains(&Event::Retrieved { number: 1, octets: 10 }), "{events:?}");
        assert!(events.contains(&Event::TooLong { number: 2 }), "{events:?}");
        assert!(!events.iter().any(|event| matches!(event, Event::Retrieved { number: 2, .. })), "{events:?}");
        assert!(session.is_idle());
    }
    let (mut session, now) = retrieving(limits);
    session.handle_bytes(now, b"+OK\r\n01234567890123456789").expect("twice the limit");
    assert_eq!(session.handle_bytes(now, b"x"), Err(Misbehavior::MessageNeverEnds(1).into()));
}

#[test]
fn a_line_of_megabytes_is_passed_on_in_pieces() {
    let (mut session, now) = retrieving(Limits::default());
    session.handle_bytes(now, b"+OK\r\n").expect("begins");
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..160 {
        session.handle_bytes(now, &piece).expect("goes on");
        assert!(matches!(session.poll_event(), Some(Event::Body { data, .. }) if data.len() == piece.len()));
        assert_eq!(session.poll_event(), None);
    }
    session.handle_bytes(now, b"\r\n.\r\n").expect("ends");
    session.poll_event();
    assert_eq!(session.poll_event(), Some(Event::Retrieved { number: 1, octets: 160 * 64 * 1024 + 2 }));
}

#[test]
fn a_terminator_without_its_line_end_is_taken_when_nothing_follows() {
    let (mut session, now) = retrieving(Limits::default());
    session.handle_bytes(now, b"+OK\r\nx\r\n.\r").expect("message");
    session.handle_timeout(now + Duration::from_secs(120)).expect("complete");
    let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
    assert!(events.contains(&Event::Retrieved { number: 1, octets: 3 }), "{events:?}");
    assert!(events.contains(&Event::Misbehaved(Misbehavior::UnendedTerminator(1))), "{events:?}");
}

#[test]
fn a_message_cut_off_is_never_complete() {
    for wire in ["+OK\r\n", "+OK\r\nx\r\n", "+OK\r\nx\r\n.", "+OK\r\nx\r\n.\r"] {
        let (mut session, now) = retrieving(Limits::default());
        session.handle_bytes(now, wire.as_bytes()).expect("begins");
        assert_eq!(session.handle_bytes(now, b""), Err(Error::Closed { verb: Verb::Retr }));
        assert!(!std::iter::from_fn(|| session.poll_event()).any(|event| matches!(event, Event::Retrieved { .. })));
    }
}

#[test]
fn nasty_bytes_of_a_message_pass_unchanged() {
    let wire = "A: \0\r\n\r\na\nb\rc\r\r\n\n..\r\n..x\r\n\r\n";
    let message = "A: \0\r\n\r\na\nb\rc\r\r\n\n.\r\n.x\r\n\r\n";
    let answer = format!("+OK\r\n{wire}.\r\n");
    let (events, error) = after_listing(&[1], &[("RETR 1", &answer), ("DELE 1", "+OK\r\n"), ("QUIT", "+OK\r\n")]);
    let octets = message.len() as u64;
    let retrieved = Event::Retrieved { number: 1, octets };
    assert_eq!(events, [body(1, message), retrieved, Event::Deleted { number: 1 }, Event::Closed]);
    assert_eq!(error, None);
}

#[test]
fn an_extra_empty_line_at_the_end_is_kept() {
    let (events, _) = after_listing(&[3], &[("RETR 1", "+OK\r\nx\r\n\r\n.\r\n")]);
    assert_eq!(events, [body(1, "x\r\n\r\n"), Event::Retrieved { number: 1, octets: 5 }]);
}

#[test]
fn dots_that_are_not_stuffed_are_kept_and_told() {
    let (events, _) = after_listing(&[9], &[("RETR 1", "+OK\r\n.a\r\n.b\r\n.\r\n")]);
    let told = fault(Misbehavior::UnstuffedDot(1));
    assert_eq!(events, [body(1, ".a\r\n.b\r\n"), told, Event::Retrieved { number: 1, octets: 8 }]);
}

#[test]
fn an_empty_message_is_complete_and_told() {
    for size in [0, 120] {
        let (events, _) = after_listing(&[size], &[("RETR 1", "+OK\r\n.\r\n")]);
        assert_eq!(events, [fault(Misbehavior::EmptyMessage(1)), Event::Retrieved { number: 1, octets: 0 }]);
    }
}

#[test]
fn a_size_that_differs_from_the_listed_one_is_no_fault() {
    for size in [0, 1, 3, 1_000_000] {
        let (events, _) = after_listing(&[size], &[("RETR 1", "+OK 77 octets\r\na.\r\n.\r\n")]);
        assert_eq!(events, [body(1, "a.\r\n"), Event::Retrieved { number: 1, octets: 4 }], "{size}");
    }
}

#[test]
fn a_terminator_behind_an_unended_line_is_taken_at_the_listed_size_when_nothing_follows() {
    let (mut session, now) = pipelined(Limits::default(), &[4]);
    assert_eq!(transmitted(&mut session, now), "RETR 1\r\n");
    session.handle_bytes(now, b"+OK\r\nx\r\ny.\r\n").expect("message");
    let due = session.poll_timeout().expect("deadline");
    assert_eq!(due, now + Duration::from_secs(5), "a whole body timeout for each message would be too long");
    session.handle_timeout(due - Duration::from_millis(1)).expect("early");
    assert_eq!(all_events(&mut session), [body(1, "x\r\ny")]);
    session.handle_timeout(due).expect("complete");
    let want = [fault(Misbehavior::GluedTerminator(1)), Event::Retrieved { number: 1, octets: 4 }];
    assert_eq!(all_events(&mut session), want);
    assert_eq!((session.poll_timeout(), session.is_idle()), (None, true));
}

#[test]
fn a_sentence_that_ends_like_a_message_is_not_its_end() {
    for size in [3, 5, 500] {
        let (mut session, now) = pipelined(Limits::default(), &[size]);
        assert_eq!(transmitted(&mut session, now), "RETR 1\r\n");
        session.handle_bytes(now, b"+OK\r\nx\r\ny.\r\n").expect("message");
        let due = session.poll_timeout().expect("deadline");
        assert_eq!(session.handle_timeout(due), Err(Error::Timeout { verb: Verb::Retr }), "{size}");
        assert!(!all_events(&mut session).iter().any(|event| matches!(event, Event::Retrieved { .. })));
    }
}

#[test]
fn malformed_ends_before_the_next_reply_keep_messages_apart() {
    for (wire, want) in [
        ("x\r\ny.\r\n", Misbehavior::GluedTerminator(1)),
        ("x\r\ny.\n", Misbehavior::GluedTerminator(1)),
        ("x\r\n\r\n.\r", Misbehavior::UnendedTerminator(1)),
    ] {
        for step in 1..40 {
            let (mut session, now) = pipelined(Limits::default(), &[if wire.contains('y') { 4 } else { 5 }, 3]);
            assert_eq!(transmitted(&mut session, now), "RETR 1\r\nRETR 2\r\n");
            let wire = format!("+OK\r\n{wire}+OK\r\nz\r\n.\r\n");
            wire.as_bytes().chunks(step).for_each(|piece| session.handle_bytes(now, piece).expect("usable"));
            let events = all_events(&mut session);
            let bytes = |n: u32| -> Vec<u8> {
                let data = events.iter().filter_map(|event| match event {
                    Event::Body { number, data } if *number == n => Some(data.as_slice()),
                    _ => None,
                });
                data.flatten().copied().collect()
            };
            let first: &[u8] = if wire.contains('y') { b"x\r\ny" } else { b"x\r\n\r\n" };
            assert_eq!((bytes(1).as_slice(), bytes(2).as_slice()), (first, b"z\r\n".as_slice()), "{wire:?} by {step}");
            assert!(events.contains(&fault(want)) && session.is_idle(), "{wire:?} by {step}");
        }
    }
}

#[test]
fn the_message_that_a_connection_was_lost_in_is_known() {
    let (mut session, now) = retrieving(Limits::default());
    for (wire, message) in
        [("", Some(1)), ("+OK\r\n", Some(1)), ("x\r\n", Some(1)), (".\r\n", Some(2)), ("-ERR gone\r\n", None)]
    {
        if !wire.is_empty() {
            session.handle_bytes(now, wire.as_bytes()).expect("goes on");
        }
        assert_eq!(session.receiving(), message, "{wire:?}");
    }
    session.delete(1);
    session.retrieve(2, None);
    assert_eq!(transmitted(&mut session, now), "DELE 1\r\nRETR 2\r\n");
    assert_eq!(session.receiving(), None, "the answer to DELE comes first");
    session.handle_bytes(now, b"+OK\r\n+OK\r\nxy").expect("goes on");
    assert_eq!(session.handle_bytes(now, b""), Err(Error::Closed { verb: Verb::Retr }));
    assert_eq!((session.receiving(), session.awaited()), (Some(2), Verb::Retr));
    assert_eq!((session.handle_bytes(now, b"z\r\n.\r\n"), session.poll_timeout()), (Ok(()), None));
    assert!(!all_events(&mut session).iter().any(|event| matches!(event, Event::Retrieved { number: 2, .. })));
}

#[test]
fn a_message_that_is_refused_does_not_stop_the_others() {
    for text in ["", " no such message", " [SYS/TEMP] timeout while reading message", " internal error"] {
        let refused = format!("-ERR{text}\r\n");
        let rest = [
            ("RETR 1", refused.as_str()),
            ("RETR 2", "+OK\r\nx\r\n.\r\n"),
            ("DELE 2", refused.as_str()),
            ("QUIT", "+OK\r\n"),
        ];
        let (events, error) = after_listing(&[9, 3], &rest);
        assert!(matches!(events[0], Event::Refused { verb: Verb::Retr, number: 1, .. }), "{events:?}");
        assert_eq!(events[2], Event::Retrieved { number: 2, octets: 3 });
        assert!(matches!(events[3], Event::Refused { verb: Verb::Dele, number: 2, .. }), "{events:?}");
        assert_eq!((events.last(), error), (Some(&Event::Closed), None));
    }
}

#[test]
fn a_message_that_swallowed_the_next_one_ends_the_session() {
    let merged: &[u8] = b"+OK\r\nx\r\n\0.\r\n+OK\r\ny\r\n.\r\n";
    let listed: &[u8] = b"+OK\r\n+OK\r\n.\r\n";
    // Octets that LIST gives the first message and a second that waits behind it, if one does.
    let cases: [(&[u8], &[u64], bool); 5] = [
        (merged, &[3, 3], true),
        (merged, &[3], false),
        (listed, &[5, 3], false),
        (listed, &[4, 3], true),
        (listed, &[4], false),
    ];
    for (wire, sizes, ends) in cases {
        for cut in 1..wire.len() {
            let (mut session, now) = pipelined(Limits::default(), sizes);
            transmitted(&mut session, now);
            let (first, second) = wire.split_at(cut);
            let outcome = session.handle_bytes(now, first).and_then(|()| session.handle_bytes(now, second));
            let merged = Err(Error::Misbehavior(Misbehavior::MergedMessages(1)));
            assert_eq!(outcome == merged, ends, "{sizes:?} {cut} {outcome:?}");
        }
    }
}
