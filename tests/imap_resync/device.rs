//! A client that follows RFC 7162 to the letter, and trusts only its cache.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::harness::{Client, TestServer};
use crate::parse::{code, items, numbers};
use crate::random::Random;

type Flags = BTreeSet<String>;

/// Lines of the transcript shown when something is wrong.
const REMEMBERED: usize = 80;

/// What outlives a connection.
#[derive(Clone, Default)]
struct Cache {
    uid_validity: u64,
    mod_seq: u64,
    /// Every message up to `complete_to`, and no other.
    messages: BTreeMap<u32, Flags>,
    complete_to: u32,
}

/// What is known of the mailbox beside the cache while it is selected.
struct Online {
    client: Client,
    tag: u32,
    /// UIDs by sequence number, as far as the cache goes.
    numbers: Vec<u32>,
    /// Messages after those, of which only the number is known.
    unknown: usize,
}

/// What one command brings together until its tagged response.
#[derive(Default)]
struct Command {
    text: String,
    selects: bool,
    highest_mod_seq: u64,
    code: Option<u64>,
    exists: usize,
    told: BTreeSet<u32>,
    /// FETCH responses seen: VANISHED (EARLIER) must not come after one.
    fetched: bool,
    /// FLAGS of messages past the cache.
    news: BTreeMap<u32, Flags>,
}

pub struct Device {
    server: Arc<TestServer>,
    name: String,
    cache: Cache,
    online: Option<Online>,
    transcript: VecDeque<String>,
}

impl Device {
    pub fn new(server: &Arc<TestServer>, name: String) -> Self {
        let (cache, transcript) = (Cache::default(), VecDeque::new());
        Self { server: Arc::clone(server), name, cache, online: None, transcript }
    }

    /// Another device with the same cache.
    pub fn twin(&self) -> Self {
        let (server, cache) = (Arc::clone(&self.server), self.cache.clone());
        let name = format!("a twin of {}", self.name);
        Self { server, name, cache, online: None, transcript: self.transcript.clone() }
    }

    pub fn is_offline(&self) -> bool {
        self.online.is_none()
    }

    pub fn go_offline(&mut self) {
        self.note("-- offline".to_owned());
        self.online = None;
    }

    pub async fn step(&mut self, random: &mut Random) {
        if self.online.is_none() {
            self.come_back(random).await;
            // Sometimes it is gone again before it has asked for what is new.
            if random.below(3) > 0 {
                self.fetch_new(random).await;
            }
            return;
        }
        match random.below(14) {
            0..=2 => self.run("NOOP").await,
            3 => self.idle(random).await,
            4 => self.fetch_new(random).await,
            5 => {
                let (since, known) = (self.cache.mod_seq, self.cache.complete_to.max(1));
                let set = random.pick(&["1:*", "1:4294967295", ""]).to_owned();
                let set = if set.is_empty() { format!("1:{known}") } else { set };
                self.run(&format!("UID FETCH {set} (FLAGS) (CHANGEDSINCE {since} VANISHED)")).await;
            }
            6 | 7 => self.leave_in_the_middle(random).await,
            8 => {
                let flag = random.pick(&["\\Seen", "\\Flagged", "\\Deleted"]);
                self.store(random, flag).await;
            }
            9 => self.run("UID EXPUNGE 1:4294967295").await,
            _ => {
                // By number: expunges are held back.
                let Some(n) = self.number(random) else { return self.run("NOOP").await };
                let command = random.pick(&["FETCH @ (UID FLAGS)", "FETCH @ (UID)", "SEARCH @", "UID SEARCH @"]);
                self.run(&command.replace('@', &n.to_string())).await;
            }
        }
    }

