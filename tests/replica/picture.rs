//! What one client knows of its selected mailbox, from the untagged responses alone, and what it may never be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::replica::cache::Cache;
use crate::replica::command::{Command, Flags, Kind};
use crate::replica::parse::{code, items, numbers};

/// A message as far as the client has been told of it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub uid: Option<u32>,
    /// In lower case, without `\recent`.
    pub flags: Option<Flags>,
    /// 0: not told.
    pub mod_seq: u64,
    /// FLAGS were told during the command that runs.
    pub(super) told: bool,
    /// It was answered by the FETCH that runs.
    pub(super) answered: bool,
    /// EXISTS told of it during the command that runs.
    pub(super) arrived: bool,
    /// Whether it matched the SEARCH that runs when that began, if that was known.
    pub(super) matched: Option<bool>,
}

/// What never changes of a message, by mailbox, UID and item; shared by all clients.
pub type Constants = Arc<Mutex<BTreeMap<(String, u32, String), String>>>;

/// What a client has switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    pub condstore: bool,
    pub qresync: bool,
    pub uid_only: bool,
    pub rev2: bool,
}

#[derive(Default)]
pub struct Picture {
    pub mailbox: Option<String>,
    pub messages: Vec<Known>,
    pub features: Features,
    pub read_only: bool,
    /// Nobody else is doing anything.
    pub alone: bool,
    pub uid_validity: u64,
    /// As RFC 7162 section 6 tells clients to keep it.
    pub mod_seq: u64,
    /// The highest value of a response code.
    pub highest_told: u64,
    pub uid_next: u32,
    /// `$`
    pub saved: BTreeSet<u32>,
    /// Not taken over into the messages yet.
    pub resyncing: Option<Cache>,
    pub(super) keywords: BTreeSet<String>,
    pub(super) constants: Constants,
    pub(super) answer: Answer,
    /// Tells one SELECT from another.
    pub(super) session: u64,
}

/// What one command brings together until its tagged response.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) hits: Option<Vec<u32>>,
    highest_mod_seq: u64,
    code: Option<u64>,
    pub(super) exists: bool,
    pub(super) copied: BTreeSet<u32>,
    /// UIDs known as COPY began, and those of them that it named.
    shown: BTreeSet<u32>,
    named: BTreeSet<u32>,
    fetched: bool,
    pub(super) closed: bool,
    /// `$` as it began.
    pub(super) saved: BTreeSet<u32>,
    pub(super) had_mailbox: bool,
}

static SESSIONS: AtomicU64 = AtomicU64::new(0);

pub type Checked = Result<(), String>;

pub fn ensure(fits: bool, what: impl FnOnce() -> String) -> Checked {
    if fits { Ok(()) } else { Err(what()) }
}

impl Picture {
    pub fn new(constants: Constants, features: Features) -> Self {
        Self { constants, features, ..Self::default() }
    }

    /// A command begins: it is the first whose tagged response is outstanding.
    pub fn begin(&mut self, command: &Command) {
        self.answer = Answer { had_mailbox: self.mailbox.is_some(), saved: self.saved.clone(), ..Answer::default() };
        if let Kind::Select { cache, .. } = &command.kind {
            let (constants, features) = (Arc::clone(&self.constants), self.features);
            let (answer, alone) = (std::mem::take(&mut self.answer), self.alone);
            *self = Self { answer, alone, resyncing: cache.clone(), ..Self::new(constants, features) };
            self.session = SESSIONS.fetch_add(1, Ordering::Relaxed);
        }
        let matching: Vec<_> = (1..).zip(&self.messages).map(|(n, m)| self.matches(command, n, m)).collect();
        for (message, matched) in self.messages.iter_mut().zip(matching) {
            (message.told, message.answered, message.matched) = (false, false, matched);
            message.arrived = false;
        }
        if let Kind::Copy { .. } = command.kind {
            let known = || (1..).zip(&self.messages).filter_map(|(n, m)| Some((n, m.uid?)));
            self.answer.shown = known().map(|(_, uid)| uid).collect();
            let is_named = |n: u32, uid: u32| command.has(n, Some(uid), &self.answer.saved) == Some(true);
            self.answer.named = known().filter(|(n, uid)| is_named(*n, *uid)).map(|(_, uid)| uid).collect();
        }
        self.features.condstore |= command.enables_condstore;
    }

