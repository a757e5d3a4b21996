//! A client with a connection, or without one: it goes away, at any moment, and comes back with what it remembers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::harness;
use crate::replica::cache::{Cache, Telling};
use crate::replica::command::{Command, Kind, Names};
use crate::replica::fault::{Fault, Plant};
use crate::replica::op::{Op, Place, fetch_new};
use crate::replica::picture::{Checked, Features, Picture};
use crate::replica::world::World;

/// Lines of the transcript shown when something is wrong.
const REMEMBERED: usize = 80;
/// The limit of waiting for news in IDLE.
const NEWS: Duration = Duration::from_secs(10);
/// A mailbox with more messages is thinned out.
const ENOUGH: usize = 40;

pub struct Client {
    pub name: String,
    pub picture: Picture,
    pub enough: usize,
    /// Of single commands, in microseconds.
    pub latencies: Vec<u32>,
    world: Arc<World>,
    connection: Option<harness::Client>,
    caches: BTreeMap<String, Cache>,
    tag: u32,
    transcript: VecDeque<String>,
    plant: Option<Plant>,
    /// Responses that are read already.
    waiting: VecDeque<String>,
    /// The tag of the IDLE that runs.
    idle: Option<String>,
}

impl Client {
    pub fn new(world: &Arc<World>, name: String) -> Self {
        Self {
            name,
            picture: Picture::default(),
            enough: ENOUGH,
            latencies: Vec::new(),
            world: Arc::clone(world),
            connection: None,
            caches: BTreeMap::new(),
            tag: 0,
            transcript: VecDeque::new(),
            plant: None,
            waiting: VecDeque::new(),
            idle: None,
        }
    }

    pub fn plant(&mut self, fault: Fault, pass: u32) {
        self.plant = Some(Plant::new(fault, pass));
    }

    pub fn is_online(&self) -> bool {
        self.connection.is_some()
    }

    pub fn is_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// The cable is pulled.
    pub fn go_offline(&mut self) {
        self.remember();
        self.note("-- offline".to_owned());
        (self.connection, self.idle) = (None, None);
        self.waiting.clear();
        self.picture = Picture::default();
    }

    pub async fn connect(&mut self, features: Features) -> Checked {
        self.go_offline();
        self.connection = Some(self.world.server.login().await);
        self.picture = Picture::new(Arc::clone(&self.world.constants), Features::default());
        let words = [
            (features.rev2, "IMAP4rev2"),
            (features.qresync, "QRESYNC"),
            (features.condstore && !features.qresync, "CONDSTORE"),
            (features.uid_only, "UIDONLY"),
        ];
        let enable: Vec<_> = words.iter().filter(|(wanted, _)| *wanted).map(|(_, word)| *word).collect();
        if !enable.is_empty() {
            self.run(&[Command::new(format!("ENABLE {}", enable.join(" ")), Kind::Other)]).await?;
        }
        self.picture.features = Features { condstore: features.condstore || features.qresync, ..features };
        Ok(())
    }

    /// Selects the mailbox and catches up with it, by what is remembered of it or from nothing.
    pub async fn select(&mut self, mailbox: &str, how: Telling, remember: bool) -> Checked {
        self.leave_idle().await?;
        let command = self.select_command(mailbox, how, remember);
        self.run(std::slice::from_ref(&command)).await?;
        self.catch_up().await
    }

    fn select_command(&mut self, mailbox: &str, how: Telling, remember: bool) -> Command {
        self.remember();
        let Features { condstore, qresync, uid_only, .. } = self.picture.features;
        let cache = self.caches.get(mailbox).filter(|cache| remember && cache.uid_validity > 0).cloned();
        if let (true, Some(cache)) = (qresync, &cache) {
            // Sequence match data is of sequence numbers.
            let matches = if uid_only { 0 } else { how.matches };
            return cache.select(mailbox, Telling { matches, ..how });
        }
        let word = if how.examine { "EXAMINE" } else { "SELECT" };
        let parameter = if condstore { " (CONDSTORE)" } else { "" };
        let cache = cache.filter(|_| condstore);
        let kind = Kind::Select { mailbox: mailbox.to_owned(), cache, told: false };
        Command::new(format!("{word} {mailbox}{parameter}"), kind)
    }

    /// With CONDSTORE alone: which messages are left, then what has changed of them.
    async fn catch_up(&mut self) -> Checked {
        let Some(Cache { complete_to, mod_seq, .. }) = self.picture.resyncing.clone() else { return Ok(()) };
        if complete_to > 0 {
            let range = || Names::Uids(vec![(1, complete_to)]);
            let left = format!("UID FETCH 1:{complete_to} (UID INTERNALDATE)");
            self.run(&[Command::naming(left, Kind::Fetch { since: false }, range())]).await?;
            self.picture.adopt();
            let changed = format!("UID FETCH 1:{complete_to} (UID FLAGS INTERNALDATE) (CHANGEDSINCE {mod_seq})");
            self.run(&[Command::naming(changed, Kind::Fetch { since: true }, range())]).await?;
        }
        self.picture.resyncing = None;
        Ok(())
    }

