//! The store against a plain model: random operations, the same answers, every invariant after each, and a client
//! that follows only the differences of versions and yet knows what the store holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use tributary::mail::{
    AccountId, FlagList, FlagOp, Flags, InternalDate, Keyword, MailboxName, ModSeq, Uid, UidSet, UserId,
};
use tributary::store::{
    BodyCursor, Delivered, Delivery, Error, FlagChange, LedgerChange, LedgerState, MailboxWatch, NewMessage, Record,
    Settings, Snapshot, Store,
};

const NAMES: [&str; 4] = ["INBOX", "Archive", "a/b", "c"];
const KEYWORDS: [&str; 3] = ["work", "$Later", "x"];

#[derive(Clone, Debug)]
enum Op {
    Append { to: usize, contents: Vec<u8>, flags: u8 },
    Deliver { to: usize, unique_id: Option<u8>, content: u8 },
    Flags { of: usize, range: (u32, u32), op: u8, flags: u8, keywords: Vec<usize>, only_unchanged: bool },
    Copy { from: usize, range: (u32, u32), to: usize },
    Move { from: usize, range: (u32, u32), to: usize },
    Expunge { of: usize, only: Option<(u32, u32)> },
    Create { name: usize },
    Delete { name: usize },
    Rename { from: usize, to: usize },
    Forget { unique_id: u8 },
    Collect,
    Reopen { cleanly: bool },
}

