//! Whole sessions against scripts.

mod chunks;
mod faults;
mod listing;
mod login;
mod messages;
mod refusals;
mod scram;
mod stls;
mod timing;
mod top;
mod window;

use std::time::Duration;

use super::super::{ErrorKind, Item, Refusal};
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
    cut: Cut,
    /// The server is gone behind this many octets.
    ends_at: usize,
    then: fn(&mut Session, &Event),
}

/// How what the server sends is cut.
#[derive(Clone, Debug)]
enum Cut {
    /// Into pieces of this size.
    Every(usize),
    /// In two, behind this many octets.
    At(usize),
    /// Into pieces of these sizes, over and over.
    Sizes(Vec<usize>),
}

const WHOLE: Cut = Cut::Every(1 << 20);

impl Cut {
    /// How long the next piece is, behind `offset` octets and `count` pieces.
    fn size(&self, offset: usize, count: usize) -> usize {
        match self {
            Self::Every(size) => *size,
            Self::At(at) if offset < *at => at - offset,
            Self::At(_) => usize::MAX,
            Self::Sizes(sizes) => sizes[count % sizes.len()],
        }
    }
}

fn options() -> Options {
    Options {
        credentials: Credentials::new("u", Secret::new("secret")).expect("fits"),
        security: Security::Tls,
        use_capa: true,
        use_pipelining: true,
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
    fn new(options: Options, cut: Cut) -> Self {
        let now = Instant::now();
        Self { session: Session::new(options, now), now, cut, ends_at: usize::MAX, then: drain }
    }

    /// Plays the server's side; a client command that the script does not expect next fails the test.
    fn play(mut self, greeting: &str, script: Script<'_>) -> Outcome {
        let mut outcome = Outcome { events: Vec::new(), method: None, sent: Vec::new(), error: None };
        let mut script = script.iter();
        let mut pending = greeting.as_bytes().to_vec();
        let (mut offset, mut count) = (0, 0);
        loop {
            let sent = std::mem::take(&mut pending);
            let mut rest = sent.as_slice();
            while !rest.is_empty() {
                let size = self.cut.size(offset, count).min(self.ends_at - offset).min(rest.len());
                let (piece, later) = rest.split_at(size);
                (rest, offset, count) = (later, offset + size, count + 1);
                outcome.error = self.session.handle_bytes(self.now, piece).err();
                self.collect(&mut outcome);
                if outcome.error.is_some() || piece.is_empty() {
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
            match event {
                Event::LoggedIn(method) => outcome.method = Some(method),
                Event::Body { number, data: more } => {
                    // A fault may be told between two pieces.
                    let pieces = outcome.events.iter_mut().rev().take_while(|event| {
                        matches!(event, Event::Misbehaved(_))
                            || matches!(event, Event::Body { number: last, .. } if *last == number)
                    });
                    match pieces.into_iter().find(|event| matches!(event, Event::Body { .. })) {
                        Some(Event::Body { data, .. }) => data.extend_from_slice(&more),
                        _ => outcome.events.push(Event::Body { number, data: more }),
                    }
                }
                event => outcome.events.push(event),
            }
        }
    }
}

/// The outcome of a script, which is the same however the server's side is cut.
fn play(options: Options, script: Script<'_>) -> Outcome {
    play_after("+OK hi\r\n", options, script)
}

fn play_after(greeting: &str, options: Options, script: Script<'_>) -> Outcome {
    let whole = Peer::new(options.clone(), WHOLE).play(greeting, script);
    for step in [1, 2, 3, 7, 64] {
        let cut = Peer::new(options.clone(), Cut::Every(step)).play(greeting, script);
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

fn pipelined(limits: Limits, sizes: &[u64]) -> (Session, Instant) {
    let mut peer = Peer::new(Options { limits, ..options() }, WHOLE);
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

fn retrieving(limits: Limits) -> (Session, Instant) {
    let (mut session, now) = pipelined(limits, &[1, 1]);
    assert!(session.poll_transmit(now).is_some());
    (session, now)
}

/// Answers to a login and a listing of these sizes, without UIDL.
fn listed(sizes: &[u64]) -> Vec<(&'static str, String)> {
    let mut script: Vec<_> = LOGIN.iter().map(|(command, answer)| (*command, (*answer).to_owned())).collect();
    let lines: String = sizes.iter().zip(1..).map(|(size, n)| format!("{n} {size}\r\n")).collect();
    script.push(("STAT", format!("+OK {} {}\r\n", sizes.len(), sizes.iter().sum::<u64>())));
    script.push(("UIDL", "-ERR\r\n".to_owned()));
    script.push(("LIST", format!("+OK\r\n{lines}.\r\n")));
    script
}

/// What is told behind the listing, and the error.
fn after_listing(sizes: &[u64], rest: &[(&str, &str)]) -> (Vec<Event>, Option<Error>) {
    let script = listed(sizes);
    let script: Vec<_> = script.iter().map(|(c, a)| (*c, a.as_str())).chain(rest.iter().copied()).collect();
    let outcome = play(options(), &script);
    (told(&outcome), outcome.error)
}

fn all_events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

fn fault(fault: Misbehavior) -> Event {
    Event::Misbehaved(fault)
}
