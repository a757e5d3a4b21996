//! How much of its raw size mail takes in the store, after it was loaded and while half of it is replaced again and again.
//!
//! `cargo bench --bench store_size -- MAILDIR [CYCLES]`: messages of `MAILDIR/cur`, one at a time as a poll brings them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tributary::ingest::Intake;
use tributary::mail::{FlagList, FlagOp, Flags, MailboxId, MailboxName, UidSet};
use tributary::store::{BodyCursor, FlagChange, NewMessage, Result, Settings, Store};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(maildir) = arguments.next() else {
        println!("store_size: name a Maildir");
        return Ok(());
    };
    let cycles = arguments.next().and_then(|cycles| cycles.parse().ok()).unwrap_or(0);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure(Path::new(&maildir), cycles))
}

async fn measure(maildir: &Path, cycles: u32) -> Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(maildir.join("cur"))? {
        files.push(entry?.path());
    }
    files.sort();
    let dir = tempfile::tempdir()?;
    let settings = Settings { data_dir: dir.path().join("data"), cache_bytes: 64 << 20, gc_grace: Duration::ZERO };
    let store = Store::open(&settings)?;
    let user = store.ensure_user("alice").await?;
    let found = store.mailbox(user, &MailboxName::inbox()).await?;
    let Some(inbox) = found.map(|mailbox| mailbox.id) else { return Ok(()) };
    let begun = Instant::now();
    let raw = load(&store, inbox, &files, 0).await?;
    let per_second = files.len() as f64 / begun.elapsed().as_secs_f64();
    println!("{} messages of {raw} octets loaded, {per_second:.0} a second", files.len());
    tell(&store, raw, "after load").await?;
    read(&store, inbox).await?;
    for cycle in 1..=cycles {
        replace_half(&store, inbox, &files, cycle).await?;
        tell(&store, raw, &format!("after cycle {cycle}")).await?;
    }
    store.close().await?;
    let len = |name: &str| std::fs::metadata(settings.data_dir.join(name)).map(|file| file.len());
    println!("closed: length of meta.redb {}, of blobs.redb {}", len("meta.redb")?, len("blobs.redb")?);
    Ok(())
}

/// Adds the messages, each made another by a line at its end from the second time on.
async fn load(store: &Store, inbox: MailboxId, files: &[PathBuf], cycle: u32) -> Result<u64> {
    let mut raw = 0;
    for file in files {
        let mut intake = Intake::begin(store).await?;
        intake.write(&std::fs::read(file)?).await?;
        if cycle > 0 {
            intake.write(format!("cycle {cycle}\n").as_bytes()).await?;
        }
        let prepared = intake.finish().await?;
        raw += prepared.body.size();
        let internal_date = prepared.received.unwrap_or_default();
        let message = NewMessage { body: prepared.body, flags: FlagList::default(), internal_date, account: None };
        store.append(inbox, vec![message]).await?;
    }
    Ok(raw)
}

/// Every second message goes and comes back as another.
async fn replace_half(store: &Store, inbox: MailboxId, files: &[PathBuf], cycle: u32) -> Result<()> {
    let Some(view) = store.watch(inbox).await?.current() else { return Ok(()) };
    let half: UidSet = view.iter().step_by(2).map(|message| message.uid).collect();
    let list = FlagList { flags: Flags::DELETED, ..FlagList::default() };
    store.set_flags(inbox, half, FlagChange { op: FlagOp::Add, list, unchanged_since: None }).await?;
    store.expunge(inbox, None).await?;
    store.collect().await?;
    let other: Vec<PathBuf> = files.iter().skip(cycle as usize % 2).step_by(2).cloned().collect();
    load(store, inbox, &other, cycle).await.map(drop)
}

async fn tell(store: &Store, raw: u64, when: &str) -> Result<()> {
    let sizes = store.sizes().await?;
    let ratio = |bytes: u64| bytes as f64 / raw as f64;
    let (meta, blobs) = (ratio(sizes.meta), ratio(sizes.blobs));
    println!("{when}: meta.redb {meta:.4} + blobs.redb {blobs:.4} = {:.4} of the raw octets", meta + blobs);
    Ok(())
}

/// How fast it is read: records, headers, whole messages.
async fn read(store: &Store, inbox: MailboxId) -> Result<()> {
    let Some(view) = store.watch(inbox).await?.current() else { return Ok(()) };
    for (what, end) in [("record", 0), ("first KiB", 1024), ("message", u64::MAX)] {
        let (view, begun) = (std::sync::Arc::clone(&view), Instant::now());
        let octets = store.read(move |reader| {
            let (mut octets, mut out) = (0, Vec::new());
            for message in view.iter() {
                octets += reader.record(message.body)?.map_or(0, |record| record.envelope().len());
                let mut cursor = BodyCursor::new(message.body, 0..end);
                while !cursor.is_done() && reader.read_body(&mut cursor, &mut out, 1 << 20)? {
                    octets += out.len();
                    out.clear();
                }
            }
            Ok(octets)
        });
        println!("every {what}: {} octets in {:.3} s", octets.await?, begun.elapsed().as_secs_f64());
    }
    Ok(())
}
