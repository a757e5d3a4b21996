//! Every query of every dashboard, run by a real Prometheus that scrapes the real binary at work: none fails, and each
//! returns data that is not only 0. The alert rules are evaluated on the same data without an error.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "shared with the tests of OAuth")]
#[path = "oauth/provider.rs"]
mod provider;
mod support;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use provider::{CLIENT_SECRET, Provider, device_code, granted};
use serde_json::Value;
use support::prometheus::{Prometheus, Series, several};
use support::server::Server;
use support::tls::Certificate;
use support::{DEADLINE, config, have, scratch, wait};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings};
use tributary::pop3::{Method, Verb};

/// What may have no data, and why.
const MAY_BE_EMPTY: &[(&str, &str)] = &[
    ("Disk full in", "has a date only while the room of the disk shrinks, and others use this disk too"),
    ("Panics (annotation)", "marks panics, and a panic is a defect"),
];

/// What may be 0 all the time, and why.
const MAY_BE_ZERO: &[(&str, &str)] = &[
    ("Panics", "counts panics, and a panic is a defect"),
    ("Incident mails", "an account has to fail for a minute at least before its user is told by mail"),
    ("Bodies to be collected", "mail is expunged in no mailbox of this service"),
    ("Collected", "a body is collected an hour after its last message is gone"),
];

/// Longer than `max_message_size` of the account `mail`.
const TOO_LARGE: usize = 70_000;

/// IMAP sessions that the user may have.
const SESSIONS: usize = 4;

/// A service with a quota, a webhook and six accounts: over TLS, by OAuth, one that deletes what is stored, one whose
/// password is wrong, one with a message that always breaks off, and one whose maildrop never hands out a message.
struct World {
    _runtime: Runtime,
    provider: Provider,
    mail: Pop3d,
    drop: Pop3d,
    stuck: Pop3d,
    _others: [Pop3d; 2],
    server: Server,
    dir: TempDir,
    delivered: u32,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let provider = runtime.block_on(Provider::start());
        let certificate = Certificate::new();
        let tls = Settings { tls: Some(certificate.config.clone()), implicit_tls: true, ..Settings::default() };
        let mail = runtime.block_on(Pop3d::start(tls)).unwrap();
        let plain = || runtime.block_on(Pop3d::start(Settings::default())).unwrap();
        let (drop, odd, stuck) = (plain(), plain(), plain());
        drop.fault(Fault::of_message(Verb::Dele, 1, Action::Answer(b"-ERR not this one\r\n".to_vec())));
        odd.fault(Fault::of_message(Verb::Retr, 1, Action::AnswerAndClose(b"+OK\r\nSubject: half\r\n".to_vec())));
        stuck.fault(Fault::always(Verb::Retr, Action::Hang));
        ["o1", "o2"].iter().for_each(|id| odd.deliver(id, b"Subject: o\r\n\r\nhi\r\n".to_vec()));
        let token = Settings { password: "access-2".to_owned(), ..Settings::default() };
        let work = runtime.block_on(Pop3d::start(token.accepting(&[Method::Plain, Method::OauthBearer]))).unwrap();
        work.deliver("w1", b"Subject: w\r\n\r\nhi\r\n".to_vec());

