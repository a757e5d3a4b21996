//! What a check finds in account views is rebuilt, and no message is lost by it.

use super::repair::{repair, sound};
use super::*;
use crate::store::AccountView;

const INBOX: MailboxId = MailboxId(1);

/// INBOX has UIDs 1 to 3 of the account, with twins of the same UIDs, and 4 of nobody; 2 is \Deleted in the view alone.
async fn filled() -> (Fixture, MailboxId) {
    let f = fixture().await;
    let account = f.store.ensure_account(f.user, "isp").await.expect("an account");
    let shown = AccountView { account, name: name("Accounts/isp") };
    assert!(f.store.set_account_views(f.user, vec![shown]).await.expect("shown").is_empty());
    for (octets, account) in
        [(&b"One"[..], Some(account)), (b"Two", Some(account)), (b"Three", Some(account)), (b"Mine", None)]
    {
        let message = NewMessage { account, ..f.message(octets).await };
        f.store.append(f.inbox, vec![message]).await.expect("append");
    }
    let view = f.store.mailbox(f.user, &name("Accounts/isp")).await.expect("read").expect("a view").id;
    f.store.set_flags(view, set(&[(2, 2)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    (f, view)
}

async fn rows(store: &Store, of: MailboxId) -> Vec<Message> {
    let snapshot = store.read(move |reader| reader.meta.snapshot(of)).await.expect("read");
    snapshot.iter().cloned().collect()
}

/// Changes the row of this UID, as no operation would.
fn change(txn: &mut Txn<'_>, of: MailboxId, at: u32, change: impl Fn(&mut Message)) -> Result<()> {
    let block = txn.block_mut(of, 0, ModSeq(0))?;
    block.messages.iter_mut().filter(|m| m.uid.value() == at).for_each(change);
    txn.mailbox_mut(of).map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_rebuilt_from_inbox() {
    type Corrupt = fn(&mut Txn<'_>, MailboxId) -> Result<()>;
    let cases: [(&str, Corrupt); 9] = [
        ("a row of the view is missing", |txn, view| txn.remove_rows(view, ModSeq(90), &set(&[(3, 3)])).map(drop)),
        ("the view has a row too many", |txn, view| {
            let mut row = txn.block(view, 0)?.messages[0].clone();
            row.twin = Some((INBOX, uid(4)));
            txn.insert_rows(view, ModSeq(90), vec![row]).map(drop)
        }),
        ("a row of the view has no twin", |txn, view| change(txn, view, 1, |m| m.twin = None)),
        ("a row of the view names another", |txn, view| change(txn, view, 1, |m| m.twin = Some((INBOX, uid(2))))),
        ("a row of INBOX has no twin", |txn, _| change(txn, INBOX, 1, |m| m.twin = None)),
        ("a row of INBOX names another", |txn, _| {
            change(txn, INBOX, 1, |m| m.twin = m.twin.map(|(at, _)| (at, uid(3))))
        }),
        ("a row of nobody has a twin", |txn, view| change(txn, INBOX, 4, move |m| m.twin = Some((view, uid(3))))),
        ("keywords differ", |txn, view| change(txn, view, 1, |m| m.keywords.0 = 0)),
        ("an account that there is not", |txn, _| {
            txn.mark_written();
            Ok(txn.tables.twin.insert((INBOX.0, 4, 77), 9).map(drop)?)
        }),
    ];
    for (what, corrupt) in cases {
        let (f, view) = filled().await;
        f.store.set_flags(f.inbox, set(&[(1, 1)]), flags(FlagOp::Add, Flags::default(), &["k"])).await.expect("store");
        let before = rows(&f.store, f.inbox).await;
        assert!(sound(&f.store).await, "{what}");
        write_rows(&f.store, move |txn| corrupt(txn, view)).await.expect(what);
        assert!(!f.store.check().expect("check").is_empty(), "{what} is found");
        let found = repair(&f.store).await;
        assert!(found.iter().all(|problem| problem.fix.is_some()), "{what}: {found:?}");
        assert!(sound(&f.store).await, "{what}");
        let after = rows(&f.store, f.inbox).await;
        let octets = |rows: &[Message]| rows.iter().map(|m| (m.uid, m.body, m.flags, m.keywords)).collect::<Vec<_>>();
        assert_eq!(octets(&after), octets(&before), "{what}: INBOX is what it was");
        let shown: Vec<_> = rows(&f.store, view).await.iter().map(|m| m.body).collect();
        assert_eq!(shown.len(), 3, "{what}");
        // Both sides go on as one.
        f.store.set_flags(f.inbox, set(&[(1, 3)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
        f.store.expunge(f.inbox, None).await.expect("expunge");
        assert!(rows(&f.store, view).await.is_empty() && sound(&f.store).await, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_view_has_left_goes_back_to_inbox() {
    let (f, view) = filled().await;
    write_rows(&f.store, |txn| {
        txn.block_mut(INBOX, 0, ModSeq(0))?.messages.retain(|m| m.uid != uid(2));
        txn.mailbox_mut(INBOX).map(drop)
    })
    .await
    .expect("lost");
    repair(&f.store).await;
    assert!(sound(&f.store).await);
    assert_eq!(f.counts(f.inbox).await.exists, 4);
    assert_eq!(f.read_back(f.inbox, uid(5)).await, b"Two");
    assert_eq!(rows(&f.store, view).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_whose_mailbox_is_gone_is_forgotten_and_can_be_shown_again() {
    let (f, view) = filled().await;
    write_rows(&f.store, move |txn| {
        let user = txn.mailbox(view)?.user;
        txn.tables.mailbox_name.remove((user.0, "Accounts/isp"))?;
        txn.remove_mailbox(view)
    })
    .await
    .expect("lost");
    let found = repair(&f.store).await;
    assert!(!found.is_empty() && found.iter().all(|problem| problem.fix.is_some()), "{found:?}");
    assert!(sound(&f.store).await);
    assert_eq!(f.counts(f.inbox).await.exists, 4);
    let account = f.store.ensure_account(f.user, "isp").await.expect("an account");
    let shown = AccountView { account, name: name("Accounts/isp") };
    f.store.set_account_views(f.user, vec![shown]).await.expect("shown");
    let view = f.store.mailbox(f.user, &name("Accounts/isp")).await.expect("read").expect("a view").id;
    assert_eq!(rows(&f.store, view).await.len(), 3);
    assert!(sound(&f.store).await);
}