    /// An untagged response. `running` is the command being answered.
    pub fn untagged(&mut self, line: &str, running: Option<&Command>) -> Checked {
        let rest = line.strip_prefix("* ").ok_or("neither untagged nor expected")?;
        let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        match (word.parse::<u32>(), word) {
            (Ok(n), _) => self.numbered(n, tail, running),
            (_, "OK") => self.status_response(rest, running),
            (_, "FLAGS") => {
                let names = tail.trim_matches(['(', ')']).split(' ');
                self.keywords = names.map(str::to_ascii_lowercase).collect();
                Ok(())
            }
            (_, "VANISHED") => self.vanished(tail, running),
            (_, "SEARCH") => {
                ensure(!self.features.rev2, || "SEARCH to an IMAP4rev2 client".to_owned())?;
                let all = tail.split(" (").next().unwrap_or_default().split(' ').filter(|n| !n.is_empty());
                let hits: Result<Vec<u32>, _> = all.map(str::parse).collect();
                self.found(hits.map_err(|_| "a wrong number")?, running)
            }
            (_, "ESEARCH") => self.found_extended(tail, running),
            (_, "STATUS") => self.status(tail, running),
            (_, "ENABLED" | "LIST") => Ok(()),
            _ => Err("an unexpected response".to_owned()),
        }
    }

    fn numbered(&mut self, n: u32, tail: &str, running: Option<&Command>) -> Checked {
        let (word, list) = tail.split_once(' ').unwrap_or((tail, ""));
        let have = self.messages.len();
        let in_range = || ensure(n >= 1 && n as usize <= have, || format!("the number is out of range: {have}"));
        match word {
            "EXISTS" => {
                ensure(n as usize >= have, || format!("EXISTS shrinks from {have}"))?;
                self.messages.resize_with(n as usize, || Known { arrived: true, ..Known::default() });
                self.answer.exists = true;
                Ok(())
            }
            "RECENT" => ensure(n as usize <= have, || format!("more recent messages than {have}")),
            "EXPUNGE" => {
                ensure(!self.features.qresync, || "EXPUNGE after ENABLE QRESYNC".to_owned())?;
                ensure(!self.features.uid_only, || "EXPUNGE after ENABLE UIDONLY".to_owned())?;
                ensure(running.is_some_and(|c| c.may_expunge), || "EXPUNGE at a forbidden time".to_owned())?;
                in_range()?;
                self.messages.remove(n as usize - 1);
                Ok(())
            }
            "FETCH" => {
                ensure(!self.features.uid_only, || "FETCH after ENABLE UIDONLY".to_owned())?;
                in_range()?;
                self.fetched(n as usize - 1, &items(list)?, running)
            }
            "UIDFETCH" => {
                ensure(self.features.uid_only, || "UIDFETCH without ENABLE UIDONLY".to_owned())?;
                let at = self.place(n).ok_or_else(|| format!("{n} is a UID of no message that there is"))?;
                self.messages[at].uid = Some(n);
                self.fetched(at, &items(list)?, running)
            }
            _ => Err("an unexpected response".to_owned()),
        }
    }

