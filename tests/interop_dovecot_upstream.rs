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

/// The same mail in two maildrops, by two ways: kept apart or merged, in INBOX and in the view of each account. Views that are
/// turned off and on again keep their UIDs. What is expunged for good goes from the maildrops that have it; what was moved to
/// Trash and back, or is only not shown, stays.
#[test]
fn one_mail_in_two_maildrops_is_kept_or_merged() {
    if !have(dovecot::PROGRAMS) {
        return;
    }
    for merge in [false, true] {
        let dir = scratch();
        let same = ["u1", "u2"].map(|user| Maildrop { user, seed: 13, count: 40 });
        let upstream = Dovecot::start(dir.path(), &same);
        let account =
            |name, user| Account { leave_on_server: "until_expunged", ..Account::new(name, upstream.pop3, user) };
        let text = config::yaml(dir.path(), &[account("one", "u1"), account("two", "u2")]);
        let text = text.replace(
            "    accounts:",
            &format!("    duplicates: {}\n    accounts:", if merge { "merge" } else { "keep" }),
        );
        let server = Server::start(dir.path(), &text);
        server.wait_for_polls(&["one", "two"], 1);
        // Messages without a Message-ID are never merged.
        let with_id =
            (0..40).filter(|n| String::from_utf8_lossy(&mail::message(13, *n)).contains("\nMessage-ID: ")).count();
        assert!((1..=40).contains(&with_id));
        let merged = if merge { with_id } else { 0 };
        wait_for_messages(&server, 80 - merged);
        assert_eq!(server.metrics().sum("tributary_messages_duplicate_total", &[("match", "merged")]), merged as f64);
        tour(&server, 80 - merged, merge);

        let views = |server: &Server| {
            let mut imap = server.imap();
            let view = |imap: &mut support::imap::Imap, name: &str| {
                (imap.uids_with_field(name, mail::NUMBER_FIELD), imap.status(name, "UIDVALIDITY"))
            };
            ["Accounts/one", "Accounts/two"].map(|name| view(&mut imap, name))
        };
        let before = views(&server);
        let file = server.config();
        assert!(server.stop().success());
        std::fs::write(&file, text.replace("    accounts:", "    account_mailboxes: false\n    accounts:")).unwrap();
        let server = Server::start_on(file.clone());
        assert!(server.imap().command("SELECT Accounts/one").tagged.starts_with("NO [NONEXISTENT]"));
        server.wait_for_polls(&["one", "two"], 2);
        assert_eq!([upstream.count("u1"), upstream.count("u2")], [40, 40], "what is not shown is not gone");
        assert!(server.stop().success());
        std::fs::write(&file, &text).unwrap();
        let server = Server::start_on(file);
        assert_eq!(views(&server), before);

        let mut imap = server.imap();
        imap.ok("SELECT INBOX");
        imap.ok("UID MOVE 1:3 Trash");
        imap.ok("SELECT Trash");
        imap.ok("MOVE 2:3 INBOX");
        imap.ok("SELECT Accounts/one");
        // One of what is left in the view: with a Message-ID it may be of both accounts.
        imap.ok("STORE 1 +FLAGS (\\Deleted)");
        imap.ok("EXPUNGE");
        wait::until("one is deleted upstream", DEADLINE, || (upstream.count("u1") == 39).then_some(()));
        server.wait_for_polls(&["one", "two"], 3);
        assert_eq!(upstream.count("u1"), 39, "nothing else, least of all what is in Trash or came back from there");
        let other = upstream.count("u2");
        assert!(if merge { (39..=40).contains(&other) } else { other == 40 }, "{other}");
        assert_eq!(server.metrics().sum("tributary_upstream_deletes_pending", &[]), 0.0);
        assert!(server.stop().success());
    }
}

fn tour(server: &Server, inbox: usize, merge: bool) {
    let argument = json!({
        "host": "127.0.0.1", "imap": server.address("imap").port(), "imaps": server.address("imaps").port(),
        "user": config::USER, "password": config::PASSWORD, "inbox": inbox, "each": 40, "merge": merge,
    });
    script::run("accounts_tour", &argument);
}
