//! From the configuration to the settings of each part: no part sees the configuration itself.

use std::time::Duration;

use crate::auth;
use crate::config::{Account, Config, LeaveOnServer, Pop3Tls, Source, Trust, User};
use crate::imap;
use crate::poll;
use crate::pop3;
use crate::secret::SecretSource;
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
        line_before_login: count(limits.line_before_login),
        line: count(limits.line),
        literal_before_login: limits.literal_before_login,
        literal: limits.literal,
        literals: count(limits.literals),
        literal_total: limits.literals_size,
        append: limits.append_size,
        bad_commands_before_login: u32::try_from(limits.bad_commands_before_login).unwrap_or(u32::MAX),
        bad_commands: u32::try_from(limits.bad_commands).unwrap_or(u32::MAX),
        max_connections: count(limits.connections),
        max_user_connections: count(limits.connections_per_user),
        max_user_address_connections: count(limits.connections_per_user_and_address),
        ..imap::Settings::default()
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn poll(config: &Config) -> poll::Settings {
    let limits = &config.limits.pop3;
    let accounts = config.users.iter().flat_map(|user| user.accounts.iter().map(|account| maildrop(user, account)));
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
            message: limits.max_message_size,
            ..pop3::Limits::default()
        },
        bounds: poll::Bounds::default(),
    }
}

fn maildrop(user: &User, account: &Account) -> poll::AccountSettings {
    let pop3 = &account.pop3;
    let (certificate_sha256, ca_file) = match &pop3.trust {
        Trust::System => (None, None),
        Trust::Pin(fingerprint) => (Some(fingerprint.to_string()), None),
        Trust::CaFile(path) => (None, Some(path.clone())),
    };
    poll::AccountSettings {
        id: format!("{}/{}", user.name, account.name),
        user: user.name.clone(),
        name: account.name.clone(),
        host: pop3.host.clone(),
        port: pop3.port,
        tls: match pop3.tls {
            Pop3Tls::Implicit => poll::Tls::Implicit,
            Pop3Tls::Starttls => poll::Tls::StartTls,
            Pop3Tls::None => poll::Tls::None,
        },
        username: pop3.username.clone(),
        login: poll::Login::Password(SecretSource::fixed(pop3.password.secret.clone())),
        method: None,
        route: poll::Route::Direct,
        certificate_sha256,
        ca_file,
        insecure: false,
        poll_interval: account.poll_interval,
        leave_on_server: match account.leave_on_server {
            LeaveOnServer::Forever => poll::LeaveOnServer::Forever,
            LeaveOnServer::Never => poll::LeaveOnServer::Never,
        },
        delete_larger_than: None,
        delete_dry_run: false,
        first_poll: poll::FirstPoll::All,
        deliver_to: account.deliver_to.clone(),
        enabled: account.enabled,
        max_message_size: account.max_message_size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limits stand in two places, the configuration and the part they bound: they must agree.
    #[test]
    fn default_limits_of_the_configuration_are_those_of_the_parts() {
        let text = "users: [{ name: u, password: p }]\n";
        let loaded = crate::config::parse(text, std::path::Path::new("")).expect("config");
        let (wired, default) = (imap(&loaded.config), imap::Settings::default());
        assert_eq!(format!("{wired:?}"), format!("{default:?}"));
    }
}
