use super::*;

/// Asks for all headers, then for all messages.
fn look_first(session: &mut Session, event: &Event) {
    if let Event::Listed(listing) = event {
        listing.iter().for_each(|item| session.top(item.number));
        listing.iter().for_each(|item| session.retrieve(item.number, item.size));
    }
}

fn play_tops(limits: Limits, answers: &[(&str, &str)]) -> Outcome {
    let count = answers.iter().filter(|(command, _)| command.starts_with("TOP")).count();
    let script = listed(&vec![7; count]);
    let script: Vec<_> = script.iter().map(|(c, a)| (*c, a.as_str())).chain(answers.iter().copied()).collect();
    let run =
        |cut| Peer { then: look_first, ..Peer::new(Options { limits, ..options() }, cut) }.play("+OK\r\n", &script);
    let whole = run(WHOLE);
    (1..20).for_each(|step| assert_eq!(run(Cut::Every(step)), whole, "cut by {step}"));
    whole
}

fn header(number: u32, data: &str) -> Event {
    Event::Header { number, data: data.as_bytes().to_vec() }
}

#[test]
fn a_header_ends_with_its_blank_line_and_nothing_of_the_body_is_kept() {
    for (answer, data, faults) in [
        ("A: b\r\n\r\n", "A: b\r\n\r\n", vec![]),
        ("A: b\r\n\r\nbody\r\n\r\n..\r\n", "A: b\r\n\r\n", vec![Misbehavior::TopWithBody(1)]),
        ("A: b\n\nbody\n", "A: b\n\n", vec![Misbehavior::TopWithBody(1)]),
        ("A: b\r\nC:", "A: b\r\nC:", vec![]),
        ("", "", vec![Misbehavior::TopTruncated(1)]),
        ("A: b\r\n", "A: b\r\n", vec![Misbehavior::TopTruncated(1)]),
        (".A: b\r\n\r\n", ".A: b\r\n\r\n", vec![Misbehavior::UnstuffedDot(1)]),
    ] {
        let wire = format!("+OK\r\n{answer}.\r\n");
        let outcome = play_tops(Limits::default(), &[("TOP 1 0", &wire), ("RETR 1", "-ERR\r\n")]);
        if answer.ends_with(':') {
            // The dot is part of a line, and the answer goes on.
            assert_eq!(told(&outcome), []);
            continue;
        }
        let want: Vec<_> = faults.into_iter().map(fault).chain([header(1, data)]).collect();
        assert_eq!(told(&outcome)[..want.len()], want, "{answer:?}");
        assert_eq!(outcome.sent.last().map(String::as_str), Some("RETR 1"));
    }
}

#[test]
fn a_header_at_the_limit_is_whole_and_one_past_it_is_cut() {
    let answer = [("TOP 1 0", "+OK\r\nA: b\r\n\r\n.\r\n")];
    let at = play_tops(Limits { header: 8, ..Limits::default() }, &answer);
    assert_eq!(told(&at), [header(1, "A: b\r\n\r\n")]);
    let past = play_tops(Limits { header: 7, ..Limits::default() }, &answer);
    assert_eq!(told(&past)[0], fault(Misbehavior::HeaderTooLong(1)));
    assert!(matches!(&told(&past)[1], Event::Header { data, .. } if data.len() <= 7 && !data.ends_with(b"\r\n\r\n")));
}

#[test]
fn header_lines_of_any_length_pass_and_an_endless_header_ends_the_session() {
    let long = format!("A: {}\r\n\r\n", "x".repeat(100_000));
    let wire = format!("+OK\r\n{long}.\r\n");
    let run = |limits| {
        let script = listed(&[7]);
        let script: Vec<_> = script.iter().map(|(c, a)| (*c, a.as_str())).chain([("TOP 1 0", wire.as_str())]).collect();
        Peer { then: look_first, ..Peer::new(Options { limits, ..options() }, WHOLE) }.play("+OK\r\n", &script)
    };
    assert_eq!(told(&run(Limits::default())), [header(1, &long)]);
    let octets = long.len() as u64;
    assert_eq!(run(Limits { message: octets.div_ceil(2), ..Limits::default() }).error, None);
    let endless = run(Limits { message: octets / 2 - 1, ..Limits::default() });
    assert_eq!(endless.error, Some(Misbehavior::MessageNeverEnds(1).into()));
}

