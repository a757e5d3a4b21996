//! The commands that ask or tell a running service, with the real binary on both sides.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::command::tributary;
use support::config::Account;
use support::maildrop::{maildrop, seldom_polled as account};
use support::server::Server;
use support::{DEADLINE, config, scratch, wait};
use tokio::runtime::Runtime;

fn ok(dir: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = tributary(dir, arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
    out
}

fn fails(dir: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = tributary(dir, arguments);
    assert_eq!(code, 1, "{arguments:?}: {out}");
    assert!(err.starts_with("tributary: "), "{err}");
    out + &err
}

fn status(dir: &Path, account: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&ok(dir, &["status", "--json"])).unwrap();
    let accounts = json["accounts"].as_array().unwrap();
    accounts.iter().find(|shown| shown["account"] == account).unwrap().clone()
}

#[test]
fn a_service_is_asked_and_told() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let (good, bad) = (maildrop(&runtime, 3), maildrop(&runtime, 1));
    let wrong = Account { username: "nobody".to_owned(), ..account("bad", &bad) };
    let service = Server::start(dir.path(), &config::yaml(dir.path(), &[account("good", &good), wrong]));
    let dir = dir.path();
    let socket = dir.join("data/control.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    service.wait_for_polls(&["good"], 1);
    wait::until("the bad account fails", DEADLINE, || {
        (status(dir, "robin/bad")["state"] == "auth_failed").then_some(())
    });
    let table = ok(dir, &["status"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("ACCOUNT "), "{table}");
    assert!(lines[1].starts_with("robin/bad   login refused"), "{table}");
    assert!(lines[2].starts_with("robin/good  ok"), "{table}");
    assert!(lines[3].starts_with("robin/bad: "), "why: {table}");

    good.deliver("id4", b"Subject: 4\r\n\r\nhello\r\n".to_vec());
    assert_eq!(ok(dir, &["poll", "good"]), "robin/good: ok; 4 listed, 1 fetched\n");
    assert_eq!(ok(dir, &["poll", "robin/good"]), "robin/good: ok; 4 listed, 0 fetched\n");
    let all = fails(dir, &["poll"]);
    assert!(all.contains("robin/good: ok;") && all.contains("robin/bad: failed: "), "{all}");
    assert!(all.ends_with("tributary: 1 of 2 accounts were not polled, or not with success\n"), "{all}");
    assert!(fails(dir, &["poll", "other"]).contains("there is no account other"));

    assert_eq!(ok(dir, &["pause", "good"]), "robin/good is paused until: tributary resume robin/good\n");
    assert!(ok(dir, &["pause", "good"]).contains("was paused already"));
    assert_eq!(status(dir, "robin/good")["state"], "paused");
    assert!(ok(dir, &["status"]).contains("robin/good  paused"));
    assert!(fails(dir, &["poll", "good"]).starts_with("robin/good: not polled: the account is paused\n"));

    let service = service.restart_after_kill();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600, "the dead service's is replaced");
    wait::until("the pause outlives the service", DEADLINE, || {
        (status(dir, "robin/good")["state"] == "paused").then_some(())
    });
    assert_eq!(ok(dir, &["resume", "good"]), "robin/good is polled again\n");
    assert_eq!(ok(dir, &["resume", "good"]), "robin/good was not paused\n");
    assert_eq!(ok(dir, &["poll", "good"]), "robin/good: ok; 4 listed, 0 fetched\n");
    assert!(fails(dir, &["confirm-deletes", "good"]).contains("until_expunged"));

    assert!(service.stop().success());
    assert!(!socket.exists());
    let gone = fails(dir, &["status"]);
    assert!(gone.contains("no service is running on data_dir") && gone.contains("tributary serve -c"), "{gone}");
}

#[test]
fn a_data_directory_with_a_long_name_has_a_control_socket_too() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let good = maildrop(&runtime, 1);
    let long = dir.path().join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let service = Server::start(&long, &config::yaml(&long, &[account("good", &good)]));
    assert_eq!(status(&long, "robin/good")["account"], "robin/good");
    assert!(service.stop().success());
    assert!(fails(&long, &["status"]).contains("no service is running"));
}