    /// Where a message stands that is named by its UID, taking one without a UID for it if need be. Those stand last as far
    /// as a client cares who never counts.
    fn place(&mut self, uid: u32) -> Option<usize> {
        if let Some(at) = self.messages.iter().position(|m| m.uid == Some(uid)) {
            return Some(at);
        }
        let before = self.messages.iter().rposition(|m| m.uid.is_some_and(|known| known < uid)).map_or(0, |at| at + 1);
        let after = self.messages[before..].iter().position(|m| m.uid.is_some_and(|known| known > uid));
        let end = after.map_or(self.messages.len(), |at| before + at);
        let blank = (before..end).find(|at| self.messages[*at].uid.is_none());
        if blank.is_some() || !self.features.uid_only {
            return blank;
        }
        let other = self.messages.iter().position(|m| m.uid.is_none())?;
        let message = self.messages.remove(other);
        let before = self.messages.iter().rposition(|m| m.uid.is_some_and(|known| known < uid)).map_or(0, |at| at + 1);
        self.messages.insert(before, message);
        Some(before)
    }

    fn vanished(&mut self, tail: &str, running: Option<&Command>) -> Checked {
        ensure(self.features.qresync || self.features.uid_only, || "VANISHED to one who did not enable it".to_owned())?;
        let Some(earlier) = tail.strip_prefix("(EARLIER) ") else {
            ensure(running.is_some_and(|c| c.may_expunge), || "VANISHED at a forbidden time".to_owned())?;
            for uid in numbers(tail) {
                let at = self.place(uid).ok_or_else(|| format!("{uid} cannot vanish: no such message"))?;
                self.messages.remove(at);
            }
            return Ok(());
        };
        ensure(running.is_some_and(|c| c.asks_earlier), || "EARLIER without being asked for".to_owned())?;
        ensure(!self.answer.fetched, || "EARLIER after FETCH".to_owned())?;
        let selects = running.is_some_and(|c| matches!(c.kind, Kind::Select { .. }));
        for uid in numbers(earlier) {
            ensure(!selects || uid < self.uid_next, || format!("{uid} is not there yet"))?;
            // What is counted cannot have gone earlier.
            ensure(self.messages.iter().all(|m| m.uid != Some(uid)), || format!("{uid} is still shown"))?;
            self.resyncing.iter_mut().for_each(|cache| drop(cache.messages.remove(&uid)));
        }
        Ok(())
    }

    fn fetched(&mut self, at: usize, items: &[(String, String)], running: Option<&Command>) -> Checked {
        let item = |name: &str| items.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        // INTERNALDATE is asked for by FETCH alone and tells its answers from news.
        let is_answer = item("INTERNALDATE").is_some();
        self.answer.fetched |= is_answer || matches!(running.map(|c| &c.kind), Some(Kind::Select { .. }));
        let need_uid = self.features.condstore && !is_answer || is_answer && running.is_some_and(|c| c.by_uid);
        if let Some(uid) = item("UID") {
            self.uid_told(at, uid.parse().map_err(|_| "a wrong UID")?)?;
        } else if need_uid && !self.features.uid_only {
            return Err("FETCH without the UID".to_owned());
        }
        if let Some(value) = item("MODSEQ") {
            let value = value.trim_matches(['(', ')']).parse().map_err(|_| "a wrong MODSEQ")?;
            let known = &mut self.messages[at];
            ensure(value >= known.mod_seq, || format!("MODSEQ shrinks from {}", known.mod_seq))?;
            known.mod_seq = value;
            self.answer.highest_mod_seq = self.answer.highest_mod_seq.max(value);
        }
        if let Some(flags) = item("FLAGS") {
            let fits = !self.features.condstore || is_answer || item("MODSEQ").is_some();
            ensure(fits, || "FLAGS without MODSEQ".to_owned())?;
            self.flags_told(at, flags)?;
        }
        if is_answer {
            let message = &mut self.messages[at];
            message.answered = true;
            let named = running.is_some_and(|c| c.has(at as u32 + 1, message.uid, &self.answer.saved) != Some(false));
            let star = running.is_some_and(|c| c.text.contains('*'));
            ensure(named || star, || "nobody asked for this message".to_owned())?;
        }
        self.constants_told(at, items)
    }