fn operation() -> impl Strategy<Value = Op> {
    let name = 0..NAMES.len();
    let range = (1..100u32, 0..100u32).prop_map(|(low, more)| (low, low + more));
    prop_oneof![
        6 => (name.clone(), prop::collection::vec(0..6u8, 1..40), 0..32u8)
            .prop_map(|(to, contents, flags)| Op::Append { to, contents, flags }),
        4 => (name.clone(), prop::option::of(0..5u8), 0..6u8)
            .prop_map(|(to, unique_id, content)| Op::Deliver { to, unique_id, content }),
        6 => (name.clone(), range.clone(), 0..3u8, 0..32u8, prop::collection::vec(0..3usize, 0..3), any::<bool>())
            .prop_map(|(of, range, op, flags, keywords, only_unchanged)| {
                Op::Flags { of, range, op, flags, keywords, only_unchanged }
            }),
        3 => (name.clone(), range.clone(), name.clone()).prop_map(|(from, range, to)| Op::Copy { from, range, to }),
        4 => (name.clone(), range.clone(), name.clone()).prop_map(|(from, range, to)| Op::Move { from, range, to }),
        4 => (name.clone(), prop::option::of(range)).prop_map(|(of, only)| Op::Expunge { of, only }),
        2 => name.clone().prop_map(|name| Op::Create { name }),
        1 => name.clone().prop_map(|name| Op::Delete { name }),
        1 => (name.clone(), name).prop_map(|(from, to)| Op::Rename { from, to }),
        1 => (0..5u8).prop_map(|unique_id| Op::Forget { unique_id }),
        1 => Just(Op::Collect),
        2 => any::<bool>().prop_map(|cleanly| Op::Reopen { cleanly }),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ModelMessage {
    flags: u8,
    keywords: BTreeSet<String>,
    content: u8,
    mod_seq: u64,
}

#[derive(Clone, Debug)]
struct ModelMailbox {
    next: u32,
    messages: BTreeMap<u32, ModelMessage>,
}

impl Default for ModelMailbox {
    fn default() -> Self {
        Self { next: 1, messages: BTreeMap::new() }
    }
}

impl ModelMailbox {
    fn push(&mut self, message: ModelMessage) -> u32 {
        self.messages.insert(self.next, message);
        self.next += 1;
        self.next - 1
    }

    fn within(&self, range: (u32, u32)) -> Vec<u32> {
        self.messages.range(range.0..=range.1).map(|(uid, _)| *uid).collect()
    }
}

/// One mailbox as a client knows it that has only ever been told differences.
struct Client {
    watch: MailboxWatch,
    known: std::sync::Arc<Snapshot>,
    view: BTreeMap<u32, (u8, u128)>,
}

struct World {
    dir: tempfile::TempDir,
    store: Option<Store>,
    user: UserId,
    account: AccountId,
    model: BTreeMap<String, ModelMailbox>,
    ledger: BTreeSet<Vec<u8>>,
    clients: BTreeMap<String, Client>,
}

fn settings(dir: &std::path::Path) -> Settings {
    Settings { data_dir: dir.to_owned(), cache_bytes: 8 << 20, gc_grace: Duration::ZERO }
}

fn octets(content: u8) -> Vec<u8> {
    format!("Subject: {content}\r\n\r\n").into_bytes().repeat(usize::from(content) * 300 + 1)
}

fn name(raw: &str) -> MailboxName {
    MailboxName::new(raw).expect("a valid name")
}

fn uid_set(range: (u32, u32)) -> UidSet {
    [range].into_iter().collect()
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(&settings(dir.path())).expect("a new store");
        let user = store.ensure_user("u").await.expect("user");
        let account = store.ensure_account(user, "a").await.expect("account");
        let names = ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"];
        let model = names.into_iter().map(|n| (n.to_owned(), ModelMailbox::default())).collect();
        Self { dir, store: Some(store), user, account, model, ledger: BTreeSet::new(), clients: BTreeMap::new() }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("open")
    }

    async fn id(&self, index: usize) -> Option<tributary::mail::MailboxId> {
        self.store().mailbox(self.user, &name(NAMES[index])).await.expect("read").map(|m| m.id)
    }

    async fn message(&self, content: u8, flags: u8, account: Option<AccountId>) -> NewMessage {
        let mut writer = self.store().body_writer().await.expect("writer");
        writer.write(&octets(content)).await.expect("write");
        let body = writer.finish(Record::default()).await.expect("finish");
        let flags = FlagList { flags: Flags::from_bits(flags), keywords: Vec::new() };
        NewMessage { body, flags, internal_date: InternalDate::default(), account }
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Append { to, contents, flags } => self.append(to, &contents, flags).await,
            Op::Deliver { to, unique_id, content } => self.deliver(to, unique_id, content).await,
            Op::Flags { .. } => self.set_flags(op).await,
            Op::Copy { from, range, to } => self.transfer(from, range, to, false).await,
            Op::Move { from, range, to } => self.transfer(from, range, to, true).await,
            Op::Expunge { of, only } => self.expunge(of, only).await,
            Op::Create { name } => self.create(name).await,
            Op::Delete { name } => self.delete(name).await,
            Op::Rename { from, to } => self.rename(from, to).await,
            Op::Forget { unique_id } => {
                let key = vec![b'a' + unique_id];
                let change = vec![LedgerChange::Forget(key.clone())];
                self.store().change_ledger(self.account, change).await.expect("forget");
                self.ledger.remove(&key);
            }
            Op::Collect => drop(self.store().collect().await.expect("collect")),
            Op::Reopen { cleanly } => {
                self.clients.clear();
                let store = self.store.take().expect("open");
                if cleanly {
                    store.close().await.expect("close");
                }
                drop(store);
                self.store = Some(Store::open(&settings(self.dir.path())).expect("the same store"));
            }
        }
    }

    async fn append(&mut self, to: usize, contents: &[u8], flags: u8) {
        let Some(id) = self.id(to).await else { return };
        let mut messages = Vec::new();
        for content in contents {
            messages.push(self.message(*content, flags, None).await);
        }
        let uids = self.store().append(id, messages).await.expect("append").uids;
        let mailbox = self.model.get_mut(NAMES[to]).expect("in the model");
        for (content, uid) in contents.iter().zip(uids) {
            let message = ModelMessage { flags, keywords: BTreeSet::new(), content: *content, mod_seq: 0 };
            assert_eq!(mailbox.push(message), uid.value());
        }
    }

    async fn deliver(&mut self, to: usize, unique_id: Option<u8>, content: u8) {
        let Some(mailbox) = self.id(to).await else { return };
        let account = self.account;
        let message = self.message(content, 0, Some(account)).await;
        let key = match unique_id {
            Some(n) => vec![b'a' + n],
            None => [&[0], message.body.hash().as_slice()].concat(),
        };
        let delivered = self
            .store()
            .deliver(Delivery {
                account,
                mailbox,
                message,
                unique_id: unique_id.map(|n| vec![b'a' + n]),
                listed_size: 1,
                header_hash: [0; 16],
                delete_upstream: true,
                reused: false,
            })
            .await
            .expect("deliver");
        if self.ledger.insert(key) {
            let message = ModelMessage { flags: 0, keywords: BTreeSet::new(), content, mod_seq: 0 };
            let uid = self.model.get_mut(NAMES[to]).expect("in the model").push(message);
            assert_eq!(delivered, Delivered::Stored(Uid::new(uid).expect("a UID")));
        } else {
            assert_eq!(delivered, Delivered::Duplicate);
        }
    }

    async fn set_flags(&mut self, op: Op) {
        let Op::Flags { of, range, op, flags, keywords, only_unchanged } = op else { return };
        let Some(id) = self.id(of).await else { return };
        let watch = self.store().watch(id).await.expect("watch");
        let highest = watch.current().expect("a version").counts.highest_mod_seq.0;
        let since = only_unchanged.then(|| highest.saturating_sub(3));
        let list = FlagList {
            flags: Flags::from_bits(flags),
            keywords: keywords.iter().map(|k| Keyword::new(KEYWORDS[*k]).expect("a keyword")).collect(),
        };
        let op = [FlagOp::Add, FlagOp::Remove, FlagOp::Replace][usize::from(op)];
        let change = FlagChange { op, list, unchanged_since: since.map(ModSeq) };
        let stored = self.store().set_flags(id, uid_set(range), change).await.expect("store");
        let named: BTreeSet<String> = keywords.iter().map(|k| KEYWORDS[*k].to_owned()).collect();
        let mailbox = self.model.get_mut(NAMES[of]).expect("in the model");
        let (mut applied, mut modified) = (UidSet::default(), UidSet::default());
        for (uid, m) in mailbox.messages.range_mut(range.0..=range.1) {
            if since.is_some_and(|since| m.mod_seq > since) {
                modified.insert(*uid);
                continue;
            }
            applied.insert(*uid);
            match op {
                FlagOp::Add => (m.flags, m.keywords) = (m.flags | flags, &m.keywords | &named),
                FlagOp::Remove => (m.flags, m.keywords) = (m.flags & !flags, &m.keywords - &named),
                FlagOp::Replace => (m.flags, m.keywords) = (flags, named.clone()),
            }
        }
        assert_eq!((&stored.applied, &stored.modified), (&applied, &modified));
        let known: UidSet = applied.ranges().iter().chain(modified.ranges()).copied().collect();
        let given: UidSet = (mailbox.next > 1).then(|| (1, mailbox.next - 1)).into_iter().collect();
        assert_eq!(stored.missing, uid_set(range).intersection(&given).difference(&known));
    }

    async fn transfer(&mut self, from: usize, range: (u32, u32), to: usize, is_move: bool) {
        let (Some(source), Some(target)) = (self.id(from).await, self.id(to).await) else { return };
        let uids = uid_set(range);
        let copied = match is_move {
            true => self.store().move_messages(source, uids, target).await,
            false => self.store().copy(source, uids, target).await,
        };
        let pairs = copied.expect("copy or move").pairs;
        let mut expected = Vec::new();
        let chosen = self.model[NAMES[from]].within(range);
        for uid in chosen {
            let message = self.model[NAMES[from]].messages[&uid].clone();
            expected.push((uid, self.model.get_mut(NAMES[to]).expect("in the model").push(message)));
            if is_move {
                self.model.get_mut(NAMES[from]).expect("in the model").messages.remove(&uid);
            }
        }
        let pairs: Vec<(u32, u32)> = pairs.iter().map(|(a, b)| (a.value(), b.value())).collect();
        assert_eq!(pairs, expected);
    }

    async fn expunge(&mut self, of: usize, only: Option<(u32, u32)>) {
        let Some(id) = self.id(of).await else { return };
        let gone = self.store().expunge(id, only.map(uid_set)).await.expect("expunge");
        let mailbox = self.model.get_mut(NAMES[of]).expect("in the model");
        let mut expected = UidSet::default();
        mailbox.messages.retain(|uid, m| {
            let is_chosen = only.is_none_or(|(low, high)| (low..=high).contains(uid));
            let goes = is_chosen && m.flags & Flags::DELETED.bits() != 0;
            if goes {
                expected.insert(*uid);
            }
            !goes
        });
        assert_eq!(gone, expected);
    }

    fn add_parents(&mut self, of: &str) {
        let mut above = name(of).parent();
        while let Some(parent) = above {
            self.model.entry(parent.to_string()).or_default();
            above = parent.parent();
        }
    }

    async fn create(&mut self, index: usize) {
        let made = self.store().create_mailbox(self.user, &name(NAMES[index]), None).await;
        if self.model.contains_key(NAMES[index]) {
            assert!(matches!(made, Err(Error::MailboxExists)));
        } else {
            made.expect("create");
            self.add_parents(NAMES[index]);
            self.model.insert(NAMES[index].to_owned(), ModelMailbox::default());
        }
    }

    async fn delete(&mut self, index: usize) {
        let deleted = self.store().delete_mailbox(self.user, &name(NAMES[index])).await;
        match (index, self.model.contains_key(NAMES[index])) {
            (0, _) => assert!(matches!(deleted, Err(Error::Refused(_)))),
            (_, false) => assert!(matches!(deleted, Err(Error::NoMailbox))),
            (_, true) => {
                deleted.expect("delete");
                self.model.remove(NAMES[index]);
            }
        }
    }

    async fn rename(&mut self, from: usize, to: usize) {
        let (old, new) = (NAMES[from], NAMES[to]);
        let renamed = self.store().rename_mailbox(self.user, &name(old), &name(new)).await;
        if !self.model.contains_key(old) {
            assert!(matches!(renamed, Err(Error::NoMailbox)));
        } else if self.model.contains_key(new) {
            assert!(matches!(renamed, Err(Error::MailboxExists)));
        } else {
            renamed.expect("rename");
            self.add_parents(new);
            let mut moved = ModelMailbox::default();
            if from == 0 {
                let inbox = self.model.get_mut(old).expect("INBOX");
                for (_, message) in std::mem::take(&mut inbox.messages) {
                    moved.push(message);
                }
            } else {
                moved = self.model.remove(old).expect("in the model");
            }
            self.model.insert(new.to_owned(), moved);
        }
    }

    /// The store holds what the model holds, and clients that follow differences know it.
    async fn compare(&mut self) {
        assert_eq!(self.store().check().expect("check"), Vec::<String>::new());
        let found = self.store().mailboxes(self.user).await.expect("read");
        let names: BTreeSet<String> = found.iter().map(|m| m.name.to_string()).collect();
        assert_eq!(names, self.model.keys().cloned().collect());
        self.clients.retain(|name, _| names.contains(name));
        for mailbox in found {
            let key = mailbox.name.to_string();
            let watch = self.store().watch(mailbox.id).await.expect("watch");
            let snapshot = watch.current().expect("a version");
            assert_eq!(snapshot.counts, mailbox.counts);
            let model = self.model.get_mut(&key).expect("in the model");
            compare_mailbox(&snapshot, model);
            match self.clients.get_mut(&key).filter(|client| client.known.mailbox == mailbox.id) {
                Some(client) => follow(client),
                None => {
                    let view = snapshot.iter().map(|m| (m.uid.value(), (m.flags.bits(), m.keywords.0))).collect();
                    self.clients.insert(key, Client { watch, known: snapshot, view });
                }
            }
        }
        let ledger = self.store().ledger(self.account).await.expect("read");
        assert!(ledger.values().all(|row| row.state == LedgerState::DeleteWanted));
        assert_eq!(ledger.into_keys().collect::<BTreeSet<_>>(), self.ledger);
    }

    async fn compare_octets(&self) {
        for (key, mailbox) in &self.model {
            let id = self.store().mailbox(self.user, &name(key)).await.expect("read").expect("there").id;
            let snapshot = self.store().watch(id).await.expect("watch").current().expect("a version");
            let bodies: Vec<_> = snapshot.iter().map(|m| m.body).collect();
            let expected: Vec<Vec<u8>> = mailbox.messages.values().map(|m| octets(m.content)).collect();
            let read = self.store().read(move |reader| {
                let mut all = Vec::new();
                for body in bodies {
                    let (mut cursor, mut out) = (BodyCursor::new(body, 0..u64::MAX), Vec::new());
                    assert!(reader.read_body(&mut cursor, &mut out, usize::MAX)?);
                    assert!(reader.record(body)?.is_some());
                    all.push(out);
                }
                Ok(all)
            });
            assert_eq!(read.await.expect("read"), expected);
        }
        assert_eq!(self.store().check_octets().expect("check"), Vec::<String>::new());
    }
}

