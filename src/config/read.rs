//! Every key of the configuration: its meaning, default and checks. A section with a problem gives `None`; the problem is in the
//! context.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::limits::Limits;
use super::secrets;
use super::section::{Item, Section};
use super::types::{
    Account, Certificate, Config, Http, Imap, LeaveOnServer, Log, LogFormat, LogLevel, Pop3, Pop3Tls, Trust, User,
};
use super::value;
use crate::mail::MailboxName;
use crate::tls;

/// The shortest poll interval: shorter ones are no use to anyone but a test.
const MIN_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The whole file.
pub(super) fn config(mut root: Section<'_>) -> Option<Config> {
    let data_dir = root.path("data_dir").unwrap_or_else(default_data_dir);
    let log = root.section("log").map(log);
    let imap = root.section("imap").map(imap);
    let tls = root.item("tls").and_then(Item::section).and_then(certificate);
    let http = root.section("http").map(http);
    let limits = root.section("limits").map(Limits::read).unwrap_or_default();
    let users = root.required("users", "a list with at least one user").and_then(|item| users(&item, &limits));
    root.finish();
    Some(Config { data_dir, log: log?, imap: imap?, tls, http: http?, users: users?, limits })
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("/var/lib/tributary")
}

fn log(mut section: Section<'_>) -> Log {
    let level = section.value("level", LogLevel::Info, |text| match text {
        "error" => Ok(LogLevel::Error),
        "warn" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err(format!("{text:?} is no level; write error, warn, info, debug or trace")),
    });
    let format = section.value("format", LogFormat::Text, |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is no format; write text or json")),
    });
    section.finish();
    Log { level, format }
}

fn imap(mut section: Section<'_>) -> Imap {
    let listen = listeners(&mut section, "listen", || vec![any_address(143)]);
    let listen_tls = listeners(&mut section, "listen_tls", || vec![any_address(993)]);
    let allow_cleartext_login = section.value("allow_cleartext_login", false, value::switch);
    if listen.is_empty() && listen_tls.is_empty() {
        let path = section.path_of("listen");
        section.cx.problem(section.line, path, "no IMAP listener is left; write an address in listen or listen_tls");
    }
    section.finish();
    Imap { listen, listen_tls, allow_cleartext_login }
}

fn any_address(port: u16) -> SocketAddr {
    SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port))
}

fn http(mut section: Section<'_>) -> Http {
    let listen = listeners(&mut section, "listen", || vec![SocketAddr::from(([127, 0, 0, 1], 8025))]);
    section.not_yet("user_labels", &["false"]);
    section.finish();
    Http { listen }
}

/// One address or a list of them; an empty list: none.
fn listeners(section: &mut Section<'_>, key: &'static str, default: fn() -> Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(item) = section.item(key) else { return default() };
    let items = match &item.node.value {
        super::yaml::Value::Text(_) => vec![item],
        _ => item.list().unwrap_or_default(),
    };
    items.iter().filter_map(|item| item.value(value::listen_address)).collect()
}

fn certificate(mut section: Section<'_>) -> Option<Certificate> {
    let (cx, line) = (section.cx, section.line);
    let file = |item: Item<'_>| item.text().map(|text| cx.resolve(text));
    let certificate = section.required("certificate", "the path of a PEM file").and_then(file);
    let private_key = section.required("private_key", "the path of a PEM file").and_then(file);
    let path = section.path_of("certificate");
    section.finish();
    let pair = Certificate { certificate: certificate?, private_key: private_key? };
    let settings =
        tls::Settings::Files { certificate: pair.certificate.clone(), private_key: pair.private_key.clone() };
    if let Err(e) = tls::load(&settings) {
        let instead = "write the paths of a certificate chain and its key, or leave tls out for a self-signed one";
        cx.problem(line, path, format!("{e}; {instead}"));
    }
    Some(pair)
}

fn users(item: &Item<'_>, limits: &Limits) -> Option<Vec<User>> {
    let items = item.list()?;
    if items.is_empty() {
        item.problem("is empty; write at least one user, with name, password and accounts");
    }
    let mut read: Vec<User> = Vec::new();
    let expected = items.len();
    for (item, user) in items.into_iter().map(|item| (item.clone(), item.section().and_then(|s| user(s, limits)))) {
        let Some(user) = user else { continue };
        if read.iter().any(|other| other.name == user.name) {
            item.problem(format!("a second user {:?}; write another name", user.name));
        }
        read.push(user);
    }
    (read.len() == expected).then_some(read)
}

fn user(mut section: Section<'_>, limits: &Limits) -> Option<User> {
    let name = section.required("name", "alice").and_then(|item| item.value(value::user_name));
    let password = section
        .required("password", "{ hash: ... }, with what `tributary hash-password` prints")
        .and_then(|item| secrets::read(&item, true));
    let accounts = match section.item("accounts") {
        Some(item) => accounts(&item, limits),
        None => Some(Vec::new()),
    };
    section.not_yet("quota", &[]);
    section.switch_without_effect("account_mailboxes");
    section.switch_without_effect("account_keywords");
    section.not_yet("rules", &[]);
    section.finish();
    Some(User { name: name?, password: password?, accounts: accounts? })
}

