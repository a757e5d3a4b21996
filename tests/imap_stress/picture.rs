//! What one client knows of its mailbox, from the untagged responses alone, and what it may never be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::command::{Command, Kind};
use crate::parse::{code, items, numbers};

pub type Flags = BTreeSet<String>;

/// A message as far as the client has been told of it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub uid: Option<u32>,
    /// In lower case, without `\recent`.
    pub flags: Option<Flags>,
    mod_seq: u64,
    /// FLAGS were told during the command that runs.
    told: bool,
}

/// What never changes of a message: by mailbox, UID and item.
pub type Constants = Arc<Mutex<BTreeMap<(String, u32, String), String>>>;

#[derive(Default)]
pub struct Picture {
    pub mailbox: Option<String>,
    pub messages: Vec<Known>,
    condstore: bool,
    read_only: bool,
    /// Tells one SELECT from another.
    session: u64,
    keywords: BTreeSet<String>,
    uid_next: u32,
    highest_mod_seq: u64,
    constants: Constants,
}

static SESSIONS: AtomicU64 = AtomicU64::new(0);

type Checked = Result<(), String>;

fn ensure(fits: bool, what: impl FnOnce() -> String) -> Checked {
    if fits { Ok(()) } else { Err(what()) }
}

impl Picture {
    pub fn new(constants: Constants) -> Self {
        Self { constants, ..Self::default() }
    }

