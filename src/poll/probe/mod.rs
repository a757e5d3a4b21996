//! A look at a maildrop without taking anything from it, for `tributary doctor`: every step from the name to the listing,
//! what the server can do, what it does wrong, and the settings that suit it.

mod advice;
mod session;
mod words;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connect::addresses;
use super::gate::Gates;
use super::learnt::Learnt;
use super::settings::{AccountSettings, Login, Route, Settings, Tls};
use super::{Error, PollResult};
use crate::pop3::{self, Verb};
use session::Seen;

/// What was found out about a maildrop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// The account's id.
    pub account: String,
    /// What was tried, in order; nothing comes after a step that failed.
    pub steps: Vec<Step>,
    /// What the account's configuration should say.
    pub settings: Vec<Setting>,
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

/// A setting that suits the maildrop better than what is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// It belongs into the account's `pop3` section, not into the account itself.
    pub of_pop3: bool,
    /// Its name.
    pub key: &'static str,
    /// Its value, as YAML.
    pub value: String,
    /// Why, on one line.
    pub reason: String,
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

/// Probes these accounts at the same time, within the bounds on connections; the probes come in the order of the accounts.
pub async fn probe_all(accounts: &[AccountSettings], settings: &Settings) -> Vec<Probe> {
    let mut gates = Gates::new(settings.bounds);
    let mut tasks = JoinSet::new();
    for (index, account) in accounts.iter().enumerate() {
        let (gate, account, settings) = (gates.of(account), account.clone(), settings.clone());
        tasks.spawn(async move {
            let _permit = gate.enter().await;
            (index, probe(&account, &settings).await)
        });
    }
    let mut probes = tasks.join_all().await;
    probes.sort_unstable_by_key(|(index, _)| *index);
    probes.into_iter().map(|(_, probe)| probe).collect()
}

/// Probes one account in one session, or two where the first one taught how to go about it, as with a poll. The maildrop
/// is left as it was: nothing is retrieved, nothing deleted.
async fn probe(account: &AccountSettings, settings: &Settings) -> Probe {
    let mut probe = Probe { account: account.id.clone(), ..Probe::default() };
    if let Err(error) = resolve(&mut probe, account, settings).await {
        probe.step("DNS", Verdict::Failed, error.to_string());
        return probe;
    }
    let mut learnt = Learnt::default();
    let (mut seen, mut ended) = session::run(account, settings, &learnt, false).await;
    let mut lesson = None;
    if let Err(error) = &ended
        && let Some(learned) = Lesson::of(account, error, &seen, &mut learnt)
    {
        lesson = Some((learned, error.to_string()));
        (seen, ended) = session::run(account, settings, &learnt, learned == Lesson::Renew).await;
    }
    report(&mut probe, account, &seen, lesson.as_ref(), ended.err().as_ref());
    let failed = probe.steps.iter().find(|step| step.verdict == Verdict::Failed);
    probe.settings = advice::settings(account, &seen, failed, &learnt.avoid);
    probe
}

/// What a first session taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lesson {
    /// The token is refused: another may not be.
    Renew,
    NoCapa,
    NoPipelining,
    /// A method is offered, and ends the connection.
    OtherMethod,
}

impl Lesson {
    /// As the poller learns. A second login right behind the first is none where the server wants them far between.
    fn of(account: &AccountSettings, error: &Error, seen: &Seen, learnt: &mut Learnt) -> Option<Self> {
        let logged_in = seen.method.is_some();
        if seen.has_looked() || (logged_in && seen.capabilities().login_delay.is_some_and(|delay| delay > 0)) {
            return None;
        }
        let is_token = matches!(account.login, Login::Token(_));
        let Error::Session(reason) = error else { return None };
        if is_token && *reason != pop3::Error::NoMethod && error.result() == PollResult::Auth {
            return Some(Self::Renew);
        }
        if !learnt.learn_from(error, seen.tally) {
            return None;
        }
        if !learnt.use_capa {
            Some(Self::NoCapa)
        } else if !learnt.use_pipelining {
            Some(Self::NoPipelining)
        } else {
            Some(Self::OtherMethod)
        }
    }
}

