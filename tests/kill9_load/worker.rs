//! One client with mailboxes of its own: changes them as fast as the service answers, and knows what they must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};

use crate::actual::{self, set, uids};
use crate::model::{Flags, Known, Model, Op};
use crate::support::mail::Random;
use crate::wire::{Answer, Gone, Wire, number_after};

const FLAGS: [&str; 5] = ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted"];
const KEYWORDS: [&str; 5] = ["$Forwarded", "$Junk", "work", "later", "holiday"];
/// Bounds what has to be compared after each kill.
const MAX_MESSAGES: usize = 90;
const MAX_MAILBOXES: usize = 4;
/// Commands sent before the first is answered.
const MAX_PIPELINED: u64 = 5;
/// Of the octets that have been compared once, one in so many is compared again.
const COMPARE_AGAIN: u64 = 16;

pub(crate) struct Worker {
    prefix: String,
    model: Model,
    /// Sent and not answered when the service died.
    pending: Vec<Op>,
    random: Random,
    made: u64,
    pub(crate) counts: Counts,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) acknowledged: u64,
    /// Of the commands without an answer.
    pub(crate) found_done: u64,
    pub(crate) found_undone: u64,
    pub(crate) messages_compared: u64,
    pub(crate) octets_compared: u64,
}

impl Worker {
    pub(crate) fn new(index: u64, seed: u64) -> Self {
        let random = Random::new(seed ^ (index + 1).wrapping_mul(0x9e37_79b9));
        let prefix = format!("w{index}/");
        Self { prefix, model: Model::default(), pending: Vec::new(), random, made: 0, counts: Counts::default() }
    }

    /// Works until the service is gone.
    pub(crate) fn work(&mut self, address: SocketAddr, ready: &Barrier) {
        let wire = Wire::connect(address);
        ready.wait();
        // Without a connection nothing was sent.
        let Ok(mut wire) = wire else { return };
        while self.batch(&mut wire).is_ok() {}
    }

    /// Some commands on one selected mailbox, sent at once.
    fn batch(&mut self, wire: &mut Wire) -> Result<(), Gone> {
        let selected = self.select(wire)?;
        let mut after = self.model.clone();
        let count = if self.chance(3) { 1 + self.random.below(MAX_PIPELINED) } else { 1 };
        let mut tags = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..count {
            let Some(op) = self.choose(&after, selected.as_deref()) else { continue };
            expected.push(after.apply(&op));
            self.pending.push(op.clone());
            let waits_for_literal = count == 1 && self.chance(2);
            tags.push(send(wire, &op, waits_for_literal)?);
        }
        let mut answers = Vec::new();
        for (tag, uids) in tags.into_iter().zip(expected) {
            let answer = wire.answer(tag)?;
            let op = self.pending.remove(0);
            self.acknowledged(&op, &uids, &answer);
            answers.push(answer);
        }
        if let Some(selected) = selected {
            self.told(&selected, &answers);
        }
        Ok(())
    }

    /// Opens one of the mailboxes, whose state must be what the model says.
    fn select(&mut self, wire: &mut Wire) -> Result<Option<String>, Gone> {
        let Some(name) = self.pick_mailbox(&self.model.clone(), None) else { return Ok(None) };
        let answer = wire.ok(&format!("SELECT {name}"))?;
        let mailbox = self.model.get_mut(&name);
        let number = |word| answer.number(word).unwrap();
        assert_eq!(number("UIDNEXT "), u64::from(mailbox.uid_next), "UIDNEXT of {name}");
        let validity = number("UIDVALIDITY ");
        assert!(mailbox.uid_validity.allows(validity), "UIDVALIDITY of {name}: {validity}, {:?}", mailbox.uid_validity);
        mailbox.uid_validity = Known::Is(validity);
        assert!(number("HIGHESTMODSEQ ") >= mailbox.high, "HIGHESTMODSEQ of {name}");
        mailbox.high = number("HIGHESTMODSEQ ");
        self.model.last_validity = self.model.last_validity.max(validity);
        Ok(Some(name))
    }

    fn acknowledged(&mut self, op: &Op, expected: &[u32], answer: &Answer) {
        assert!(answer.tagged.starts_with("OK"), "{op:?}: {}", answer.tagged);
        assert_eq!(self.model.apply(op), expected);
        let text = answer.untagged.iter().map(|line| String::from_utf8_lossy(line).into_owned());
        let text = text.chain([answer.tagged.clone()]).collect::<Vec<_>>().join("\n");
        let (word, to) = match op {
            Op::Append { mailbox, .. } => ("[APPENDUID ", mailbox),
            Op::Copy { to, .. } | Op::Move { to, .. } => ("[COPYUID ", to),
            _ => ("", &String::new()),
        };
        if !expected.is_empty() {
            let code = text.split_once(word).unwrap_or_else(|| panic!("no {word} in {text}")).1;
            let words: Vec<&str> = code.split(']').next().unwrap().split(' ').collect();
            let told: Vec<u32> = uids(words.last().unwrap()).collect();
            assert_eq!(told, expected, "UIDs of {op:?}: {text}");
            let validity: u64 = words[0].parse().unwrap();
            assert!(self.model.get(to).uid_validity.allows(validity), "UIDVALIDITY in {text}");
        }
        self.counts.acknowledged += 1;
    }

