//! What a webhook was not told yet, in a file of its own: a restart does not lose it. New mail is not kept.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::queue::Pending;

/// The longest file that is read: the most that waits, each as long as a failure can be.
const MAX_FILE: u64 = 16 << 20;

/// The file of one webhook.
#[derive(Clone, Debug)]
pub(super) struct Spool(PathBuf);

impl Spool {
    /// In this directory, by this name.
    pub(super) fn new(directory: &Path, name: &str) -> Self {
        Self(directory.join(name))
    }

    /// What is kept; nothing where the file cannot be read, which the log says. Blocking.
    pub(super) fn load(&self) -> Vec<Pending> {
        match self.read() {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(file = %self.0.display(), %error, "what webhooks were not told yet cannot be read");
                Vec::new()
            }
        }
    }

    fn read(&self) -> io::Result<Vec<Pending>> {
        if std::fs::metadata(&self.0)?.len() > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too long"));
        }
        Ok(serde_json::from_slice(&std::fs::read(&self.0)?)?)
    }

    /// Keeps these and no others. Durable when it returns. Blocking.
    pub(super) fn save(&self, kept: &[Pending]) -> io::Result<()> {
        if kept.is_empty() {
            return self.remove();
        }
        let directory = self.0.parent().unwrap_or_else(|| Path::new("."));
        std::fs::create_dir_all(directory)?;
        let mut fresh = tempfile::NamedTempFile::new_in(directory)?;
        fresh.write_all(&serde_json::to_vec(kept)?)?;
        fresh.as_file().sync_all()?;
        fresh.persist(&self.0).map_err(|error| error.error)?;
        std::fs::File::open(directory)?.sync_all()
    }

    /// Keeps nothing. Blocking.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Removes what is in the directory under other names than these: of webhooks that are no longer configured. Blocking.
pub(super) fn tidy(directory: &Path, names: &[String]) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if !names.iter().any(|name| entry.file_name() == name.as_str()) {
            // It is looked at again at the next start.
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Kind, Message};
    use super::*;

    #[test]
    fn what_was_kept_is_read_again() {
        let home = tempfile::tempdir().expect("directory");
        let directory = home.path().join("webhooks");
        let spool = Spool::new(&directory, "one.json");
        assert_eq!(spool.load(), []);
        assert!(spool.save(&[]).is_ok() && !directory.exists());
        let message = |id: &str| Message {
            id: id.to_owned(),
            kind: Kind::Recovery,
            account: "ann/isp".to_owned(),
            body: "{}".to_owned(),
        };
        let kept = [Pending { message: message("1"), tries: 3 }, Pending { message: message("2"), tries: 0 }];
        spool.save(&kept).expect("kept");
        assert_eq!(spool.load(), kept);
        std::fs::write(directory.join("two.json"), "x").expect("written");
        tidy(&directory, &["one.json".to_owned()]);
        assert_eq!(std::fs::read_dir(&directory).expect("there").count(), 1);
        std::fs::write(directory.join("one.json"), "{ half").expect("written");
        assert_eq!(spool.load(), [], "the service starts none the less");
        spool.save(&[]).expect("removed");
        assert_eq!(std::fs::read_dir(&directory).expect("there").count(), 0);
    }
}
