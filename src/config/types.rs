//! The validated configuration. Serialises as the YAML that would give it, with secrets masked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::limits::Limits;
use super::secrets::Sourced;
use super::value::show_size;
use crate::mail::MailboxName;
use crate::tls::Fingerprint;

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Holds the store, the self-signed certificate and the control socket.
    pub data_dir: PathBuf,
    /// Logging.
    pub log: Log,
    /// The IMAP listeners.
    pub imap: Imap,
    /// The certificate; `None`: self-signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Certificate>,
    /// The HTTP listener.
    pub http: Http,
    /// At least one.
    pub users: Vec<User>,
    /// Bounds on peers.
    pub limits: Limits,
}

/// Logging, on stderr.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// How it looks.
    pub format: LogFormat,
}

/// Least severity that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The IMAP listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imap {
    /// With STARTTLS.
    pub listen: Vec<SocketAddr>,
    /// Implicit TLS.
    pub listen_tls: Vec<SocketAddr>,
    /// Login without TLS: for tests and loopback demonstrations.
    pub allow_cleartext_login: bool,
}

/// Files of the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// PEM, leaf first.
    pub certificate: PathBuf,
    /// PEM.
    pub private_key: PathBuf,
}

/// The HTTP listeners: metrics, health, status page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Http {
    /// May be empty.
    pub listen: Vec<SocketAddr>,
}

/// Who may log in, and their maildrops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// A hash, or the password itself.
    pub password: Sourced,
    /// Maildrops whose mail is theirs.
    pub accounts: Vec<Account>,
}

/// One upstream maildrop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Distinct among the user's.
    pub name: String,
    /// How to reach it.
    pub pop3: Pop3,
    /// Time between two polls.
    #[serde(serialize_with = "duration")]
    pub poll_interval: Duration,
    /// What becomes of the originals.
    pub leave_on_server: LeaveOnServer,
    /// Where new mail goes.
    #[serde(serialize_with = "mailbox")]
    pub deliver_to: MailboxName,
    /// Whether it is polled.
    pub enabled: bool,
    /// Larger messages are left upstream.
    #[serde(serialize_with = "size")]
    pub max_message_size: u64,
}

/// How a maildrop is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pop3 {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When TLS starts.
    pub tls: Pop3Tls,
    /// Login name upstream.
    pub username: String,
    /// Password upstream.
    pub password: Sourced,
    /// Whose certificates count.
    #[serde(flatten)]
    pub trust: Trust,
}

/// When TLS starts on an upstream connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pop3Tls {
    /// With the first byte (port 995).
    Implicit,
    /// By STLS (RFC 2595), and never without it.
    Starttls,
    /// Never.
    None,
}

/// Which certificate the upstream server may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One that the system's authorities vouch for.
    System,
    /// This one and no other.
    Pin(Fingerprint),
    /// One that the authorities of this PEM file vouch for.
    CaFile(PathBuf),
}

impl Serialize for Trust {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::System => {}
            Self::Pin(fingerprint) => map.serialize_entry("certificate_sha256", &fingerprint.to_string())?,
            Self::CaFile(path) => map.serialize_entry("ca_file", path)?,
        }
        map.end()
    }
}

/// What becomes of messages upstream once they are stored (I8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaveOnServer {
    /// They stay.
    Forever,
    /// They are deleted.
    Never,
}

fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

fn size<S: Serializer>(size: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show_size(*size))
}

fn mailbox<S: Serializer>(name: &MailboxName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}
