//! A POP3 session against any server: nothing panics, no limit is passed, and time always ends it.
//!
//! Four octets say what the session does, the others are what the server says:
//! 0: the size of the cuts; its top bit: STLS. 1: the method, or none; its top bits: no CAPA, no pipelining.
//! 2: what is avoided, one bit for each of the first methods; its top bit: a token. 3: what is asked for.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tributary::pop3::{
    ChannelBinding, Credentials, Event, Limits, Method, Misbehavior, Options, Security, Session, Timeouts, Verb,
};
use tributary::secret::Secret;

const LIMITS: Limits = Limits {
    line: 100,
    unique_id: 20,
    listing: 50,
    listing_bytes: 500,
    header: 60,
    message: 500,
    window_commands: 4,
    window_bytes: 2_000,
};

/// What is asked for: bits of the fourth octet.
const TOP: u8 = 1;
const RETRIEVE: u8 = 2;
const DELETE: u8 = 4;
const KEEP_ALIVE: u8 = 8;
const RESET: u8 = 16;
/// The server falls silent wherever it pauses.
const SILENT: u8 = 32;
/// It closes the connection at the end.
const CLOSE: u8 = 64;

fuzz_target!(|input: &[u8]| {
    let Some((&[cut, method, avoid, asks], wire)) = input.split_first_chunk() else { return };
    let Some(options) = options(cut, method, avoid) else { return };
    let mut run =
        Run { session: Session::new(options, Instant::now()), now: Instant::now(), asks, received: 0, over: false };
    for piece in wire.chunks(usize::from(cut & 0x7f).max(1)) {
        run.now += Duration::from_millis(1);
        let ended = run.session.handle_bytes(run.now, piece).is_err();
        run.events();
        run.transmit();
        if ended {
            return run.check_ended();
        }
        if asks & SILENT != 0 && piece.contains(&b'~') && !run.wait() {
            return run.check_ended();
        }
    }
    if asks & CLOSE != 0 {
        let closed = run.session.handle_bytes(run.now, b"");
        assert!(closed.is_err() || run.over);
        return run.check_ended();
    }
    // Each wait ends a message at most; then the session has nothing to wait for, or is over.
    for _ in 0..1_000 {
        if run.session.poll_timeout().is_none() || !run.wait() {
            return run.check_ended();
        }
    }
    unreachable!("time does not end the session");
});

fn options(cut: u8, method: u8, avoid: u8) -> Option<Options> {
    let token = avoid & 0x80 != 0;
    let secret = Secret::new("p");
    let credentials = if token { Credentials::with_token("u", secret) } else { Credentials::new("u", secret) };
    Some(Options {
        credentials: credentials.ok()?,
        security: match (cut & 0x80 != 0, method & 0x20 != 0) {
            (true, _) => Security::StartTls,
            (false, true) => Security::Clear,
            (false, false) => Security::Tls,
        },
        use_capa: method & 0x80 == 0,
        use_pipelining: method & 0x40 == 0,
        method: Method::ALL.get(usize::from(method & 0x1f)).copied(),
        avoid: Method::ALL
            .into_iter()
            .enumerate()
            .filter(|(n, _)| *n < 7 && avoid >> n & 1 != 0)
            .map(|(_, m)| m)
            .collect(),
        binding: (method & 0x10 != 0).then(|| ChannelBinding::Exporter(vec![7; 32])),
        limits: LIMITS,
        timeouts: Timeouts::default(),
    })
}

struct Run {
    session: Session,
    now: Instant,
    asks: u8,
    /// Octets of the message being received.
    received: u64,
    over: bool,
}

impl Run {
    fn events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            assert!(!self.over, "something is told behind the end");
            self.event(event);
        }
        assert!(self.session.in_flight_count() <= LIMITS.window_commands.max(1));
    }

    fn event(&mut self, event: Event) {
        let Self { session, asks, .. } = self;
        let asks = |what: u8| *asks & what != 0;
        match event {
            Event::StartTls => session.tls_started(self.now, Some(ChannelBinding::ServerEndPoint(vec![7; 32]))),
            Event::LoggedIn(_) | Event::Refused { .. } | Event::Done(_) => {}
            Event::Listed(listing) => {
                assert!(listing.len() <= 2 * LIMITS.listing);
                assert!(!listing.is_complete() || listing.iter().all(|item| item.unique_id.is_some()));
                assert!(listing.iter().filter_map(|item| item.unique_id).all(|id| id.len() <= LIMITS.unique_id));
                for item in listing.iter() {
                    if asks(TOP) {
                        session.top(item.number);
                    }
                    if asks(RETRIEVE) {
                        session.retrieve(item.number, item.size);
                    }
                }
                if asks(KEEP_ALIVE) {
                    session.noop();
                }
                if asks(RESET) {
                    session.reset();
                }
                if !asks(RETRIEVE | DELETE) {
                    session.quit();
                }
            }
            Event::Header { data, .. } => assert!(data.len() <= LIMITS.header),
            Event::Body { data, .. } => {
                assert!(!data.is_empty());
                self.received += data.len() as u64;
                assert!(self.received <= LIMITS.message);
            }
            Event::Retrieved { number, octets } => {
                assert_eq!(octets, std::mem::take(&mut self.received));
                if asks(DELETE) {
                    session.delete(number);
                }
            }
            Event::TooLong { .. } => self.received = 0,
            Event::Deleted { .. } => {
                if session.is_idle() {
                    session.quit();
                }
            }
            Event::Closed => self.over = true,
            Event::Misbehaved(fault) => {
                assert!(Misbehavior::ALL.iter().any(|known| known.label() == fault.label()));
            }
        }
    }

    fn transmit(&mut self) {
        if let Some(bytes) = self.session.poll_transmit(self.now) {
            assert!(bytes.ends_with(b"\r\n") && bytes.is_ascii());
        }
        assert!(self.session.poll_transmit(self.now).is_none());
    }

    /// Nothing comes until time runs out. False if that ends the session.
    fn wait(&mut self) -> bool {
        let Some(due) = self.session.poll_timeout() else { return true };
        let early = due.checked_sub(Duration::from_nanos(1)).filter(|early| *early >= self.now);
        assert!(early.is_none_or(|early| self.session.handle_timeout(early).is_ok()));
        self.now = self.now.max(due);
        let ended = self.session.handle_timeout(self.now).is_err();
        self.events();
        if !ended {
            self.transmit();
        }
        !ended
    }

    /// An ended session says and asks nothing more, and still knows where it was.
    fn check_ended(mut self) {
        self.events();
        let known = (self.session.receiving(), self.session.awaited());
        assert!(known.0.is_none() || known.1 == Verb::Retr);
        if self.session.poll_timeout().is_none() && !self.session.is_idle() {
            assert!(self.session.handle_bytes(self.now, b"+OK\r\n").is_ok());
            assert!(self.session.poll_event().is_none());
            assert_eq!((self.session.receiving(), self.session.awaited()), known);
        }
    }
}
