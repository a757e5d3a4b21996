//! Two maildrops that are polled meanwhile, one emptied, one left as it is, and a client that files what comes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};

use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Pop3d, Settings};

use crate::actual::{self, set, uids};
use crate::support::config::Account;
use crate::support::mail::{self, Random};
use crate::support::{DEADLINE, wait};
use crate::wire::{Gone, Wire, number_after};

const FILED: &str = "Filed";
/// Messages that stay filed; older ones are expunged.
const MAX_FILED: usize = 40;
const SEEDS: [u64; 2] = [31, 32];

/// A message of a maildrop: which maildrop, and its number there.
type Number = (usize, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Inbox(u32),
    Filed(u32),
    /// Was filed and is expunged: may never come again.
    Expunged,
}

struct Maildrop {
    server: Pop3d,
    sent: Vec<Arc<[u8]>>,
    is_emptied: bool,
}

pub(crate) struct Maildrops {
    drops: Vec<Maildrop>,
    places: BTreeMap<Number, Place>,
    /// A UID means the same message for ever.
    meanings: BTreeMap<(&'static str, u32), Number>,
    /// Where octets have been read back.
    compared: BTreeSet<(&'static str, u32)>,
    validities: BTreeMap<&'static str, u64>,
    /// UIDs of INBOX in the MOVE without an answer.
    moving: Vec<u32>,
    random: Random,
    pub(crate) moved: u64,
    /// Keeps the servers running.
    _runtime: Runtime,
}

impl Maildrops {
    pub(crate) fn new(seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let drops = [true, false].map(|is_emptied| Maildrop {
            server: runtime.block_on(Pop3d::start(Settings::default())).unwrap(),
            sent: Vec::new(),
            is_emptied,
        });
        Self {
            drops: drops.into(),
            places: BTreeMap::new(),
            meanings: BTreeMap::new(),
            compared: BTreeSet::new(),
            validities: BTreeMap::new(),
            moving: Vec::new(),
            random: Random::new(seed ^ 0x6d61_696c),
            moved: 0,
            _runtime: runtime,
        }
    }

    pub(crate) fn accounts(&self) -> Vec<Account> {
        let names = ["emptied", "kept"].into_iter().zip(&self.drops);
        let accounts = names.map(|(name, maildrop)| Account {
            password: "demo".to_owned(),
            leave_on_server: if maildrop.is_emptied { "never" } else { "forever" },
            ..Account::new(name, maildrop.server.address(), "demo")
        });
        accounts.collect()
    }

    pub(crate) fn sent(&self) -> usize {
        self.drops.iter().map(|maildrop| maildrop.sent.len()).sum()
    }

    /// Messages whose octets have been compared, where they came and where they were filed.
    pub(crate) fn compared(&self) -> usize {
        self.compared.len()
    }

    /// Some mail comes.
    pub(crate) fn deliver(&mut self) {
        for (maildrop, seed) in self.drops.iter_mut().zip(SEEDS) {
            let count = if self.random.below(6) == 0 { 30 } else { self.random.below(5) };
            for _ in 0..count {
                let n = maildrop.sent.len();
                let message = crlf(&mail::message(seed, n));
                maildrop.server.deliver(&format!("id-{n}"), Arc::clone(&message));
                maildrop.sent.push(message);
            }
        }
    }

    /// Files what lies in INBOX until the service is gone.
    pub(crate) fn work(&mut self, address: SocketAddr, ready: &Barrier) {
        let wire = Wire::connect(address);
        ready.wait();
        if let Ok(mut wire) = wire
            && wire.ok("SELECT INBOX").is_ok()
        {
            while self.file_some(&mut wire).is_ok() {}
        }
    }

    fn file_some(&mut self, wire: &mut Wire) -> Result<(), Gone> {
        wire.ok("NOOP")?;
        let inbox = numbers(wire)?;
        let chosen: Vec<u32> = inbox.keys().copied().filter(|_| self.random.below(3) > 0).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        // Where a message was first seen is known even when the MOVE is not answered.
        for uid in &chosen {
            self.mean("INBOX", *uid, inbox[uid]);
            self.places.insert(inbox[uid], Place::Inbox(*uid));
        }
        self.moving.clone_from(&chosen);
        let answer = wire.ok(&format!("UID MOVE {} {FILED}", set(&chosen)))?;
        self.moving.clear();
        let text: String = answer.untagged.iter().map(|line| String::from_utf8_lossy(line)).collect();
        let words: Vec<&str> = text.split_once("[COPYUID ").unwrap().1.split(']').next().unwrap().split(' ').collect();
        let (from, to): (Vec<u32>, Vec<u32>) = (uids(words[1]).collect(), uids(words[2]).collect());
        assert_eq!(from, chosen, "{text}");
        for (from, to) in from.into_iter().zip(to) {
            self.mean(FILED, to, inbox[&from]);
            self.places.insert(inbox[&from], Place::Filed(to));
            self.moved += 1;
        }
        Ok(())
    }

    /// I4: from now on this UID means this message and no other.
    fn mean(&mut self, mailbox: &'static str, uid: u32, number: Number) {
        let meaning = *self.meanings.entry((mailbox, uid)).or_insert(number);
        assert_eq!(meaning, number, "UID {uid} of {mailbox} came to mean another message");
    }

    /// After a start: every message is here once or still upstream, where it was, with its octets.
    pub(crate) fn check(&mut self, wire: &mut Wire) {
        if self.validities.is_empty() {
            wire.ok(&format!("CREATE {FILED}")).unwrap();
        }
        // Before the mailboxes are read: what is gone by now must be here.
        let upstream: Vec<BTreeSet<String>> =
            self.drops.iter().map(|maildrop| maildrop.server.unique_ids().into_iter().collect()).collect();
        let inbox = self.read(wire, "INBOX");
        let filed = self.read(wire, FILED);
        self.check_move(&inbox, &filed);
        let mut found: BTreeMap<Number, Vec<Place>> = BTreeMap::new();
        for (rows, place) in [(&inbox, Place::Inbox as fn(u32) -> Place), (&filed, Place::Filed)] {
            for (uid, number) in rows {
                found.entry(*number).or_default().push(place(*uid));
            }
        }
        for (account, maildrop) in self.drops.iter().enumerate() {
            for n in 0..maildrop.sent.len() {
                let here = found.remove(&(account, n)).unwrap_or_default();
                let is_upstream = upstream[account].contains(&format!("id-{n}"));
                assert!(is_upstream || maildrop.is_emptied, "message {n} was deleted upstream against the policy");
                match self.places.get(&(account, n)) {
                    Some(Place::Expunged) => assert_eq!(here, [], "message {account}-{n} came again"),
                    Some(place) => assert_eq!(here, [*place], "message {account}-{n} is elsewhere"),
                    None if is_upstream => assert!(here.len() <= 1, "message {account}-{n} is doubled: {here:?}"),
                    None => assert_eq!(here.len(), 1, "message {account}-{n} is deleted upstream: {here:?}"),
                }
                if let Some(place) = here.first() {
                    self.places.insert((account, n), *place);
                }
            }
        }
        self.expunge_old(wire, &filed);
    }

    /// What a MOVE was about is all in one place or all in the other.
    fn check_move(&mut self, inbox: &BTreeMap<u32, Number>, filed: &BTreeMap<u32, Number>) {
        let moving = std::mem::take(&mut self.moving);
        let left = moving.iter().filter(|uid| inbox.contains_key(uid)).count();
        assert!(left == 0 || left == moving.len(), "{left} of {} messages were left behind by a MOVE", moving.len());
        if left == 0 {
            for uid in &moving {
                let number = self.meanings[&("INBOX", *uid)];
                let found = filed.iter().find(|(_, of)| **of == number);
                let (to, _) = found.unwrap_or_else(|| panic!("a MOVE lost {number:?}"));
                self.places.insert(number, Place::Filed(*to));
            }
        }
    }

    /// Opens a mailbox; UID and number of each message. Compares the octets of those not seen there before.
    fn read(&mut self, wire: &mut Wire, mailbox: &'static str) -> BTreeMap<u32, Number> {
        let opened = wire.ok(&format!("SELECT {mailbox}")).unwrap();
        let validity = opened.number("UIDVALIDITY ").unwrap();
        assert_eq!(*self.validities.entry(mailbox).or_insert(validity), validity, "UIDVALIDITY of {mailbox}");
        let rows = numbers(wire).unwrap();
        let new: Vec<u32> = rows.keys().copied().filter(|uid| !self.compared.contains(&(mailbox, *uid))).collect();
        for (uid, octets) in actual::octets(wire, &new) {
            let (account, n) = rows[&uid];
            assert!(octets == *self.drops[account].sent[n], "message {account}-{n} has other octets");
            self.compared.insert((mailbox, uid));
        }
        for (uid, number) in &rows {
            self.mean(mailbox, *uid, *number);
        }
        rows
    }

    fn expunge_old(&mut self, wire: &mut Wire, filed: &BTreeMap<u32, Number>) {
        let old: Vec<u32> = filed.keys().copied().take(filed.len().saturating_sub(MAX_FILED)).collect();
        if old.is_empty() {
            return;
        }
        wire.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", set(&old))).unwrap();
        wire.ok(&format!("UID EXPUNGE {}", set(&old))).unwrap();
        for uid in old {
            self.places.insert(filed[&uid], Place::Expunged);
        }
    }

    /// With the service left alone, everything comes to its end: all mail is here, and upstream is as the policy says.
    pub(crate) fn settle(&mut self, wire: &mut Wire) {
        wait::until("all mail is here and the maildrops are as they should be", DEADLINE, || {
            self.check(wire);
            let is_here = self.places.len() == self.sent();
            let is_emptied = |maildrop: &Maildrop| !maildrop.is_emptied || maildrop.server.unique_ids().is_empty();
            (is_here && self.drops.iter().all(is_emptied)).then_some(())
        });
    }
}

/// UID and number of each message of the open mailbox.
fn numbers(wire: &mut Wire) -> Result<BTreeMap<u32, Number>, Gone> {
    let field = mail::NUMBER_FIELD;
    let answer = wire.ok(&format!("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS ({field})])"))?;
    let rows = answer.untagged.iter().filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let uid = number_after(line.split("BODY[").next()?, "UID ")?;
        let (seed, n) = line.split_once(&format!("\n{field}: "))?.1.lines().next()?.trim().split_once('-')?;
        let account = SEEDS.iter().position(|of| seed.parse() == Ok(*of))?;
        Some((uid as u32, (account, n.parse().ok()?)))
    });
    Ok(rows.collect())
}

fn crlf(text: &[u8]) -> Arc<[u8]> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 40);
    for byte in text {
        out.extend_from_slice(if *byte == b'\n' { b"\r\n" } else { std::slice::from_ref(byte) });
    }
    out.into()
}
