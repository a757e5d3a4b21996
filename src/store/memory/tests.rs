//! What the model test does not reach: limits, panics, closing, and that the check sees what is wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::state::Account;
use super::*;
use crate::mail::{FlagList, InternalDate, MAX_UID, MailboxId, MailboxName, ModSeq, Uid, UidSet, UserId};
use crate::store::common::{MAX_MAILBOXES, MAX_SUBSCRIPTIONS};
use crate::store::{NewMessage, Record, Store};

struct Fixture {
    store: Store,
    memory: Arc<Memory>,
    user: UserId,
    inbox: MailboxId,
}

async fn fixture() -> Fixture {
    let shared = Arc::new(Shared::new(1, [0; 16]).expect("metrics"));
    let memory = Arc::new(Memory::new(Arc::clone(&shared)));
    let meta: Arc<dyn MetaStore> = Arc::clone(&memory) as _;
    let store = Store::start(shared, meta, Arc::new(Pieces::new()), None, Duration::ZERO).expect("a store");
    let user = store.ensure_user("alice").await.expect("a user");
    let inbox = store.mailbox(user, &MailboxName::inbox()).await.expect("read").expect("INBOX").id;
    Fixture { store, memory, user, inbox }
}

fn name(raw: &str) -> MailboxName {
    MailboxName::new(raw).expect("a name")
}

fn all() -> UidSet {
    UidSet::from_iter([(1, MAX_UID)])
}

impl Fixture {
    async fn message(&self, octets: &[u8]) -> NewMessage {
        let mut writer = self.store.body_writer().await.expect("a writer");
        writer.write(octets).await.expect("write");
        let body = writer.finish(Record::default()).await.expect("durable");
        NewMessage { body, flags: FlagList::default(), internal_date: InternalDate::default(), account: None }
    }

    async fn add(&self, octets: &[u8]) -> Result<Uid> {
        let message = self.message(octets).await;
        Ok(self.store.append(self.inbox, vec![message]).await?.uids[0])
    }

    /// Changes the state as no operation would.
    fn edit(&self, change: impl FnOnce(&mut State)) {
        let mut state = State::clone(&self.memory.newest().expect("open"));
        change(&mut state);
        *lock(&self.memory.newest) = Some(Arc::new(state));
    }
}

#[tokio::test]
async fn uids_of_a_mailbox() {
    let f = fixture().await;
    f.edit(|state| Arc::make_mut(state.mailboxes.get_mut(&f.inbox).expect("INBOX")).counts.uid_next = MAX_UID);
    let two = vec![f.message(b"1").await, f.message(b"2").await];
    assert!(matches!(f.store.append(f.inbox, two).await, Err(Error::Limit(_))));
    assert_eq!(f.add(b"last").await.expect("the last").value(), MAX_UID);
    assert!(matches!(f.add(b"3").await, Err(Error::Limit(_))));
    assert!(matches!(f.store.copy(f.inbox, all(), f.inbox).await, Err(Error::Limit(_))));
    assert!(matches!(f.store.move_messages(f.inbox, all(), f.inbox).await, Err(Error::Limit(_))));
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test]
async fn mailboxes_and_subscriptions_of_a_user() {
    let f = fixture().await;
    let user = f.user;
    let fill = f.store.write(move |txn| {
        (6..MAX_MAILBOXES - 2).try_for_each(|n| txn.create_mailbox(user, &name(&format!("m{n}")), None).map(drop))?;
        (6..MAX_SUBSCRIPTIONS - 1).try_for_each(|n| txn.set_subscribed(user, &name(&format!("s{n}")), true))
    });
    fill.await.expect("filled");
    assert!(matches!(f.store.create_mailbox(user, &name("a/b/c"), None).await, Err(Error::Limit(_))));
    f.store.create_mailbox(user, &name("a/b"), None).await.expect("the last two");
    assert!(matches!(f.store.create_mailbox(user, &name("one"), None).await, Err(Error::Limit(_))));
    assert!(matches!(f.store.rename_mailbox(user, &MailboxName::inbox(), &name("one")).await, Err(Error::Limit(_))));
    assert!(matches!(f.store.rename_mailbox(user, &name("m7"), &name("n/m7")).await, Err(Error::Limit(_))));
    f.store.rename_mailbox(user, &name("m7"), &name("n")).await.expect("no more mailboxes than before");
    f.store.set_subscribed(user, &name("last"), true).await.expect("the last");
    assert!(matches!(f.store.set_subscribed(user, &name("one"), true).await, Err(Error::Limit(_))));
    f.store.set_subscribed(user, &name("last"), true).await.expect("is subscribed already");
}