    /// Mod-sequences in the answers to a whole batch: the last one told of a message holds.
    fn told(&mut self, selected: &str, answers: &[Answer]) {
        let Some(mailbox) = self.model.mailboxes.get_mut(selected) else { return };
        let mut last = BTreeMap::new();
        for line in answers.iter().flat_map(|answer| &answer.untagged) {
            let line = String::from_utf8_lossy(line);
            if let (Some(uid), Some(told)) = (number_after(&line, "(UID "), number_after(&line, "MODSEQ ")) {
                last.insert(uid as u32, told);
            }
        }
        for (uid, told) in last {
            // Some are gone by now.
            let Some(message) = mailbox.messages.get_mut(&uid) else { continue };
            let known = message.mod_seq;
            assert!(known.allows(told), "mod-sequence {told} of UID {uid} of {selected} must be {known:?}");
            message.mod_seq = Known::Is(told);
        }
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.random.below(one_in) == 0
    }

    fn pick_mailbox(&mut self, model: &Model, not: Option<&str>) -> Option<String> {
        let names: Vec<&String> = model.mailboxes.keys().filter(|name| Some(name.as_str()) != not).collect();
        let index = self.random.below(names.len() as u64) as usize;
        names.get(index).map(|name| (*name).clone())
    }

    /// The next command, given the state that those before it make.
    fn choose(&mut self, model: &Model, selected: Option<&str>) -> Option<Op> {
        let total: usize = model.mailboxes.values().map(|mailbox| mailbox.messages.len()).sum();
        let Some(selected) = selected.filter(|_| model.mailboxes.len() > 1) else {
            return self.new_name(model).map(|mailbox| Op::Create { mailbox });
        };
        let here = &model.get(selected).messages;
        let all: Vec<u32> = here.keys().copied().collect();
        let some = self.some(&all);
        let kind = if total >= MAX_MESSAGES { 60 + self.random.below(40) } else { self.random.below(100) };
        match kind {
            0..30 => {
                let mailbox = self.pick_mailbox(model, None)?;
                Some(Op::Append { mailbox, octets: self.octets(), flags: self.flags() })
            }
            30..40 if some.len() + total <= MAX_MESSAGES => {
                let to = self.pick_mailbox(model, None)?;
                (!some.is_empty()).then(|| Op::Copy { from: selected.to_owned(), uids: some, to })
            }
            40..60 => {
                let sign = ["+", "-", ""][self.random.below(3) as usize];
                let flags = self.flags();
                (!some.is_empty()).then(|| Op::Store { mailbox: selected.to_owned(), uids: some, sign, flags })
            }
            60..76 => {
                let to = self.pick_mailbox(model, Some(selected))?;
                (!some.is_empty()).then(|| Op::Move { from: selected.to_owned(), uids: some, to })
            }
            76..93 => {
                let deleted = |uid: &u32| here[uid].flags.contains("\\Deleted");
                if some.iter().any(deleted) {
                    return Some(Op::Expunge { mailbox: selected.to_owned(), uids: some });
                }
                let flags = Flags::from(["\\Deleted".to_owned()]);
                (!some.is_empty()).then(|| Op::Store { mailbox: selected.to_owned(), uids: some, sign: "+", flags })
            }
            93..95 if model.mailboxes.len() < MAX_MAILBOXES => Some(Op::Create { mailbox: self.new_name(model)? }),
            95..97 if model.mailboxes.len() > 2 => {
                Some(Op::Delete { mailbox: self.pick_mailbox(model, Some(selected))? })
            }
            97..100 => {
                let from = self.pick_mailbox(model, Some(selected))?;
                Some(Op::Rename { from, to: self.new_name(model)? })
            }
            _ => None,
        }
    }

    /// A name that is free. Names are used again: a mailbox of the same name is another one later.
    fn new_name(&mut self, model: &Model) -> Option<String> {
        let name = format!("{}m{}", self.prefix, self.random.below(MAX_MAILBOXES as u64 * 2));
        (!model.mailboxes.contains_key(&name)).then_some(name)
    }

    fn some(&mut self, uids: &[u32]) -> Vec<u32> {
        match self.random.below(4) {
            0 => uids.to_vec(),
            1 => uids.iter().copied().filter(|_| self.random.below(3) == 0).collect(),
            _ if uids.is_empty() => Vec::new(),
            _ => vec![uids[self.random.below(uids.len() as u64) as usize]],
        }
    }