        let dir = scratch();
        let (url, pin) = (&provider.url, &certificate.pin);
        let port = |maildrop: &Pop3d| maildrop.address().port();
        let oauth2 = format!(
            "{{ authorization_url: \"{url}/auth\", device_url: \"{url}/device\", token_url: \"{url}/token\", \
             scopes: [mail.read, offline_access], client_id: client-1, client_secret: {CLIENT_SECRET} }}"
        );
        let accounts = [
            format!(
                "{{ name: mail, poll_interval: 1s, max_message_size: 64KiB, pop3: {{ host: localhost, port: {}, tls: implicit, \
                 certificate_sha256: \"{pin}\", username: demo, password: demo }} }}",
                port(&mail)
            ),
            format!(
                "{{ name: work, poll_interval: 1s, pop3: {{ host: 127.0.0.1, port: {}, tls: none, username: demo, oauth2: {oauth2} }} }}",
                port(&work)
            ),
            format!(
                "{{ name: drop, poll_interval: 1s, leave_on_server: never, pop3: {{ host: 127.0.0.1, port: {}, tls: none, \
                 username: demo, password: demo }} }}",
                port(&drop)
            ),
            format!(
                "{{ name: broken, poll_interval: 1s, pop3: {{ host: 127.0.0.1, port: {}, tls: none, username: demo, \
                 password: wrong }} }}",
                port(&drop)
            ),
            format!(
                "{{ name: odd, poll_interval: 1s, pop3: {{ host: 127.0.0.1, port: {}, tls: none, username: demo, \
                 password: demo }} }}",
                port(&odd)
            ),
            format!(
                "{{ name: stuck, poll_interval: 1s, pop3: {{ host: 127.0.0.1, port: {}, tls: none, username: demo, \
                 password: demo }} }}",
                port(&stuck)
            ),
        ];
        let list = format!("    accounts: [{}]\n", accounts.join(", "));
        let more = format!(
            "limits: {{ imap: {{ connections_per_user: {SESSIONS} }} }}\nwebhooks: [{{ url: \"{url}/hook\" }}]\n"
        );
        let yaml = config::yaml_with_quota(dir.path(), 1 << 24).replace("    accounts: []\n", &list) + &more;
        let server = Server::start(dir.path(), &yaml);
        let _others = [work, odd];
        let world = Self { _runtime: runtime, provider, mail, drop, stuck, _others, server, dir, delivered: 0 };
        world.log_in();
        world
    }

    /// A login at the provider to which the person agrees at once.
    fn log_in(&self) {
        self.provider.will("/device", [provider::Answer::Say(200, device_code("verification_uri", 0, 900))]);
        self.provider.will("/token", [granted(1, 3600), granted(2, 3600)]);
        support::run(&mut self.command(&["oauth", "robin/work"]));
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
        command.args(words).arg("-c").arg(self.dir.path().join("tributary.yaml")).stdin(Stdio::null());
        command
    }

    /// What happens once in a while: the configuration is read again, and a user opens one session too many.
    fn seldom(&self) {
        support::run(Command::new("kill").arg("-HUP").arg(self.server.pid().to_string()));
        let _sessions: Vec<_> = (0..=SESSIONS).map(|_| self.server.imap()).collect();
    }

    /// Mail for three accounts, of which one never gets it, the maildrop of one under new unique-ids, and a mail program
    /// at work.
    fn load(&mut self) {
        self.delivered += 1;
        let n = self.delivered;
        let message = format!("Message-ID: <{n}@example.com>\r\nSubject: {n}\r\n\r\n{}\r\n", "hello ".repeat(100));
        self.mail.rename(|id| format!("{id}{n}"));
        self.mail.deliver(&format!("large{n}"), vec![b'x'; TOO_LARGE]);
        self.mail.deliver(&format!("m{n}"), message.clone().into_bytes());
        self.drop.deliver(&format!("d{n}"), message.replace("hello", "there").into_bytes());
        self.stuck.deliver(&format!("s{n}"), message.into_bytes());
        // Fails for three times, then the message is in quarantine.
        self.command(&["poll", "robin/odd"]).output().unwrap();
        self.provider.will("/hook", [provider::Answer::Say(200, String::new())]);
        let mut imap = self.server.imap();
        for command in ["SELECT INBOX", "NOOP", "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER])", "STATUS INBOX (MESSAGES)"] {
            imap.ok(command);
        }
        for refused in ["SELECT nowhere", "DELETE nowhere", "RENAME nowhere elsewhere", "CREATE Trash", "NONSENSE"] {
            assert!(!imap.command(refused).tagged.starts_with("OK"), "{refused}");
        }
        let wrong = support::imap::Imap::connect(self.server.address("imap")).command("LOGIN robin wrong").tagged;
        assert!(wrong.starts_with("NO"), "{wrong}");
    }

    /// A client that stays in IDLE while it lives.
    fn idle(&self) -> BufReader<TcpStream> {
        let mut stream = BufReader::new(TcpStream::connect(self.server.address("imap")).unwrap());
        stream.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
        let login = format!("a LOGIN {} {}", config::USER, config::PASSWORD);
        for (command, answer) in [(login.as_str(), "a OK"), ("b SELECT INBOX", "b OK"), ("c IDLE", "+ ")] {
            stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
            let mut line = String::new();
            while !line.starts_with(answer) {
                line.clear();
                assert!(stream.read_line(&mut line).unwrap() > 0, "{command}: closed");
            }
        }
        stream
    }
}

/// One query of a dashboard.
struct Query {
    dashboard: String,
    panel: String,
    /// With the variables filled in.
    expr: String,
    /// As it is in the file.
    template: String,
    instant: bool,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// All queries with their variables filled in; the variables' own are asked on the way and have to have values.
fn queries(prometheus: &Prometheus) -> Vec<Query> {
    let mut found = Vec::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let json: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let dashboard = text(&json["title"]);
        let mut filled = vec![
            ("$__rate_interval".to_owned(), "8s".to_owned()),
            ("$__interval".to_owned(), "2s".to_owned()),
            ("$__range".to_owned(), "60s".to_owned()),
        ];
        let fill = |filled: &[(String, String)], text: &str| {
            let text = filled.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
            assert!(!text.contains('$'), "{}: a variable is left in {text}", file.display());
            text
        };
        for variable in json["templating"]["list"].as_array().unwrap().iter().filter(|v| v["type"] == "query") {
            let values = prometheus.label_values(&fill(&filled, variable["definition"].as_str().unwrap()));
            assert!(!values.is_empty(), "{dashboard}: variable {} has no values", variable["name"]);
            filled.push((format!("${}", variable["name"].as_str().unwrap()), several(&values)));
        }
        for panel in json["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let (template, instant) = (text(&target["expr"]), target["instant"] == true);
                let expr = fill(&filled, &template);
                found.push(Query {
                    dashboard: dashboard.clone(),
                    panel: text(&panel["title"]),
                    expr,
                    template,
                    instant,
                });
            }
        }
        for annotation in json["annotations"]["list"].as_array().unwrap().iter().filter(|a| a["expr"].is_string()) {
            let template = text(&annotation["expr"]);
            let expr = fill(&filled, &template);
            let panel = format!("{} (annotation)", text(&annotation["name"]));
            found.push(Query { dashboard: dashboard.clone(), panel, expr, template, instant: false });
        }
    }
    found
}

