//! New mail to the untagged EXISTS of 1,000 clients that idle, of one person and of 1,000 persons; and what a client that
//! idles costs.
//!
//! `cargo bench --bench push_latency [-- ADDRESS PID]`: another server with users u1 to u1000, password `pw`, in turn with
//! ours, in the same minutes.
#![allow(missing_docs, unreachable_pub)]

mod client;
mod process;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::Client;
use process::{Service, memory, processor};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Clients that idle.
const IDLERS: usize = 1_000;
/// Messages to one person: each is told to all clients.
const TO_ONE: usize = 20;
/// Messages to many persons: each is told to one client.
const TO_MANY: usize = 300;
/// How long the clients are left alone.
const REST: Duration = Duration::from_secs(5);
/// Nobody waits longer for a push.
const LIMIT: Duration = Duration::from_secs(60);

struct Figures {
    /// From sending APPEND, and from its answer, which is after the commit.
    sent: Vec<Duration>,
    answered: Vec<Duration>,
    memory_each: u64,
    processor_at_rest: Duration,
    processor_each_push: Duration,
}

#[tokio::main]
async fn main() {
    rlimit::increase_nofile_limit(u64::MAX).expect("descriptors");
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let peer = match arguments.as_slice() {
        [address, pid] => Some((address.parse().expect("an address"), pid.parse().expect("a process"))),
        _ => None,
    };
    println!(
        "{:24}{:>10}{:>10}{:>12}{:>12}{:>12}{:>14}{:>12}",
        "", "p50 sent", "p99 sent", "p50 answer", "p99 answer", "KiB/client", "rest, ms CPU/s", "us CPU/push"
    );
    for of_one in [true, false] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let service = Service::start(dir.path(), IDLERS);
        report("tributary", of_one, measure(service.address, service.pid(), of_one).await);
        drop(service);
        if let Some((address, pid)) = peer {
            report("the other", of_one, measure(address, pid, of_one).await);
        }
    }
}

async fn measure(address: SocketAddr, pid: u32, of_one: bool) -> Figures {
    let before = memory(pid);
    let (told, mut heard) = unbounded_channel();
    for n in 0..IDLERS {
        let user = if of_one { 1 } else { n + 1 };
        Client::login(address, &format!("u{user}")).await.idle(told.clone()).await;
    }
    let memory_each = memory(pid).saturating_sub(before) / IDLERS as u64;
    let rested = processor(pid);
    tokio::time::sleep(REST).await;
    let processor_at_rest = processor(pid).saturating_sub(rested) / u32::try_from(REST.as_secs()).expect("short");

    let mut figures = Figures {
        sent: Vec::new(),
        answered: Vec::new(),
        memory_each,
        processor_at_rest,
        processor_each_push: Duration::ZERO,
    };
    let (messages, each) = if of_one { (TO_ONE, IDLERS) } else { (TO_MANY, 1) };
    let mut one = Client::login(address, "u1").await;
    let mut used = Duration::ZERO;
    for n in 0..messages {
        let mut other;
        let sender = if of_one {
            &mut one
        } else {
            // Users far from one another, each once.
            other = Client::login(address, &format!("u{}", n * 7 % IDLERS + 1)).await;
            &mut other
        };
        let begun = processor(pid);
        let (sent, answered) = sender.append().await;
        for moment in hear(&mut heard, each).await {
            figures.sent.push(moment.saturating_duration_since(sent));
            figures.answered.push(moment.saturating_duration_since(answered));
        }
        used += processor(pid).saturating_sub(begun);
    }
    figures.sent.sort_unstable();
    figures.answered.sort_unstable();
    figures.processor_each_push = used / u32::try_from(messages * each).expect("few");
    figures
}

async fn hear(heard: &mut UnboundedReceiver<Instant>, count: usize) -> Vec<Instant> {
    let mut moments = Vec::with_capacity(count);
    while moments.len() < count {
        let next = tokio::time::timeout(LIMIT, heard.recv()).await;
        moments.push(next.expect("every client is told").expect("clients"));
    }
    moments
}

fn report(name: &str, of_one: bool, figures: Figures) {
    let ms = |sorted: &[Duration], hundredths: usize| {
        format!("{:.2} ms", sorted[(sorted.len() - 1) * hundredths / 100].as_secs_f64() * 1e3)
    };
    println!(
        "{:24}{:>10}{:>10}{:>12}{:>12}{:>12.1}{:>14.1}{:>12.0}",
        format!("{name}, {} user{}", if of_one { 1 } else { IDLERS }, if of_one { "" } else { "s" }),
        ms(&figures.sent, 50),
        ms(&figures.sent, 99),
        ms(&figures.answered, 50),
        ms(&figures.answered, 99),
        figures.memory_each as f64 / 1024.0,
        figures.processor_at_rest.as_secs_f64() * 1e3,
        figures.processor_each_push.as_secs_f64() * 1e6,
    );
}
