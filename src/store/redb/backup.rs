//! A backup: the store copied, row by row and piece by piece, into another directory, while everything goes on.
//!
//! The target is a data directory itself. Rows come first, from one read transaction, into a new file; then the bodies
//! that they name, unless an earlier backup has put them there; only then does the new file take the place of the
//! earlier one. So a cut at any point leaves the earlier backup whole: pieces that it does not name are listed as in
//! flight or lie past its `next_body`, and whoever opens it drops them. The collector rests meanwhile.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};

use super::check::Check;
use super::copy;
use super::directory::{self, unfinished};
use super::disk::FileSystem;
use super::file::{File, Handle};
use super::open::{BLOBS, META, global_number, open_copy};
use super::read::MetaReader;
use super::schema::{BODY, BlobTables, DEAD, ENV, GLOBAL, ReadTable, copy_table, copy_tables, count_rows, global};
use super::target::Target;
use super::{Blobs, Meta, blobs};
use crate::store::Shared;
use crate::store::body::{BodyRow, Unplaced};
use crate::store::error::{Error, Result};
use crate::store::progress::{Progress, Tell};
use crate::store::upkeep::BackupReport;

/// Page cache of a file that is written once.
pub(super) const CACHE_BYTES: usize = 16 << 20;

/// Bodies that one transaction removes.
const MAX_REMOVED: usize = 256;

/// Rows between two looks at whether to go on.
const ROWS: u64 = 4096;

/// Both halves, as files.
pub(in crate::store) struct Handles {
    pub(super) meta: Arc<Meta>,
    pub(super) blobs: Arc<Blobs>,
    data_dir: PathBuf,
}

impl Handles {
    pub(in crate::store) fn new(meta: Arc<Meta>, blobs: Arc<Blobs>, data_dir: &Path) -> Self {
        Self { meta, blobs, data_dir: data_dir.to_owned() }
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// See [`crate::store::Store::backup`].
    pub(in crate::store) fn backup(
        &self,
        shared: &Shared,
        target: &Path,
        beside: &[&str],
        tell: Tell<'_>,
    ) -> Result<BackupReport> {
        let _busy = shared.upkeep.begin("a backup")?;
        let id = store_id(&self.meta.file.get()?.begin_read()?)?;
        let target = Target::open(target, &self.data_dir, &id, beside)?;
        let _resting = shared.upkeep.rest();
        directory::check_room(target.path(), self.meta.file.len()?)?;
        let mut report = self.copy_store(&target, tell)?;
        for name in beside {
            directory::mirror(&self.data_dir.join(name), &target.path().join(name))?;
        }
        report.problems.sort();
        Ok(report)
    }

    fn copy_store(&self, target: &Target, tell: Tell<'_>) -> Result<BackupReport> {
        let path = target.path().join(META);
        let blobs_path = target.path().join(BLOBS);
        let had_blobs = !directory::is_absent(&blobs_path)?;
        let blobs = open_copy(&blobs_path, CACHE_BYTES)?;
        make_tables(&blobs)?;
        // Rows without the bodies that they name are no backup.
        let earlier = if had_blobs { Earlier::open(&path, &blobs)? } else { None };
        let new = self.copy_meta(&unfinished(&path), tell)?;
        let mut report = BackupReport::default();

        let (read, mut wanted, mut room) = (new.begin_read()?, Vec::new(), 0);
        for entry in read.open_table(BODY)?.iter()? {
            let (body, row) = entry?;
            report.bodies += 1;
            let (body, row) = (body.value(), BodyRow::decode(row.value())?);
            if !earlier.as_ref().is_some_and(|earlier| earlier.has(body, &row)) {
                wanted.push(body);
                room += copy::stored_len(&row);
            }
        }
        let strays = strays(earlier.as_ref(), &read, &blobs)?;
        let in_flight = global_row(&read, global::IN_FLIGHT)?.unwrap_or_default();
        drop(read);
        set_in_flight(&new, in_flight.iter().copied().chain(strays.iter().flat_map(|id| id.to_le_bytes())))?;
        directory::check_room(target.path(), room)?;

        let read = new.begin_read()?;
        let begin = || blobs::BlobReader::begin(&self.blobs.file);
        let copied = copy::copy_bodies(&begin, &read, &wanted, &blobs, tell)?;
        drop(read);
        report.copied = wanted.len() as u64;
        report.copied_bytes = copied.bytes;
        let (new, blobs) = (file(unfinished(&path), new), file(blobs_path, blobs));
        (report.messages, report.problems) = check(&new, &blobs, tell)?;
        report.problems.extend(copied.problems);

        drop(earlier);
        new.close();
        drop(new);
        directory::put_in_place(&path)?;
        remove(&blobs, &strays)?;
        let placed = open_copy(&path, CACHE_BYTES)?;
        set_in_flight(&placed, in_flight.into_iter())?;
        report.removed = strays.len() as u64;
        Ok(report)
    }

    /// All rows as they are at one moment, without those of bodies that nothing has any more.
    fn copy_meta(&self, path: &Path, tell: Tell<'_>) -> Result<Handle> {
        directory::remove(path)?;
        let new = open_copy(path, CACHE_BYTES)?;
        let source = &self.meta.file;
        let database = source.get()?;
        let read = database.begin_read()?;
        let total = count_rows(&read)?.iter().map(|(_, rows)| rows).sum();
        let mut done = 0;
        let mut tick = || {
            done += 1;
            if done % ROWS == 0 {
                source.may_be_read_on()?;
                tell(Progress { phase: "copying rows", done, total });
            }
            Ok(())
        };
        let write = new.begin_write()?;
        copy_tables(&read, &write, &["dead", "env"], &mut tick)?;
        write.open_table(DEAD)?;
        let mut dead = HashSet::new();
        for entry in read.open_table(DEAD)?.iter()? {
            dead.insert(entry?.0.value());
        }
        copy_table(&read, &write, ENV, &mut |body| Ok(!dead.contains(&body)), &mut tick)?;
        write.commit()?;
        Ok(new)
    }
}

/// The rows of the backup that stands in the target.
struct Earlier {
    read: ReadTransaction,
    body: ReadTable<u64, &'static [u8]>,
    _file: Handle,
}

impl Earlier {
    fn open(path: &Path, blobs: &Database) -> Result<Option<Self>> {
        if directory::is_absent(path)? {
            return Ok(None);
        }
        let meta = open_copy(path, CACHE_BYTES)?;
        super::migrate::migrate(&meta, blobs, path)?;
        let read = meta.begin_read()?;
        Ok(Some(Self { body: read.open_table(BODY)?, read, _file: meta }))
    }

