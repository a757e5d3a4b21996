//! The directory of a backup: which one may be used, and the lock on it.
//!
//! The lock file also says of which store the directory is a backup, from the first moment on: so a backup that was cut
//! before its rows were in place is known again.

use std::fs;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use redb::ReadableDatabase;

use super::backup::{CACHE_BYTES, store_id};
use super::directory::{at, is_absent, lock_file, make_dir, sync, unfinished};
use super::open::{BLOBS, META, open_copy};
use crate::store::error::{Error, Result};

/// Of the lock file.
pub(super) const LOCK: &str = "backup.lock";

/// A directory that is locked and may be written to.
pub(super) struct Target {
    path: PathBuf,
    _lock: fs::File,
}

impl Target {
    /// Makes the directory where it is not there. `beside`: other names that may stand in it.
    pub(super) fn open(path: &Path, data_dir: &Path, id: &[u8; 16], beside: &[&str]) -> Result<Self> {
        let refuse = |why: &str| Err(Error::Unable(format!("no backup into {}: {why}", path.display())));
        if path.exists() && !path.is_dir() {
            return refuse("it is a file; name a directory");
        }
        let data_dir = fs::canonicalize(data_dir).map_err(|e| at(data_dir, &e))?;
        if resolve(path)?.starts_with(&data_dir) {
            return refuse("it lies in the data directory itself; name one on another disk");
        }
        if let Some(other) = other_things(path, beside)? {
            return refuse(&format!(
                "it holds other things ({}); name an empty directory, or the one of an earlier backup",
                other.escape_debug()
            ));
        }
        make_dir(path)?;
        let Some(mut lock) = lock_file(&path.join(LOCK))? else {
            return refuse("another backup or restore is using it; wait for its end");
        };
        if owner(path, &mut lock)?.is_some_and(|owner| owner != *id) {
            return refuse("it is the backup of another store; name an empty directory, or move that backup away");
        }
        let written = lock.set_len(0).and_then(|()| write_at_start(&mut lock, &hex(id)));
        written.and_then(|()| lock.sync_all()).map_err(|e| at(&path.join(LOCK), &e))?;
        sync(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whose backup the directory is. Files of a store that nobody claims belong to another one.
fn owner(path: &Path, lock: &mut fs::File) -> Result<Option<[u8; 16]>> {
    if !is_absent(&path.join(META))? {
        let meta = open_copy(&path.join(META), CACHE_BYTES)?;
        return Ok(Some(store_id(&meta.begin_read()?).unwrap_or_default()));
    }
    let mut text = String::new();
    lock.read_to_string(&mut text).map_err(|e| at(&path.join(LOCK), &e))?;
    let claimed =
        (0..16).map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()).collect::<Option<Vec<u8>>>();
    let claimed = claimed.and_then(|id| id.try_into().ok());
    Ok(claimed.or_else(|| path.join(BLOBS).exists().then_some([0; 16])))
}

fn write_at_start(file: &mut fs::File, text: &str) -> std::io::Result<()> {
    use std::io::Seek;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

fn hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n"
}

/// The name without links, also of what is not there yet.
fn resolve(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).map_err(|e| at(path, &e))?;
    for there in whole.ancestors() {
        if let Ok(found) = fs::canonicalize(there) {
            let rest = whole.strip_prefix(there).unwrap_or_else(|_| Path::new(""));
            if rest.components().all(|part| matches!(part, Component::Normal(_))) {
                return Ok(found.join(rest));
            }
        }
    }
    Err(Error::Unable(format!("{} cannot be resolved", path.display())))
}

/// Something in the directory that is of no backup.
fn other_things(path: &Path, beside: &[&str]) -> Result<Option<String>> {
    let ours = |name: &str| {
        // The root of a disk has this.
        let known = [META, BLOBS, LOCK, "lost+found"].contains(&name) || beside.contains(&name);
        known || [META, BLOBS].iter().any(|file| unfinished(Path::new(file)) == Path::new(name))
    };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(at(path, &e)),
    };
    for entry in entries {
        let name = entry.map_err(|e| at(path, &e))?.file_name().to_string_lossy().into_owned();
        if !ours(&name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