    /// Brings the cache up to date and compares it with what another session sees.
    pub async fn agree(&mut self, random: &mut Random) {
        if self.online.is_none() {
            self.come_back(random).await;
        }
        self.run("NOOP").await;
        self.fetch_new(random).await;
        self.run("NOOP").await;
        let mut fresh = self.server.login().await;
        fresh.ok("EXAMINE box").await;
        let mut truth = BTreeMap::new();
        for line in fresh.ok("UID FETCH 1:* (UID FLAGS)").await {
            let list = line.split_once(" FETCH ").unwrap().1;
            let (uid, flags) = message(&items(list).unwrap());
            truth.insert(uid, flags.unwrap());
        }
        self.ensure(self.cache.messages == truth, || "the cache is not the mailbox".to_owned());
        let numbers = &self.online.as_ref().unwrap().numbers;
        self.ensure(numbers.iter().eq(truth.keys()), || format!("the numbers are {numbers:?}"));
    }

    async fn come_back(&mut self, random: &mut Random) {
        let mut client = self.server.login().await;
        client.ok("ENABLE QRESYNC").await;
        self.online = Some(Online { client, tag: 0, numbers: Vec::new(), unknown: 0 });
        let (word, parameter) = (random.pick(&["SELECT", "EXAMINE"]), self.parameter(random));
        self.run(&format!("{word} box{parameter}")).await;
    }

    /// What the cache knows, as SELECT takes it: with known UIDs or not, with match data or not.
    fn parameter(&self, random: &mut Random) -> String {
        let Cache { uid_validity, mod_seq, messages, complete_to } = &self.cache;
        if *uid_validity == 0 {
            return " (CONDSTORE)".to_owned();
        }
        let list = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let uids: Vec<u32> = messages.keys().copied().collect();
        let known = match random.below(4) {
            0 if !uids.is_empty() => format!(" {}", list(&uids)),
            1 if *complete_to > 0 => format!(" 1:{complete_to}"),
            2 => " 1:4294967295".to_owned(),
            _ => String::new(),
        };
        let told: Vec<usize> = (0..uids.len()).filter(|_| random.below(3) == 0).collect();
        if told.is_empty() || random.below(2) == 0 {
            return format!(" (QRESYNC ({uid_validity} {mod_seq}{known}))");
        }
        let numbers: Vec<u32> = told.iter().map(|at| *at as u32 + 1).collect();
        let uids: Vec<u32> = told.iter().map(|at| uids[*at]).collect();
        format!(" (QRESYNC ({uid_validity} {mod_seq}{known} ({} {})))", list(&numbers), list(&uids))
    }

    async fn fetch_new(&mut self, random: &mut Random) {
        let items = random.pick(&["(UID FLAGS)", "(UID FLAGS MODSEQ)"]);
        self.run(&format!("UID FETCH {}:* {items}", self.cache.complete_to + 1)).await;
    }

    fn number(&self, random: &mut Random) -> Option<u32> {
        let online = self.online.as_ref()?;
        let exists = online.numbers.len() + online.unknown;
        (exists > 0).then(|| random.below(exists) as u32 + 1)
    }

    async fn store(&mut self, random: &mut Random, flag: &str) {
        let uids: Vec<u32> = self.cache.messages.keys().copied().collect();
        if uids.is_empty() {
            return self.run("NOOP").await;
        }
        let uid = uids[random.below(uids.len())];
        let silent = random.pick(&["", ".SILENT"]);
        self.run(&format!("UID STORE {uid} +FLAGS{silent} ({flag})")).await;
    }

    async fn idle(&mut self, random: &mut Random) {
        let tag = self.send("IDLE").await;
        let mut command = Command { text: "IDLE".to_owned(), ..Command::default() };
        while !self.line().await.starts_with("+ ") {}
        for _ in 0..random.below(3) {
            let online = self.online.as_mut().unwrap();
            // Nobody may have anything to say.
            let wait = std::time::Duration::from_millis(2);
            let Ok(line) = tokio::time::timeout(wait, online.client.response()).await else { break };
            let line = line.unwrap();
            self.untagged(&mut command, &line);
        }
        self.online.as_mut().unwrap().client.raw("DONE\r\n").await;
        self.finish(&tag, command).await;
    }

