use super::*;

#[test]
fn the_window_is_bounded_in_commands_and_in_octets() {
    let limits = Limits { window_commands: 3, window_bytes: 100, ..Limits::default() };
    let (mut session, now) = pipelined(limits, &[10, 10, 10, 10]);
    assert_eq!(transmitted(&mut session, now), "RETR 1\r\nRETR 2\r\nRETR 3\r\n");
    session.handle_bytes(now, b"+OK\r\nx\r\n.\r\n").expect("first");
    assert_eq!(transmitted(&mut session, now), "RETR 4\r\n");

    let (mut session, now) = pipelined(limits, &[100, 1, 99, 500]);
    assert_eq!(transmitted(&mut session, now), "RETR 1\r\n", "one past the window waits");
    session.handle_bytes(now, b"+OK\r\nx\r\n.\r\n").expect("first");
    assert_eq!(transmitted(&mut session, now), "RETR 2\r\nRETR 3\r\n", "at the window passes");
    session.handle_bytes(now, b"+OK\r\n.\r\n+OK\r\n.\r\n").expect("two");
    assert_eq!(transmitted(&mut session, now), "RETR 4\r\n", "a message larger than the window goes alone");
    session.quit();
    assert_eq!(transmitted(&mut session, now), "");
    session.handle_bytes(now, b"+OK\r\n.\r\n").expect("last");
    assert_eq!(transmitted(&mut session, now), "QUIT\r\n");
}

#[test]
fn pipelining_is_left_alone_where_it_is_not_wanted() {
    let mut peer = Peer::new(Options { use_pipelining: false, ..options() }, WHOLE);
    let now = peer.now;
    let capa = "+OK\r\nPIPELINING\r\n.\r\n";
    for answer in ["+OK\r\n", capa, "+OK\r\n", "+OK\r\n", capa, "+OK 0 0\r\n", "+OK\r\n.\r\n", "+OK\r\n.\r\n"] {
        let lines = transmitted(&mut peer.session, now).matches('\n').count();
        assert!(lines <= 1 && peer.session.in_flight_count() == 1);
        assert!(!peer.session.is_pipelining());
        peer.session.handle_bytes(now, answer.as_bytes()).expect("in step");
    }
    assert!(peer.session.is_idle() && peer.session.capabilities().pipelining);
}

#[test]
fn commands_that_a_server_drops_behind_another_are_told_by_the_timeout() {
    for (answers, verb, count) in
        [("", Verb::Retr, 3), ("-ERR\r\n", Verb::Retr, 2), ("-ERR\r\n-ERR\r\n", Verb::Retr, 1)]
    {
        let (mut session, now) = pipelined(Limits::default(), &[1, 1, 1]);
        assert_eq!(transmitted(&mut session, now), "RETR 1\r\nRETR 2\r\nRETR 3\r\n");
        if !answers.is_empty() {
            session.handle_bytes(now, answers.as_bytes()).expect("answers");
        }
        let due = session.poll_timeout().expect("deadline");
        assert_eq!(session.handle_timeout(due), Err(Error::Timeout { verb }));
        assert_eq!((session.is_pipelining(), session.in_flight_count()), (true, count), "{answers:?}");
    }
    let (mut session, now) = pipelined(Limits::default(), &[1]);
    assert_eq!(transmitted(&mut session, now), "RETR 1\r\n");
    let due = session.poll_timeout().expect("deadline");
    session.handle_timeout(due).expect_err("silence");
    assert!(!session.is_pipelining(), "a command alone says nothing about pipelining");
}

#[test]
fn nothing_is_sent_behind_a_command_of_the_login() {
    let mut peer = Peer::new(options(), WHOLE);
    let now = peer.now;
    assert_eq!(transmitted(&mut peer.session, now), "", "the server speaks first");
    let capa = "+OK\r\nPIPELINING\r\n.\r\n";
    for (answer, sent) in
        [("+OK\r\n", "CAPA\r\n"), (capa, "USER u\r\n"), ("+OK\r\n", "PASS secret\r\n"), ("+OK\r\n", "CAPA\r\n")]
    {
        peer.session.handle_bytes(now, answer.as_bytes()).expect("in step");
        peer.session.quit();
        assert_eq!(transmitted(&mut peer.session, now), sent);
        assert_eq!(transmitted(&mut peer.session, now), "");
    }
}
