//! The store through its facade.

mod backup;
mod compact;
mod concurrency;
mod crash;
mod damage;
mod format;
mod full_disk;
mod ledger;
mod limits;
mod marks;
mod quota;
mod repair;
mod twins;
mod upkeep;

use std::time::Duration;

use super::txn::Txn;
use super::*;
use crate::mail::{
    AccountId, FlagList, FlagOp, Flags, InternalDate, Keyword, MailboxId, MailboxName, Message, ModSeq, SpecialUse,
    Uid, UidSet, UserId,
};
use crate::store::{
    Block, BodyCursor, BodyRow, Counts, Delivered, Delivery, Delta, FlagChange, LedgerChange, LedgerRow, LedgerState,
    MAX_ANNOTATION, NewMessage, Place, PollState, PreparedBody, Quota, QuotaLimit, Record, Share, Snapshot, Store,
    Stored, Trouble,
};

struct Fixture {
    store: Store,
    user: UserId,
    inbox: MailboxId,
    dir: tempfile::TempDir,
}

fn settings(dir: &std::path::Path) -> Settings {
    Settings { data_dir: dir.join("data"), cache_bytes: 16 << 20, gc_grace: Duration::ZERO }
}

async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&settings(dir.path())).expect("a new store");
    let user = store.ensure_user("alice").await.expect("a user");
    let inbox = store.mailbox(user, &MailboxName::inbox()).await.expect("read").expect("INBOX").id;
    Fixture { store, user, inbox, dir }
}

fn name(raw: &str) -> MailboxName {
    MailboxName::new(raw).expect("a name")
}

fn uid(n: u32) -> Uid {
    Uid::new(n).expect("a UID")
}

fn set(ranges: &[(u32, u32)]) -> UidSet {
    ranges.iter().copied().collect()
}

fn record(seed: &[u8]) -> Record {
    Record { envelope: seed.to_vec(), body: b"body".to_vec(), text_end: 9, sent_day: Some(-3), ..Record::default() }
}

/// Writes rows as no operation would.
async fn write_rows(store: &Store, mut write: impl FnMut(&mut Txn<'_>) -> Result<()> + Send + 'static) -> Result<()> {
    store.write(move |txn| txn.rows(&mut write)).await
}

impl Fixture {
    async fn prepare(&self, octets: &[u8]) -> PreparedBody {
        let mut writer = self.store.body_writer().await.expect("a writer");
        for piece in octets.chunks(1000) {
            writer.write(piece).await.expect("write");
        }
        writer.finish(record(b"envelope")).await.expect("durable")
    }

    async fn message(&self, octets: &[u8]) -> NewMessage {
        let body = self.prepare(octets).await;
        let internal_date = InternalDate { unix: 1_000_000_000, offset_minutes: -90 };
        NewMessage { body, flags: FlagList::default(), internal_date, account: None }
    }

    async fn add(&self, octets: &[u8]) -> Uid {
        let message = self.message(octets).await;
        self.store.append(self.inbox, vec![message]).await.expect("append").uids[0]
    }

    async fn read_back(&self, mailbox: MailboxId, at: Uid) -> Vec<u8> {
        let snapshot = self.store.watch(mailbox).await.expect("watch").current().expect("a version");
        let body = snapshot.find(at).expect("the message").body;
        self.store
            .read(move |reader| {
                let (mut cursor, mut out) = (BodyCursor::new(body, 0..u64::MAX), Vec::new());
                while !cursor.is_done() {
                    assert!(reader.read_body(&mut cursor, &mut out, 1 << 16)?);
                }
                Ok(out)
            })
            .await
            .expect("read")
    }

    async fn counts(&self, mailbox: MailboxId) -> Counts {
        let all = self.store.mailboxes(self.user).await.expect("read");
        all.iter().find(|m| m.id == mailbox).expect("the mailbox").counts
    }
}

fn flags(op: FlagOp, flags: Flags, keywords: &[&str]) -> FlagChange {
    let keywords = keywords.iter().map(|k| Keyword::new(k).expect("a keyword")).collect();
    FlagChange { op, list: FlagList { flags, keywords }, unchanged_since: None }
}

#[tokio::test]
async fn a_new_user_has_the_special_mailboxes_subscribed() {
    let f = fixture().await;
    let names: Vec<String> =
        f.store.mailboxes(f.user).await.expect("read").iter().map(|m| m.name.to_string()).collect();
    assert_eq!(names, ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]);
    assert_eq!(f.store.subscriptions(f.user).await.expect("read").len(), 6);
    assert_eq!(f.store.ensure_user("alice").await.expect("a user"), f.user);
    assert!(f.counts(f.inbox).await.highest_mod_seq >= ModSeq(1));
}

