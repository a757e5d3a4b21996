//! The ledger and what else is kept of an account: rows of messages that were skipped, unique-ids that were given away
//! twice, messages in trouble, the state of polling.

use super::*;

/// A fixture with an account.
async fn account() -> (Fixture, AccountId) {
    let f = fixture().await;
    let account = f.store.ensure_account(f.user, "isp").await.expect("an account");
    (f, account)
}

impl Fixture {
    async fn deliver(&self, account: AccountId, unique_id: &[u8], octets: &[u8], reused: bool) -> Delivered {
        let delivery = Delivery {
            account,
            mailbox: self.inbox,
            message: NewMessage { account: Some(account), ..self.message(octets).await },
            unique_id: Some(unique_id.to_vec()),
            listed_size: octets.len() as u64,
            header_hash: [octets[0]; 16],
            delete_upstream: false,
            reused,
            merge: None,
        };
        self.store.deliver(delivery).await.expect("deliver")
    }

    async fn row(&self, account: AccountId, unique_id: &[u8]) -> Option<LedgerRow> {
        self.store.ledger(account).await.expect("read").remove(unique_id)
    }

    async fn expunge_all(&self) {
        let all = set(&[(1, u32::MAX)]);
        self.store.set_flags(self.inbox, all, flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
        self.store.expunge(self.inbox, None).await.expect("expunge");
    }

    fn is_sound(&self) {
        assert_eq!(self.store.check().expect("check"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_skipped_message_is_known_and_can_be_fetched_after_all() {
    let (f, account) = account().await;
    let skip = |id: &[u8]| LedgerChange::Skip { unique_id: id.to_vec(), listed_size: 5, header_hash: [0; 16] };
    f.deliver(account, b"here", b"octets", false).await;
    let changes = vec![skip(b"old"), skip(b"here"), LedgerChange::EndFirstPoll];
    f.store.change_ledger(account, changes).await.expect("change");
    assert!(f.store.poll_state(account).await.expect("read").first_poll_done);
    let row = f.row(account, b"old").await.expect("a row");
    assert_eq!((row.state, row.place, row.body, row.listed_size), (LedgerState::Skipped, Place::Nowhere, None, 5));
    assert_eq!(f.row(account, b"here").await.expect("a row").state, LedgerState::Stored);
    let adopt = LedgerChange::Adopt { from: b"old".to_vec(), to: b"new".to_vec() };
    f.store.change_ledger(account, vec![adopt, LedgerChange::Resize(b"new".to_vec(), 6)]).await.expect("change");
    let row = f.row(account, b"new").await.expect("a row");
    assert_eq!((row.state, row.listed_size), (LedgerState::Skipped, 6));
    f.is_sound();
    assert_eq!(f.deliver(account, b"new", b"skipped", false).await, Delivered::Stored(uid(2)));
    assert_eq!(f.row(account, b"new").await.expect("a row").state, LedgerState::Stored);
    assert_eq!(f.deliver(account, b"new", b"skipped", false).await, Delivered::Duplicate);
    f.is_sound();
}

#[tokio::test]
async fn a_reused_unique_id_loses_no_message_and_doubles_none() {
    let (f, account) = account().await;
    assert_eq!(f.deliver(account, b"1", b"first", false).await, Delivered::Stored(uid(1)));
    assert_eq!(f.deliver(account, b"1", b"other", false).await, Delivered::Duplicate, "the unique-id is believed");
    assert_eq!(f.deliver(account, b"1", b"first", true).await, Delivered::Duplicate, "the same octets");
    assert_eq!(f.deliver(account, b"1", b"second", true).await, Delivered::Stored(uid(2)));
    assert_eq!(f.row(account, b"1").await.expect("a row").place, Place::At(f.inbox, uid(2)));
    f.expunge_all().await;
    assert_eq!(f.deliver(account, b"1", b"second", true).await, Delivered::Duplicate, "expunged, and still known");
    f.store.collect().await.expect("collect");
    assert_eq!(f.deliver(account, b"1", b"second", true).await, Delivered::Duplicate, "the header is still known");
    assert_eq!(f.deliver(account, b"1", b"third", true).await, Delivered::Stored(uid(3)));
    f.is_sound();
}

#[tokio::test]
async fn a_message_in_trouble_is_quarantined_once_and_forgotten_when_it_arrives() {
    let (f, account) = account().await;
    let trouble = Trouble { tries: 3, last_try: 7, is_quarantined: false };
    let troubles = vec![(b"bad".to_vec(), Some(trouble)), (b"gone".to_vec(), Some(trouble))];
    f.store.set_troubles(account, troubles).await.expect("set");
    assert_eq!(f.store.troubles(account).await.expect("read")[&b"bad"[..]], trouble);
    for _ in 0..2 {
        let messages = vec![f.message(b"what could be had").await, f.message(b"notice").await];
        f.store.quarantine(account, b"bad".to_vec(), f.inbox, messages).await.expect("quarantine");
        assert_eq!(f.counts(f.inbox).await.exists, 2, "delivered once");
    }
    let kept = f.store.troubles(account).await.expect("read")[&b"bad"[..]];
    assert!(kept.is_quarantined && kept.tries == 3 && kept.last_try > 7);
    assert_eq!(f.row(account, b"bad").await, None, "it is not stored");
    assert_eq!(f.deliver(account, b"bad", b"whole", false).await, Delivered::Stored(uid(3)));
    f.store.set_troubles(account, vec![(b"gone".to_vec(), None)]).await.expect("set");
    assert!(f.store.troubles(account).await.expect("read").is_empty());
    f.is_sound();
}

#[tokio::test]
async fn the_state_of_polling_outlives_the_process() {
    let (mut f, account) = account().await;
    assert_eq!(f.store.poll_state(account).await.expect("read"), PollState::default());
    let state = PollState { is_paused: true, failures: 3, not_before: 99, ..PollState::default() };
    let told = f.store.change_poll_state(account, move |kept| *kept = state).await.expect("change");
    assert_eq!(told, state);
    f.store.close().await.expect("close");
    f.store = Store::open(&settings(f.dir.path())).expect("open");
    assert_eq!(f.store.poll_state(account).await.expect("read"), state);
    let other = f.store.ensure_account(f.user, "other").await.expect("an account");
    assert_eq!(f.store.poll_state(other).await.expect("read"), PollState::default());
    assert!(f.store.troubles(other).await.expect("read").is_empty());
}