    /// Hears some of the answer, and the connection breaks.
    async fn leave_in_the_middle(&mut self, random: &mut Random) {
        let text = random.pick(&["NOOP", "UID FETCH 1:* (FLAGS MODSEQ)", "UID SEARCH ALL", "FETCH 1:* (UID FLAGS)"]);
        let tag = self.send(text).await;
        let mut command = Command { text: text.to_owned(), ..Command::default() };
        for _ in 0..random.below(6) {
            let line = self.line().await;
            if line.starts_with(&tag) {
                break;
            }
            self.untagged(&mut command, &line);
        }
        self.go_offline();
    }

    async fn run(&mut self, text: &str) {
        let tag = self.send(text).await;
        let selects = text.contains(" box");
        self.finish(&tag, Command { text: text.to_owned(), selects, ..Command::default() }).await;
    }

    async fn send(&mut self, text: &str) -> String {
        let online = self.online.as_mut().unwrap();
        online.tag += 1;
        let tag = format!("d{} ", online.tag);
        online.client.c(&format!("{tag}{text}")).await;
        self.note(format!("C: {tag}{text}"));
        tag
    }

    async fn line(&mut self) -> String {
        let line = self.online.as_mut().unwrap().client.response().await.expect("a response");
        self.note(format!("S: {line}"));
        line
    }

    async fn finish(&mut self, tag: &str, mut command: Command) {
        loop {
            let line = self.line().await;
            match line.strip_prefix(tag) {
                Some(tagged) => return self.tagged(command, tagged),
                None => self.untagged(&mut command, &line),
            }
        }
    }

    fn untagged(&mut self, command: &mut Command, line: &str) {
        let Some(rest) = line.strip_prefix("* ") else { return };
        let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        match (word.parse::<usize>(), word) {
            (Ok(n), _) if tail == "EXISTS" => self.exists(command, n),
            (Ok(n), _) if tail.starts_with("FETCH ") => self.fetched(command, n, &items(&tail[6..]).unwrap()),
            (_, "VANISHED") => self.vanished(command, tail),
            (_, "OK") => {
                if let Some(value) = code(rest, "UIDVALIDITY") {
                    self.uid_validity(value.parse().unwrap());
                }
                command.code = code(rest, "HIGHESTMODSEQ").map(|n| n.parse().unwrap()).or(command.code);
            }
            _ => self.ensure(!tail.ends_with("EXPUNGE"), || "EXPUNGE after ENABLE QRESYNC".to_owned()),
        }
    }

    fn uid_validity(&mut self, value: u64) {
        if self.cache.uid_validity != value {
            self.cache = Cache { uid_validity: value, ..Cache::default() };
        }
    }

    fn exists(&mut self, command: &mut Command, n: usize) {
        command.exists = n;
        let online = self.online.as_mut().unwrap();
        let have = online.numbers.len() + online.unknown;
        online.unknown += n.saturating_sub(have);
        self.ensure(command.selects || n >= have, || "EXISTS shrinks".to_owned());
    }

    fn vanished(&mut self, command: &mut Command, tail: &str) {
        let earlier = tail.strip_prefix("(EARLIER) ");
        let asked = command.text.contains("QRESYNC") || command.text.contains("VANISHED");
        self.ensure(earlier.is_none() || asked && !command.fetched, || "EARLIER out of place".to_owned());
        let by_number = ["FETCH", "SEARCH", "UID SEARCH "].iter().any(|word| command.text.starts_with(word));
        let by_number = by_number && command.text != "UID SEARCH ALL";
        self.ensure(!by_number, || "VANISHED while numbers are in use".to_owned());
        for uid in numbers(earlier.unwrap_or(tail)) {
            self.cache.messages.remove(&uid);
            command.news.remove(&uid);
            let online = self.online.as_mut().unwrap();
            let at = online.numbers.iter().position(|known| *known == uid);
            let fine = match (earlier, at) {
                // What is still counted cannot have gone earlier.
                (Some(_), at) => at.is_none(),
                (None, Some(at)) => {
                    online.numbers.remove(at);
                    true
                }
                (None, None) if online.unknown > 0 && uid > self.cache.complete_to => {
                    online.unknown -= 1;
                    true
                }
                (None, None) => false,
            };
            self.ensure(fine, || format!("{uid} cannot vanish"));
        }
    }

