//! From the configuration to the settings of each part: no part sees the configuration itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::auth;
use crate::config::{
    self, Account, Config, Credential, Duplicates, OAuth2, Pop3Tls, Route, Source, Trust, User, WebhookEvent,
};
use crate::imap;
use crate::mail::{MailboxName, account_keyword, account_mailbox};
use crate::mime;
use crate::notifier;
use crate::oauth;
use crate::poll;
use crate::pop3;
use crate::store;
use crate::tls;

/// Page cache of the store.
const CACHE_BYTES: usize = 256 * 1024 * 1024;

/// As long as a session may idle without a command and still show an expunged message.
const GC_GRACE: Duration = Duration::from_secs(3600);

pub(super) fn store(config: &Config) -> store::Settings {
    store::Settings { data_dir: config.data_dir.clone(), cache_bytes: CACHE_BYTES, gc_grace: GC_GRACE }
}

pub(super) fn tls(config: &Config) -> tls::Settings {
    match &config.tls {
        Some(pair) => {
            tls::Settings::Files { certificate: pair.certificate.clone(), private_key: pair.private_key.clone() }
        }
        None => tls::Settings::SelfSigned { directory: config.data_dir.join("tls") },
    }
}

pub(super) fn auth(config: &Config) -> auth::Settings {
    let user = |user: &User| auth::UserSettings {
        name: user.name.clone(),
        password: match user.password.source {
            Source::Hash => auth::Password::Hash(user.password.secret.expose().to_owned()),
            _ => auth::Password::Plain(user.password.secret.clone()),
        },
    };
    auth::Settings { users: config.users.iter().map(user).collect(), ..auth::Settings::default() }
}

pub(super) fn imap(config: &Config) -> imap::Settings {
    let limits = &config.limits.imap;
    imap::Settings {
        allow_cleartext_login: config.imap.allow_cleartext_login,
        tls_timeout: limits.time_to_tls,
        login_timeout: limits.time_to_login,
        idle_timeout: limits.idle_timeout,
        write_stall: limits.write_timeout,
        keepalive: imap::Keepalive {
            shortest: limits.keepalive_shortest,
            first: limits.keepalive_first,
            longest: limits.keepalive_longest,
            proof: limits.tcp_unacknowledged,
        },
        tcp_keepalive: imap::TcpKeepalive {
            idle: limits.tcp_keepalive_idle,
            interval: limits.tcp_keepalive_interval,
            count: u32::try_from(limits.tcp_keepalive_count).unwrap_or(u32::MAX),
            unacknowledged: limits.tcp_unacknowledged,
        },
        line_before_login: count(limits.line_before_login),
        line: count(limits.line),
        literal_before_login: limits.literal_before_login,
        literal: limits.literal,
        literals: count(limits.literals),
        literal_total: limits.literals_size,
        append: limits.append_size,
        append_literals: count(limits.append_literals),
        bad_commands_before_login: u32::try_from(limits.bad_commands_before_login).unwrap_or(u32::MAX),
        bad_commands: u32::try_from(limits.bad_commands).unwrap_or(u32::MAX),
        max_connections: count(limits.connections),
        max_user_connections: count(limits.connections_per_user),
        max_user_address_connections: count(limits.connections_per_user_and_address),
        hidden_capabilities: imap::HiddenCapabilities {
            everywhere: config.imap.hide_capabilities.clone(),
            of_users: config
                .users
                .iter()
                .filter(|user| !user.imap.hide_capabilities.is_empty())
                .map(|user| (user.name.clone(), user.imap.hide_capabilities.clone()))
                .collect(),
        },
        shown_capabilities: config.imap.show_capabilities.clone(),
        accounts: imap::Accounts::new(
            config
                .users
                .iter()
                .map(|user| (user.name.clone(), user.accounts.iter().map(|a| source(user, a)).collect())),
        ),
        ..imap::Settings::default()
    }
}