/// The addresses of the host, or who will look them up.
async fn resolve(probe: &mut Probe, account: &AccountSettings, settings: &Settings) -> Result<(), Error> {
    let text = match &account.route {
        Route::Direct => {
            let deadline = Instant::now() + settings.timeouts.connect;
            let found = addresses(&account.host, account.port, deadline).await?;
            found.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
        }
        Route::Socks5 { host, port, .. } => format!("left to the proxy {host}:{port}"),
        Route::Tunnel(words) => format!("left to the tunnel {}", words.first().map_or("", String::as_str)),
    };
    probe.step("DNS", Verdict::Ok, text);
    Ok(())
}

/// Says what was seen, and where it ended if it ended early.
fn report(
    probe: &mut Probe,
    account: &AccountSettings,
    seen: &Seen,
    lesson: Option<&(Lesson, String)>,
    error: Option<&Error>,
) {
    if let Some((Lesson::Renew, text)) = lesson {
        probe.step("token", Verdict::Note, format!("{text}; it was renewed"));
    }
    if seen.connected {
        probe.step("connect", Verdict::Ok, words::target(account));
    }
    if seen.encrypted {
        let (verdict, text) = words::certificate(account, seen.expiry);
        probe.step("TLS", verdict, text);
    } else if seen.connected && account.tls == Tls::None && !matches!(account.route, Route::Tunnel(_)) {
        probe.step("TLS", Verdict::Note, "none: the password and all mail can be read on the way");
    }
    if let Some((Lesson::NoCapa, text)) = lesson {
        probe.step("CAPA", Verdict::Note, format!("{text}; the poller goes on without it"));
    } else if seen.capabilities().known {
        probe.step("CAPA", Verdict::Ok, words::capabilities(&seen.capabilities()));
    } else if seen.method.is_some() {
        probe.step("CAPA", Verdict::Note, "the server does not tell what it can do");
    }
    if let Some((Lesson::OtherMethod, text)) = lesson {
        probe.step("login", Verdict::Note, format!("{text}; the poller takes another method"));
    }
    if let Some(method) = seen.method {
        probe.step("login", Verdict::Ok, format!("by {}", method.label()));
    }
    if let Some((Lesson::NoPipelining, text)) = lesson {
        probe.step(
            "session",
            Verdict::Note,
            format!("{text}, to several commands at once; the poller sends one at a time"),
        );
    }
    if let Some(listing) = &seen.listing {
        let (verdict, text) = words::listing(listing);
        probe.step("listing", verdict, text);
    }
    match &seen.top {
        Some(Ok(octets)) => probe.step("TOP", Verdict::Ok, format!("a header of {octets} octets")),
        Some(Err(reason)) => probe.step("TOP", Verdict::Note, format!("{reason}; the poller does without it")),
        None => {}
    }
    if let Some(text) = seen.capabilities().expire.and_then(words::expiry_of_mail) {
        probe.step("EXPIRE", Verdict::Note, text);
    }
    for fault in &seen.faults {
        probe.step("quirk", Verdict::Note, format!("{}: {fault}", fault.label()));
    }
    if let Some(error) = error.filter(|_| !seen.has_looked()) {
        probe.step(place(account, seen, error), Verdict::Failed, words::failure(error));
    }
}

/// The step that failed.
fn place(account: &AccountSettings, seen: &Seen, error: &Error) -> &'static str {
    match error {
        Error::Dns { .. } => "DNS",
        Error::Tls(_) | Error::Session(pop3::Error::Refused { verb: Verb::Stls, .. }) => "TLS",
        Error::NoCredentials(_) | Error::Credentials(_) => match account.login {
            Login::Password(_) => "password",
            Login::Token(_) => "token",
        },
        _ if !seen.connected => "connect",
        Error::ConnectTimeout(_) => "TLS",
        _ if seen.awaited == Verb::Greeting => "greeting",
        _ if seen.method.is_none() => "login",
        _ => "listing",
    }
}
