//! The shipped configuration is valid, complete and says the truth about defaults; the reference names every key.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use tributary::config::{self, Config, Credential, Limits, OAuthProvider, Route};

const EXAMPLE: &str = include_str!("../config/tributary.yaml");
const REFERENCE: &str = include_str!("../docs/config.md");

/// Its secrets and PEM files are in the reader's machine: the test has its own.
fn parse(text: &str, home: &Path) -> Config {
    std::fs::write(home.join("secret"), "s3cret\n").unwrap();
    let directory = home.join("tls");
    tributary::tls::load(&tributary::tls::Settings::SelfSigned { directory }).unwrap();
    let at = |name: &str| home.join(name).display().to_string();
    let text = text
        .replace("/run/secrets/google-client", &at("secret"))
        .replace("/run/secrets/old-isp", &at("secret"))
        .replace("/run/secrets/proxy", &at("secret"))
        .replace("/run/secrets/webhook", &at("secret"))
        .replace("/run/secrets/isp", &at("secret"))
        .replace("/etc/tributary/fullchain.pem", &at("tls/cert.pem"))
        .replace("/etc/tributary/isp-ca.pem", &at("tls/cert.pem"))
        .replace("/etc/tributary/key.pem", &at("tls/key.pem"));
    match config::parse(&text, home) {
        Ok(loaded) => {
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
            loaded.config
        }
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("config/tributary.yaml:\n{}", lines.join("\n"))
        }
    }
}

/// The example with the settings that are off switched on, and of those that exclude each other all but `only`.
fn switched_on(only: &str) -> String {
    let exclusive = ["certificate_sha256", "ca_file"];
    let line = |line: &str| {
        let is_prose = |rest: &str| rest.is_empty() || (rest.starts_with(' ') && !rest.starts_with("  "));
        let is_setting = line.strip_prefix('#').is_some_and(|rest| !is_prose(rest));
        let excluded = exclusive.iter().any(|key| line.contains(&format!(" {key}:")) && *key != only);
        if is_setting && !excluded { line.replacen('#', "", 1) } else { line.to_owned() }
    };
    EXAMPLE.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn the_example_is_valid_as_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let config = parse(EXAMPLE, home.path());
    assert_eq!(config.users.len(), 1);
    assert_eq!(config.users[0].accounts.len(), 2);
}

#[test]
fn its_limits_are_the_defaults() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(parse(EXAMPLE, home.path()).limits, Limits::default());
}

#[test]
fn settings_that_are_off_are_valid_too() {
    let home = tempfile::tempdir().unwrap();
    let pinned = parse(&switched_on("certificate_sha256"), home.path());
    assert!(pinned.tls.is_some());
    assert!(matches!(pinned.users[0].accounts[0].pop3.trust, config::Trust::Pin(_)));
    let authorities = parse(&switched_on("ca_file"), home.path());
    assert!(matches!(authorities.users[0].accounts[0].pop3.trust, config::Trust::CaFile(_)));
}

#[test]
fn every_way_to_log_in_is_shown() {
    let home = tempfile::tempdir().unwrap();
    let config = parse(&switched_on("ca_file"), home.path());
    let account = |name: &str| &config.users[0].accounts.iter().find(|account| account.name == name).unwrap().pop3;
    let provider = |name: &str| match &account(name).credential {
        Credential::OAuth2(oauth2) => &oauth2.provider,
        other => panic!("{other:?}"),
    };
    assert!(matches!(account("isp").credential, Credential::Password(_)));
    assert!(matches!(provider("outlook"), OAuthProvider::Microsoft { .. }));
    assert!(matches!(provider("gmail"), OAuthProvider::Google));
    assert!(matches!(provider("university"), OAuthProvider::Custom(_)));
    assert!(matches!(account("work").credential, Credential::TokenCommand(_)));
    assert!(matches!(account("isp").route, Route::Socks5(_)));
    assert!(matches!(account("work").route, Route::Tunnel(_)));
}

/// What `check-config` prints of it says the same.
#[test]
fn the_effective_configuration_reads_back() {
    let home = tempfile::tempdir().unwrap();
    for only in ["certificate_sha256", "ca_file"] {
        let config = parse(&switched_on(only), home.path());
        let hash = config.users[0].password.secret.expose();
        let printed = config.to_yaml().unwrap();
        assert!(!printed.contains(hash) && !printed.contains("s3cret"), "{printed}");
        assert_eq!(parse(&printed.replace("***", hash), home.path()), config);
    }
}

/// Every key of the effective configuration, with all that is optional in it.
fn keys(home: &Path) -> Vec<String> {
    let mut keys = Vec::new();
    for only in ["certificate_sha256", "ca_file"] {
        let text = parse(&switched_on(only), home).to_yaml().unwrap();
        let key_of = |line: &str| {
            let (key, _) = line.trim_start().trim_start_matches("- ").split_once(':')?;
            let is_key = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit();
            (!key.is_empty() && key.bytes().all(is_key)).then(|| key.to_owned())
        };
        keys.extend(text.lines().filter_map(key_of));
    }
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn the_example_and_the_reference_name_every_key() {
    let home = tempfile::tempdir().unwrap();
    let keys = keys(home.path());
    assert!(keys.len() > 60, "{keys:?}");
    for key in keys {
        assert!(EXAMPLE.contains(&format!("{key}:")), "config/tributary.yaml does not show {key}");
        let explained = REFERENCE.contains(&format!("`{key}`")) || REFERENCE.contains(&format!("`{{ {key}: "));
        assert!(explained, "docs/config.md does not explain {key}");
    }
}