    fn flags(&mut self) -> Flags {
        let all = FLAGS.iter().take(4).chain(&KEYWORDS);
        all.filter(|_| self.random.below(4) == 0).map(|flag| (*flag).to_owned()).collect()
    }

    /// A message that no other has: mostly small, one in twelve of 100 KB and more.
    fn octets(&mut self) -> Arc<[u8]> {
        self.made += 1;
        let lines = if self.chance(12) { 1_300 + self.random.below(1_500) } else { self.random.below(60) };
        let mut text = format!("Subject: {} of {}\r\n\r\n", self.made, self.prefix);
        for _ in 0..lines {
            let words = [(); 4].map(|()| format!("{:016x}", self.random.next()));
            text += &format!("{}\r\n", words.join(" . "));
        }
        text.into_bytes().into()
    }

    /// Compares what is there after a start with what must be; from then on that is the state.
    pub(crate) fn check(&mut self, wire: &mut Wire) {
        let there = actual::mailboxes(wire, &self.prefix);
        let pending = std::mem::take(&mut self.pending);
        let mut model = self.model.clone();
        let mut differences = Vec::new();
        let mut rest = pending.iter();
        while let Some(difference) = model.difference(&there) {
            differences.push(difference);
            match rest.next() {
                Some(op) => drop(model.apply(op)),
                None => panic!(
                    "{}: what is there is not what any number of the commands under way makes of what was \
                     acknowledged.\nunder way: {pending:#?}\nafter each: {differences:#?}",
                    self.prefix
                ),
            }
        }
        self.counts.found_done += differences.len() as u64;
        self.counts.found_undone += rest.count() as u64;
        self.model = model;
        for (name, mailbox) in &there {
            self.check_changes(wire, name, mailbox);
            self.compare_octets(wire, name);
            self.counts.messages_compared += mailbox.messages.len() as u64;
        }
        self.model.learn(&there);
    }

    /// A client that was away is told every change, and no more (RFC 7162 section 3.1.4.1).
    fn check_changes(&self, wire: &mut Wire, name: &str, there: &actual::Mailbox) {
        wire.ok(&format!("EXAMINE {name}")).unwrap();
        let since = self.model.get(name).compared;
        let later = there.messages.iter().filter(|(_, row)| row.mod_seq > since).map(|(uid, _)| *uid);
        assert_eq!(actual::changed(wire, since), later.collect::<BTreeSet<_>>(), "CHANGEDSINCE {since} of {name}");
    }

    fn compare_octets(&mut self, wire: &mut Wire, name: &str) {
        let random = &mut self.random;
        let messages = &mut self.model.get_mut(name).messages;
        let due = |verified: bool, random: &mut Random| !verified || random.below(COMPARE_AGAIN) == 0;
        let chosen = messages.iter().filter(|(_, message)| due(message.is_verified, random)).map(|(uid, _)| *uid);
        let chosen: Vec<u32> = chosen.collect();
        let octets = actual::octets(wire, &chosen);
        for uid in chosen {
            let message = messages.get_mut(&uid).unwrap();
            let read = octets.get(&uid).unwrap_or_else(|| panic!("UID {uid} of {name} cannot be read"));
            assert!(*read == *message.octets, "UID {uid} of {name} has other octets");
            message.is_verified = true;
            self.counts.octets_compared += read.len() as u64;
        }
    }
}

fn send(wire: &mut Wire, op: &Op, waits_for_literal: bool) -> Result<u32, Gone> {
    let list = |flags: &Flags| flags.iter().cloned().collect::<Vec<_>>().join(" ");
    let line = match op {
        Op::Append { mailbox, octets, flags } => {
            let head = format!("APPEND {mailbox} ({}) {{{}", list(flags), octets.len());
            if waits_for_literal {
                let tag = wire.send(format!("{head}}}").as_bytes())?;
                wire.send_literal(octets)?;
                return Ok(tag);
            }
            return wire.send(&[format!("{head}+}}\r\n").as_bytes(), octets].concat());
        }
        Op::Store { uids, sign, flags, .. } => format!("UID STORE {} {sign}FLAGS ({})", set(uids), list(flags)),
        Op::Copy { uids, to, .. } => format!("UID COPY {} {to}", set(uids)),
        Op::Move { uids, to, .. } => format!("UID MOVE {} {to}", set(uids)),
        Op::Expunge { uids, .. } => format!("UID EXPUNGE {}", set(uids)),
        Op::Create { mailbox } => format!("CREATE {mailbox}"),
        Op::Delete { mailbox } => format!("DELETE {mailbox}"),
        Op::Rename { from, to } => format!("RENAME {from} {to}"),
    };
    wire.send(line.as_bytes())
}
