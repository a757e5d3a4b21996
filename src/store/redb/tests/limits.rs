//! Every limit at its value and one past it.

use super::*;
use crate::mail::{MAX_KEYWORDS, MAX_UID};
use crate::store::common::{MAX_MAILBOXES, MAX_SUBSCRIPTIONS};

#[tokio::test]
async fn keywords_of_a_user() {
    let f = fixture().await;
    f.add(b"1").await;
    for n in 0..MAX_KEYWORDS {
        let change = flags(FlagOp::Add, Flags::NONE, &[&format!("k{n}")]);
        f.store.set_flags(f.inbox, set(&[(1, 1)]), change).await.expect("within the limit");
    }
    let before = f.counts(f.inbox).await;
    let refused = f.store.set_flags(f.inbox, set(&[(1, 1)]), flags(FlagOp::Add, Flags::SEEN, &["one", "K0"])).await;
    assert!(matches!(refused, Err(Error::Limit(_))));
    assert_eq!(f.counts(f.inbox).await, before);
    f.store
        .set_flags(f.inbox, set(&[(1, 1)]), flags(FlagOp::Remove, Flags::NONE, &["K0", "one"]))
        .await
        .expect("known");
    let mut message = f.message(b"2").await;
    message.flags.keywords.push(Keyword::new("one").expect("a keyword"));
    assert!(matches!(f.store.append(f.inbox, vec![message]).await, Err(Error::Limit(_))));
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test]
async fn uids_of_a_mailbox() {
    let f = fixture().await;
    let inbox = f.inbox;
    let jump = write_rows(&f.store, move |txn| {
        txn.mailbox_mut(inbox)?.counts.uid_next = MAX_UID;
        Ok(())
    });
    jump.await.expect("set");
    let two = vec![f.message(b"1").await, f.message(b"2").await];
    assert!(matches!(f.store.append(f.inbox, two).await, Err(Error::Limit(_))));
    assert_eq!(f.add(b"last").await, uid(MAX_UID));
    let one = vec![f.message(b"3").await];
    assert!(matches!(f.store.append(f.inbox, one).await, Err(Error::Limit(_))));
    assert!(matches!(f.store.copy(f.inbox, set(&[(1, MAX_UID)]), f.inbox).await, Err(Error::Limit(_))));
    let snapshot = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
    assert_eq!((snapshot.len(), snapshot.position(uid(MAX_UID)), snapshot.position(uid(3))), (1, Ok(0), Err(0)));
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test]
async fn mailboxes_of_a_user() {
    let f = fixture().await;
    let user = f.user;
    let fill = write_rows(&f.store, move |txn| {
        for n in 6..MAX_MAILBOXES - 2 {
            txn.add_mailbox(user, &name(&format!("m{n}")), None)?;
        }
        Ok(())
    });
    fill.await.expect("filled");
    assert!(matches!(f.store.create_mailbox(user, &name("a/b/c"), None).await, Err(Error::Limit(_))));
    f.store.create_mailbox(user, &name("a/b"), None).await.expect("the last two");
    assert!(matches!(f.store.create_mailbox(user, &name("one"), None).await, Err(Error::Limit(_))));
    assert!(matches!(f.store.rename_mailbox(user, &name("m7"), &name("n/m7")).await, Err(Error::Limit(_))));
    f.store.rename_mailbox(user, &name("m7"), &name("n")).await.expect("no more mailboxes than before");
}

#[tokio::test]
async fn subscriptions_of_a_user() {
    let f = fixture().await;
    let user = f.user;
    let fill = write_rows(&f.store, move |txn| {
        txn.mark_written();
        for n in 6..MAX_SUBSCRIPTIONS - 1 {
            txn.tables.subscription.insert((user.0, format!("s{n}").as_str()), ())?;
        }
        Ok(())
    });
    fill.await.expect("filled");
    f.store.set_subscribed(user, &name("last"), true).await.expect("the last");
    assert!(matches!(f.store.set_subscribed(user, &name("one"), true).await, Err(Error::Limit(_))));
    f.store.set_subscribed(user, &name("last"), false).await.expect("fewer");
    f.store.set_subscribed(user, &name("one"), true).await.expect("the last again");
}

#[tokio::test]
async fn a_special_use_is_of_one_mailbox() {
    let f = fixture().await;
    f.store.create_mailbox(f.user, &name("Bin"), Some(SpecialUse::Trash)).await.expect("create");
    let mailboxes = f.store.mailboxes(f.user).await.expect("mailboxes");
    let with_it = mailboxes.iter().filter(|m| m.special_use == Some(SpecialUse::Trash));
    assert_eq!(with_it.map(|m| m.name.as_str()).collect::<Vec<_>>(), ["Bin"]);
}

#[tokio::test]
async fn one_user_never_reaches_another() {
    let f = fixture().await;
    f.add(b"1").await;
    let other = f.store.ensure_user("bob").await.expect("a user");
    let inbox = f.store.mailbox(other, &MailboxName::inbox()).await.expect("read").expect("INBOX").id;
    assert!(matches!(f.store.copy(f.inbox, set(&[(1, 1)]), inbox).await, Err(Error::NoMailbox)));
    assert!(matches!(f.store.move_messages(f.inbox, set(&[(1, 1)]), inbox).await, Err(Error::NoMailbox)));
    let account = f.store.ensure_account(f.user, "isp").await.expect("an account");
    let message = NewMessage { account: Some(account), ..f.message(b"2").await };
    let crossed = Delivery {
        account,
        mailbox: inbox,
        message,
        unique_id: None,
        listed_size: 0,
        header_hash: [0; 16],
        delete_upstream: false,
        reused: false,
        merge: None,
    };
    assert!(matches!(f.store.deliver(crossed).await, Err(Error::NoMailbox)));
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}
