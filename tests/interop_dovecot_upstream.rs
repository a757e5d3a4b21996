//! Two Dovecot maildrops of 1,000 messages each, over TLS: everything arrives once, byte for byte (I3, I7), and the
//! maildrops are changed only as `leave_on_server` says and only for what is durable (I1, I8).

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::json;
use support::config::{Account, Tls};
use support::dovecot::{self, Dovecot, Maildrop};
use support::proxy::{Gate, Proxy};
use support::server::Server;
use support::{DEADLINE, config, have, mail, scratch, script, wait};

const EACH: usize = 1000;

fn maildrops(count: usize) -> [Maildrop; 2] {
    [Maildrop { user: "u1", seed: 11, count }, Maildrop { user: "u2", seed: 12, count }]
}

fn label(metric_account: &str) -> String {
    config::account_label(metric_account)
}

fn wait_for_messages(server: &Server, count: usize) {
    let mut imap = server.imap();
    wait::until("all messages are in INBOX", DEADLINE, || {
        (imap.status("INBOX", "MESSAGES") >= count as u64).then_some(())
    });
    assert_eq!(imap.status("INBOX", "MESSAGES"), count as u64);
}

fn compare(server: &Server, upstream: &Dovecot) {
    let drop = |user: &str| json!({"host": "127.0.0.1", "port": upstream.pop3.port(), "user": user, "password": dovecot::PASSWORD});
    let argument = json!({
        "host": "127.0.0.1", "imap": server.address("imap").port(), "imaps": server.address("imaps").port(),
        "user": config::USER, "password": config::PASSWORD, "expected": 2 * EACH, "maildrops": [drop("u1"), drop("u2")],
    });
    script::run("compare_maildrops", &argument);
}

#[test]
fn two_thousand_messages_arrive_once_byte_for_byte() {
    if !have(dovecot::PROGRAMS) {
        return;
    }
    let dir = scratch();
    let upstream = Dovecot::start(dir.path(), &maildrops(EACH));
    let ca = Tls::Implicit(upstream.ca_file());
    let pin = Tls::Stls(upstream.certificate_sha256());
    let accounts = [
        Account { tls: ca, ..Account::new("one", upstream.pop3s, "u1") },
        Account { tls: pin, ..Account::new("two", upstream.pop3, "u2") },
    ];
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &accounts));
    wait_for_messages(&server, 2 * EACH);
    compare(&server, &upstream);

    server.wait_for_polls(&["one", "two"], 3);
    for account in ["one", "two"] {
        let fetched = server.metrics().sum("tributary_messages_fetched_total", &[("account", &label(account))]);
        assert_eq!(fetched, EACH as f64, "later polls fetch none");
    }
    wait_for_messages(&server, 2 * EACH);

    let uid_validity = server.imap().status("INBOX", "UIDVALIDITY");
    let server = server.restart_after_kill();
    server.wait_for_polls(&["one", "two"], 1);
    assert_eq!(server.metrics().sum("tributary_messages_fetched_total", &[]), 0.0, "a restart fetches none");
    wait_for_messages(&server, 2 * EACH);
    assert_eq!(server.imap().status("INBOX", "UIDVALIDITY"), uid_validity);
    assert_eq!([upstream.count("u1"), upstream.count("u2")], [EACH, EACH], "forever: nothing is deleted");
    assert!(server.stop().success());
}

/// The service is killed at the moment its first DELE reaches the wire: by then every message of the maildrop that it
/// is about to delete must be readable after a restart, with the maildrop out of reach.
#[test]
fn never_empties_the_maildrop_and_deletes_only_what_is_durable() {
    if !have(dovecot::PROGRAMS) {
        return;
    }
    let count = 300;
    let dir = scratch();
    let upstream = Dovecot::start(dir.path(), &maildrops(count)[..1]);
    let proxy = Proxy::start(upstream.pop3, Gate::BeforeLine("DELE"));
    let account = Account { leave_on_server: "never", ..Account::new("one", proxy.address(), "u1") };
    let mut server = Server::start(dir.path(), &config::yaml(dir.path(), &[account]));
    assert!(proxy.stopped_within(DEADLINE), "a DELE is sent; log:\n{}", server.tail());
    let fetched = server.metrics().sum("tributary_messages_fetched_total", &[]) as usize;
    assert!(fetched > 0, "nothing was stored before the first DELE");
    server.kill();
    assert_eq!(upstream.count("u1"), count, "the maildrop was touched before the commit");

    proxy.set(Gate::Shut);
    proxy.end_connections();
    let server = server.restart_after_kill();
    let stored = server.imap().status("INBOX", "MESSAGES") as usize;
    assert!(stored >= fetched, "{fetched} messages were counted as stored, {stored} are there after kill -9");

    proxy.set(Gate::Open);
    let server = server.restart_after_kill();
    wait::until("the maildrop is empty", DEADLINE, || (upstream.count("u1") == 0).then_some(()));
    wait_for_messages(&server, count);
    let mut numbers: Vec<String> =
        server.imap().uids_with_field("INBOX", mail::NUMBER_FIELD).into_iter().map(|(_, number)| number).collect();
    numbers.sort();
    let mut wanted: Vec<String> = (0..count).map(|n| format!("11-{n}")).collect();
    wanted.sort();
    assert_eq!(numbers, wanted, "each message once");
}
