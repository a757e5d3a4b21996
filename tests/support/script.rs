//! Runs the client scripts of `tests/interop/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The Python of the tests: the environment that tests/run makes (it has IMAPClient), else the system's.
pub fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let own = target.join("venv/bin/python");
    if own.is_file() { own } else { PathBuf::from("python3") }
}

/// Whether a module can be imported; missing ones are a failure where CI=true.
pub fn have_module(module: &str) -> bool {
    let found =
        Command::new(python()).args(["-c", &format!("import {module}")]).output().is_ok_and(|o| o.status.success());
    if !found {
        super::skip(&format!("no Python module {module}; tests/run makes an environment with it"));
    }
    found
}

/// Runs `tests/interop/NAME.py` with the JSON as its argument; panics with its output when a check fails.
pub fn run(name: &str, argument: &Value) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name).with_extension("py");
    super::run(Command::new(python()).arg("-B").arg(file).arg(argument.to_string()))
}
