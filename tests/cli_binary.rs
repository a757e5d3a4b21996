//! The binary as operators and init systems meet it: exit codes, messages, start and stop.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn tributary(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    command.current_dir(directory).env_remove("TRIBUTARY_CONFIG").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const GOOD: &str = "data_dir: data\nlog: { level: info, format: json }\nimap: { listen: [\"127.0.0.1:0\"], listen_tls: \
[\"127.0.0.1:0\"] }\nhttp: { listen: \"127.0.0.1:0\" }\nusers: [{ name: robin, password: hunter2 }]\n";

#[test]
fn usage_errors_exit_with_2() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["sevre"][..], &["serve", "--no-such-flag"], &["serve", "-c"], &[]] {
        let output = tributary(home.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let help = tributary(home.path()).args(["serve", "--help"]).output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("Example"), "{}", text(&help.stdout));
}

#[test]
fn a_missing_configuration_is_told() {
    let home = tempfile::tempdir().unwrap();
    let output = tributary(home.path()).args(["serve", "-c", "none.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("tributary: none.yaml: cannot open"), "{}", text(&output.stderr));
}

#[test]
fn check_config_tells_every_error_at_once() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("tributary.yaml"), "colour: red\nlog: { level: loud }\nusers: 7\n").unwrap();
    let output = tributary(home.path()).arg("check-config").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    for needle in ["line 1: colour: unknown key", "line 2: log.level: ", "line 3: users: "] {
        assert!(stderr.contains(needle), "{needle} in {stderr}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn check_config_prints_what_is_in_effect_and_finds_the_file() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("tributary.yaml"), GOOD).unwrap();
    let file = home.path().join("elsewhere.yaml");
    std::fs::write(&file, GOOD.replace("robin", "wren")).unwrap();
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("warning: line 5: users[0].password: a secret in plain sight"));
        let stdout = text(&output.stdout);
        assert!(!stdout.contains("hunter2"), "{stdout}");
        stdout
    };
    assert!(run(tributary(home.path()).arg("check-config")).contains("name: robin"), "./tributary.yaml");
    let named = tributary(home.path()).arg("-c").arg(&file).arg("check-config").output().unwrap();
    assert!(text(&named.stdout).contains("name: wren"), "-c before the command");
    assert!(run(tributary(home.path()).arg("check-config").arg("-c").arg(&file)).contains("name: wren"));
    assert!(run(tributary(home.path()).arg("check-config").env("TRIBUTARY_CONFIG", &file)).contains("name: wren"));
}

/// Passwords and tokens of every form of the file are fetched or left alone as they must be, and none is printed.
#[test]
fn check_config_masks_every_secret_and_runs_no_token_command() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("pw"), "hunter2\n").unwrap();
    let config = "\
users:
  - name: robin
    password: hunter2
    accounts:
      - { name: a, pop3: { host: h, tls: insecure, username: u, password: { file: pw } } }
      - { name: b, pop3: { host: h, tls: none, username: u, password: hunter2 } }
      - { name: c, pop3: { host: h, username: u, token_command: [touch, run] } }
      - name: d
        pop3:
          host: h
          username: u
          oauth2: { provider: google, client_id: me, client_secret: hunter2 }
          socks5: { address: \"p:1\", username: u, password: hunter2 }
        leave_on_server: 14d
";
    std::fs::write(home.path().join("tributary.yaml"), config).unwrap();
    let output = tributary(home.path()).arg("check-config").output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!home.path().join("run").exists(), "the token command was run");
    assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"), "{stdout}{stderr}");
    for needle in ["client_secret: '***'", "address: p:1", "leave_on_server: 14days", "- touch", "provider: google"] {
        assert!(stdout.contains(needle), "{needle} in {stdout}");
    }
    for needle in ["accounts[0].pop3.tls: any certificate is taken", "accounts[1].pop3.tls: the password crosses"] {
        assert!(stderr.contains(needle), "{needle} in {stderr}");
    }
    assert_eq!(stderr.matches("a secret in plain sight").count(), 4, "{stderr}");
}

