//! One poll of one account: connection, session, and what is kept from one poll to the next.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connect::Connection;
use super::drive::Drive;
use super::metrics::{AccountMetrics, Skipped};
use super::settings::{AccountSettings, Login, Tls};
use super::{Error, PollResult, trust};
use crate::mail::{AccountId, MailboxId, UserId};
use crate::pop3::{Credentials, Limits, Options, Security, Timeouts};
use crate::store::Store;

/// What a poll is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All that the account asks for.
    #[default]
    Normal,
    /// Log in, list and say what would be fetched and deleted; nothing is fetched, stored or deleted.
    DryRun,
}

/// How a poll went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its result.
    pub result: PollResult,
    /// Why it failed, without secrets.
    pub error: Option<String>,
    /// Messages in the maildrop.
    pub listed: u64,
    /// Octets in the maildrop, as listed.
    pub listed_bytes: u64,
    /// Messages stored.
    pub fetched: u64,
    /// Messages fetched that were stored already.
    pub duplicates: u64,
    /// Messages left alone: too long, or refused by the server.
    pub skipped: u64,
    /// Messages deleted upstream.
    pub deleted: u64,
    /// Messages recognised under new unique-ids without being fetched.
    pub adopted: u64,
    /// Stored messages that are still to be deleted upstream.
    pub deletes_pending: u64,
    /// Of them, those that wait to be confirmed by a person.
    pub deletes_held: u64,
    /// Messages that could not be fetched whole, as of now.
    pub quarantined: u64,
    /// Messages that are too long: unique-id and listed size, the first few.
    pub too_large: Vec<(String, u64)>,
    /// Octets stored.
    pub bytes: u64,
    /// Listed messages still to be fetched.
    pub backlog: u64,
    /// Faults of the server that were worked around.
    pub faults: Vec<&'static str>,
    /// The least time between two logins, in seconds, that the server asks for.
    pub login_delay: Option<u32>,
    /// Part of the mail is still there and can be had soon.
    pub more: bool,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            result: PollResult::Ok,
            error: None,
            listed: 0,
            listed_bytes: 0,
            fetched: 0,
            duplicates: 0,
            skipped: 0,
            deleted: 0,
            adopted: 0,
            deletes_pending: 0,
            deletes_held: 0,
            quarantined: 0,
            too_large: Vec::new(),
            bytes: 0,
            backlog: 0,
            faults: Vec::new(),
            login_delay: None,
            more: false,
        }
    }
}

/// A maildrop, and what was learnt about it.
pub(super) struct Source {
    pub(super) settings: AccountSettings,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) store: Store,
    pub(super) metrics: AccountMetrics,
    /// Made at the first poll; a file that cannot be read is tried again at the next.
    tls: Option<Arc<ClientConfig>>,
    /// Known since the first poll; ids do not change.
    ids: Option<(UserId, AccountId)>,
    /// False once the server hung or closed on CAPA.
    use_capa: bool,
    /// Unique-ids of messages that turned out to be too long, whatever LIST says.
    pub(super) too_long: HashSet<Vec<u8>>,
}

/// Where the account's mail goes in the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination {
    pub(super) account: AccountId,
    pub(super) mailbox: MailboxId,
}

impl Source {
    pub(super) fn new(
        settings: AccountSettings,
        timeouts: Timeouts,
        limits: Limits,
        store: Store,
        metrics: AccountMetrics,
    ) -> Self {
        let limits = Limits { message: settings.max_message_size, ..limits };
        Self {
            settings,
            timeouts,
            limits,
            store,
            metrics,
            tls: None,
            ids: None,
            use_capa: true,
            too_long: HashSet::new(),
        }
    }

