//! Configurations for the tests: one user, loopback, port 0.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub const USER: &str = "robin";
pub const PASSWORD: &str = "pw-of-robin";

/// How the connection to a maildrop is protected.
#[derive(Clone, Debug)]
pub enum Tls {
    None,
    /// Implicit TLS, certificate issued by this CA.
    Implicit(PathBuf),
    /// STLS, certificate with this SHA-256 fingerprint.
    Stls(String),
}

/// One account of the user, and where its maildrop is.
#[derive(Clone, Debug)]
pub struct Account {
    pub name: &'static str,
    pub address: SocketAddr,
    pub tls: Tls,
    pub username: String,
    pub password: String,
    pub leave_on_server: &'static str,
    pub poll_interval: &'static str,
}

impl Account {
    /// Cleartext, leaves mail on the server, polls often.
    pub fn new(name: &'static str, address: SocketAddr, username: &str) -> Self {
        Self {
            name,
            address,
            tls: Tls::None,
            username: username.to_owned(),
            password: super::dovecot::PASSWORD.to_owned(),
            leave_on_server: "forever",
            poll_interval: "1s",
        }
    }
}

/// The `account` label of metrics.
pub fn account_label(name: &str) -> String {
    format!("{USER}/{name}")
}

/// The YAML of a service that keeps its data in `dir` and polls these accounts.
pub fn yaml(dir: &Path, accounts: &[Account]) -> String {
    let mut text = format!(
        "data_dir: {}\nlog: {{ level: info, format: json }}\n\
         imap:\n  listen: [\"127.0.0.1:0\"]\n  listen_tls: [\"127.0.0.1:0\"]\n  allow_cleartext_login: true\n\
         http:\n  listen: \"127.0.0.1:0\"\n\
         users:\n  - name: {USER}\n    password: {PASSWORD}\n    accounts:{}\n",
        dir.join("data").display(),
        if accounts.is_empty() { " []" } else { "" }
    );
    for account in accounts {
        let (mode, trust) = match &account.tls {
            Tls::None => ("none", String::new()),
            Tls::Implicit(ca) => ("implicit", format!("          ca_file: {}\n", ca.display())),
            Tls::Stls(pin) => ("starttls", format!("          certificate_sha256: \"{pin}\"\n")),
        };
        let host = if matches!(account.tls, Tls::None) { "127.0.0.1" } else { "localhost" };
        write!(
            text,
            "      - name: {}\n        pop3:\n          host: {host}\n          port: {}\n          tls: {mode}\n{trust}          \
             username: {}\n          password: {}\n        poll_interval: {}\n        leave_on_server: {}\n",
            account.name,
            account.address.port(),
            account.username,
            account.password,
            account.poll_interval,
            account.leave_on_server,
        )
        .unwrap();
    }
    text
}

/// The YAML of a service without accounts whose user may store so many octets, and whose metrics name users.
pub fn yaml_with_quota(dir: &Path, quota: u64) -> String {
    let text = yaml(dir, &[]).replace("    accounts:", &format!("    quota: {quota}\n    accounts:"));
    text.replace("http:\n", "http:\n  user_labels: true\n")
}

/// The YAML of a service with one account: the inside of its mapping beside the name, and of its `pop3` section.
pub fn yaml_of(dir: &Path, name: &str, account: &str, pop3: &str) -> String {
    let list = format!("accounts: [{{ name: {name}, {account}, pop3: {{ {pop3} }} }}]");
    yaml(dir, &[]).replace("accounts: []", &list)
}
