//! One poll of one account: connection, session, and what is kept from one poll to the next.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connect::Connection;
use super::drive::{Drive, Tally, Work};
use super::fault::Fault;
use super::learnt::Learnt;
use super::metrics::{AccountMetrics, Skipped};
use super::settings::{AccountSettings, Bounds, FirstPoll, LeaveOnServer, Login, Route, Tls};
use super::{Error, PollResult, quota, trust};
use crate::ingest;
use crate::mail::{AccountId, MailboxId, MailboxName, UserId};
use crate::pop3::{self, Credentials, Limits, Options, Security, Timeouts};
use crate::store::{self, Store};

/// A listing of so many messages may be a window on more.
const WINDOW: u64 = 10;
/// Sessions in one poll.
const MAX_SESSIONS: u32 = 1_000;

/// What is the same for all accounts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) bounds: Bounds,
}

/// The sessions of one poll.
#[derive(Debug, Default)]
struct Cycle {
    sessions: u32,
    /// `first_poll` had not been applied at its beginning.
    is_first: bool,
}

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
    /// Of them, those that only `delete_dry_run` keeps.
    pub deletes_dry_run: u64,
    /// How many of them are wanted for what: `reason` of the log.
    pub deletes_for: Vec<(&'static str, u64)>,
    /// Messages that could not be fetched whole, as of now.
    pub quarantined: u64,
    /// Messages that are too long: unique-id and listed size, the first few.
    pub too_large: Vec<(String, u64)>,
    /// Octets stored.
    pub bytes: u64,
    /// Listed messages still to be fetched.
    pub backlog: u64,
    /// What the server calls itself.
    pub server: String,
    /// Faults of the server that were worked around: labels of [`super::fault_labels`].
    pub faults: Vec<&'static str>,
    /// The least time between two logins, in seconds, that the server asks for.
    pub login_delay: Option<u32>,
    /// Part of the mail is still there and can be had soon.
    pub more: bool,
    /// The user's quota left no room for a message of so many octets: nothing more is fetched until it does.
    pub needs_room: Option<u64>,
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
            deletes_dry_run: 0,
            deletes_for: Vec::new(),
            quarantined: 0,
            too_large: Vec::new(),
            bytes: 0,
            backlog: 0,
            server: String::new(),
            faults: Vec::new(),
            login_delay: None,
            more: false,
            needs_room: None,
        }
    }

    /// Notes a fault of the server, once.
    pub(super) fn fault(&mut self, fault: Fault) {
        let label = fault.label();
        if !self.faults.contains(&label) {
            self.faults.push(label);
        }
    }

    /// Adds a later session of the same poll. What is left to do is as it says, if it came so far.
    fn absorb(&mut self, later: Self, listed: bool) {
        let Self { fetched, duplicates, deleted, adopted, bytes, more, .. } = *self;
        let mut faults = std::mem::take(&mut self.faults);
        faults.extend(later.faults.iter().filter(|label| !faults.contains(label)).copied().collect::<Vec<_>>());
        let (more_fetched, more_duplicates, more_deleted) = (later.fetched, later.duplicates, later.deleted);
        let (more_adopted, more_bytes, still_more) = (later.adopted, later.bytes, later.more);
        if listed {
            *self = later;
        }
        self.fetched = fetched + more_fetched;
        self.duplicates = duplicates + more_duplicates;
        self.deleted = deleted + more_deleted;
        self.adopted = adopted + more_adopted;
        self.bytes = bytes + more_bytes;
        self.more = more || still_more;
        self.faults = faults;
    }
}

/// A maildrop, and what was learnt about it.
pub(super) struct Source {
    pub(super) settings: AccountSettings,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) bounds: Bounds,
    /// What each poll takes these three from.
    common: Arc<ArcSwap<Common>>,
    pub(super) store: Store,
    pub(super) metrics: AccountMetrics,
    pub(super) learnt: Learnt,
    /// Made at the first poll; a file that cannot be read is tried again at the next.
    tls: Option<Arc<ClientConfig>>,
    /// Known since the first poll; ids do not change.
    ids: Option<(UserId, AccountId)>,
}

/// Where the account's mail goes in the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination {
    pub(super) user: UserId,
    pub(super) account: AccountId,
    pub(super) mailbox: MailboxId,
}

/// The mailbox of this name, made if it is missing.
pub(super) async fn mailbox_of(store: &Store, user: UserId, name: &MailboxName) -> store::Result<MailboxId> {
    match store.mailbox(user, name).await? {
        Some(mailbox) => Ok(mailbox.id),
        None => match store.create_mailbox(user, name, None).await {
            // Somebody else has just made it.
            Err(store::Error::MailboxExists) => {
                store.mailbox(user, name).await?.map(|mailbox| mailbox.id).ok_or(store::Error::NoMailbox)
            }
            made => made,
        },
    }
}

