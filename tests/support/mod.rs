//! What the tests with real programs share: the service itself as a child process, a private Dovecot, a proxy that can
//! stop traffic at a chosen byte, deterministic mail, and waiting on conditions (never for a fixed time).
//!
//! Everything is on loopback with ports of its own and in a temporary directory of its own; only children that a test
//! started are stopped, by their process id.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

pub mod command;
pub mod config;
pub mod dovecot;
pub mod imap;
pub mod mail;
pub mod maildrop;
pub mod metrics;
pub mod prometheus;
pub mod proxy;
pub mod script;
pub mod server;
pub mod small_disk;
pub mod socks;
pub mod tls;
pub mod wait;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// The limit of every wait: far longer than anything takes on a busy machine, short enough to name a hang.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(120);

/// An empty directory that is removed at the end; others may pass through it (Dovecot runs as several users).
pub fn scratch() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("tributary-test-").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Where a program lies, looking at the places that a user's PATH leaves out as well.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Whether all the programs are here. Says loudly which one is missing; that is a failure where [`must_not_skip`].
pub fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|name| program(name).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    skip(&format!("{missing:?} not installed; tests/run installs what the tests need"));
    false
}

/// Reports a test that cannot run here.
pub fn skip(reason: &str) {
    assert!(!must_not_skip(), "this test may not be skipped here: {reason}");
    eprintln!("SKIPPED: {reason}");
}

/// In CI, and below tests/run, everything that a test needs is there, or that is a failure.
fn must_not_skip() -> bool {
    std::env::var_os("TRIBUTARY_REQUIRE_TOOLS").is_some() || std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Runs a program to its end and returns what it printed; panics with its words when it fails.
pub fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}: {}\n{out}{err}", done.status);
    out.into_owned()
}

/// Sends SIGTERM to a child that the caller owns.
pub fn terminate(child: &std::process::Child) {
    run(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
}
