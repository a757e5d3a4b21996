//! Account views and messages delivered to two accounts, on every back-end.

use std::time::Duration;

use super::*;
use crate::mail::{FlagList, FlagOp, Flags, InternalDate, Keyword, Message, Uid};

struct World {
    store: Store,
    user: UserId,
    inbox: MailboxId,
    archive: MailboxId,
    accounts: [AccountId; 2],
    _dir: Option<tempfile::TempDir>,
}

async fn worlds() -> [World; 2] {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = Settings { data_dir: dir.path().join("data"), cache_bytes: 16 << 20, gc_grace: Duration::ZERO };
    let stored = Store::open(&settings).expect("a new store");
    let memory = Store::in_memory(Duration::ZERO).expect("a store in memory");
    [World::new(stored, Some(dir)).await, World::new(memory, None).await]
}

fn name(raw: &str) -> MailboxName {
    MailboxName::new(raw).expect("a name")
}

fn set(uids: &[u32]) -> UidSet {
    uids.iter().map(|uid| (*uid, *uid)).collect()
}

fn list(flags: Flags, keywords: &[&str]) -> FlagList {
    FlagList { flags, keywords: keywords.iter().map(|k| Keyword::new(k).expect("a keyword")).collect() }
}

fn change(op: FlagOp, flags: Flags, keywords: &[&str]) -> FlagChange {
    FlagChange { op, list: list(flags, keywords), unchanged_since: None }
}

impl World {
    async fn new(store: Store, dir: Option<tempfile::TempDir>) -> Self {
        let user = store.ensure_user("alice").await.expect("a user");
        let id = async |name| store.mailbox(user, &name).await.expect("read").expect("is there").id;
        let (inbox, archive) = (id(MailboxName::inbox()).await, id(name("Archive")).await);
        let account = async |name| store.ensure_account(user, name).await.expect("an account");
        let accounts = [account("isp").await, account("work").await];
        Self { store, user, inbox, archive, accounts, _dir: dir }
    }

    async fn new_message(&self, octets: &[u8], account: Option<usize>) -> NewMessage {
        let mut writer = self.store.body_writer().await.expect("a writer");
        writer.write(octets).await.expect("write");
        let body = writer.finish(Record::default()).await.expect("durable");
        let account = account.map(|n| self.accounts[n]);
        NewMessage { body, flags: FlagList::default(), internal_date: InternalDate::default(), account }
    }

    async fn add(&self, octets: &[u8], account: Option<usize>) -> Uid {
        let message = self.new_message(octets, account).await;
        self.store.append(self.inbox, vec![message]).await.expect("appended").uids[0]
    }

    async fn deliver(&self, account: usize, octets: &[u8], keywords: &[&str], merge: Option<[u8; 16]>) -> Delivered {
        let mut message = self.new_message(octets, Some(account)).await;
        message.flags = list(Flags::default(), keywords);
        let delivery = Delivery {
            account: self.accounts[account],
            mailbox: self.inbox,
            message,
            unique_id: None,
            listed_size: 1,
            header_hash: [0; 16],
            delete_upstream: false,
            reused: false,
            merge,
        };
        self.store.deliver(delivery).await.expect("delivered")
    }

    /// Shows the views of these accounts under these names.
    async fn show(&self, views: &[(usize, &str)]) -> Vec<MailboxName> {
        let views = views.iter().map(|(n, raw)| AccountView { account: self.accounts[*n], name: name(raw) });
        self.store.set_account_views(self.user, views.collect()).await.expect("set")
    }

    async fn id(&self, raw: &str) -> MailboxId {
        self.store.mailbox(self.user, &name(raw)).await.expect("read").expect("is there").id
    }

    async fn rows(&self, of: MailboxId) -> Vec<Message> {
        let snapshot = self.store.watch(of).await.expect("watch").current().expect("a version");
        snapshot.iter().cloned().collect()
    }

    async fn uids(&self, of: MailboxId) -> Vec<u32> {
        self.rows(of).await.iter().map(|m| m.uid.value()).collect()
    }

