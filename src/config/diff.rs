//! What differs between two configurations, by key path and in the order of the file. No value is told, and no secret.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_yaml::Value;

use super::maildrop::{Credential, Route};
use super::secrets::{Source, Sourced};
use super::types::{Account, Config};

/// Lists whose entries have names: they are compared by these.
const NAMED: [&str; 2] = ["users", "accounts"];

impl Config {
    /// The settings that are others in `after`, such as `users.ann.accounts.isp.poll_interval`; users and accounts that
    /// came or went are told as a whole.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let mut found = Vec::new();
        // What can be read can be written.
        let value = |config: &Self| serde_yaml::to_value(config).unwrap_or_default();
        compare("", &value(self), &value(after), &mut found);
        self.secrets(after, &mut found);
        found
    }

    /// Secrets are masked where configurations are written: they are compared themselves.
    fn secrets(&self, after: &Self, found: &mut Vec<String>) {
        let mut note = |path: String, same: bool| {
            if !same && !found.contains(&path) {
                found.push(path);
            }
        };
        for user in &self.users {
            let Some(other) = after.users.iter().find(|other| other.name == user.name) else { continue };
            note(format!("users.{}.password", user.name), user.password == other.password);
            for account in &user.accounts {
                let Some(other) = other.accounts.iter().find(|other| other.name == account.name) else { continue };
                let path = format!("users.{}.accounts.{}.pop3", user.name, account.name);
                let (one, other) = (&account.pop3, &other.pop3);
                let credential = match &one.credential {
                    Credential::Password(_) => "password",
                    Credential::OAuth2(_) => "oauth2",
                    Credential::TokenCommand(_) => "token_command",
                };
                note(format!("{path}.{credential}"), one.credential == other.credential);
                note(format!("{path}.socks5"), !is_proxied(&one.route) || one.route == other.route);
            }
        }
        note("webhooks".to_owned(), self.webhooks == after.webhooks);
    }

    /// The files that it names and that are read at the start only, or when it is read again.
    pub fn files(&self) -> Vec<PathBuf> {
        let pair = self.tls.iter().flat_map(|tls| [tls.certificate.clone(), tls.private_key.clone()]);
        let users = self.users.iter().map(|user| &user.password);
        let hooks = self.webhooks.iter().filter_map(|hook| hook.secret.as_ref());
        let accounts = self.users.iter().flat_map(|user| &user.accounts).flat_map(kept_secrets);
        let secrets = users.chain(hooks).chain(accounts).filter_map(file);
        pair.chain(secrets).collect::<BTreeSet<PathBuf>>().into_iter().collect()
    }
}

const fn is_proxied(route: &Route) -> bool {
    matches!(route, Route::Socks5(_))
}

/// The secrets that are not fetched again whenever they are needed.
fn kept_secrets(account: &Account) -> impl Iterator<Item = &Sourced> {
    let client = match &account.pop3.credential {
        Credential::OAuth2(oauth2) => oauth2.client_secret.as_ref(),
        _ => None,
    };
    let proxy = match &account.pop3.route {
        Route::Socks5(proxy) => proxy.login.as_ref().map(|(_, password)| password),
        _ => None,
    };
    client.into_iter().chain(proxy)
}

fn file(secret: &Sourced) -> Option<PathBuf> {
    match &secret.source {
        Source::File(path) => Some(path.clone()),
        _ => None,
    }
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    let named = path.rsplit('.').next().is_some_and(|key| NAMED.contains(&key));
    match (before, after) {
        (Value::Mapping(before), Value::Mapping(after)) => {
            let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
            for key in keys {
                let name = key.as_str().unwrap_or_default();
                let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                let value = |map: &serde_yaml::Mapping| map.get(key).cloned().unwrap_or_default();
                compare(&inner, &value(before), &value(after), found);
            }
        }
        (Value::Sequence(before), Value::Sequence(after)) if named => {
            entries(path, before, after, found);
        }
        _ => found.push(path.to_owned()),
    }
}