    fn constants_told(&self, at: usize, items: &[(String, String)]) -> Checked {
        let (Some(uid), Some(mailbox)) = (self.messages[at].uid, &self.mailbox) else { return Ok(()) };
        let mut constants = self.constants.lock().unwrap();
        let recent = items.iter().any(|(name, value)| name == "FLAGS" && value.contains("\\Recent"));
        if recent {
            ensure(!self.features.rev2, || "\\Recent to an IMAP4rev2 client".to_owned())?;
            let mine = self.session.to_string();
            let key = (mailbox.clone(), uid, "\\Recent".to_owned());
            // One that only looks takes nothing: what it shows may become another's.
            if !self.read_only {
                let first = constants.entry(key).or_insert_with(|| mine.clone());
                ensure(*first == mine, || format!("UID {uid} is recent in two sessions"))?;
            }
        }
        for (name, value) in items.iter().filter(|(name, _)| !matches!(name.as_str(), "UID" | "FLAGS" | "MODSEQ")) {
            let first = constants.entry((mailbox.clone(), uid, name.clone())).or_insert_with(|| value.clone());
            ensure(first == value, || format!("{name} of UID {uid} was {first} and is {value}"))?;
        }
        Ok(())
    }

    fn uid_told(&mut self, at: usize, uid: u32) -> Checked {
        let known = self.messages[at].uid;
        ensure(known.is_none_or(|k| k == uid), || format!("the UID was {known:?}"))?;
        let before = self.messages[..at].iter().rev().find_map(|m| m.uid);
        let after = self.messages[at + 1..].iter().find_map(|m| m.uid);
        let ascends = before.is_none_or(|b| b < uid) && after.is_none_or(|a| uid < a);
        ensure(ascends, || format!("UIDs do not ascend: {before:?}, {uid}, {after:?}"))?;
        self.messages[at].uid = Some(uid);
        Ok(())
    }

    fn flags_told(&mut self, at: usize, list: &str) -> Checked {
        let mut flags: Flags =
            list.trim_matches(['(', ')']).split(' ').filter(|f| !f.is_empty()).map(str::to_ascii_lowercase).collect();
        flags.remove("\\recent");
        let unknown: Vec<_> = flags.difference(&self.keywords).collect();
        ensure(unknown.is_empty(), || format!("flags that no FLAGS response has announced: {unknown:?}"))?;
        let known = &mut self.messages[at];
        (known.flags, known.told) = (Some(flags), true);
        Ok(())
    }

    pub(super) fn status_response(&mut self, rest: &str, running: Option<&Command>) -> Checked {
        if let Some(value) = code(rest, "HIGHESTMODSEQ") {
            let value = value.parse().map_err(|_| "a wrong HIGHESTMODSEQ")?;
            let before = self.highest_told.max(self.resyncing.as_ref().map_or(0, |cache| cache.mod_seq));
            ensure(value >= before, || format!("HIGHESTMODSEQ shrinks from {before}"))?;
            (self.highest_told, self.answer.code) = (value, Some(value));
        }
        if let Some(value) = code(rest, "UIDNEXT") {
            self.uid_next = value.parse().map_err(|_| "a wrong UIDNEXT")?;
        }
        if let Some(value) = code(rest, "UIDVALIDITY") {
            self.uid_validity = value.parse().map_err(|_| "a wrong UIDVALIDITY")?;
        }
        if let Some(value) = code(rest, "COPYUID") {
            self.copied(value, running)?;
        }
        if rest.starts_with("OK [CLOSED]") {
            let fits = self.answer.had_mailbox && !self.answer.closed;
            ensure(fits, || "CLOSED without a mailbox, or again".to_owned())?;
            self.answer.closed = true;
        }
        Ok(())
    }

