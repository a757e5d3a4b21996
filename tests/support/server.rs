//! The real `tributary` binary as a child process: start, read its log, kill -9, start again on the same data.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::imap::Imap;
use super::metrics::Metrics;
use super::{DEADLINE, config, terminate};

/// A running service. Killed when dropped.
pub struct Server {
    child: Child,
    log: Receiver<String>,
    seen: Vec<String>,
    ports: HashMap<String, SocketAddr>,
    config: PathBuf,
}

impl Server {
    /// Writes the configuration into `dir` and starts the service on it; returns once all its ports are bound.
    pub fn start(dir: &Path, config: &str) -> Self {
        let file = dir.join("tributary.yaml");
        std::fs::write(&file, config).unwrap();
        Self::start_on(file)
    }

    /// The same with a configuration that is there already.
    pub fn start_on(config: PathBuf) -> Self {
        Self::spawn(config).started()
    }

    /// As [`Server::start`], on a system whose only authorities are those of this file.
    pub fn start_trusting(dir: &Path, config: &str, authorities: &Path) -> Self {
        let file = dir.join("tributary.yaml");
        std::fs::write(&file, config).unwrap();
        Self::spawn_with(file, &[("SSL_CERT_FILE", authorities)]).started()
    }

    fn started(mut self) -> Self {
        assert!(self.listens(), "the service ended at its start; log:\n{}", self.tail());
        self
    }

    /// The same; `None` when the service ends instead.
    pub fn try_start_on(config: PathBuf) -> Option<Self> {
        let mut server = Self::spawn(config);
        server.listens().then_some(server)
    }

    /// Waits until all ports are bound; false when the service ends before.
    fn listens(&mut self) -> bool {
        for service in ["imap", "imaps", "http"] {
            let wanted =
                |line: &Value| field(line, "message") == Some("listening") && field(line, "service") == Some(service);
            let Some(line) = self.find_in_log(&format!("listening line of {service}"), wanted) else { return false };
            self.ports.insert(service.to_owned(), field(&line, "address").unwrap().parse().unwrap());
        }
        true
    }

    /// Starts without waiting for anything: for tests that kill at any moment.
    pub fn spawn(config: PathBuf) -> Self {
        Self::spawn_with(config, &[])
    }

    fn spawn_with(config: PathBuf, environment: &[(&str, &Path)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tributary"))
            .arg("serve")
            .arg("-c")
            .arg(&config)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, log) = channel();
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, log, seen: Vec::new(), ports: HashMap::new(), config }
    }

    /// kill -9, then a new process on the same configuration and data.
    pub fn restart_after_kill(mut self) -> Self {
        self.kill();
        Self::start_on(self.config.clone())
    }

    /// kill -9; returns when the process is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, without waiting for the end.
    pub fn terminate(&self) {
        terminate(&self.child);
    }

    /// SIGTERM; returns how the process ended.
    pub fn stop(mut self) -> ExitStatus {
        self.terminate();
        super::wait::until("the service stops after SIGTERM", DEADLINE, || self.child.try_wait().unwrap())
    }

    pub fn config(&self) -> PathBuf {
        self.config.clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self, service: &str) -> SocketAddr {
        self.ports[service]
    }

    /// An IMAP connection, logged in as the user of [`config`].
    pub fn imap(&self) -> Imap {
        let mut imap = Imap::connect(self.address("imap"));
        imap.ok(&format!("LOGIN {} {}", config::USER, config::PASSWORD));
        imap
    }

    pub fn metrics(&self) -> Metrics {
        Metrics::scrape(self.address("http"))
    }

    /// Reads the log until a line satisfies `wanted`. Lines read before are not looked at again.
    pub fn wait_for_log(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.find_in_log(what, wanted);
        found.unwrap_or_else(|| panic!("the service ended while waiting for {what}; log:\n{}", self.tail()))
    }

    /// The same; `None` when the service ends before.
    fn find_in_log(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let value = serde_json::from_str::<Value>(&line).ok();
                    self.seen.push(line);
                    if let Some(value) = value.filter(|value| wanted(value)) {
                        return Some(value);
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("waited in vain for {what}; log:\n{}", self.tail()),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Lets the service work until the moment, reading its log meanwhile; false if it ended by itself.
    pub fn run_until(&mut self, moment: Instant) -> bool {
        loop {
            match self.log.recv_timeout(moment.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Waits until every account has finished a poll with success since the process started, `times` times.
    pub fn wait_for_polls(&self, accounts: &[&str], times: u64) {
        self.wait_for_metrics(&format!("{times} good polls of {accounts:?}"), DEADLINE, |metrics| {
            accounts.iter().all(|account| {
                let account = config::account_label(account);
                metrics.sum("tributary_polls_total", &[("account", &account), ("result", "ok")]) >= times as f64
            })
        });
    }

    pub fn wait_for_metrics(&self, what: &str, limit: Duration, wanted: impl Fn(&Metrics) -> bool) {
        super::wait::until(what, limit, || Some(self.metrics()).filter(&wanted).map(drop));
    }

    /// The last lines of the log, for messages of failed tests.
    pub fn tail(&mut self) -> String {
        self.seen.extend(self.log.try_iter());
        self.seen.iter().rev().take(30).rev().map(|line| format!("{line}\n")).collect()
    }

    /// Every log line so far.
    pub fn log_so_far(&mut self) -> &[String] {
        self.seen.extend(self.log.try_iter());
        &self.seen
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("log of the service:\n{}", self.tail());
        }
    }
}

/// A field of a log line, whether fields are nested under `fields` or lie flat.
pub fn field<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line.get("fields").and_then(|fields| fields.get(name)).or_else(|| line.get(name)).and_then(Value::as_str)
}