#[test]
fn hash_password_reads_a_line_and_prints_its_hash() {
    let home = tempfile::tempdir().unwrap();
    let hash = |typed: &str| -> Output {
        let mut command = tributary(home.path());
        command.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = hash("correct horse\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let line = text(&output.stdout);
    assert!(line.starts_with("$argon2id$v=19$") && line.lines().count() == 1, "{line}");
    tributary::auth::check_hash(line.trim_end()).unwrap();
    assert_eq!(hash("\n").status.code(), Some(1));
}

/// A service and its log, read until it listens.
struct Service {
    child: Child,
    http: String,
    imap: String,
    log: BufReader<std::process::ChildStderr>,
}

impl Service {
    fn start(home: &Path) -> Self {
        std::fs::write(home.join("tributary.yaml"), GOOD).unwrap();
        let mut child = tributary(home).arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut addresses = std::collections::HashMap::new();
        while addresses.len() < 3 {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the service ended: {}", child.wait().unwrap());
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            let fields = &line["fields"];
            assert!(!line.to_string().contains("hunter2"));
            if fields["message"] == "listening" {
                let field = |name: &str| fields[name].as_str().unwrap().to_owned();
                addresses.insert(field("service"), field("address"));
            }
        }
        Self { child, http: addresses["http"].clone(), imap: addresses["imap"].clone(), log }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_starts_tells_its_state_and_stops_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let home = tempfile::tempdir().unwrap();
        let mut service = Service::start(home.path());
        assert!(service.get("/healthz").starts_with("HTTP/1.1 200 "));
        let begun = Instant::now();
        while !service.get("/readyz").starts_with("HTTP/1.1 200 ") {
            assert!(begun.elapsed() < Duration::from_secs(10), "not ready");
            std::thread::yield_now();
        }
        let sampled = "tributary_store_size_bytes{file=\"blobs\"}";
        while !service.get("/metrics").contains(sampled) {
            assert!(begun.elapsed() < Duration::from_secs(10), "the store is not sampled");
            std::thread::yield_now();
        }
        let metrics = service.get("/metrics");
        for name in [
            "tributary_build_info",
            "tributary_panics_total 0",
            "tributary_authentications_total",
            "tributary_store_messages 0",
            "tributary_store_disk_free_bytes",
            "process_open_fds",
        ] {
            assert!(metrics.contains(name), "{name} in {metrics}");
        }
        let mut imap = BufReader::new(TcpStream::connect(&service.imap).unwrap());
        let mut greeting = String::new();
        imap.read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("* OK "), "{greeting}");

        service.signal("HUP");
        let mut line = String::new();
        while !line.contains("the configuration was read again") {
            line.clear();
            assert_ne!(service.log.read_line(&mut line).unwrap(), 0, "the service ended");
        }

        let begun = Instant::now();
        service.signal(signal);
        let mut farewell = String::new();
        imap.read_to_string(&mut farewell).unwrap();
        assert!(farewell.starts_with("* BYE"), "{farewell}");
        let mut rest = String::new();
        service.log.read_to_string(&mut rest).unwrap();
        assert_eq!(service.child.wait().unwrap().code(), Some(0), "{rest}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert!(rest.lines().last().unwrap_or_default().contains("\"stopped\""), "{rest}");
    }
}

#[test]
fn a_second_service_on_the_same_data_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let _service = Service::start(home.path());
    let output = tributary(home.path()).arg("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    let reason = stderr.lines().last().unwrap_or_default();
    assert!(reason.starts_with("tributary: ") && reason.contains("data"), "{stderr}");
}

#[test]
fn an_address_that_is_taken_is_told() {
    let home = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let config = GOOD.replacen("\"127.0.0.1:0\"", &format!("\"{address}\""), 1);
    std::fs::write(home.path().join("tributary.yaml"), config).unwrap();
    let output = tributary(home.path()).arg("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains(&format!("imap.listen: cannot listen on {address}")), "{stderr}");
}
