//! A device in one of four modes, which believes what it is told and nothing else: it has the mailbox as a replica made of
//! untagged responses, and fails at a response that its mode does not have, or that does not fit what it was told before.

use std::collections::BTreeMap;

use super::told::{Fetched, Told, members, names, number_after, set, sorted};
use crate::harness::{Client, MESSAGE, TestServer};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Condstore,
    Qresync,
    /// And QRESYNC.
    UidOnly,
}

impl Mode {
    /// Commands by number are refused.
    pub fn by_uid(self) -> bool {
        self == Self::UidOnly
    }

    pub fn has_mod_seqs(self) -> bool {
        self != Self::Plain
    }

    /// Expunges are VANISHED.
    pub fn has_vanished(self) -> bool {
        matches!(self, Self::Qresync | Self::UidOnly)
    }

    fn enables(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Condstore => Some("CONDSTORE"),
            Self::Qresync => Some("CONDSTORE QRESYNC"),
            Self::UidOnly => Some("CONDSTORE QRESYNC UIDONLY"),
        }
    }

    /// What is told in this mode where `all` is told in that which knows most.
    pub fn told(self, all: impl IntoIterator<Item = Told>) -> Vec<Told> {
        let in_this_mode = |told| match told {
            Told::Highest => self.has_vanished().then_some(told),
            Told::HeldBack => self.has_mod_seqs().then_some(Told::Highest),
            Told::ModSeq(_) => self.has_mod_seqs().then_some(told),
            told => Some(told),
        };
        all.into_iter().filter_map(in_this_mode).collect()
    }
}

/// A session of `alice` that has enabled what the mode needs.
pub async fn login_in(server: &TestServer, mode: Mode) -> Client {
    let mut c = server.login().await;
    if let Some(names) = mode.enables() {
        assert_eq!(c.ok(&format!("ENABLE {names}")).await, [format!("* ENABLED {names}")]);
    }
    c
}

pub struct Device {
    pub c: Client,
    pub mode: Mode,
    /// UIDs by sequence number.
    pub view: Vec<u32>,
    /// Known flags: what a cache has.
    pub cache: BTreeMap<u32, String>,
    pub uid_validity: u64,
    /// What this device would come back with (RFC 7162 section 6): the highest MODSEQ, or HIGHESTMODSEQ if that came later.
    pub mark: u64,
    /// The UID that the next arrival is taken to have.
    pub next: u32,
    tag: u32,
}

impl Device {
    pub async fn new(server: &TestServer, mode: Mode) -> Self {
        Self::in_mailbox(server, mode, "INBOX").await
    }

    pub async fn in_mailbox(server: &TestServer, mode: Mode, mailbox: &str) -> Self {
        let mut c = login_in(server, mode).await;
        let lines = c.ok(&format!("SELECT {mailbox}")).await;
        let code = |name| lines.iter().find_map(|line| number_after(line, &format!("OK [{name}"))).expect(name);
        let (uid_validity, mark, next) = (code("UIDVALIDITY"), code("HIGHESTMODSEQ"), code("UIDNEXT") as u32);
        let hears_unseen = lines.iter().any(|line| line.contains("[UNSEEN "));
        assert!(!(hears_unseen && mode.by_uid()), "{lines:?}");
        let mut device = Self { c, mode, view: Vec::new(), cache: BTreeMap::new(), uid_validity, mark, next, tag: 0 };
        for line in device.c.ok("UID FETCH 1:* (UID)").await {
            // What comes behind is news.
            match Fetched::of(&line).filter(|fetched| fetched.flags.is_none()).and_then(|fetched| fetched.uid) {
                Some(uid) => device.view.push(uid),
                None => device.hear(&line, &mut Vec::new()),
            }
        }
        device.ok("UID FETCH 1:* (UID FLAGS)").await;
        device
    }

    /// The messages as the mode names them in commands.
    pub fn named(&self, uids: &[u32]) -> String {
        if self.mode.by_uid() { set(uids) } else { set(&uids.iter().map(|uid| self.number(*uid)).collect::<Vec<_>>()) }
    }

