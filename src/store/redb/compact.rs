//! Compaction: each file is copied without its holes, and the copy takes its place.
//!
//! What never changes once it is written (pieces; records) is copied by short read transactions while everything goes on.
//! Then the writer thread of the file, which writes nothing else meanwhile, copies what was written since, makes the new
//! file durable, renames it over the old one and goes on with it. Reads never wait: those that have begun end on the old
//! file. A crash leaves one file or the other, each whole; a copy that was not finished is removed at the next opening.

use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::backup::Handles;
use super::blobs::{self, BlobReader};
use super::copy;
use super::directory::{self, unfinished};
use super::file::{File, Handle};
use super::row::DeadRow;
use super::schema::{BODY, BlobTables, CHUNK, DEAD, ENV, PieceTable, TAIL, copy_tables, count_rows, is_first_pass};
use super::writer;
use super::writer::Alone;
use crate::store::Shared;
use crate::store::body::BodyRow;
use crate::store::error::{Error, Result};
use crate::store::progress::{Progress, Tell};
use crate::store::upkeep::CompactReport;

/// What one transaction copies.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// Bodies written meanwhile that are few enough to be copied while writers wait, and tries to get there.
const FEW: usize = 64;
const ROUNDS: usize = 8;

impl Handles {
    /// See [`crate::store::Store::compact`].
    pub(in crate::store) fn compact(&self, shared: &Shared, tell: Tell<'_>) -> Result<CompactReport> {
        let _busy = shared.upkeep.begin("a compaction")?;
        let _resting = shared.upkeep.rest();
        let (meta, blobs) = (&self.meta.file, &self.blobs.file);
        let (meta_before, blobs_before) = (meta.len()?, blobs.len()?);
        directory::check_room(self.data_dir(), self.bodies_len()?.min(blobs_before).max(meta_before))?;
        let copy = NewFile::begin(blobs)?;
        let blobs_waited = self.compact_blobs(copy, tell)?;
        let copy = NewFile::begin(meta)?;
        let meta_waited = self.compact_meta(copy, tell)?;
        Ok(CompactReport {
            meta_before,
            meta_after: meta.len()?,
            blobs_before,
            blobs_after: blobs.len()?,
            waited: meta_waited.max(blobs_waited),
        })
    }

    /// Bytes that all pieces take at most.
    fn bodies_len(&self) -> Result<u64> {
        let database = self.meta.file.get()?;
        let (read, mut len) = (database.begin_read()?, 0);
        for entry in read.open_table(BODY)?.iter()? {
            len += copy::stored_len(&BodyRow::decode(entry?.1.value())?);
        }
        for entry in read.open_table(DEAD)?.iter()? {
            len += copy::stored_len(&DeadRow::decode(entry?.1.value())?.body);
        }
        // Pages and branches.
        Ok(len + len / 4)
    }

    fn compact_blobs(&self, mut copy: NewFile, tell: Tell<'_>) -> Result<Duration> {
        let (file, requests) = (&self.blobs.file, &self.blobs.requests);
        let alone = |run| requests.blocking_send(blobs::Request::Alone(run)).map_err(|_| Error::Closed);
        // Whatever was committed without being noted is there before the first read.
        ask(alone, || Ok(()))?;
        let source = BlobReader::begin(file)?;
        let total = source.chunk()?.len()? + source.tail()?.len()?;
        drop(source);
        let mut done = 0;
        for table in [CHUNK, TAIL] {
            copy_pieces(file, copy.database()?, table, &mut |pieces| {
                done += pieces;
                tell(Progress { phase: "copying messages", done, total: total.max(done) });
            })?;
        }
        for _ in 0..ROUNDS {
            let written: Vec<u64> = file.watch_writes().into_iter().collect();
            ask(alone, || Ok(()))?;
            for bodies in written.chunks(FEW) {
                copy_again(&BlobReader::begin(file)?, copy.database()?, bodies)?;
            }
            if written.len() <= FEW {
                break;
            }
        }
        // The most of it now, while nobody waits.
        copy.trim()?;
        tell(Progress { phase: "taking its place", done: 0, total: 0 });
        let file = Arc::clone(file);
        ask(alone, move || {
            let begun = Instant::now();
            let written: Vec<u64> = file.end_watch().into_iter().collect();
            let source = BlobReader::begin(&file)?;
            copy_again(&source, copy.database()?, &written)?;
            let new = BlobReader::of(copy.database()?.begin_read()?);
            for (old, new) in [(source.chunk()?, new.chunk()?), (source.tail()?, new.tail()?)] {
                same("pieces", old.len()?, new.len()?)?;
            }
            drop((source, new));
            copy.take_place(&file)?;
            Ok(begun.elapsed())
        })
    }

