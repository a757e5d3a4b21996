//! A real Prometheus as a child process, its HTTP interface, and the variables of Grafana filled in as Grafana does.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use oauth2::url::form_urlencoded::byte_serialize;
use serde_json::Value;

use super::{DEADLINE, metrics, wait};

/// What a query has for one series.
pub struct Series {
    /// Its newest finite value.
    pub last: f64,
    /// Whether it was anything but 0 at any time.
    pub is_telling: bool,
}

/// Scrapes one target every second. Killed when dropped.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    /// When it began, in seconds since the epoch.
    start: f64,
}

/// The files in config/prometheus that hold rules (others hold tests of them), copied into `dir` with every group
/// evaluated each second.
fn rule_files(dir: &Path) -> Vec<serde_yaml::Value> {
    let Ok(shipped) = std::fs::read_dir(shipped("prometheus")) else { return Vec::new() };
    let mut found = Vec::new();
    for file in shipped.map(|entry| entry.unwrap().path()) {
        let mut rules: serde_yaml::Value = serde_yaml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let Some(groups) = rules.get_mut("groups").and_then(|groups| groups.as_sequence_mut()) else { continue };
        for group in groups {
            group.as_mapping_mut().unwrap().remove("interval");
        }
        let copy = dir.join(file.file_name().unwrap());
        std::fs::write(&copy, serde_yaml::to_string(&rules).unwrap()).unwrap();
        found.push(copy.display().to_string().into());
    }
    found
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn escape(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

impl Series {
    fn of(samples: &[Value]) -> Option<Self> {
        let finite = || samples.iter().map(number).filter(|value| value.is_finite());
        Some(Self { last: finite().next_back()?, is_telling: finite().any(|value| value != 0.0) })
    }
}

impl Prometheus {
    /// Starts with the job of config/prometheus.yml and the alert rules, pointed at `target`, in a directory of its own.
    pub fn start(dir: &Path, target: SocketAddr) -> Self {
        let text = std::fs::read_to_string(shipped("prometheus.yml")).unwrap();
        let mut config: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        config["global"]["scrape_interval"] = "1s".into();
        config["scrape_configs"][0]["static_configs"][0]["targets"][0] = target.to_string().into();
        config["global"]["evaluation_interval"] = "1s".into();
        config["rule_files"] = rule_files(dir).into();
        config.as_mapping_mut().unwrap().remove("alerting");
        let file = dir.join("prometheus.yml");
        std::fs::write(&file, serde_yaml::to_string(&config).unwrap()).unwrap();
        // It does not tell the port that it got when asked for any.
        let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let child = Command::new(super::program("prometheus").unwrap())
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut prometheus = Self { child, address, start: now() };
        wait::until("Prometheus is ready", DEADLINE, || {
            assert_eq!(prometheus.child.try_wait().unwrap(), None, "Prometheus has ended");
            std::net::TcpStream::connect(address).ok()?;
            (metrics::get(address, "/-/ready").0 == 200).then_some(())
        });
        prometheus
    }

    /// The `data` of an answer that says success and warns of nothing.
    fn ask(&self, what: &str, path: &str) -> Value {
        let (status, body) = metrics::get(self.address, path);
        let answer: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{what}: {error}: {body}"));
        assert!(status == 200 && answer["status"] == "success", "{what}: {status}: {body}");
        assert!(answer.get("warnings").is_none(), "{what}: {body}");
        answer["data"].clone()
    }

    /// Each series that has a finite value now.
    pub fn query(&self, expr: &str) -> Vec<Series> {
        let data = self.ask(expr, &format!("/api/v1/query?query={}", escape(expr)));
        let series = data["result"].as_array().unwrap().iter();
        series.filter_map(|series| Series::of(std::slice::from_ref(&series["value"]))).collect()
    }

    /// Each series that had a finite value, of all that was recorded.
    pub fn query_range(&self, expr: &str) -> Vec<Series> {
        let (query, start, end) = (escape(expr), self.start, now());
        let data = self.ask(expr, &format!("/api/v1/query_range?query={query}&start={start}&end={end}&step=1"));
        let series = data["result"].as_array().unwrap().iter();
        series.filter_map(|series| Series::of(series["values"].as_array()?)).collect()
    }

    /// Name, health and last error of each alert rule.
    pub fn rules(&self) -> Vec<(String, String, String)> {
        let data = self.ask("rules", "/api/v1/rules");
        let groups = data["groups"].as_array().unwrap().iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
        let text = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        rules.map(|rule| (text(rule, "name"), text(rule, "health"), text(rule, "lastError"))).collect()
    }

    /// `label_values(METRIC, LABEL)` as Grafana asks for it.
    pub fn label_values(&self, definition: &str) -> Vec<String> {
        let inside = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inside.and_then(|inside| inside.rsplit_once(',')).unwrap();
        let (series, start, end) = (escape(series), self.start, now());
        let path = format!("/api/v1/label/{}/values?match[]={series}&start={start}&end={end}", label.trim());
        let data = self.ask(definition, &path);
        data.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of a sample `[time, "value"]`.
fn number(sample: &Value) -> f64 {
    sample[1].as_str().unwrap().parse().unwrap()
}

/// What a variable with several values becomes in a query: Grafana joins them to a regular expression.
pub fn several(values: &[String]) -> String {
    let escaped: Vec<String> = values.iter().map(|value| value.replace('.', "\\\\.")).collect();
    if let [one] = &escaped[..] { one.clone() } else { format!("({})", escaped.join("|")) }
}
