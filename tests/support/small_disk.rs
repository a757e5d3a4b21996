//! A small filesystem of its own: a tmpfs in a mount namespace that a child process holds. The test and the service
//! reach it through `/proc/PID/root`, so nothing is mounted where others would see it, and it goes with the child, which
//! ends when the test does.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How a namespace can be had: as any user where user namespaces are permitted, else as root.
const WAYS: [&str; 2] = ["-rm", "-m"];

pub struct SmallDisk {
    holder: Child,
    path: PathBuf,
}

impl SmallDisk {
    /// A filesystem of this many bytes; `None` where this process may not mount any.
    pub fn new(dir: &Path, bytes: u64) -> Option<Self> {
        let place = dir.join("disk");
        std::fs::create_dir_all(&place).unwrap();
        WAYS.iter().find_map(|way| Self::by(way, &place, bytes))
    }

    fn by(way: &str, place: &Path, bytes: u64) -> Option<Self> {
        // `cat` ends when this process closes its input.
        let script = "mount -t tmpfs -o size=$1,mode=755 tmpfs \"$2\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare")
            .args([way, "sh", "-c", script, "sh", &bytes.to_string()])
            .arg(place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let _ = BufReader::new(holder.stdout.take()?).read_line(&mut line);
        let path = PathBuf::from(format!("/proc/{}/root{}", holder.id(), place.display()));
        let disk = Self { holder, path };
        (line == "mounted\n" && disk.path.is_dir()).then_some(disk)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills what is left but for `left` bytes.
    pub fn fill(&self, left: u64) {
        let mut filler = OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        loop {
            match filler.write_all(&[0xaa; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
        let len = filler.metadata().unwrap().len();
        filler.set_len(len.saturating_sub(left)).unwrap();
    }

    pub fn make_room(&self) {
        drop(File::create(self.filler()).unwrap());
        std::fs::remove_file(self.filler()).unwrap();
    }

    /// Everything on it can be read and nothing changed, or all as before.
    pub fn set_read_only(&self, read_only: bool) {
        let how = if read_only { "remount,ro" } else { "remount,rw" };
        let place = PathBuf::from("/").join(self.path.components().skip(4).collect::<PathBuf>());
        let id = self.holder.id().to_string();
        let enter = |more: &[&str]| {
            let mut enter = Command::new("nsenter");
            enter.args(["-t", &id, "-m"]).args(more).args(["mount", "-o", how]).arg(&place);
            enter.output().is_ok_and(|done| done.status.success())
        };
        // The user namespace has to be entered where the disk has one of its own.
        assert!(enter(&["-U", "--preserve-credentials"]) || enter(&[]), "{how}");
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
