//! The fault matrix: the connection is cut, reset, stalled or garbled at every answer and at every 64th byte of a session
//! of twenty messages, under each delete policy, once. Afterwards every message is here exactly once, and upstream holds
//! what the policy says (I1, I3, I7, I8).
//!
//! `pop3_crash` lets the whole process die at every answer instead.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "pop3_matrix/case.rs"]
mod case;
#[path = "pop3_matrix/plan.rs"]
mod plan;
#[path = "poll_accounts/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod poll_support;
#[path = "pop3_matrix/world.rs"]
mod world;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use world::World;

/// Cases at one time. Those that stall wait for most of theirs.
const WORKERS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_message_comes_once_whatever_happens_to_the_connection() {
    let world = Arc::new(World::new());
    let cases = plan::cases(&world).await;
    let count = cases.len();
    let (mut running, workers) = (JoinSet::new(), Arc::new(Semaphore::new(WORKERS)));
    for (number, case) in cases.into_iter().enumerate() {
        let permit = Arc::clone(&workers).acquire_owned().await.unwrap();
        let world = Arc::clone(&world);
        running.spawn(async move {
            let outcome = case.run(&world, number).await;
            drop(permit);
            outcome.map_err(|error| format!("case {number}: {case:?}: {error}"))
        });
    }
    let outcomes = running.join_all().await;
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    println!("fault matrix: {count} cases");
    eprintln!("fault matrix: {count} cases");
    let shown: Vec<&str> = failures.iter().take(40).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {count} cases failed:\n{}", failures.len(), shown.join("\n"));
    world.check();
}
