//! Every key of the configuration: its meaning, default and checks. A section with a problem gives `None`; the problem is in the
//! context.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::limits::Limits;
use super::secrets;
use super::section::{Item, Section};
use super::types::{Account, Certificate, Config, Duplicates, Http, Imap, Log, LogFormat, LogLevel, User, UserImap};
use super::{maildrop, operate, policy, rules, value};
use crate::mail::MailboxName;
use crate::poll::{FirstPoll, LeaveOnServer};
use crate::tls;

/// The shortest poll interval: shorter ones are no use to anyone but a test.
const MIN_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Providers close maildrops in which nobody has logged in for months.
const LONG_POLL_INTERVAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// The least that can count as a large message.
const MIN_LARGE: u64 = 1 << 10;

/// The largest message that can be stored.
const MAX_MESSAGE: u64 = 2 << 30;

/// Quotas: one that no message fits into is a mistake, and so is one beyond all disks.
const QUOTA: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 50;

/// Messages of one user.
const QUOTA_MESSAGES: std::ops::RangeInclusive<u64> = 1..=1_000_000_000;

/// The whole file.
pub(super) fn config(mut root: Section<'_>) -> Option<Config> {
    let data_dir = root.path("data_dir").unwrap_or_else(default_data_dir);
    let log = root.section("log").map(log);
    let imap = root.section("imap").map(imap);
    let tls = root.item("tls").and_then(Item::section).and_then(certificate);
    let http = root.section("http").map(http);
    let limits = root.section("limits").map(Limits::read).unwrap_or_default();
    let users = root.required("users", "a list with at least one user").and_then(|item| users(&item, &limits));
    let admins = operate::admins(&mut root, users.as_deref());
    let notify_after = operate::notify_after(&mut root);
    let webhooks = operate::webhooks(&mut root);
    let watch_config = root.value("watch_config", false, value::switch);
    root.finish();
    Some(Config {
        data_dir,
        log: log?,
        imap: imap?,
        tls,
        http: http?,
        users: users?,
        admins,
        notify_after,
        webhooks: webhooks?,
        watch_config,
        limits,
    })
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
    let hide_capabilities = hide_capabilities(&mut section);
    let show_capabilities = capabilities(&mut section, "show_capabilities", value::shown_capability);
    section.finish();
    Imap { listen, listen_tls, allow_cleartext_login, hide_capabilities, show_capabilities }
}

fn hide_capabilities(section: &mut Section<'_>) -> Vec<String> {
    capabilities(section, "hide_capabilities", value::hidden_capability)
}

/// Names of capabilities, in any case; each as the server spells it.
fn capabilities(section: &mut Section<'_>, key: &'static str, name: fn(&str) -> Result<String, String>) -> Vec<String> {
    let items = section.item(key).and_then(|item| item.list()).unwrap_or_default();
    items.iter().filter_map(|item| item.value(name)).collect()
}

fn any_address(port: u16) -> SocketAddr {
    SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port))
}

fn http(mut section: Section<'_>) -> Http {
    let listen = listeners(&mut section, "listen", || vec![SocketAddr::from(([127, 0, 0, 1], 8025))]);
    let allow_cleartext_login = section.value("allow_cleartext_login", false, value::switch);
    let user_labels = section.value("user_labels", false, value::switch);
    section.finish();
    Http { listen, allow_cleartext_login, user_labels }
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
    let quota = section.item("quota").map(|item| item.value(value::size(QUOTA)));
    let quota_messages = section.item("quota_messages").map(|item| item.value(value::number(QUOTA_MESSAGES)));
    let imap = section.section("imap").map(|mut section| {
        let hide_capabilities = hide_capabilities(&mut section);
        section.finish();
        UserImap { hide_capabilities }
    });
    let account_mailboxes = section.value("account_mailboxes", true, value::switch);
    let account_keywords = section.value("account_keywords", true, value::switch);
    let duplicates = section.value("duplicates", Duplicates::Keep, |text| match text {
        "keep" => Ok(Duplicates::Keep),
        "merge" => Ok(Duplicates::Merge),
        _ => Err(format!("{text:?} is neither keep nor merge; write keep or merge")),
    });
    let rules = rules::read(&mut section, accounts.as_deref(), account_mailboxes);
    section.finish();
    // A quota that cannot be read is no user without one.
    let quota = quota.map_or(Some(None), |read| read.map(Some))?;
    let quota_messages = quota_messages.map_or(Some(None), |read| read.map(Some))?;
    Some(User {
        name: name?,
        password: password?,
        quota,
        quota_messages,
        imap: imap?,
        account_mailboxes,
        account_keywords,
        duplicates,
        rules: rules?,
        accounts: accounts?,
    })
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
    let pop3 = section
        .required("pop3", "{ host: ..., username: ..., password: ... }")
        .and_then(Item::section)
        .and_then(maildrop::read);
    let interval = section.item("poll_interval");
    let poll_interval = interval.as_ref().and_then(|item| item.value(value::duration(MIN_POLL_INTERVAL)));
    if let Some(item) = interval.filter(|_| poll_interval.is_some_and(|interval| interval > LONG_POLL_INTERVAL)) {
        let what = "providers close maildrops that nobody logs in to for months; write 30d or less".to_owned();
        item.cx.warning(item.node.line, &item.path, what);
    }
    let leave_on_server = section.value("leave_on_server", LeaveOnServer::Forever, policy::leave_on_server);
    let large = section.item("delete_larger_than");
    let delete_larger_than = large.as_ref().and_then(|item| item.value(value::size(MIN_LARGE..=MAX_MESSAGE)));
    let delete_dry_run = section.value("delete_dry_run", false, value::switch);
    let first_poll = section.value("first_poll", FirstPoll::All, policy::first_poll);
    let deliver_to = section.value("deliver_to", MailboxName::inbox(), |text| {
        MailboxName::new(text).map_err(|e| format!("{e}; write a mailbox name such as INBOX or Lists/Example"))
    });
    let enabled = section.value("enabled", true, value::switch);
    let max_message_size =
        section.value("max_message_size", limits.pop3.max_message_size, value::size(64 << 10..=MAX_MESSAGE));
    if let (Some(item), Some(large)) = (&large, delete_larger_than)
        && large >= max_message_size
    {
        let most = value::show_size(max_message_size);
        let what = format!("has no effect: messages larger than max_message_size ({most}) stay upstream; write less");
        section.cx.warning(item.node.line, &item.path, what);
    }
    section.finish();
    Some(Account {
        name: name?,
        pop3: pop3?,
        poll_interval: poll_interval.unwrap_or(Duration::from_secs(300)),
        leave_on_server,
        delete_larger_than,
        delete_dry_run,
        first_poll,
        deliver_to,
        enabled,
        max_message_size,
    })
}
