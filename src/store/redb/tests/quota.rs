//! What users have stored, and that none stores more than the quota.

use redb::ReadableTable;

use super::*;

impl Fixture {
    async fn usage(&self) -> (u64, u64) {
        let usage = self.store.usage(self.user).await.expect("read");
        assert_eq!(self.store.check().expect("check"), Vec::<String>::new());
        if let Some(quota) = self.store.quota(self.user) {
            assert_eq!(quota.storage.expect("a limit").used, usage.octets, "memory knows what is committed");
        }
        (usage.octets, usage.messages)
    }

    async fn limit(&self, octets: u64) {
        self.store.set_quota(self.user, Some(octets)).await.expect("set");
    }

    async fn try_add(&self, octets: &[u8]) -> Result<()> {
        let message = self.message(octets).await;
        self.store.append(self.inbox, vec![message]).await.map(drop)
    }

    async fn delivery(&self, octets: &[u8], unique_id: &str) -> Delivery {
        Delivery {
            account: self.store.ensure_account(self.user, "isp").await.expect("an account"),
            mailbox: self.inbox,
            message: self.message(octets).await,
            unique_id: Some(unique_id.into()),
            listed_size: 1,
            header_hash: [0; 16],
            delete_upstream: false,
            reused: false,
            merge: None,
        }
    }

    async fn expunge(&self, uids: &[(u32, u32)]) {
        let change = flags(FlagOp::Add, Flags::DELETED, &[]);
        self.store.set_flags(self.inbox, set(uids), change).await.expect("set");
        self.store.expunge(self.inbox, Some(set(uids))).await.expect("expunge");
    }
}

fn storage(used: u64, limit: u64) -> Quota {
    Quota { storage: Some(Share { used, limit }), messages: None }
}

fn is_over(result: &Result<()>, used: u64, limit: u64, wanted: u64) -> bool {
    matches!(result, Err(Error::OverQuota { quota, octets }) if *quota == storage(used, limit) && *octets == wanted)
}

#[tokio::test]
async fn every_change_of_a_mailbox_is_counted() {
    let f = fixture().await;
    assert_eq!(f.usage().await, (0, 0));
    f.limit(1 << 20).await;
    f.add(&[b'a'; 10]).await;
    f.add(&[b'a'; 10]).await;
    f.add(&[b'b'; 100]).await;
    // The octets are stored once, and counted for each message that has them.
    assert_eq!(f.usage().await, (120, 3));
    let archive = f.store.mailbox(f.user, &name("Archive")).await.expect("read").expect("Archive").id;
    f.store.copy(f.inbox, set(&[(2, 3)]), archive).await.expect("copy");
    assert_eq!(f.usage().await, (230, 5));
    f.store.move_messages(f.inbox, set(&[(1, 1)]), archive).await.expect("move");
    assert_eq!(f.usage().await, (230, 5));
    f.expunge(&[(2, 2)]).await;
    assert_eq!(f.usage().await, (220, 4));
    f.store.rename_mailbox(f.user, &name("INBOX"), &name("old")).await.expect("rename");
    assert_eq!(f.usage().await, (220, 4));
    f.store.delete_mailbox(f.user, &name("Archive")).await.expect("delete");
    assert_eq!(f.usage().await, (100, 1));
    let other = f.store.ensure_user("bob").await.expect("a user");
    assert_eq!(f.store.usage(other).await.expect("read"), Stored::default());
    assert_eq!(f.store.quota(other), None);
}

