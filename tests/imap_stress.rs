//! Many clients at once on one account, doing whatever comes to their minds. Each replays the untagged responses it
//! gets into a picture of its mailbox, which must be a possible one at every step and the true one at the end.
//!
//! `IMAP_STRESS_SEED`, `IMAP_STRESS_STEPS` and `IMAP_STRESS_CLIENTS` make it another or a longer run.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

#[path = "imap_stress/command.rs"]
mod command;
#[path = "imap/harness.rs"]
mod harness;
#[path = "replica/parse.rs"]
mod parse;
#[path = "imap_stress/picture.rs"]
mod picture;
#[path = "imap_stress/planted.rs"]
mod planted;
#[path = "replica/random.rs"]
mod random;

use std::collections::VecDeque;
use std::sync::Arc;

use command::{Command, Kind};
use harness::{Client, TestServer};
use picture::{Constants, Picture};
use random::Random;

/// Lines of the transcript shown when something is wrong.
const REMEMBERED: usize = 60;

struct Actor {
    name: String,
    server: Arc<TestServer>,
    client: Client,
    random: Random,
    picture: Picture,
    constants: Constants,
    tag: u32,
    transcript: VecDeque<String>,
}

impl Actor {
    async fn new(name: String, server: Arc<TestServer>, seed: u64, constants: Constants) -> Self {
        let client = server.login().await;
        let picture = Picture::new(Arc::clone(&constants));
        let transcript = VecDeque::new();
        Self { name, server, client, random: Random(seed), picture, constants, tag: 0, transcript }
    }

    fn note(&mut self, line: String) {
        self.transcript.push_back(line);
        if self.transcript.len() > REMEMBERED {
            self.transcript.pop_front();
        }
    }

    fn check(&self, outcome: Result<(), String>) {
        if let Err(what) = outcome {
            let lines: Vec<_> = self.transcript.iter().map(|l| l.chars().take(300).collect::<String>()).collect();
            panic!("{}: {what}\n{}", self.name, lines.join("\n"));
        }
    }

    async fn response(&mut self) -> String {
        let line = self.client.response().await.unwrap_or_else(|| panic!("{}: the connection ended", self.name));
        self.note(format!("S: {line}"));
        line
    }

    /// Sends all of the commands in one piece, then reads until each has its tagged response, in order.
    async fn run(&mut self, commands: &[Command]) {
        let first = self.tag + 1;
        let mut batch = String::new();
        for command in commands {
            self.tag += 1;
            batch.push_str(&format!("s{} {}\r\n", self.tag, command.text));
            self.note(format!("C: s{} {}", self.tag, command.text));
        }
        self.client.raw(batch).await;
        for (tag, command) in (first..).zip(commands) {
            self.picture.begin(command);
            self.finish(&format!("s{tag} "), command).await;
        }
    }

    async fn finish(&mut self, tag: &str, command: &Command) {
        loop {
            let line = self.response().await;
            if let Some(tagged) = line.strip_prefix(tag) {
                let outcome = self.picture.tagged(tagged, command);
                return self.check(outcome);
            }
            let outcome = self.picture.untagged(&line, Some(command));
            self.check(outcome);
        }
    }

    async fn step(&mut self) {
        if self.picture.mailbox.is_none() {
            let command = Command::select(&mut self.random);
            return self.run(&[command]).await;
        }
        match self.random.below(40) {
            0 => {
                self.client = self.server.login().await;
                self.picture = Picture::new(Arc::clone(&self.constants));
            }
            1 => self.run(&[Command::new("CLOSE", Kind::Close)]).await,
            2 => {
                let command = Command::select(&mut self.random);
                self.run(&[command]).await;
            }
            3..=5 => self.idle().await,
            6 => self.run(&[Command::new("ENABLE CONDSTORE", Kind::Other)]).await,
            7..=19 => {
                let command = self.command(true);
                self.run(&[command]).await;
            }
            _ => self.batch().await,
        }
    }

    fn command(&mut self, first: bool) -> Command {
        match self.random.below(2) {
            0 => Command::any(&mut self.random, &self.picture, first),
            _ => Command::on_messages(&mut self.random, &self.picture, first),
        }
    }

