//! `tributary oauth` and the service, the real binary both, with a provider and a maildrop on loopback.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "shared with the tests of OAuth")]
#[path = "oauth/provider.rs"]
mod provider;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use provider::{Answer, CLIENT_SECRET, Provider, device_code, error, granted};
use support::server::Server;
use support::{DEADLINE, config, scratch};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Pop3d, Settings};
use tributary::pop3::Method;

/// An account at a provider that serves by device code, and a maildrop with two messages that takes `access-2` only: what
/// is renewed once behind the login.
struct World {
    /// Runs the two below.
    _runtime: Runtime,
    provider: Provider,
    maildrop: Pop3d,
    dir: TempDir,
}

impl World {
    fn new(method: Method) -> Self {
        let runtime = Runtime::new().unwrap();
        let provider = runtime.block_on(Provider::start());
        let (username, password) = ("up@example.com".to_owned(), "access-2".to_owned());
        let settings = Settings { username, password, ..Settings::default() }.accepting(&[Method::Plain, method]);
        let maildrop = runtime.block_on(Pop3d::start(settings)).unwrap();
        (1..=2).for_each(|n| maildrop.deliver(&format!("id{n}"), format!("Subject: {n}\r\n\r\nhi\r\n").into_bytes()));
        let dir = scratch();
        let (url, port) = (&provider.url, maildrop.address().port());
        let oauth2 = format!(
            "{{ authorization_url: \"{url}/auth\", device_url: \"{url}/device\", token_url: \"{url}/token\", \
             scopes: [mail.read, offline_access], client_id: client-1, client_secret: {CLIENT_SECRET} }}"
        );
        let pop3 = format!("host: 127.0.0.1, port: {port}, tls: none, username: up@example.com, oauth2: {oauth2}");
        let yaml = config::yaml_of(dir.path(), "work", "poll_interval: 1h", &pop3);
        std::fs::write(dir.path().join("tributary.yaml"), yaml).unwrap();
        Self { _runtime: runtime, provider, maildrop, dir }
    }

    fn serve(&self) -> Server {
        let yaml = std::fs::read_to_string(self.dir.path().join("tributary.yaml")).unwrap();
        Server::start(self.dir.path(), &yaml)
    }

    /// A login to which the person agrees at once.
    fn log_in(&self) -> String {
        self.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 0, 900))]);
        self.provider.will("/token", [error(400, "authorization_pending"), granted(1, 3600), granted(2, 3600)]);
        let (code, text) = oauth(self.dir.path(), "robin/work");
        assert_eq!(code, 0, "{text}");
        for part in ["https://login.example/device\n", "    ABCD-EFGH\n", "robin/work: logged in, and kept in "] {
            assert!(text.contains(part), "{part}: {text}");
        }
        text
    }
}

/// What the command came to and printed.
fn oauth(dir: &Path, account: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    command.args(["oauth", account, "-c"]).arg(dir.join("tributary.yaml")).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    for secret in ["access-", "refresh-", "device-secret", CLIENT_SECRET] {
        assert!(!text.contains(secret), "{text}");
    }
    (status.code().unwrap(), text)
}

fn polls(service: &Server, result: &str) -> f64 {
    service.metrics().sum("tributary_polls_total", &[("account", "robin/work"), ("result", result)])
}

#[test]
fn a_login_makes_a_waiting_service_poll_at_once() {
    for method in [Method::Xoauth2, Method::OauthBearer] {
        let world = World::new(method);
        let mut service = world.serve();
        service.wait_for_metrics("the account waits for a person", DEADLINE, |metrics| {
            metrics.sum("tributary_polls_total", &[("account", "robin/work"), ("result", "auth")]) >= 1.0
        });
        assert_eq!(world.maildrop.counters().connections, 0, "without a token there is nothing to connect for");

        let text = world.log_in();
        assert!(text.ends_with("robin/work: ok; 2 listed, 2 fetched\n"), "{text}");
        assert_eq!(polls(&service, "ok"), 1.0);
        assert_eq!(service.imap().status("INBOX", "MESSAGES"), 2);
        assert!(world.maildrop.log().contains(&format!("(logged in by {})", method.label())));
        assert_eq!(world.provider.asked("/token").len(), 3, "what the login gave is used as it is");
        let file = world.dir.path().join("data/oauth/robin/work.json");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let log = service.log_so_far().concat();
        for secret in ["access-2", "refresh-2", CLIENT_SECRET] {
            assert!(!log.contains(secret), "{log}");
        }
    }
}

#[test]
fn without_a_service_the_login_is_kept_for_the_next_start() {
    let world = World::new(Method::OauthBearer);
    let text = world.log_in();
    assert!(
        text.contains("A service uses it from its next poll on; none was told now: no service is running"),
        "{text}"
    );
    let service = world.serve();
    service.wait_for_polls(&["work"], 1);
    assert_eq!(polls(&service, "auth"), 0.0);
    assert_eq!(world.maildrop.counters().connections, 1);
}

#[test]
fn a_poll_that_takes_long_is_not_waited_for() {
    let world = World::new(Method::OauthBearer);
    let service = world.serve();
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let wait = tributary::demo::pop3d::Action::Wait(gate.clone());
    world.maildrop.fault(tributary::demo::pop3d::Fault::once(tributary::pop3::Verb::Retr, wait));
    let text = world.log_in();
    assert!(text.ends_with("The running service polls the account now.\n"), "{text}");
    gate.add_permits(1);
    service.wait_for_polls(&["work"], 1);
    assert_eq!(service.imap().status("INBOX", "MESSAGES"), 2);
}

#[test]
fn a_person_who_says_no_leaves_all_as_it_was() {
    let world = World::new(Method::OauthBearer);
    world.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 0, 900))]);
    world.provider.will("/token", [error(400, "access_denied")]);
    let (code, text) = oauth(world.dir.path(), "robin/work");
    assert!(code == 1 && text.contains("tributary: "), "{text}");
    assert!(!world.dir.path().join("data/oauth/robin/work.json").exists());
    let (code, text) = oauth(world.dir.path(), "robin/other");
    assert!(
        code == 1 && text.contains("no account robin/other; accounts with `oauth2` in the configuration: robin/work")
    );
    assert_eq!(world.maildrop.counters().connections, 0);
}
