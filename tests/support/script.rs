//! Runs the client scripts of `tests/interop/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where tests/run puts what it installs for the tests.
pub fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The Python of the tests: the environment that tests/run makes (it has IMAPClient), else the system's.
pub fn python() -> PathBuf {
    let own = target().join("venv/bin/python");
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

fn node_modules() -> PathBuf {
    target().join("node/node_modules")
}

/// Whether tests/run has installed a module for node; a missing one is a failure where CI=true.
pub fn have_node_module(module: &str) -> bool {
    let found = node_modules().join(module).is_dir();
    if !found {
        super::skip(&format!("no node module {module}; tests/run installs it"));
    }
    found
}

/// Whether PHP has the file of a class; missing ones are a failure where CI=true.
pub fn have_php_class(class: &str) -> bool {
    let code = format!("exit(stream_resolve_include_path('{}.php') ? 0 : 1);", class.replace('_', "/"));
    let found = Command::new("php").args(["-r", &code]).output().is_ok_and(|o| o.status.success());
    if !found {
        super::skip(&format!("no PHP class {class}; tests/run installs it"));
    }
    found
}

/// Runs `tests/interop/NAME` (Python without a suffix, node with `.cjs`, PHP with `.php`) with the JSON as its argument;
/// panics with its output when a check fails.
pub fn run(name: &str, argument: &Value) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name);
    let mut command = if name.ends_with(".cjs") {
        let mut command = Command::new("node");
        command.arg(file);
        command
    } else if name.ends_with(".php") {
        let mut command = Command::new("php");
        command.arg(file);
        command
    } else {
        let mut command = Command::new(python());
        command.arg("-B").arg(file.with_extension("py"));
        command
    };
    // A script in Python may start one for node.
    super::run(command.env("NODE_PATH", node_modules()).arg(argument.to_string()))
}