    /// Pipelines commands: those by number first, since the numbers may shift after the others.
    async fn batch(&mut self) {
        let numbered = self.random.below(4);
        let mut commands: Vec<Command> = Vec::new();
        while commands.len() < numbered && commands.iter().all(|c| !c.may_expunge) {
            commands.push(Command::on_messages(&mut self.random, &self.picture, true));
        }
        for _ in 0..=self.random.below(4) {
            let command = self.command(false);
            let by_number =
                !command.by_uid && matches!(command.kind, Kind::Fetch | Kind::Store { .. } | Kind::Search(_));
            if !by_number {
                commands.push(command);
            }
        }
        self.run(&commands).await;
    }

    /// Listens for a while, then says DONE and the next command in one segment.
    async fn idle(&mut self) {
        let idle = Command::new("IDLE", Kind::Other);
        self.tag += 1;
        let tag = format!("s{} ", self.tag);
        self.note(format!("C: {tag}IDLE"));
        self.client.raw(format!("{tag}IDLE\r\n")).await;
        self.picture.begin(&idle);
        let mut heard = self.random.below(3);
        let mut ready = false;
        while !ready || heard > 0 {
            // Others are busy, but this may be the last of them: it does not wait for ever.
            let wait = std::time::Duration::from_millis(if ready { 20 } else { 30_000 });
            let Ok(line) = tokio::time::timeout(wait, self.client.response()).await else { break };
            let line = line.unwrap_or_else(|| panic!("{}: the connection ended in IDLE", self.name));
            self.note(format!("S: {line}"));
            if line.starts_with("+ ") {
                ready = true;
                continue;
            }
            let outcome = self.picture.untagged(&line, Some(&idle));
            self.check(outcome);
            heard = heard.saturating_sub(1);
        }
        self.tag += 1;
        let noop = format!("s{} ", self.tag);
        self.note(format!("C: DONE, {noop}NOOP"));
        self.client.raw(format!("DONE\r\n{noop}NOOP\r\n")).await;
        self.finish(&tag, &idle).await;
        self.finish(&noop, &Command::new("NOOP", Kind::Other)).await;
    }

    /// With everybody at rest: after a NOOP the picture is the mailbox.
    async fn compare(&mut self) {
        self.run(&[Command::new("NOOP", Kind::Other)]).await;
        let Some(mailbox) = self.picture.mailbox.clone() else { return };
        let name = format!("{} looking again", self.name);
        let mut fresh = Self::new(name, Arc::clone(&self.server), 0, Arc::clone(&self.constants)).await;
        let look = |box_name: &str| Command::new(format!("EXAMINE {box_name}"), Kind::Select(box_name.to_owned()));
        fresh.run(&[look(&mailbox)]).await;
        if !fresh.picture.messages.is_empty() {
            let all = Command::new("FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])", Kind::Fetch);
            fresh.run(std::slice::from_ref(&all)).await;
            let outcome = self.picture.agrees(&fresh.picture);
            self.check(outcome);
            self.run(&[all]).await;
        }
        let outcome = self.picture.agrees(&fresh.picture);
        self.check(outcome);
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_at_random_see_what_is_there() {
    let (seed, steps) = (setting("IMAP_STRESS_SEED", 1), setting("IMAP_STRESS_STEPS", 120));
    let clients = setting("IMAP_STRESS_CLIENTS", 10);
    println!("IMAP_STRESS_SEED={seed} IMAP_STRESS_STEPS={steps} IMAP_STRESS_CLIENTS={clients}");
    let server = Arc::new(TestServer::start().await);
    server.login().await.ok("CREATE box").await;
    server.fill(5).await;
    let constants = Constants::default();
    let mut running = tokio::task::JoinSet::new();
    for n in 0..clients {
        let (server, constants) = (Arc::clone(&server), Arc::clone(&constants));
        running.spawn(async move {
            let mine = seed.wrapping_mul(1_000_003).wrapping_add(n);
            let mut actor = Actor::new(format!("seed {seed}, client {n}"), server, mine, constants).await;
            for _ in 0..steps {
                actor.step().await;
            }
            actor
        });
    }
    for actor in &mut running.join_all().await {
        actor.compare().await;
    }
}
