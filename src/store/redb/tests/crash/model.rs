//! What the store must hold, as plain data; read from the store, or made by the work as it should be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use super::super::*;
use super::work::{CONTENTS, Op, octets};

/// The users of the work, by id: 1 and 2. Each has the account of the same number.
pub(super) const USERS: [&str; 2] = ["alice", "bob"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    pub(super) users: [User; 2],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) mailboxes: BTreeMap<String, Folder>,
    subscribed: BTreeSet<String>,
    /// State and size of LIST. `None`: it is not given out while the file cannot be written.
    ledger: Option<BTreeMap<Vec<u8>, (String, u64)>>,
    troubles: BTreeMap<Vec<u8>, u32>,
    failures: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// Not known before it was read.
    uid_validity: Option<u32>,
    /// May be higher in the store where it was not read since.
    highest_mod_seq: u64,
    next: u32,
    messages: BTreeMap<u32, Letter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Letter {
    flags: u8,
    keywords: BTreeSet<String>,
    /// `None`: of no octets that the work has.
    content: Option<u8>,
    is_delivered: bool,
}

impl Default for User {
    fn default() -> Self {
        Self {
            mailboxes: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            ledger: Some(BTreeMap::new()),
            troubles: BTreeMap::new(),
            failures: 0,
        }
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self { uid_validity: None, highest_mod_seq: 1, next: 1, messages: BTreeMap::new() }
    }
}

impl Folder {
    fn push(&mut self, letter: Letter) {
        self.messages.insert(self.next, letter);
        self.next += 1;
    }

    fn is_kept_by(&self, actual: &Self) -> bool {
        self.next == actual.next
            && self.messages == actual.messages
            && self.highest_mod_seq <= actual.highest_mod_seq
            && self.uid_validity.is_none_or(|validity| Some(validity) == actual.uid_validity)
    }
}

impl World {
    /// Whether `actual` is this state, which may not know all that the store knows.
    pub(super) fn is_kept_by(&self, actual: &Self) -> bool {
        self.users.iter().zip(&actual.users).all(|(model, actual)| {
            let is_same = |name: &String| match (model.mailboxes.get(name), actual.mailboxes.get(name)) {
                (Some(model), Some(actual)) => model.is_kept_by(actual),
                _ => false,
            };
            model.mailboxes.len() == actual.mailboxes.len()
                && model.mailboxes.keys().all(is_same)
                && (actual.ledger.is_none() || model.ledger == actual.ledger)
                && (&model.subscribed, &model.troubles, model.failures)
                    == (&actual.subscribed, &actual.troubles, actual.failures)
        })
    }

    /// This state, which `actual` keeps, with what was read besides.
    pub(super) fn learn(&self, actual: &Self) -> Self {
        let mut learned = actual.clone();
        for (learned, known) in learned.users.iter_mut().zip(&self.users) {
            if learned.ledger.is_none() {
                learned.ledger.clone_from(&known.ledger);
            }
        }
        learned
    }

    /// What the operation should make of it.
    pub(super) fn apply(&mut self, op: &Op) {
        let user = &mut self.users[op.user()];
        if let Op::User { .. } = op {
            for name in ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"] {
                user.mailboxes.entry(name.to_owned()).or_default();
                user.subscribed.insert(name.to_owned());
            }
        }
        if !user.mailboxes.is_empty() {
            user.apply(op);
        }
    }
}

impl User {
    fn folder(&mut self, name: &str) -> Option<&mut Folder> {
        self.mailboxes.get_mut(name)
    }