    fn remember(&mut self) {
        if let (Some(cache), Some(mailbox)) = (self.picture.remembered(), &self.picture.mailbox) {
            self.caches.insert(mailbox.clone(), cache);
        }
    }

    pub async fn close(&mut self, expunge: bool) -> Checked {
        self.leave_idle().await?;
        self.remember();
        self.run(&[Command::new(if expunge { "CLOSE" } else { "UNSELECT" }, Kind::Leave)]).await
    }

    /// Sends what the operations stand for in one piece.
    pub async fn act(&mut self, operations: &[Op]) -> Checked {
        let mut numbers = self.idle.is_none();
        let mut commands = Vec::new();
        for operation in operations {
            let (names, enough) = (&self.world.names, self.enough);
            let serial = self.world.serial();
            let place = Place { picture: &self.picture, mailboxes: names, enough, numbers, serial };
            for command in operation.commands(&place) {
                numbers &= !command.may_expunge;
                commands.push(command);
            }
        }
        match self.idle.take() {
            None => self.run(&commands).await,
            Some(tag) => self.end_idle(tag, &commands).await,
        }
    }

    /// Sends all of the commands in one piece, then reads until each has its tagged response, in order.
    pub async fn run(&mut self, commands: &[Command]) -> Checked {
        let began = Instant::now();
        let (first, batch) = self.write(commands, "");
        self.send(&batch).await;
        for (tag, command) in (first..).zip(commands) {
            self.picture.begin(command);
            self.finish(&format!("s{tag} "), command).await?;
        }
        if commands.len() == 1 {
            self.latencies.push(began.elapsed().as_micros() as u32);
        }
        Ok(())
    }

    fn write(&mut self, commands: &[Command], before: &str) -> (u32, String) {
        let (first, mut batch) = (self.tag + 1, before.to_owned());
        for command in commands {
            self.tag += 1;
            batch.push_str(&format!("s{} {}\r\n", self.tag, command.text));
            self.note(format!("C: s{} {}", self.tag, command.text));
        }
        (first, batch)
    }

    async fn send(&mut self, text: &str) {
        self.connection.as_mut().unwrap().raw(text).await;
    }

    async fn finish(&mut self, tag: &str, command: &Command) -> Checked {
        loop {
            let line = self.response(Some(command)).await?;
            if let Some(tagged) = line.strip_prefix(tag) {
                self.world.commands.fetch_add(1, Ordering::Relaxed);
                let outcome = self.picture.tagged(tagged, command);
                return self.explain(outcome);
            }
            let outcome = self.picture.untagged(&line, Some(command));
            self.explain(outcome)?;
        }
    }