/// An account as its user's clients see it.
fn source(user: &User, account: &Account) -> imap::Account {
    imap::Account {
        name: account.name.clone(),
        deliver_to: account.deliver_to.clone(),
        view: view(user, account),
        keyword: user.account_keywords.then(|| account_keyword(&account.name)).flatten(),
    }
}

/// What the view of an account is called: there is one of each that delivers to INBOX.
pub(super) fn view(user: &User, account: &Account) -> Option<MailboxName> {
    let is_shown = user.account_mailboxes && account.deliver_to.is_inbox();
    if is_shown { account_mailbox(&account.name) } else { None }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn mime(config: &Config) -> mime::Limits {
    let limits = &config.limits.mime;
    mime::Limits {
        depth: count(limits.depth),
        parts: count(limits.parts),
        parameters: count(limits.parameters),
        header: count(limits.header_size),
    }
}

pub(super) fn poll(config: &Config) -> poll::Settings {
    let limits = &config.limits.pop3;
    let of_user = |user| move |account| maildrop(config, user, account);
    let accounts = config.users.iter().flat_map(|user| user.accounts.iter().map(of_user(user)));
    poll::Settings {
        accounts: accounts.collect(),
        timeouts: pop3::Timeouts {
            connect: limits.connect_timeout,
            reply: limits.reply_timeout,
            body: limits.body_timeout,
        },
        limits: pop3::Limits {
            line: count(limits.reply_line),
            unique_id: count(limits.unique_id),
            listing: count(limits.listing_entries),
            // RFC 1939 section 7: 70 octets for a unique-id.
            listing_bytes: count(limits.listing_entries).saturating_mul(70).max(pop3::Limits::default().listing_bytes),
            header: count(limits.header_size),
            message: limits.max_message_size,
            ..pop3::Limits::default()
        },
        bounds: poll::Bounds {
            connections: count(limits.connections),
            host_connections: count(limits.connections_per_host),
            session_octets: limits.session_size,
            session_time: limits.session_time,
        },
    }
}

pub(super) fn notifier(config: &Config) -> notifier::Settings {
    let of_user = |user| move |account| told_of(user, account);
    notifier::Settings {
        notify_after: config.notify_after,
        accounts: config.users.iter().flat_map(|user| user.accounts.iter().map(of_user(user))).collect(),
        webhooks: config.webhooks.iter().map(webhook).collect(),
    }
}

fn told_of(user: &User, account: &Account) -> notifier::Account {
    notifier::Account {
        id: format!("{}/{}", user.name, account.name),
        user: user.name.clone(),
        name: account.name.clone(),
        host: account.pop3.host.clone(),
        port: account.pop3.port,
        poll_interval: account.poll_interval,
    }
}

fn webhook(webhook: &config::Webhook) -> notifier::Webhook {
    let wants = |event| webhook.events.contains(&event);
    notifier::Webhook {
        url: webhook.url.clone(),
        new_mail: wants(WebhookEvent::NewMail),
        failure: wants(WebhookEvent::Failure),
        recovery: wants(WebhookEvent::Recovery),
        secret: webhook.secret.as_ref().map(|secret| secret.secret.clone()),
    }
}

fn maildrop(config: &Config, user: &User, account: &Account) -> poll::AccountSettings {
    let pop3 = &account.pop3;
    let id = format!("{}/{}", user.name, account.name);
    let (certificate_sha256, ca_file) = match &pop3.trust {
        Trust::System => (None, None),
        Trust::Pin(fingerprint) => (Some(fingerprint.to_string()), None),
        Trust::CaFile(path) => (None, Some(path.clone())),
    };
    poll::AccountSettings {
        login: match &pop3.credential {
            Credential::Password(password) => poll::Login::Password(password.source()),
            Credential::TokenCommand(words) => {
                poll::Login::Token(oauth::TokenSource::command(config::token_source(words)))
            }
            Credential::OAuth2(oauth2) => {
                let file = token_file(&config.data_dir, &user.name, &account.name);
                let settings = tokens(oauth2, &id, &pop3.username, file);
                poll::Login::Token(oauth::TokenSource::login(settings))
            }
        },
        id,
        user: user.name.clone(),
        name: account.name.clone(),
        host: pop3.host.clone(),
        port: pop3.port,
        tls: match pop3.tls {
            Pop3Tls::Implicit | Pop3Tls::Insecure => poll::Tls::Implicit,
            Pop3Tls::Starttls | Pop3Tls::InsecureStarttls => poll::Tls::StartTls,
            Pop3Tls::None => poll::Tls::None,
        },
        username: pop3.username.clone(),
        method: pop3.auth,
        route: match &pop3.route {
            Route::Direct => poll::Route::Direct,
            Route::Socks5(proxy) => poll::Route::Socks5 {
                host: proxy.host.clone(),
                port: proxy.port,
                login: proxy.login.as_ref().map(|(name, password)| (name.clone(), password.secret.clone())),
            },
            Route::Tunnel(words) => poll::Route::Tunnel(words.clone()),
        },
        certificate_sha256,
        ca_file,
        insecure: pop3.tls.is_insecure(),
        poll_interval: account.poll_interval,
        leave_on_server: account.leave_on_server,
        delete_larger_than: account.delete_larger_than,
        delete_dry_run: account.delete_dry_run,
        first_poll: account.first_poll,
        deliver_to: account.deliver_to.clone(),
        keyword: user.account_keywords.then(|| account_keyword(&account.name)).flatten(),
        rules: user.rules(),
        merge: user.duplicates == Duplicates::Merge && account.deliver_to.is_inbox(),
        enabled: account.enabled,
        max_message_size: account.max_message_size,
    }
}

fn tokens(oauth2: &OAuth2, id: &str, username: &str, file: PathBuf) -> oauth::Settings {
    oauth::Settings {
        account: id.to_owned(),
        username: username.to_owned(),
        provider: oauth2.provider.endpoints(),
        client_id: oauth2.client_id.clone(),
        client_secret: oauth2.client_secret.as_ref().map(|secret| secret.secret.clone()),
        flow: oauth2.flow,
        file,
    }
}

/// Where the tokens of an account are kept. Distinct for distinct accounts on every file system (I10).
fn token_file(data_dir: &Path, user: &str, account: &str) -> PathBuf {
    data_dir.join("oauth").join(directory_name(user)).join(format!("{account}.json"))
}

/// A user name may hold anything but spaces and `/`, be `..`, be longer than a file name, or differ from another in case
/// only. So all but plain lower case is escaped, and the rest of a long one replaced by its hash.
fn directory_name(user: &str) -> String {
    /// The longest name that every file system takes is 255 octets.
    const LONGEST: usize = 200;
    let mut name = String::new();
    for (at, byte) in user.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'+' | b'@' => name.push(char::from(byte)),
            b'.' if at > 0 => name.push('.'),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() > LONGEST {
        // No name that fits has a tilde in it.
        name.truncate(LONGEST - 65);
        name.push('~');
        name.push_str(&blake3::hash(user.as_bytes()).to_hex());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(accounts: &str) -> Config {
        let text = format!("data_dir: /data\nusers: [{{ name: Ann@x, password: p, accounts: [{accounts}] }}]\n");
        crate::config::parse(&text, Path::new("")).expect("config").config
    }

    fn account(pop3: &str, rest: &str) -> poll::AccountSettings {
        let text = format!("{{ name: isp, pop3: {{ host: h, username: u, {pop3} }}, {rest} }}");
        poll(&loaded(&text)).accounts.remove(0)
    }

    /// The limits stand in two places, the configuration and the part they bound: they must agree.
    #[test]
    fn default_limits_of_the_configuration_are_those_of_the_parts() {
        let config = loaded("");
        let (wired, default) = (imap(&config), imap::Settings::default());
        assert_eq!(format!("{wired:?}"), format!("{default:?}"));
        let (wired, default) = (poll(&config), poll::Settings::default());
        assert_eq!(format!("{wired:?}"), format!("{default:?}"));
    }

    #[test]
    fn what_a_user_wants_of_accounts_reaches_poller_and_clients() {
        let of = |rest: &str| {
            let pop3 = "pop3: { host: h, username: u, password: p }";
            let text = format!(
                "users: [{{ name: u, password: p, accounts: [{{ name: a, {pop3} }}, {{ name: b, deliver_to: B, {pop3} }}]{rest} }}]\n"
            );
            let config = crate::config::parse(&text, Path::new("")).expect("config").config;
            let polled: Vec<_> = poll(&config).accounts.iter().map(|a| (a.keyword.clone(), a.merge)).collect();
            let (user, mut accounts) = (&config.users[0], config.users[0].accounts.iter());
            assert_eq!(
                imap(&config).accounts,
                imap::Accounts::new([("u".to_owned(), user.accounts.iter().map(|a| source(user, a)).collect())])
            );
            let a = accounts.next().map(|a| source(user, a)).expect("a");
            assert!(accounts.next().is_some_and(|b| source(user, b).view.is_none()), "it does not deliver to INBOX");
            (polled, a.view.map(|name| name.to_string()), a.keyword)
        };
        let (a, b) = (account_keyword("a"), account_keyword("b"));
        let view = Some("Accounts/a".to_owned());
        assert_eq!(of(""), (vec![(a.clone(), false), (b.clone(), false)], view.clone(), a.clone()));
        assert_eq!(of(", duplicates: merge"), (vec![(a.clone(), true), (b, false)], view.clone(), a.clone()));
        assert_eq!(of(", account_keywords: false"), (vec![(None, false), (None, false)], view, None));
        assert_eq!(of(", account_mailboxes: false").1, None);
    }

    #[test]
    fn limits_reach_the_poller() {
        let text = "users: [{ name: u, password: p }]\nlimits: { pop3: { connections: 3, connections_per_host: 2, session_size: \
                    5MiB, session_time: 7m, header_size: 9KiB, listing_entries: 3000000 } }\n";
        let settings = poll(&crate::config::parse(text, Path::new("")).expect("config").config);
        let bounds = poll::Bounds {
            connections: 3,
            host_connections: 2,
            session_octets: 5 << 20,
            session_time: Duration::from_secs(420),
        };
        assert_eq!((settings.bounds, settings.limits.header), (bounds, 9 << 10));
        assert_eq!((settings.limits.listing, settings.limits.listing_bytes), (3_000_000, 210_000_000));
    }

    #[test]
    fn who_is_told_of_what_reaches_the_notifier() {
        let text = "notify_after: 2h\nwebhooks: [{ url: \"http://h/\", events: [failure], secret: s }, { url: \"https://h/\" }]\n\
                    users: [{ name: u, password: p, accounts: [{ name: a, poll_interval: 7m, \
                    pop3: { host: pop.example, username: u, password: p } }] }]\n";
        let settings = notifier(&crate::config::parse(text, Path::new("")).expect("config").config);
        assert_eq!(settings.notify_after, Some(Duration::from_secs(7200)));
        let [account] = settings.accounts.as_slice() else { panic!("{settings:?}") };
        assert_eq!((account.id.as_str(), account.user.as_str(), account.name.as_str()), ("u/a", "u", "a"));
        assert_eq!((account.host.as_str(), account.port), ("pop.example", 995));
        assert_eq!(account.poll_interval, Duration::from_secs(420));
        let [one, all] = settings.webhooks.as_slice() else { panic!("{settings:?}") };
        assert_eq!((one.url.as_str(), one.new_mail, one.failure, one.recovery), ("http://h/", false, true, false));
        assert_eq!(one.secret.as_ref().map(crate::secret::Secret::expose), Some("s"));
        assert!(all.new_mail && all.failure && all.recovery && all.secret.is_none());
        let never = notifier(&loaded(""));
        assert_eq!((never.notify_after, never.webhooks.len()), (Some(Duration::from_secs(86_400)), 0));
    }

    #[test]
    fn every_protection_reaches_the_poller() {
        for (text, tls, insecure) in [
            ("implicit", poll::Tls::Implicit, false),
            ("starttls", poll::Tls::StartTls, false),
            ("none", poll::Tls::None, false),
            ("insecure", poll::Tls::Implicit, true),
            ("insecure_starttls", poll::Tls::StartTls, true),
        ] {
            let settings = account(&format!("password: p, tls: {text}"), "");
            assert_eq!((settings.tls, settings.insecure), (tls, insecure), "{text}");
        }
    }

    #[test]
    fn what_an_account_says_reaches_the_poller() {
        let settings = account(
            "password: hunter2, auth: cram-md5, tunnel: [ssh, h]",
            "leave_on_server: 14d, delete_larger_than: 10MiB, delete_dry_run: true, first_poll: newest 5",
        );
        let poll::Login::Password(source) = &settings.login else { panic!("{:?}", settings.login) };
        assert_eq!(source.fetch().map(|secret| secret.expose().to_owned()), Ok("hunter2".to_owned()));
        assert_eq!(settings.method, Some(pop3::Method::CramMd5));
        assert_eq!(settings.route, poll::Route::Tunnel(vec!["ssh".to_owned(), "h".to_owned()]));
        assert_eq!(settings.leave_on_server, poll::LeaveOnServer::For(Duration::from_secs(14 * 24 * 3600)));
        assert_eq!((settings.delete_larger_than, settings.delete_dry_run), (Some(10 << 20), true));
        assert_eq!(settings.first_poll, poll::FirstPoll::Newest(5));
        let proxied = account("password: p, socks5: { address: \"[::1]:9\", username: me, password: pw }", "");
        let login = Some(("me".to_owned(), crate::secret::Secret::new("pw")));
        assert_eq!(proxied.route, poll::Route::Socks5 { host: "::1".to_owned(), port: 9, login });
    }

    #[tokio::test]
    async fn tokens_come_from_a_program_or_a_login() {
        let command = account("token_command: [printf, t0ken]", "").login;
        let poll::Login::Token(source @ oauth::TokenSource::Command(_)) = command else { panic!("{command:?}") };
        let token = source.token(false).await.expect("token");
        assert_eq!(token.secret.expose(), "t0ken");
        let login = account("oauth2: { provider: google, client_id: me }", "").login;
        assert!(matches!(login, poll::Login::Token(oauth::TokenSource::Login(_))), "{login:?}");
        let config = loaded(
            "{ name: isp, pop3: { host: h, username: u, oauth2: { provider: google, client_id: me, client_secret: s } } }",
        );
        let Credential::OAuth2(oauth2) = &config.users[0].accounts[0].pop3.credential else { panic!("oauth2") };
        let settings = tokens(oauth2, "Ann@x/isp", "u", PathBuf::from("/f"));
        assert_eq!((settings.account.as_str(), settings.username.as_str()), ("Ann@x/isp", "u"));
        assert_eq!((settings.provider, settings.flow), (oauth::Provider::google(), oauth::Flow::Browser));
        assert_eq!(settings.client_secret.as_ref().map(crate::secret::Secret::expose), Some("s"));
    }

    #[test]
    fn token_files_stay_below_the_data_and_apart() {
        let file = |user: &str| token_file(Path::new("/data"), user, "isp");
        assert_eq!(file("ann@isp.example"), Path::new("/data/oauth/ann@isp.example/isp.json"));
        assert_eq!(file("Ann"), Path::new("/data/oauth/%41nn/isp.json"));
        assert_eq!(file(".."), Path::new("/data/oauth/%2e./isp.json"));
        assert_eq!(file("a\\b%\u{e9}"), Path::new("/data/oauth/a%5cb%25%c3%a9/isp.json"));
        let long = |last: &str| "\u{e9}".repeat(127) + last;
        assert_ne!(file(&long("a")), file(&long("b")));
        for user in [long("a"), "x".repeat(255), "x".repeat(200), "%".repeat(255)] {
            assert!(directory_name(&user).len() <= 200, "{user}");
        }
        assert_eq!(directory_name(&"x".repeat(200)), "x".repeat(200));
        assert_ne!(directory_name(&"x".repeat(201)), directory_name(&"x".repeat(202)));
    }
}
