//! Every file of the monitoring set-up parses, refers to files that exist, and uses only metrics that the contract names
//! (DESIGN 1.4) and the code registers.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

/// DESIGN 1.4, without prefix. `process_*` is the convention of Prometheus clients.
const CONTRACT: &[&str] = &[
    "poll_last_success_timestamp_seconds",
    "poll_last_attempt_timestamp_seconds",
    "poll_next_timestamp_seconds",
    "poll_interval_seconds",
    "poll_consecutive_failures",
    "account_state",
    "polls_total",
    "poll_duration_seconds",
    "messages_fetched_total",
    "fetched_bytes_total",
    "messages_skipped_total",
    "messages_duplicate_total",
    "messages_quarantined",
    "uidl_resets_total",
    "upstream_messages",
    "upstream_bytes",
    "upstream_backlog_messages",
    "upstream_deletes_total",
    "upstream_deletes_pending",
    "oauth_token_expiry_timestamp_seconds",
    "upstream_certificate_expiry_timestamp_seconds",
    "imap_connections",
    "imap_connections_total",
    "imap_evicted_total",
    "imap_idle_sessions",
    "imap_command_duration_seconds",
    "authentications_total",
    "imap_sent_bytes_total",
    "imap_received_bytes_total",
    "new_mail_push_seconds",
    "store_messages",
    "store_size_bytes",
    "store_disk_free_bytes",
    "store_commit_duration_seconds",
    "store_commit_operations",
    "store_errors_total",
    "user_quota_used_ratio",
    "build_info",
    "panics_total",
];

const PREFIX: &str = "tributary_";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, wanted));
        } else if wanted(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn with_extension(dir: &str, extensions: &[&str]) -> Vec<PathBuf> {
    files(&root().join(dir), &|path| path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Json {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &Path) -> Yaml {
    serde_yaml::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of our metrics in a text, without prefix and without what a histogram appends.
fn metric_names(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices(PREFIX).map(|(at, _)| &text[at + PREFIX.len()..]);
    let names = starts.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        base.unwrap_or(name).to_owned()
    });
    names.collect()
}

/// Whether the sources hold the name as a string, with or without the prefix.
fn registered(sources: &str, name: &str) -> bool {
    sources.contains(&format!("\"{PREFIX}{name}\"")) || sources.contains(&format!("\"{name}\""))
}

fn sources() -> String {
    with_extension("src", &["rs"]).iter().map(|path| read(path)).collect()
}

#[test]
fn dashboards_use_only_metrics_that_exist() {
    let sources = sources();
    let dashboards = with_extension("dashboards", &["json"]);
    assert!(!dashboards.is_empty());
    for path in dashboards {
        json(&path);
        let names = metric_names(&read(&path));
        assert!(names.len() > 10, "{}: only {names:?}", path.display());
        for name in names {
            assert!(CONTRACT.contains(&name.as_str()), "{}: {name} is not in the contract", path.display());
            assert!(registered(&sources, &name), "{}: {name} is registered nowhere in src/", path.display());
        }
    }
}

#[test]
fn documentation_lists_what_is_registered_and_nothing_else() {
    let (sources, documented) = (sources(), metric_names(&read(&root().join("docs/metrics.md"))));
    let registered: BTreeSet<String> =
        CONTRACT.iter().filter(|name| registered(&sources, name)).map(|name| (*name).to_owned()).collect();
    assert!(registered.len() > 30, "only {registered:?}");
    assert_eq!(documented.difference(&registered).collect::<Vec<_>>(), Vec::<&String>::new(), "not registered");
    assert_eq!(registered.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "not documented");
}

#[test]
fn other_monitoring_files_use_only_contracted_metrics() {
    for path in with_extension("config", &["yml", "yaml"]) {
        for name in metric_names(&read(&path)) {
            assert!(CONTRACT.contains(&name.as_str()), "{}: {name} is not in the contract", path.display());
        }
    }
}

#[test]
fn every_panel_has_a_title_a_query_and_a_place_of_its_own() {
    for path in with_extension("dashboards", &["json"]) {
        let dashboard = json(&path);
        let mut ids = BTreeSet::new();
        let mut places = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: the id is taken");
            let place = &panel["gridPos"];
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| place[key].as_u64().unwrap());
            assert!(x + w <= 24, "{title}: wider than the grid");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(places.insert(cell), "{title}: lies on another panel at {cell:?}");
            }
            if panel["type"] != "row" {
                let targets = panel["targets"].as_array().unwrap();
                assert!(
                    !targets.is_empty() && targets.iter().all(|t| !t["expr"].as_str().unwrap().is_empty()),
                    "{title}"
                );
            }
        }
    }
}

#[test]
fn all_yaml_files_parse() {
    for path in with_extension("config", &["yml", "yaml"]) {
        yaml(&path);
    }
    yaml(&root().join("docker-compose.yml"));
}

#[test]
fn compose_mounts_files_that_exist_and_publishes_on_loopback_only() {
    let compose = yaml(&root().join("docker-compose.yml"));
    for (name, service) in compose["services"].as_mapping().unwrap() {
        for volume in service["volumes"].as_sequence().unwrap() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            if let Some(file) = source.strip_prefix("./") {
                assert!(root().join(file).exists(), "{name:?} mounts {source}");
            } else {
                assert!(compose["volumes"].as_mapping().unwrap().contains_key(source), "{name:?} mounts {source}");
            }
        }
        for port in service["ports"].as_sequence().unwrap() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name:?} publishes {port:?}");
        }
    }
}

#[test]
fn prometheus_scrapes_the_port_that_compose_gives_the_service() {
    let prometheus = yaml(&root().join("config/prometheus.yml"));
    let target = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0].as_str().unwrap();
    let (service, port) = target.split_once(':').unwrap();
    let compose = yaml(&root().join("docker-compose.yml"));
    let command = &compose["services"][service]["command"];
    let listens = command.as_sequence().unwrap().iter().any(|word| word.as_str().unwrap() == format!("0.0.0.0:{port}"));
    assert!(listens, "{target} is scraped, the service runs {command:?}");
}

#[test]
fn names_are_found_in_expressions() {
    let text =
        "rate(tributary_polls_total{a=\"b\"}[5m]) / tributary_poll_duration_seconds_bucket,tributary_panics_total";
    let names: Vec<String> = metric_names(text).into_iter().collect();
    assert_eq!(names, ["panics_total", "poll_duration_seconds", "polls_total"]);
}