    /// Polls the maildrop once. `None`: the service stopped before anything was done.
    pub(super) async fn poll(&mut self, mode: Mode, shutdown: &CancellationToken) -> Option<Report> {
        let _ = mode;
        let mut report = Report::new();
        let mut outcome = self.attempt(&mut report, shutdown).await;
        if self.use_capa
            && let Err(Error::Session(error)) = &outcome
            && error.is_about_capa()
        {
            self.use_capa = false;
            report = Report::new();
            outcome = self.attempt(&mut report, shutdown).await;
        }
        match outcome {
            Ok(()) => {}
            Err(Error::Stopped) => return None,
            Err(error) => {
                report.result = error.result();
                report.error = Some(error.to_string());
            }
        }
        Some(report)
    }

    async fn attempt(&mut self, report: &mut Report, shutdown: &CancellationToken) -> Result<(), Error> {
        let settings = &self.settings;
        let options = Options {
            credentials: credentials(settings).await?,
            security: match settings.tls {
                Tls::Implicit => Security::Tls,
                Tls::StartTls => Security::StartTls,
                Tls::None => Security::Clear,
            },
            use_capa: self.use_capa,
            method: settings.method,
            avoid: Vec::new(),
            binding: None,
            limits: self.limits,
            timeouts: self.timeouts,
        };
        let destination = self.destination().await?;
        let ledger = self.store.ledger(destination.account).await?;
        let connection = tokio::select! {
            connection = self.connect() => connection?,
            () = shutdown.cancelled() => return Err(Error::Stopped),
        };
        let tls = self.tls.clone();
        let mut drive = Drive::new(self, report, options, destination, ledger);
        drive.run(connection, tls, shutdown).await
    }

    /// The account's rows in the store, made on first use.
    async fn destination(&mut self) -> Result<Destination, Error> {
        let (user, account) = if let Some(ids) = self.ids {
            ids
        } else {
            let user = self.store.ensure_user(&self.settings.user).await?;
            (user, self.store.ensure_account(user, &self.settings.name).await?)
        };
        self.ids = Some((user, account));
        let name = &self.settings.deliver_to;
        let mailbox = match self.store.mailbox(user, name).await? {
            Some(mailbox) => mailbox.id,
            None => self.store.create_mailbox(user, name, None).await?,
        };
        Ok(Destination { account, mailbox })
    }

    async fn connect(&mut self) -> Result<Connection, Error> {
        if self.settings.tls != Tls::None && self.tls.is_none() {
            let settings = self.settings.clone();
            let made = tokio::task::spawn_blocking(move || trust::client_config(&settings)).await;
            self.tls = Some(made.map_err(|error| Error::Tls(error.to_string()))??);
        }
        let deadline = Instant::now() + self.timeouts.connect;
        let stream = Connection::open(&self.settings.host, self.settings.port, deadline).await?;
        match (&self.tls, self.settings.tls) {
            (Some(config), Tls::Implicit) => {
                let left = deadline.saturating_duration_since(Instant::now());
                Connection::secure(stream, &self.settings.host, config.clone(), left).await
            }
            _ => Ok(Connection::Plain(stream)),
        }
    }

    /// Counts messages that stay where they are.
    pub(super) fn skip(&self, report: &mut Report, reason: Skipped, count: u64) {
        report.skipped += count;
        self.metrics.skipped(reason, count);
    }
}

/// What to log in with, as it is now.
async fn credentials(settings: &AccountSettings) -> Result<Credentials, Error> {
    let username = settings.username.as_str();
    match &settings.login {
        Login::Password(source) => {
            let source = source.clone();
            let fetched = tokio::task::spawn_blocking(move || source.fetch()).await;
            let fetched = fetched.map_err(|error| Error::NoCredentials(error.to_string()))?;
            Ok(Credentials::new(username, fetched.map_err(Error::NoCredentials)?)?)
        }
        Login::Token(source) => {
            let token = source.token(false).await.map_err(|error| Error::NoCredentials(error.to_string()))?;
            Ok(Credentials::with_token(username, token.secret)?)
        }
    }
}
