//! A scripted server, and the doctor sent to it.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Pop3d, Settings};
use tributary::pop3::Method;

use crate::support::scratch;

/// Never to be printed.
pub(crate) const SECRET: &str = "hunter2-of-up";

/// What the doctor came to.
pub(crate) struct Told {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

impl Told {
    /// The lines of this step: verdict and text.
    pub(crate) fn steps(&self, name: &str) -> Vec<(&str, &str)> {
        self.text
            .lines()
            .filter_map(|line| {
                let (verdict, rest) = line.strip_prefix("  ")?.split_once(' ')?;
                let text = rest.trim_start().strip_prefix(name)?.strip_prefix(' ')?;
                Some((verdict, text.trim_start()))
            })
            .collect()
    }

    /// The only line of this step.
    pub(crate) fn step(&self, name: &str) -> (&str, &str) {
        let steps = self.steps(name);
        assert_eq!(steps.len(), 1, "{name}: {}", self.text);
        steps[0]
    }

    /// The settings that are advised, without their reasons.
    pub(crate) fn settings(&self) -> Vec<&str> {
        let lines = self.text.lines().skip_while(|line| *line != "  settings to use:").skip(1);
        let lines = lines.take_while(|line| line.starts_with("    "));
        lines.map(|line| line.split("  #").next().unwrap().trim()).collect()
    }
}

/// Runs the doctor on accounts `a`, `b` and so on, written as the inside of a YAML mapping.
pub(crate) fn doctor(accounts: &[String]) -> Told {
    doctor_with("", accounts, &[])
}

pub(crate) fn doctor_with(limits: &str, accounts: &[String], arguments: &[&str]) -> Told {
    let dir = scratch();
    let mut text = format!("data_dir: {}\nlimits: {{ pop3: {{ {limits} }} }}\n", dir.path().join("data").display());
    text += "users:\n  - name: robin\n    password: p\n    accounts:\n";
    for (account, name) in accounts.iter().zip('a'..) {
        writeln!(text, "      - {{ name: {name}, {account} }}").unwrap();
    }
    std::fs::write(dir.path().join("tributary.yaml"), text).unwrap();
    run(dir.path(), arguments)
}

pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    command.arg("doctor").args(arguments).arg("-c").arg(dir.join("tributary.yaml")).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    let code = status.code().unwrap();
    assert!(code <= 1, "{code}: {text}");
    assert_eq!(text.contains("  FAIL  "), code == 1, "{text}");
    Told { ok: code == 0, text }
}

/// A scripted server with its runtime.
pub(crate) struct Upstream {
    pub(crate) runtime: Runtime,
    pub(crate) pop3d: Pop3d,
}

impl Upstream {
    pub(crate) fn new(settings: Settings) -> Self {
        let runtime = Runtime::new().unwrap();
        let settings = Settings { username: "up".to_owned(), password: SECRET.to_owned(), ..settings };
        let pop3d = runtime.block_on(Pop3d::start(settings)).unwrap();
        Self { runtime, pop3d }
    }

    /// With three messages.
    pub(crate) fn filled(settings: Settings) -> Self {
        Self::new(settings).with(3)
    }

    pub(crate) fn with(self, messages: u32) -> Self {
        (1..=messages).for_each(|n| self.pop3d.deliver(&format!("id{n}"), b"Subject: x\r\n\r\nhello\r\n".to_vec()));
        self
    }

    /// With these capabilities besides what it needs.
    pub(crate) fn announcing(capability: &str) -> Self {
        let capabilities = ["TOP", "UIDL", "USER", "PIPELINING", capability].map(str::to_owned).to_vec();
        Self::filled(Settings { capabilities: Some(capabilities), ..Settings::default() })
    }

    pub(crate) fn accepting(methods: &[Method]) -> Self {
        Self::filled(Settings::default().accepting(methods))
    }

    /// The inside of an account there, with more of its `pop3` section.
    pub(crate) fn account(&self, pop3: &str) -> String {
        self.account_at("127.0.0.1", pop3)
    }

    pub(crate) fn account_at(&self, host: &str, pop3: &str) -> String {
        let port = self.pop3d.address().port();
        format!("pop3: {{ host: {host}, port: {port}, username: up, password: {SECRET}, {pop3} }}")
    }

    /// What the doctor says of an account in the clear.
    pub(crate) fn examined(&self) -> Told {
        let told = doctor(&[self.account("tls: none")]);
        self.untouched(1);
        told
    }

    /// Nothing was taken, and the server was bothered so often.
    pub(crate) fn untouched(&self, connections: u64) {
        let (counters, log) = (self.pop3d.counters(), self.pop3d.log());
        assert_eq!((counters.retrieved, counters.deleted, counters.connections), (0, 0, connections), "{log:?}");
        assert!(!log.iter().any(|line| line.starts_with("RETR") || line.starts_with("DELE")), "{log:?}");
        assert_eq!(counters.pipelined, 0, "{log:?}");
    }
}
