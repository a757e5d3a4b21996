//! A restore: a store made from a backup, in a data directory that has none.
//!
//! Everything is written under other names, checked, and then renamed, the rows last. From before the first file until
//! after the last rename a mark stands in the directory: no service opens what is there, and a restore that was cut is
//! begun again from nothing.
//!
//! What was given out after the backup was made (UIDs, mod-sequences, numbers of bodies, conversations and mailboxes, UIDVALIDITYs) may
//! be known to clients, and must never be given to something else (I4, I5): all counters skip a range. What a mailbox
//! shows stays as it is in the backup, so that a client which has seen no more than that sees no change.

use std::path::Path;

use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable};

use super::backup::{CACHE_BYTES, check, file, make_tables};
use super::blobs::BlobReader;
use super::copy;
use super::directory::{self, at, is_absent, lock_file, make_dir, remove, unfinished};
use super::file::Handle;
use super::open::{BLOBS, META, global_number, open_copy};
use super::row::{MailboxRow, UserState};
use super::schema::{BODY, GLOBAL, MAILBOX, USER_STATE, global};
use super::target::LOCK;
use crate::mail::MAX_UID;
use crate::store::body::BodyRow;
use crate::store::clock::unix_now;
use crate::store::error::{Error, Result};
use crate::store::progress::Tell;
use crate::store::types::Settings;
use crate::store::upkeep::RestoreReport;

/// Stands in a directory while a store is restored into it.
const MARK: &str = "restore.unfinished";

/// How far each counter skips: more than a store gives out between two backups, and little of what there is.
const UIDS: u32 = 100_000;
const MOD_SEQS: u64 = 1 << 32;
const BODIES: u64 = 1 << 32;
const THREADS: u64 = 1 << 32;
const IDS: u64 = 10_000;
const UID_VALIDITIES: u64 = 100_000;

/// An error when the store in this directory was not restored to the end.
pub(super) fn refuse_unfinished(dir: &Path) -> Result<()> {
    if !dir.join(MARK).exists() {
        return Ok(());
    }
    Err(Error::Unable(format!(
        "{} is half of a restored store: wait for the end of `tributary restore`, or run it again if it was cut short",
        dir.display()
    )))
}

/// See [`crate::store::Store::restore`].
pub(in crate::store) fn restore(
    settings: &Settings,
    from: &Path,
    beside: &[&str],
    tell: Tell<'_>,
) -> Result<RestoreReport> {
    let dir = &settings.data_dir;
    let refuse = |why: String| Err(Error::Unable(why));
    for name in [META, BLOBS] {
        if is_absent(&from.join(name))? {
            return refuse(format!("{} is no backup that was finished: it has no {name}", from.display()));
        }
    }
    make_dir(dir)?;
    let is_begun = dir.join(MARK).exists();
    let is_empty = is_absent(&dir.join(META))? && is_absent(&dir.join(BLOBS))?;
    if !is_begun && !is_empty {
        return refuse(format!(
            "{} holds a store already: move its {META} and {BLOBS} away, or restore into another data_dir",
            dir.display()
        ));
    }
    let Some(mark) = lock_file(&dir.join(MARK))? else {
        return refuse(format!("another restore into {} is running", dir.display()));
    };
    let lock = if from.join(LOCK).exists() { lock_of(from)? } else { None };
    directory::sync(dir)?;
    let made = make(dir, from, beside, tell);
    match &made {
        // Nothing has been put in its place.
        Err(_) if !is_begun => clear(dir)?,
        Err(_) => {}
        Ok(_) => remove(&dir.join(MARK)).and_then(|()| directory::sync(dir))?,
    }
    drop((mark, lock));
    made
}

/// The lock on the backup, as far as it can be had: it may lie on a disk that is read only.
fn lock_of(from: &Path) -> Result<Option<std::fs::File>> {
    let file = std::fs::File::open(from.join(LOCK)).map_err(|e| at(&from.join(LOCK), &e))?;
    match file.try_lock_shared() {
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::Unable(format!("a backup into {} is running: wait for its end", from.display())))
        }
        _ => Ok(Some(file)),
    }
}

/// Removes what a restore has begun.
fn clear(dir: &Path) -> Result<()> {
    for name in [META, BLOBS] {
        remove(&unfinished(&dir.join(name)))?;
        remove(&dir.join(name))?;
    }
    remove(&dir.join(MARK))
}

