//! However the network cuts what a server says, and wherever it ends, the session is the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Looks at all headers, retrieves all, deletes what came whole, quits.
fn thorough(session: &mut Session, event: &Event) {
    match event {
        Event::Listed(listing) => {
            listing.iter().for_each(|item| session.top(item.number));
            listing.iter().for_each(|item| session.retrieve(item.number, item.size));
        }
        Event::Retrieved { number, .. } => session.delete(*number),
        Event::Deleted { .. } | Event::Refused { .. } if session.is_idle() => session.quit(),
        _ => {}
    }
}

/// A session's outcome without what depends on the cuts: pieces of messages are joined, faults are a set.
#[derive(Debug, PartialEq)]
struct Seen {
    bodies: BTreeMap<u32, Vec<u8>>,
    events: Vec<Event>,
    faults: Vec<&'static str>,
    sent: Vec<String>,
    error: Option<Error>,
}

fn run(case: usize, cut: Cut, ends_at: usize) -> Seen {
    let (greeting, options, script) = &cases()[case];
    let peer = Peer { then: thorough, ends_at, ..Peer::new(options.clone(), cut) };
    let outcome = peer.play(greeting, script);
    let mut seen = Seen {
        bodies: BTreeMap::new(),
        events: Vec::new(),
        faults: Vec::new(),
        sent: outcome.sent,
        error: outcome.error,
    };
    for event in outcome.events {
        match event {
            Event::Body { number, data } => seen.bodies.entry(number).or_default().extend(data),
            Event::Misbehaved(fault) => seen.faults.push(fault.label()),
            Event::TooLong { number } => {
                seen.bodies.remove(&number);
                seen.events.push(Event::TooLong { number });
            }
            event => seen.events.push(event),
        }
    }
    seen.faults.sort_unstable();
    seen
}

