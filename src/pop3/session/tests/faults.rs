use super::*;

#[test]
fn faults_that_end_a_session_have_names() {
    let stat = ("STAT", "+OK 1 1\r\n");
    let long = format!("+OK {}\r\n", "x".repeat(8189));
    let fits = format!("+OK {}\r\n", "x".repeat(8188));
    for (script, fault) in [
        (logged_in(&[("STAT", "hello\r\n")]), Misbehavior::MalformedReply),
        (logged_in(&[("STAT", "+ \r\n")]), Misbehavior::UnexpectedContinuation),
        (logged_in(&[("STAT", &long)]), Misbehavior::LineTooLong),
        (logged_in(&[stat, ("UIDL", "+OK\r\nx\r\n")]), Misbehavior::MalformedUidl),
        (logged_in(&[stat, ("UIDL", "+OK\r\n0 a\r\n")]), Misbehavior::MalformedUidl),
        (logged_in(&[stat, ("UIDL", "-ERR\r\n"), ("LIST", "+OK\r\nx\r\n")]), Misbehavior::MalformedList),
    ] {
        assert_eq!(play(options(), &script).error, Some(Error::Misbehavior(fault)));
    }
    assert_eq!(play(options(), &[("CAPA", &fits), LOGIN[1]]).error, None);
    let empty = |n: usize| format!("{}-ERR\r\n", "\r\n".repeat(n));
    assert_eq!(play(options(), &[("CAPA", &empty(64)), LOGIN[1]]).error, None);
    assert_eq!(play(options(), &[("CAPA", &empty(65))]).error, Some(Misbehavior::EmptyLine.into()));
    let capa = |n: usize| format!("+OK\r\n{}.\r\n", "X\r\n".repeat(n));
    assert_eq!(play(options(), &[("CAPA", &capa(1000)), LOGIN[1]]).error, None);
    assert_eq!(play(options(), &[("CAPA", &capa(1001))]).error, Some(Misbehavior::ListingTooLong.into()));
}

#[test]
fn a_reply_to_nothing_ends_the_session() {
    let (mut session, now) = pipelined(Limits::default(), &[]);
    assert_eq!(session.handle_bytes(now, b"\r\n"), Ok(()));
    assert_eq!(session.handle_bytes(now, b"+OK\r\n"), Err(Misbehavior::UnsolicitedReply.into()));
}

#[test]
fn nothing_panics_on_noise() {
    let mut state = 0x9e37_79b9_u32;
    let words: [&[u8]; 10] =
        [b"+OK\r\n", b".\r\n", b"-ERR\r\n", b"+ \r\n", b"1 a\r\n", b"1 1\r\n", b"\n", b".", b"+OK 1 1\r\n", b"\xff\0"];
    for _ in 0..2000 {
        let mut peer = Peer::new(options(), WHOLE);
        for _ in 0..40 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = words[(state >> 16) as usize % words.len()];
            if peer.session.handle_bytes(peer.now, word).is_err() {
                break;
            }
            let mut outcome = Outcome { events: Vec::new(), method: None, sent: Vec::new(), error: None };
            peer.collect(&mut outcome);
            peer.session.poll_transmit(peer.now);
        }
    }
}

/// Deletes and looks at all, whatever comes.
fn poke(session: &mut Session, event: &Event) {
    match event {
        Event::Listed(listing) => listing.iter().for_each(|item| {
            session.top(item.number);
            session.retrieve(item.number, item.size);
        }),
        _ if session.is_idle() => session.quit(),
        _ => {}
    }
}