    async fn highest(&self, of: MailboxId) -> u64 {
        self.store.watch(of).await.expect("watch").current().expect("a version").counts.highest_mod_seq.0
    }

    async fn flags(&self, of: MailboxId, uids: &[u32], flags: FlagChange) {
        self.store.set_flags(of, set(uids), flags).await.expect("stored");
    }

    async fn delete(&self, of: MailboxId, uids: &[u32]) {
        self.flags(of, uids, change(FlagOp::Add, Flags::DELETED, &[])).await;
    }

    fn check(&self) {
        assert_eq!(self.store.check().expect("check"), Vec::<String>::new());
    }
}

fn is_refused<T: std::fmt::Debug>(outcome: Result<T>) -> bool {
    matches!(outcome, Err(Error::Refused(_)))
}

#[tokio::test]
async fn a_view_shows_what_inbox_has_of_its_account() {
    for w in worlds().await {
        for (octets, account) in [(b"a", Some(0)), (b"b", Some(1)), (b"c", None), (b"d", Some(0))] {
            w.add(octets, account).await;
        }
        w.delete(w.inbox, &[1]).await;
        let before = (w.highest(w.inbox).await, w.store.sizes().await.expect("sizes").messages);
        assert_eq!(w.show(&[(0, "Accounts/isp")]).await, []);
        w.check();
        let view = w.id("Accounts/isp").await;
        assert!(w.store.mailbox(w.user, &name("Accounts")).await.expect("read").is_none());
        let described = w.store.mailbox(w.user, &name("Accounts/isp")).await.expect("read").expect("is there");
        assert_eq!((described.view, described.counts.exists, described.counts.deleted), (Some(w.accounts[0]), 2, 0));
        assert!(!w.store.subscriptions(w.user).await.expect("read").contains(&described.name));
        assert_eq!(w.uids(view).await, [1, 2]);
        assert_eq!((w.highest(w.inbox).await, w.store.sizes().await.expect("sizes").messages), before);
        // What comes later, in whichever way.
        w.add(b"e", Some(0)).await;
        assert_eq!(w.deliver(0, b"f", &["k"], None).await, Delivered::Stored(Uid::new(6).expect("a UID")));
        let copied = w.store.copy(w.inbox, set(&[1, 2]), w.inbox).await.expect("copied");
        assert_eq!(copied.pairs.len(), 2);
        w.store.move_messages(w.inbox, set(&[4]), w.inbox).await.expect("moved");
        let highest = w.highest(w.inbox).await;
        assert_eq!(w.highest(view).await, highest);
        assert_eq!(w.uids(view).await, [1, 3, 4, 5, 6]);
        let (twins, inbox) = (w.rows(view).await, w.rows(w.inbox).await);
        for twin in &twins {
            let (at, uid) = twin.twin.expect("a twin");
            let of = inbox.iter().find(|m| m.uid == uid).expect("is there");
            assert_eq!((at, of.twin, of.body), (w.inbox, Some((view, twin.uid)), twin.body));
        }
        let stats = w.store.stats(&|_| {}).expect("stats");
        assert_eq!(stats.total.messages, inbox.len() as u64);
        w.check();
    }
}

