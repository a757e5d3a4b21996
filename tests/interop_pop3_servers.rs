//! Six POP3 servers of other makes, 500 messages each: fetched once over a link that breaks in the middle, over TLS where they
//! have it, left there, deleted when expunged here, and deleted all.
//!
//! The servers are Debian's packages, started by `../shared/tools/pop_servers.py`, which fetches them and needs root; a clone
//! without that directory skips, but under `CI=true` that is a failure.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use support::config::{Account, Tls};
use support::proxy::{Gate, Proxy};
use support::server::Server;
use support::{DEADLINE, config, scratch, script, wait};

const MESSAGES: usize = 500;

const WITHOUT: &str = "the servers are started as root, by ../shared/tools";

/// Octets of the server after which the link breaks: somewhere among the messages.
const BREAK: u64 = 150_000;

/// The driver of a foreign server, `tests/interop/pop_server.py`. Ended, and the server with it, when dropped.
struct Foreign {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    ready: Value,
}

impl Foreign {
    fn start(kind: &str) -> Option<Self> {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools");
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        if !tools.join("pop_servers.py").is_file() || !is_root {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{WITHOUT}");
            eprintln!("SKIPPED: {WITHOUT}");
            return None;
        }
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/pop_server.py");
        let mut child = Command::new(script::python())
            .arg("-B")
            .arg(driver)
            .arg(json!({"tools": tools, "kind": kind}).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut foreign = Self { child, commands, answers, ready: Value::Null };
        foreign.ready = foreign.answer();
        Some(foreign)
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the driver has ended: {error}: {line:?}"))
    }

    fn ask(&mut self, command: &str) -> Value {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.answer()
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(self.ready["port"].as_u64().unwrap()).unwrap()))
    }

    /// The numbers of the messages that are in the maildrop.
    fn numbers(&mut self) -> Vec<usize> {
        let mut numbers: Vec<usize> = serde_json::from_value(self.ask("numbers")["numbers"].take()).unwrap();
        numbers.sort_unstable();
        numbers
    }

    fn fingerprint(&self) -> String {
        let certificate = PathBuf::from(self.ready["certificate"].as_str().unwrap());
        let mut openssl = Command::new("openssl");
        let printed = support::run(openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(certificate));
        printed.trim().rsplit('=').next().unwrap().to_owned()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

/// The service with its one account, whose maildrop is behind the proxy.
struct House {
    dir: tempfile::TempDir,
    account: Account,
}

impl House {
    /// Starts the service with this policy.
    fn serve(&self, leave_on_server: &'static str) -> Server {
        let account = Account { leave_on_server, ..self.account.clone() };
        Server::start(self.dir.path(), &config::yaml(self.dir.path(), &[account]))
    }
}

/// Polls until a poll goes well; locks of broken sessions are not waited for.
fn poll(server: &Server) {
    let binary = env!("CARGO_BIN_EXE_tributary");
    wait::until("a poll goes well", DEADLINE, || {
        let mut command = Command::new(binary);
        let done = command.args(["poll", "one", "--force", "-c"]).arg(server.config()).output().unwrap();
        done.status.success().then_some(())
    });
}

fn numbers_here(server: &Server) -> Vec<usize> {
    let found = server.imap().uids_with_field("INBOX", "X-Number");
    let mut numbers: Vec<usize> = found.into_iter().map(|(_, number)| number.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// Expunges these from INBOX, as a mail program does.
fn expunge(server: &Server, wanted: &BTreeSet<usize>) {
    let mut imap = server.imap();
    let found = imap.uids_with_field("INBOX", "X-Number");
    let uids: Vec<String> = found
        .into_iter()
        .filter(|(_, n)| wanted.contains(&n.parse().unwrap()))
        .map(|(uid, _)| uid.to_string())
        .collect();
    imap.ok("SELECT INBOX");
    imap.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", uids.join(",")));
    imap.ok("EXPUNGE");
}

fn all_but(gone: &BTreeSet<usize>) -> Vec<usize> {
    (0..MESSAGES).filter(|number| !gone.contains(number)).collect()
}

/// `has_stls`: measured, see the table in docs/pop3-servers.md.
fn is_fetched_left_and_emptied(kind: &str, has_stls: bool) {
    let Some(mut foreign) = Foreign::start(kind) else { return };
    foreign.ask(&format!("put {MESSAGES}"));
    let proxy = Proxy::start(foreign.address(), Gate::AfterBytes(BREAK));
    let user = foreign.ready["user"].as_str().unwrap().to_owned();
    let password = foreign.ready["password"].as_str().unwrap().to_owned();
    let tls = if has_stls { Tls::Stls(foreign.fingerprint()) } else { Tls::None };
    let account = Account { tls, password, poll_interval: "1day", ..Account::new("one", proxy.address(), &user) };
    let house = House { dir: scratch(), account };

    // The link breaks in the middle of a message.
    let server = house.serve("forever");
    assert!(proxy.stopped_within(DEADLINE), "{kind}: the first poll reaches the messages");
    proxy.end_connections();
    proxy.set(Gate::Open);
    poll(&server);
    assert_eq!(numbers_here(&server), all_but(&BTreeSet::new()), "{kind}: each message once");
    let compared =
        foreign.ask(&format!("compare {} {} {}", server.address("imap").port(), config::USER, config::PASSWORD));
    assert_eq!(compared, json!({"compared": MESSAGES, "differ": []}), "{kind}");
    poll(&server);
    let fetched = server.metrics().sum("tributary_messages_fetched_total", &[]);
    assert_eq!(fetched, MESSAGES as f64, "{kind}: a later poll fetches none");
    assert!(server.stop().success());
    assert_eq!(foreign.numbers(), all_but(&BTreeSet::new()), "{kind}: forever deletes nothing");

    // What is expunged here goes there; so many at once only when a person has said so.
    let server = house.serve("until_expunged");
    let mut gone: BTreeSet<usize> = (100..130).collect();
    expunge(&server, &gone);
    poll(&server);
    assert!(server.stop().success());
    assert_eq!(foreign.numbers(), all_but(&gone), "{kind}: deleted when expunged");
    let server = house.serve("until_expunged");
    let many: BTreeSet<usize> = (200..490).collect();
    expunge(&server, &many);
    poll(&server);
    let pending = server.metrics().sum("tributary_upstream_deletes_pending", &[]);
    assert_eq!(pending, many.len() as f64, "{kind}: held and told");
    assert!(server.stop().success());
    assert_eq!(foreign.numbers(), all_but(&gone), "{kind}: held");
    let server = house.serve("until_expunged");
    let mut confirm = Command::new(env!("CARGO_BIN_EXE_tributary"));
    support::run(confirm.args(["confirm-deletes", "one", "--yes", "-c"]).arg(server.config()));
    poll(&server);
    assert!(server.stop().success());
    gone.extend(many);
    assert_eq!(foreign.numbers(), all_but(&gone), "{kind}: confirmed");

    let server = house.serve("never");
    poll(&server);
    assert_eq!(numbers_here(&server), all_but(&gone), "{kind}: nothing is removed here for what is removed there");
    assert!(server.stop().success());
    assert_eq!(foreign.numbers(), Vec::<usize>::new(), "{kind}: never empties the maildrop");
}

#[test]
fn dovecot() {
    is_fetched_left_and_emptied("dovecot", true);
}

#[test]
fn courier() {
    is_fetched_left_and_emptied("courier", true);
}

#[test]
fn cyrus() {
    is_fetched_left_and_emptied("cyrus", true);
}

#[test]
fn gnu_mailutils() {
    is_fetched_left_and_emptied("mailutils", false);
}

#[test]
fn popa3d() {
    is_fetched_left_and_emptied("popa3d", false);
}

#[test]
fn solid_pop3d() {
    is_fetched_left_and_emptied("solid", false);
}
