//! What a worker's mailboxes hold when a given number of its commands has been done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::actual;

pub(crate) type Flags = BTreeSet<String>;

/// A message as it was put there.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) octets: Arc<[u8]>,
    pub(crate) flags: Flags,
    pub(crate) mod_seq: Known,
    /// Whether the octets under this UID have been read back and compared.
    pub(crate) is_verified: bool,
}

/// A number that the server chooses: UIDVALIDITY or a mod-sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It has told it.
    Is(u64),
    /// Chosen after this one was told.
    Above(u64),
}

impl Known {
    pub(crate) fn allows(self, number: u64) -> bool {
        match self {
            Self::Is(known) => number == known,
            Self::Above(known) => number > known,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) uid_validity: Known,
    pub(crate) uid_next: u32,
    /// The highest that the server has told.
    pub(crate) high: u64,
    pub(crate) messages: BTreeMap<u32, Message>,
    /// The highest when it was last compared.
    pub(crate) compared: u64,
}

/// A change that one command makes.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Append { mailbox: String, octets: Arc<[u8]>, flags: Flags },
    Store { mailbox: String, uids: Vec<u32>, sign: &'static str, flags: Flags },
    Copy { from: String, uids: Vec<u32>, to: String },
    Move { from: String, uids: Vec<u32>, to: String },
    Expunge { mailbox: String, uids: Vec<u32> },
    Create { mailbox: String },
    Delete { mailbox: String },
    Rename { from: String, to: String },
}

/// All mailboxes of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) mailboxes: BTreeMap<String, Mailbox>,
    /// The highest UIDVALIDITY seen.
    pub(crate) last_validity: u64,
}

impl Mailbox {
    fn new(last_validity: u64) -> Self {
        Self { uid_validity: Known::Above(last_validity), uid_next: 1, high: 0, messages: BTreeMap::new(), compared: 0 }
    }

    fn insert(&mut self, octets: Arc<[u8]>, flags: Flags) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        let mod_seq = Known::Above(self.high);
        self.messages.insert(uid, Message { octets, flags, mod_seq, is_verified: false });
        uid
    }
}

impl Model {
    pub(crate) fn get(&self, name: &str) -> &Mailbox {
        &self.mailboxes[name]
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> &mut Mailbox {
        self.mailboxes.get_mut(name).unwrap()
    }

    /// Makes the change; the UIDs that messages get by it, in order.
    pub(crate) fn apply(&mut self, op: &Op) -> Vec<u32> {
        match op {
            Op::Append { mailbox, octets, flags } => {
                vec![self.get_mut(mailbox).insert(Arc::clone(octets), flags.clone())]
            }
            Op::Store { mailbox, uids, sign, flags } => {
                let mailbox = self.get_mut(mailbox);
                let above = Known::Above(mailbox.high);
                for uid in uids {
                    let message = mailbox.messages.get_mut(uid).unwrap();
                    let new: Flags = match *sign {
                        "+" => message.flags.union(flags).cloned().collect(),
                        "-" => message.flags.difference(flags).cloned().collect(),
                        _ => flags.clone(),
                    };
                    // RFC 7162 section 3.1: what a STORE does not alter keeps its mod-sequence.
                    if new != message.flags {
                        (message.flags, message.mod_seq) = (new, above);
                    }
                }
                Vec::new()
            }
            Op::Copy { from, uids, to } => {
                let copied: Vec<Message> = uids.iter().map(|uid| self.get(from).messages[uid].clone()).collect();
                let to = self.get_mut(to);
                copied.into_iter().map(|message| to.insert(message.octets, message.flags)).collect()
            }
            Op::Move { from, uids, to } => {
                let moved: Vec<Message> =
                    uids.iter().map(|uid| self.get_mut(from).messages.remove(uid).unwrap()).collect();
                let to = self.get_mut(to);
                moved.into_iter().map(|message| to.insert(message.octets, message.flags)).collect()
            }
            Op::Expunge { mailbox, uids } => {
                let mailbox = self.get_mut(mailbox);
                for uid in uids {
                    if mailbox.messages[uid].flags.contains("\\Deleted") {
                        mailbox.messages.remove(uid);
                    }
                }
                Vec::new()
            }
            Op::Create { mailbox } => {
                self.mailboxes.insert(mailbox.clone(), Mailbox::new(self.last_validity));
                Vec::new()
            }
            Op::Delete { mailbox } => {
                self.mailboxes.remove(mailbox);
                Vec::new()
            }
            Op::Rename { from, to } => {
                let mailbox = self.mailboxes.remove(from).unwrap();
                self.mailboxes.insert(to.clone(), mailbox);
                Vec::new()
            }
        }
    }

    /// The first thing in which what is there differs from this.
    pub(crate) fn difference(&self, actual: &BTreeMap<String, actual::Mailbox>) -> Option<String> {
        let names = |keys: Vec<&String>| format!("{keys:?}");
        if !self.mailboxes.keys().eq(actual.keys()) {
            let (want, have) = (names(self.mailboxes.keys().collect()), names(actual.keys().collect()));
            return Some(format!("mailboxes {want}, found {have}"));
        }
        let pairs = self.mailboxes.iter().zip(actual.values());
        pairs.filter_map(|((name, want), have)| Some(format!("{name}: {}", want.difference(have)?))).next()
    }

    /// Takes over what only the server knows: UIDVALIDITY and mod-sequences.
    pub(crate) fn learn(&mut self, actual: &BTreeMap<String, actual::Mailbox>) {
        for (name, have) in actual {
            self.last_validity = self.last_validity.max(have.uid_validity);
            let mailbox = self.get_mut(name);
            mailbox.uid_validity = Known::Is(have.uid_validity);
            mailbox.high = have.high;
            for (uid, row) in &have.messages {
                mailbox.messages.get_mut(uid).unwrap().mod_seq = Known::Is(row.mod_seq);
            }
            mailbox.compared = have.high;
        }
    }
}

impl Mailbox {
    fn difference(&self, have: &actual::Mailbox) -> Option<String> {
        if !self.uid_validity.allows(have.uid_validity) {
            return Some(format!("UIDVALIDITY {:?}, found {}", self.uid_validity, have.uid_validity));
        }
        if self.uid_next != have.uid_next {
            return Some(format!("UIDNEXT {}, found {}", self.uid_next, have.uid_next));
        }
        if have.high < self.high {
            return Some(format!("HIGHESTMODSEQ went back from {} to {}", self.high, have.high));
        }
        if !self.messages.keys().eq(have.messages.keys()) {
            return Some(format!("UIDs {:?}, found {:?}", self.messages.keys(), have.messages.keys()));
        }
        self.messages.iter().zip(have.messages.values()).find_map(|((uid, want), found)| {
            let is_right = want.flags == found.flags
                && want.octets.len() as u64 == found.size
                && want.mod_seq.allows(found.mod_seq)
                && found.mod_seq <= have.high;
            let wanted = || (&want.flags, want.octets.len(), want.mod_seq);
            (!is_right).then(|| format!("UID {uid}: {:?}, found {found:?}", wanted()))
        })
    }
}
