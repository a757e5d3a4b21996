//! One round: load on a service that runs, its sudden end, its next start, and the comparison.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tributary::store::{Settings, Store};

use crate::maildrop::Maildrops;
use crate::support::mail::Random;
use crate::support::server::Server;
use crate::support::{config, scratch};
use crate::wire::Wire;
use crate::worker::{Counts, Worker};

const WORKERS: u64 = 3;
/// The load lasts a random time between these.
const LOAD: std::ops::Range<u64> = 20_000..300_000;
/// Every so many rounds the files are checked as the dead process left them.
const CHECK_FILES_EVERY: u64 = 10;

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    /// SIGTERM, and the kill while it stops.
    KillWhileStopping,
    /// The kill, and another one or two while the next process starts.
    KillWhileStarting,
}

pub(crate) struct Field {
    /// `None` between two processes.
    server: Option<Server>,
    workers: Vec<Worker>,
    maildrops: Maildrops,
    random: Random,
    dir: TempDir,
    rounds: u64,
    kills: u64,
    file_checks: u64,
    starting: Duration,
    starts: u32,
    checking: Duration,
}

impl Field {
    pub(crate) fn new(seed: u64) -> Self {
        let dir = scratch();
        let maildrops = Maildrops::new(seed);
        let mut field = Self {
            server: Some(Server::start(dir.path(), &config::yaml(dir.path(), &maildrops.accounts()))),
            workers: (0..WORKERS).map(|index| Worker::new(index, seed)).collect(),
            maildrops,
            random: Random::new(seed),
            dir,
            rounds: 0,
            kills: 0,
            file_checks: 0,
            starting: Duration::ZERO,
            starts: 0,
            checking: Duration::ZERO,
        };
        field.check();
        field
    }

    fn server(&mut self) -> &mut Server {
        self.server.as_mut().unwrap()
    }

    pub(crate) fn round(&mut self) {
        let load = Duration::from_micros(LOAD.start + self.random.below(LOAD.end - LOAD.start));
        let end = match self.random.below(8) {
            0 => End::KillWhileStopping,
            1 => End::KillWhileStarting,
            _ => End::Kill,
        };
        self.rounds += 1;
        println!("round {}: {end:?} after {load:?}", self.rounds);
        self.maildrops.deliver();
        self.load(load, end);
        if self.rounds.is_multiple_of(CHECK_FILES_EVERY) {
            self.check_files();
        }
        if end == End::KillWhileStarting {
            self.kill_while_starting();
        }
        self.start();
        self.check();
    }

    /// Works from the moment when all clients are logged in; they end with the process.
    fn load(&mut self, load: Duration, end: End) {
        let address = self.server().address("imap");
        let stopping = Duration::from_micros(self.random.below(60_000));
        let ready = Barrier::new(WORKERS as usize + 2);
        let server = self.server.as_mut().unwrap();
        std::thread::scope(|scope| {
            for worker in &mut self.workers {
                scope.spawn(|| worker.work(address, &ready));
            }
            scope.spawn(|| self.maildrops.work(address, &ready));
            ready.wait();
            assert!(server.run_until(Instant::now() + load), "the service ended by itself:\n{}", server.tail());
            if end == End::KillWhileStopping {
                server.terminate();
                server.run_until(Instant::now() + stopping);
            }
            server.kill();
        });
        self.kills += 1;
    }

    fn kill_while_starting(&mut self) {
        let file = self.server().config();
        for _ in 0..=self.random.below(2) {
            let mut server = Server::spawn(file.clone());
            server.run_until(Instant::now() + Duration::from_micros(self.random.below(120_000)));
            server.kill();
            self.kills += 1;
        }
    }

    fn start(&mut self) {
        let started = Instant::now();
        self.server = self.server.take().map(Server::restart_after_kill);
        self.starting += started.elapsed();
        self.starts += 1;
    }

    fn check(&mut self) {
        let started = Instant::now();
        let address = self.server().address("imap");
        std::thread::scope(|scope| {
            for worker in &mut self.workers {
                scope.spawn(|| worker.check(&mut Wire::connect(address).unwrap()));
            }
            self.maildrops.check(&mut Wire::connect(address).unwrap());
        });
        self.checking += started.elapsed();
    }

    /// Every invariant, and the BLAKE3 of every body, in a copy of the files.
    fn check_files(&mut self) {
        let copy = scratch();
        for file in ["meta.redb", "blobs.redb"] {
            std::fs::copy(self.dir.path().join("data").join(file), copy.path().join(file)).unwrap();
        }
        let data_dir = copy.path().to_owned();
        let store = Store::open(&Settings { data_dir, cache_bytes: 8 << 20, gc_grace: Duration::ZERO }).unwrap();
        assert_eq!(store.check().unwrap(), [] as [String; 0]);
        assert_eq!(store.check_octets().unwrap(), [] as [String; 0]);
        self.file_checks += 1;
    }

    pub(crate) fn finish(&mut self) {
        let address = self.server().address("imap");
        self.maildrops.settle(&mut Wire::connect(address).unwrap());
        self.start();
        self.check();
        assert!(self.server.take().unwrap().stop().success());
        self.check_files();
    }

    pub(crate) fn report(&self) -> String {
        let sum = |of: fn(&Counts) -> u64| self.workers.iter().map(|worker| of(&worker.counts)).sum::<u64>();
        format!(
            "{} rounds, {} kills; {} commands acknowledged and {} MOVEs of delivered messages; of the commands under \
             way {} were done and {} not; {} comparisons of a message, {} octets; {} messages sent to the maildrops, {} \
             compared; {} checks of the files; a start took {:?}, a comparison {:?}",
            self.rounds,
            self.kills,
            sum(|counts| counts.acknowledged),
            self.maildrops.moved,
            sum(|counts| counts.found_done),
            sum(|counts| counts.found_undone),
            sum(|counts| counts.messages_compared),
            sum(|counts| counts.octets_compared),
            self.maildrops.sent(),
            self.maildrops.compared(),
            self.file_checks,
            self.starting / self.starts,
            self.checking / (self.starts + 1),
        )
    }
}
