//! Where the socket lies, and how to name it to the kernel.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What fits into `sun_path` with its final NUL, on every Unix.
const MAX_PATH: usize = 103;

const NAME: &str = "control.sock";

/// The control socket of a data directory.
pub(crate) fn of(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// A name of the socket that is short enough for the kernel, as long as this lives.
pub(crate) struct Reach {
    path: PathBuf,
    /// The directory, open, where its own name is too long.
    _directory: Option<File>,
}

impl Reach {
    /// Fails when the directory's name is too long and there is no `/proc` to name it by.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        let path = of(directory);
        if path.as_os_str().as_bytes().len() <= MAX_PATH {
            return Ok(Self { path, _directory: None });
        }
        let open = File::open(directory)?;
        let names = Path::new("/proc/self/fd");
        if !names.exists() {
            let reason = format!("{} has more than {MAX_PATH} bytes; choose a shorter data_dir", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, reason));
        }
        let path = of(&names.join(open.as_raw_fd().to_string()));
        Ok(Self { path, _directory: Some(open) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
