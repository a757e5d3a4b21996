//! A look at a maildrop without taking anything from it, for `tributary doctor`: every step from the name to the listing,
//! what the server can do, what it does wrong, and the settings that suit it.

mod advice;

use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::connect::{Connection, addresses};
use super::settings::{AccountSettings, Route, Settings, Tls};
use super::source::{credentials, security};
use super::{Error, trust};
use crate::pop3::{self, Capabilities, Event, Listing, Method, Misbehavior, Options, Refusal, Session, Verb};

/// Octets read at once.
const READ_BUFFER: usize = 64 * 1024;

/// What was found out about a maildrop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// The account's id.
    pub account: String,
    /// What was tried, in order; nothing comes after a step that failed.
    pub steps: Vec<Step>,
    /// Settings to use: lines of YAML with their reasons as comments.
    pub settings: Vec<String>,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen, without secrets.
    pub text: String,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and should be known.
    Note,
    /// It does not work.
    Failed,
}

impl Probe {
    /// Whether a poll would do.
    pub fn is_ok(&self) -> bool {
        self.steps.iter().all(|step| step.verdict != Verdict::Failed)
    }

    fn step(&mut self, name: &'static str, verdict: Verdict, text: impl Into<String>) {
        self.steps.push(Step { name, verdict, text: text.into() });
    }
}

/// What a session showed.
#[derive(Default)]
struct Seen {
    capabilities: Capabilities,
    encrypted: bool,
    method: Option<Method>,
    /// Methods that were tried before it.
    refused: Vec<Method>,
    listing: Option<Listing>,
    faults: Vec<Misbehavior>,
    /// What became of TOP: the octets of a header, or how it was refused.
    top: Option<Result<usize, Refusal>>,
    expiry: Option<SystemTime>,
    closed: bool,
}

/// Probes one account; its maildrop is left as it was: nothing is retrieved, nothing deleted.
pub async fn probe(account: &AccountSettings, settings: &Settings) -> Probe {
    let mut probe = Probe { account: account.id.clone(), ..Probe::default() };
    if let Err(error) = names(&mut probe, account, settings).await {
        probe.step("DNS", Verdict::Failed, error.to_string());
        return probe;
    }
    let mut seen = Seen::default();
    let mut ended = session(account, settings, &mut seen, true).await;
    if let Err(Error::Session(error)) = &ended
        && error.is_about_capa()
    {
        probe.step("CAPA", Verdict::Note, format!("{error}; the poller goes on without it"));
        seen = Seen::default();
        ended = session(account, settings, &mut seen, false).await;
    }
    report(&mut probe, account, &seen, ended.err().as_ref());
    probe.settings = advice::settings(account, &seen, ended_badly(&probe));
    probe
}

fn ended_badly(probe: &Probe) -> Option<&Step> {
    probe.steps.iter().find(|step| step.verdict == Verdict::Failed)
}

/// The addresses of the host, or who will look them up.
async fn names(probe: &mut Probe, account: &AccountSettings, settings: &Settings) -> Result<(), Error> {
    match &account.route {
        Route::Direct => {
            let deadline = Instant::now() + settings.timeouts.connect;
            let found = addresses(&account.host, account.port, deadline).await?;
            let found: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
            probe.step("DNS", Verdict::Ok, found.join(", "));
        }
        Route::Socks5 { host, port, .. } => {
            probe.step("DNS", Verdict::Ok, format!("left to the proxy at {host}:{port}"));
        }
        Route::Tunnel(words) => {
            let program = words.first().map_or("", String::as_str);
            probe.step("DNS", Verdict::Ok, format!("left to {program}"));
        }
    }
    Ok(())
}

