//! Many connections of one user over sockets, all at once: flags, moves, copies, appends, expunges, searches, IDLE,
//! deliveries by a poller, and connections that break and come back, from nothing or with what they remember. Again and
//! again all rest, and then each must know what the store holds.
//!
//! `IMAP_STRESS_SECONDS`, `IMAP_STRESS_CLIENTS` and `IMAP_STRESS_SEED` make it a longer, a larger or the same run.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

#[path = "imap/harness.rs"]
mod harness;
mod replica;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use harness::TestServer;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use replica::cache::Telling;
use replica::client::Client;
use replica::fault::Fault;
use replica::op::{Op, operation};
use replica::picture::{Checked, Features};
use replica::random::Random;
use replica::world::World;
use tributary::imap::Settings;
use tributary::store::Store;

/// From one rest to the next.
const ROUND: Duration = Duration::from_secs(5);
/// A mailbox with more messages is thinned out.
const ENOUGH: usize = 120;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// A client, with its chance.
struct Actor {
    client: Client,
    random: Random,
    runner: TestRunner,
    features: Features,
    steps: u64,
}

impl Actor {
    fn new(world: &Arc<World>, seed: u64, n: u64) -> Self {
        let mut octets = [0; 32];
        octets[..8].copy_from_slice(&seed.to_le_bytes());
        octets[8..16].copy_from_slice(&n.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &octets);
        let mut client = Client::new(world, format!("IMAP_STRESS_SEED={seed}, client {n}"));
        client.enough = ENOUGH;
        let random = Random(seed.wrapping_mul(1_000_003).wrapping_add(n));
        let runner = TestRunner::new_with_rng(Config::default(), rng);
        Self { client, random, runner, features: Features::default(), steps: 0 }
    }

    async fn until(&mut self, end: Instant, world: &World) -> Checked {
        while Instant::now() < end {
            self.steps += 1;
            self.step(world).await?;
        }
        Ok(())
    }

    fn telling(&mut self) -> Telling {
        let mut below = |n| self.random.below(n) as u8;
        Telling { known: below(4), matches: below(256), examine: below(8) == 0 }
    }

    fn operations(&mut self) -> Vec<Op> {
        let count = if self.random.below(4) == 0 { 2 + self.random.below(3) } else { 1 };
        (0..count).map(|_| operation().new_tree(&mut self.runner).unwrap().current()).collect()
    }

    async fn step(&mut self, world: &World) -> Checked {
        let how = self.telling();
        if !self.client.is_online() {
            let bits = self.random.below(8);
            let (condstore, qresync, rev2) = (!bits.is_multiple_of(4), bits % 4 > 1, bits >= 4);
            self.features = Features { condstore, qresync, rev2, ..Features::default() };
            return self.client.connect(self.features).await;
        }
        let name = &world.names[self.random.below(world.names.len())];
        if self.client.picture.mailbox.is_none() {
            return self.client.select(name, how, self.random.below(8) > 0).await;
        }
        match self.random.below(60) {
            0 => self.client.go_offline(),
            1 => {
                let operation = self.operations().pop().filter(|_| how.known > 0);
                return self.client.leave_in_the_middle(operation.as_ref(), how, how.matches % 8).await;
            }
            2 => return self.client.select(name, how, true).await,
            3 => return self.client.close(how.matches.is_multiple_of(2)).await,
            4..=7 => {
                self.client.enter_idle().await?;
                return self.client.listen(Duration::from_millis(u64::from(how.matches))).await;
            }
            _ => {
                let operations = self.operations();
                return self.client.act(&operations).await;
            }
        }
        Ok(())
    }

    /// Everybody rests.
    async fn rest(&mut self) -> Checked {
        self.client.sync(true).await?;
        match self.random.below(8) {
            0 => {
                let how = self.telling();
                self.client.twin(how).await
            }
            _ => Ok(()),
        }
    }
}