impl Source {
    pub(super) fn new(
        settings: AccountSettings,
        common: Arc<ArcSwap<Common>>,
        store: Store,
        metrics: AccountMetrics,
    ) -> Self {
        let Common { timeouts, limits, bounds } = **common.load();
        let learnt = Learnt::default();
        Self { settings, timeouts, limits, bounds, common, store, metrics, learnt, tls: None, ids: None }
    }

    /// Polls the maildrop: one session, or as many as it takes where the server shows a part at a time. `None`: the service
    /// stopped before anything was done.
    pub(super) async fn poll(&mut self, mode: Mode, shutdown: &CancellationToken) -> Option<Report> {
        let Common { timeouts, limits, bounds } = **self.common.load();
        let limits = Limits { message: self.settings.max_message_size, ..limits };
        (self.timeouts, self.limits, self.bounds) = (timeouts, limits, bounds);
        self.learnt.tidy(ingest::now().unix);
        let mut total = Report::new();
        let mut cycle = Cycle::default();
        loop {
            let (report, tally, outcome) = self.session(mode, &mut cycle, shutdown).await;
            let follows = cycle.sessions > 0;
            cycle.sessions += 1;
            let (fetched, deleted, listed) = (report.fetched, report.deleted, report.listed);
            total.absorb(report, tally.listed || !follows);
            match outcome {
                Ok(()) => {}
                Err(Error::Stopped) if follows => break,
                Err(Error::Stopped) => return None,
                Err(error) => {
                    let result = error.result();
                    // The server has had enough of us for now, whatever it calls that: a moment ago the same login went
                    // well. What came before is none the worse for it.
                    let enough = matches!(
                        result,
                        PollResult::Throttled | PollResult::Locked | PollResult::Connect | PollResult::Auth
                    );
                    if follows && enough {
                        total.more = true;
                    } else {
                        total.result = result;
                        total.error = Some(self.describe(&error));
                        if let Error::Store(store::Error::OverQuota { octets, .. }) = error {
                            total.needs_room = Some(octets);
                        }
                    }
                    break;
                }
            }
            let large = listed >= WINDOW && fetched > 0;
            // A session that found as much again: what it shows is not all that there is.
            self.learnt.windowed |= follows && large && tally.all_new && fetched >= WINDOW;
            let again = (large && (tally.all_new || deleted > 0)) || (fetched > 0 && self.learnt.windowed);
            if mode == Mode::DryRun || !again || total.more || shutdown.is_cancelled() {
                break;
            }
            if total.login_delay.is_some_and(|delay| delay > 0) || cycle.sessions >= MAX_SESSIONS {
                total.more = true;
                break;
            }
        }
        Some(total)
    }

    fn describe(&self, error: &Error) -> String {
        match error {
            Error::Store(store::Error::OverQuota { quota, octets }) => {
                quota::reason(&self.settings.user, *quota, *octets)
            }
            other => other.to_string(),
        }
    }

    /// One session; tried again at once where the failure taught how to go about it.
    async fn session(
        &mut self,
        mode: Mode,
        cycle: &mut Cycle,
        shutdown: &CancellationToken,
    ) -> (Report, Tally, Result<(), Error>) {
        let mut renew = false;
        let mut faults = Vec::new();
        loop {
            let (mut report, mut tally) = (Report { faults: faults.clone(), ..Report::new() }, Tally::default());
            let outcome = self.attempt(mode, renew, cycle, &mut report, &mut tally, shutdown).await;
            let Err(error) = &outcome else {
                if !tally.listing_refused {
                    return (report, tally, outcome);
                }
                if report.login_delay.is_some_and(|delay| delay > 0) {
                    return (report, tally, Err(Error::DoubtfulListing));
                }
                faults = report.faults;
                continue;
            };
            let refused = error.result() == PollResult::Auth && matches!(error, Error::Session(_));
            if refused && cycle.sessions > 0 {
                return (report, tally, outcome);
            }
            let is_token = matches!(self.settings.login, Login::Token(_));
            // No token helps where none is taken.
            let unusable = matches!(error, Error::Session(pop3::Error::NoMethod));
            if refused && is_token && !renew && !unusable {
                // It may have been withdrawn before its time.
                renew = true;
            } else if !self.learnt.learn_from(error, tally) {
                return (report, tally, outcome);
            }
        }
    }

