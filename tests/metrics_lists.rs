//! What the service exposes, docs/metrics.md, the dashboards and the alert rules agree: nothing is missing, nothing stale.
//! docs/metrics.md is the list; a metric is added there.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_yaml::Value as Yaml;
use support::config::{self, Account};
use support::server::Server;
use support::{scratch, wait};
use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Pop3d, Settings};

/// Shown only once something has happened that this test does not bring about.
const LATER: [&str; 2] = [
    // After a TLS handshake with a maildrop: poll_accounts::tls.
    "tributary_upstream_certificate_expiry_timestamp_seconds",
    // After a login by OAuth: poll_accounts::oauth.
    "tributary_oauth_token_expiry_timestamp_seconds",
];

/// What Prometheus itself gives a series.
const OF_PROMETHEUS: [&str; 4] = ["job", "instance", "le", "alertname"];

#[derive(Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
    /// Words of the description that may be values of a label.
    words: BTreeSet<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The words between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The tables of docs/metrics.md.
fn documented() -> BTreeMap<String, Metric> {
    let mut found = BTreeMap::new();
    for line in read("docs/metrics.md").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').splitn(4, '|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("not four cells: {line}") };
        let owned = |words: &mut dyn Iterator<Item = &str>| words.map(str::to_owned).collect::<BTreeSet<_>>();
        let metric = Metric {
            kind: kind.to_owned(),
            labels: owned(&mut quoted(labels)),
            words: owned(&mut quoted(meaning).filter(|word| is_word(word))),
        };
        assert!(found.insert(name.trim_matches('`').to_owned(), metric).is_none(), "{name} is listed twice");
    }
    found
}

/// Name without what a histogram appends, labels with values.
fn samples(text: &str) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
    let mut found: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').map_or((series, ""), |(n, rest)| (n, rest.trim_end_matches('}')));
        let pairs = labels.split("\",").filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            (key.to_owned(), value.trim_end_matches('"').to_owned())
        });
        found.entry(name.to_owned()).or_default().push(pairs.collect());
    }
    found
}

fn kinds(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// A service with an account, a quota and users' labels.
fn service(dir: &Path, maildrop: &Pop3d) -> Server {
    let text = config::yaml(dir, &[Account::new("isp", maildrop.address(), "up")]);
    let text = text.replace("    accounts:", "    quota: 10MiB\n    accounts:");
    Server::start(dir, &text.replace("http:\n", "http:\n  user_labels: true\n"))
}

fn maildrop(runtime: &Runtime) -> Pop3d {
    let password = support::dovecot::PASSWORD.to_owned();
    runtime.block_on(Pop3d::start(Settings { username: "up".to_owned(), password, ..Settings::default() })).unwrap()
}

#[test]
fn the_service_shows_what_the_documentation_lists() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let maildrop = maildrop(&runtime);
    let server = service(dir.path(), &maildrop);
    server.wait_for_metrics("the first sample", support::DEADLINE, |metrics| {
        metrics.text().contains("tributary_store_size_bytes{") && metrics.text().contains("user_quota_used_ratio{")
    });
    let scrape = server.metrics();
    let (kinds, samples, documented) = (kinds(scrape.text()), samples(scrape.text()), documented());
    for (name, kind) in &kinds {
        let listed = documented.get(name).unwrap_or_else(|| panic!("{name} is not in docs/metrics.md"));
        assert_eq!(&listed.kind, kind, "{name}");
        let series: Vec<_> = match kind.as_str() {
            "histogram" => samples[&format!("{name}_count")].iter().collect(),
            _ => samples[name].iter().collect(),
        };
        for labels in series {
            assert_eq!(labels.keys().cloned().collect::<BTreeSet<_>>(), listed.labels, "labels of {name}");
            for (label, value) in labels {
                // Of the configuration, of the build, and a list of its own.
                let is_open = ["account", "user", "version", "command"].contains(&label.as_str());
                assert!(is_open || listed.words.contains(value), "{name}: {label}={value:?} is not documented");
            }
        }
    }
    for name in documented.keys() {
        assert!(kinds.contains_key(name) || LATER.contains(&name.as_str()), "{name} is documented, but not there");
    }
}