#[tokio::test]
async fn flags_but_deleted_are_one() {
    for w in worlds().await {
        w.show(&[(0, "Accounts/isp")]).await;
        let view = w.id("Accounts/isp").await;
        for n in 0..200u8 {
            w.add(&[n], Some(usize::from(n % 2))).await;
        }
        w.flags(w.inbox, &[1, 2, 131], change(FlagOp::Add, Flags::SEEN | Flags::DELETED, &["k"])).await;
        let changed = |rows: Vec<Message>, since: u64| {
            let changed = rows.into_iter().filter(move |m| m.mod_seq.0 > since);
            changed.map(|m| (m.uid.value(), m.flags, m.keywords.0)).collect::<Vec<_>>()
        };
        let since = w.highest(view).await;
        assert_eq!(changed(w.rows(view).await, since - 1), [(1, Flags::SEEN, 1), (66, Flags::SEEN, 1)]);
        assert_eq!(w.highest(w.inbox).await, since);
        // From the other side, and only what is really altered.
        w.flags(view, &[1, 2], change(FlagOp::Add, Flags::SEEN, &[])).await;
        let rows = changed(w.rows(w.inbox).await, since);
        assert_eq!(rows, [(3, Flags::SEEN, 0)]);
        assert_eq!((w.highest(view).await, w.highest(w.inbox).await), (since + 1, since + 1));
        // \Deleted is of each.
        w.delete(view, &[3]).await;
        assert_eq!((w.highest(view).await, w.highest(w.inbox).await), (since + 2, since + 1));
        w.flags(view, &[3], change(FlagOp::Replace, Flags::DELETED, &[])).await;
        assert_eq!(w.highest(view).await, since + 2);
        // UNCHANGEDSINCE is judged where it is said.
        let guarded = FlagChange { unchanged_since: Some(ModSeq(since)), ..change(FlagOp::Add, Flags::FLAGGED, &[]) };
        let stored = w.store.set_flags(view, set(&[2, 66]), guarded).await.expect("stored");
        assert_eq!((stored.modified, stored.applied), (set(&[2]), set(&[66])));
        assert_eq!(changed(w.rows(w.inbox).await, since + 2).len(), 1);
        w.check();
    }
}

#[tokio::test]
async fn what_goes_from_one_side_goes_from_both() {
    for w in worlds().await {
        w.show(&[(0, "Accounts/isp"), (1, "Accounts/work")]).await;
        let (isp, work) = (w.id("Accounts/isp").await, w.id("Accounts/work").await);
        for n in 0..10u8 {
            w.add(&[n], Some(usize::from(n % 2))).await;
        }
        w.delete(w.inbox, &[1]).await;
        assert_eq!(w.store.expunge(w.inbox, None).await.expect("expunged"), set(&[1]));
        w.delete(isp, &[2, 3]).await;
        assert_eq!(w.store.expunge(isp, Some(set(&[2]))).await.expect("expunged"), set(&[2]));
        assert_eq!((w.uids(w.inbox).await.len(), w.uids(isp).await, w.uids(work).await.len()), (8, vec![3, 4, 5], 5));
        let gone = w.store.changes_since(isp, ModSeq(1)).await.expect("read").vanished;
        assert_eq!(gone, set(&[1, 2]));
        let moved = w.store.move_messages(work, set(&[1, 2]), w.archive).await.expect("moved");
        assert_eq!(
            moved.pairs.iter().map(|(from, to)| (from.value(), to.value())).collect::<Vec<_>>(),
            [(1, 1), (2, 2)]
        );
        assert_eq!((w.uids(work).await, w.uids(w.inbox).await), (vec![3, 4, 5], vec![5, 6, 7, 8, 9, 10]));
        assert!(w.rows(w.archive).await.iter().all(|m| m.twin.is_none() && m.account == Some(w.accounts[1])));
        // Back, and so with another UID on each side; a view's messages moved to INBOX are new as well.
        w.store.move_messages(w.archive, set(&[1]), w.inbox).await.expect("moved");
        assert_eq!(w.uids(work).await, [3, 4, 5, 6]);
        w.store.move_messages(work, set(&[6]), w.inbox).await.expect("moved");
        assert_eq!((w.uids(work).await, w.uids(w.inbox).await), (vec![3, 4, 5, 7], vec![5, 6, 7, 8, 9, 10, 12]));
        let new = w.new_message(b"new", None).await;
        let uid = Uid::new(3).expect("a UID");
        w.store.replace(work, uid, w.archive, new).await.expect("replaced").expect("was there");
        assert_eq!((w.uids(work).await, w.uids(w.inbox).await.len()), (vec![4, 5, 7], 6));
        w.check();
        w.store.rename_mailbox(w.user, &MailboxName::inbox(), &name("Old")).await.expect("renamed");
        assert_eq!((w.uids(w.inbox).await, w.uids(isp).await, w.uids(work).await), (vec![], vec![], vec![]));
        assert_eq!(w.uids(w.id("Old").await).await.len(), 6);
        w.check();
    }
}