async fn deliver(world: Arc<World>, end: Instant) {
    for n in 0.. {
        if Instant::now() >= end {
            break;
        }
        world.deliver(n).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Lets all of them do something until the end, or rest.
async fn round(world: &Arc<World>, actors: Vec<Actor>, end: Option<Instant>) -> Result<Vec<Actor>, String> {
    let mut running = tokio::task::JoinSet::new();
    for mut actor in actors {
        let world = Arc::clone(world);
        running.spawn(async move {
            actor.client.picture.alone = false;
            let outcome = match end {
                Some(end) => actor.until(end, &world).await,
                None => actor.rest().await,
            };
            outcome.map(|()| actor)
        });
    }
    let mut back = Vec::new();
    while let Some(done) = running.join_next().await {
        back.push(done.map_err(|error| error.to_string())??);
    }
    Ok(back)
}

async fn server() -> Arc<World> {
    let settings = Settings {
        allow_cleartext_login: true,
        max_user_connections: 10_000,
        max_user_address_connections: 10_000,
        ..Settings::default()
    };
    let store = Store::in_memory(Duration::from_secs(3600)).unwrap();
    World::new(TestServer::over(store, settings).await).await
}

/// Lines of /proc/self/status in KiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim_matches([':', ' ', '\t', 'k', 'B']).parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_connections_know_what_the_store_holds() {
    let seed = setting("IMAP_STRESS_SEED").unwrap_or_else(rand::random);
    let seconds = setting("IMAP_STRESS_SECONDS").unwrap_or(20);
    let clients = setting("IMAP_STRESS_CLIENTS").unwrap_or(200);
    println!("IMAP_STRESS_SEED={seed} IMAP_STRESS_SECONDS={seconds} IMAP_STRESS_CLIENTS={clients}");
    let world = server().await;
    let mut actors: Vec<Actor> = (0..clients).map(|n| Actor::new(&world, seed, n)).collect();
    let (mut left, mut rests) = (Duration::from_secs(seconds), 0);
    while !left.is_zero() {
        let length = ROUND.min(left);
        left -= length;
        let end = Instant::now() + length;
        let poller = tokio::spawn(deliver(Arc::clone(&world), end));
        actors = round(&world, actors, Some(end)).await.unwrap_or_else(|what| panic!("{what}"));
        poller.await.unwrap();
        actors = round(&world, actors, None).await.unwrap_or_else(|what| panic!("{what}"));
        rests += 1;
    }
    world.check().unwrap();
    let mut latencies: Vec<u32> = actors.iter().flat_map(|actor| actor.client.latencies.iter().copied()).collect();
    latencies.sort_unstable();
    let at = |share: usize| f64::from(latencies[latencies.len() * share / 1000]) / 1000.0;
    let (steps, commands) = (actors.iter().map(|a| a.steps).sum::<u64>(), world.commands.load(Ordering::Relaxed));
    println!(
        "{steps} steps, {commands} commands, {rests} times all {clients} pictures were the store: no inconsistency"
    );
    println!("answered in ms: p50 {:.1}, p99 {:.1}, p99.9 {:.1}", at(500), at(990), at(999));
    println!("clients and server: {} MiB, at most {} MiB", memory("VmRSS") / 1024, memory("VmHWM") / 1024);
}

/// The harness can fail: each fault of a server is noticed with everybody at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn planted_faults_are_found() {
    let seed = setting("IMAP_STRESS_SEED").unwrap_or_else(rand::random);
    for fault in Fault::ALL {
        let world = server().await;
        let mut actors: Vec<Actor> = (0..8).map(|n| Actor::new(&world, seed, n)).collect();
        let deadline = Instant::now() + harness::DEADLINE * 2;
        let what = loop {
            assert!(Instant::now() < deadline, "{fault:?} was not noticed, IMAP_STRESS_SEED={seed}");
            // Whoever goes away at the wrong moment does not notice: each round has faults of its own.
            actors.iter_mut().for_each(|actor| actor.client.plant(fault, 1));
            let end = Instant::now() + Duration::from_millis(300);
            let worked = match round(&world, actors, Some(end)).await {
                Ok(actors) => round(&world, actors, None).await,
                wrong => wrong,
            };
            match worked {
                Ok(back) => actors = back,
                Err(what) => break what,
            }
        };
        println!("{fault:?}: {}", what.lines().next().unwrap_or_default());
    }
}
