//! The session of a probe: login, listing, the header of one message, QUIT.

use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::super::connect::Connection;
use super::super::drive::Tally;
use super::super::learnt::Learnt;
use super::super::settings::{AccountSettings, Settings, Tls};
use super::super::source::{credentials, security};
use super::super::{Error, trust};
use crate::pop3::{self, Capabilities, Event, Limits, Listing, Method, Misbehavior, Options, Session, Verb};

/// Octets read at once.
const READ_BUFFER: usize = 64 * 1024;

/// The longest session, whatever trickles in meanwhile.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// What a session showed.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) connected: bool,
    pub(super) encrypted: bool,
    /// The end of the server's certificate.
    pub(super) expiry: Option<SystemTime>,
    /// SHA-256 of the server's certificate, as it is configured.
    pub(super) certificate: Option<String>,
    /// What CAPA said last before the login.
    before: Capabilities,
    /// What CAPA said last.
    after: Capabilities,
    /// By which the login went well.
    pub(super) method: Option<Method>,
    /// Methods that were tried before it.
    pub(super) refused: Vec<Method>,
    pub(super) listing: Option<Listing>,
    /// What became of TOP: the octets of a header, or why there is none.
    pub(super) top: Option<Result<usize, String>>,
    pub(super) faults: Vec<Misbehavior>,
    /// What the server owed an answer to at the end.
    pub(super) awaited: Verb,
    pub(super) tally: Tally,
}

impl Seen {
    fn new() -> Self {
        Self {
            connected: false,
            encrypted: false,
            expiry: None,
            certificate: None,
            before: Capabilities::default(),
            after: Capabilities::default(),
            method: None,
            refused: Vec::new(),
            listing: None,
            top: None,
            faults: Vec::new(),
            awaited: Verb::Greeting,
            tally: Tally::default(),
        }
    }

    /// Whether all that a poll depends on has been seen: what comes after the listing can be done without.
    pub(super) fn has_looked(&self) -> bool {
        self.listing.is_some()
    }

    /// RFC 2449 section 5: what is said before the login and after it may differ, and only both are the whole. Of two
    /// values the one after the login is this user's.
    pub(super) fn capabilities(&self) -> Capabilities {
        let (before, after) = (&self.before, &self.after);
        Capabilities {
            known: before.known || after.known,
            stls: before.stls || after.stls,
            user: before.user || after.user,
            sasl_listed: before.sasl_listed || after.sasl_listed,
            sasl: before.sasl.clone(),
            pipelining: before.pipelining || after.pipelining,
            uidl: before.uidl || after.uidl,
            top: before.top || after.top,
            resp_codes: before.resp_codes || after.resp_codes,
            auth_resp_code: before.auth_resp_code || after.auth_resp_code,
            login_delay: after.login_delay.or(before.login_delay),
            expire: after.expire.or(before.expire),
            utf8: before.utf8 || after.utf8,
            lang: before.lang || after.lang,
            implementation: after.implementation.clone().or_else(|| before.implementation.clone()),
            ..after.clone()
        }
    }

    fn connection(&mut self, connection: &Connection) {
        self.connected = true;
        self.encrypted = connection.is_encrypted();
        self.expiry = connection.certificate_expiry();
        self.certificate = connection.certificate_sha256();
    }

    /// What the session knows besides its events; also when it has failed.
    fn look(&mut self, session: &Session) {
        self.after.clone_from(session.capabilities());
        if self.method.is_none() {
            self.before.clone_from(session.capabilities());
        }
        if let Some(method) = session.tried().filter(|method| !self.refused.contains(method)) {
            self.refused.push(method);
        }
        self.awaited = session.awaited();
        self.tally.login = session.tried();
        self.tally.listed = self.listing.is_some();
        self.tally.pipelining = session.is_pipelining();
    }

