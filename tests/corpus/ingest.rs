//! The corpus through ingest and the store: what goes in comes out, with every bare LF made CRLF and nothing else changed.

use std::time::Duration;

use tributary::ingest::Intake;
use tributary::mail::{FlagList, MailboxName};
use tributary::mime::{PartTable, Want};
use tributary::store::{BodyCursor, NewMessage, Store};

use crate::messages;

#[tokio::test]
async fn bytes_in_are_bytes_out() {
    let Some(path) = messages::find() else { return };
    let cases = messages::load(&path);
    let store = Store::in_memory(Duration::ZERO).expect("the store opens");
    let user = store.ensure_user("test").await.expect("a user");
    let inbox = store.mailbox(user, &MailboxName::inbox()).await.expect("mailboxes").expect("INBOX").id;

    let mut new = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let file = std::fs::read(path.join(&case.path)).expect("a message is readable");
        let mut intake = Intake::begin(&store).await.expect("a message begins");
        for piece in file.chunks(1 + index * 97 % 70_000) {
            intake.write(piece).await.expect("a piece is taken");
        }
        let prepared = intake.finish().await.expect("a message is taken");
        assert_eq!(prepared.body.size(), case.message.len() as u64, "{}", case.path);
        let internal_date = prepared.received.unwrap_or_default();
        new.push(NewMessage { body: prepared.body, flags: FlagList::default(), internal_date, account: None });
    }
    let appended = store.append(inbox, new).await.expect("all are appended");
    assert_eq!(appended.uids.len(), cases.len());

    let snapshot = store.watch(inbox).await.expect("INBOX").current().expect("INBOX");
    let bodies: Vec<_> = snapshot.iter().map(|message| message.body).collect();
    let read = store.read(move |reader| {
        let mut read = Vec::new();
        for body in bodies {
            let mut bytes = Vec::new();
            let mut cursor = BodyCursor::new(body, 0..u64::MAX);
            while !cursor.is_done() {
                reader.read_body(&mut cursor, &mut bytes, 100_000)?;
            }
            let record = reader.record(body)?.expect("a record").to_owned();
            read.push((bytes, record));
        }
        Ok(read)
    });
    for (case, (bytes, record)) in cases.iter().zip(read.await.expect("all are read")) {
        assert!(bytes == case.message, "{}: other octets", case.path);
        let header = PartTable::from_bytes(&record.parts).section(&[], Want::Header).expect("a header");
        assert!(header.start == 0 && header.end <= bytes.len() as u64, "{}", case.path);
    }
    store.close().await.expect("the store closes");
}
