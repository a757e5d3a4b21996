//! Intake against a store in memory.

use std::time::Duration;

use super::*;
use crate::mail::{BodyId, FlagList, MailboxName};
use crate::store::{BodyCursor, NewMessage, Record, Store};

fn open() -> Store {
    Store::in_memory(Duration::ZERO).expect("the store opens")
}

/// Takes a message in pieces and appends it to INBOX.
async fn taken(store: &Store, pieces: impl IntoIterator<Item = &[u8]>) -> (BodyId, [u8; 16]) {
    let mut intake = Intake::begin(store).await.expect("begins");
    for piece in pieces {
        intake.write(piece).await.expect("is written");
    }
    let prepared = intake.finish().await.expect("is finished");
    let user = store.ensure_user("test").await.expect("a user");
    let inbox = store.mailbox(user, &MailboxName::inbox()).await.expect("mailboxes").expect("INBOX").id;
    let internal_date = prepared.received.unwrap_or_default();
    let message = NewMessage { body: prepared.body, flags: FlagList::default(), internal_date, account: None };
    store.append(inbox, vec![message]).await.expect("is appended");
    let snapshot = store.watch(inbox).await.expect("INBOX").current().expect("INBOX");
    let last = snapshot.iter().next_back().expect("a message");
    assert_eq!(last.internal_date, internal_date);
    (last.body, prepared.header_hash)
}

async fn stored(store: &Store, body: BodyId) -> (Vec<u8>, Record, Vec<u8>) {
    store
        .read(move |reader| {
            let (mut bytes, mut text) = (Vec::new(), Vec::new());
            let mut cursor = BodyCursor::new(body, 0..u64::MAX);
            while !cursor.is_done() {
                reader.read_body(&mut cursor, &mut bytes, 1 << 20)?;
            }
            let record = reader.record(body)?.expect("a record").to_owned();
            let mut scanner = Scanner::new(Limits::default());
            scanner.feed(&bytes[..bytes.len().min(record.text_end as usize)], &mut text);
            scanner.finish(&mut text);
            Ok((bytes, record, text))
        })
        .await
        .expect("is read")
}

#[tokio::test]
async fn everything_that_fetch_needs() {
    let store = open();
    let message = b"Received: by a; 2 Jan 1970 00:00:00 +0100\nSubject: =?utf-8?q?=C3=89?=\nDate: 1 Jan 1970 00:00:00 +0000\n\nBody\n";
    let (body, hash) = taken(&store, message.chunks(3)).await;
    let (bytes, record, text) = stored(&store, body).await;
    let wanted = String::from_utf8_lossy(message).replace('\n', "\r\n").into_bytes();
    assert_eq!(bytes, wanted);
    assert_eq!(text, b"body\r\n\n");
    assert_eq!(record.sent_day, Some(0));
    assert_eq!(hash, crate::mime::header_hash(&wanted[..wanted.len() - 6]));
    assert!(record.envelope.starts_with(b"(\"1 Jan 1970 00:00:00 +0000\" \"=?utf-8?q?=C3=89?=\" NIL"));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn any_octets() {
    let store = open();
    let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    for message in [b"".as_slice(), b"\0", b"\r", &all, b"\xff\xfe: \0\r\r\n\n"] {
        let (body, _) = taken(&store, message.chunks(1)).await;
        let mut line_ends = LineEnds::default();
        let mut wanted = Vec::new();
        line_ends.convert(message, &mut wanted);
        assert_eq!(stored(&store, body).await.0, wanted);
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_is_told_apart_is_limited_and_derived_again_likewise() {
    let store = open();
    store.limit_parsing(Limits { depth: 2, ..Limits::default() });
    let message =
        b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n".as_slice();
    let (body, _) = taken(&store, [message]).await;
    let (bytes, record, _) = stored(&store, body).await;
    assert_eq!(bytes, message);
    assert!(String::from_utf8_lossy(&record.body).contains("octet-stream"));
    let mut derivation = Box::new(Derivation::new(store.parse_limits()));
    store::Derive::feed(&mut *derivation, message);
    assert_eq!(store::Derive::finish(derivation).body, record.body);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_large_message() {
    let store = open();
    let header =
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n--b\r\nContent-Type: image/png\r\n\r\n";
    let block = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n".repeat(1000);
    let blocks = (50 << 20) / block.len();
    let pieces = std::iter::once(header.as_slice()).chain(std::iter::repeat_n(block.as_slice(), blocks));
    let (body, _) = taken(&store, pieces.chain([b"--b--\r\n".as_slice()])).await;
    let size = header.len() + blocks * block.len() + 7;
    let (bytes, record, text) = stored(&store, body).await;
    assert_eq!(bytes.len(), size);
    assert!(bytes.ends_with(b"\r\n--b--\r\n"));
    assert_eq!(text, b"hi\r\n\n\0content-type: image/png\n");
    let octets = blocks * block.len() - 2;
    assert!(String::from_utf8_lossy(&record.body).contains(&format!("\"7bit\" {octets})")));
    store.close().await.expect("closes");
}

#[test]
fn intake_moves_between_threads() {
    fn sent<T: Send>(_: impl Fn(&'static Store) -> T) {}
    sent(|store| async move {
        let mut intake = Intake::begin(store).await?;
        intake.write(b"x").await?;
        intake.finish().await
    });
}
