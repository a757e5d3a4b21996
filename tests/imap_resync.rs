//! A device with a cache goes offline and comes back with QRESYNC, again and again and at any moment, while others change
//! the mailbox. It keeps its mod-sequence as RFC 7162 section 6 tells clients to. Whatever it has cached, it must hear
//! of everything that makes its cache differ from the mailbox.
//!
//! `IMAP_RESYNC_SEED` and `IMAP_RESYNC_STEPS` make it another or a longer run.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

#[path = "imap_resync/device.rs"]
mod device;
#[path = "imap/harness.rs"]
mod harness;
#[path = "imap_resync/octets.rs"]
mod octets;
#[path = "imap_resync/others.rs"]
mod others;
#[path = "replica/parse.rs"]
mod parse;
#[path = "replica/random.rs"]
mod random;

use std::sync::Arc;

use device::Device;
use harness::TestServer;
use octets::Visited;
use others::Other;
use random::Random;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

async fn mailbox() -> Arc<TestServer> {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.ok("CREATE box").await;
    c.ok("CREATE other").await;
    Arc::new(server)
}

/// One thing after the other: after each step, a second device with the same cache comes back as well, and must then have
/// what is there.
#[tokio::test]
async fn whatever_was_missed_is_told() {
    let (first, steps) = (setting("IMAP_RESYNC_SEED", 1), setting("IMAP_RESYNC_STEPS", 150));
    println!("IMAP_RESYNC_SEED={first} IMAP_RESYNC_STEPS={steps}");
    for seed in first..first + 3 {
        let server = mailbox().await;
        let mut random = Random(seed);
        let mut others = [Other::new(&server).await, Other::new(&server).await];
        let mut device = Device::new(&server, format!("seed {seed}"));
        for _ in 0..steps {
            match random.below(10) {
                0..=4 => others[random.below(2)].step(&mut random).await,
                5..=8 => device.step(&mut random).await,
                _ if device.is_offline() && random.below(3) == 0 => {
                    others[0].begin_anew().await;
                    others[1] = Other::new(&server).await;
                }
                _ => device.go_offline(),
            }
            device.twin().agree(&mut random).await;
        }
        device.agree(&mut random).await;
    }
}

/// All at once: changes commit while the device is being answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_happens_meanwhile_is_told_in_the_end() {
    let (seed, steps) = (setting("IMAP_RESYNC_SEED", 1), setting("IMAP_RESYNC_STEPS", 150));
    println!("IMAP_RESYNC_SEED={seed} IMAP_RESYNC_STEPS={steps}");
    let server = mailbox().await;
    let mut running = tokio::task::JoinSet::new();
    for n in 0..3 {
        let server = Arc::clone(&server);
        running.spawn(async move {
            let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(n));
            let mut other = Other::new(&server).await;
            for _ in 0..steps * 2 {
                other.step(&mut random).await;
            }
        });
    }
    let mut devices = tokio::task::JoinSet::new();
    for n in 0..4 {
        let server = Arc::clone(&server);
        devices.spawn(async move {
            let mut random = Random(seed.wrapping_mul(7_000_003).wrapping_add(n));
            let mut device = Device::new(&server, format!("seed {seed}, device {n}"));
            for _ in 0..steps {
                if random.below(8) == 0 { device.go_offline() } else { device.step(&mut random).await }
            }
            (device, random)
        });
    }
    running.join_all().await;
    for (mut device, mut random) in devices.join_all().await {
        device.twin().agree(&mut random).await;
        device.agree(&mut random).await;
    }
}

/// What a device that comes back is sent grows with the changes and not with the mailbox; `--no-capture` shows the table of
/// docs/clients.md.
#[tokio::test]
async fn coming_back_costs_what_has_changed() {
    let mut told = Vec::new();
    println!("messages changes    QRESYNC  CONDSTORE      plain");
    for size in [1_000, 10_000] {
        for changes in [100, 1_000] {
            let mailbox = Visited::of_size(size).await;
            mailbox.change(changes).await;
            let octets = mailbox.come_back().await;
            println!("{size:8} {changes:7} {:10} {:10} {:10}", octets.qresync, octets.condstore, octets.plain);
            told.push(octets);
        }
    }
    let [few, many, few_of_more, many_of_more] = told.try_into().expect("four");
    // UIDs of one digit more, and gaps between them that are no ranges any more.
    assert!(few_of_more.qresync < few.qresync * 5 / 4, "{few:?} {few_of_more:?}");
    assert!(many_of_more.qresync < many.qresync * 3 / 2, "{many:?} {many_of_more:?}");
    assert!(
        many.qresync < few.qresync * 12 && many_of_more.qresync < few_of_more.qresync * 12,
        "ten times the changes"
    );
    assert!(few_of_more.condstore < few.condstore * 3 / 2, "{few:?} {few_of_more:?}");
    assert!(few_of_more.plain > few.plain * 8, "who asks for all is told all");
    assert!(few_of_more.qresync * 40 < few_of_more.plain, "{few_of_more:?}");
}