    fn fetched(&mut self, command: &mut Command, n: usize, items: &[(String, String)]) {
        command.fetched = true;
        let item = |name: &str| items.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        if let Some(value) = item("MODSEQ") {
            let value = value.trim_matches(['(', ')']).parse().unwrap();
            command.highest_mod_seq = command.highest_mod_seq.max(value);
        }
        self.ensure(item("UID").is_some(), || "FETCH without UID".to_owned());
        let (uid, flags) = message(items);
        let online = self.online.as_ref().unwrap();
        let fits = match online.numbers.get(n - 1) {
            _ if command.selects => true,
            Some(known) => *known == uid,
            None => n <= online.numbers.len() + online.unknown && uid > self.cache.complete_to,
        };
        self.ensure(fits, || format!("message {n} is not UID {uid}"));
        let Some(flags) = flags else { return };
        command.told.insert(uid);
        if uid > self.cache.complete_to {
            command.news.insert(uid, flags);
        } else {
            self.ensure(self.cache.messages.contains_key(&uid), || format!("{uid} had vanished"));
            self.cache.messages.insert(uid, flags);
        }
    }

    fn tagged(&mut self, command: Command, line: &str) {
        let fine =
            line.starts_with("OK") || line.starts_with("NO [EXPUNGEISSUED]") || line.starts_with("NO [READ-ONLY]");
        self.ensure(fine, || "an unexpected answer".to_owned());
        let text = &command.text;
        // RFC 7162 section 6: the code where there is one, else the highest MODSEQ if that is higher.
        let code = code(line, "HIGHESTMODSEQ").map(|n| n.parse().unwrap()).or(command.code);
        self.cache.mod_seq = code.unwrap_or_else(|| self.cache.mod_seq.max(command.highest_mod_seq));
        let online = self.online.as_mut().unwrap();
        if command.selects {
            online.numbers = self.cache.messages.keys().copied().collect();
            let known = online.numbers.len();
            online.unknown = command.exists.wrapping_sub(known);
            self.ensure(known <= command.exists, || format!("{known} cached, {} there", command.exists));
        } else if text.starts_with(&format!("UID FETCH {}:* (UID FLAGS", self.cache.complete_to + 1)) {
            let found = command.news.len();
            let past = online.unknown;
            online.numbers.extend(command.news.keys());
            online.unknown -= found.min(past);
            // What was announced only after the answer began is for the next time.
            self.cache.complete_to = online.numbers.last().copied().unwrap_or(0).max(self.cache.complete_to);
            self.cache.messages.extend(command.news);
            self.ensure(found <= past, || format!("{found} are new, not {past}"));
        } else if let Some(rest) = text.strip_prefix("UID STORE ").filter(|_| line.starts_with("OK")) {
            let uid: u32 = rest.split(' ').next().unwrap().parse().unwrap();
            let flag = rest.rsplit('(').next().unwrap().trim_end_matches(')').to_ascii_lowercase();
            // A silent change that was not answered is what the client makes of it.
            if let Some(flags) = self.cache.messages.get_mut(&uid).filter(|_| !command.told.contains(&uid)) {
                flags.insert(flag);
            }
        }
    }

    fn note(&mut self, line: String) {
        self.transcript.push_back(line);
        if self.transcript.len() > REMEMBERED {
            self.transcript.pop_front();
        }
    }

    fn ensure(&self, fits: bool, what: impl FnOnce() -> String) {
        if !fits {
            let lines: Vec<&str> = self.transcript.iter().map(String::as_str).collect();
            panic!("{}: {}\n{:?}\n{}", self.name, what(), self.cache.messages, lines.join("\n"));
        }
    }
}

/// UID and flags of a FETCH response.
fn message(items: &[(String, String)]) -> (u32, Option<Flags>) {
    let item = |name: &str| items.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let flags = |list: &str| {
        let names = list.trim_matches(['(', ')']).split(' ').filter(|name| !name.is_empty());
        names.map(str::to_ascii_lowercase).filter(|name| name != "\\recent").collect()
    };
    (item("UID").map_or(0, |uid| uid.parse().unwrap()), item("FLAGS").map(flags))
}