    fn compact_meta(&self, mut copy: NewFile, tell: Tell<'_>) -> Result<Duration> {
        let (file, requests) = (&self.meta.file, &self.meta.requests);
        let alone = |run| requests.blocking_send(writer::Request::Alone(run)).map_err(|_| Error::Closed);
        ask(alone, || Ok(()))?;
        copy_records(file, copy.database()?, tell)?;
        // The most of it now, while nobody waits.
        copy.trim()?;
        tell(Progress { phase: "taking its place", done: 0, total: 0 });
        let file = Arc::clone(file);
        ask(alone, move || {
            let begun = Instant::now();
            let written = file.end_watch();
            let database = file.get()?;
            let read = database.begin_read()?;
            let mut write = copy.database()?.begin_write()?;
            write.set_quick_repair(true);
            copy_tables(&read, &write, &["env"], &mut || Ok(()))?;
            {
                let (old, mut new) = (read.open_table(ENV)?, write.open_table(ENV)?);
                for body in written {
                    match old.get(body)? {
                        Some(record) => drop(new.insert(body, record.value())?),
                        None => drop(new.remove(body)?),
                    }
                }
            }
            write.commit()?;
            let copied = copy.database()?.begin_read()?;
            for ((table, old), (_, new)) in count_rows(&read)?.into_iter().zip(count_rows(&copied)?) {
                same(table, old, new)?;
            }
            drop((copied, read, database));
            copy.take_place(&file)?;
            Ok(begun.elapsed())
        })
    }
}

/// Has a writer thread do something between two transactions, and waits for it.
fn ask<T: Send + 'static>(
    alone: impl Fn(Alone) -> Result<()>,
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    alone(Box::new(move || {
        // A panic is a bug in here; it must not take the store with it.
        let done = catch_unwind(AssertUnwindSafe(run));
        let done = done.unwrap_or_else(|_| Err(Error::Internal("an operation panicked".to_owned())));
        // Whoever asked waits for it.
        drop(answer.send(done));
    }))?;
    answered.recv().map_err(|_| Error::Closed)?
}

fn same(what: &str, old: u64, new: u64) -> Result<()> {
    if old == new {
        return Ok(());
    }
    Err(Error::Internal(format!("the copy has {new} rows of {what}, the file has {old}: the file stays as it was")))
}

/// A copy on its way to take the place of a file. Dropped before that: it is removed, and the file stays as it was.
struct NewFile {
    file: Arc<File>,
    database: Option<Handle>,
}

impl NewFile {
    /// From now on what is written to the file is noted.
    fn begin(file: &Arc<File>) -> Result<Self> {
        let path = unfinished(file.path());
        directory::remove(&path)?;
        let opened = file.open_beside(&path).inspect_err(|_| drop(directory::remove(&path)));
        let new = Self { file: Arc::clone(file), database: Some(opened?) };
        file.watch_writes();
        Ok(new)
    }

    fn database(&self) -> Result<&Database> {
        self.database.as_deref().ok_or(Error::Closed)
    }

    /// Cuts off what redb has kept free for growth. Nobody may be reading.
    fn trim(&mut self) -> Result<()> {
        if let Some(database) = self.database.as_mut().and_then(|handle| Arc::get_mut(&mut handle.database)) {
            database.compact().map_err(|e| Error::Internal(e.to_string()))?;
        }
        Ok(())
    }