    pub fn number(&self, uid: u32) -> u32 {
        self.view.iter().position(|known| *known == uid).unwrap_or_else(|| panic!("{uid} is not known")) as u32 + 1
    }

    /// A command with a set of messages, as the mode writes it.
    pub fn command(&self, name: &str, uids: &[u32], rest: &str) -> String {
        let form = if self.mode.by_uid() { "UID " } else { "" };
        format!("{form}{name} {} {rest}", self.named(uids))
    }

    /// Runs a command: what it told, and its tagged line without the tag.
    pub async fn run(&mut self, command: &str) -> (Vec<Told>, String) {
        let tag = self.begin(command).await;
        self.finish(&tag).await
    }

    /// Sends a command; its tag.
    pub async fn begin(&mut self, command: &str) -> String {
        self.tag += 1;
        let tag = format!("d{}", self.tag);
        self.c.raw(format!("{tag} {command}\r\n")).await;
        tag
    }

    /// Several commands in one segment, which are answered one after the other.
    pub async fn pipeline(&mut self, commands: &[String]) -> Vec<(Vec<Told>, String)> {
        let first = self.tag + 1;
        self.tag += commands.len() as u32;
        let tags = (first..=self.tag).map(|n| format!("d{n}")).collect::<Vec<_>>();
        let lines = tags.iter().zip(commands).map(|(tag, command)| format!("{tag} {command}\r\n"));
        self.c.raw(lines.collect::<String>()).await;
        let mut answers = Vec::new();
        for tag in &tags {
            answers.push(self.finish(tag).await);
        }
        answers
    }