fn accounts(item: &Item<'_>, limits: &Limits) -> Option<Vec<Account>> {
    let items = item.list()?;
    let mut read: Vec<Account> = Vec::new();
    let expected = items.len();
    for (item, account) in items.into_iter().map(|item| (item.clone(), item.section().and_then(|s| account(s, limits))))
    {
        let Some(account) = account else { continue };
        // Mailbox names and keywords are made of it, and keywords know no case (RFC 9051 section 2.3.2).
        if read.iter().any(|other| other.name.eq_ignore_ascii_case(&account.name)) {
            item.problem(format!("a second account {:?} of this user; write another name", account.name));
        }
        read.push(account);
    }
    (read.len() == expected).then_some(read)
}

fn account(mut section: Section<'_>, limits: &Limits) -> Option<Account> {
    let name = section.required("name", "isp").and_then(|item| item.value(value::account_name));
    let pop3 =
        section.required("pop3", "{ host: ..., username: ..., password: ... }").and_then(Item::section).and_then(pop3);
    let poll_interval = section.value("poll_interval", Duration::from_secs(300), value::duration(MIN_POLL_INTERVAL));
    let leave_on_server = section.value("leave_on_server", LeaveOnServer::Forever, leave_on_server);
    let deliver_to = section.value("deliver_to", MailboxName::inbox(), |text| {
        MailboxName::new(text).map_err(|e| format!("{e}; write a mailbox name such as INBOX or Lists/Example"))
    });
    section.not_yet("first_poll", &["all"]);
    let enabled = section.value("enabled", true, value::switch);
    let max_message_size =
        section.value("max_message_size", limits.pop3.max_message_size, value::size(64 << 10..=2 << 30));
    section.finish();
    Some(Account { name: name?, pop3: pop3?, poll_interval, leave_on_server, deliver_to, enabled, max_message_size })
}

fn leave_on_server(text: &str) -> Result<LeaveOnServer, String> {
    match text {
        "forever" => Ok(LeaveOnServer::Forever),
        "never" => Ok(LeaveOnServer::Never),
        "until_expunged" => Err("until_expunged is not available in this version; write forever or never".to_owned()),
        _ if humantime::parse_duration(text).is_ok() => {
            Err(format!("a time ({text}) is not available in this version; write forever or never"))
        }
        _ => Err(format!("{text:?} is no policy; write forever or never")),
    }
}

fn pop3(mut section: Section<'_>) -> Option<Pop3> {
    let host = section.required("host", "pop.example.com").and_then(|item| item.value(value::host));
    let tls = section.value("tls", Pop3Tls::Implicit, |text| match text {
        "implicit" => Ok(Pop3Tls::Implicit),
        "starttls" => Ok(Pop3Tls::Starttls),
        "none" => Ok(Pop3Tls::None),
        _ => Err(format!("{text:?} is none of the ways; write implicit, starttls or none")),
    });
    let default_port = if tls == Pop3Tls::Implicit { 995 } else { 110 };
    let port = section.value("port", default_port, value::number(1..=u16::MAX.into()));
    let username = section.required("username", "alice@example.com").and_then(|item| item.value(pop3_username));
    let password = section.required("password", "{ file: PATH }").and_then(|item| secrets::read(&item, false));
    let trust = trust(&mut section, tls);
    section.finish();
    Some(Pop3 { host: host?, port: u16::try_from(port).ok()?, tls, username: username?, password: password?, trust })
}

/// It becomes part of a command line, so it must not end one.
fn pop3_username(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err("a user name has 1 to 255 characters and no control characters; write such a name".to_owned());
    }
    Ok(text.to_owned())
}

fn trust(section: &mut Section<'_>, tls: Pop3Tls) -> Trust {
    let pin = section.item("certificate_sha256");
    let ca_file = section.item("ca_file");
    let given = pin.as_ref().or(ca_file.as_ref());
    if let (Some(given), Pop3Tls::None) = (given, tls) {
        given.problem("there is no certificate without TLS; write tls: implicit or starttls, or leave this out");
    }
    if let (Some(pin), Some(_)) = (&pin, &ca_file) {
        pin.problem("certificate_sha256 and ca_file exclude each other; write one of them");
    }
    let read_pin = |text: &str| tls::parse_fingerprint(text).map_err(|e| format!("{e}; write it as in ab:cd:..."));
    if let Some(fingerprint) = pin.and_then(|item| item.value(read_pin)) {
        return Trust::Pin(fingerprint);
    }
    let Some(item) = ca_file else { return Trust::System };
    let Some(text) = item.text() else { return Trust::System };
    let path = item.cx.resolve(text);
    if let Err(e) = tls::root_store(&path) {
        item.problem(format!("{e}; write the path of a PEM file with the certificates to trust"));
    }
    Trust::CaFile(path)
}
