use super::*;

#[test]
fn greetings_that_refuse_are_told_apart() {
    for (text, kind) in [
        ("", ErrorKind::Throttled),
        (" go away", ErrorKind::Throttled),
        (" [IN-USE] busy", ErrorKind::Locked),
        (" maildrop locked", ErrorKind::Locked),
        (" [LOGIN-DELAY] wait", ErrorKind::Throttled),
        (" [SYS/TEMP] later", ErrorKind::Throttled),
        (" [SYS/PERM] ask", ErrorKind::Auth),
        (" Too many connections from your address", ErrorKind::Throttled),
        (" Autologout; idle for too long", ErrorKind::Connection),
    ] {
        let outcome = Peer::new(options(), Cut::Every(1)).play(&format!("-ERR{text}\r\n"), &[]);
        assert_eq!(outcome.error.map(|error| error.kind()), Some(kind), "{text}");
        assert_eq!(outcome.sent, Vec::<String>::new());
    }
}

#[test]
fn a_greeting_of_several_lines_is_read_and_that_of_another_protocol_is_named() {
    for greeting in [
        "Welcome to the mail server\r\nNo trespassing\r\n+OK ready\r\n",
        "+OK ready\r\nNo trespassing\r\n",
        "\r\n+OK\r\n",
    ] {
        let script: Vec<_> = LOGIN.iter().chain(&[("STAT", "")]).copied().collect();
        let outcome = Peer::new(options(), Cut::Every(3)).play(greeting, &script);
        assert_eq!((outcome.error, outcome.sent.len()), (None, 4), "{greeting:?}");
        assert!(outcome.events.iter().all(|event| matches!(event, Event::Misbehaved(_))));
    }
    for greeting in ["* OK IMAP4rev1 ready\r\n", "220 mail ESMTP\r\n"] {
        let outcome = Peer::new(options(), WHOLE).play(greeting, &[]);
        assert_eq!(outcome.error, Some(Misbehavior::NotPop3.into()));
    }
    // Whatever it is, it never greets.
    let mut peer = Peer::new(options(), WHOLE);
    let now = peer.now;
    peer.session.handle_bytes(now, b"SSH-2.0-OpenSSH_9.9\r\n").expect("may be a banner");
    let due = peer.session.poll_timeout().expect("deadline");
    assert_eq!(due, now + Timeouts::default().reply);
    assert_eq!(peer.session.handle_timeout(due), Err(Misbehavior::NotPop3.into()));
    let lines = |count: usize| "hello\r\n".repeat(count) + "+OK\r\n";
    assert_eq!(Peer::new(options(), WHOLE).play(&lines(32), &LOGIN[..1]).error, None);
    let many = Peer::new(options(), WHOLE).play(&lines(33), &[]);
    assert_eq!(many.error, Some(Misbehavior::BannerLines.into()));
}

#[test]
fn a_server_that_hangs_or_closes_at_capa_is_to_be_asked_without() {
    for answer in ["", "+OK\r\nUSER\r\n", "+O", "\r\n"] {
        for hang in [true, false] {
            let mut peer = Peer::new(options(), WHOLE);
            let now = peer.now;
            peer.session.handle_bytes(now, b"+OK\r\n").expect("greeting");
            if !answer.is_empty() {
                peer.session.handle_bytes(now, answer.as_bytes()).expect("begins");
            }
            let due = peer.session.poll_timeout().expect("deadline");
            let ended = if hang { peer.session.handle_timeout(due) } else { peer.session.handle_bytes(now, b"") };
            let error = ended.expect_err("no CAPA");
            assert!(error.is_about_capa(), "{answer:?} {error}");
        }
    }
    let outcome = play(Options { use_capa: false, ..options() }, &[LOGIN[1], LOGIN[2], ("STAT", "")]);
    assert_eq!((outcome.error, outcome.sent), (None, ["USER u", "PASS secret", "STAT"].map(str::to_owned).to_vec()));
}