    fn apply(&mut self, op: &Op) {
        let ledger = self.ledger.get_or_insert_default();
        match op {
            Op::User { .. } | Op::Collect => {}
            Op::Append { to, contents, flags, .. } => {
                let Some(folder) = self.folder(to) else { return };
                for content in *contents {
                    let (content, keywords) = (Some(*content), BTreeSet::new());
                    folder.push(Letter { flags: *flags, keywords, content, is_delivered: false });
                }
            }
            Op::Deliver { to, id, content, .. } => {
                let known = ledger.get(&[*id][..]);
                if known.is_some_and(|(state, _)| state != "Skipped") || !self.mailboxes.contains_key(*to) {
                    return;
                }
                self.troubles.remove(&[*id][..]);
                let size = octets(*content).len() as u64;
                ledger.insert(vec![*id], (format!("{:?}", LedgerState::DeleteWanted), size));
                let letter =
                    Letter { flags: 0, keywords: BTreeSet::new(), content: Some(*content), is_delivered: true };
                self.folder(to).expect("checked").push(letter);
            }
            Op::Flags { of, range, op, flags, keyword, .. } => {
                let Some(folder) = self.folder(of) else { return };
                let named: BTreeSet<String> = keyword.iter().map(|k| (*k).to_owned()).collect();
                for (_, m) in folder.messages.range_mut(range.0..=range.1) {
                    match op {
                        FlagOp::Add => (m.flags, m.keywords) = (m.flags | flags, &m.keywords | &named),
                        FlagOp::Remove => (m.flags, m.keywords) = (m.flags & !flags, &m.keywords - &named),
                        FlagOp::Replace => (m.flags, m.keywords) = (*flags, named.clone()),
                    }
                }
            }
            Op::Transfer { from, range, to, is_move, .. } => {
                if !self.mailboxes.contains_key(*to) {
                    return;
                }
                let Some(source) = self.folder(from) else { return };
                let chosen: Vec<(u32, Letter)> =
                    source.messages.range(range.0..=range.1).map(|(uid, m)| (*uid, m.clone())).collect();
                if *is_move {
                    source.messages.retain(|uid, _| !(range.0..=range.1).contains(uid));
                }
                let target = self.folder(to).expect("checked");
                chosen.into_iter().for_each(|(_, letter)| target.push(letter));
            }
            Op::Replace { from, uid, to, content, .. } => {
                if !self.mailboxes.contains_key(*to) || !self.folder(from).is_some_and(|f| f.messages.contains_key(uid))
                {
                    return;
                }
                self.folder(from).expect("checked").messages.remove(uid);
                let (content, keywords) = (Some(*content), BTreeSet::new());
                self.folder(to).expect("checked").push(Letter { flags: 0, keywords, content, is_delivered: false });
            }
            Op::Expunge { of, .. } => {
                let Some(folder) = self.folder(of) else { return };
                folder.messages.retain(|_, m| m.flags & Flags::DELETED.bits() == 0);
            }
            Op::Create { name, .. } => self.create(name),
            Op::Delete { name, .. } => drop(self.mailboxes.remove(*name)),
            Op::Rename { from, to, .. } => self.rename(from, to),
            Op::Subscribe { name, .. } => drop(self.subscribed.insert((*name).to_owned())),
            Op::Skip { id, .. } => {
                ledger.entry(vec![*id]).or_insert_with(|| (format!("{:?}", LedgerState::Skipped), 5));
            }
            Op::Gone { id, .. } => {
                if let Some(row) = ledger.get_mut(&[*id][..]) {
                    row.0 = format!("{:?}", LedgerState::Gone);
                }
            }
            Op::Forget { id, .. } => drop(ledger.remove(&[*id][..])),
            Op::Trouble { id, tries, .. } => drop(self.troubles.insert(vec![*id], *tries)),
            Op::Failures { failures, .. } => self.failures = *failures,
        }
    }

    fn create(&mut self, raw: &str) {
        let mut next = Some(name(raw));
        while let Some(name) = next {
            self.mailboxes.entry(name.to_string()).or_default();
            next = name.parent();
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if !self.mailboxes.contains_key(from) || self.mailboxes.contains_key(to) {
            return;
        }
        self.create(to);
        let source = self.folder(from).expect("checked");
        if from == "INBOX" {
            let letters = std::mem::take(&mut source.messages);
            let target = self.folder(to).expect("made");
            letters.into_values().for_each(|letter| target.push(letter));
        } else {
            let source = self.mailboxes.remove(from).expect("checked");
            self.mailboxes.insert(to.to_owned(), source);
        }
    }
}

static BY_HASH: LazyLock<HashMap<[u8; 32], u8>> =
    LazyLock::new(|| (0..CONTENTS).map(|n| (*blake3::hash(&octets(n)).as_bytes(), n)).collect());

/// Reads all of it from the store.
pub(super) async fn read(store: &Store) -> Result<World> {
    store
        .read(move |reader| {
            let mut world = World::default();
            for (n, user) in world.users.iter_mut().enumerate() {
                let (id, account) = (UserId(n as u32 + 1), AccountId(n as u32 + 1));
                for mailbox in reader.meta.mailboxes(id)? {
                    let snapshot = reader.meta.snapshot(mailbox.id)?;
                    let mut folder = Folder {
                        uid_validity: Some(mailbox.uid_validity.value()),
                        highest_mod_seq: mailbox.counts.highest_mod_seq.0,
                        next: mailbox.counts.uid_next,
                        messages: BTreeMap::new(),
                    };
                    for m in snapshot.iter() {
                        let row = reader.meta.body(m.body)?.expect("a body");
                        let keywords = m.keywords.iter().map(|bit| snapshot.keywords[bit].as_str().to_owned());
                        let letter = Letter {
                            flags: m.flags.bits(),
                            keywords: keywords.collect(),
                            content: BY_HASH.get(&row.hash).copied(),
                            is_delivered: m.account == Some(account),
                        };
                        folder.messages.insert(m.uid.value(), letter);
                    }
                    user.mailboxes.insert(mailbox.name.to_string(), folder);
                }
                user.subscribed = reader.meta.subscriptions(id)?.iter().map(ToString::to_string).collect();
                user.ledger = reader.meta.ledger(account, true).ok().map(|ledger| {
                    ledger.into_iter().map(|(k, v)| (k, (format!("{:?}", v.state), v.listed_size))).collect()
                });
                user.troubles = reader.meta.troubles(account)?.into_iter().map(|(k, v)| (k, v.tries)).collect();
                user.failures = reader.meta.poll_state(account)?.failures;
            }
            Ok(world)
        })
        .await
}