#[tokio::test]
async fn nothing_is_put_into_a_view_and_its_name_is_kept() {
    for w in worlds().await {
        w.store.create_mailbox(w.user, &name("Accounts/work"), None).await.expect("created");
        assert_eq!(w.show(&[(0, "Accounts/isp"), (1, "Accounts/work")]).await, [name("Accounts/work")]);
        let view = w.id("Accounts/isp").await;
        w.add(b"a", Some(0)).await;
        let new = async || w.new_message(b"b", Some(0)).await;
        assert!(is_refused(w.store.append(view, vec![new().await]).await));
        assert!(is_refused(w.store.copy(w.inbox, set(&[1]), view).await));
        assert!(is_refused(w.store.move_messages(w.inbox, set(&[1]), view).await));
        assert!(is_refused(w.store.copy(view, set(&[1]), view).await));
        assert!(is_refused(w.store.replace(w.inbox, Uid::FIRST, view, new().await).await));
        let (isp, other) = (name("Accounts/isp"), name("x"));
        assert!(is_refused(w.store.delete_mailbox(w.user, &isp).await));
        assert!(is_refused(w.store.rename_mailbox(w.user, &isp, &other).await));
        assert!(is_refused(w.store.rename_mailbox(w.user, &name("Accounts"), &other).await));
        assert!(is_refused(w.store.rename_mailbox(w.user, &MailboxName::inbox(), &isp).await));
        for is_shown in [true, false] {
            for taken in ["Accounts/isp", "Accounts/isp/below"] {
                assert!(is_refused(w.store.create_mailbox(w.user, &name(taken), None).await));
                assert!(is_refused(w.store.rename_mailbox(w.user, &name("Archive"), &name(taken)).await));
            }
            if is_shown {
                w.show(&[]).await;
            }
        }
        assert!(w.store.mailbox(w.user, &isp).await.expect("read").is_none());
        assert!(matches!(w.store.delete_mailbox(w.user, &isp).await, Err(Error::NoMailbox)));
        w.store.rename_mailbox(w.user, &name("Accounts"), &other).await.expect("what is not a view");
        assert!(!w.store.has_mailboxes_below(w.user, &name("Accounts")).await.expect("read"));
        assert!(w.store.mailbox(w.user, &name("x/work")).await.expect("read").is_some());
        w.check();
    }
}

#[tokio::test]
async fn a_view_shown_again_has_its_uids() {
    for w in worlds().await {
        w.show(&[(0, "Accounts/isp"), (1, "Accounts/work")]).await;
        let isp = w.id("Accounts/isp").await;
        let validity = async || w.store.watch(isp).await.expect("watch").current().expect("a version").uid_validity;
        let before = validity().await;
        for octets in [b"a", b"b", b"c"] {
            w.add(octets, Some(0)).await;
        }
        w.show(&[]).await;
        let names = w.store.mailboxes(w.user).await.expect("read");
        assert!(names.iter().all(|mailbox| mailbox.view.is_none()));
        w.delete(w.inbox, &[2]).await;
        w.store.expunge(w.inbox, None).await.expect("expunged");
        w.flags(w.inbox, &[3], change(FlagOp::Add, Flags::SEEN, &[])).await;
        w.add(b"d", Some(0)).await;
        w.check();
        // Under another name, which was that of another view.
        assert_eq!(w.show(&[(0, "Accounts/work")]).await, []);
        assert_eq!((w.id("Accounts/work").await, validity().await), (isp, before));
        assert_eq!(w.uids(isp).await, [1, 3, 4]);
        assert!(w.rows(isp).await[1].flags.contains(Flags::SEEN));
        assert_eq!(w.show(&[(1, "Accounts/work"), (0, "Accounts/isp")]).await, []);
        assert_eq!(w.id("Accounts/isp").await, isp);
        // To say it again changes nothing, and two cannot have one name.
        let highest = w.highest(w.inbox).await;
        assert_eq!(w.show(&[(1, "Accounts/work"), (0, "Accounts/work")]).await, [name("Accounts/work")]);
        assert_eq!(w.highest(w.inbox).await, highest);
        let other = w.store.ensure_user("bob").await.expect("a user");
        let foreign = vec![AccountView { account: w.accounts[0], name: name("v") }];
        assert!(matches!(w.store.set_account_views(other, foreign).await, Err(Error::NoMailbox)));
        w.check();
    }
}