#[tokio::test]
async fn so_many_messages_are_stored_and_not_one_more() {
    let f = fixture().await;
    f.store.set_quota(f.user, QuotaLimit { octets: None, messages: Some(3) }).await.expect("set");
    let is_full = |result: Result<()>, used| {
        let quota = Quota { storage: None, messages: Some(Share { used, limit: 3 }) };
        matches!(result, Err(Error::OverQuota { quota: told, .. }) if told == quota)
    };
    f.add(b"one").await;
    let three = vec![f.message(b"2").await, f.message(b"3").await, f.message(b"4").await];
    assert!(is_full(f.store.append(f.inbox, three).await.map(drop), 1), "all or none");
    f.add(b"two").await;
    let archive = f.store.mailbox(f.user, &name("Archive")).await.expect("read").expect("Archive").id;
    assert!(is_full(f.store.copy(f.inbox, set(&[(1, 2)]), archive).await.map(drop), 2));
    f.store.copy(f.inbox, set(&[(2, 2)]), archive).await.expect("exactly at the limit");
    assert!(is_full(f.try_add(b"four").await, 3));
    let delivery = f.delivery(b"delivered", "uid-1").await;
    assert!(is_full(f.store.deliver(delivery).await.map(drop), 3));
    f.store.move_messages(f.inbox, set(&[(1, 2)]), archive).await.expect("MOVE adds nothing");
    // Octets are limited beside them.
    f.store.set_quota(f.user, QuotaLimit { octets: Some(9), messages: Some(4) }).await.expect("set");
    assert!(f.try_add(b"x").await.is_err(), "nine octets are there");
    let room = tokio::spawn({
        let (store, user) = (f.store.clone(), f.user);
        async move { store.room_for(user, 3).await }
    });
    f.store.set_flags(archive, set(&[(1, 1)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("set");
    f.store.expunge(archive, None).await.expect("expunge");
    room.await.expect("there is room");
    f.try_add(b"new").await.expect("fits");
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test]
async fn what_fits_exactly_is_stored_and_one_octet_more_is_not() {
    let f = fixture().await;
    f.limit(100).await;
    f.add(&[b'a'; 60]).await;
    assert!(is_over(&f.try_add(&[b'b'; 41]).await, 60, 100, 41));
    let two = vec![f.message(b"c").await, f.message(&[b'd'; 40]).await];
    let refused = f.store.append(f.inbox, two).await.map(drop);
    assert!(is_over(&refused, 60, 100, 41), "all or none: {refused:?}");
    f.try_add(&[b'b'; 40]).await.expect("exactly at the limit");
    assert_eq!(f.usage().await, (100, 2));
    assert!(is_over(&f.try_add(b"e").await, 100, 100, 1));
    let archive = f.store.mailbox(f.user, &name("Archive")).await.expect("read").expect("Archive").id;
    let copied = f.store.copy(f.inbox, set(&[(2, 2)]), archive).await.map(drop);
    assert!(is_over(&copied, 100, 100, 40), "{copied:?}");
    f.store.copy(f.inbox, set(&[(9, 9)]), archive).await.expect("nothing is copied");
    f.store.move_messages(f.inbox, set(&[(1, 2)]), archive).await.expect("MOVE adds nothing");
    // Lowered below what is there: nothing goes, nothing comes.
    f.limit(99).await;
    assert!(is_over(&f.try_add(b"e").await, 100, 99, 1));
    assert_eq!(f.usage().await, (100, 2));
    f.store.set_quota(f.user, None).await.expect("set");
    f.try_add(&[b'e'; 1000]).await.expect("no limit");
    assert_eq!(f.usage().await, (1100, 3));
}

/// A delivery that does not fit leaves nothing behind, not even the end of an earlier trouble; one that is known needs no
/// room; and those that were queued with it are stored.
#[tokio::test]
async fn a_delivery_that_does_not_fit_changes_nothing() {
    let f = fixture().await;
    f.limit(50).await;
    let delivered = f.store.deliver(f.delivery(&[b'a'; 50], "1").await).await.expect("fits");
    assert!(matches!(delivered, Delivered::Stored(_)));
    let large = f.delivery(&[b'b'; 60], "2").await;
    let account = large.account;
    let trouble = Trouble { tries: 1, last_try: 5, is_quarantined: false };
    f.store.set_troubles(account, vec![(b"2".to_vec(), Some(trouble))]).await.expect("set");
    assert!(is_over(&f.store.deliver(large).await.map(drop), 50, 50, 60));
    assert_eq!(f.store.troubles(account).await.expect("read").len(), 1);
    assert_eq!(f.store.ledger(account).await.expect("read").len(), 1);
    let known = f.store.deliver(f.delivery(&[b'a'; 50], "1").await).await;
    assert!(matches!(known, Ok(Delivered::Duplicate)), "{known:?}");
    let (mailbox, messages) = (f.inbox, vec![f.message(b"n").await]);
    let refused = f.store.quarantine(account, b"2".to_vec(), mailbox, messages).await;
    assert!(is_over(&refused, 50, 50, 1), "{refused:?}");

    f.limit(80).await;
    let (one, two, three) =
        (f.delivery(&[b'c'; 20], "3").await, f.delivery(&[b'd'; 20], "4").await, f.delivery(&[b'e'; 10], "5").await);
    let (one, two, three) = (f.store.submit(one).await, f.store.submit(two).await, f.store.submit(three).await);
    assert!(one.expect("queued").await.is_ok());
    assert!(is_over(&two.expect("queued").await.map(drop), 70, 80, 20));
    assert!(three.expect("queued").await.is_ok());
    assert_eq!(f.usage().await, (80, 3));
}

#[tokio::test]
async fn who_waits_for_room_wakes_when_there_is_enough() {
    let f = fixture().await;
    f.store.room_for(f.user, u64::MAX).await;
    f.limit(100).await;
    f.add(&[b'a'; 50]).await;
    f.add(&[b'b'; 50]).await;
    f.store.room_for(f.user, 0).await;
    let waiting = |octets| {
        let (store, user) = (f.store.clone(), f.user);
        tokio::spawn(async move { store.room_for(user, octets).await })
    };
    let (one, all, more) = (waiting(50), waiting(100), waiting(101));
    f.expunge(&[(1, 1)]).await;
    one.await.expect("room for 50");
    assert!(!all.is_finished() && !more.is_finished());
    f.expunge(&[(2, 2)]).await;
    all.await.expect("room for 100");
    assert!(!more.is_finished());
    f.store.set_quota(f.user, None).await.expect("set");
    more.await.expect("no limit");
}

#[tokio::test]
async fn usage_survives_and_is_counted_where_older_files_have_none() {
    let f = fixture().await;
    f.add(&[b'a'; 60]).await;
    f.store.ensure_user("bob").await.expect("a user");
    f.store.close().await.expect("close");
    let store = Store::open(&settings(f.dir.path())).expect("open");
    assert_eq!(store.usage(f.user).await.expect("read"), Stored { octets: 60, messages: 1 });
    assert_eq!(store.quota(f.user), None, "limits are said at each start");
    let older = write_rows(&store, |txn| {
        txn.mark_written();
        for user in [1, 2] {
            let row = txn.tables.user_state.get(user)?.map(|row| row.value().to_vec()).expect("a row");
            txn.tables.user_state.insert(user, &row[..row.len() - 16])?;
        }
        Ok(())
    });
    older.await.expect("written");
    assert_eq!(store.check().expect("check").len(), 1, "it is told where the counter is wrong");
    store.close().await.expect("close");
    let f = Fixture { store: Store::open(&settings(f.dir.path())).expect("open"), ..f };
    assert_eq!(f.usage().await, (60, 1));
}
