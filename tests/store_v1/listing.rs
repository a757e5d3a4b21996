//! What a store holds, as text: one line a thing, in an order of its own.

use std::fmt::Write as _;

use tributary::mail::{AccountId, BodyId, Message, ModSeq, ThreadId, UserId};
use tributary::mime::{PartTable, Want};
use tributary::store::{BodyCursor, LedgerRow, Place, Reader, Result, Store};

/// Lists users `names`, each with an account `isp`, and what is known of `dead`, a body that no message has any more.
pub(crate) async fn list(store: &Store, names: &[&str], dead: BodyId) -> String {
    let mut out = String::new();
    for name in names {
        let user = store.ensure_user(name).await.expect("a user");
        let account = store.ensure_account(user, "isp").await.expect("an account");
        writeln!(out, "user {name} {user:?} {account:?}").expect("write");
        mailboxes(store, user, &mut out).await;
        account_rows(store, account, &mut out).await;
    }
    let line = store.read(move |reader| octets(reader, dead)).await.expect("read");
    writeln!(out, "dead {dead:?} {}", digest(&line.expect("a dead body"))).expect("write");
    out
}

async fn mailboxes(store: &Store, user: UserId, out: &mut String) {
    for name in store.subscriptions(user).await.expect("read") {
        writeln!(out, "subscribed {name:?}").expect("write");
    }
    for mailbox in store.mailboxes(user).await.expect("read") {
        // That version had no account views.
        assert!(mailbox.view.is_none());
        writeln!(out, "{}", format!("{mailbox:?}").replace(" view: None,", "")).expect("write");
        let vanished = store.changes_since(mailbox.id, ModSeq(0)).await.expect("read").vanished;
        writeln!(out, "  vanished {:?}", vanished.ranges()).expect("write");
        let snapshot = store.watch(mailbox.id).await.expect("watch").current().expect("a version");
        for message in snapshot.iter().cloned() {
            let keywords: Vec<_> = message.keywords.iter().map(|k| snapshot.keywords[k].as_str().to_owned()).collect();
            let derived = message.clone();
            let line = store.read(move |reader| derived_line(reader, &derived)).await.expect("read");
            // That version gave no message a conversation.
            let message = Message { thread: ThreadId(0), ..message };
            writeln!(out, "  {message:?} {keywords:?}\n    {line}").expect("write");
        }
    }
}

fn derived_line(reader: &Reader, message: &Message) -> Result<String> {
    let octets = octets(reader, message.body)?.expect("octets");
    let record = reader.record(message.body)?.expect("a record");
    let header = PartTable::from_bytes(record.parts()).section(&[], Want::Header).expect("a header");
    let strings = [record.envelope(), record.body(), record.body_structure(), record.parts()].map(digest);
    let header = digest(&octets[header.start as usize..header.end as usize]);
    Ok(format!("{} {header} {} {:?}", digest(&octets), strings.join(" "), record.sent_day()))
}

fn octets(reader: &Reader, body: BodyId) -> Result<Option<Vec<u8>>> {
    let (mut cursor, mut out) = (BodyCursor::new(body, 0..u64::MAX), Vec::new());
    while !cursor.is_done() {
        if !reader.read_body(&mut cursor, &mut out, 100_000)? {
            return Ok(None);
        }
    }
    Ok(Some(out))
}

async fn account_rows(store: &Store, account: AccountId, out: &mut String) {
    let mut rows: Vec<_> = store.ledger(account).await.expect("read").into_iter().collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, row) in rows {
        writeln!(out, "  ledger {} {}", key.escape_ascii(), ledger_row(&row)).expect("write");
    }
    let mut rows: Vec<_> = store.troubles(account).await.expect("read").into_iter().collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, row) in rows {
        writeln!(out, "  trouble {} {row:?}", key.escape_ascii()).expect("write");
    }
    writeln!(out, "  {:?}", store.poll_state(account).await.expect("read")).expect("write");
}

fn digest(bytes: &[u8]) -> String {
    format!("{}:{}", bytes.len(), &blake3::hash(bytes).to_hex()[..16])
}

/// In the words of the version that made the listing.
fn ledger_row(row: &LedgerRow) -> String {
    let LedgerRow { state, place, body, listed_size, header_hash, stored_at, content, merged } = row;
    // The store is older than messages delivered to two accounts.
    assert_eq!(*merged, None);
    let message = match place {
        Place::At(mailbox, uid) => Some((mailbox, uid)),
        Place::Nowhere | Place::NotAsked => None,
    };
    format!(
        "LedgerRow {{ state: {state:?}, message: {message:?}, body: {body:?}, listed_size: {listed_size}, \
         header_hash: {header_hash:?}, stored_at: {stored_at}, content: {content:?} }}"
    )
}
