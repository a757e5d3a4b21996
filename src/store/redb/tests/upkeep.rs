//! What happens to bytes that no message has, and to files that are not as they should be.

use std::os::unix::fs::PermissionsExt;

use ::redb::ReadableDatabase;

use super::*;

async fn pieces(store: &Store) -> u64 {
    store
        .read(|reader| {
            let mut pieces = 0;
            reader.bodies()?.pieces(&mut |_, _, _| pieces += 1)?;
            Ok(pieces)
        })
        .await
        .expect("read")
}

fn refusal(dir: &std::path::Path) -> String {
    Store::open(&settings(dir)).err().map(|e| e.to_string()).expect("refused")
}

#[tokio::test]
async fn bodies_live_as_long_as_messages() {
    let f = fixture().await;
    for octets in [&b"same"[..], b"same", b"other"] {
        f.add(octets).await;
    }
    assert_eq!(f.store.collect().await.expect("collect"), 1, "the second copy of the same octets");
    assert_eq!(pieces(&f.store).await, 2);
    f.store.copy(f.inbox, set(&[(3, 3)]), f.inbox).await.expect("copy");
    f.store.set_flags(f.inbox, set(&[(1, 3)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    f.store.expunge(f.inbox, Some(set(&[(2, 3)]))).await.expect("expunge");
    assert_eq!(f.store.collect().await.expect("collect"), 0);
    assert_eq!(f.read_back(f.inbox, uid(1)).await, b"same");
    assert_eq!(f.read_back(f.inbox, uid(4)).await, b"other");
    let body = f.store.watch(f.inbox).await.expect("watch").current().expect("a version").get(0).expect("first").body;
    f.store.expunge(f.inbox, None).await.expect("expunge");
    assert_eq!(f.store.collect().await.expect("collect"), 1);
    assert_eq!(pieces(&f.store).await, 1);
    let gone = f.store.read(move |reader| {
        let is_read = reader.read_body(&mut BodyCursor::new(body, 0..9), &mut Vec::new(), 9)?;
        Ok((reader.record(body)?.is_none(), is_read))
    });
    assert_eq!(gone.await.expect("read"), (true, false));
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
    assert_eq!(f.store.check_octets().expect("check"), Vec::<String>::new());
}

#[tokio::test]
async fn an_expunged_message_stays_readable_for_the_grace_period() {
    let mut f = fixture().await;
    f.store.close().await.expect("close");
    f.store = Store::open(&Settings { gc_grace: Duration::from_secs(3600), ..settings(f.dir.path()) }).expect("open");
    f.add(b"octets").await;
    let old = f.store.watch(f.inbox).await.expect("watch").current().expect("a version");
    f.store.set_flags(f.inbox, set(&[(1, 1)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    assert_eq!(f.store.collect().await.expect("collect"), 0);
    let body = old.get(0).expect("a message").body;
    let read = f.store.read(move |reader| {
        let mut out = Vec::new();
        assert!(reader.read_body(&mut BodyCursor::new(body, 0..u64::MAX), &mut out, 100)?);
        Ok((out, reader.record(body)?.is_some()))
    });
    assert_eq!(read.await.expect("read"), (b"octets".to_vec(), true));
}

/// The clock of the machine may be set forward or back at any time.
#[tokio::test]
async fn the_grace_period_does_not_depend_on_the_clock_of_the_rows() {
    let mut f = fixture().await;
    let patient = Settings { gc_grace: Duration::from_secs(3600), ..settings(f.dir.path()) };
    f.store.close().await.expect("close");
    f.store = Store::open(&patient).expect("open");
    f.add(b"octets").await;
    f.store.set_flags(f.inbox, set(&[(1, 1)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    for since in [1, i64::MAX] {
        write_rows(&f.store, move |txn| {
            txn.mark_written();
            let row = txn.tables.dead.remove(1)?.map(|row| row::DeadRow::decode(row.value())).transpose()?;
            let row = row::DeadRow { since, ..row.expect("dead") };
            txn.tables.dead.insert(1, row.encode().as_slice())?;
            Ok(())
        })
        .await
        .expect("written");
        assert_eq!(f.store.collect().await.expect("collect"), 0, "{since}");
    }
    f.store.close().await.expect("close");
    f.store = Store::open(&patient).expect("open");
    // No session of before the opening is left to show it.
    assert_eq!(f.store.collect().await.expect("collect"), 1);
}

#[tokio::test]
async fn bodies_that_no_message_came_to_use_are_discarded() {
    let f = fixture().await;
    let unused = f.prepare(b"unused").await;
    let mut unfinished = f.store.body_writer().await.expect("a writer");
    unfinished.write(b"begun").await.expect("write");
    f.add(b"used").await;
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
    assert_eq!(f.store.collect().await.expect("collect"), 0);
    drop((unused, unfinished));
    assert_eq!(f.store.collect().await.expect("collect"), 2);
    assert_eq!(pieces(&f.store).await, 1);
    let to_nowhere = vec![f.message(b"refused").await];
    assert!(matches!(f.store.append(MailboxId(999), to_nowhere).await, Err(Error::NoMailbox)));
    assert_eq!(f.store.collect().await.expect("collect"), 1);
}

/// The files as a crash leaves them: copied while the store is open and no commit is under way.
fn crash(f: &Fixture, to: &std::path::Path) {
    std::fs::create_dir(to.join("data")).expect("a directory");
    for file in [open::META, open::BLOBS] {
        std::fs::copy(f.dir.path().join("data").join(file), to.join("data").join(file)).expect("a copy");
    }
}

#[tokio::test]
async fn a_crash_leaves_no_stray_pieces_and_reuses_no_id() {
    let f = fixture().await;
    let known = f.prepare(b"in flight when the last transaction committed").await;
    f.add(b"stored").await;
    let unknown = f.prepare(b"begun after the last transaction").await;
    let crashed = tempfile::tempdir().expect("a temporary directory");
    crash(&f, crashed.path());
    let store = Store::open(&settings(crashed.path())).expect("after the crash");
    assert_eq!(pieces(&store).await, 1);
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
    assert_eq!(store.check_octets().expect("check"), Vec::<String>::new());
    let writer = store.body_writer().await.expect("a writer");
    let body = writer.finish(Record::default()).await.expect("durable");
    assert!(body.id() > known.id(), "an id that a transaction has seen in flight");
    drop(unknown);
}

#[tokio::test]
async fn a_damaged_body_is_not_given_out_as_whole() {
    let f = fixture().await;
    f.add(b"octets").await;
    f.store.close().await.expect("close");
    let blobs = ::redb::Database::open(f.dir.path().join("data").join(open::BLOBS)).expect("open");
    let write = blobs.begin_write().expect("begin");
    let other = zstd::bulk::compress(b"0ctets", 1).expect("compress");
    write.open_table(schema::CHUNK).expect("open").insert((1, 0), other.as_slice()).expect("insert");
    write.commit().expect("commit");
    assert!(blobs.begin_read().is_ok());
    drop(blobs);
    let store = Store::open(&settings(f.dir.path())).expect("open");
    let read = store.read(|reader| {
        reader.read_body(&mut BodyCursor::new(crate::mail::BodyId(1), 0..u64::MAX), &mut Vec::new(), 100)
    });
    assert!(matches!(read.await, Err(Error::Damaged(_))));
    let exact =
        store.read(|reader| reader.read_body(&mut BodyCursor::new(crate::mail::BodyId(1), 0..6), &mut Vec::new(), 100));
    assert!(matches!(exact.await, Err(Error::Damaged(_))));
    assert_eq!(store.check_octets().expect("check").len(), 1);
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let f = fixture().await;
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let data = f.dir.path().join("data");
    assert_eq!((mode(data.clone()), mode(data.join(open::META)), mode(data.join(open::BLOBS))), (0o700, 0o600, 0o600));
    let sizes = f.store.sizes().await.expect("sizes");
    assert!(sizes.meta > 0 && sizes.blobs > 0 && sizes.messages == 0);
}

#[tokio::test]
async fn opening_refuses_what_would_lose_mail_and_says_what_to_do() {
    let f = fixture().await;
    f.add(b"1").await;
    assert!(refusal(f.dir.path()).contains("stop the other"), "{}", refusal(f.dir.path()));
    f.store.close().await.expect("close");
    let data = f.dir.path().join("data");
    for (file, other) in [(open::BLOBS, open::META), (open::META, open::BLOBS)] {
        std::fs::rename(data.join(file), data.join("away")).expect("moved away");
        let says = refusal(f.dir.path());
        assert!(says.contains(&format!("{other} but no {file}")), "{says}");
        // Asked again, it says the same: nothing was made in place of the missing file.
        assert_eq!(refusal(f.dir.path()), says);
        std::fs::rename(data.join("away"), data.join(file)).expect("moved back");
    }
    let store = Store::open(&settings(f.dir.path())).expect("whole again");
    assert_eq!(store.sizes().await.expect("sizes").messages, 1);
    let newer = write_rows(&store, |txn| txn.set_global(schema::global::SCHEMA_VERSION, 5));
    newer.await.expect("written");
    store.close().await.expect("close");
    let says = refusal(f.dir.path());
    assert!(says.contains("schema version 5") && says.contains("up to 4") && says.contains("newer version"), "{says}");
}

/// Corrupts one thing and checks that the check names it.
async fn is_found(what: &str, mut corrupt: impl FnMut(&mut Txn<'_>) -> Result<()> + Send + 'static) {
    let f = fixture().await;
    for n in 0..3u8 {
        f.add(&[n]).await;
    }
    let account = f.store.ensure_account(f.user, "isp").await.expect("an account");
    assert_eq!((f.inbox.0, account.0), (1, 1));
    f.store.set_flags(f.inbox, set(&[(3, 3)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
    f.store.expunge(f.inbox, None).await.expect("expunge");
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
    let corrupted = write_rows(&f.store, move |txn| {
        txn.mark_written();
        corrupt(txn)
    });
    corrupted.await.expect("corrupted");
    let problems = f.store.check().expect("check");
    assert!(problems.iter().any(|problem| problem.contains(what)), "{what}: {problems:?}");
}

#[tokio::test]
async fn the_check_names_what_is_wrong() {
    let inbox = MailboxId(1);
    type Corrupt<T> = fn(&mut T);
    let rows: [(&str, Corrupt<Block>); 6] = [
        ("block 0: empty or not ascending", |block| block.messages.reverse()),
        ("UID 63 is not below UIDNEXT", |block| block.messages[1].uid = uid(63)),
        ("a keyword that the table lacks", |block| block.messages[0].keywords.0 = 2),
        ("mod-sequence of UID 1", |block| block.messages[0].mod_seq.0 = 900),
        ("account of UID 1", |block| block.messages[0].account = Some(AccountId(7))),
        ("expunged UIDs are present", |block| block.messages[1].uid = uid(3)),
    ];
    for (what, corrupt) in rows {
        is_found(what, move |txn| {
            corrupt(txn.block_mut(inbox, 0, ModSeq(1))?);
            Ok(())
        })
        .await;
    }
    let counters: [(&str, Corrupt<Counts>); 4] = [
        ("counters", |counts| counts.size += 1),
        ("HIGHESTMODSEQ", |counts| counts.highest_mod_seq.0 += 100),
        ("above HIGHESTMODSEQ", |counts| counts.highest_mod_seq.0 = 1),
        ("UIDNEXT", |counts| counts.uid_next = 2),
    ];
    for (what, corrupt) in counters {
        is_found(what, move |txn| {
            corrupt(&mut txn.mailbox_mut(inbox)?.counts);
            Ok(())
        })
        .await;
    }
    is_found("body 1: 1 references, 0 messages", move |txn| {
        txn.block_mut(inbox, 0, ModSeq(1))?.messages[0].body = crate::mail::BodyId(2);
        Ok(())
    })
    .await;
    is_found("has no record", |txn| Ok(txn.tables.env.remove(1).map(drop)?)).await;
    is_found("is missing, but messages have it", |txn| Ok(txn.tables.body.remove(2).map(drop)?)).await;
    is_found("a hash leads to body 2", |txn| Ok(txn.tables.body.remove(2).map(drop)?)).await;
    is_found("pieces of body 3, which is not there", |txn| Ok(txn.tables.dead.remove(3).map(drop)?)).await;
    is_found("not found by its name", |txn| Ok(txn.tables.mailbox_name.remove((1, "Sent")).map(drop)?)).await;
    is_found("which has another", |txn| Ok(txn.tables.mailbox_name.insert((1, "New"), 99).map(drop)?)).await;
    is_found("a ledger row of account 5", |txn| {
        let row = row::UidlRow {
            state: LedgerState::Stored,
            body: crate::mail::BodyId(1),
            listed_size: 0,
            header_hash: [0; 16],
            stored_at: 0,
            content: [0; 16],
            merged: None,
        };
        Ok(txn.tables.uidl.insert((5, &b"x"[..]), row.encode().as_slice()).map(drop)?)
    })
    .await;
    is_found("an annotation of mailbox 77", |txn| {
        Ok(txn.tables.metadata.insert((1, 77, "/private/a"), &b"x"[..]).map(drop)?)
    })
    .await;
    is_found("too long an annotation", |txn| {
        Ok(txn.tables.metadata.insert((1, 1, "/private/a"), vec![0; MAX_ANNOTATION + 1].as_slice()).map(drop)?)
    })
    .await;
    is_found("a key of conversation 1", |txn| Ok(txn.tables.thread.insert((9, &[0; 16]), 1).map(drop)?)).await;
    is_found("is not below next_thread", |txn| Ok(txn.tables.thread.insert((1, &[0; 16]), 99).map(drop)?)).await;
    is_found("from the future", move |txn| {
        txn.block_mut(inbox, 0, ModSeq(1))?.messages[0].thread = crate::mail::ThreadId(99);
        Ok(())
    })
    .await;
    is_found("in trouble of account 5", |txn| txn.set_trouble(AccountId(5), b"x", Some(Trouble::default()))).await;
    is_found("the state of account 5", |txn| txn.change_poll_state(AccountId(5), |state| state.failures = 1).map(drop))
        .await;
}

#[tokio::test]
async fn rule_26_a_long_expunge_log_is_merged_from_its_old_end_and_misses_nothing() {
    let f = fixture().await;
    for uids in 1..=6 {
        f.add(&[uids]).await;
    }
    let mut seen = Vec::new();
    for n in [1, 2, 4, 3, 6] {
        f.store.set_flags(f.inbox, set(&[(n, n)]), flags(FlagOp::Add, Flags::DELETED, &[])).await.expect("store");
        f.store.expunge(f.inbox, None).await.expect("expunge");
        seen.push((f.counts(f.inbox).await.highest_mod_seq, n));
    }
    let long = |max: usize| f.store.read(move |reader| reader.meta.long_expunge_logs(max));
    assert_eq!(long(5).await.expect("read"), []);
    assert_eq!(long(4).await.expect("read"), [f.inbox]);
    let inbox = f.inbox;
    f.store.write(move |txn| txn.merge_expunged(inbox, 4)).await.expect("merged");
    assert_eq!(long(2).await.expect("read"), [], "the four oldest are one row now");
    assert_eq!(long(1).await.expect("read"), [f.inbox]);
    for (at, _) in [(ModSeq(0), 0)].iter().chain(&seen) {
        let vanished = f.store.changes_since(f.inbox, *at).await.expect("read").vanished;
        let later = seen.iter().filter(|(mod_seq, _)| mod_seq > at);
        assert!(later.clone().all(|(_, n)| vanished.contains_uid(uid(*n))), "{at:?}");
        assert!(!vanished.contains_uid(uid(5)));
    }
    let last = seen.iter().rev().nth(1).expect("two").0;
    assert_eq!(f.store.changes_since(f.inbox, last).await.expect("read").vanished, set(&[(6, 6)]));
    assert_eq!(f.store.check().expect("check"), Vec::<String>::new());
    f.store.collect().await.expect("collect");
}
