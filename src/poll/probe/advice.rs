//! What a probe has seen, in words, and the settings that follow from it.

use std::time::Duration;

use super::{Seen, Step, Verdict};
use crate::poll::settings::{AccountSettings, LeaveOnServer, Login, Route, Tls};
use crate::pop3::{Capabilities, Expire, Listing};

/// Numbers of messages at which servers are known to cut their listings.
const WINDOWS: [usize; 5] = [200, 250, 256, 300, 1_000];

/// Hosts that take no passwords any more.
const TOKEN_HOSTS: [&str; 3] = ["outlook.office365.com", "outlook.office.com", "pop-mail.outlook.com"];

/// Hosts of which the maildrop hides what was once fetched, and ignores DELE.
const GMAIL_HOSTS: [&str; 2] = ["pop.gmail.com", "pop.googlemail.com"];

/// The capabilities by their names.
pub(super) fn capabilities(capabilities: &Capabilities) -> String {
    let Capabilities { pipelining, uidl, top, resp_codes, auth_resp_code, utf8, lang, stls, user, .. } = *capabilities;
    let switches = [
        (user, "USER"),
        (stls, "STLS"),
        (uidl, "UIDL"),
        (top, "TOP"),
        (pipelining, "PIPELINING"),
        (resp_codes, "RESP-CODES"),
        (auth_resp_code, "AUTH-RESP-CODE"),
        (utf8, "UTF8"),
        (lang, "LANG"),
    ];
    let mut words: Vec<String> = switches.iter().filter(|(has, _)| *has).map(|(_, name)| (*name).to_owned()).collect();
    if !capabilities.sasl.is_empty() {
        let names: Vec<&str> = capabilities.sasl.iter().map(|method| method.label()).collect();
        words.push(format!("SASL ({})", names.join(", ")));
    }
    words.extend(capabilities.login_delay.map(|seconds| format!("LOGIN-DELAY {seconds}")));
    words.extend(capabilities.expire.map(|expire| match expire {
        Expire::Never => "EXPIRE NEVER".to_owned(),
        Expire::Days(days) => format!("EXPIRE {days}"),
    }));
    words.extend(capabilities.implementation.as_ref().map(|name| format!("IMPLEMENTATION {name}")));
    words.join(" ")
}

/// What is in the maildrop, and whether its unique-ids are of use.
pub(super) fn listing(listing: &Listing) -> (Verdict, String) {
    let (count, octets) = (listing.len(), listing.octets());
    let with_id = listing.iter().filter(|item| item.unique_id.is_some()).count();
    let messages = format!("{count} messages, {octets} octets");
    if !listing.has_unique_ids() {
        return (Verdict::Note, format!("{messages}; no unique-ids (no UIDL): messages are known by their content"));
    }
    if with_id < count {
        let without = count - with_id;
        return (
            Verdict::Note,
            format!("{messages}; {without} without a unique-id of their own: known by their content"),
        );
    }
    if !listing.is_complete() {
        return (Verdict::Note, format!("{messages}; STAT, UIDL and LIST do not agree"));
    }
    if WINDOWS.contains(&count) {
        return (
            Verdict::Note,
            format!("{messages}; the server may show only so many at a time: polled until drained"),
        );
    }
    (Verdict::Ok, format!("{messages}, each with a unique-id"))
}

/// Lines for the configuration of the account.
pub(super) fn settings(account: &AccountSettings, seen: &Seen, failed: Option<&Step>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut advise = |line: String| lines.push(line);
    transport(account, seen, failed, &mut advise);
    login(account, seen, failed, &mut advise);
    if let Some(seconds) = seen.capabilities.login_delay
        && account.poll_interval < Duration::from_secs(seconds.into())
    {
        advise(format!("poll_interval: {seconds}s  # LOGIN-DELAY: the server wants no login more often"));
    }
    if let Some(Expire::Days(days)) = seen.capabilities.expire {
        let what = if days == 0 { "mail may not be left on the server" } else { "the server deletes mail by itself" };
        advise(format!(
            "leave_on_server: {}  # EXPIRE {days}: {what}; nothing is deleted here for it",
            policy(account)
        ));
    }
    let has_top = matches!(seen.top, Some(Ok(_)));
    let lacks_ids = seen.listing.as_ref().is_some_and(|listing| listing.iter().any(|item| item.unique_id.is_none()));
    if lacks_ids && !has_top && account.leave_on_server == LeaveOnServer::Forever {
        advise("leave_on_server: never  # without unique-ids and TOP every poll fetches all that is there".to_owned());
    }
    lines
}

fn transport(account: &AccountSettings, seen: &Seen, failed: Option<&Step>, advise: &mut impl FnMut(String)) {
    let in_the_clear = account.tls == Tls::None && !matches!(account.route, Route::Tunnel(_));
    if in_the_clear && seen.capabilities.stls {
        advise("pop3.tls: starttls  # the server offers STLS".to_owned());
    }
    if account.insecure {
        advise("pop3.certificate_sha256: ...  # instead of insecure: the certificate is not checked".to_owned());
    }
    if let Some(step) = failed.filter(|step| step.name == "connect" && account.tls == Tls::Implicit) {
        let refused = step.text.contains("refused");
        if refused && account.port != 995 {
            advise("pop3.port: 995  # where TLS from the first byte is usual".to_owned());
        } else if refused {
            advise("pop3.tls: starttls  # with port 110, if the server has no other".to_owned());
        }
    }
}

fn login(account: &AccountSettings, seen: &Seen, failed: Option<&Step>, advise: &mut impl FnMut(String)) {
    let is_one_of = |hosts: &[&str]| hosts.iter().any(|host| host.eq_ignore_ascii_case(&account.host));
    if failed.is_some_and(|step| step.name == "login") && matches!(account.login, Login::Password(_)) {
        if is_one_of(&TOKEN_HOSTS) {
            advise("pop3.oauth2: { provider: microsoft, client_id: ... }  # passwords are not accepted".to_owned());
        } else if is_one_of(&GMAIL_HOSTS) {
            advise("pop3.password: ...  # an app password, or oauth2: { provider: google, ... }".to_owned());
        }
    }
    if is_one_of(&GMAIL_HOSTS) && !account.username.starts_with("recent:") {
        let username = &account.username;
        advise(format!(
            "pop3.username: recent:{username}  # else what another client fetched is hidden; 30 days are shown"
        ));
    }
    if let (Some(method), None) = (seen.method, account.method)
        && let Some(refused) = seen.refused.first()
    {
        let (used, refused) = (method.label(), refused.label());
        advise(format!("pop3.auth: {used}  # {refused} is offered and does not work: saves the attempt"));
    }
}

fn policy(account: &AccountSettings) -> String {
    match account.leave_on_server {
        LeaveOnServer::Forever => "forever".to_owned(),
        LeaveOnServer::Never => "never".to_owned(),
        LeaveOnServer::For(time) => humantime::format_duration(time).to_string(),
        LeaveOnServer::UntilExpunged => "until_expunged".to_owned(),
    }
}
