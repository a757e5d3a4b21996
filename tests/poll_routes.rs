//! The ways to a maildrop as the configuration writes them, through the real binary.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::Value;
use support::server::{Server, field};
use support::socks::Socks;
use support::tls::Certificate;
use support::{DEADLINE, config, scratch, wait};
use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Pop3d, Settings};

const HOST: &str = "pop.nowhere.invalid";

fn maildrop(runtime: &Runtime, certificate: &Certificate, implicit_tls: bool) -> Pop3d {
    let tls = Some(certificate.config.clone());
    let server = runtime.block_on(Pop3d::start(Settings { tls, implicit_tls, ..Settings::default() })).unwrap();
    (1..=3).for_each(|n| server.deliver(&format!("id{n}"), format!("Subject: {n}\r\n\r\nhello\r\n").into_bytes()));
    server
}

/// Runs a service with this `pop3` section until it has the mail.
fn fetched(host: &str, maildrop: &Pop3d, pop3: &str) -> (Server, tempfile::TempDir) {
    let dir = scratch();
    let port = maildrop.address().port();
    let pop3 = format!("host: {host}, port: {port}, username: demo, password: demo, {pop3}");
    let service = Server::start(dir.path(), &config::yaml_of(dir.path(), "a", "poll_interval: 1h", &pop3));
    service.wait_for_polls(&["a"], 1);
    assert_eq!(service.imap().status("INBOX", "MESSAGES"), 3);
    (service, dir)
}

/// The warnings of this certificate in the log up to a line that satisfies `last`.
fn warnings(service: &mut Server, last: impl Fn(&Value) -> bool) -> usize {
    let lines = wait::until("the line in the log", DEADLINE, || {
        let lines = service.log_so_far().iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<_> = lines.collect();
        lines.iter().any(&last).then_some(lines)
    });
    lines.iter().filter(|line| is_warning(line)).count()
}

fn is_warning(line: &Value) -> bool {
    field(line, "level").is_some_and(|level| level.eq_ignore_ascii_case("warn"))
        && field(line, "account") == Some("robin/a")
        && field(line, "message") == Some("certificate of 127.0.0.1 is not checked")
}

fn is_poll(line: &Value) -> bool {
    field(line, "account") == Some("robin/a") && field(line, "message") == Some("poll")
}

#[test]
fn a_tunnel_with_stls() {
    let (runtime, certificate) = (Runtime::new().unwrap(), Certificate::of(&[HOST]));
    let maildrop = maildrop(&runtime, &certificate, false);
    // What `nc` does, where there may be none.
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; cat <&3 & cat >&3; wait", maildrop.address().port());
    let pop3 = format!("tls: starttls, certificate_sha256: \"{}\", tunnel: [bash, -c, \"{script}\"]", certificate.pin);
    fetched(HOST, &maildrop, &pop3);
    assert!(maildrop.log().contains(&"STLS".to_owned()));
}

#[test]
fn a_proxy_with_tls_from_the_first_byte_and_a_file_of_authorities() {
    let (runtime, certificate, dir) = (Runtime::new().unwrap(), Certificate::of(&[HOST]), scratch());
    let maildrop = maildrop(&runtime, &certificate, true);
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &certificate.pem).unwrap();
    let proxy = Socks::start(maildrop.address());
    fetched(HOST, &maildrop, &format!("tls: implicit, ca_file: {}, socks5: \"{}\"", ca.display(), proxy.address));
    assert_eq!(proxy.asked(), [format!("{HOST}:{}", maildrop.address().port())], "the proxy resolves the name");
}

#[test]
fn a_certificate_that_is_not_checked_is_warned_of_at_each_start() {
    let (runtime, certificate) = (Runtime::new().unwrap(), Certificate::of(&["another.example"]));
    for (implicit, tls) in [(true, "insecure"), (false, "insecure_starttls")] {
        let maildrop = maildrop(&runtime, &certificate, implicit);
        let (mut service, _dir) = fetched("127.0.0.1", &maildrop, &format!("tls: {tls}"));
        assert_eq!(warnings(&mut service, is_poll), 1);
        let mut service = service.restart_after_kill();
        assert_eq!(warnings(&mut service, is_warning), 1);
    }
    // Where certificates are checked nothing is said.
    let maildrop = maildrop(&runtime, &certificate, true);
    let pop3 = format!("tls: implicit, certificate_sha256: \"{}\"", certificate.pin);
    let (mut service, _dir) = fetched("127.0.0.1", &maildrop, &pop3);
    assert_eq!(warnings(&mut service, is_poll), 0);
}