type Case = (&'static str, Options, Vec<(&'static str, &'static str)>);

fn cases() -> [Case; 3] {
    let capa = ("CAPA", "+OK\r\nPIPELINING\r\nUIDL\r\nTOP\r\nSASL PLAIN\r\n.\r\n");
    let auth = ("AUTH PLAIN AHUAc2VjcmV0", "+ \r\n");
    let nasty = "+OK 30 octets\r\nA: \0\r\n\r\na\nb\rc\r\r\n\n..\r\n..x\r\n.y\r\n.\rz\r\n\r\n.\r\n";
    let bad = vec![
        ("CAPA", "-ERR\r\n\r\n"),
        ("USER u", "+OK\n"),
        ("PASS secret", "+OK\r\n"),
        ("STAT", "+OK 3 30\r\n"),
        ("UIDL", "+OK\r\n2 b c\r\n1\r\n3 d\r\n3 d\r\n.\r\n"),
        ("LIST", "+OK\r\n\r\n1 x\r\n2 5\r\n3 30\r\n.\r\n"),
        ("TOP 1 0", "-ERR unknown\r\n"),
        ("TOP 2 0", "+OK\r\nA: b\r\n..C: d\r\n\r\nbody\n..\r\n\r\n.\r\n"),
        ("TOP 3 0", "+OK\r\n.A: b\r\n.\r\n"),
        ("RETR 1", nasty),
        ("RETR 2", "-ERR gone\r\n"),
        ("RETR 3", "+OK\r\n.\r\n"),
        ("DELE 1", "+OK\r\n\r\n"),
        ("DELE 3", "-ERR no\r\n"),
        ("QUIT", "+OK\r\nrest"),
    ];
    let pipelined = vec![
        capa,
        auth,
        ("AHUAc2VjcmV0", "+OK\r\n"),
        capa,
        ("STAT", "+OK 4 40\r\n"),
        ("UIDL", "+OK\r\n1 a\r\n2 b\r\n3 c\r\n4 d\r\n.\r\n"),
        ("LIST", "+OK\r\n1 4\r\n2 6\r\n3 10\r\n4 20\r\n.\r\n"),
        ("TOP 1 0", "+OK\r\nA: b\r\n\r\n.\r\n"),
        ("TOP 2 0", "+OK\r\nA: c\r\n\r\n.\r\n"),
        ("TOP 3 0", "-ERR\r\n"),
        ("TOP 4 0", "+OK\nA: d\n\n.\n"),
        // A dot behind an unended line; a dot with half a line end; a message past the limit.
        ("RETR 1", "+OK\r\na.\nb.\r\n"),
        ("RETR 2", "+OK\r\nx.\r\n\r\n.\r"),
        ("RETR 3", "+OK\r\n0123456789\r\n0123456789\r\n0123456789\r\n..\r\n.\r\n"),
        ("RETR 4", "+OK\nx\n..\n.\n"),
        ("DELE 1", "+OK\r\n"),
        ("DELE 2", "+OK\r\n"),
        ("DELE 4", "+OK\r\n"),
        ("QUIT", "+OK\r\n"),
    ];
    let lost = vec![
        ("CAPA", "+OK\r\n.\r\n"),
        ("USER u", "+OK\r\n"),
        ("PASS secret", "+OK\r\n"),
        ("CAPA", "+OK\r\n.\r\n"),
        ("STAT", "+OK 1 1\r\n"),
        ("UIDL", "+OK\r\n1 1\r\n.\r\n"),
        ("LIST", "+OK\r\n1 7\r\n.\r\n"),
        ("TOP 1 0", "+OK\r\nA: b\r\n\r\nbody\r\n.\r\n"),
        ("RETR 1", "* OK what\r\n"),
    ];
    let limits = Limits { message: 30, ..Limits::default() };
    [
        ("+OK hi\r\nand welcome\r\n", options(), bad),
        ("hello\r\n+OK hi\r\n", Options { limits, ..options() }, pipelined),
        ("+OK\n", options(), lost),
    ]
}

/// Octets the server sends in a case.
fn length(case: usize) -> usize {
    let (greeting, _, script) = &cases()[case];
    greeting.len() + script.iter().map(|(_, answer)| answer.len()).sum::<usize>()
}

#[test]
fn the_cases_go_to_their_ends() {
    let whole = [0, 1, 2].map(|case| run(case, WHOLE, usize::MAX));
    assert_eq!(whole[0].events.last(), Some(&Event::Closed));
    assert_eq!(whole[1].events.last(), Some(&Event::Closed));
    assert_eq!(whole[2].error, Some(Misbehavior::MalformedReply.into()));
    assert_eq!(whole[0].bodies[&1], b"A: \0\r\n\r\na\nb\rc\r\r\n\n.\r\n.x\r\n.y\r\n.\rz\r\n\r\n");
    let bodies = [(1, b"a.\nb".to_vec()), (2, b"x.\r\n\r\n".to_vec()), (4, b"x\n.\n".to_vec())];
    assert_eq!(whole[1].bodies, BTreeMap::from(bodies));
    assert!(whole[1].events.contains(&Event::TooLong { number: 3 }));
}

#[test]
fn every_cut_in_two_and_into_equal_pieces_gives_the_same_session() {
    for case in 0..cases().len() {
        let whole = run(case, WHOLE, usize::MAX);
        for at in 1..length(case) {
            assert_eq!(run(case, Cut::At(at), usize::MAX), whole, "case {case} cut at {at}");
        }
        for size in 1..70 {
            assert_eq!(run(case, Cut::Every(size), usize::MAX), whole, "case {case} by {size}");
        }
    }
}

#[test]
fn a_connection_lost_behind_any_octet_leaves_nothing_half_told() {
    for case in 0..2 {
        let whole = run(case, WHOLE, usize::MAX);
        for end in 0..length(case) {
            let lost = run(case, Cut::Every(7), end);
            let done = lost.events.contains(&Event::Closed);
            assert_eq!(lost.error.is_some(), !done, "case {case} lost behind {end}");
            if let Some(error) = &lost.error {
                assert!(matches!(error, Error::Closed { .. } | Error::Misbehavior(Misbehavior::NotPop3)), "{error:?}");
            }
            assert!(whole.events.starts_with(&lost.events), "case {case} lost behind {end}: {:?}", lost.events);
            for event in &lost.events {
                if let Event::Retrieved { number, octets } = event {
                    let body = lost.bodies.get(number).map_or(0, Vec::len) as u64;
                    assert_eq!((body, lost.bodies.get(number)), (*octets, whole.bodies.get(number)), "{end}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cuts_give_the_same_session(case in 0_usize..3, sizes in prop::collection::vec(1_usize..40, 1..30)) {
        prop_assert_eq!(run(case, Cut::Sizes(sizes), usize::MAX), run(case, WHOLE, usize::MAX));
    }
}
