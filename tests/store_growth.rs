//! The files do not grow while half of the mail is deleted and as much comes in, again and again.

use std::time::Duration;

use tributary::ingest::Intake;
use tributary::mail::{FlagList, FlagOp, Flags, InternalDate, MailboxId, MailboxName, UidSet};
use tributary::store::{FlagChange, NewMessage, Settings, Store};

/// Mail of many lengths, which does not compress to nothing: `n` is in every line.
fn message(n: u64) -> Vec<u8> {
    let mut random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = format!("From: {n}@example.org\r\nSubject: message {n}\r\n\r\n").into_bytes();
    let lines = 5 + n % 37 * (1 + n % 11 * 3);
    for _ in 0..lines {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n);
        out.extend_from_slice(format!("{n} {random:x} {:x}\r\n", random.rotate_left(17)).as_bytes());
    }
    out
}

async fn load(store: &Store, inbox: MailboxId, numbers: std::ops::Range<u64>) {
    let mut messages = Vec::new();
    for n in numbers {
        let mut intake = Intake::begin(store).await.expect("begun");
        intake.write(&message(n)).await.expect("written");
        let body = intake.finish().await.expect("durable").body;
        let internal_date = InternalDate::default();
        messages.push(NewMessage { body, flags: FlagList::default(), internal_date, account: None });
        if messages.len() == 10 {
            store.append(inbox, std::mem::take(&mut messages)).await.expect("appended");
        }
    }
}

#[tokio::test]
async fn twenty_cycles_of_half_deleted_and_refilled() {
    const MESSAGES: u64 = 200;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = Settings { data_dir: dir.path().join("data"), cache_bytes: 8 << 20, gc_grace: Duration::ZERO };
    let store = Store::open(&settings).expect("opens");
    let user = store.ensure_user("alice").await.expect("a user");
    let inbox = store.mailbox(user, &MailboxName::inbox()).await.expect("read").expect("INBOX").id;
    load(&store, inbox, 0..MESSAGES).await;
    let mut sizes = Vec::new();
    for cycle in 1..=20 {
        let view = store.watch(inbox).await.expect("watch").current().expect("a version");
        let half: UidSet = view.iter().step_by(2).map(|message| message.uid).collect();
        let list = FlagList { flags: Flags::DELETED, ..FlagList::default() };
        let change = FlagChange { op: FlagOp::Add, list, unchanged_since: None };
        store.set_flags(inbox, half, change).await.expect("stored");
        store.expunge(inbox, None).await.expect("expunged");
        store.collect().await.expect("collected");
        load(&store, inbox, cycle * 1000..cycle * 1000 + MESSAGES / 2).await;
        let now = store.sizes().await.expect("sizes");
        sizes.push(now.meta + now.blobs);
    }
    // The mail is not the same each time: some room for that.
    let (early, late) = (sizes[2], sizes[19]);
    assert!(late <= early + early / 5, "{sizes:?}");
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
    store.close().await.expect("closes");
}
