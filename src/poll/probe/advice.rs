//! Settings that follow from what a probe has seen.

use std::time::Duration;

use super::session::Seen;
use super::{Setting, Step};
use crate::poll::settings::{AccountSettings, LeaveOnServer, Login, Route, Tls};
use crate::pop3::{Expire, Method};

/// Hosts that take no passwords any more.
const TOKEN_HOSTS: [&str; 3] = ["outlook.office365.com", "outlook.office.com", "pop-mail.outlook.com"];

/// Hosts of which the maildrop hides what was once fetched, and ignores DELE.
const GMAIL_HOSTS: [&str; 2] = ["pop.gmail.com", "pop.googlemail.com"];

/// The ports of RFC 1939 and RFC 8314.
const PORT: u16 = 110;
const TLS_PORT: u16 = 995;

/// The settings that are gathered.
#[derive(Default)]
struct Advice(Vec<Setting>);

impl Advice {
    fn account(&mut self, key: &'static str, value: impl Into<String>, reason: &str) {
        self.0.push(Setting { of_pop3: false, key, value: value.into(), reason: reason.to_owned() });
    }

    fn pop3(&mut self, key: &'static str, value: impl Into<String>, reason: &str) {
        self.0.push(Setting { of_pop3: true, key, value: value.into(), reason: reason.to_owned() });
    }
}

/// What the configuration should say instead of what it says. `avoided`: methods that ended the connection.
pub(super) fn settings(
    account: &AccountSettings,
    seen: &Seen,
    failed: Option<&Step>,
    avoided: &[Method],
) -> Vec<Setting> {
    let mut advice = Advice::default();
    schedule(account, seen, &mut advice);
    leaving(account, seen, &mut advice);
    match failed.map(|step| step.name) {
        Some("connect") => address(account, failed, &mut advice),
        Some("greeting") if account.tls != Tls::Implicit && account.port == TLS_PORT => {
            advice.pop3("tls", "implicit", "the usual protocol of this port, where the server waits for TLS to begin");
        }
        _ => {}
    }
    protection(account, seen, &mut advice);
    login(account, seen, failed, avoided, &mut advice);
    advice.0
}

fn schedule(account: &AccountSettings, seen: &Seen, advice: &mut Advice) {
    let delay = Duration::from_secs(seen.capabilities().login_delay.unwrap_or(0).into());
    if account.poll_interval < delay {
        let delay = humantime::format_duration(delay).to_string();
        advice.account("poll_interval", delay, "LOGIN-DELAY: the server wants no login more often");
    }
}

fn leaving(account: &AccountSettings, seen: &Seen, advice: &mut Advice) {
    if account.leave_on_server == LeaveOnServer::Never {
        return;
    }
    if seen.capabilities().expire == Some(Expire::Days(0)) {
        advice.account("leave_on_server", "never", "EXPIRE 0: mail may not be left on the server");
        return;
    }
    let has_top = matches!(seen.top, Some(Ok(_)));
    let lacks_ids = seen.listing.as_ref().is_some_and(|listing| listing.iter().any(|item| item.unique_id.is_none()));
    if lacks_ids && !has_top {
        advice.account("leave_on_server", "never", "without unique-ids and TOP every poll fetches all that is there");
    }
}

/// Nothing listens where the account says.
fn address(account: &AccountSettings, failed: Option<&Step>, advice: &mut Advice) {
    if account.route != Route::Direct || !failed.is_some_and(|step| step.text.contains("refused")) {
        return;
    }
    match (account.tls, account.port) {
        (Tls::Implicit, TLS_PORT) => {
            advice.pop3("port", PORT.to_string(), "nothing listens at 995; this is the port for STLS");
            advice.pop3("tls", "starttls", "with port 110");
        }
        (Tls::Implicit, _) => advice.pop3("port", TLS_PORT.to_string(), "where TLS from the first byte is usual"),
        (_, PORT) => {
            advice.pop3("port", TLS_PORT.to_string(), "nothing listens at 110; this is the port for TLS");
            advice.pop3("tls", "implicit", "with port 995");
        }
        _ => advice.pop3("port", PORT.to_string(), "where TLS by STLS, or none, is usual"),
    }
}

fn protection(account: &AccountSettings, seen: &Seen, advice: &mut Advice) {
    if account.tls == Tls::None && !matches!(account.route, Route::Tunnel(_)) && seen.capabilities().stls {
        advice.pop3("tls", "starttls", "the server offers STLS");
    }
    if let Some(sha256) = seen.certificate.as_ref().filter(|_| account.insecure) {
        let tls = if account.tls == Tls::StartTls { "starttls" } else { "implicit" };
        advice.pop3("tls", tls, "with the next line");
        advice.pop3("certificate_sha256", format!("\"{sha256}\""), "what the server has shown now; no other is taken");
    }
}

fn login(account: &AccountSettings, seen: &Seen, failed: Option<&Step>, avoided: &[Method], advice: &mut Advice) {
    let is_one_of = |hosts: &[&str]| hosts.iter().any(|host| host.eq_ignore_ascii_case(&account.host));
    if failed.is_some_and(|step| step.name == "login") && matches!(account.login, Login::Password(_)) {
        if is_one_of(&TOKEN_HOSTS) {
            advice.pop3(
                "oauth2",
                "{ provider: microsoft, client_id: ... }",
                "in place of the password, which is not accepted",
            );
        } else if is_one_of(&GMAIL_HOSTS) {
            advice.pop3("password", "...", "an app password, or oauth2: { provider: google, ... }");
        }
    }
    let username = &account.username;
    if is_one_of(&GMAIL_HOSTS) && !username.starts_with("recent:") {
        let reason = "else what another client fetched is hidden; the last 30 days are shown";
        advice.pop3("username", format!("\"recent:{username}\""), reason);
    }
    if let (Some(method), None) = (seen.method, account.method)
        && let Some(refused) = avoided.first().or_else(|| seen.refused.first())
    {
        let reason = format!("{} is offered and does not work: saves the attempt", refused.label());
        advice.pop3("auth", method.label(), &reason);
    }
}
