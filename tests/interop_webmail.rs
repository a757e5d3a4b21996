//! A webmail against the service: Roundcube, run by PHP's own web server.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::path::Path;

use serde_json::json;
use support::server::Server;
use support::{config, have, scratch, script, skip};

const ROUNDCUBE: &str = "/var/lib/roundcube/index.php";

#[test]
fn roundcube_reads_searches_sorts_moves_and_writes() {
    if !have(&["php"]) {
        return;
    }
    if !Path::new(ROUNDCUBE).exists() {
        skip(&format!("no Roundcube at {ROUNDCUBE}; tests/run installs it"));
        return;
    }
    let dir = scratch();
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &[]));
    let home = dir.path().join("scratch");
    std::fs::create_dir(&home).unwrap();
    let argument = json!({
        "host": "127.0.0.1", "imap": server.address("imap").port(), "imaps": server.address("imaps").port(),
        "user": config::USER, "password": config::PASSWORD, "scratch": home,
    });
    script::run("roundcube_tour", &argument);
    assert!(server.stop().success(), "the service ends cleanly on SIGTERM");
}
