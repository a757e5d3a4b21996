//! Clients against the store that they share: at random they change flags, add, copy, move, expunge, listen, go away and
//! come back, one after the other and at once, while mail is delivered. Each knows only what it was told, and whenever it
//! has caught up it knows what the store holds.
//!
//! `TRIBUTARY_MODEL_STEPS` makes it more or fewer steps than 100,000, `TRIBUTARY_MODEL_SEED` the same ones again. A case that
//! fails is made smaller and printed, and its seed is kept in tests/imap_model/ and tried first from then on.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

#[path = "imap/harness.rs"]
mod harness;
mod replica;
#[path = "imap_model/step.rs"]
mod step;

use std::cell::Cell;
use std::time::Duration;

use harness::TestServer;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use replica::fault::Fault;
use replica::world::World;
use step::{Case, Mode, Run};
use tributary::imap::Settings;
use tributary::store::{self, Store};

/// Of all tests in memory together.
const STEPS: u64 = 100_000;
/// On disk each commit takes its time.
const STEPS_IN_FILES: u64 = 1_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

fn seed() -> u64 {
    setting("TRIBUTARY_MODEL_SEED").unwrap_or_else(rand::random)
}

/// A runner of a few cases: a runner does not run again.
fn runner(name: &'static str, seed: u64, round: u64) -> TestRunner {
    let mut octets = [0; 32];
    octets[..8].copy_from_slice(&seed.to_le_bytes());
    octets[8..16].copy_from_slice(&round.to_le_bytes());
    let file = Box::leak(format!("tests/imap_model/{name}.regressions").into_boxed_str());
    let config = Config {
        cases: 10,
        max_shrink_iters: 2_000,
        max_shrink_time: 30_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &octets))
}

/// How many steps it took.
fn run(case: &Case, mode: Mode, files: bool, fault: Option<Fault>) -> Result<u64, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let grace = Duration::from_secs(3600);
        let store = match files {
            true => {
                let (data_dir, cache_bytes, gc_grace) = (dir.path().join("store"), 1 << 22, grace);
                Store::open(&store::Settings { data_dir, cache_bytes, gc_grace }).unwrap()
            }
            false => Store::in_memory(grace).unwrap(),
        };
        let settings = Settings { allow_cleartext_login: true, ..Settings::default() };
        let world = World::new(TestServer::over(store, settings).await).await;
        let mut run = Run::new(world, mode, case);
        fault.into_iter().for_each(|fault| run.plant(fault));
        run.run(&case.steps).await.map(|()| run.steps)
    })
}

fn check(name: &'static str, mode: Mode, steps: u64, files: bool) {
    let seed = seed();
    println!("{name}: TRIBUTARY_MODEL_SEED={seed}, {steps} steps");
    let (done, mut round) = (Cell::new(0), 0);
    while done.get() < steps {
        round += 1;
        let outcome = runner(name, seed, round).run(&step::case(), |case| {
            let taken = run(&case, mode, files, None).map_err(TestCaseError::fail)?;
            done.set(done.get() + taken);
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{name}: TRIBUTARY_MODEL_SEED={seed}, after {} steps: {error}", done.get());
        }
    }
    println!("{name}: {} steps", done.get());
}

fn share() -> u64 {
    setting("TRIBUTARY_MODEL_STEPS").unwrap_or(STEPS) / 4
}

#[test]
fn plain_clients_know_what_the_store_holds() {
    check("plain", Mode::Plain, share(), false);
}

#[test]
fn clients_with_condstore_know_what_the_store_holds() {
    check("condstore", Mode::Condstore, share(), false);
}

#[test]
fn clients_with_qresync_know_what_the_store_holds() {
    check("qresync", Mode::Qresync, share(), false);
}

#[test]
fn clients_of_all_kinds_know_what_the_store_holds() {
    check("mixed", Mode::Mixed, share(), false);
}

#[test]
fn clients_know_what_a_store_in_files_holds() {
    let steps = setting("TRIBUTARY_MODEL_STEPS").map_or(STEPS_IN_FILES, |steps| steps / 100);
    check("files", Mode::Mixed, steps, true);
}

/// A model that finds nothing proves nothing: each fault of a server is noticed within some cases.
#[test]
fn planted_faults_are_found() {
    for fault in Fault::ALL {
        let seed = seed();
        let mut runner = runner("planted", seed, 0);
        let found = (1..=40).find_map(|n| {
            let case = step::case().new_tree(&mut runner).unwrap().current();
            Some((n, run(&case, Mode::Mixed, false, Some(fault)).err()?))
        });
        let (cases, what) = found.unwrap_or_else(|| panic!("{fault:?} was not noticed, TRIBUTARY_MODEL_SEED={seed}"));
        println!("{fault:?}: noticed in case {cases}: {}", what.lines().next().unwrap_or_default());
    }
}
