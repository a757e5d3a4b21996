//! Opening and creating both files, and clearing away what a crash left half written.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::schema::{BODY, BlobTables, CHUNK, DEAD, GLOBAL, TAIL, Tables, global};
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
    // redb may panic over a damaged file.
    expecting_panics(|| contained(|| open_both(settings))).map_err(|error| match error {
        Error::Damaged(what) => Error::Damaged(format!("{}: {what}", settings.data_dir.display())),
        other => other,
    })
}

/// What is there is looked at before anything is made, so that a refusal leaves the directory as it was.
fn open_both(settings: &Settings) -> Result<Opened> {
    let dir = &settings.data_dir;
    make_dir(dir)?;
    let (is_new_meta, is_new_blobs) = (is_absent(&dir.join(META))?, is_absent(&dir.join(BLOBS))?);
    // Of a new store meta.redb is made first.
    if is_new_meta && !is_new_blobs {
        return Err(missing(META, BLOBS, dir));
    }
    let meta = open_or_create(&dir.join(META), Opened::meta_cache(settings), is_new_meta)?;
    let is_fresh = super::migrate::is_fresh(&meta)?;
    if !is_fresh && is_new_blobs {
        return Err(missing(BLOBS, META, dir));
    }
    let blobs = open_or_create(&dir.join(BLOBS), Opened::blobs_cache(settings), is_new_blobs)?;
    if is_fresh && has_pieces(&blobs)? {
        return Err(missing(META, BLOBS, dir));
    }
    super::migrate::migrate(&meta, &blobs, dir)?;
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
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::NoSpace,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Error::Internal(format!(
            "{}: {error}: let the user of the service write there, or set another data_dir",
            path.display()
        )),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Error::Internal(format!("{} is no directory: move it away, or set another data_dir", path.display()))
        }
        _ => Error::Internal(format!("{}: {error}", path.display())),
    }
}

fn make_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| at(dir, &e))
}

fn open_or_create(path: &Path, cache_bytes: usize, is_new: bool) -> Result<Database> {
    if is_new { create_file(path, cache_bytes) } else { open_file(path, cache_bytes) }
}

/// redb does not take up a file that it had only begun to make: it gets its name when it is whole.
fn create_file(path: &Path, cache_bytes: usize) -> Result<Database> {
    let begun = path.with_extension("redb.new");
    let file = open_options().create(true).truncate(false).mode(0o600).open(&begun).map_err(|e| at(path, &e))?;
    let backend = backend(path, file.try_clone().map_err(|e| at(path, &e))?)?;
    // Only now, as no other process can have it locked any more.
    file.set_len(0).map_err(|e| at(path, &e))?;
    let database = database(path, backend, cache_bytes)?;
    fs::rename(&begun, path).map_err(|e| at(path, &e))?;
    let dir = path.parent().map(fs::File::open).transpose().map_err(|e| at(path, &e))?;
    dir.map_or(Ok(()), |dir| dir.sync_all()).map_err(|e| at(path, &e))?;
    Ok(database)
}

pub(super) fn open_file(path: &Path, cache_bytes: usize) -> Result<Database> {
    let file = open_options().open(path).map_err(|e| at(path, &e))?;
    database(path, backend(path, file)?, cache_bytes)
}

fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

#[cfg(not(test))]
fn backend(path: &Path, file: fs::File) -> Result<impl redb::StorageBackend> {
    redb::backends::FileBackend::new(file).map_err(|e| refused(path, e))
}

#[cfg(test)]
fn backend(path: &Path, file: fs::File) -> Result<impl redb::StorageBackend> {
    super::tests::fault::FaultyFile::new(path, file).map_err(|e| refused(path, e))
}

fn database(path: &Path, backend: impl redb::StorageBackend, cache_bytes: usize) -> Result<Database> {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder.create_with_backend(backend).map_err(|e| refused(path, e))
}

fn refused(path: &Path, error: DatabaseError) -> Error {
    let path_shown = path.display();
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::Internal(format!(
            "{path_shown} is in use by another process: stop the other tributary, or give this one a data_dir of its own"
        )),
        // The file is shorter than its header says, or is none of redb's.
        DatabaseError::Storage(redb::StorageError::Io(e))
            if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            damaged(path, &e)
        }
        DatabaseError::Storage(redb::StorageError::Io(e)) => at(path, &e),
        DatabaseError::Storage(e @ redb::StorageError::Corrupted(_)) => damaged(path, &e),
        other => Error::Internal(format!("{path_shown} cannot be opened: {other}")),
    }
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    let name = path.file_name().unwrap_or_default().display();
    Error::Damaged(format!(
        "{name} cannot be read ({why}) and was left as it is: restore a backup, or the file from one"
    ))
}

fn has_pieces(blobs: &Database) -> Result<bool> {
    let read = blobs.begin_read()?;
    for table in [CHUNK, TAIL] {
        match read.open_table(table) {
            Ok(table) if table.is_empty()? => {}
            Ok(_) => return Ok(true),
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(false)
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