#[test]
fn last_words_of_a_server_are_no_garbage() {
    for (words, kind) in [
        ("", ErrorKind::Connection),
        (" Autologout; idle for too long", ErrorKind::Connection),
        (" Disconnected for inactivity.", ErrorKind::Connection),
        (" [SYS/TEMP] going down", ErrorKind::Throttled),
        (" server shutting down", ErrorKind::Throttled),
        (" [IN-USE] taken over", ErrorKind::Locked),
    ] {
        let (mut session, now) = pipelined(Limits::default(), &[]);
        let error = session.handle_bytes(now, format!("-ERR{words}\r\n").as_bytes()).expect_err("dismissed");
        assert!(matches!(&error, Error::Dismissed { refusal } if refusal.text == words.trim()), "{error:?}");
        assert_eq!(error.kind(), kind, "{words}");
        assert!(error.to_string().starts_with("the server ended the session: "));
    }
    // The server spoke while the command was on its way.
    for ask in [|s: &mut Session| s.retrieve(1, None), |s: &mut Session| s.delete(1), Session::noop, Session::reset] {
        let (mut session, now) = pipelined(Limits::default(), &[]);
        ask(&mut session);
        assert!(session.poll_transmit(now).is_some());
        let error = session.handle_bytes(now, b"-ERR Disconnected for inactivity.\r\n").expect_err("dismissed");
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert_eq!(all_events(&mut session), []);
    }
    let hidden = "-ERR no secret here\r\n";
    let (mut session, now) = pipelined(Limits::default(), &[]);
    assert!(!session.handle_bytes(now, hidden.as_bytes()).expect_err("dismissed").to_string().contains("secret"));
}

#[test]
fn every_answer_to_dele_may_be_followed_by_an_empty_line() {
    let (mut session, now) = pipelined(Limits::default(), &[]);
    (1..=500).for_each(|number| session.delete(number));
    let mut deleted = 0;
    while !session.is_idle() {
        let commands = transmitted(&mut session, now).matches("DELE").count();
        session.handle_bytes(now, &b"+OK\r\n\r\n".repeat(commands)).expect("tolerated");
        deleted += all_events(&mut session).iter().filter(|event| matches!(event, Event::Deleted { .. })).count();
    }
    assert_eq!(deleted, 500);
}

#[test]
fn deleting_twice_keeping_alive_and_taking_back_are_answered() {
    let (mut session, now) = pipelined(Limits::default(), &[]);
    session.delete(1);
    session.delete(1);
    session.noop();
    session.reset();
    assert_eq!(transmitted(&mut session, now), "DELE 1\r\nDELE 1\r\nNOOP\r\nRSET\r\n");
    session.handle_bytes(now, b"+OK\r\n+OK\r\n-ERR\r\n+OK\r\n").expect("answers");
    let deleted = Event::Deleted { number: 1 };
    assert_eq!(all_events(&mut session), [deleted.clone(), deleted, Event::Done(Verb::Noop), Event::Done(Verb::Rset)]);
    session.reset();
    assert!(session.poll_transmit(now).is_some());
    let error = session.handle_bytes(now, b"-ERR\r\n").expect_err("the marks stay");
    assert!(matches!(error, Error::Refused { verb: Verb::Rset, .. }), "{error:?}");
}

#[test]
fn quit_that_is_refused_or_not_answered_deletes_nothing() {
    for (answer, kind) in [
        ("-ERR some deleted messages not removed\r\n", ErrorKind::Protocol),
        ("-ERR [SYS/TEMP] later\r\n", ErrorKind::Throttled),
        ("", ErrorKind::Connection),
    ] {
        let (mut session, now) = pipelined(Limits::default(), &[]);
        session.quit();
        assert_eq!(transmitted(&mut session, now), "QUIT\r\n");
        let error = session.handle_bytes(now, answer.as_bytes()).expect_err("not deleted");
        assert_eq!(error.kind(), kind, "{answer:?}");
        assert!(matches!(error, Error::Refused { verb: Verb::Quit, .. } | Error::Closed { verb: Verb::Quit }));
        assert_eq!(all_events(&mut session), []);
    }
    let (mut session, now) = pipelined(Limits::default(), &[]);
    session.quit();
    assert!(session.poll_transmit(now).is_some());
    assert_eq!(session.handle_bytes(now, b"+OK bye\r\nmore\r\n"), Ok(()), "what follows is nobody's");
    assert_eq!((session.handle_bytes(now, b""), all_events(&mut session)), (Ok(()), vec![Event::Closed]));
}
