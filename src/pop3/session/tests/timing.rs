use super::*;

#[test]
fn time_runs_out_at_the_limit_and_not_before() {
    let Timeouts { reply, body, .. } = Timeouts::default();
    let tick = Duration::from_millis(1);
    let (mut session, now) = retrieving(Limits::default());
    assert_eq!(session.poll_timeout(), Some(now + reply));
    assert_eq!(session.handle_timeout(now + reply - tick), Ok(()));
    assert_eq!(session.handle_timeout(now + reply), Err(Error::Timeout { verb: Verb::Retr }));
    assert_eq!((session.poll_timeout(), session.receiving()), (None, Some(1)), "the end of the session");

    let (mut session, now) = retrieving(Limits::default());
    // A line that drips does not gain time; a message does with every piece.
    session.handle_bytes(now + tick, b"+O").expect("half a line");
    assert_eq!(session.poll_timeout(), Some(now + reply));
    session.handle_bytes(now + tick, b"K\r\nx").expect("begins");
    session.handle_bytes(now + tick * 2, b"x").expect("goes on");
    assert_eq!(session.poll_timeout(), Some(now + tick * 2 + body));
    session.touch(now + tick * 3);
    assert_eq!(session.handle_timeout(now + tick * 2 + body), Ok(()));
    assert!(session.handle_timeout(now + tick * 3 + body).is_err());
}

#[test]
fn a_reply_gains_no_time_by_dripping_or_by_lines_that_are_skipped() {
    let reply = Timeouts::default().reply;
    let tick = Duration::from_secs(1);
    let (mut session, now) = retrieving(Limits::default());
    for (seconds, octet) in (1..).zip("\r\n\r\n+OK 12345678".bytes()) {
        session.handle_bytes(now + tick * seconds, &[octet]).expect("goes on");
        assert_eq!(session.poll_timeout(), Some(now + reply));
    }
    assert_eq!(session.handle_timeout(now + reply), Err(Error::Timeout { verb: Verb::Retr }));
}

#[test]
fn a_message_gains_time_with_every_piece_and_loses_it_at_the_body_timeout() {
    let body = Timeouts::default().body;
    let (mut session, mut now) = retrieving(Limits::default());
    session.handle_bytes(now, b"+OK\r\n").expect("begins");
    for _ in 0..100 {
        now += body.checked_sub(Duration::from_millis(1)).expect("long");
        session.handle_timeout(now).expect("in time");
        session.handle_bytes(now, b"x").expect("goes on");
        assert_eq!(session.poll_timeout(), Some(now + body));
    }
    assert_eq!(session.handle_timeout(now + body), Err(Error::Timeout { verb: Verb::Retr }));
}

#[test]
fn nothing_is_due_while_nothing_is_asked_for() {
    let (mut session, now) = pipelined(Limits::default(), &[]);
    assert_eq!(session.poll_timeout(), None);
    assert_eq!(session.handle_timeout(now + Duration::from_secs(3600)), Ok(()));
    session.noop();
    assert_eq!(transmitted(&mut session, now), "NOOP\r\n");
    assert_eq!(session.poll_timeout(), Some(now + Timeouts::default().reply));
}