fn make(dir: &Path, from: &Path, beside: &[&str], tell: Tell<'_>) -> Result<RestoreReport> {
    for name in [META, BLOBS] {
        remove(&unfinished(&dir.join(name)))?;
        remove(&dir.join(name))?;
    }
    let len = |name| std::fs::metadata(from.join(name)).map_err(|e| at(&from.join(name), &e)).map(|found| found.len());
    directory::check_room(dir, len(META)?)?;
    let (meta_path, blobs_path) = (dir.join(META), dir.join(BLOBS));
    let (new_meta, new_blobs) = (unfinished(&meta_path), unfinished(&blobs_path));
    let source = BackupBlobs::open(&from.join(BLOBS))?;
    // The file itself: nobody writes to it, and it may be of an earlier schema.
    directory::copy_file(&from.join(META), &new_meta)?;
    let meta = open_copy(&new_meta, CACHE_BYTES)?;
    let blobs = open_copy(&new_blobs, CACHE_BYTES)?;
    make_tables(&blobs)?;
    super::migrate::migrate(&meta, &blobs, dir)?;
    let read = meta.begin_read()?;
    let (mut bodies, mut room) = (Vec::new(), 0);
    for entry in read.open_table(BODY)?.iter()? {
        let (body, row) = entry?;
        bodies.push(body.value());
        room += copy::stored_len(&BodyRow::decode(row.value())?);
    }
    directory::check_room(dir, room.min(len(BLOBS)?))?;
    let begin = || Ok(BlobReader::of(source.begin_read()?));
    let copied = copy::copy_bodies(&begin, &read, &bodies, &blobs, tell)?;
    drop(read);
    skip_numbers(&meta)?;
    let (meta, blobs) = (file(new_meta, meta), file(new_blobs, blobs));
    let (messages, mut problems) = check(&meta, &blobs, tell)?;
    problems.extend(copied.problems);
    meta.close();
    blobs.close();
    for name in beside {
        // A certificate that the service has made here already would be unknown to the clients.
        if from.join(name).is_dir() {
            directory::mirror(&from.join(name), &dir.join(name))?;
        }
    }
    directory::put_in_place(&blobs_path)?;
    directory::put_in_place(&meta_path)?;
    Ok(RestoreReport { messages, bodies: bodies.len() as u64, bytes: copied.bytes, problems })
}

/// blobs.redb of a backup, which may lie on a disk that is read only.
enum BackupBlobs {
    ReadOnly(redb::ReadOnlyDatabase),
    /// A backup was cut while it wrote: the file is put in order first.
    Recovered(Handle),
}

impl BackupBlobs {
    fn open(path: &Path) -> Result<Self> {
        match Builder::new().set_cache_size(CACHE_BYTES).open_read_only(path) {
            Ok(database) => Ok(Self::ReadOnly(database)),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(Error::Unable(format!(
                "{} is in use by another process: stop the tributary that runs on it",
                path.display()
            ))),
            Err(_) => Ok(Self::Recovered(open_copy(path, CACHE_BYTES)?)),
        }
    }

    fn begin_read(&self) -> Result<ReadTransaction> {
        match self {
            Self::ReadOnly(database) => Ok(database.begin_read()?),
            Self::Recovered(database) => Ok(database.begin_read()?),
        }
    }
}

/// Has every counter skip what may have been given out since the backup was made.
fn skip_numbers(meta: &Database) -> Result<()> {
    let write = meta.begin_write()?;
    {
        let mut globals = write.open_table(GLOBAL)?;
        let now = u64::try_from(unix_now()).unwrap_or(0);
        for (key, skip, least) in [
            (global::NEXT_USER, IDS, 0),
            (global::NEXT_ACCOUNT, IDS, 0),
            (global::NEXT_MAILBOX, IDS, 0),
            (global::NEXT_BODY, BODIES, 0),
            (global::NEXT_THREAD, THREADS, 1),
            (global::LAST_UID_VALIDITY, UID_VALIDITIES, now),
        ] {
            let number = global_number(&globals, key)?.saturating_add(skip).max(least);
            globals.insert(key, number.to_le_bytes().as_slice())?;
        }
        let mut users = write.open_table(USER_STATE)?;
        let mut skipped = Vec::new();
        for entry in users.iter()? {
            let (user, row) = entry?;
            let mut row = UserState::decode(row.value())?;
            row.mod_seq.0 += MOD_SEQS;
            skipped.push((user.value(), row.encode()));
        }
        for (user, row) in &skipped {
            users.insert(user, row.as_slice())?;
        }
        let mut mailboxes = write.open_table(MAILBOX)?;
        let mut skipped = Vec::new();
        for entry in mailboxes.iter()? {
            let (mailbox, row) = entry?;
            let mut row = MailboxRow::decode(row.value())?;
            let next = row.counts.uid_next;
            // A mailbox that is about to run out of UIDs keeps half of them.
            row.counts.uid_next = next.saturating_add(UIDS.min(MAX_UID.saturating_sub(next) / 2));
            skipped.push((mailbox.value(), row.encode()));
        }
        for (mailbox, row) in &skipped {
            mailboxes.insert(mailbox, row.as_slice())?;
        }
    }
    Ok(write.commit()?)
}
