//! The commands of the real binary, on the configuration that a test has written.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a command on the service of this directory: exit code, what it printed, what it complained of.
pub fn tributary(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    command.args(arguments).arg("-c").arg(dir.join("tributary.yaml"));
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}
