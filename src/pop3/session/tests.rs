mod login;
mod scram;

use super::super::{ErrorKind, Item};
use super::*;
use crate::secret::Secret;

/// One command of the client and what the server answers to it.
type Script<'a> = &'a [(&'a str, &'a str)];

#[derive(Debug, PartialEq)]
struct Outcome {
    /// What it logged in by.
    method: Option<Method>,
    events: Vec<Event>,
    sent: Vec<String>,
    error: Option<Error>,
}

struct Peer {
    session: Session,
    now: Instant,
    step: usize,
    then: fn(&mut Session, &Event),
}

fn options() -> Options {
    Options {
        credentials: Credentials::new("u", Secret::new("secret")).expect("fits"),
        security: Security::Tls,
        use_capa: true,
        method: None,
        avoid: Vec::new(),
        binding: None,
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    }
}

/// Retrieves and deletes all, then quits.
fn drain(session: &mut Session, event: &Event) {
    match event {
        Event::Listed(listing) => {
            listing.iter().for_each(|Item { number, size, .. }| session.retrieve(number, size));
            if listing.is_empty() {
                session.quit();
            }
        }
        Event::Retrieved { number, .. } => session.delete(*number),
        Event::Deleted { .. } | Event::Refused { .. } | Event::TooLong { .. } if session.is_idle() => session.quit(),
        _ => {}
    }
}

impl Peer {
    fn new(options: Options, step: usize) -> Self {
        let now = Instant::now();
        Self { session: Session::new(options, now), now, step, then: drain }
    }

    /// Plays the server's side; a client command that the script does not expect next fails the test.
    fn play(mut self, greeting: &str, script: Script<'_>) -> Outcome {
        let mut outcome = Outcome { events: Vec::new(), method: None, sent: Vec::new(), error: None };
        let mut script = script.iter();
        let mut pending = greeting.as_bytes().to_vec();
        loop {
            for piece in std::mem::take(&mut pending).chunks(self.step) {
                if let Err(error) = self.session.handle_bytes(self.now, piece) {
                    outcome.error = Some(error);
                }
                self.collect(&mut outcome);
                if outcome.error.is_some() {
                    return outcome;
                }
            }
            let Some(bytes) = self.session.poll_transmit(self.now) else { return outcome };
            for line in String::from_utf8(bytes.to_vec()).expect("ascii").split_terminator("\r\n") {
                outcome.sent.push(line.to_owned());
                let Some((want, answer)) = script.next() else { return outcome };
                assert_eq!(line, *want);
                pending.extend_from_slice(answer.as_bytes());
            }
        }
    }

    fn collect(&mut self, outcome: &mut Outcome) {
        while let Some(event) = self.session.poll_event() {
            (self.then)(&mut self.session, &event);
            if event == Event::StartTls {
                self.session.tls_started(self.now, None);
            }
            match (outcome.events.last_mut(), event) {
                (_, Event::LoggedIn(method)) => outcome.method = Some(method),
                (Some(Event::Body { number: last, data }), Event::Body { number, data: more }) if *last == number => {
                    data.extend_from_slice(&more);
                }
                (_, event) => outcome.events.push(event),
            }
        }
    }
}

fn play(options: Options, script: Script<'_>) -> Outcome {
    play_after("+OK hi\r\n", options, script)
}

fn play_after(greeting: &str, options: Options, script: Script<'_>) -> Outcome {
    let whole = Peer::new(options.clone(), 1 << 20).play(greeting, script);
    for step in [1, 2, 3, 7, 64] {
        let cut = Peer::new(options.clone(), step).play(greeting, script);
        assert_eq!(cut, whole, "cut by {step}");
    }
    whole
}

fn body(number: u32, data: &str) -> Event {
    Event::Body { number, data: data.as_bytes().to_vec() }
}

/// What is told besides the listing.
fn told(outcome: &Outcome) -> Vec<Event> {
    outcome.events.iter().filter(|event| !matches!(event, Event::Listed(_))).cloned().collect()
}

const LOGIN: [(&str, &str); 3] = [("CAPA", "-ERR\r\n"), ("USER u", "+OK\r\n"), ("PASS secret", "+OK\r\n")];

fn logged_in<'a>(rest: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    LOGIN.iter().chain(rest).copied().collect()
}

#[test]
fn a_plain_session_one_command_at_a_time() {
    let outcome = play(
        options(),
        &logged_in(&[
            ("STAT", "+OK 2 20\r\n"),
            ("UIDL", "+OK\r\n1 a\r\n2 b\r\n.\r\n"),
            ("LIST", "+OK\r\n1 10\r\n2 10\r\n.\r\n"),
            ("RETR 1", "+OK\r\nA: b\r\n\r\n..x\r\n.\r\n"),
            ("RETR 2", "-ERR gone\r\n"),
            ("DELE 1", "+OK\r\n"),
            ("QUIT", "+OK bye\r\n"),
        ]),
    );
    let refusal = Refusal { code: None, text: "gone".to_owned() };
    let want = [
        body(1, "A: b\r\n\r\n.x\r\n"),
        Event::Retrieved { number: 1, octets: 12 },
        Event::Refused { verb: Verb::Retr, number: 2, refusal },
        Event::Deleted { number: 1 },
        Event::Closed,
    ];
    assert_eq!(told(&outcome), want);
    assert_eq!(outcome.error, None);
}

