//! Every message appended over IMAP, every recorded answer fetched and compared: with Dovecot as it is, with Cyrus and
//! Courier but for their habits. A difference that is not in the table fails, and so does an entry that is none any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::client::Client;
use crate::differences::{Differences, Place};
use crate::fields::{self, Field, Fields};
use crate::harness::TestServer;
use crate::messages;
use crate::normal::Server;

/// Where each reason has a row with its numbers.
const CHOICES: &str = include_str!("../../docs/imap-choices.md");
/// Connections that fetch at one time.
const CONNECTIONS: usize = 4;

struct Case {
    path: String,
    message: Vec<u8>,
    date: String,
    recorded: BTreeMap<Server, Fields>,
    /// Names of all that is recorded.
    wanted: BTreeSet<String>,
}

#[derive(Default)]
struct Total {
    compared: usize,
    equal: usize,
    deliberate: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_answer() {
    let Some(corpus) = messages::find() else { return };
    let cases = Arc::new(load(&corpus));
    let server = TestServer::start().await;
    append(&server, &cases).await;
    let answers = fetch(&server, &cases).await;

    let recorded =
        |case: &Case, server: Server, name: &String| (server.name().to_owned(), case.path.clone(), name.clone());
    let every: BTreeSet<Place> = cases
        .iter()
        .flat_map(|case| case.recorded.iter().map(move |(server, fields)| (case, *server, fields)))
        .flat_map(|(case, server, fields)| fields.keys().map(move |name| recorded(case, server, name)))
        .collect();
    let table = Differences::read(&every);
    let mut differences = BTreeMap::new();
    let mut totals: BTreeMap<Server, Total> = BTreeMap::new();
    let mut agreed = Total::default();
    for (case, answer) in cases.iter().zip(&answers) {
        for (server, fields) in &case.recorded {
            let total = totals.entry(*server).or_default();
            for (name, theirs) in fields {
                total.compared += 1;
                let ours = answer.get(name).map(|ours| server.normal(name, ours));
                let theirs = server.normal(name, theirs);
                if ours.as_ref() == Some(&theirs) {
                    total.equal += 1;
                } else {
                    total.deliberate += 1;
                    let ours = ours.map_or_else(|| "nothing".to_owned(), |ours| ours.to_string());
                    differences.insert(recorded(case, *server, name), (theirs.to_string(), ours));
                }
            }
        }
        agreed.add(case, answer);
    }

    let mut report = String::new();
    let unlisted = differences.iter().filter(|(place, _)| !table.has(place));
    for ((server, message, name), (theirs, ours)) in unlisted {
        let _ = writeln!(report, "not in the table: {server}\t{message}\t{name}\n  theirs {theirs}\n  ours   {ours}");
    }
    for (server, message, name) in table.places().filter(|place| !differences.contains_key(*place)) {
        let _ = writeln!(report, "no difference any more: {server}\t{message}\t{name}");
    }
    for (server, Total { compared, equal, deliberate }) in &totals {
        println!("{:8}: {compared} fields compared, {equal} equal, {deliberate} deliberate differences", server.name());
        let row = format!("| {} | {compared} | {equal} | {deliberate} |", server.name());
        if !CHOICES.to_lowercase().contains(&row) {
            let _ = writeln!(report, "not in docs/imap-choices.md: {row}");
        }
    }
    println!("Dovecot and Cyrus agree on {} fields, we agree on {} of them", agreed.compared, agreed.equal);
    for ((server, reason), (fields, messages)) in table.totals() {
        println!("{server:8} {reason}: {fields} fields of {messages} messages");
        if !CHOICES.contains(&format!("| {server} | {reason} | {fields} | {messages} |")) {
            let _ = writeln!(report, "not in docs/imap-choices.md: | {server} | {reason} | {fields} | {messages} |");
        }
    }
    if let Some(file) = std::env::var_os("TRIBUTARY_CORPUS_REPORT") {
        std::fs::write(file, &report).expect("the report is written");
    }
    assert!(report.is_empty(), "{}", report.chars().take(4000).collect::<String>());
    assert_eq!(agreed.equal, agreed.compared);
}

impl Total {
    /// Where Dovecot and Cyrus agree, are we of the same mind?
    fn add(&mut self, case: &Case, answer: &Fields) {
        let Some(cyrus) = case.recorded.get(&Server::Cyrus) else { return };
        for (name, dovecot) in &case.recorded[&Server::Dovecot] {
            let normal = |field: &Field| Server::Cyrus.normal(name, field);
            if cyrus.get(name).is_some_and(|cyrus| normal(cyrus) == normal(dovecot)) {
                self.compared += 1;
                self.equal += usize::from(answer.get(name).is_some_and(|ours| normal(ours) == normal(dovecot)));
            }
        }
    }
}

fn load(corpus: &Path) -> Vec<Case> {
    let rows = Server::ALL.map(|server| {
        let file = corpus.join(format!("expected-{}.jsonl", server.name()));
        let rows = std::fs::read_to_string(file).expect("the answers are readable");
        rows.lines().map(|row| serde_json::from_str::<Json>(row).expect("a row is JSON")).collect::<Vec<_>>()
    });
    let [dovecot, ..] = &rows;
    let case = |index: usize| {
        let row = &dovecot[index];
        let path = row["path"].as_str().expect("a path").to_owned();
        assert!(rows.iter().all(|rows| rows[index]["path"] == path.as_str()), "all files have the same order");
        let recorded: BTreeMap<_, _> =
            Server::ALL.iter().zip(&rows).map(|(server, rows)| (*server, fields::recorded(&rows[index]))).collect();
        Case {
            message: std::fs::read(corpus.join(&path)).expect("a message is readable"),
            date: row["internaldate"].as_str().expect("a date").to_owned(),
            wanted: recorded.values().flat_map(BTreeMap::keys).cloned().collect(),
            path,
            recorded,
        }
    };
    (0..dovecot.len()).map(case).collect()
}

async fn append(server: &TestServer, cases: &[Case]) {
    let mut client = Client::login(server.address, "alice", "secret").await;
    for case in cases {
        let tagged = client.append("INBOX", &case.date, &case.message).await;
        assert!(tagged.starts_with("t OK"), "{}: {tagged}", case.path);
    }
}

async fn fetch(server: &TestServer, cases: &Arc<Vec<Case>>) -> Vec<Fields> {
    let mut tasks = Vec::new();
    for first in 0..CONNECTIONS {
        let (cases, address) = (Arc::clone(cases), server.address);
        tasks.push(tokio::spawn(async move {
            let mut client = Client::login(address, "alice", "secret").await;
            client.ok("EXAMINE INBOX").await;
            let mut answers = Vec::new();
            for index in (first..cases.len()).step_by(CONNECTIONS) {
                let case = &cases[index];
                let items = client.fetch(index as u32 + 1, &fields::items(case.wanted.iter())).await;
                answers.push((index, fields::answered(&items, case.wanted.iter())));
            }
            answers
        }));
    }
    let mut all = BTreeMap::new();
    for task in tasks {
        all.extend(task.await.expect("all are fetched"));
    }
    all.into_values().collect()
}