#[tokio::test]
async fn a_message_delivered_to_two_accounts_is_one() {
    const KEY: Option<[u8; 16]> = Some([7; 16]);
    for w in worlds().await {
        w.show(&[(0, "Accounts/isp")]).await;
        let isp = w.id("Accounts/isp").await;
        let first = Uid::FIRST;
        assert_eq!(w.deliver(0, b"by isp", &["isp"], KEY).await, Delivered::Stored(first));
        w.delete(w.inbox, &[1]).await;
        let usage = w.store.usage(w.user).await.expect("read");
        assert_eq!(w.deliver(1, b"by work", &["work"], KEY).await, Delivered::Merged(first));
        assert_eq!(w.deliver(1, b"by work", &["work"], KEY).await, Delivered::Duplicate);
        assert_eq!((w.store.usage(w.user).await.expect("read"), w.uids(w.inbox).await), (usage, vec![1]));
        assert_eq!(w.rows(isp).await[0].keywords.0, 3);
        // A view that comes later has it as well, and all three follow each other.
        w.show(&[(0, "Accounts/isp"), (1, "Accounts/work")]).await;
        let work = w.id("Accounts/work").await;
        assert_eq!(w.uids(work).await, [1]);
        w.flags(work, &[1], change(FlagOp::Add, Flags::SEEN, &[])).await;
        w.check();
        for mailbox in [w.inbox, isp, work] {
            assert!(w.rows(mailbox).await[0].flags.contains(Flags::SEEN));
        }
        // Both upstream copies are here until it is expunged everywhere.
        let places = async || {
            let mut places = Vec::new();
            for account in w.accounts {
                let ledger = w.store.ledger(account).await.expect("read");
                places.push(ledger.values().map(|row| row.place).collect::<Vec<_>>());
            }
            places
        };
        assert_eq!(places().await, [[Place::At(w.inbox, first)], [Place::At(w.inbox, first)]]);
        w.store.move_messages(work, set(&[1]), w.archive).await.expect("moved");
        assert_eq!((w.uids(w.inbox).await, w.uids(isp).await, w.uids(work).await), (vec![], vec![], vec![]));
        assert_eq!(places().await, [[Place::At(w.archive, first)], [Place::At(w.archive, first)]]);
        w.check();
        w.delete(w.archive, &[1]).await;
        w.store.expunge(w.archive, None).await.expect("expunged");
        assert_eq!(places().await, [[Place::Nowhere], [Place::Nowhere]]);
        // It is no longer in INBOX: the next is another message. One account's own are never one.
        let next = |n| Delivered::Stored(Uid::new(n).expect("a UID"));
        assert_eq!(w.deliver(1, b"once more", &[], KEY).await, next(2));
        assert_eq!(w.deliver(1, b"and again", &[], KEY).await, next(3));
        assert_eq!(w.deliver(0, b"and by isp", &[], KEY).await, Delivered::Merged(Uid::new(3).expect("a UID")));
        assert_eq!(w.deliver(0, b"and by isp again", &[], KEY).await, next(4));
        assert_eq!((w.uids(isp).await, w.uids(work).await), (vec![2, 3], vec![2, 3]));
        w.delete(isp, &[2]).await;
        w.store.expunge(isp, None).await.expect("expunged");
        assert_eq!((w.uids(isp).await, w.uids(work).await), (vec![3], vec![2]));
        w.check();
    }
}
