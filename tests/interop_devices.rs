//! Many devices of one person on one account, by programs that other people wrote, and what coming back costs them.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::json;
use support::config::Account;
use support::dovecot::{self, Dovecot, Maildrop};
use support::server::Server;
use support::{config, have, scratch, script};

#[test]
fn every_device_ends_with_the_same() {
    if !have(dovecot::PROGRAMS) || !have(&["mbsync", "thunderbird", "node"]) || !script::have_node_module("imapflow") {
        return;
    }
    let dir = scratch();
    let upstream = Dovecot::start(dir.path(), &[Maildrop { user: "u1", seed: 1, count: 0 }]);
    let account = Account { leave_on_server: "until_expunged", ..Account::new("home", upstream.pop3, "u1") };
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &[account]));
    let home = dir.path().join("scratch");
    std::fs::create_dir(&home).unwrap();
    let told = script::run(
        "devices_tour",
        &json!({
            "host": "127.0.0.1", "imap": server.address("imap").port(), "imaps": server.address("imaps").port(),
            "user": config::USER, "password": config::PASSWORD, "scratch": home, "maildrop": upstream.maildir("u1"),
        }),
    );
    print!("{told}");
    assert!(server.stop().success(), "the service ends cleanly on SIGTERM");
}
