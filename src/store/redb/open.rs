//! Opening and creating both files, and clearing away what a crash left half written.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::schema::{BODY, BlobTables, CHUNK, DEAD, GLOBAL, Tables, global};
use crate::store::error::{Error, Result};
use crate::store::types::Settings;

/// File of everything but message bytes.
pub(super) const META: &str = "meta.redb";
/// File of message bytes.
pub(super) const BLOBS: &str = "blobs.redb";

/// Both files, opened.
pub(super) struct Opened {
    pub(super) meta: Database,
    pub(super) blobs: Database,
    pub(super) next_body: u64,
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

pub(super) fn open(settings: &Settings) -> Result<Opened> {
    let dir = &settings.data_dir;
    make_dir(dir)?;
    let is_new_meta = is_absent(&dir.join(META))?;
    let is_new_blobs = is_absent(&dir.join(BLOBS))?;
    let meta = open_file(&dir.join(META), Opened::meta_cache(settings))?;
    let is_fresh = super::migrate::is_fresh(&meta)?;
    if !is_fresh && is_new_blobs {
        return Err(missing(BLOBS, META, dir));
    }
    let blobs = open_file(&dir.join(BLOBS), Opened::blobs_cache(settings))?;
    if is_fresh && !is_new_blobs && has_chunks(&blobs)? {
        if is_new_meta {
            // Left empty, it would be taken for a new store at the next start.
            drop(meta);
            fs::remove_file(dir.join(META))?;
        }
        return Err(missing(META, BLOBS, dir));
    }
    super::migrate::migrate(&meta)?;
    let next_body = recover(&meta, &blobs)?;
    Ok(Opened { meta, blobs, next_body })
}

fn missing(absent: &str, present: &str, dir: &Path) -> Error {
    let dir = dir.display();
    Error::Internal(format!(
        "{dir} has {present} but no {absent}: put the missing file back or restore a backup; \
         to begin with an empty store, move {present} away"
    ))
}

fn is_absent(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(at(path, &e)),
    }
}

fn at(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull => Error::NoSpace,
        _ => Error::Internal(format!("{}: {error}", path.display())),
    }
}

fn make_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| at(dir, &e))
}

pub(super) fn open_file(path: &Path, cache_bytes: usize) -> Result<Database> {
    // Made here, because redb would give it the mode of the umask.
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let made = made.map_err(|e| at(path, &e))?;
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    #[cfg(not(test))]
    let opened = builder.create_with_backend(redb::backends::FileBackend::new(made)?);
    #[cfg(test)]
    let opened = builder.create_with_backend(super::tests::fault::FaultyFile::new(path, made)?);
    opened.map_err(|e| match e {
        DatabaseError::DatabaseAlreadyOpen => Error::Internal(format!(
            "{} is in use by another process: stop the other tributary, or give this one a data_dir of its own",
            path.display()
        )),
        DatabaseError::Storage(redb::StorageError::Io(e)) => at(path, &e),
        other => Error::Internal(format!("{} cannot be opened: {other}", path.display())),
    })
}

fn has_chunks(blobs: &Database) -> Result<bool> {
    match blobs.begin_read()?.open_table(CHUNK) {
        Ok(table) => Ok(!table.is_empty()?),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// A number of `global`; 0 when it is not there.
pub(super) fn global_number(table: &impl ReadableTable<&'static str, &'static [u8]>, key: &str) -> Result<u64> {
    let Some(value) = table.get(key)? else { return Ok(0) };
    let bytes = value.value().try_into().map_err(|_| Error::Damaged(format!("global row {key} cannot be read")))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Drops the pieces of bodies that no committed transaction knows, and makes sure that all tables are there.
fn recover(meta: &Database, blobs: &Database) -> Result<u64> {
    let made = meta.begin_write()?;
    drop(Tables::open(&made)?);
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
