//! The validated configuration. Serialises as the YAML that would give it, with secrets masked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::limits::Limits;
use super::maildrop::Pop3;
use super::operate::Webhook;
use super::policy::{show_first_poll, show_leave_on_server};
use super::rules::Rule;
use super::secrets::Sourced;
use super::value::show_size;
use crate::mail::MailboxName;
use crate::poll::{FirstPoll, LeaveOnServer};

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
    /// Names of users who see and tell all accounts and devices on the status page, not only their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<String>,
    /// A user is told by mail of an account that has failed for so long; `None`: never.
    #[serde(serialize_with = "duration_or_never")]
    pub notify_after: Option<Duration>,
    /// Who is told by HTTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<Webhook>,
    /// This file is read again when it has changed, as on SIGHUP.
    pub watch_config: bool,
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
    /// Capabilities that no client is told of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hide_capabilities: Vec<String>,
    /// Capabilities that clients are told of only where they are named here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub show_capabilities: Vec<String>,
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
    /// Logins to the status page over connections that others can read.
    pub allow_cleartext_login: bool,
    /// Metrics of users, which show their names.
    pub user_labels: bool,
}

/// Who may log in, and their maildrops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// A hash, or the password itself.
    pub password: Sourced,
    /// The most that their messages may take, in octets.
    #[serde(serialize_with = "optional_size", skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    /// The most messages that they may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_messages: Option<u64>,
    /// How the server speaks to their clients.
    #[serde(skip_serializing_if = "UserImap::is_default")]
    pub imap: UserImap,
    /// Each account that delivers to INBOX has a mailbox that shows what came from there.
    pub account_mailboxes: bool,
    /// Messages have a keyword named after the account that they came from.
    pub account_keywords: bool,
    /// What becomes of one message that several of the accounts bring.
    pub duplicates: Duplicates,
    /// What they want of certain messages, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Maildrops whose mail is theirs.
    pub accounts: Vec<Account>,
}

/// What becomes of one message that was delivered to several accounts of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// Each is a message of its own.
    #[default]
    Keep,
    /// They are one message in INBOX, of all these accounts.
    Merge,
}

/// How the server speaks to the clients of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserImap {
    /// Capabilities that they are not told of.
    pub hide_capabilities: Vec<String>,
}

impl UserImap {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
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
    #[serde(serialize_with = "show_leave_on_server")]
    pub leave_on_server: LeaveOnServer,
    /// Longer messages are deleted upstream once they are stored, whatever `leave_on_server` says.
    #[serde(serialize_with = "optional_size", skip_serializing_if = "Option::is_none")]
    pub delete_larger_than: Option<u64>,
    /// Nothing is deleted upstream; the log says what would be.
    pub delete_dry_run: bool,
    /// What is fetched of the messages that are there at the first poll.
    #[serde(serialize_with = "show_first_poll")]
    pub first_poll: FirstPoll,
    /// Where new mail goes.
    #[serde(serialize_with = "mailbox")]
    pub deliver_to: MailboxName,
    /// Whether it is polled.
    pub enabled: bool,
    /// Larger messages are left upstream.
    #[serde(serialize_with = "size")]
    pub max_message_size: u64,
}

fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

fn duration_or_never<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.collect_str(&humantime::format_duration(*duration)),
        None => serializer.serialize_str("never"),
    }
}

fn size<S: Serializer>(size: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show_size(*size))
}

fn optional_size<S: Serializer>(size: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    size.map(show_size).serialize(serializer)
}

fn mailbox<S: Serializer>(name: &MailboxName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}
