//! kill -9 of the real service at random moments of a mixed load, many times on the same files. After each start the
//! state is compared with a model of what was acknowledged: all of it is there once, with UID, flags, mod-sequence and
//! octets, and of what was under way when the process died a whole number of commands (I1 to I5, I8).
//!
//! `TRIBUTARY_KILL_ROUNDS` sets how many rounds, `TRIBUTARY_KILL_SEED` repeats the moments and commands of a run.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "kill9_load/actual.rs"]
mod actual;
#[path = "kill9_load/maildrop.rs"]
mod maildrop;
#[path = "kill9_load/model.rs"]
mod model;
#[path = "kill9_load/round.rs"]
mod round;
mod support;
#[path = "kill9_load/wire.rs"]
mod wire;
#[path = "kill9_load/worker.rs"]
mod worker;

use std::time::{Duration, Instant};

use round::Field;
use support::mail::Random;
use support::server::Server;
use support::{config, scratch};

const SEED_VARIABLE: &str = "TRIBUTARY_KILL_SEED";
const ROUNDS_VARIABLE: &str = "TRIBUTARY_KILL_ROUNDS";
const ROUNDS: u64 = 200;
/// First starts that are killed.
const FIRST_STARTS: u64 = 30;
/// Longer than a first start takes.
const FIRST_START: Duration = Duration::from_millis(250);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seed() -> u64 {
    let seed = number(SEED_VARIABLE).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64 % 1_000_000
    });
    println!("{SEED_VARIABLE}={seed} repeats the moments and the commands");
    seed
}

#[test]
fn kills_under_load_lose_nothing_that_was_acknowledged() {
    let rounds = number(ROUNDS_VARIABLE).unwrap_or(ROUNDS);
    let mut field = Field::new(seed());
    let started = Instant::now();
    for _ in 0..rounds {
        field.round();
    }
    field.finish();
    println!("{} in {:?}", field.report(), started.elapsed());
}

#[test]
fn a_first_start_that_is_killed_leaves_what_the_next_one_can_use() {
    let mut random = Random::new(seed());
    for kill in 0..FIRST_STARTS {
        let dir = scratch();
        let file = dir.path().join("tributary.yaml");
        std::fs::write(&file, config::yaml(dir.path(), &[])).unwrap();
        // Of a second start on what the first left, too.
        for _ in 0..=random.below(2) {
            let mut server = Server::spawn(file.clone());
            let delay = Duration::from_micros(random.below(FIRST_START.as_micros() as u64));
            server.run_until(Instant::now() + delay);
            server.kill();
            println!("first start {kill}: killed after {delay:?}");
        }
        let server = Server::start_on(file);
        let mut imap = server.imap();
        assert_eq!(imap.status("INBOX", "MESSAGES"), 0);
        imap.ok("CREATE Kept");
        drop(imap);
        let server = server.restart_after_kill();
        assert_eq!(server.imap().status("Kept", "UIDNEXT"), 1);
        assert!(server.stop().success());
    }
}
