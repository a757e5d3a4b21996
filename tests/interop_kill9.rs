//! kill -9 at fifty moments of one poll of 2,000 messages: no loss, no duplicate, no UID that comes to mean another
//! message (I1 to I4).
//!
//! A proxy before the maildrop chooses the moments: the service dies when a random number of bytes has reached it, at
//! times some milliseconds later, so that deaths fall into listings, bodies, commits and the end of the session.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use support::config::Account;
use support::dovecot::{self, Dovecot, Maildrop};
use support::mail::Random;
use support::proxy::{Gate, Proxy};
use support::server::Server;
use support::{DEADLINE, config, have, mail, scratch, wait};

const COUNT: usize = 2000;
const KILLS: u64 = 50;
const SEED_VARIABLE: &str = "TRIBUTARY_KILL_SEED";
/// Every so many kills the state that survived is looked at, with the maildrop out of reach.
const LOOK_EVERY: u64 = 10;

/// What a mailbox held at one time: UIDVALIDITY and the message of each UID.
#[derive(Debug, PartialEq)]
struct State {
    uid_validity: u64,
    numbers: BTreeMap<u32, String>,
}

impl State {
    fn of(server: &Server) -> Self {
        let mut imap = server.imap();
        let uid_validity = imap.status("INBOX", "UIDVALIDITY");
        let messages = imap.status("INBOX", "MESSAGES");
        let rows = imap.uids_with_field("INBOX", mail::NUMBER_FIELD);
        assert_eq!(rows.len() as u64, messages, "a message cannot be read");
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "UIDs ascend");
        Self { uid_validity, numbers: rows.into_iter().collect() }
    }

    /// Whatever was there earlier is there still, under the same UID.
    fn assert_continues(&self, earlier: &Self) {
        assert_eq!(self.uid_validity, earlier.uid_validity, "UIDVALIDITY changed");
        for (uid, number) in &earlier.numbers {
            assert_eq!(self.numbers.get(uid), Some(number), "UID {uid} lost or reused");
        }
    }

    fn assert_no_duplicate(&self) {
        let mut numbers: Vec<&String> = self.numbers.values().collect();
        numbers.sort();
        let count = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a message is stored twice");
    }
}

fn seed() -> u64 {
    let given = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64 % 1_000_000
    })
}

/// Bytes that the maildrop sends for one whole poll: bodies and the two listings.
fn poll_bytes(upstream_seed: u64) -> (u64, u64) {
    let bodies = (0..COUNT).map(|n| mail::message(upstream_seed, n).len() as u64 + 80).sum();
    (COUNT as u64 * 32, bodies)
}

#[test]
fn fifty_kills_lose_and_double_nothing() {
    if have(dovecot::PROGRAMS) {
        kill_many_times("forever", KILLS);
    }
}

#[test]
fn kills_while_mail_is_deleted_upstream_lose_and_double_nothing() {
    if have(dovecot::PROGRAMS) {
        kill_many_times("never", KILLS / 2);
    }
}

fn kill_many_times(leave_on_server: &'static str, kills: u64) {
    let seed = seed();
    println!("{SEED_VARIABLE}={seed} repeats these moments");
    let mut random = Random::new(seed);
    let dir = scratch();
    let upstream = Dovecot::start(dir.path(), &[Maildrop { user: "u1", seed: 21, count: COUNT }]);
    let proxy = Proxy::start(upstream.pop3, Gate::Shut);
    let account = Account { leave_on_server, ..Account::new("one", proxy.address(), "u1") };
    let mut server = Server::start(dir.path(), &config::yaml(dir.path(), &[account]));
    let mut state = State::of(&server);
    let (listing, bodies) = poll_bytes(21);
    for kill in 1..=kills {
        // One in five dies before or in the listing, the others spread over a share of the bodies.
        let share = bodies / kills;
        let bytes = if kill % 5 == 0 { random.below(listing) } else { listing + random.below(2 * share) };
        proxy.set(Gate::AfterBytes(proxy.bytes_passed() + bytes));
        let stopped = wait_for_stop(&proxy, &mut server);
        // At once, within the work on a message, or late enough for some commits.
        let delay = Duration::from_micros([0, random.below(10_000), random.below(400_000)][random.below(3) as usize]);
        server.run_until(Instant::now() + delay);
        server.kill();
        println!("kill {kill}: after {bytes} bytes and {delay:?}, reached: {stopped}");
        proxy.set(Gate::Shut);
        proxy.end_connections();
        server = server.restart_after_kill();
        if kill % LOOK_EVERY == 0 {
            let now = State::of(&server);
            println!("  {} messages survived", now.numbers.len());
            now.assert_continues(&state);
            now.assert_no_duplicate();
            state = now;
        }
    }
    proxy.set(Gate::Open);
    let server = server.restart_after_kill();
    let mut imap = server.imap();
    wait::until("all mail is there", DEADLINE, || (imap.status("INBOX", "MESSAGES") >= COUNT as u64).then_some(()));
    server.wait_for_polls(&["one"], 2);
    let end = State::of(&server);
    end.assert_continues(&state);
    end.assert_no_duplicate();
    assert_eq!(end.numbers.len(), COUNT);
    let left = if leave_on_server == "never" { 0 } else { COUNT };
    wait::until("the maildrop is as leave_on_server says", DEADLINE, || (upstream.count("u1") == left).then_some(()));
    assert!(server.stop().success());
}

/// Waits until the chosen byte has gone through, or the poll has ended short of it.
fn wait_for_stop(proxy: &Proxy, server: &mut Server) -> bool {
    let end = Instant::now() + DEADLINE;
    let polls = |server: &Server| server.metrics().sum("tributary_polls_total", &[]);
    let before = polls(server);
    while Instant::now() < end {
        if proxy.stopped_within(Duration::from_millis(50)) {
            return true;
        }
        if polls(server) > before {
            return false;
        }
    }
    panic!("neither did the poll end nor the chosen byte come; log:\n{}", server.tail());
}