    async fn response(&mut self, running: Option<&Command>) -> Result<String, String> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                self.note(format!("S: {line}"));
                return Ok(line);
            }
            let line = self.connection.as_mut().unwrap().response().await;
            let Some(line) = line else { return Err(self.explained("the connection ended")) };
            let highest = self.world.seen(&line);
            match &mut self.plant {
                Some(plant) => self.waiting.extend(plant.alter(line, running, highest)),
                None => self.waiting.push_back(line),
            }
        }
    }

    /// Sends a command, hears some of the answer, and is gone.
    pub async fn leave_in_the_middle(&mut self, operation: Option<&Op>, how: Telling, lines: u8) -> Checked {
        self.leave_idle().await?;
        let names = self.world.names.clone();
        let command = match (operation, self.picture.mailbox.clone()) {
            (Some(operation), Some(_)) => {
                let serial = self.world.serial();
                let place =
                    Place { picture: &self.picture, mailboxes: &names, enough: self.enough, numbers: true, serial };
                operation.commands(&place).remove(0)
            }
            _ => self.select_command(&names[usize::from(lines) % names.len()], how, true),
        };
        let (tag, text) = self.write(std::slice::from_ref(&command), "");
        self.send(&text).await;
        self.picture.begin(&command);
        for _ in 0..lines {
            let line = self.response(Some(&command)).await?;
            if line.starts_with(&format!("s{tag} ")) {
                break;
            }
            let outcome = self.picture.untagged(&line, Some(&command));
            self.explain(outcome)?;
        }
        self.go_offline();
        Ok(())
    }

    pub async fn enter_idle(&mut self) -> Checked {
        if self.idle.is_some() {
            return Ok(());
        }
        let idle = idle();
        let (tag, text) = self.write(std::slice::from_ref(&idle), "");
        self.send(&text).await;
        self.picture.begin(&idle);
        loop {
            let line = self.response(Some(&idle)).await?;
            if line.starts_with("+ ") {
                self.idle = Some(format!("s{tag} "));
                return Ok(());
            }
            let outcome = self.picture.untagged(&line, Some(&idle));
            self.explain(outcome)?;
        }
    }

    pub async fn leave_idle(&mut self) -> Checked {
        match self.idle.take() {
            Some(tag) => self.end_idle(tag, &[]).await,
            None => Ok(()),
        }
    }

    /// DONE and the next commands in one segment.
    async fn end_idle(&mut self, tag: String, commands: &[Command]) -> Checked {
        self.note("C: DONE".to_owned());
        let (first, batch) = self.write(commands, "DONE\r\n");
        self.send(&batch).await;
        self.finish(&tag, &idle()).await?;
        for (tag, command) in (first..).zip(commands) {
            self.picture.begin(command);
            self.finish(&format!("s{tag} "), command).await?;
        }
        Ok(())
    }

    /// Hears what comes in IDLE, for so long.
    pub async fn listen(&mut self, time: Duration) -> Checked {
        let (idle, end) = (idle(), Instant::now() + time);
        while let Ok(line) = tokio::time::timeout_at(end.into(), self.response(Some(&idle))).await {
            let outcome = self.picture.untagged(&line?, Some(&idle));
            self.explain(outcome)?;
        }
        Ok(())
    }

    /// Listens until the picture is the mailbox, which nobody changes now.
    async fn hear(&mut self, mailbox: &str) -> Checked {
        let idle = idle();
        while let Err(wrong) = self.world.truth(mailbox).await.agrees(&self.picture, false) {
            let Ok(line) = tokio::time::timeout(NEWS, self.response(Some(&idle))).await else {
                return Err(self.explained(&format!("not told in IDLE: {wrong}")));
            };
            let outcome = self.picture.untagged(&line?, Some(&idle));
            self.explain(outcome)?;
        }
        Ok(())
    }

    /// With everybody at rest: the picture is the mailbox, as far as it goes, and then in full.
    pub async fn sync(&mut self, in_full: bool) -> Checked {
        let Some(mailbox) = self.picture.mailbox.clone() else { return Ok(()) };
        if self.idle.is_some() {
            return self.hear(&mailbox).await;
        }
        self.caught_up(&mailbox, false).await?;
        if in_full { self.caught_up(&mailbox, true).await } else { Ok(()) }
    }

    /// Asks until nothing happens meanwhile: the last commands of a connection that was cut may still run.
    async fn caught_up(&mut self, mailbox: &str, complete: bool) -> Checked {
        loop {
            let before = self.world.truth(mailbox).await.highest_mod_seq;
            self.run(&[Command::noop()]).await?;
            if complete {
                // What is new is known by now, or comes meanwhile.
                self.run(&[fetch_new(&self.picture)]).await?;
            }
            let truth = self.world.truth(mailbox).await;
            if truth.highest_mod_seq == before {
                return self.explain(truth.agrees(&self.picture, complete));
            }
        }
    }

    /// Another device with the same memory comes back with QRESYNC, and must then have what is there: whatever this one
    /// has been told of HIGHESTMODSEQ was true.
    pub async fn twin(&mut self, how: Telling) -> Checked {
        self.remember();
        for mailbox in self.caches.keys().cloned().collect::<Vec<_>>() {
            let mut twin = Self::new(&self.world, format!("a twin of {}", self.name));
            twin.caches = self.caches.clone();
            twin.transcript = self.transcript.clone();
            twin.note("-- the twin".to_owned());
            twin.connect(Features { qresync: true, condstore: true, ..Features::default() }).await?;
            twin.plant = self.plant.take();
            twin.picture.alone = self.picture.alone;
            let outcome = match twin.select(&mailbox, how, true).await {
                Ok(()) => twin.sync(true).await,
                wrong => wrong,
            };
            self.plant = twin.plant.take();
            outcome?;
        }
        Ok(())
    }

    fn note(&mut self, line: String) {
        self.transcript.push_back(line);
        if self.transcript.len() > REMEMBERED {
            self.transcript.pop_front();
        }
    }

    fn explain(&self, outcome: Checked) -> Checked {
        outcome.map_err(|what| self.explained(&what))
    }

    fn explained(&self, what: &str) -> String {
        let lines: Vec<_> = self.transcript.iter().map(|l| l.chars().take(300).collect::<String>()).collect();
        format!("{}: {what}\n{:?}\n{}", self.name, self.picture.features, lines.join("\n"))
    }
}

fn idle() -> Command {
    Command::new("IDLE", Kind::Other)
}