    /// Acts on an event; true at the end.
    fn take(&mut self, event: Event, session: &mut Session) -> bool {
        match event {
            Event::LoggedIn(method) => {
                self.refused.retain(|tried| *tried != method);
                self.method = Some(method);
            }
            Event::Listed(listing) => {
                match listing.iter().next() {
                    Some(item) => session.top(item.number),
                    None => session.quit(),
                }
                self.listing = Some(listing);
            }
            Event::Header { data, .. } => {
                self.top = Some(Ok(data.len()));
                session.quit();
            }
            Event::Refused { verb: Verb::Top, refusal, .. } => {
                self.top = Some(Err(format!("the server refused TOP: {refusal}")));
                session.quit();
            }
            Event::Misbehaved(fault) => self.faults.push(fault),
            Event::Closed => return true,
            _ => {}
        }
        false
    }
}

/// One session, as far as it comes. `renew`: the token that was there has been refused.
pub(super) async fn run(
    account: &AccountSettings,
    settings: &Settings,
    learnt: &Learnt,
    renew: bool,
) -> (Seen, Result<(), Error>) {
    let mut seen = Seen::new();
    let ended = match timeout(LONGEST, session(account, settings, learnt, renew, &mut seen)).await {
        Ok(ended) => ended,
        Err(_) => Err(pop3::Error::Timeout { verb: seen.awaited }.into()),
    };
    if let Err(error) = &ended
        && seen.awaited == Verb::Top
    {
        seen.top = Some(Err(error.to_string()));
    }
    (seen, ended)
}

async fn session(
    account: &AccountSettings,
    settings: &Settings,
    learnt: &Learnt,
    renew: bool,
    seen: &mut Seen,
) -> Result<(), Error> {
    let tls = match account.tls {
        Tls::None => None,
        _ => {
            let account = account.clone();
            let made = tokio::task::spawn_blocking(move || trust::client_config(&account)).await;
            Some(made.map_err(|error| Error::Tls(error.to_string()))??)
        }
    };
    let mut options = Options {
        credentials: credentials(account, renew).await?,
        security: security(account),
        use_capa: learnt.use_capa,
        use_pipelining: learnt.use_pipelining,
        method: account.method,
        avoid: learnt.avoid.clone(),
        binding: None,
        limits: Limits { message: account.max_message_size, ..settings.limits },
        timeouts: settings.timeouts,
    };
    let opened = Connection::open(account, tls.clone(), Instant::now() + settings.timeouts.connect).await;
    // The handshake comes behind the connection.
    seen.connected = matches!(opened, Err(Error::Tls(_)));
    let mut connection = opened?;
    seen.connection(&connection);
    options.binding = connection.binding();
    let mut session = Session::new(options, now());
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        while let Some(event) = session.poll_event() {
            if event == Event::StartTls {
                let deadline = Instant::now() + settings.timeouts.connect;
                connection = connection.upgrade(account, tls.clone(), deadline).await?;
                seen.connection(&connection);
                session.tls_started(now(), connection.binding());
            } else if seen.take(event, &mut session) {
                return Ok(());
            }
        }
        while let Some(bytes) = session.poll_transmit(now()) {
            let sent = timeout(settings.timeouts.reply, async {
                connection.write_all(&bytes).await?;
                connection.flush().await
            });
            let sent = sent.await;
            seen.look(&session);
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(pop3::Error::Closed { verb: seen.awaited }.into()),
                Err(_) => return Err(pop3::Error::Timeout { verb: seen.awaited }.into()),
            }
        }
        let progress = tokio::select! {
            read = connection.read(&mut buffer) => {
                session.handle_bytes(now(), buffer.get(..read.unwrap_or(0)).unwrap_or_default())
            }
            () = sleep_until(session.poll_timeout().map_or_else(Instant::now, Instant::from_std)) => {
                session.handle_timeout(now())
            }
        };
        seen.look(&session);
        if let Err(error) = progress {
            while let Some(event) = session.poll_event() {
                seen.take(event, &mut session);
            }
            return Err(error.into());
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
