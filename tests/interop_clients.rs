//! Real clients against the service: imaplib, IMAPClient, aioimaplib, imapflow, Horde, curl, mbsync, offlineimap,
//! interimap, mutt and neomutt.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::server::Server;
use support::{config, have, scratch, script};

/// Of the user, where there is one.
const QUOTA: u64 = 64 << 10;

fn tour(name: &str) {
    let dir = scratch();
    tour_of(name, dir.path(), &config::yaml(dir.path(), &[]));
}

fn tour_of(name: &str, dir: &Path, yaml: &str) {
    let server = Server::start(dir, yaml);
    script::run(name, &argument(&server, dir));
    assert!(server.stop().success(), "the service ends cleanly on SIGTERM");
}

fn argument(server: &Server, dir: &Path) -> Value {
    let home = dir.join("scratch");
    std::fs::create_dir(&home).unwrap();
    json!({
        "host": "127.0.0.1", "imap": server.address("imap").port(), "imaps": server.address("imaps").port(),
        "user": config::USER, "password": config::PASSWORD, "scratch": home, "quota": QUOTA,
    })
}

#[test]
fn imaplib() {
    tour("imaplib_tour");
}

#[test]
fn imaplib_reads_decoded_parts_and_previews() {
    tour("binary_tour");
}

#[test]
fn imaplib_with_a_quota() {
    let dir = scratch();
    tour_of("quota_tour", dir.path(), &config::yaml_with_quota(dir.path(), QUOTA));
}

#[test]
fn imaplib_with_annotations_and_identifiers() {
    tour("metadata_tour");
}

#[test]
fn imapclient_two_devices_and_idle() {
    if script::have_module("imapclient") {
        tour("imapclient_tour");
    }
}

#[test]
fn imapclient_sorts_and_threads() {
    if script::have_module("imapclient") {
        tour("search_tour");
    }
}

#[test]
fn aioimaplib_four_devices_at_once() {
    if script::have_module("aioimaplib") {
        tour("aioimaplib_tour");
    }
}

#[test]
fn imapflow_two_devices_with_all_it_enables() {
    if have(&["node"]) && script::have_node_module("imapflow") {
        tour("node/imapflow_tour.cjs");
    }
}

#[test]
fn horde_with_the_extensions_of_a_webmail() {
    if have(&["php"]) && script::have_php_class("Horde_Imap_Client_Socket") {
        tour("horde_tour.php");
    }
}

#[test]
fn interimap_keeps_two_servers_in_step() {
    if !have(&["interimap"]) {
        return;
    }
    let dirs = [scratch(), scratch()];
    let [near, far] = dirs.each_ref().map(|dir| Server::start(dir.path(), &config::yaml(dir.path(), &[])));
    let mut argument = argument(&near, dirs[0].path());
    argument["other"] = far.address("imap").port().into();
    script::run("interimap_tour", &argument);
    assert!(near.stop().success() && far.stop().success(), "the services end cleanly on SIGTERM");
}

#[test]
fn curl() {
    if have(&["curl"]) {
        tour("curl_tour");
    }
}

#[test]
fn messages_come_in_by_imapclient_imaplib_and_curl() {
    if script::have_module("imapclient") && have(&["curl"]) {
        tour("append_tour");
    }
}

#[test]
fn mailboxes_by_imapclient_imaplib_and_curl() {
    if script::have_module("imapclient") && have(&["curl"]) {
        tour("mailboxes_tour");
    }
}

#[test]
fn mbsync_two_way_with_two_devices() {
    if have(&["mbsync"]) {
        tour("mbsync_tour");
    }
}

#[test]
fn offlineimap_two_way_with_two_devices() {
    if have(&["offlineimap"]) {
        tour("offlineimap_tour");
    }
}

#[test]
fn neomutt_by_keys() {
    if have(&["neomutt"]) {
        tour("neomutt_batch");
    }
}

#[test]
fn imaplib_comes_back_with_qresync() {
    tour("imaplib_qresync");
}

#[test]
fn imaplib_names_messages_by_uid_alone() {
    tour("imaplib_uidonly");
}

#[test]
fn neomutt_comes_back_with_qresync() {
    if have(&["neomutt"]) {
        tour("neomutt_qresync");
    }
}

#[test]
fn imaplib_compresses() {
    tour("imaplib_compress");
}

#[test]
fn mutt_compresses_and_comes_back_with_qresync() {
    if have(&["mutt"]) {
        tour("mutt_deflate");
    }
}
