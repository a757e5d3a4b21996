//! Followed results, parts of results and batches with imaplib, and the same asked of Dovecot.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::json;
use support::dovecot::{self, Dovecot, Maildrop};
use support::server::Server;
use support::{config, have, scratch, script};

#[test]
fn imaplib_follows_results_as_it_does_with_dovecot() {
    let dir = scratch();
    let upstream = have(dovecot::PROGRAMS)
        .then(|| Dovecot::start(dir.path(), &[Maildrop { user: "u1", seed: 1, count: 0 }]))
        .filter(|upstream| upstream.imap.is_some());
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &[]));
    let mut argument = json!({
        "host": "127.0.0.1", "imap": server.address("imap").port(), "user": config::USER, "password": config::PASSWORD,
    });
    if let Some(imap) = upstream.as_ref().and_then(|upstream| upstream.imap) {
        let more = [
            ("dovecot", json!(imap.port())),
            ("dovecot_user", json!("u1")),
            ("dovecot_password", json!(dovecot::PASSWORD)),
        ];
        argument.as_object_mut().unwrap().extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    script::run("context_tour", &argument);
    assert!(server.stop().success());
}
