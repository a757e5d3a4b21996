//! The poller against a plain model: mail comes and goes upstream, servers change their ways, links break, the service
//! restarts, the user expunges; whenever all is quiet again, every message that was listed is here once, byte for byte,
//! nothing expunged has come back, and upstream has lost only what the policy says, after it was stored (I1, I3, I8).
//!
//! The same runs each time; `TRIBUTARY_MODEL_RUNS` makes so many others, `TRIBUTARY_MODEL_STEPS` makes them longer, and
//! `TRIBUTARY_MODEL_SEED` repeats one (a failure prints it).
//!
//! What POP3 does not tell is not asked for; each exclusion is where it is made:
//! - byte-identical messages without usable unique-ids are one ([`ideal::Ideal::sight`]);
//! - of messages with the same header (a Message-ID in it) and size, as many are here as were ever listed together: one
//!   that replaces another while unique-ids are missing or change looks like the other until it is fetched (there), and
//!   without TOP also after it;
//! - the unique-id of a row that stands in the ledger is given to no message of the row's size: before the row is
//!   forgotten, or deleted, nothing tells such a message from the first ([`world::World::reusable`]);
//! - nor to a message with the header of another: TOP shows the first;
//! - until a change of all unique-ids has been seen, none of the old ones is given to another message;
//! - messages get new unique-ids only where none is listed that was deleted: new unique-ids make it a new message;
//! - all sizes change only when all is quiet: the few that are looked at then stand for the rest ([`steps`]).
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "pop3_model/ideal.rs"]
mod ideal;
#[path = "poll_accounts/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod poll_support;
#[path = "pop3_model/random.rs"]
mod random;
#[path = "pop3_model/steps.rs"]
mod steps;
#[path = "pop3_model/world.rs"]
mod world;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use random::Random;
use world::World;

/// Runs at one time.
const WORKERS: usize = 4;
const RUNS: u64 = 40;
const STEPS: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_message_is_here_once_whatever_happens() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let steps = number("TRIBUTARY_MODEL_STEPS").unwrap_or(STEPS);
    let seeds: Vec<u64> = match number("TRIBUTARY_MODEL_SEED") {
        Some(seed) => vec![seed],
        None => match number("TRIBUTARY_MODEL_RUNS") {
            Some(runs) => (0..runs).map(|_| rand::random::<u32>().into()).collect(),
            None => (1..=RUNS).collect(),
        },
    };
    let (mut running, workers) = (JoinSet::new(), Arc::new(Semaphore::new(WORKERS)));
    for seed in seeds {
        let permit = Arc::clone(&workers).acquire_owned().await.unwrap();
        running.spawn(async move {
            let outcome = run(seed, steps).await;
            drop(permit);
            outcome.map_err(|error| format!("TRIBUTARY_MODEL_SEED={seed} TRIBUTARY_MODEL_STEPS={steps}: {error}"))
        });
    }
    let failures: Vec<String> = running.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} runs failed:\n{}", failures.len(), failures.join("\n"));
}

async fn run(seed: u64, steps: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut world = World::new(&mut random).await;
    let mut outcome = Ok(());
    for _ in 0..steps {
        outcome = world.step(&mut random).await;
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        outcome = world.come_right(true).await;
    }
    let told = world.told();
    world.end().await;
    outcome.map_err(|error| format!("{error}\n{told}"))
}