    /// Not when it would be no smaller.
    fn take_place(&mut self, file: &File) -> Result<()> {
        self.trim()?;
        let len = std::fs::metadata(unfinished(file.path())).map_or(u64::MAX, |found| found.blocks() * 512);
        if len >= file.len()? {
            return Ok(());
        }
        let Some(database) = self.database.take() else { return Err(Error::Closed) };
        let placed = directory::put_in_place(file.path());
        if placed.is_err() && unfinished(file.path()).exists() {
            // Not renamed.
            self.database = Some(database);
            return placed;
        }
        file.swap(database)?;
        placed
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        self.file.end_watch();
        if self.database.take().is_some() {
            // If not now, at the next opening.
            drop(directory::remove(&unfinished(self.file.path())));
        }
    }
}

/// Copies a table of pieces in batches. Pieces that are written meanwhile may be left out.
fn copy_pieces(file: &File, new: &Database, table: PieceTable, copied: &mut dyn FnMut(u64)) -> Result<()> {
    let mut after = None;
    loop {
        let mut write = new.begin_write()?;
        write.set_quick_repair(true);
        let (database, mut pieces, mut bytes) = (file.get()?, 0, 0);
        {
            let read = database.begin_read()?;
            let (old, mut new) = (read.open_table(table)?, write.open_table(table)?);
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            for (row, entry) in (0..).zip(old.range::<(u64, u32)>((from, Bound::Unbounded))?) {
                let (key, piece) = entry?;
                if is_first_pass(row) {
                    new.insert(key.value(), piece.value())?;
                }
                after = Some(key.value());
                pieces += 1;
                bytes += piece.value().len();
                if bytes >= MAX_BATCH_BYTES {
                    break;
                }
            }
            for (row, entry) in (0..pieces).zip(old.range::<(u64, u32)>((from, Bound::Unbounded))?) {
                let (key, piece) = entry?;
                if !is_first_pass(row) {
                    new.insert(key.value(), piece.value())?;
                }
            }
        }
        write.commit()?;
        copied(pieces);
        if bytes < MAX_BATCH_BYTES {
            return Ok(());
        }
    }
}

/// Copies all pieces of these bodies as they are now.
fn copy_again(source: &BlobReader, new: &Database, bodies: &[u64]) -> Result<()> {
    let mut write = new.begin_write()?;
    write.set_quick_repair(true);
    {
        let mut tables = BlobTables::open(&write)?;
        for body in bodies {
            tables.remove(*body..=*body)?;
            for (old, new) in [(source.chunk()?, &mut tables.chunk), (source.tail()?, &mut tables.tail)] {
                for entry in old.range((*body, 0)..=(*body, u32::MAX))? {
                    let (key, piece) = entry?;
                    new.insert(key.value(), piece.value())?;
                }
            }
        }
    }
    Ok(write.commit()?)
}

/// Copies the records in batches: the largest table of meta.redb.
fn copy_records(file: &File, new: &Database, tell: Tell<'_>) -> Result<()> {
    let (mut after, mut done) = (None, 0);
    loop {
        let database = file.get()?;
        let (read, mut bytes) = (database.begin_read()?, 0);
        let write = new.begin_write()?;
        let total = {
            let (old, mut new) = (read.open_table(ENV)?, write.open_table(ENV)?);
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let mut rows = 0;
            for (row, entry) in (0..).zip(old.range::<u64>((from, Bound::Unbounded))?) {
                let (key, record) = entry?;
                if is_first_pass(row) {
                    new.insert(key.value(), record.value())?;
                }
                after = Some(key.value());
                rows += 1;
                bytes += record.value().len();
                if bytes >= MAX_BATCH_BYTES {
                    break;
                }
            }
            for (row, entry) in (0..rows).zip(old.range::<u64>((from, Bound::Unbounded))?) {
                let (key, record) = entry?;
                if !is_first_pass(row) {
                    new.insert(key.value(), record.value())?;
                }
            }
            done += rows;
            old.len()?
        };
        write.commit()?;
        tell(Progress { phase: "copying records", done, total: total.max(done) });
        if bytes < MAX_BATCH_BYTES {
            return Ok(());
        }
    }
}
