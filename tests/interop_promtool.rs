//! Prometheus' own judge of what the service exposes and of the configuration that the project ships.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use support::server::Server;
use support::{config, have, metrics, scratch};

#[test]
fn promtool_accepts_the_configuration() {
    if have(&["promtool"]) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus.yml");
        support::run(Command::new("promtool").args(["check", "config"]).arg(file));
    }
}

#[test]
fn promtool_accepts_the_alerts_and_each_fires_when_it_should() {
    if have(&["promtool"]) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus");
        support::run(Command::new("promtool").args(["check", "rules"]).arg(dir.join("alerts.yml")));
        for cases in ["alerts.test.yml", "alerts-days.test.yml"] {
            support::run(Command::new("promtool").args(["test", "rules"]).arg(dir.join(cases)));
        }
    }
}

#[test]
fn promtool_accepts_a_scrape() {
    if !have(&["promtool"]) {
        return;
    }
    let dir = scratch();
    let server = Server::start(dir.path(), &config::yaml_with_quota(dir.path(), 1 << 20));
    server.imap().ok("STATUS INBOX (MESSAGES)");
    let scrape = server.metrics();
    let of_user = format!("\ntributary_user_quota_used_ratio{{user=\"{}\"}} 0\n", config::USER);
    assert!(scrape.text().contains(&of_user), "{}", scrape.text());
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(scrape.text().as_bytes()).unwrap();
    let done = promtool.wait_with_output().unwrap();
    let words = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}\n{}", String::from_utf8_lossy(&words), scrape.text());
}

#[test]
fn health_and_readiness_answer() {
    let dir = scratch();
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &[]));
    for path in ["/healthz", "/readyz"] {
        let (status, body) = metrics::get(server.address("http"), path);
        assert_eq!(status, 200, "{path}: {body}");
    }
    let metrics = server.metrics();
    assert!(metrics.text().contains("tributary_panics_total 0"), "there from the start");
    assert!(!metrics.text().contains(config::USER), "no user is named unless http.user_labels says so");
    assert!(server.stop().success());
}