#[test]
fn no_client_makes_a_new_series() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let maildrop = maildrop(&runtime);
    let server = service(dir.path(), &maildrop);
    server.wait_for_polls(&["isp"], 1);
    let series = || -> BTreeSet<String> {
        let scrape = server.metrics();
        let lines = scrape.text().lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let before = wait::until("the first sample", support::DEADLINE, || {
        Some(series()).filter(|series| series.iter().any(|one| one.contains("user_quota_used_ratio{")))
    });
    let mut imap = support::imap::Imap::connect(server.address("imap"));
    for junk in ["XYZZY", "LOGIN mallory{x=\"1\"} pw", "LOGIN \"a\\\"b\" pw", "UID BOGUS 1", "FETCH 1 (", "select"] {
        let _answered = imap.command(junk);
    }
    let mut imap = server.imap();
    for junk in ["SELECT \"no such \\\"{x}\"", "CREATE \"odd{a=1}\"", "STATUS \"nowhere\" (MESSAGES)", "FROB", "UID XX"]
    {
        let _answered = imap.command(junk);
    }
    for path in ["/nowhere", "/metrics?x=1", "/%00"] {
        support::metrics::get(server.address("http"), path);
    }
    assert_eq!(series(), before);
}

#[test]
fn the_last_success_and_backup_outlive_a_restart() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let maildrop = maildrop(&runtime);
    let server = service(dir.path(), &maildrop);
    server.wait_for_polls(&["isp"], 1);
    let target = dir.path().join("backup");
    let (code, _, error) = support::command::tributary(dir.path(), &["backup", target.to_str().unwrap()]);
    assert_eq!(code, 0, "{error}");
    let success = server.metrics().sum("tributary_poll_last_success_timestamp_seconds", &[]);
    drop((maildrop, runtime));
    let server = server.restart_after_kill();
    server.wait_for_metrics("a poll that fails", support::DEADLINE, |metrics| {
        metrics.sum("tributary_poll_consecutive_failures", &[]) >= 1.0
            && metrics.sum("tributary_store_last_backup_timestamp_seconds", &[]) > 0.0
    });
    let kept = server.metrics().sum("tributary_poll_last_success_timestamp_seconds", &[]);
    assert!((success - 60.0..=success).contains(&kept), "{kept}, it was {success}");
}

