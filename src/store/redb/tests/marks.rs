//! Annotations, conversations and object identifiers over backup, restore, compaction and the step from schema 2.

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::*;
use crate::mail::ThreadId;
use crate::mime::keys_of;
use crate::store::Progress;

fn quiet(_: Progress) {}

/// A rendered ENVELOPE with these last two members.
fn envelope(parent: &str, own: &str) -> Record {
    Record { envelope: format!("(NIL NIL NIL NIL NIL NIL NIL NIL {parent} {own})").into_bytes(), ..record(b"") }
}

impl Fixture {
    /// A message with these ids, as they are rendered.
    async fn add_reply(&self, to: MailboxId, octets: &[u8], parent: &str, own: &str) -> ThreadId {
        let mut writer = self.store.body_writer().await.expect("a writer");
        writer.write(octets).await.expect("write");
        writer.set_thread_keys(keys_of(Some(own.as_bytes()), Some(parent.as_bytes()), None));
        let body = writer.finish(envelope(&format!("\"{parent}\""), &format!("\"{own}\""))).await.expect("durable");
        let message = NewMessage { body, ..self.message(b"x").await };
        let uid = self.store.append(to, vec![message]).await.expect("append").uids[0];
        let snapshot = self.store.watch(to).await.expect("watch").current().expect("a version");
        snapshot.find(uid).expect("the message").thread
    }

    async fn mark(&self) {
        let archive = self.store.mailbox(self.user, &name("Archive")).await.expect("read").expect("Archive").id;
        let first = self.add_reply(self.inbox, b"1", "", "<a@x>").await;
        assert_eq!(self.add_reply(archive, b"2", "<a@x>", "<b@x>").await, first);
        assert_ne!(self.add_reply(self.inbox, b"3", "", "<c@x>").await, first);
        self.add(b"without ids").await;
        for (of, value) in [(None, &b"server"[..]), (Some(self.inbox), b"in\0box"), (Some(archive), b"")] {
            let change = vec![("/private/comment".to_owned(), Some(value.to_vec()))];
            self.store.set_metadata(self.user, of, change).await.expect("set");
        }
    }
}