    async fn attempt(
        &mut self,
        mode: Mode,
        renew: bool,
        cycle: &mut Cycle,
        report: &mut Report,
        tally: &mut Tally,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        if mode == Mode::Normal {
            self.check_room().await?;
        }
        let settings = &self.settings;
        let credentials = credentials(settings, renew).await;
        if let Login::Token(source) = &settings.login {
            // Also when there is none: the end of the last one is what an operator looks for.
            self.metrics.token_expires(source.expiry());
        }
        let mut options = Options {
            credentials: credentials?,
            security: security(settings),
            use_capa: self.learnt.use_capa,
            use_pipelining: self.learnt.use_pipelining,
            method: settings.method.or(self.learnt.method),
            avoid: self.learnt.avoid.clone(),
            binding: None,
            limits: self.limits,
            timeouts: self.timeouts,
        };
        let work = self.work(mode, cycle).await?;
        let connection = tokio::select! {
            connection = self.connect() => connection?,
            () = shutdown.cancelled() => return Err(Error::Stopped),
        };
        options.binding = connection.binding();
        let tls = self.tls.clone();
        let mut drive = Drive::new(self, report, options, work);
        let ended = drive.run(connection, tls, shutdown).await;
        *tally = drive.tally;
        ended
    }

    /// A full quota has no room for whatever there is: nobody is asked for it.
    async fn check_room(&self) -> Result<(), store::Error> {
        let user = self.store.ensure_user(&self.settings.user).await?;
        match self.store.quota(user) {
            Some(quota) if !quota.fits(1) => Err(store::Error::OverQuota { quota, octets: 1 }),
            _ => Ok(()),
        }
    }

    /// Completes once the user's quota has room for so many octets. Cancel-safe.
    pub(super) async fn room_for(&self, octets: u64) {
        // A store that cannot tell is no reason to wait: the next poll says what is wrong with it.
        if let Ok(user) = self.store.ensure_user(&self.settings.user).await {
            self.store.room_for(user, octets).await;
        }
    }

    /// What the store knows of the account.
    async fn work(&mut self, mode: Mode, cycle: &mut Cycle) -> Result<Work, Error> {
        let destination = self.destination(mode).await?;
        let account = destination.account;
        let ledger = match self.settings.leave_on_server {
            // What is expunged here is deleted there.
            LeaveOnServer::UntilExpunged => self.store.ledger(account).await?,
            _ => self.store.ledger_without_places(account).await?,
        };
        let troubles = self.store.troubles(account).await?;
        let is_first = !self.store.poll_state(account).await?.first_poll_done;
        cycle.is_first |= is_first;
        // Of a window at a time, each is of mail that was there.
        let dated = matches!(self.settings.first_poll, FirstPoll::Since(_));
        let applies = is_first || (cycle.is_first && dated);
        let first_poll = applies.then_some(self.settings.first_poll);
        Ok(Work { mode, destination, ledger, troubles, first_poll })
    }

    /// The account's rows in the store, made on first use.
    async fn destination(&mut self, mode: Mode) -> Result<Destination, Error> {
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
            // A dry run stores nothing, wherever it would go.
            None if mode == Mode::DryRun => MailboxId(0),
            None => mailbox_of(&self.store, user, name).await?,
        };
        Ok(Destination { user, account, mailbox })
    }

    async fn connect(&mut self) -> Result<Connection, Error> {
        // A file of authorities may have been renewed since the last time.
        if self.settings.tls != Tls::None && (self.tls.is_none() || self.settings.ca_file.is_some()) {
            let settings = self.settings.clone();
            let made = tokio::task::spawn_blocking(move || trust::client_config(&settings)).await;
            self.tls = Some(made.map_err(|error| Error::Tls(error.to_string()))??);
        }
        let deadline = Instant::now() + self.timeouts.connect;
        let connection = Connection::open(&self.settings, self.tls.clone(), deadline).await?;
        self.metrics.certificate(connection.certificate_expiry());
        Ok(connection)
    }

    /// Counts messages that stay where they are.
    pub(super) fn skip(&self, report: &mut Report, reason: Skipped, count: u64) {
        report.skipped += count;
        self.metrics.skipped(reason, count);
    }
}

/// What to log in with, as it is now. `renew`: the token that was there has been refused.
pub(super) async fn credentials(settings: &AccountSettings, renew: bool) -> Result<Credentials, Error> {
    let username = settings.username.as_str();
    match &settings.login {
        Login::Password(source) => {
            let source = source.clone();
            let fetched = tokio::task::spawn_blocking(move || source.fetch()).await;
            let fetched = fetched.map_err(|error| Error::NoCredentials(error.to_string()))?;
            Ok(Credentials::new(username, fetched.map_err(Error::NoCredentials)?)?)
        }
        Login::Token(source) => {
            let token = source.token(renew).await.map_err(|error| Error::NoCredentials(error.to_string()))?;
            Ok(Credentials::with_token(username, token.secret)?)
        }
    }
}

/// How well the channel is protected.
pub(super) fn security(settings: &AccountSettings) -> Security {
    match (settings.tls, &settings.route) {
        (Tls::Implicit, _) => Security::Tls,
        (Tls::StartTls, _) => Security::StartTls,
        // What a program of the user's choice carries is as safe as it makes it.
        (Tls::None, Route::Tunnel(_)) => Security::Tls,
        (Tls::None, _) => Security::Clear,
    }
}