#[tokio::test]
async fn an_operation_that_fails_or_panics_changes_nothing() {
    let f = fixture().await;
    let (user, inbox) = (f.user, f.inbox);
    f.add(b"1").await.expect("append");
    let mut watch = f.store.watch(inbox).await.expect("watch");
    let before = watch.current().expect("a version");
    let failed = f.store.write(move |txn| {
        txn.move_messages(inbox, &all(), inbox)?;
        txn.delete_mailbox(user, &name("no such"))
    });
    assert!(matches!(failed.await, Err(Error::NoMailbox)));
    let panicked = f.store.write(move |txn| {
        txn.delete_mailbox(user, &name("Trash"))?;
        panic!("as a bug would");
        #[allow(unreachable_code, reason = "says what it would have answered")]
        Ok(())
    });
    assert!(matches!(panicked.await, Err(Error::Internal(_))));
    assert!(!watch.has_changed());
    assert_eq!(f.store.mailboxes(user).await.expect("read").len(), 6);
    // A reader keeps the version it began with while the next one is made.
    let is_read = Arc::new(AtomicBool::new(false));
    let (memory, read) = (Arc::clone(&f.memory), Arc::clone(&is_read));
    let (store, done) = (f.store.clone(), tokio::runtime::Handle::current());
    let seen = f.store.read(move |reader| {
        done.block_on(store.move_messages(inbox, all(), inbox))?;
        read.store(true, Ordering::Relaxed);
        assert_eq!(memory.read()?.snapshot(inbox)?.counts.uid_next, 3);
        Ok(reader.meta.snapshot(inbox)?.counts)
    });
    assert_eq!(seen.await.expect("read"), before.counts);
    watch.changed().await;
    assert!(is_read.load(Ordering::Relaxed));
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let f = fixture().await;
    let message = f.message(b"1").await;
    f.store.close().await.expect("close");
    f.store.close().await.expect("closed already");
    assert!(matches!(f.store.append(f.inbox, vec![message]).await, Err(Error::Closed)));
    assert!(matches!(f.store.mailboxes(f.user).await, Err(Error::Closed)));
    assert!(matches!(f.store.check(), Err(Error::Closed)));
    let mut writer = f.store.body_writer().await.expect("a writer");
    writer.write(b"1").await.expect("kept for now");
    assert!(matches!(writer.finish(Record::default()).await, Err(Error::Closed)));
}

#[tokio::test]
async fn the_check_names_what_is_wrong() {
    fn inbox(state: &mut State) -> &mut state::Mailbox {
        Arc::make_mut(state.mailboxes.values_mut().next().expect("INBOX"))
    }
    type Edit = fn(&mut State);
    let edits: [(&str, Edit); 11] = [
        ("counters", |state| inbox(state).counts.unseen += 1),
        ("HIGHESTMODSEQ", |state| inbox(state).counts.highest_mod_seq = ModSeq(1_000)),
        ("UID 1", |state| inbox(state).counts.uid_next = 1),
        ("mod-sequence of UID 1", |state| inbox(state).messages.values_mut().for_each(|m| m.mod_seq = ModSeq(0))),
        ("keyword", |state| inbox(state).messages.values_mut().for_each(|m| m.keywords.0 = 1)),
        ("expunged", |state| inbox(state).expunged.push((ModSeq(2), all()))),
        ("UIDVALIDITY", |state| state.last_uid_validity = 1),
        ("by its name", |state| inbox(state).name = name("other")),
        ("references", |state| {
            Arc::make_mut(&mut state.bodies).rows.values_mut().for_each(|body| body.row.references += 1);
        }),
        ("pieces", |state| Arc::make_mut(&mut state.bodies).rows.values_mut().for_each(|body| body.row.chunks += 1)),
        ("account", |state| {
            let user = UserId(9);
            let (ledger, troubles, poll_state) = Default::default();
            let account = Account { user, name: String::new(), ledger, troubles, poll_state };
            state.accounts.insert(crate::mail::AccountId(1), Arc::new(account));
        }),
    ];
    for (what, edit) in edits {
        let f = fixture().await;
        f.add(b"1").await.expect("append");
        assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
        f.edit(edit);
        let found = f.store.check().expect("check");
        assert!(found.iter().any(|problem| problem.contains(what)), "{what}: {found:?}");
    }
}

#[tokio::test]
async fn what_is_derived_can_be_replaced() {
    let f = fixture().await;
    f.add(b"1").await.expect("append");
    let body = f.memory.newest().expect("open").bodies.by_hash.values().copied().next().expect("a body");
    let record = Record { envelope: b"new".to_vec(), ..Record::default() };
    f.store.write(move |txn| txn.set_record(body, &record)).await.expect("set");
    let read = f.store.read(move |reader| Ok(reader.record(body)?.map(|record| record.envelope().to_vec())));
    assert_eq!(read.await.expect("read"), Some(b"new".to_vec()));
}