#[test]
fn a_full_quota_is_told_in_plain_words() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let drop = maildrop(&runtime, 60);
    let yaml =
        config::yaml(dir.path(), &[account("isp", &drop)]).replace("    accounts:", "    quota: 1KiB\n    accounts:");
    let service = Server::start(dir.path(), &yaml);
    let dir = dir.path();
    let shown = wait::until("the quota is full", DEADLINE, || {
        Some(status(dir, "robin/isp")).filter(|shown| shown["state"] == "paused")
    });
    let reason = shown["last_error"].as_str().unwrap().to_owned();
    assert!(reason.contains("the quota of robin") && reason.ends_with("delete mail or raise it"), "{reason}");
    let table = ok(dir, &["status"]);
    assert!(table.contains("robin/isp  paused ") && table.contains(&format!("robin/isp: {reason}")), "{table}");
    let url = format!("http://{}/api/status", service.address("http"));
    let login = format!("{}:{}", config::USER, config::PASSWORD);
    let seen = support::run(std::process::Command::new("curl").args(["-s", "-u", &login, &url]));
    assert!(seen.contains("paused") && seen.contains(&reason), "{seen}");
    assert!(fails(dir, &["poll"]).contains(&reason), "a person who asks is told");
    let samples = service.metrics();
    assert!(samples.text().contains("tributary_polls_total{account=\"robin/isp\",result=\"store\"}"));
    assert!(samples.text().contains("tributary_account_state{account=\"robin/isp\",state=\"paused\"} 1"));
    let usage = service.imap().ok("GETQUOTAROOT INBOX").text();
    assert!(usage.contains("\"User quota\" (STORAGE 1 1)"), "{usage}");
    assert!(service.stop().success());
    assert_eq!(drop.unique_ids().len(), 60, "nothing is deleted upstream");
}

#[test]
fn who_is_connected_is_shown_and_can_be_told_to_go() {
    let dir = scratch();
    let service = Server::start(dir.path(), &config::yaml(dir.path(), &[]));
    let dir = dir.path();
    assert_eq!(ok(dir, &["who"]), "Nobody is connected.\n");
    let (mut phone, mut laptop) = (service.imap(), service.imap());
    phone.ok("ID (\"name\" \"Pocket Mail\" \"version\" \"2.1\")");
    phone.ok("SELECT INBOX");
    let shown: serde_json::Value = serde_json::from_str(&ok(dir, &["who", "--json"])).unwrap();
    let shown = shown.as_array().unwrap();
    assert_eq!(shown.len(), 2);
    let one = &shown[0];
    assert_eq!(
        (one["user"].as_str(), one["client"].as_str(), one["address"].as_str(), one["mailbox"].as_str()),
        (Some("robin"), Some("Pocket Mail 2.1"), Some("127.0.0.1"), Some("INBOX"))
    );
    assert_eq!((&shown[1]["mailbox"], &shown[1]["tls"]), (&serde_json::Value::Null, &serde_json::Value::Bool(false)));
    let table = ok(dir, &["who"]);
    assert!(table.starts_with("ID ") && table.contains("Pocket Mail 2.1  127.0.0.1  no   INBOX"), "{table}");

    assert_eq!(ok(dir, &["kick", &one["id"].to_string()]), "1 session is ended\n");
    assert!(phone.ends_with_bye().contains("ended on the status page or by an administrator"));
    laptop.ok("NOOP");
    assert_eq!(ok(dir, &["kick", "robin"]), "1 session is ended\n");
    laptop.ends_with_bye();
    wait::until("nobody is left", DEADLINE, || (ok(dir, &["who"]) == "Nobody is connected.\n").then_some(()));
    assert!(fails(dir, &["kick", "robin"]).contains("nobody is connected by the number or name robin"));
    assert_eq!(service.metrics().sum("tributary_imap_evicted_total", &[]), 0.0, "nobody had to make room");
    assert!(service.stop().success());
}