#[tokio::test]
async fn octets_come_back_as_they_were_also_in_part_and_after_reopening() {
    let mut f = fixture().await;
    let mut noise = 1u64;
    let mut octets: Vec<u8> = Vec::new();
    while octets.len() < 300_000 {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        octets.extend(noise.to_le_bytes());
    }
    let large = f.add(&octets).await;
    let empty = f.add(b"").await;
    assert_eq!(f.read_back(f.inbox, large).await, octets);
    assert_eq!(f.read_back(f.inbox, empty).await, b"");
    drop(f.store);
    f.store = Store::open(&settings(f.dir.path())).expect("the same store");
    assert_eq!(f.read_back(f.inbox, large).await, octets);
    let snapshot = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
    let body = snapshot.find(large).expect("the message").body;
    let (part, found) = f
        .store
        .read(move |reader| {
            let mut part = Vec::new();
            assert!(reader.read_body(&mut BodyCursor::new(body, 100_001..100_101), &mut part, 1 << 20)?);
            let record = reader.record(body)?.expect("a record");
            assert_eq!(
                (record.envelope(), record.body_structure(), record.sent_day()),
                (&b"envelope"[..], &b""[..], Some(-3))
            );
            Ok((part, record.to_owned()))
        })
        .await
        .expect("read");
    assert_eq!(part, octets[100_001..100_101]);
    assert_eq!(found, record(b"envelope"));
    f.store.close().await.expect("close");
    assert!(matches!(f.store.mailboxes(f.user).await, Err(Error::Closed)));
}

#[tokio::test]
async fn flags_change_only_what_they_alter() {
    let f = fixture().await;
    for n in 0..3 {
        f.add(&[n]).await;
    }
    let before = f.counts(f.inbox).await.highest_mod_seq;
    let change = flags(FlagOp::Add, Flags::SEEN, &["Work"]);
    let stored = f.store.set_flags(f.inbox, set(&[(2, 100)]), change.clone()).await.expect("store");
    assert_eq!((stored.applied, stored.missing), (set(&[(2, 3)]), UidSet::default()));
    let after = f.counts(f.inbox).await;
    assert_eq!((after.exists, after.unseen), (3, 1));
    assert!(after.highest_mod_seq > before);
    f.store.set_flags(f.inbox, set(&[(2, 2)]), change.clone()).await.expect("store");
    assert_eq!(f.counts(f.inbox).await, after);
    let old = FlagChange { unchanged_since: Some(before), ..flags(FlagOp::Replace, Flags::NONE, &["WORK"]) };
    let stored = f.store.set_flags(f.inbox, set(&[(1, 3)]), old).await.expect("store");
    assert_eq!((stored.applied, stored.modified), (set(&[(1, 1)]), set(&[(2, 3)])));
    let snapshot = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
    assert_eq!(snapshot.keywords.iter().map(Keyword::as_str).collect::<Vec<_>>(), ["Work"]);
}