/// Each value of a label that a query names outright: the metric, the label, the value.
fn named(expr: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (at, _) in expr.match_indices('{') {
        let before = expr[..at].rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
        let inside = &expr[at + 1..at + expr[at..].find('}').unwrap()];
        for matcher in inside.split(',') {
            let (label, value) = matcher.split_once(['=', '!']).unwrap();
            let value = value.trim_start_matches(['=', '~']).trim_matches('"');
            let values = value.split('|').filter(|value| !value.contains('$'));
            found.extend(values.map(|value| (before.to_owned(), label.to_owned(), value.to_owned())));
        }
    }
    found
}

#[test]
fn values_that_queries_name_are_found() {
    let text = "sum(rate(a_b{x=~\"$x\",y!=\"one\"}[5m])) + c{z=~\"two|three\"}";
    let found: Vec<String> = named(text).into_iter().map(|(metric, label, value)| metric + &label + &value).collect();
    assert_eq!(found, ["a_byone", "cztwo", "czthree"]);
}

/// Grafana asks a panel of single values for this moment, all others for the range.
fn ask(prometheus: &Prometheus, query: &Query) -> Vec<Series> {
    if query.instant { prometheus.query(&query.expr) } else { prometheus.query_range(&query.expr) }
}

/// Whether the series show that the query works.
fn is_enough(query: &Query, series: &[Series]) -> bool {
    let listed = |list: &[(&str, &str)]| list.iter().any(|(title, _)| *title == query.panel);
    listed(MAY_BE_EMPTY) || !series.is_empty() && (listed(MAY_BE_ZERO) || series.iter().any(|s| s.is_telling))
}

#[test]
fn every_query_of_the_dashboards_returns_data() {
    if !have(&["prometheus"]) {
        return;
    }
    let mut world = World::new();
    let dir = scratch();
    let prometheus = Prometheus::start(dir.path(), world.server.address("http"));
    wait::until("a load was scraped", DEADLINE, || {
        world.load();
        (!prometheus.query("tributary_imap_command_duration_seconds_count > 3").is_empty()).then_some(())
    });
    world.seldom();
    let _idle = world.idle();

    let queries = queries(&prometheus);
    assert!(queries.len() > 80, "only {}", queries.len());
    for (metric, label, value) in queries.iter().flat_map(|query| named(&query.template)) {
        let values = prometheus.label_values(&format!("label_values({metric},{label})"));
        assert!(values.contains(&value), "{metric}: {label} is never {value}, but {values:?}");
    }

    let mut missing: Vec<&Query> = queries.iter().collect();
    let end = Instant::now() + DEADLINE;
    while !missing.is_empty() && Instant::now() < end {
        world.load();
        missing.retain(|query| !is_enough(query, &ask(&prometheus, query)));
    }

    let mut table = "dashboard\tpanel\tquery\tseries\tlast value of the first and of the largest\n".to_owned();
    for query in &queries {
        let last: Vec<f64> = ask(&prometheus, query).iter().map(|series| series.last).collect();
        let largest = last.iter().copied().reduce(f64::max);
        let [first, largest] =
            [last.first().copied(), largest].map(|v| v.map_or_else(|| "none".to_owned(), |v| v.to_string()));
        let Query { dashboard, panel, expr, .. } = query;
        writeln!(table, "{dashboard}\t{panel}\t{expr}\t{}\t{first}\t{largest}", last.len()).unwrap();
    }
    std::fs::write(support::script::target().join("dashboards.tsv"), &table).unwrap();
    let words: Vec<_> = missing.iter().map(|q| format!("{}: {}: {}\n", q.dashboard, q.panel, q.expr)).collect();
    assert!(words.is_empty(), "{} queries without data:\n{}", words.len(), words.concat());

    let rules = wait::until("every alert rule was evaluated", DEADLINE, || {
        let rules = prometheus.rules();
        rules.iter().all(|(_, health, _)| health != "unknown").then_some(rules)
    });
    let failed: Vec<_> = rules.iter().filter(|(_, health, error)| health != "ok" || !error.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