    /// Whether it has this body, of the same octets in as many pieces.
    fn has(&self, body: u64, row: &BodyRow) -> bool {
        let found = self.body.get(body).ok().flatten().and_then(|found| BodyRow::decode(found.value()).ok());
        found.is_some_and(|found| BodyRow { references: row.references, ..found } == *row)
    }
}

/// Bodies of the target that the new rows do not name: of the earlier backup, or of one that was cut.
fn strays(earlier: Option<&Earlier>, new: &ReadTransaction, blobs: &Database) -> Result<Vec<u64>> {
    let body = new.open_table(BODY)?;
    let (mut candidates, mut next) = (Vec::new(), 0);
    if let Some(earlier) = earlier {
        for entry in earlier.body.iter()? {
            candidates.push(entry?.0.value());
        }
        let in_flight = global_row(&earlier.read, global::IN_FLIGHT)?.unwrap_or_default();
        candidates.extend(in_flight.chunks_exact(8).map(|id| u64::from_le_bytes(id.try_into().unwrap_or_default())));
        next = global_number(&earlier.read.open_table(GLOBAL)?, global::NEXT_BODY)?;
    }
    let tables = blobs::BlobReader::of(blobs.begin_read()?);
    for table in [tables.chunk()?, tables.tail()?] {
        let mut next = next;
        while let Some(entry) = table.range((next, 0)..)?.next() {
            let id = entry?.0.value().0;
            candidates.push(id);
            let Some(after) = id.checked_add(1) else { break };
            next = after;
        }
    }
    let mut strays = Vec::new();
    for id in candidates {
        let all = (id, 0)..=(id, u32::MAX);
        let has_any =
            tables.chunk()?.range(all.clone())?.next().is_some() || tables.tail()?.range(all)?.next().is_some();
        if has_any && body.get(id)?.is_none() {
            strays.push(id);
        }
    }
    strays.sort_unstable();
    strays.dedup();
    Ok(strays)
}

fn remove(blobs: &File, bodies: &[u64]) -> Result<()> {
    for batch in bodies.chunks(MAX_REMOVED) {
        let mut write = blobs.get()?.begin_write()?;
        write.set_quick_repair(true);
        {
            let mut tables = BlobTables::open(&write)?;
            for body in batch {
                tables.remove(*body..=*body)?;
            }
        }
        write.commit()?;
    }
    Ok(())
}

pub(super) fn file(path: PathBuf, handle: Handle) -> File {
    File::new(Arc::new(FileSystem), path, CACHE_BYTES, handle)
}

/// Makes the tables of a blobs.redb where they are not there yet.
pub(super) fn make_tables(blobs: &Database) -> Result<()> {
    let write = blobs.begin_write()?;
    drop(BlobTables::open(&write)?);
    Ok(write.commit()?)
}

/// Checks a store whose files are not in use: messages in it, and what is wrong.
pub(super) fn check(meta: &File, blobs: &File, tell: Tell<'_>) -> Result<(u64, Vec<String>)> {
    tell(Progress { phase: "checking", done: 0, total: 0 });
    let reader = MetaReader::begin(meta)?;
    let next = global_number(&reader.meta.open_table(GLOBAL)?, global::NEXT_BODY)?;
    let in_flight = global_row(&reader.meta, global::IN_FLIGHT)?.unwrap_or_default();
    let in_flight = in_flight.chunks_exact(8).map(|id| u64::from_le_bytes(id.try_into().unwrap_or_default()));
    let unplaced = Unplaced { next, in_flight: in_flight.collect() };
    let problems = Check::new(&reader, &blobs::BlobReader::begin(blobs)?)?.run(&unplaced)?;
    Ok((reader.messages()?, problems.iter().map(ToString::to_string).collect()))
}

fn global_row(read: &ReadTransaction, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(read.open_table(GLOBAL)?.get(key)?.map(|row| row.value().to_vec()))
}

fn set_in_flight(meta: &Database, ids: impl Iterator<Item = u8>) -> Result<()> {
    let write = meta.begin_write()?;
    write.open_table(GLOBAL)?.insert(global::IN_FLIGHT, ids.collect::<Vec<u8>>().as_slice())?;
    Ok(write.commit()?)
}

/// The number by which a store and its copies know each other.
pub(super) fn store_id(read: &ReadTransaction) -> Result<[u8; 16]> {
    let row = global_row(read, global::STORE_ID)?;
    let id = row.and_then(|row| row.try_into().ok());
    id.ok_or_else(|| Error::Damaged("the store's own number cannot be read".to_owned()))
}