/// One session: login, listing, the header of one message, QUIT.
async fn session(account: &AccountSettings, settings: &Settings, seen: &mut Seen, use_capa: bool) -> Result<(), Error> {
    let tls = match account.tls {
        Tls::None => None,
        _ => {
            let account = account.clone();
            let made = tokio::task::spawn_blocking(move || trust::client_config(&account)).await;
            Some(made.map_err(|error| Error::Tls(error.to_string()))??)
        }
    };
    let credentials = credentials(account, false).await?;
    let deadline = Instant::now() + settings.timeouts.connect;
    let mut connection = Connection::open(account, tls.clone(), deadline).await?;
    seen.expiry = connection.certificate_expiry();
    seen.encrypted = account.tls == Tls::Implicit;
    let options = Options {
        credentials,
        security: security(account),
        use_capa,
        use_pipelining: true,
        method: account.method,
        avoid: Vec::new(),
        binding: connection.binding(),
        limits: settings.limits,
        timeouts: settings.timeouts,
    };
    let mut session = Session::new(options, now());
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        while let Some(event) = session.poll_event() {
            if event == Event::StartTls {
                let deadline = Instant::now() + settings.timeouts.connect;
                connection = connection.upgrade(account, tls.clone(), deadline).await?;
                seen.expiry = connection.certificate_expiry();
                seen.encrypted = true;
                session.tls_started(now(), connection.binding());
            }
            seen.take(event, &mut session);
        }
        if seen.closed {
            return Ok(());
        }
        while let Some(bytes) = session.poll_transmit(now()) {
            let sent = timeout(settings.timeouts.reply, async {
                connection.write_all(&bytes).await?;
                connection.flush().await
            });
            if !matches!(sent.await, Ok(Ok(()))) {
                return Err(pop3::Error::Closed { verb: session.awaited() }.into());
            }
        }
        let deadline =
            session.poll_timeout().map_or_else(|| Instant::now() + Duration::from_secs(60), Instant::from_std);
        let progress = tokio::select! {
            read = connection.read(&mut buffer) => {
                session.handle_bytes(now(), buffer.get(..read.unwrap_or(0)).unwrap_or_default())
            }
            () = sleep_until(deadline) => session.handle_timeout(now()),
        };
        seen.capabilities.clone_from(session.capabilities());
        if let Some(method) = session.tried().filter(|method| !seen.refused.contains(method)) {
            seen.refused.push(method);
        }
        progress?;
    }
}

impl Seen {
    fn take(&mut self, event: Event, session: &mut Session) {
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
                self.top = Some(Err(refusal));
                session.quit();
            }
            Event::Misbehaved(fault) => self.faults.push(fault),
            Event::Closed => self.closed = true,
            _ => {}
        }
    }
}

/// Says what was seen, and where it ended if it ended early.
fn report(probe: &mut Probe, account: &AccountSettings, seen: &Seen, error: Option<&Error>) {
    let at = |name: &'static str| {
        move |probe: &mut Probe, error: &Error| probe.step(name, Verdict::Failed, error.to_string())
    };
    let failed_at = error.map(stage);
    if failed_at == Some(Stage::Connect) {
        return error.map_or((), |error| at("connect")(probe, error));
    }
    probe.step("connect", Verdict::Ok, format!("{}:{}", account.host, account.port));
    if failed_at == Some(Stage::Tls) {
        return error.map_or((), |error| at("TLS")(probe, error));
    }
    if seen.encrypted {
        let until = seen.expiry.map(|at| humantime::format_rfc3339_seconds(at).to_string());
        let text = until.map_or_else(String::new, |until| format!("the certificate is valid until {until}"));
        probe.step("TLS", Verdict::Ok, text);
    } else if account.tls == Tls::None && !matches!(account.route, Route::Tunnel(_)) {
        probe.step("TLS", Verdict::Note, "none: the password and all mail can be read on the way");
    }
    if seen.capabilities.known {
        probe.step("CAPA", Verdict::Ok, advice::capabilities(&seen.capabilities));
    } else if failed_at.is_none() {
        probe.step("CAPA", Verdict::Note, "the server does not tell what it can do");
    }
    if let Some(method) = seen.method {
        probe.step("login", Verdict::Ok, format!("by {}", method.label()));
    }
    if let Some(listing) = &seen.listing {
        let (verdict, text) = advice::listing(listing);
        probe.step("listing", verdict, text);
    }
    match &seen.top {
        Some(Ok(octets)) => probe.step("TOP", Verdict::Ok, format!("a header of {octets} octets")),
        Some(Err(refusal)) => probe.step("TOP", Verdict::Note, format!("refused: {refusal}")),
        None => {}
    }
    for fault in &seen.faults {
        probe.step("quirk", Verdict::Note, format!("{}: {fault}", fault.label()));
    }
    if let Some(error) = error {
        let name = if seen.method.is_some() { "session" } else { "login" };
        at(name)(probe, error);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connect,
    Tls,
    Session,
}

fn stage(error: &Error) -> Stage {
    match error {
        Error::Dns { .. } | Error::Connect(_) | Error::ConnectTimeout(_) => Stage::Connect,
        Error::Tls(_) => Stage::Tls,
        _ => Stage::Session,
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