#[test]
fn stls_asks_for_capabilities_again_and_discards_what_came_before_tls() {
    let options = Options { security: Security::StartTls, ..options() };
    let script: Script<'_> = &[
        ("CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n"),
        ("STLS", "+OK go\r\n"),
        ("CAPA", "+OK\r\nUSER\r\n.\r\n"),
        ("USER u", "+OK\r\n"),
        ("PASS secret", "+OK\r\n"),
        ("CAPA", "+OK\r\n.\r\n"),
        ("STAT", "+OK 0 0\r\n"),
        ("UIDL", "+OK\r\n.\r\n"),
        ("LIST", "+OK\r\n.\r\n"),
        ("QUIT", "+OK\r\n"),
    ];
    assert_eq!(told(&play(options.clone(), script)), [Event::StartTls, Event::Closed]);

    let mut injected = script.to_vec();
    injected[1].1 = "+OK go\r\n-ERR injected\r\n";
    let outcome = Peer { then: |_, _| {}, ..Peer::new(options.clone(), 1 << 20) };
    let mut session = outcome.session;
    session.handle_bytes(outcome.now, b"+OK\r\n").expect("greeting");
    session.handle_bytes(outcome.now, b"-ERR\r\n").expect("no CAPA");
    session.handle_bytes(outcome.now, b"+OK\r\n-ERR injected\r\n").expect("STLS");
    assert_eq!(session.poll_event(), Some(Event::StartTls));
    assert_eq!(session.poll_event(), Some(Event::Misbehaved(Misbehavior::DataBeforeTls)));
    session.tls_started(outcome.now, None);
    assert_eq!(session.poll_transmit(outcome.now).expect("login").as_slice(), b"CAPA\r\nSTLS\r\nUSER u\r\n");
}

#[test]
fn stls_refused_never_sends_a_password() {
    let options = Options { security: Security::StartTls, ..options() };
    let outcome = play(options, &[("CAPA", "+OK\r\nUSER\r\n.\r\n"), ("STLS", "-ERR no\r\n")]);
    assert_eq!(outcome.error.map(|error| error.kind()), Some(ErrorKind::Tls));
    assert_eq!(outcome.sent, ["CAPA", "STLS"]);
}

fn pipelined(limits: Limits, sizes: &[u64]) -> (Session, Instant) {
    let mut peer = Peer::new(Options { limits, ..options() }, 64);
    let now = peer.now;
    let capa = "+OK\r\nPIPELINING\r\n.\r\n";
    for answer in ["+OK\r\n", capa, "+OK\r\n", "+OK\r\n", capa] {
        let sent = peer.session.poll_transmit(now);
        assert!(sent.is_none_or(|sent| sent.iter().filter(|b| **b == b'\n').count() == 1), "AUTHORIZATION is in step");
        peer.session.handle_bytes(now, answer.as_bytes()).expect("login");
    }
    let listing = peer.session.poll_transmit(now).expect("listing");
    assert_eq!(listing.as_slice(), b"STAT\r\nUIDL\r\nLIST\r\n");
    let mut answer = format!("+OK {} 0\r\n+OK\r\n", sizes.len());
    (1..=sizes.len()).for_each(|n| answer += &format!("{n} id{n}\r\n"));
    answer += ".\r\n+OK\r\n";
    sizes.iter().zip(1..).for_each(|(size, n)| answer += &format!("{n} {size}\r\n"));
    peer.session.handle_bytes(now, (answer + ".\r\n").as_bytes()).expect("listing");
    assert_eq!(peer.session.poll_event(), Some(Event::LoggedIn(Method::User)));
    assert!(matches!(peer.session.poll_event(), Some(Event::Listed(_))));
    sizes.iter().zip(1..).for_each(|(size, n)| peer.session.retrieve(n, Some(*size)));
    (peer.session, now)
}

fn transmitted(session: &mut Session, now: Instant) -> String {
    session.poll_transmit(now).map(|bytes| String::from_utf8(bytes.to_vec()).expect("ascii")).unwrap_or_default()
}

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

fn retrieving(limits: Limits) -> (Session, Instant) {
    let (mut session, now) = pipelined(limits, &[1, 1]);
    assert!(session.poll_transmit(now).is_some());
    (session, now)
}

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
fn faults_that_end_a_session_have_names() {
    let stat = ("STAT", "+OK 1 1\r\n");
    let long = format!("+OK {}\r\n", "x".repeat(8189));
    let fits = format!("+OK {}\r\n", "x".repeat(8188));
    for (script, fault) in [
        (logged_in(&[("STAT", "hello\r\n")]), Misbehavior::MalformedReply),
        (logged_in(&[("STAT", "+ \r\n")]), Misbehavior::UnexpectedContinuation),
        (logged_in(&[("STAT", &long)]), Misbehavior::LineTooLong),
        (logged_in(&[stat, ("UIDL", "+OK\r\nx\r\n")]), Misbehavior::MalformedUidl),
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
    let script = [capa, LOGIN[1], LOGIN[2], capa, ("STAT", "+OK 1 1\r\n"), ("UIDL", "-ERR busy\r\n")];
    assert_eq!(play(options(), &script).error.map(|error| error.kind()), Some(ErrorKind::Locked));
}

#[test]
fn time_runs_out_at_the_limit_and_not_before() {
    let Timeouts { reply, body, .. } = Timeouts::default();
    let tick = Duration::from_millis(1);
    let (mut session, now) = retrieving(Limits::default());
    assert_eq!(session.poll_timeout(), Some(now + reply));
    assert_eq!(session.handle_timeout(now + reply - tick), Ok(()));
    assert_eq!(session.handle_timeout(now + reply), Err(Error::Timeout { verb: Verb::Retr }));
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
fn nothing_panics_on_noise() {
    let mut state = 0x9e37_79b9_u32;
    let words: [&[u8]; 10] =
        [b"+OK\r\n", b".\r\n", b"-ERR\r\n", b"+ \r\n", b"1 a\r\n", b"1 1\r\n", b"\n", b".", b"+OK 1 1\r\n", b"\xff\0"];
    for _ in 0..2000 {
        let mut peer = Peer::new(options(), 64);
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
