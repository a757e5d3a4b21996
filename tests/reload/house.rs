//! A running service, the file of its configuration, and clients that stay.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tributary::demo::pop3d::{Pop3d, Settings};

use crate::support::imap::Imap;
use crate::support::metrics::{self, Metrics};
use crate::support::server::Server;
use crate::support::{DEADLINE, run, scratch, wait};

pub const RELOADS: &str = "tributary_config_reloads_total";

pub struct House {
    pub server: Server,
    pub file: PathBuf,
    dir: TempDir,
}

impl House {
    /// `rest`: all but what must stay as it is.
    pub fn new(rest: &str) -> Self {
        let dir = scratch();
        let server = Server::start(dir.path(), &yaml(dir.path(), rest));
        Self { server, file: dir.path().join("tributary.yaml"), dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn yaml(&self, rest: &str) -> String {
        yaml(self.dir(), rest)
    }

    /// Writes the file, without a word to the service.
    pub fn write(&self, rest: &str) {
        std::fs::write(&self.file, self.yaml(rest)).unwrap();
    }

    /// Writes the file and sends SIGHUP; returns once it came to this result.
    pub fn reload(&self, rest: &str, result: &str) {
        self.write(rest);
        self.hang_up(result);
    }

    pub fn hang_up(&self, result: &str) {
        let before = self.count(result);
        run(Command::new("kill").arg("-HUP").arg(self.server.pid().to_string()));
        self.wait_for(result, before + 1.0);
    }

    pub fn count(&self, result: &str) -> f64 {
        self.server.metrics().sum(RELOADS, &[("result", result)])
    }

    pub fn wait_for(&self, result: &str, count: f64) {
        self.server.wait_for_metrics(&format!("{count} reloads: {result}"), DEADLINE, |metrics| {
            metrics.sum(RELOADS, &[("result", result)]) >= count
        });
    }

    pub fn value(&self, name: &str) -> f64 {
        self.server.metrics().sum(name, &[])
    }

    pub fn login(&self, user: &str, password: &str) -> String {
        Imap::connect(self.server.address("imap")).command(&format!("LOGIN {user} {password}")).tagged
    }

    pub fn session(&self, user: &str, password: &str) -> Imap {
        let mut imap = Imap::connect(self.server.address("imap"));
        imap.ok(&format!("LOGIN {user} {password}"));
        imap
    }

    /// A session of this user that idles in INBOX.
    pub fn idler(&self, user: &str, password: &str) -> Raw {
        let mut raw = Raw::connect(self.server.address("imap"));
        raw.say(&format!("a LOGIN {user} {password}\r\nb SELECT INBOX\r\nc IDLE\r\n"));
        raw.until("\r\n+ ");
        raw.until("\r\n");
        raw
    }

    pub fn metrics(&self) -> Metrics {
        self.server.metrics()
    }

    pub fn accounts(&self) -> String {
        let (_, body) = metrics::get(self.server.address("http"), "/metrics");
        let of_accounts = body.lines().filter(|line| line.contains("account=\""));
        of_accounts.map(|line| format!("{line}\n")).collect()
    }
}

fn yaml(dir: &Path, rest: &str) -> String {
    format!(
        "data_dir: {}\nlog: {{ level: info, format: json }}\nimap:\n  listen: [\"127.0.0.1:0\"]\n  \
         listen_tls: [\"127.0.0.1:0\"]\n  allow_cleartext_login: true\nhttp:\n  listen: \"127.0.0.1:0\"\n{rest}",
        dir.join("data").display()
    )
}

/// A user; `more` is the inside of its mapping.
pub fn user(name: &str, password: &str, more: &str) -> String {
    format!("  - {{ name: {name}, password: {password}, {more} }}\n")
}

pub fn account(name: &str, maildrop: &Pop3d, more: &str) -> String {
    let pop3 = format!("host: 127.0.0.1, port: {}, tls: none, username: up, password: pw", maildrop.address().port());
    format!("{{ name: {name}, pop3: {{ {pop3} }}, {more} }}")
}

pub fn maildrop(runtime: &tokio::runtime::Runtime, name: &str, messages: u32) -> Pop3d {
    let settings = Settings { username: "up".to_owned(), password: "pw".to_owned(), ..Settings::default() };
    let server = runtime.block_on(Pop3d::start(settings)).unwrap();
    for n in 1..=messages {
        server.deliver(&format!("{name}{n}"), format!("Subject: {name}-{n}\r\n\r\nhello {n}\r\n").into_bytes());
    }
    server
}

/// A client that reads octet by octet.
pub struct Raw(TcpStream);

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(stream)
    }

    pub fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    pub fn until(&mut self, wanted: &str) -> String {
        let (mut seen, mut octet) = (Vec::new(), [0]);
        while !seen.ends_with(wanted.as_bytes()) {
            assert_eq!(self.0.read(&mut octet).unwrap(), 1, "closed after {}", String::from_utf8_lossy(&seen));
            seen.push(octet[0]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// All to the end of the connection.
    pub fn rest(&mut self) -> String {
        let mut text = Vec::new();
        // The end may be a reset.
        let _ = self.0.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Ends IDLE; nothing but new mail has been told meanwhile, and the session lives.
    pub fn done(mut self) {
        self.say("DONE\r\nd NOOP\r\n");
        let told = self.until("d OK");
        assert!(told.contains("c OK") && !told.contains("BYE"), "{told}");
    }
}

/// Subjects of all messages in INBOX, in the order of the alphabet.
pub fn subjects(imap: &mut Imap, mailbox: &str) -> Vec<String> {
    let mut subjects: Vec<_> = imap.uids_with_field(mailbox, "Subject").into_iter().map(|(_, text)| text).collect();
    subjects.sort();
    subjects
}

pub fn names(prefix: &str, count: u32) -> Vec<String> {
    (1..=count).map(|n| format!("{prefix}-{n}")).collect()
}

pub fn eventually(what: &str, look: impl Fn() -> bool) {
    wait::until(what, Duration::from_secs(60), || look().then_some(()));
}