/// What clients are told.
async fn told(store: &Store) -> Vec<String> {
    let user = store.ensure_user("alice").await.expect("a user");
    let ids = store.object_ids(user);
    let mut lines = vec![format!("{:?}", store.metadata(user, None).await.expect("read"))];
    for mailbox in store.mailboxes(user).await.expect("read") {
        let annotations = store.metadata(user, Some(mailbox.id)).await.expect("read");
        lines.push(format!("{} {} {annotations:?}", mailbox.name, ids.mailbox(mailbox.id)));
        let snapshot = store.watch(mailbox.id).await.expect("watch").current().expect("a version");
        lines.extend(snapshot.iter().map(|m| format!("{} {:?} {}", ids.email(m.body), ids.thread(m.thread), m.saved)));
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identifiers_and_annotations_outlive_restart_compaction_backup_and_restore() {
    let f = fixture().await;
    f.mark().await;
    let before = told(&f.store).await;
    let store = f.store.clone();
    tokio::task::spawn_blocking(move || store.compact(&quiet)).await.expect("no panic").expect("compacted");
    assert_eq!(told(&f.store).await, before);
    let backup = f.dir.path().join("backup");
    assert_eq!(f.store.backup(&backup, &[], &quiet).expect("backed up").problems, Vec::<String>::new());
    let newest = f.add_reply(f.inbox, b"after the backup", "", "<new@x>").await;
    f.store.close().await.expect("closes");
    let reopened = Store::open(&settings(f.dir.path())).expect("opens");
    assert_eq!(told(&reopened).await.len(), before.len() + 1);
    reopened.close().await.expect("closes");
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let restored = Store::restore(&settings(elsewhere.path()), &backup, &[], &quiet).expect("restored");
    assert_eq!(restored.problems, Vec::<String>::new());
    let store = Store::open(&settings(elsewhere.path())).expect("opens");
    assert_eq!(told(&store).await, before);
    // A conversation that a client may know from after the backup is given to nothing else.
    let f = Fixture { store, dir: elsewhere, ..f };
    assert!(f.add_reply(f.inbox, b"another", "", "<other@x>").await > newest);
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
}

/// Makes of the store what schema 2 had of it, or of one on which the step to schema 3 was cut after its first transaction.
fn set_back(dir: &std::path::Path, is_begun: bool) {
    let meta = Database::open(dir.join("data").join(open::META)).expect("opens");
    let write = meta.begin_write().expect("begins");
    {
        let mut globals = write.open_table(schema::GLOBAL).expect("a table");
        if is_begun {
            globals.insert(schema::global::MIGRATING_FROM, 2_u64.to_le_bytes().as_slice()).expect("written");
        } else {
            globals.insert(schema::global::SCHEMA_VERSION, 2_u64.to_le_bytes().as_slice()).expect("written");
            globals.remove(schema::global::NEXT_THREAD).expect("removed");
        }
        let mut blocks = write.open_table(schema::MSGBLK).expect("a table");
        let mut rows = Vec::new();
        for entry in blocks.iter().expect("rows") {
            let (key, bytes) = entry.expect("a row");
            let mut block = Block::decode(key.value().1, bytes.value()).expect("a block");
            if is_begun && key.value().1 < 64 {
                continue;
            }
            block.messages.iter_mut().for_each(|m| m.thread = ThreadId(0));
            let mut out = Vec::new();
            block.encode(&mut out);
            rows.push((key.value(), out));
        }
        for (key, row) in rows {
            blocks.insert(key, row.as_slice()).expect("written");
        }
    }
    if is_begun {
        return write.commit().expect("commits");
    }
    write.delete_table(schema::THREAD).expect("deleted");
    write.delete_table(TableDefinition::<(u32, u32, &str), &[u8]>::new("metadata")).expect("deleted");
    write.commit().expect("commits");
}

#[tokio::test]
async fn messages_of_schema_2_get_conversations() {
    step_from_schema_2(false).await;
}

#[tokio::test]
async fn a_step_from_schema_2_that_was_cut_is_taken_to_its_end() {
    step_from_schema_2(true).await;
}

async fn step_from_schema_2(is_begun: bool) {
    let f = fixture().await;
    f.mark().await;
    // More than one transaction takes, and a record that cannot be read.
    for n in 0..70u8 {
        let mut many = Vec::new();
        for _ in 0..64 {
            many.push(f.message(&[n]).await);
        }
        f.store.append(f.inbox, many).await.expect("append");
    }
    f.add(b"damaged").await;
    let last = f.counts(f.inbox).await.uid_next - 1;
    let body = {
        let snapshot = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
        snapshot.find(uid(last)).expect("the last").body
    };
    write_rows(&f.store, move |txn| {
        txn.mark_written();
        Ok(txn.tables.env.insert(body.0, &b"\x07"[..]).map(drop)?)
    })
    .await
    .expect("written");
    let before = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
    f.store.close().await.expect("closes");
    set_back(f.dir.path(), is_begun);
    for opened in ["first", "again"] {
        let store = Store::open(&settings(f.dir.path())).expect("opens");
        assert_eq!(store.metadata(f.user, None).await.expect("read").is_empty(), !is_begun);
        let archive = store.mailbox(f.user, &name("Archive")).await.expect("read").expect("Archive").id;
        let snapshot = store.watch(f.inbox).await.expect("watch").current().expect("a version");
        let thread = |n| snapshot.find(uid(n)).expect("the message").thread;
        let answer = store.watch(archive).await.expect("watch").current().expect("a version");
        assert_eq!(answer.find(uid(1)).expect("the answer").thread, thread(1), "{opened}");
        assert!(thread(1) != thread(2) && thread(2) != thread(3) && thread(3) != thread(4), "{opened}");
        assert_eq!(thread(4), thread(5), "the same octets, {opened}");
        for m in snapshot.iter() {
            let was = before.find(m.uid).expect("was there");
            assert_eq!(m.thread == ThreadId(0), m.uid == uid(last), "{opened}: UID {}", m.uid.value());
            assert_eq!(Message { thread: was.thread, ..m.clone() }, *was);
        }
        let problems = store.check().expect("check");
        assert!(problems.len() == 1 && problems[0].contains("the record of body"), "{problems:?}");
        store.close().await.expect("closes");
    }
    let meta = Database::open(f.dir.path().join("data").join(open::META)).expect("opens");
    let read = meta.begin_read().expect("begins");
    let globals = read.open_table(schema::GLOBAL).expect("a table");
    assert_eq!(open::global_number(&globals, schema::global::SCHEMA_VERSION).expect("read"), schema::SCHEMA_VERSION);
    assert!(globals.get(schema::global::MIGRATING_FROM).expect("read").is_none());
}
