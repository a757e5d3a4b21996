//! What a check finds is rebuilt where other rows or the octets tell how it was, and told where they do not.

use ::redb::ReadableTable;

use super::*;
use crate::mail::BodyId;
use crate::store::{Derive, Fix, Problem};

/// Gives every message the record that the fixture gives it.
struct Same(Vec<u8>);

impl Derive for Same {
    fn feed(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    fn finish(self: Box<Self>) -> Record {
        record(&self.0)
    }
}

fn deriving() -> Box<dyn Derive> {
    Box::new(Same(Vec::new()))
}

pub(super) async fn repair(store: &Store) -> Vec<Problem> {
    let store = store.clone();
    tokio::task::spawn_blocking(move || store.repair(&deriving, &|_| {})).await.expect("no panic").expect("repair")
}

pub(super) async fn sound(store: &Store) -> bool {
    let store = store.clone();
    let looked = move || Ok::<_, Error>([store.examine()?, store.examine_octets(&|_| {})?].concat());
    let problems = tokio::task::spawn_blocking(looked).await.expect("no panic").expect("check");
    assert_eq!(problems, Vec::new());
    true
}

async fn filled() -> Fixture {
    let f = fixture().await;
    for octets in [&b"One"[..], b"Two", b"Two", b"Three"] {
        f.add(octets).await;
    }
    f.store.set_flags(f.inbox, set(&[(4, 4)]), flags(FlagOp::Add, Flags::DELETED, &["k"])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    f.store.create_mailbox(f.user, &name("a/b"), None).await.expect("create");
    f
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_rows_tell_is_rebuilt() {
    type Corrupt = fn(&mut Txn<'_>) -> Result<()>;
    const INBOX: MailboxId = MailboxId(1);
    let cases: [(&str, Corrupt); 15] = [
        ("counters", |txn| {
            txn.mailbox_mut(INBOX)?.counts.unseen += 5;
            Ok(())
        }),
        ("size", |txn| {
            txn.mailbox_mut(INBOX)?.counts.size = 0;
            Ok(())
        }),
        ("what a user has stored", |txn| {
            txn.user_mut(UserId(1))?.usage.octets += 5;
            Ok(())
        }),
        ("what a user and a mailbox have stored", |txn| {
            txn.user_mut(UserId(1))?.usage.messages = 0;
            txn.mailbox_mut(INBOX)?.counts.size = 0;
            Ok(())
        }),
        ("UIDNEXT below an expunged UID", |txn| {
            txn.mailbox_mut(INBOX)?.counts.uid_next = 2;
            Ok(())
        }),
        ("HIGHESTMODSEQ", |txn| {
            txn.mailbox_mut(INBOX)?.counts.highest_mod_seq.0 = 1;
            Ok(())
        }),
        ("the counter of mod-sequences", |txn| {
            txn.user_mut(UserId(1))?.mod_seq.0 = 1;
            Ok(())
        }),
        ("references", |txn| {
            let body = txn.tables.body.get(1)?.map(|row| BodyRow::decode(row.value())).transpose()?.expect("a body");
            txn.tables.body.insert(1, BodyRow { references: 9, ..body }.encode().as_slice())?;
            Ok(())
        }),
        ("a hash", |txn| Ok(txn.tables.hash.retain(|_, _| false)?)),
        ("a name", |txn| Ok(txn.tables.mailbox_name.remove((1, "a")).map(drop)?)),
        ("a name that leads nowhere", |txn| Ok(txn.tables.mailbox_name.insert((1, "x"), 77).map(drop)?)),
        ("ids", |txn| txn.set_global(schema::global::NEXT_MAILBOX, 2)),
        ("conversations", |txn| txn.set_global(schema::global::NEXT_THREAD, 1)),
        ("a record", |txn| Ok(txn.tables.env.remove(2).map(drop)?)),
        ("a record that cannot be read", |txn| Ok(txn.tables.env.insert(2, &b"\x01"[..]).map(drop)?)),
    ];
    for (what, corrupt) in cases {
        let f = filled().await;
        assert!(sound(&f.store).await);
        write_rows(&f.store, move |txn| {
            txn.mark_written();
            corrupt(txn)
        })
        .await
        .expect(what);
        assert!(!f.store.check().expect("check").is_empty(), "{what} is found");
        let found = repair(&f.store).await;
        assert!(found.iter().all(|problem| problem.fix.is_some()), "{what}: {found:?}");
        assert!(sound(&f.store).await, "{what}");
        assert_eq!(f.read_back(f.inbox, uid(2)).await, b"Two", "{what}");
        // UIDs and mod-sequences go on behind what was given out.
        assert_eq!(f.add(b"Four").await, uid(5), "{what}");
        assert!(sound(&f.store).await, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_rebuilt_from_octets() {
    let f = filled().await;
    write_rows(&f.store, |txn| {
        txn.mark_written();
        Ok(txn.tables.env.remove(1).map(drop)?)
    })
    .await
    .expect("removed");
    let found = repair(&f.store).await;
    assert_eq!(found.iter().map(|problem| problem.fix).collect::<Vec<_>>(), [Some(Fix::Record(BodyId(1)))]);
    assert!(sound(&f.store).await);
    let read = f.store.read(|reader| Ok(reader.record(BodyId(1))?.expect("a record").to_owned()));
    assert_eq!(read.await.expect("read"), record(b"One"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_message_is_told_and_not_taken_away() {
    let f = filled().await;
    let store = f.store.clone();
    tokio::task::spawn_blocking(move || store.0.bodies.remove(&[BodyId(1)])).await.expect("no panic").expect("removed");
    let found = repair(&f.store).await;
    assert!(found.iter().any(|problem| problem.what == "body 1 has no octets" && problem.fix.is_none()), "{found:?}");
    assert_eq!(f.counts(f.inbox).await.exists, 3);
    assert!(f.store.check_octets().expect("check").contains(&"body 1 has no octets".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sessions_show_follows_a_repair() {
    let f = filled().await;
    let watch = f.store.watch(f.inbox).await.expect("watch");
    write_rows(&f.store, |txn| {
        txn.mailbox_mut(MailboxId(1))?.counts.exists = 40;
        Ok(())
    })
    .await
    .expect("corrupted");
    assert_eq!(watch.current().expect("a version").counts.exists, 40);
    repair(&f.store).await;
    assert_eq!(watch.current().expect("a version").counts, f.counts(f.inbox).await);
    assert_eq!(f.counts(f.inbox).await.exists, 3);
}
