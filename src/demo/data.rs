//! The data directory of the demo: the one asked for, or one that goes when the demo ends.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

/// A directory to keep the store in.
#[derive(Debug)]
pub(super) enum DataDir {
    /// The user's; stays.
    Kept(PathBuf),
    /// Readable by this user alone; removed on drop.
    Temporary(TempDir),
}

impl DataDir {
    /// Makes the directory.
    pub(super) fn new(asked: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(dir) = asked {
            std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
            let dir = std::path::absolute(&dir).with_context(|| format!("cannot use {}", dir.display()))?;
            return Ok(Self::Kept(dir));
        }
        let dir = tempfile::Builder::new().prefix("tributary-demo-").tempdir();
        let hint = "cannot make a temporary directory; name one with --data-dir DIR";
        Ok(Self::Temporary(dir.context(hint)?))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

impl fmt::Display for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(path) => write!(f, "{} (kept)", path.display()),
            Self::Temporary(dir) => write!(f, "{} (removed at the end)", dir.path().display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_goes_and_one_asked_for_stays() {
        let temporary = DataDir::new(None).unwrap();
        let path = temporary.path().to_owned();
        assert!(path.is_dir());
        drop(temporary);
        assert!(!path.exists());

        let home = tempfile::tempdir().unwrap();
        let asked = home.path().join("a/b");
        drop(DataDir::new(Some(asked.clone())).unwrap());
        assert!(asked.is_dir());
    }
}