    pub async fn finish(&mut self, tag: &str) -> (Vec<Told>, String) {
        let mut told = Vec::new();
        loop {
            let line = self.c.response().await.expect("a tagged response");
            if let Some(tagged) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                if let Some(highest) = number_after(tagged, "OK [HIGHESTMODSEQ") {
                    assert!(self.mode.has_mod_seqs(), "{line}");
                    self.mark = highest;
                }
                return (told, tagged.to_owned());
            }
            self.hear(&line, &mut told);
        }
    }

    /// A command that must succeed; what it told.
    pub async fn ok(&mut self, command: &str) -> Vec<Told> {
        let (told, tagged) = self.run(command).await;
        assert!(tagged.starts_with("OK"), "{:?}: {command}: {tagged}", self.mode);
        told
    }

    /// A command whose tagged line begins so; what it told.
    pub async fn refused(&mut self, command: &str, start: &str) -> Vec<Told> {
        let (told, tagged) = self.run(command).await;
        assert!(tagged.starts_with(start), "{:?}: {command}: wanted {start}, got {tagged}", self.mode);
        told
    }

    /// Expects exactly this of a command, told in the form of the mode.
    pub async fn tells(&mut self, command: &str, all: impl IntoIterator<Item = Told>) {
        let want = self.mode.told(all);
        assert_eq!(self.ok(command).await, want, "{:?}: {command}", self.mode);
    }

    /// The next line without a command, in IDLE.
    pub async fn hears(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while told.is_empty() {
            let line = self.c.response().await.expect("a response");
            self.hear(&line, &mut told);
        }
        told
    }

    /// Reads in IDLE until this message is gone.
    pub async fn hears_of_end(&mut self, uid: u32) {
        while self.view.contains(&uid) {
            self.hears().await;
        }
    }

    /// STORE: what it told. After `.SILENT` the device knows by itself what it did.
    pub async fn store(&mut self, uids: &[u32], rest: &str) -> Vec<Told> {
        let command = self.command("STORE", uids, rest);
        let told = self.ok(&command).await;
        if let Some((op, list)) = rest.split_once("FLAGS.SILENT ") {
            for uid in
                uids.iter().filter(|uid| !told.iter().any(|told| matches!(told, Told::Flags(of, _) if of == *uid)))
            {
                let before = self.cache.get(uid).cloned().unwrap_or_default();
                let after = match op {
                    "+" => sorted(names(&before).chain(names(list))),
                    "-" => sorted(names(&before).filter(|name| names(list).all(|gone| gone != *name))),
                    _ => sorted(names(list)),
                };
                self.cache.insert(*uid, after);
            }
        }
        told
    }

    /// APPEND of a message of two lines: what it told.
    pub async fn append(&mut self, mailbox: &str, arguments: &str) -> Vec<Told> {
        self.ok(&format!("APPEND {mailbox} {arguments}{{{}+}}\r\n{MESSAGE}", MESSAGE.len())).await
    }

    /// Expunges these messages.
    pub async fn expunge(&mut self, uids: &[u32]) {
        self.store(uids, "+FLAGS.SILENT (\\Deleted)").await;
        self.ok(&format!("UID EXPUNGE {}", set(uids))).await;
    }

    /// Takes a line in; it must fit the mode and what is known.
    fn hear(&mut self, line: &str, told: &mut Vec<Told>) {
        let mode = self.mode;
        let text = line.strip_prefix("* ").unwrap_or_else(|| panic!("{mode:?}: not untagged: {line}"));
        let (number, word) = text.split_once(' ').unwrap_or((text, ""));
        let number = number.parse::<u32>().ok();
        match (number, word) {
            (Some(count), "EXISTS") => {
                let count = count as usize;
                assert!(count >= self.view.len(), "{mode:?}: EXISTS shrinks from {}: {line}", self.view.len());
                for _ in self.view.len()..count {
                    self.view.push(self.next);
                    self.next += 1;
                }
                told.push(Told::Exists(count));
            }
            (Some(_), "RECENT") => {}
            (Some(number), "EXPUNGE") => {
                assert!(!mode.has_vanished(), "{mode:?}: {line}");
                assert!((1..=self.view.len()).contains(&(number as usize)), "{mode:?}: {line} of {:?}", self.view);
                let uid = self.view.remove(number as usize - 1);
                self.cache.remove(&uid);
                if let Some(Told::Gone(uids)) = told.last_mut() {
                    uids.push(uid);
                    uids.sort_unstable();
                } else {
                    told.push(Told::Gone(vec![uid]));
                }
            }
            (Some(number), fetch) if fetch.starts_with("FETCH (") || fetch.starts_with("UIDFETCH (") => {
                assert_eq!(fetch.starts_with("UID"), mode.by_uid(), "{mode:?}: {line}");
                let items = fetch.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).expect("a list");
                self.take_fetch(number, Fetched::parse(items), line, told);
            }
            _ if text.starts_with("VANISHED ") => {
                assert!(mode.has_vanished(), "{mode:?}: {line}");
                let earlier = text.strip_prefix("VANISHED (EARLIER) ");
                let uids = members(earlier.unwrap_or_else(|| &text["VANISHED ".len()..]));
                for uid in &uids {
                    self.cache.remove(uid);
                    let at = self.view.iter().position(|known| known == uid);
                    assert_eq!(at.is_some(), earlier.is_none(), "{mode:?}: {uid} of {:?}: {line}", self.view);
                    at.map(|at| self.view.remove(at));
                }
                told.push(if earlier.is_some() { Told::Earlier(uids) } else { Told::Gone(uids) });
            }
            _ => {
                if let Some(highest) = number_after(text, "OK [HIGHESTMODSEQ") {
                    assert!(mode.has_mod_seqs(), "{mode:?}: {line}");
                    self.mark = highest;
                    told.push(Told::Highest);
                    return;
                }
                let found = text.starts_with("SEARCH") || text.starts_with("ESEARCH") || text.starts_with("SORT");
                self.mark = self.mark.max(number_after(text, "MODSEQ").filter(|_| found).unwrap_or(0));
                told.push(Told::Line(text.to_owned()));
            }
        }
    }

    fn take_fetch(&mut self, number: u32, fetched: Fetched, line: &str, told: &mut Vec<Told>) {
        let mode = self.mode;
        let uid = match mode.by_uid() {
            true => number,
            false => {
                *self.view.get(number as usize - 1).unwrap_or_else(|| panic!("{mode:?}: {line} of {:?}", self.view))
            }
        };
        assert!(self.view.contains(&uid), "{mode:?}: {line} of {:?}", self.view);
        assert!(fetched.uid.is_none_or(|told| told == uid), "{mode:?}: {line} of {:?}", self.view);
        assert!(fetched.mod_seq.is_none() || mode.has_mod_seqs(), "{mode:?}: {line}");
        if fetched.flags.is_some() {
            assert_eq!(fetched.mod_seq.is_some(), mode.has_mod_seqs(), "{mode:?}: {line}");
            assert!(fetched.uid.is_some() || mode != Mode::Qresync, "{mode:?}: {line}");
        }
        self.mark = self.mark.max(fetched.mod_seq.unwrap_or(0));
        if !fetched.rest.is_empty() {
            told.push(Told::Data(uid, fetched.rest));
        }
        match (fetched.flags, fetched.mod_seq) {
            (Some(flags), _) => {
                self.cache.insert(uid, flags.clone());
                told.push(Told::Flags(uid, flags));
            }
            (None, Some(_)) => told.push(Told::ModSeq(uid)),
            (None, None) => {}
        }
    }

    /// After a NOOP the replica is what the mailbox is.
    pub async fn agrees(&mut self, server: &TestServer) {
        self.ok("NOOP").await;
        let truth = truth(server).await;
        assert_eq!(self.view, truth.keys().copied().collect::<Vec<_>>(), "{:?}", self.mode);
        for (uid, flags) in &self.cache {
            assert_eq!(Some(flags), truth.get(uid), "{:?}: UID {uid}", self.mode);
        }
    }

    /// Another device with the cache and the mark of this one comes back with QRESYNC, and then has what is there.
    pub async fn could_come_back(&self, server: &TestServer, after: &str) {
        let mut c = login_in(server, Mode::Qresync).await;
        let known = self.cache.keys().copied().collect::<Vec<_>>();
        let select = format!("EXAMINE INBOX (QRESYNC ({} {} {}))", self.uid_validity, self.mark, set(&known));
        let mut cache = self.cache.clone();
        for line in c.ok(&select).await {
            if let Some(uids) = line.strip_prefix("* VANISHED (EARLIER) ") {
                members(uids).iter().for_each(|uid| drop(cache.remove(uid)));
            } else {
                take(&line, &mut cache);
            }
        }
        let news = format!("UID FETCH {}:* (UID FLAGS)", known.last().map_or(1, |uid| uid + 1));
        for line in c.ok(&news).await {
            take(&line, &mut cache);
        }
        assert_eq!(cache, truth(server).await, "{:?}: came back with {} after {after}", self.mode, self.mark);
    }
}

/// The INBOX as it is: UIDs and flags.
pub async fn truth(server: &TestServer) -> BTreeMap<u32, String> {
    let mut c = server.login().await;
    c.ok("EXAMINE INBOX").await;
    let mut truth = BTreeMap::new();
    for line in c.ok("UID FETCH 1:* (UID FLAGS)").await {
        take(&line, &mut truth);
    }
    truth
}

fn take(line: &str, cache: &mut BTreeMap<u32, String>) {
    if let Some(Fetched { uid: Some(uid), flags: Some(flags), .. }) = Fetched::of(line) {
        cache.insert(uid, flags);
    }
}

/// A server with so many messages in INBOX, and two devices that know them.
pub async fn pair(mode: Mode, messages: usize) -> (TestServer, Device, Device) {
    let server = TestServer::start().await;
    server.fill(messages).await;
    let (a, b) = (Device::new(&server, mode).await, Device::new(&server, mode).await);
    (server, a, b)
}
