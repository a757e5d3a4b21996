//! Many callers at once: no update lost, watchers end where the store does, one failed operation harms no other.

use std::sync::mpsc;

use std::time::Instant;

use super::*;
use crate::store::notify::{KEPT_FOR, MAX_KEPT};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_tasks_lose_no_update() {
    let f = fixture().await;
    let mut messages = Vec::new();
    for n in 0..70u8 {
        messages.push(f.message(&[n]).await);
    }
    f.store.append(f.inbox, messages).await.expect("append");
    let mut watch = f.store.watch(f.inbox).await.expect("watch");
    let first = watch.current().expect("a version");
    let follower = tokio::spawn(async move {
        let mut known = watch.current().expect("a version");
        let mut view: Vec<u128> = known.iter().map(|m| m.keywords.0).collect();
        while view.iter().any(|keywords| keywords.count_ones() < 50) {
            watch.changed().await;
            let newest = watch.current().expect("a version");
            assert!(newest.counts.highest_mod_seq > known.counts.highest_mod_seq);
            for uid in newest.diff(&known).changed {
                view[uid.value() as usize - 1] = newest.find(uid).expect("a message").keywords.0;
            }
            known = newest;
        }
        known
    });
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let (store, inbox) = (f.store.clone(), f.inbox);
            tokio::spawn(async move {
                let keyword = format!("k{task}");
                for half in [(1, 35), (36, 70)] {
                    let change = flags(FlagOp::Add, Flags::NONE, &[&keyword]);
                    let stored = store.set_flags(inbox, set(&[half]), change).await.expect("store");
                    assert_eq!(stored.applied.len(), 35);
                    // I6: what a caller was answered, a watcher could see before.
                    let seen = store.watch(inbox).await.expect("watch").current().expect("a version");
                    let bit = seen.keywords.iter().position(|k| k.as_str() == keyword).expect("in the table");
                    assert!(seen.find(uid(half.0)).expect("a message").keywords.contains(bit));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let followed = follower.await.expect("no panic");
    assert!(followed.iter().all(|m| m.keywords.0.count_ones() == 50));
    assert_eq!(followed.diff(&first).changed.len(), 70);
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_operation_of_a_batch_is_undone_alone() {
    let f = fixture().await;
    f.add(b"1").await;
    let (release, held) = mpsc::channel::<()>();
    let (begun, mut has_begun) = tokio::sync::mpsc::channel::<()>(1);
    let store = f.store.clone();
    let holder = tokio::spawn(async move {
        store
            .write(move |_| {
                assert!(begun.try_send(()).is_ok());
                // Ends when the sender is dropped.
                while held.recv().is_ok() {}
                Ok(())
            })
            .await
    });
    has_begun.recv().await.expect("the writer is held in a batch of its own");
    let inbox = f.inbox;
    let spoil = |is_panic: bool| {
        let store = f.store.clone();
        tokio::spawn(async move {
            let spoil = move |txn: &mut Txn<'_>| {
                txn.mailbox_mut(inbox)?.counts.exists += 7;
                if is_panic { panic!("on purpose") } else { Err(Error::Limit("on purpose")) }
            };
            write_rows(&store, spoil).await
        })
    };
    let set_flag = |keyword: &'static str| {
        let store = f.store.clone();
        let change = flags(FlagOp::Add, Flags::NONE, &[keyword]);
        tokio::spawn(async move { store.set_flags(inbox, set(&[(1, 1)]), change).await })
    };
    let (a, bad, worse, b) = (set_flag("a"), spoil(false), spoil(true), set_flag("b"));
    while f.store.0.meta.waiting() < 4 {
        tokio::task::yield_now().await;
    }
    drop(release);
    holder.await.expect("no panic").expect("held");
    a.await.expect("no panic").expect("store");
    b.await.expect("no panic").expect("store");
    assert!(matches!(bad.await.expect("answered"), Err(Error::Limit("on purpose"))));
    assert!(matches!(worse.await.expect("answered"), Err(Error::Internal(_))));
    assert_eq!(f.counts(f.inbox).await.exists, 1);
    let seen = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
    assert_eq!(seen.find(uid(1)).expect("a message").keywords.0.count_ones(), 2);
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_can_be_watched_while_it_changes() {
    let f = fixture().await;
    f.add(b"1").await;
    let writer = {
        let (store, inbox) = (f.store.clone(), f.inbox);
        tokio::spawn(async move {
            for n in 0..100 {
                let op = if n % 2 == 0 { FlagOp::Add } else { FlagOp::Remove };
                store.set_flags(inbox, set(&[(1, 1)]), flags(op, Flags::SEEN, &[])).await.expect("store");
            }
        })
    };
    while !writer.is_finished() {
        let watch = f.store.watch(f.inbox).await.expect("watch");
        let snapshot = watch.current().expect("a version");
        let message = snapshot.find(uid(1)).expect("a message");
        let unseen = u32::from(!message.flags.contains(Flags::SEEN));
        assert_eq!(snapshot.counts.unseen, unseen);
    }
    writer.await.expect("no panic");
    let snapshot = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
    assert_eq!(snapshot.counts, f.counts(f.inbox).await);
    assert!(!f.store.0.shared.live.is_watched(f.inbox), "nobody watches any more");
}

#[tokio::test]
async fn what_changes_nothing_commits_nothing() {
    let f = fixture().await;
    f.add(b"1").await;
    let commits = || f.store.metrics().commits();
    let before = commits();
    f.store.set_flags(f.inbox, set(&[(1, 9)]), flags(FlagOp::Remove, Flags::SEEN, &["none"])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    f.store.set_subscribed(f.user, &name("Sent"), true).await.expect("subscribe");
    assert_eq!(commits(), before);
    f.store.set_flags(f.inbox, set(&[(1, 9)]), flags(FlagOp::Add, Flags::SEEN, &[])).await.expect("store");
    assert_eq!(commits(), before + 1);
}

#[tokio::test]
async fn a_mailbox_stays_in_memory_for_a_while() {
    let f = fixture().await;
    f.add(b"1").await;
    let live = &f.store.0.shared.live;
    drop(f.store.watch(f.inbox).await.expect("watch"));
    assert!(!live.is_watched(f.inbox) && live.current(f.inbox).is_some(), "kept");
    f.add(b"2").await;
    assert_eq!(live.current(f.inbox).expect("kept").len(), 2, "and up to date");
    let watch = f.store.watch(f.inbox).await.expect("watch");
    assert_eq!(watch.current().expect("a version").counts, f.counts(f.inbox).await);
    live.forget(Instant::now() + KEPT_FOR);
    assert!(live.current(f.inbox).is_some(), "watched");
    drop(watch);
    live.forget(Instant::now() + KEPT_FOR - Duration::from_secs(1));
    assert!(live.current(f.inbox).is_some(), "not for long enough");
    live.forget(Instant::now() + KEPT_FOR);
    assert!(live.current(f.inbox).is_none(), "forgotten");
}

#[tokio::test]
async fn as_many_mailboxes_stay_in_memory_as_may() {
    let f = fixture().await;
    let live = &f.store.0.shared.live;
    let mut mailboxes = Vec::new();
    for n in 0..=MAX_KEPT {
        mailboxes.push(f.store.create_mailbox(f.user, &name(&format!("m{n}")), None).await.expect("create"));
    }
    let (last, others) = mailboxes.split_last().expect("some");
    for mailbox in others {
        drop(f.store.watch(*mailbox).await.expect("watch"));
    }
    assert!(others.iter().all(|mailbox| live.current(*mailbox).is_some()));
    drop(f.store.watch(*last).await.expect("watch"));
    assert!(live.current(others[0]).is_none(), "the one unwatched for longest is forgotten");
    assert!(mailboxes[1..].iter().all(|mailbox| live.current(*mailbox).is_some()));
    f.store.delete_mailbox(f.user, &name("m1")).await.expect("delete");
    assert!(live.current(others[1]).is_none());
    drop(f.store.watch(f.inbox).await.expect("watch"));
    assert!(live.current(others[2]).is_some(), "the deleted one counts no more");
}

#[tokio::test]
async fn as_many_messages_stay_in_memory_as_may() {
    let f = fixture().await;
    let live = &f.store.0.shared.live;
    let sent = f.store.mailbox(f.user, &name("Sent")).await.expect("read").expect("Sent").id;
    live.keep_rows(2);
    f.add(b"1").await;
    f.store.copy(f.inbox, set(&[(1, 1)]), sent).await.expect("copy");
    drop(f.store.watch(f.inbox).await.expect("watch"));
    drop(f.store.watch(sent).await.expect("watch"));
    assert!(live.current(f.inbox).is_some() && live.current(sent).is_some(), "two");
    f.add(b"2").await;
    assert!(live.current(f.inbox).is_none() && live.current(sent).is_some(), "three");
    f.add(b"3").await;
    drop(f.store.watch(f.inbox).await.expect("watch"));
    assert!(live.current(f.inbox).is_none(), "larger than all that may stay");
}
