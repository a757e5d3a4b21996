//! Nothing acknowledged is lost, whatever the disk does: accesses that fail, a disk that is full, power cut anywhere.
//!
//! By default a part of all points is tried, another one for each seed. `TRIBUTARY_CRASH=all` tries every point;
//! `TRIBUTARY_CRASH=123` only point 123, as a failure names it. `TRIBUTARY_CRASH_SEED` (0) chooses what is left to chance.

mod cut;
mod faults;
mod full;
mod model;
mod power;
mod sim;
mod work;

use std::path::Path;

use super::*;
use model::World;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sim::Sim;
use work::Op;

fn open_on(sim: &Sim) -> Result<Store> {
    Store::open_on(&settings(Path::new("/simulated")), Arc::new(sim.clone()))
}

/// With a cache all of the work is done without a read.
fn open_cold(sim: &Sim) -> Result<Store> {
    let settings = Settings { cache_bytes: 0, ..settings(Path::new("/simulated")) };
    Store::open_on(&settings, Arc::new(sim.clone()))
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn seed() -> u64 {
    env("TRIBUTARY_CRASH_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

/// Which points are tried: by default one of `stride`, not always the same ones.
fn is_chosen(point: u64, stride: u64) -> bool {
    match env("TRIBUTARY_CRASH").as_deref() {
        Some("all") => true,
        Some(only) => only.parse() == Ok(point),
        None => (point + seed()).is_multiple_of(stride),
    }
}

fn chance(of: u64) -> StdRng {
    StdRng::seed_from_u64(seed().wrapping_mul(1_000_003).wrapping_add(of))
}

/// Compares the store with what it may hold, and checks all of it. What it holds.
async fn verify(store: &Store, allowed: &[World], at: &str) -> World {
    let actual = model::read(store).await.unwrap_or_else(|e| panic!("{at}: not readable: {e}"));
    let Some(world) = allowed.iter().find(|world| world.is_kept_by(&actual)) else {
        panic!("{at}: the store holds {actual:?}\nof these {} it should hold one: {allowed:?}", allowed.len());
    };
    let problems = store.check().unwrap_or_else(|e| panic!("{at}: not checked: {e}"));
    assert!(problems.is_empty(), "{at}: {problems:?}");
    let problems = store.check_octets().unwrap_or_else(|e| panic!("{at}: not checked: {e}"));
    assert!(problems.is_empty(), "{at}: {problems:?}");
    world.learn(&actual)
}

/// Every state that there may be after a step: what was acknowledged is there, what failed may be.
fn after(worlds: &[World], step: &[Op], outcomes: &[Result<()>]) -> Vec<World> {
    let mut worlds = worlds.to_vec();
    for (op, outcome) in step.iter().zip(outcomes) {
        let before = if outcome.is_err() { worlds.clone() } else { Vec::new() };
        worlds.iter_mut().for_each(|world| world.apply(op));
        worlds.extend(before);
    }
    worlds
}