#[test]
fn every_kind_of_fault_is_found_on_the_wire() {
    let limits = Limits { unique_id: 10, listing: 3, header: 20, message: 30, ..Limits::default() };
    let list = "+OK\r\n1 5\r\n2 5\r\n.\r\n";
    let uidl = "+OK\r\n1 a\r\n2 b\r\n.\r\n";
    let (top, retr) = ("+OK\r\nA: b\r\n\r\n.\r\n", "+OK\r\nx\r\n.\r\n");
    let ids = |lines: &str| ["+OK 2 10\r\n".to_owned(), format!("+OK\r\n{lines}.\r\n"), list.to_owned()];
    let sizes = |lines: &str| ["+OK 2 10\r\n".to_owned(), uidl.to_owned(), format!("+OK\r\n{lines}.\r\n")];
    let stat = |answer: &str| [format!("{answer}\r\n"), uidl.to_owned(), list.to_owned()];
    // Answers to a greeting, CAPA, USER and PASS; to the listing; to TOP and RETR.
    let login = ["+OK\r\n", "-ERR\r\n", "+OK\r\n", "+OK\r\n"];
    let from_login = |answers: &[&str]| answers.concat();
    let from_listing = |answers: [String; 3]| login.concat() + &answers.concat();
    let from_messages = |answers: &[&str]| from_listing(ids("1 a\r\n2 b\r\n")) + &answers.concat();
    let long = "x".repeat(10_000);
    let wires = [
        from_login(&[&long]),
        from_login(&["+OK\r\n", "-ERR\r\n", "hello\r\n"]),
        from_login(&["220 hello\r\n"]),
        from_login(&["hello\r\n+OK\r\n"]),
        from_login(&["+OK\r\n", "\r\n"]),
        from_login(&["+OK\r\n", "+OK\r\nSASL PLAIN\r\n.\r\n", "+ \r\n", "+ \r\n"]),
        from_listing(stat("+OK two")),
        from_listing(stat("+OK 3 10")),
        from_listing(ids("a\r\n")),
        from_listing(sizes("a\r\n")),
        from_listing(ids("1 a\r\n2 b\r\n3 c\r\n4 d\r\n")),
        from_listing(ids("2 b\r\n1 a\r\n")),
        from_listing(ids("1 a\r\n1 b\r\n")),
        from_listing(["+OK 2 10\r\n".to_owned(), "+OK\r\n1 a\r\n7 b\r\n.\r\n".to_owned(), "-ERR\r\n".to_owned()]),
        from_listing(sizes("1 5\r\n2 x\r\n")),
        from_listing(sizes("1 5\r\n")),
        from_listing(ids("1 a\r\n2\r\n")),
        from_listing(ids("1 a\r\n2 01234567890\r\n")),
        from_listing(ids("1 a\r\n2 b\0\r\n")),
        from_listing(ids("1 a\r\n2 a\r\n")),
        from_listing(ids("1 1\r\n2 2\r\n")),
        from_messages(&["+OK\r\nA: b\r\n\r\nbody\r\n.\r\n"]),
        from_messages(&["+OK\r\nA: b\r\n.\r\n"]),
        from_messages(&[&format!("+OK\r\nA: {}\r\n\r\n.\r\n", &long[..30])]),
        from_messages(&[top, "+OK\r\n.x\r\n.\r\n"]),
        from_messages(&[top, "+OK\r\nxyz\r\n.\r+OK bye\r\n"]),
        from_messages(&[top, "+OK\r\nabcde.\r\n+OK bye\r\n"]),
        from_messages(&[top, "+OK\r\n.\r\n"]),
        from_messages(&[top, "+OK\r\n", &long[..31]]),
        from_messages(&[top, "+OK\r\n", &long[..61]]),
        from_messages(&[top, retr, top, retr, "+OK bye\r\n"]),
        from_login(&["+OK\r\n", "-ERR\r\n", "+OK\r\n+OK\r\n+OK\r\n"]),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for wire in &wires {
        seen.extend(faults_of(Options { limits, ..options() }, wire));
    }
    let long_response = Credentials::new("u", Secret::new("p".repeat(300))).expect("fits");
    let script = "+OK\r\n+OK\r\nSASL PLAIN\r\n.\r\n+OK\r\n";
    seen.extend(faults_of(Options { credentials: long_response, ..options() }, script));
    seen.extend(faults_of(options(), "+OK\r\n+OK\r\nSASL CRAM-MD5\r\n.\r\n+ !\r\n"));
    seen.extend(scram::scram(64, |_| "+OK".to_owned()).2.err().and_then(misbehavior));
    seen.extend(faults_of(Options { security: Security::StartTls, ..options() }, "+OK\r\n-ERR\r\n+OK\r\n+OK\r\n"));
    let (mut session, now) = pipelined(limits, &[]);
    seen.extend(session.handle_bytes(now, b"+OK\r\n").err().and_then(misbehavior));
    let (mut session, now) = pipelined(Limits::default(), &[3, 3]);
    transmitted(&mut session, now);
    seen.extend(session.handle_bytes(now, b"+OK\r\nx\r\n\0.\r\n+OK\r\ny\r\n.\r\n").err().and_then(misbehavior));
    let all: std::collections::BTreeSet<_> = Misbehavior::ALL.iter().map(|fault| fault.label()).collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&&str>::new());
}

fn misbehavior(error: Error) -> Option<&'static str> {
    match error {
        Error::Misbehavior(fault) => Some(fault.label()),
        _ => None,
    }
}

/// The faults told of a server that says this, one octet at a time, whatever it is asked.
fn faults_of(options: Options, wire: &str) -> Vec<&'static str> {
    let mut peer = Peer { then: poke, ..Peer::new(options, WHOLE) };
    let mut outcome = Outcome { events: Vec::new(), method: None, sent: Vec::new(), error: None };
    for octet in wire.as_bytes() {
        outcome.error = peer.session.handle_bytes(peer.now, &[*octet]).err();
        let hold = outcome.events.contains(&Event::StartTls) || peer.session.phase == Phase::AwaitTls;
        if hold {
            outcome.events.extend(all_events(&mut peer.session));
        } else {
            peer.collect(&mut outcome);
        }
        peer.session.poll_transmit(peer.now);
        if outcome.error.is_some() {
            break;
        }
    }
    let told = outcome.events.iter().filter_map(|event| match event {
        Event::Misbehaved(fault) => Some(fault.label()),
        _ => None,
    });
    told.chain(outcome.error.clone().and_then(misbehavior)).collect()
}
