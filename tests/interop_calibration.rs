//! Are the tests right? The client scripts and the comparison against Dovecot as the IMAP server: what fails here is a
//! fault of the script, not of the service.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::json;
use support::dovecot::{self, Dovecot, Maildrop};
use support::{have, scratch, script};

const SMALL: Maildrop = Maildrop { user: "u1", seed: 3, count: 200 };

/// Starts a Dovecot with IMAP and hands the scripts' argument for it to `test`.
fn with_dovecot_imap(test: impl FnOnce(serde_json::Value)) {
    if !have(dovecot::PROGRAMS) {
        return;
    }
    let dir = scratch();
    let server = Dovecot::start(dir.path(), &[SMALL]);
    let (Some(imap), Some(imaps)) = (server.imap, server.imaps) else {
        eprintln!("SKIPPED: dovecot-imapd not installed (optional: only this calibration uses it)");
        return;
    };
    let home = dir.path().join("scratch");
    std::fs::create_dir(&home).unwrap();
    test(json!({
        "host": "127.0.0.1", "imap": imap.port(), "imaps": imaps.port(), "user": SMALL.user,
        "password": dovecot::PASSWORD, "scratch": home, "expected": SMALL.count,
        "maildrops": [{"host": "127.0.0.1", "port": server.pop3.port(), "user": SMALL.user, "password": dovecot::PASSWORD}],
    }));
}

#[test]
fn comparison_finds_dovecots_own_maildrop_and_mailbox_equal() {
    with_dovecot_imap(|argument| drop(script::run("compare_maildrops", &argument)));
}

#[test]
fn imaplib_script_passes_with_dovecot() {
    with_dovecot_imap(|argument| drop(script::run("imaplib_tour", &argument)));
}

#[test]
fn imapclient_script_passes_with_dovecot() {
    if script::have_module("imapclient") {
        with_dovecot_imap(|argument| drop(script::run("imapclient_tour", &argument)));
    }
}

#[test]
fn curl_script_passes_with_dovecot() {
    if have(&["curl"]) {
        with_dovecot_imap(|argument| drop(script::run("curl_tour", &argument)));
    }
}

#[test]
fn mbsync_script_passes_with_dovecot() {
    if have(&["mbsync"]) {
        with_dovecot_imap(|argument| drop(script::run("mbsync_tour", &argument)));
    }
}