#[test]
fn top_is_pipelined_only_once_it_has_brought_headers_alone_and_never_with_other_commands() {
    let (mut session, now) = pipelined(Limits::default(), &[1; 4]);
    let send = |session: &mut Session| transmitted(session, now);
    assert_eq!(send(&mut session), "RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 4\r\n");
    (1..=3).for_each(|number| session.top(number));
    session.delete(1);
    session.handle_bytes(now, &b"+OK\r\n.\r\n".repeat(3)).expect("three");
    assert_eq!(send(&mut session), "");
    session.handle_bytes(now, b"+OK\r\n.\r\n").expect("last");
    assert_eq!(send(&mut session), "TOP 1 0\r\n", "the first alone");
    session.handle_bytes(now, b"+OK\r\nA: b\r\n\r\n.\r\n").expect("header");
    assert_eq!(send(&mut session), "TOP 2 0\r\nTOP 3 0\r\n", "others together, DELE behind them");
    session.handle_bytes(now, b"+OK\r\nA: b\r\n\r\n.\r\n+OK\r\nA: b\r\n\r\nbody\r\n.\r\n").expect("headers");
    assert_eq!(send(&mut session), "DELE 1\r\n");
    session.top(1);
    session.top(2);
    session.handle_bytes(now, b"+OK\r\n").expect("deleted");
    assert_eq!(send(&mut session), "TOP 1 0\r\n", "one at a time, since one has brought a body");
}

#[test]
fn lines_behind_a_header_that_is_not_stuffed_are_never_taken_for_a_message() {
    let (mut session, now) = pipelined(Limits::default(), &[1]);
    assert_eq!(transmitted(&mut session, now), "RETR 1\r\n");
    session.handle_bytes(now, b"-ERR\r\n").expect("refused");
    session.top(1);
    session.retrieve(1, None);
    assert_eq!(transmitted(&mut session, now), "TOP 1 0\r\n");
    let answer = b"+OK\r\nA: b\r\n\r\n.\r\n+OK\r\nforged\r\n.\r\n";
    assert_eq!(session.handle_bytes(now, answer), Err(Misbehavior::UnsolicitedReply.into()));
    assert!(
        !all_events(&mut session).iter().any(|event| matches!(event, Event::Body { .. } | Event::Retrieved { .. }))
    );
    assert_eq!(session.poll_transmit(now), None);
}

#[test]
fn top_that_hangs_is_named_and_top_that_is_refused_is_told() {
    let (mut session, now) = pipelined(Limits::default(), &[]);
    session.top(1);
    session.top(2);
    assert_eq!(transmitted(&mut session, now), "TOP 1 0\r\n");
    session.handle_bytes(now, b"-ERR unknown command\r\n").expect("refused");
    let refusal = Refusal { code: None, text: "unknown command".to_owned() };
    assert_eq!(all_events(&mut session), [Event::Refused { verb: Verb::Top, number: 1, refusal }]);
    assert_eq!(transmitted(&mut session, now), "TOP 2 0\r\n");
    session.handle_bytes(now, b"+OK\r\nA: b\r\n").expect("begins");
    let due = session.poll_timeout().expect("deadline");
    assert_eq!(due, now + Timeouts::default().body);
    assert_eq!(session.handle_timeout(due), Err(Error::Timeout { verb: Verb::Top }));
    assert_eq!((session.receiving(), all_events(&mut session)), (None, vec![]));
}