#[tokio::test]
async fn copy_move_and_expunge_keep_what_they_must() {
    let f = fixture().await;
    let archive = f.store.mailbox(f.user, &name("Archive")).await.expect("read").expect("Archive").id;
    for n in 0..200u8 {
        f.add(&[n, 1]).await;
    }
    f.store.set_flags(f.inbox, set(&[(5, 5)]), flags(FlagOp::Add, Flags::FLAGGED, &["k"])).await.expect("store");
    let copied = f.store.copy(f.inbox, set(&[(5, 6), (300, 300)]), f.inbox).await.expect("copy");
    assert_eq!(copied.pairs, [(uid(5), uid(201)), (uid(6), uid(202))]);
    let moved = f.store.move_messages(f.inbox, set(&[(1, 150)]), archive).await.expect("move");
    assert_eq!((moved.pairs.len(), moved.pairs[4]), (150, (uid(5), uid(5))));
    assert_eq!((f.counts(f.inbox).await.exists, f.counts(archive).await.exists), (52, 150));
    let snapshot = f.store.watch(archive).await.expect("watch").current().expect("a version");
    assert!(snapshot.find(uid(5)).expect("moved").flags.contains(Flags::FLAGGED));
    assert_eq!(f.read_back(archive, uid(7)).await, [6, 1]);
    f.store.set_flags(f.inbox, set(&[(151, 160)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    let gone = f.store.expunge(f.inbox, Some(set(&[(1, 155)]))).await.expect("expunge");
    assert_eq!(gone, set(&[(151, 155)]));
    assert_eq!(f.store.expunge(f.inbox, None).await.expect("expunge"), set(&[(156, 160)]));
    let delta = f.store.changes_since(f.inbox, ModSeq(0)).await.expect("read");
    assert_eq!((delta.vanished, delta.changed.len()), (set(&[(1, 160)]), 42));
}

#[tokio::test]
async fn watchers_see_each_version_and_the_end() {
    let f = fixture().await;
    let archive = f.store.mailbox(f.user, &name("Archive")).await.expect("read").expect("Archive").id;
    f.add(b"0").await;
    let mut watch = f.store.watch(f.inbox).await.expect("watch");
    let first = watch.current().expect("a version");
    f.add(b"1").await;
    watch.changed().await;
    let second = watch.current().expect("a version");
    assert_eq!(second.diff(&first), Delta { appended: vec![uid(2)], ..Delta::default() });
    f.store.set_flags(f.inbox, set(&[(1, 1)]), flags(FlagOp::Add, Flags::SEEN, &[])).await.expect("store");
    f.store.move_messages(f.inbox, set(&[(2, 2)]), archive).await.expect("move");
    let third = watch.current().expect("a version");
    assert_eq!(third.diff(&second), Delta { changed: vec![uid(1)], vanished: set(&[(2, 2)]), ..Delta::default() });
    let mut other = f.store.watch(archive).await.expect("watch");
    assert_eq!(other.current().expect("a version").len(), 1);
    f.store.delete_mailbox(f.user, &name("Archive")).await.expect("delete");
    other.changed().await;
    assert!(other.current().is_none());
    assert!(matches!(f.store.watch(archive).await, Err(Error::NoMailbox)));
}

#[tokio::test]
async fn a_unique_id_is_stored_once_and_its_message_is_followed() {
    let f = fixture().await;
    let account = f.store.ensure_account(f.user, "isp").await.expect("an account");
    let archive = f.store.mailbox(f.user, &name("Archive")).await.expect("read").expect("Archive").id;
    let delivery = async |unique_id: Option<&[u8]>| {
        let message = NewMessage { account: Some(account), ..f.message(b"same octets").await };
        let unique_id = unique_id.map(<[u8]>::to_vec);
        let listed = Delivery {
            account,
            mailbox: f.inbox,
            message,
            unique_id,
            listed_size: 11,
            header_hash: [7; 16],
            delete_upstream: false,
            reused: false,
            merge: None,
        };
        f.store.deliver(listed).await.expect("deliver")
    };
    assert_eq!(delivery(Some(b"a")).await, Delivered::Stored(uid(1)));
    assert_eq!(delivery(Some(b"a")).await, Delivered::Duplicate);
    assert_eq!(delivery(None).await, Delivered::Stored(uid(2)));
    assert_eq!(delivery(None).await, Delivered::Duplicate);
    let changes = vec![
        LedgerChange::Adopt { from: b"a".to_vec(), to: b"b".to_vec() },
        LedgerChange::SetState(b"b".to_vec(), LedgerState::DeleteWanted),
    ];
    f.store.change_ledger(account, changes).await.expect("change");
    f.store.move_messages(f.inbox, set(&[(1, 2)]), archive).await.expect("move");
    let ledger = f.store.ledger(account).await.expect("read");
    assert_eq!(ledger.len(), 2);
    let row = &ledger[&b"b"[..]];
    assert_eq!((row.state, row.listed_size, row.header_hash), (LedgerState::DeleteWanted, 11, [7; 16]));
    assert!(matches!(row.place, Place::At(mailbox, _) if mailbox == archive));
    let without = f.store.ledger_without_places(account).await.expect("read");
    assert_eq!(without[&b"b"[..]], LedgerRow { place: Place::NotAsked, ..row.clone() });
    f.store.delete_mailbox(f.user, &name("Archive")).await.expect("delete");
    assert_eq!(f.store.ledger(account).await.expect("read")[&b"b"[..]].place, Place::Nowhere);
}

#[tokio::test]
async fn renaming_keeps_ids_and_inbox_stays() {
    let f = fixture().await;
    let child = f.store.create_mailbox(f.user, &name("a/b/c"), None).await.expect("create");
    assert!(matches!(f.store.create_mailbox(f.user, &name("a/b"), None).await, Err(Error::MailboxExists)));
    assert!(matches!(f.store.rename_mailbox(f.user, &name("a"), &name("a/x")).await, Err(Error::Refused(_))));
    f.store.delete_mailbox(f.user, &name("a")).await.expect("delete");
    assert_eq!(f.store.mailbox(f.user, &name("a/b/c")).await.expect("read").map(|m| m.id), Some(child));
    f.store.rename_mailbox(f.user, &name("a/b"), &name("x/y")).await.expect("rename");
    let found = f.store.mailbox(f.user, &name("x/y/c")).await.expect("read").expect("renamed");
    assert_eq!(found.id, child);
    assert!(f.store.mailbox(f.user, &name("a/b")).await.expect("read").is_none());
    f.add(b"1").await;
    f.store.rename_mailbox(f.user, &MailboxName::inbox(), &name("old/mail")).await.expect("rename");
    assert_eq!(f.counts(f.inbox).await.exists, 0);
    let moved = f.store.mailbox(f.user, &name("old/mail")).await.expect("read").expect("made");
    assert_eq!(moved.counts.exists, 1);
    assert!(moved.uid_validity > found.uid_validity);
}

/// A client reads a large message in pieces: none may start at the beginning of the stream again.
#[tokio::test]
async fn a_cursor_goes_on_from_piece_to_piece() {
    let f = fixture().await;
    let octets: Vec<u8> = (0..500_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let uid = f.add(&octets).await;
    let body = f.store.watch(f.inbox).await.expect("watch").current().expect("a version").find(uid).expect("it").body;
    let read = f.store.read(move |reader| {
        let (mut cursor, mut out, mut start) = (BodyCursor::new(body, 0..10), Vec::new(), 10);
        while !cursor.is_done() {
            assert!(reader.read_body(&mut cursor, &mut out, 1 << 20)?);
        }
        for size in [1, 70_000, 65_536, 100, 300_000, 262_144].into_iter().cycle() {
            let range = start..start + size;
            if !cursor.advance_to(body, &range) {
                break;
            }
            while !cursor.is_done() {
                assert!(reader.read_body(&mut cursor, &mut out, 4096)?);
            }
            start += size;
        }
        // Over a gap, which is skipped, and not backwards.
        let mut cursor = BodyCursor::new(body, 1_000..1_010);
        let mut part = Vec::new();
        while !cursor.is_done() {
            reader.read_body(&mut cursor, &mut part, 4096)?;
        }
        assert!(cursor.advance_to(body, &(500_000..500_010)) && !cursor.advance_to(body, &(0..10)));
        while !cursor.is_done() {
            reader.read_body(&mut cursor, &mut part, 4096)?;
        }
        assert!(cursor.advance_to(body, &(500_010..500_011)), "the step over the gap stops at its end");
        Ok((out, part))
    });
    let (out, part) = read.await.expect("read");
    assert!(out == octets, "{} of {} octets", out.len(), octets.len());
    assert_eq!(part, [&octets[1_000..1_010], &octets[500_000..500_010]].concat());
}

#[tokio::test]
async fn recent_is_claimed_once() {
    let mut f = fixture().await;
    f.add(b"1").await;
    assert_eq!(f.store.claim_recent(f.inbox, 2), 1);
    assert_eq!(f.store.claim_recent(f.inbox, 2), 2);
    assert_eq!(f.counts(f.inbox).await.recent_from, 2);
    f.store.close().await.expect("close");
    f.store = Store::open(&settings(f.dir.path())).expect("the same store");
    assert_eq!(f.store.claim_recent(f.inbox, 2), 2);
}