/// Compares, and takes over the mod-sequences: that they grow is for `check` and the clients to see.
fn compare_mailbox(snapshot: &Snapshot, model: &mut ModelMailbox) {
    assert_eq!(snapshot.counts.uid_next, model.next);
    assert_eq!(snapshot.len(), model.messages.len());
    for (index, (m, (uid, expected))) in snapshot.iter().zip(&mut model.messages).enumerate() {
        let keywords = m.keywords.iter().map(|k| snapshot.keywords[k].as_str().to_owned()).collect();
        expected.mod_seq = m.mod_seq.0;
        let found = ModelMessage { flags: m.flags.bits(), keywords, content: expected.content, mod_seq: m.mod_seq.0 };
        assert_eq!((m.uid.value(), &found), (*uid, &*expected));
        assert_eq!(snapshot.position(m.uid), Ok(index));
        assert_eq!(snapshot.get(index), Some(m));
    }
    let middle = snapshot.len() / 2;
    assert!(snapshot.iter_range(middle..snapshot.len()).eq(snapshot.iter().skip(middle)));
}

fn follow(client: &mut Client) {
    let newest = client.watch.current().expect("a version");
    let delta = newest.diff(&client.known);
    for uid in delta.vanished.iter() {
        assert!(client.view.remove(&uid).is_some(), "vanished, but never seen");
    }
    for uid in delta.changed.iter().chain(&delta.appended) {
        let m = newest.find(*uid).expect("in the new version");
        client.view.insert(uid.value(), (m.flags.bits(), m.keywords.0));
    }
    let expected: BTreeMap<_, _> = newest.iter().map(|m| (m.uid.value(), (m.flags.bits(), m.keywords.0))).collect();
    assert_eq!(client.view, expected);
    client.known = newest;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_its_model(operations in prop::collection::vec(operation(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut world = World::new().await;
            for operation in operations {
                world.apply(operation).await;
                world.compare().await;
            }
            world.compare_octets().await;
        });
    }
}
