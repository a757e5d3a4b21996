//! Directories and plain files: room, locks, names that change at once and for good.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::disk::{Disk, FileSystem};
use crate::store::error::{Error, Result};

/// Depth of directories that are copied; those of the service have two levels.
const MAX_DEPTH: usize = 8;

/// Left free on a disk by whatever copies a store.
const RESERVE: u64 = 16 << 20;

pub(super) fn at(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::NoSpace,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Error::Internal(format!(
            "{} cannot be written ({error}): let the user that runs tributary read and write it, or set another data_dir",
            path.display()
        )),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Error::Internal(format!("{} is no directory: move it away, or set another data_dir", path.display()))
        }
        _ => Error::Internal(format!("{}: {error}", path.display())),
    }
}

/// Whether there is no file, or an empty one.
pub(super) fn is_absent(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(at(path, &e)),
    }
}

/// Makes a directory that only its owner may enter, unless it is there.
pub(super) fn make_dir(dir: &Path) -> Result<()> {
    FileSystem.make_dir(dir).map_err(|e| at(dir, &e))
}

/// Where a file is written before it takes its place.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at(path, &e)),
        _ => Ok(()),
    }
}

/// What was renamed, made or removed in the directory stays so also after a power cut.
pub(super) fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| at(dir, &e))
}

/// Puts a durable file in its place.
pub(super) fn put_in_place(path: &Path) -> Result<()> {
    fs::rename(unfinished(path), path).map_err(|e| at(path, &e))?;
    path.parent().map_or(Ok(()), sync)
}

/// Locks a file for as long as the answer lives; makes it when it is not there. `None`: somebody else has locked it.
pub(super) fn lock_file(path: &Path) -> Result<Option<File>> {
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = made.map_err(|e| at(path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(e)) => Err(at(path, &e)),
    }
}

/// Refuses when the disk of `dir` has not this much room.
pub(super) fn check_room(dir: &Path, needed: u64) -> Result<()> {
    let disk = rustix::fs::statvfs(dir).map_err(|e| at(dir, &e.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed.saturating_add(RESERVE) <= free {
        return Ok(());
    }
    Err(Error::Unable(format!(
        "not enough room on the disk of {}: about {} MiB are needed, {} MiB are free",
        dir.display(),
        needed.saturating_add(RESERVE) >> 20,
        free >> 20
    )))
}

/// Makes `to` what `from` is: plain files and directories. A file is replaced as a whole. What `from` has not is removed.
pub(super) fn mirror(from: &Path, to: &Path) -> Result<()> {
    mirror_to(from, to, MAX_DEPTH)
}

fn mirror_to(from: &Path, to: &Path, depth: usize) -> Result<()> {
    let names = |dir: &Path| -> Result<Vec<_>> {
        match fs::read_dir(dir) {
            Ok(entries) => entries.map(|entry| Ok(entry.map_err(|e| at(dir, &e))?.file_name())).collect(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(at(dir, &e)),
        }
    };
    let wanted = names(from)?;
    for name in names(to)?.iter().filter(|name| !wanted.contains(name)) {
        let path = to.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|e| at(&path, &e))?;
    }
    if wanted.is_empty() {
        return Ok(());
    }
    make_dir(to)?;
    for name in wanted {
        let (source, target) = (from.join(&name), to.join(&name));
        let kind = fs::symlink_metadata(&source).map_err(|e| at(&source, &e))?.file_type();
        if kind.is_dir() && depth > 0 {
            mirror_to(&source, &target, depth - 1)?;
        } else if kind.is_file() {
            copy_file(&source, &unfinished(&target))?;
            put_in_place(&target)?;
        }
    }
    sync(to)
}

/// Copies a file, durably, for its owner alone.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    let mut source = File::open(from).map_err(|e| at(from, &e))?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let mut copy = made.map_err(|e| at(to, &e))?;
    io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all()).map_err(|e| at(to, &e))
}
