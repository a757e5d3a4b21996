//! Opening and creating both files, and clearing away what a crash left half written.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend};

use super::directory::{at, remove, unfinished};
use super::disk::{Disk, FileSystem, Health, Watched, clear, is_new};
use super::file::Handle;
use super::schema::{BODY, BlobTables, DEAD, GLOBAL, Tables, global};
use super::shadow::Shadow;
use crate::metrics::expecting_panics;
use crate::store::contain::contained;
use crate::store::error::{Error, Result};
use crate::store::types::Settings;

/// File of everything but message bytes.
pub(super) const META: &str = "meta.redb";
/// File of message bytes.
pub(super) const BLOBS: &str = "blobs.redb";

/// Both files, opened.
pub(super) struct Opened {
    pub(super) meta: Handle,
    pub(super) blobs: Handle,
    pub(super) next_body: u64,
    pub(super) store_id: [u8; 16],
}

impl Opened {
    /// Shares of the page cache: nearly every request reads meta.redb.
    pub(super) const fn meta_cache(settings: &Settings) -> usize {
        settings.cache_bytes / 4 * 3
    }

    pub(super) const fn blobs_cache(settings: &Settings) -> usize {
        settings.cache_bytes / 4
    }
}

pub(super) fn open(settings: &Settings, disk: &dyn Disk) -> Result<Opened> {
    // redb may panic over a damaged file.
    expecting_panics(|| contained(|| open_both(settings, disk))).map_err(|error| match error {
        Error::Damaged(what) => Error::Damaged(format!("{}: {what}", settings.data_dir.display())),
        other => other,
    })
}

/// What is there is looked at before anything is made, so that a refusal leaves the directory as it was.
fn open_both(settings: &Settings, disk: &dyn Disk) -> Result<Opened> {
    let dir = &settings.data_dir;
    disk.make_dir(dir).map_err(|e| at(dir, &e))?;
    super::restore::refuse_unfinished(dir)?;
    let (meta_path, blobs_path) = (dir.join(META), dir.join(BLOBS));
    let (meta_cache, blobs_cache) = (Opened::meta_cache(settings), Opened::blobs_cache(settings));
    let is_new_meta = is_new(disk, &meta_path).map_err(|e| at(&meta_path, &e))?;
    let is_new_blobs = is_new(disk, &blobs_path).map_err(|e| at(&blobs_path, &e))?;
    // blobs.redb gets its tables when meta.redb is there for good.
    if is_new_meta && !is_new_blobs {
        let blobs = open_existing(disk, &blobs_path, blobs_cache)?;
        if has_tables(&blobs)? {
            return Err(missing(META, BLOBS, dir));
        }
    }
    let meta = if is_new_meta {
        make_file(disk, &meta_path, meta_cache)?
    } else {
        open_existing(disk, &meta_path, meta_cache)?
    };
    let is_fresh = super::migrate::is_fresh(&meta)?;
    if !is_fresh && is_new_blobs {
        return Err(missing(BLOBS, META, dir));
    }
    let blobs = if is_new_blobs {
        make_file(disk, &blobs_path, blobs_cache)?
    } else {
        open_existing(disk, &blobs_path, blobs_cache)?
    };
    if is_fresh && has_tables(&blobs)? {
        return Err(missing(META, BLOBS, dir));
    }
    // Both files are locked now: nobody writes these any more.
    remove(&unfinished(&meta_path))?;
    remove(&unfinished(&blobs_path))?;
    if is_fresh {
        // From here on a store without one of its files is refused: their entries must not be lost.
        disk.sync_dir(dir).map_err(|e| at(dir, &e))?;
    }
    super::migrate::migrate(&meta.database, &blobs.database, dir)?;
    let next_body = recover(&meta.database, &blobs.database)?;
    let store_id = super::backup::store_id(&meta.database.begin_read()?)?;
    Ok(Opened { meta, blobs, next_body, store_id })
}

fn missing(absent: &str, present: &str, dir: &Path) -> Error {
    let dir = dir.display();
    Error::Internal(format!(
        "{dir} has {present} but no {absent}: put the missing file back or restore a backup; \
         to begin with an empty store, move {present} away"
    ))
}