    /// A command begins: it is the first whose tagged response is outstanding.
    pub fn begin(&mut self, command: &Command) {
        self.messages.iter_mut().for_each(|m| m.told = false);
        if let Kind::Select(_) = &command.kind {
            (self.mailbox, self.messages, self.keywords) = (None, Vec::new(), BTreeSet::new());
            (self.uid_next, self.highest_mod_seq) = (0, 0);
            self.session = SESSIONS.fetch_add(1, Ordering::Relaxed);
        }
        self.condstore |= command.enables_condstore;
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
            (_, "SEARCH") => self.found(tail, running),
            (_, "STATUS") => self.status(tail, running),
            (_, "ENABLED" | "LIST") => Ok(()),
            _ => Err("an unexpected response".to_owned()),
        }
    }

    fn numbered(&mut self, n: u32, tail: &str, running: Option<&Command>) -> Checked {
        let (word, list) = tail.split_once(' ').unwrap_or((tail, ""));
        let have = self.messages.len();
        match word {
            "EXISTS" => {
                ensure(n as usize >= have, || format!("EXISTS shrinks from {have}"))?;
                self.messages.resize_with(n as usize, Known::default);
                Ok(())
            }
            "RECENT" => ensure(n as usize <= have, || format!("more recent messages than {have}")),
            "EXPUNGE" => {
                ensure(running.is_some_and(|c| c.may_expunge), || "EXPUNGE at a forbidden time".to_owned())?;
                ensure(n >= 1 && n as usize <= have, || format!("the number is out of range: {have}"))?;
                self.messages.remove(n as usize - 1);
                Ok(())
            }
            "FETCH" => {
                ensure(n >= 1 && n as usize <= have, || format!("the number is out of range: {have}"))?;
                self.fetched(n as usize - 1, &items(list)?, running)
            }
            _ => Err("an unexpected response".to_owned()),
        }
    }

    fn fetched(&mut self, at: usize, items: &[(String, String)], running: Option<&Command>) -> Checked {
        let item = |name: &str| items.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        if let Some(uid) = item("UID") {
            self.uid_told(at, uid.parse().map_err(|_| "a wrong UID")?)?;
        } else if running.is_some_and(|c| c.by_uid && matches!(c.kind, Kind::Fetch)) && items.len() > 2 {
            return Err("an answer to UID FETCH without the UID".to_owned());
        }
        if let Some(value) = item("MODSEQ") {
            let value = value.trim_matches(['(', ')']).parse().map_err(|_| "a wrong MODSEQ")?;
            let known = &mut self.messages[at];
            ensure(value >= known.mod_seq, || format!("MODSEQ shrinks from {}", known.mod_seq))?;
            known.mod_seq = value;
        }
        if let Some(flags) = item("FLAGS") {
            // INTERNALDATE is asked for by FETCH alone and tells its answers from news.
            let is_answer = item("INTERNALDATE").is_some();
            ensure(!self.condstore || is_answer || item("MODSEQ").is_some(), || "FLAGS without MODSEQ".to_owned())?;
            self.flags_told(at, flags, is_answer && running.is_some_and(|c| !c.sets_seen))?;
        }
        let (Some(uid), Some(mailbox)) = (self.messages[at].uid, &self.mailbox) else { return Ok(()) };
        let mut constants = self.constants.lock().unwrap();
        if !self.read_only && item("FLAGS").is_some_and(|flags| flags.contains("\\Recent")) {
            let mine = self.session.to_string();
            let first = constants.entry((mailbox.clone(), uid, "\\Recent".to_owned())).or_insert_with(|| mine.clone());
            ensure(*first == mine, || format!("UID {uid} is recent in two sessions"))?;
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

    fn flags_told(&mut self, at: usize, list: &str, must_agree: bool) -> Checked {
        let mut flags: Flags =
            list.trim_matches(['(', ')']).split(' ').filter(|f| !f.is_empty()).map(str::to_ascii_lowercase).collect();
        flags.remove("\\recent");
        let unknown: Vec<_> = flags.difference(&self.keywords).collect();
        ensure(unknown.is_empty(), || format!("flags that no FLAGS response has announced: {unknown:?}"))?;
        let known = &mut self.messages[at];
        if let (true, Some(before)) = (must_agree, &known.flags) {
            ensure(*before == flags, || format!("nobody has told that the flags are not {before:?}"))?;
        }
        (known.flags, known.told) = (Some(flags), true);
        Ok(())
    }

    fn status_response(&mut self, rest: &str, running: Option<&Command>) -> Checked {
        if let Some(value) = code(rest, "HIGHESTMODSEQ") {
            self.mod_seq_told(value)?;
        }
        if let Some(value) = code(rest, "UIDNEXT") {
            self.uid_next = value.parse().map_err(|_| "a wrong UIDNEXT")?;
        }
        if let Some(value) = code(rest, "COPYUID") {
            self.copied(value, running)?;
        }
        Ok(())
    }

    fn mod_seq_told(&mut self, value: &str) -> Checked {
        let (value, before) = (value.parse().map_err(|_| "a wrong HIGHESTMODSEQ")?, self.highest_mod_seq);
        ensure(value >= before, || format!("HIGHESTMODSEQ shrinks from {before}"))?;
        self.highest_mod_seq = value;
        Ok(())
    }

    /// What is copied is what it was.
    fn copied(&self, value: &str, running: Option<&Command>) -> Checked {
        let parts: Vec<&str> = value.split(' ').collect();
        let (from, to) = (numbers(parts[1]), numbers(parts[2]));
        ensure(from.len() == to.len(), || "the sets of COPYUID differ in size".to_owned())?;
        let (Some(source), Some(Kind::Copy(target))) = (&self.mailbox, running.map(|c| &c.kind)) else {
            return Err("COPYUID out of place".to_owned());
        };
        let mut constants = self.constants.lock().unwrap();
        for (from, to) in from.iter().zip(&to) {
            for name in ["BODY[]", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"] {
                let Some(value) = constants.get(&(source.clone(), *from, name.to_owned())).cloned() else { continue };
                let copy = constants.entry((target.clone(), *to, name.to_owned())).or_insert_with(|| value.clone());
                ensure(*copy == value, || format!("{name} of the copy {to} of {from} differs"))?;
            }
        }
        Ok(())
    }

    fn found(&self, tail: &str, running: Option<&Command>) -> Checked {
        let Some(Kind::Search(flag)) = running.map(|c| &c.kind) else { return Err("SEARCH out of place".to_owned()) };
        let by_uid = running.is_some_and(|c| c.by_uid);
        let all = tail.split(" (").next().unwrap_or_default();
        for n in all.split(' ').filter(|n| !n.is_empty()) {
            let n: u32 = n.parse().map_err(|_| "a wrong number")?;
            let message = match by_uid {
                true => self.messages.iter().find(|m| m.uid == Some(n)),
                false => Some(self.messages.get(n as usize - 1).ok_or("the number is out of range")?),
            };
            let flags = message.and_then(|m| m.flags.as_ref());
            ensure(flags.is_none_or(|f| f.contains(flag)), || format!("{n} is not known to have {flag}"))?;
        }
        Ok(())
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

    /// The tagged response, without its tag.
    pub fn tagged(&mut self, line: &str, command: &Command) -> Checked {
        if self.read_only && command.writes() {
            return ensure(line.starts_with("NO [READ-ONLY]"), || "a change after EXAMINE".to_owned());
        }
        let expected = line.starts_with("OK") || line.starts_with("NO [EXPUNGEISSUED]") && !command.by_uid;
        ensure(expected, || format!("{} was answered so", command.text))?;
        self.status_response(line, Some(command))?;
        match &command.kind {
            Kind::Select(mailbox) => {
                self.mailbox = Some(mailbox.clone());
                self.read_only = line.starts_with("OK [READ-ONLY]");
            }
            Kind::Close => (self.mailbox, self.messages) = (None, Vec::new()),
            Kind::Store { .. } => self.stored(line, command)?,
            Kind::Append { mailbox, body } => {
                let value = code(line, "APPENDUID").ok_or("no APPENDUID")?;
                let uid = numbers(value.rsplit(' ').next().unwrap_or_default())[0];
                let literal = format!("{{{}}}\r\n{body}", body.len());
                let mut constants = self.constants.lock().unwrap();
                let given = constants.insert((mailbox.clone(), uid, "APPENDUID".to_owned()), String::new());
                ensure(given.is_none(), || format!("UID {uid} was given out before"))?;
                let stored =
                    constants.entry((mailbox.clone(), uid, "BODY[]".to_owned())).or_insert_with(|| literal.clone());
                ensure(*stored == literal, || format!("UID {uid} is not what was appended"))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// What a STORE did and the server did not say: the client works it out.
    fn stored(&mut self, line: &str, command: &Command) -> Checked {
        let Kind::Store { set, op, flag, silent } = &command.kind else { return Ok(()) };
        let modified = code(line, "MODIFIED").map(numbers).unwrap_or_default();
        let complete = line.starts_with("OK") && modified.is_empty();
        for (at, message) in self.messages.iter_mut().enumerate() {
            let number = if command.by_uid { message.uid } else { Some(at as u32 + 1) };
            if message.told || number.is_some_and(|n| !set.contains(&n) || modified.contains(&n)) {
                continue;
            }
            ensure(*silent || !complete || number.is_none(), || format!("no FETCH for message {number:?}"))?;
            message.flags = message.flags.take().filter(|_| complete && number.is_some()).map(|mut flags| {
                match op {
                    '+' => drop(flags.insert(flag.clone())),
                    '-' => drop(flags.remove(flag)),
                    _ => flags = Flags::from([flag.clone()]),
                }
                flags
            });
        }
        Ok(())
    }

    /// Whether all that is known agrees with `fresh`, a picture taken just now.
    pub fn agrees(&self, fresh: &Self) -> Checked {
        let (mine, theirs) = (self.messages.len(), fresh.messages.len());
        ensure(mine == theirs, || format!("{mine} messages instead of {theirs}"))?;
        for (at, (known, now)) in self.messages.iter().zip(&fresh.messages).enumerate() {
            let fits = known.uid.is_none_or(|uid| now.uid == Some(uid))
                && known.flags.as_ref().is_none_or(|flags| now.flags.as_ref() == Some(flags));
            ensure(fits, || format!("message {}: {known:?} instead of {now:?}", at + 1))?;
        }
        Ok(())
    }
}