fn entries(path: &str, before: &[Value], after: &[Value], found: &mut Vec<String>) {
    for entry in before {
        let inner = format!("{path}.{}", name(entry));
        match after.iter().find(|other| name(other) == name(entry)) {
            Some(other) => compare(&inner, entry, other, found),
            None => found.push(format!("{inner} (removed)")),
        }
    }
    let is_new = |entry: &&Value| !before.iter().any(|known| name(known) == name(entry));
    found.extend(after.iter().filter(is_new).map(|entry| format!("{path}.{} (added)", name(entry))));
}

fn name(entry: &Value) -> &str {
    entry.get("name").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        crate::config::parse(text, Path::new("/etc")).expect("config").config
    }

    const BEFORE: &str = "log: { level: info }\nusers:\n\
        - { name: ann, password: one, accounts: [{ name: isp, pop3: { host: h, username: u, password: p } }] }\n\
        - { name: bob, password: two }\n";

    #[test]
    fn changes_are_told_by_their_keys() {
        let changes = |from: &str, to: &str| {
            assert!(BEFORE.contains(from), "{from}");
            config(BEFORE).changes(&config(&BEFORE.replace(from, to)))
        };
        assert_eq!(changes("info", "info"), Vec::<String>::new());
        assert_eq!(changes("info", "debug"), ["log.level"]);
        assert_eq!(changes("password: one", "password: other"), ["users.ann.password"]);
        assert_eq!(changes("password: p", "password: q"), ["users.ann.accounts.isp.pop3.password"]);
        assert_eq!(
            changes("host: h", "host: i, port: 7"),
            ["users.ann.accounts.isp.pop3.host", "users.ann.accounts.isp.pop3.port"]
        );
        assert_eq!(changes("name: bob", "name: eve"), ["users.bob (removed)", "users.eve (added)"]);
        assert_eq!(
            changes("name: isp", "name: home"),
            ["users.ann.accounts.isp (removed)", "users.ann.accounts.home (added)"]
        );
        assert_eq!(changes("two }", "two, quota: 1GiB }"), ["users.bob.quota"]);
        let hooks = |secret: &str| format!("{BEFORE}webhooks: [{{ url: \"https://h/\", secret: {secret} }}]\n");
        assert_eq!(config(BEFORE).changes(&config(&hooks("s"))), ["webhooks"]);
        assert_eq!(config(&hooks("s")).changes(&config(&hooks("t"))), ["webhooks"]);
        let proxied = |password: &str| {
            let socks5 = format!("socks5: {{ address: \"h:9\", username: me, password: {password} }}");
            config(&BEFORE.replace("host: h", &format!("host: h, {socks5}")))
        };
        assert_eq!(proxied("a").changes(&proxied("b")), ["users.ann.accounts.isp.pop3.socks5"]);
    }

    #[test]
    fn order_is_no_change_where_entries_have_names() {
        let two = |first: &str, second: &str| {
            config(&format!("users: [{{ name: {first}, password: p }}, {{ name: {second}, password: p }}]\n"))
        };
        assert_eq!(two("a", "b").changes(&two("b", "a")), Vec::<String>::new());
    }

    #[test]
    fn files_are_those_that_are_not_read_when_they_are_needed() {
        let dir = tempfile::tempdir().expect("directory");
        for name in ["ann", "up", "hook"] {
            std::fs::write(dir.path().join(name), "secret").expect("written");
        }
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
        std::fs::write(dir.path().join("cert"), made.cert.pem()).expect("written");
        std::fs::write(dir.path().join("key"), made.signing_key.serialize_pem()).expect("written");
        let text = "tls: { certificate: cert, private_key: key }\nusers:\n\
            - { name: ann, password: { file: ann }, accounts: [{ name: isp, pop3: { host: h, username: u, password: { file: up } } }] }\n\
            webhooks: [{ url: \"https://h/\", secret: { file: hook } }]\n";
        let config = crate::config::parse(text, dir.path()).expect("config").config;
        assert_eq!(config.files(), ["ann", "cert", "hook", "key"].map(|name| dir.path().join(name)));
    }
}