/// Opens one file for reading and writing; made when it is not there.
pub(super) fn open_file(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<Handle> {
    open_or_make(disk, path, cache_bytes, true)
}

/// Makes one file; what a creation cut short has left of it is cleared away.
fn make_file(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<Handle> {
    clear(disk, path).map_err(|e| at(path, &e))?;
    open_file(disk, path, cache_bytes)
}

/// Opens one file that is there for reading and writing.
pub(super) fn open_existing(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<Handle> {
    open_or_make(disk, path, cache_bytes, false)
}

/// Opens a file of the file system, made when it is not there: a copy of the store, or a part of one.
pub(super) fn open_copy(path: &Path, cache_bytes: usize) -> Result<Handle> {
    open_file(&FileSystem, path, cache_bytes)
}

fn open_or_make(disk: &dyn Disk, path: &Path, cache_bytes: usize, make: bool) -> Result<Handle> {
    let file = disk.open(path, make).map_err(|e| at(path, &e))?;
    let file = file.ok_or_else(|| at(path, &io::ErrorKind::NotFound.into()))?;
    open_handle(path, cache_bytes, file, None)
}

/// Opens one file that cannot be written, for reading.
pub(super) fn open_shadow(disk: &dyn Disk, path: &Path, cache_bytes: usize, refusal: Error) -> Result<Handle> {
    let file = disk.open(path, false).map_err(|e| at(path, &e))?;
    let file = file.ok_or_else(|| at(path, &io::ErrorKind::NotFound.into()))?;
    let shadow = Shadow::new(file).map_err(|e| at(path, &e))?;
    open_handle(path, cache_bytes, Box::new(shadow), Some(refusal))
}

fn open_handle(
    path: &Path,
    cache_bytes: usize,
    file: Box<dyn StorageBackend>,
    refusal: Option<Error>,
) -> Result<Handle> {
    let health = Health::default();
    let opened = Builder::new()
        .set_cache_size(cache_bytes)
        .create_with_backend(Watched { file, health: health.clone() })
        .map_err(|e| match e {
            DatabaseError::DatabaseAlreadyOpen => Error::Internal(format!(
                "{} is in use by another process: stop the other tributary, or give this one a data_dir of its own",
                path.display()
            )),
            // The file is shorter than its header says, or is none of redb's.
            DatabaseError::Storage(redb::StorageError::Io(e))
                if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                damaged(path, &e)
            }
            DatabaseError::Storage(redb::StorageError::Io(e)) => at(path, &e),
            DatabaseError::Storage(e @ redb::StorageError::Corrupted(_)) => damaged(path, &e),
            other => Error::Internal(format!("{} cannot be opened: {other}", path.display())),
        })?;
    Ok(Handle { database: Arc::new(opened), health, refusal })
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    let name = path.file_name().unwrap_or_default().display();
    Error::Damaged(format!(
        "{name} cannot be read ({why}) and was left as it is: restore a backup, or the file from one"
    ))
}

fn has_tables(blobs: &Database) -> Result<bool> {
    Ok(blobs.begin_read()?.list_tables()?.next().is_some())
}

/// A number of `global`; 0 when it is not there.
pub(super) fn global_number(table: &impl ReadableTable<&'static str, &'static [u8]>, key: &str) -> Result<u64> {
    let Some(value) = table.get(key)? else { return Ok(0) };
    let bytes = value.value().try_into().map_err(|_| Error::Damaged(format!("global row {key} cannot be read")))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Drops the pieces of bodies that no committed transaction knows, and makes sure that all tables are there.
fn recover(meta: &Database, blobs: &Database) -> Result<u64> {
    let mut made = meta.begin_write()?;
    // A service that is killed before its first commit is not to have a large file walked at the next start.
    made.set_quick_repair(true);
    {
        let mut tables = Tables::open(&made)?;
        super::usage::complete(&mut tables)?;
        if tables.global.get(global::STORE_ID)?.is_none() {
            tables.global.insert(global::STORE_ID, rand::random::<[u8; 16]>().as_slice())?;
        }
    }
    made.commit()?;
    let read = meta.begin_read()?;
    let table = read.open_table(GLOBAL)?;
    let next_body = global_number(&table, global::NEXT_BODY)?.max(1);
    let (body, dead) = (read.open_table(BODY)?, read.open_table(DEAD)?);
    let mut unknown = vec![next_body..=u64::MAX];
    if let Some(row) = table.get(global::IN_FLIGHT)? {
        for id in row.value().chunks_exact(8) {
            let id = u64::from_le_bytes(id.try_into().unwrap_or_default());
            if body.get(id)?.is_none() && dead.get(id)?.is_none() {
                unknown.push(id..=id);
            }
        }
    }
    let mut write = blobs.begin_write()?;
    write.set_quick_repair(true);
    {
        let mut tables = BlobTables::open(&write)?;
        for range in unknown {
            tables.remove(range)?;
        }
    }
    write.commit()?;
    Ok(next_body)
}