fn yaml(path: &str) -> Yaml {
    serde_yaml::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Name, expression and runbook of every alert.
fn alerts() -> Vec<(String, String, String)> {
    let file = yaml("config/prometheus/alerts.yml");
    let rules = file["groups"].as_sequence().unwrap().iter().flat_map(|group| group["rules"].as_sequence().unwrap());
    let text = |value: &Yaml| value.as_str().unwrap().to_owned();
    rules
        .map(|rule| {
            let name = text(&rule["alert"]);
            for key in ["summary", "description", "remedy"] {
                assert!(rule["annotations"][key].is_string(), "{name} has no {key}");
            }
            let severity = rule["labels"]["severity"].as_str().unwrap();
            assert!(["page", "warning", "info"].contains(&severity), "{name}: {severity}");
            (name, text(&rule["expr"]), text(&rule["annotations"]["runbook_url"]))
        })
        .collect()
}

#[test]
fn every_alert_is_explained_and_has_cases_both_ways() {
    let names: BTreeSet<String> = alerts().into_iter().map(|(name, ..)| name).collect();
    for (name, _, runbook) in alerts() {
        assert_eq!(runbook, format!("docs/alerts.md#{}", name.to_lowercase()));
    }
    let docs = read("docs/alerts.md");
    let sections: BTreeSet<String> =
        docs.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    assert_eq!(sections, names, "sections of docs/alerts.md");
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for path in ["config/prometheus/alerts.test.yml", "config/prometheus/alerts-days.test.yml"] {
        for test in yaml(path)["tests"].as_sequence().unwrap() {
            for case in test["alert_rule_test"].as_sequence().unwrap() {
                let name = case["alertname"].as_str().unwrap().to_owned();
                let set = if case["exp_alerts"].as_sequence().unwrap().is_empty() { &mut silent } else { &mut fires };
                set.insert(name);
            }
        }
    }
    assert_eq!(fires, names, "alerts with a case in which they fire");
    assert_eq!(silent, names, "alerts with a case in which they do not");
}

/// Every expression of alerts and dashboards, with where it is.
fn expressions() -> Vec<(String, String)> {
    let mut found: Vec<_> = alerts().into_iter().map(|(name, expr, _)| (name, expr)).collect();
    for entry in std::fs::read_dir(root().join("dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        collect(&json, &path.file_name().unwrap().to_string_lossy(), &mut found);
    }
    found
}

fn collect(json: &serde_json::Value, place: &str, found: &mut Vec<(String, String)>) {
    match json {
        serde_json::Value::Object(map) => {
            let title = map.get("title").and_then(|title| title.as_str()).map(|title| format!("{place}: {title}"));
            let place = title.as_deref().unwrap_or(place);
            for (key, value) in map {
                match value.as_str() {
                    Some(expr) if key == "expr" => found.push((place.to_owned(), expr.to_owned())),
                    _ => collect(value, place, found),
                }
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|value| collect(value, place, found)),
        _ => {}
    }
}

/// Every metric of an expression, with its matchers: label, operator, value.
fn selectors(expr: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for prefix in ["tributary_", "process_"] {
        for (at, _) in expr.match_indices(prefix) {
            let is_middle = expr[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '"');
            if is_middle {
                continue;
            }
            let rest = &expr[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let inside = rest[end..].strip_prefix('{').map_or("", |inside| {
                let mut is_quoted = false;
                let close = inside.find(|c| {
                    is_quoted ^= c == '"';
                    c == '}' && !is_quoted
                });
                &inside[..close.unwrap_or(inside.len())]
            });
            let pieces: Vec<&str> = inside.split('"').collect();
            let matchers = pieces.chunks_exact(2).map(|pair| {
                let label = pair[0].trim_matches(|c: char| ",=~! \n".contains(c));
                (label.to_owned(), pair[1].to_owned())
            });
            found.push((rest[..end].to_owned(), matchers.collect()));
        }
    }
    found
}

#[test]
fn dashboards_and_alerts_use_what_there_is() {
    let documented = documented();
    let commands = read("src/imap/spec.rs");
    let mut used = BTreeSet::new();
    for (place, expr) in expressions() {
        for (name, matchers) in selectors(&expr) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = if documented.contains_key(&name) { &name } else { base.unwrap_or(&name) };
            let metric = documented.get(name).unwrap_or_else(|| panic!("{place}: {name} is not in docs/metrics.md"));
            used.insert(name.to_owned());
            for (label, value) in matchers {
                assert!(
                    metric.labels.contains(&label) || OF_PROMETHEUS.contains(&label.as_str()),
                    "{place}: {name} has no label {label}"
                );
                if !metric.labels.contains(&label) || ["account", "user", "version"].contains(&label.as_str()) {
                    continue;
                }
                for value in value.split('|').filter(|value| is_word(value)) {
                    let is_command = label == "command" && commands.contains(&format!("\"{value}\""));
                    assert!(is_command || metric.words.contains(value), "{place}: {name}{{{label}={value:?}}}");
                }
            }
        }
    }
    let unused: Vec<_> =
        documented.keys().filter(|name| !used.contains(*name) && !UNUSED.contains(&name.as_str())).collect();
    assert_eq!(unused, Vec::<&String>::new(), "on no dashboard and in no alert");
}

/// On no dashboard and in no alert, of use to who looks for something in particular.
const UNUSED: [&str; 6] = [
    // Convention of Prometheus clients; resident memory is what counts.
    "process_threads",
    "process_virtual_memory_bytes",
    // The alert looks at whether the last one was refused.
    "tributary_config_last_reload_timestamp_seconds",
    "tributary_config_reloads_total",
    // Each has a failing account behind it, of which there are alerts.
    "tributary_incident_mails_total",
    // Made by hand.
    "tributary_store_last_compaction_timestamp_seconds",
];

#[test]
fn selectors_are_found_in_expressions() {
    let found = selectors("rate(tributary_a_bucket{x=~\"b|c\", y!=\"{}\"}[5m]) / on (z) tributary_d > process_e");
    let owned =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            ("tributary_a_bucket".to_owned(), owned(&[("x", "b|c"), ("y", "{}")])),
            ("tributary_d".to_owned(), Vec::new()),
            ("process_e".to_owned(), Vec::new()),
        ]
    );
}