    /// RFC 7162 section 6: the code where there is one, else the highest MODSEQ if that is higher.
    pub(super) fn settle_mod_seq(&mut self) {
        let highest = self.mod_seq.max(self.answer.highest_mod_seq);
        self.mod_seq = self.answer.code.unwrap_or(if self.features.condstore { highest } else { self.mod_seq });
    }

    fn status(&mut self, tail: &str, running: Option<&Command>) -> Checked {
        let (mailbox, list) = tail.split_once(' ').ok_or("a wrong STATUS")?;
        ensure(matches!(running.map(|c| &c.kind), Some(Kind::Status)), || "STATUS out of place".to_owned())?;
        for (name, value) in items(list)? {
            if name == "UIDNEXT" && self.mailbox.as_deref() == Some(mailbox) {
                let value: u32 = value.parse().map_err(|_| "a wrong UIDNEXT")?;
                ensure(value >= self.uid_next, || format!("UIDNEXT shrinks from {}", self.uid_next))?;
                self.uid_next = value;
            }
        }
        Ok(())
    }

    fn found_extended(&mut self, tail: &str, running: Option<&Command>) -> Checked {
        let data = tail.split_once(')').map_or(tail, |(_, data)| data).trim_start();
        let by_uid = data.starts_with("UID");
        ensure(running.is_some_and(|c| c.by_uid == by_uid), || "UID in ESEARCH is wrong".to_owned())?;
        let mut words = data.trim_start_matches("UID").split(' ').filter(|word| !word.is_empty());
        let (mut hits, mut count) = (Vec::new(), None);
        while let Some(word) = words.next() {
            let value = words.next().ok_or("ESEARCH without a value")?;
            match word {
                "ALL" => hits = numbers(value),
                "COUNT" => count = value.parse::<usize>().ok(),
                _ => {}
            }
        }
        ensure(count.is_none_or(|n| n == hits.len()), || "COUNT is not the number of ALL".to_owned())?;
        self.found(hits, running)
    }

    /// What is copied is what it was.
    fn copied(&mut self, value: &str, running: Option<&Command>) -> Checked {
        let parts: Vec<&str> = value.split(' ').collect();
        ensure(parts.len() == 3, || "a wrong COPYUID".to_owned())?;
        let (from, to) = (numbers(parts[1]), numbers(parts[2]));
        ensure(from.len() == to.len(), || "the sets of COPYUID differ in size".to_owned())?;
        let (Some(source), Some(Kind::Copy { target, .. })) = (&self.mailbox, running.map(|c| &c.kind)) else {
            return Err("COPYUID out of place".to_owned());
        };
        let mut constants = self.constants.lock().unwrap();
        for (from, to) in from.iter().zip(&to) {
            let given = constants.insert((target.clone(), *to, "given".to_owned()), String::new());
            ensure(given.is_none(), || format!("UID {to} of {target} was given out before"))?;
            for name in ["BODY[]", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "EMAILID"] {
                let Some(value) = constants.get(&(source.clone(), *from, name.to_owned())).cloned() else { continue };
                let copy = constants.entry((target.clone(), *to, name.to_owned())).or_insert_with(|| value.clone());
                ensure(*copy == value, || format!("{name} of the copy {to} of {from} differs"))?;
            }
        }
        let is_known = |uid: &u32| self.answer.shown.contains(uid);
        let by_uid = running.is_some_and(|c| c.by_uid && !c.text.contains('*'));
        let named = |uid: &u32| match is_known(uid) {
            true => self.answer.named.contains(uid),
            false => !by_uid || running.is_some_and(|c| c.has(0, Some(*uid), &self.answer.saved) == Some(true)),
        };
        let strange: Vec<&u32> = from.iter().filter(|uid| !named(uid)).collect();
        ensure(strange.is_empty(), || format!("COPYUID names {strange:?}, which were not to be copied"))?;
        self.answer.copied = from.into_iter().collect();
        Ok(())
    }
}
