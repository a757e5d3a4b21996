use std::time::Duration;

use super::*;
use crate::mail::MailboxName;

const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";

/// The least that is valid, with `extra` lines added to the account.
fn minimal(extra: &str) -> String {
    format!(
        "users:\n  - name: alice\n    password: {{ hash: \"{HASH}\" }}\n    accounts:\n      - name: isp\n        pop3: {{ host: pop.example, \
         username: a, password: {{ command: [printf, s3cret] }} }}\n{extra}"
    )
}

fn good(text: &str) -> Config {
    match parse(text, Path::new("/base")) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

fn problems(text: &str) -> Vec<String> {
    match parse(text, Path::new("/base")) {
        Ok(_) => panic!("accepted: {text}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn one_problem(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.into_iter().next().unwrap_or_default()
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = good(&minimal(""));
    assert_eq!(config.data_dir, Path::new("/var/lib/tributary"));
    assert_eq!(config.log, Log { level: LogLevel::Info, format: LogFormat::Text });
    assert_eq!(config.imap.listen, ["[::]:143".parse().expect("address")]);
    assert_eq!(config.imap.listen_tls, ["[::]:993".parse().expect("address")]);
    assert!(!config.imap.allow_cleartext_login);
    assert_eq!(config.tls, None);
    assert_eq!(config.http.listen, ["127.0.0.1:8025".parse().expect("address")]);
    assert_eq!(config.limits, Limits::default());
    let account = &config.users[0].accounts[0];
    assert_eq!((account.pop3.port, account.pop3.tls), (995, Pop3Tls::Implicit));
    assert_eq!(account.pop3.trust, Trust::System);
    assert_eq!(account.pop3.password.secret.expose(), "s3cret");
    assert_eq!(account.poll_interval, Duration::from_secs(300));
    assert_eq!(account.leave_on_server, LeaveOnServer::Forever);
    assert_eq!(account.deliver_to, MailboxName::inbox());
    assert!(account.enabled);
    assert_eq!(account.max_message_size, 150 << 20);
}

#[test]
fn all_problems_at_once_with_lines_and_paths() {
    let text = "\
data_dri: /x
log: { level: loud, format: xml }
imap:
  listen: [\"nowhere\", \"127.0.0.1:0\"]
http:
  listen: \"127.0.0.1:99999\"
users:
  - name: alice
    password: { hash: nonsense }
    accounts:
      - name: isp
        pop3:
          host: pop.example
          port: 99999
          tls: yes
          password: { file: /no/such/file }
        poll_interval: 5
  - name: alice
    accounts: 7
";
    let found = problems(text);
    let expected = [
        "line 1: data_dri: unknown key; write data_dir instead",
        "line 2: log.level: \"loud\" is no level; write error, warn, info, debug or trace",
        "line 2: log.format: \"xml\" is no format; write text or json",
        "line 4: imap.listen[0]: \"nowhere\" is no address to listen on; write ",
        "line 6: http.listen: \"127.0.0.1:99999\" is no address",
        "line 9: users[0].password.hash: not a password hash",
        "line 13: users[0].accounts[0].pop3.username: is required; write username: alice@example.com",
        "line 14: users[0].accounts[0].pop3.port: \"99999\" is no number from 1 to 65535; write such a number",
        "line 15: users[0].accounts[0].pop3.tls: \"yes\" is none of the ways; write implicit, starttls or none",
        "line 16: users[0].accounts[0].pop3.password.file: cannot read /no/such/file",
        "line 17: users[0].accounts[0].poll_interval: \"5\" is no duration; write a number with a unit",
        "line 18: users[1].password: is required; write password: { hash: ... }",
        "line 19: users[1].accounts: a single value where a list is expected; write ",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn names_must_be_distinct() {
    let account = "      - name: ISP\n        pop3: { host: h, username: u, password: { command: [printf, p] } }\n";
    let problem = one_problem(&minimal(account));
    assert!(problem.contains("users[0].accounts[1]: a second account \"ISP\""), "{problem}");
    let user = format!("  - name: alice\n    password: {{ hash: \"{HASH}\" }}\n");
    let problem = one_problem(&minimal(&user));
    assert!(problem.contains("users[1]: a second user \"alice\""), "{problem}");
}

#[test]
fn what_comes_later_is_refused_and_todays_values_are_not() {
    for line in [
        "        leave_on_server: 14d",
        "        leave_on_server: until_expunged",
        "        first_poll: new",
        "        first_poll: newest 500",
        "    quota: 20GiB",
        "    rules:\n      - match: { from: x }",
        "http: { user_labels: true }",
    ] {
        let problem = one_problem(&minimal(&format!("{line}\n")));
        assert!(problem.contains("not available in this version"), "{problem}");
    }
    for line in [
        "        leave_on_server: never",
        "        first_poll: all",
        "    account_mailboxes: false",
        "    account_keywords: false",
        "    rules: []",
    ] {
        good(&minimal(&format!("{line}\n")));
    }
    let loaded =
        parse(&minimal("    account_mailboxes: true\n    account_keywords: true\n"), Path::new("")).expect("accepted");
    assert_eq!(loaded.warnings.len(), 2);
    assert!(loaded.warnings[0].to_string().contains("account_mailboxes: has no effect in this version"));
}

/// A key that stands twice hides nothing else that is wrong: all is said at once.
#[test]
fn repeated_keys_are_told_together_with_the_rest() {
    let text = minimal("        colour: red\n")
        .replace("users:", "imap: { listen: [] }\nimap: {}\nlog: { level: loud }\nusers:");
    let problems = parse(&text, Path::new("")).expect_err("three things are wrong");
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for needle in ["the key imap stands here already", "log.level", "colour: unknown key"] {
        assert!(told.iter().any(|problem| problem.contains(needle)), "{needle} in {told:?}");
    }
}

#[test]
fn unknown_keys_are_errors_at_every_level() {
    for (line, path) in [
        ("        colour: red", "users[0].accounts[0].colour"),
        ("    colour: red", "users[0].colour"),
        ("colour: red", "colour"),
        ("log: { colour: red }", "log.colour"),
        ("imap: { colour: red }", "imap.colour"),
        ("http: { colour: red }", "http.colour"),
        ("limits: { colour: red }", "limits.colour"),
        ("limits: { imap: { colour: red } }", "limits.imap.colour"),
        ("limits: { pop3: { colour: red } }", "limits.pop3.colour"),
    ] {
        let problem = one_problem(&minimal(&format!("{line}\n")));
        assert!(problem.contains(&format!(": {path}: unknown key; ")), "{problem}");
    }
    let problem = one_problem(&minimal("").replace("host:", "prot: 1, host:"));
    assert!(problem.contains("pop3.prot: unknown key; write port instead"), "{problem}");
}

#[test]
fn secrets_have_one_source() {
    let with = |secret: &str| minimal("").replace("{ command: [printf, s3cret] }", secret);
    for (secret, needle) in [
        ("{ hash: x }", "the password itself"),
        ("{ fiel: x }", "unknown source of a secret: fiel"),
        ("{ file: a, env: b }", "exactly one source"),
        ("{}", "exactly one source"),
        ("[a]", "a list where a secret is expected"),
        ("{ env: TRIBUTARY_TEST_NO_SUCH_VARIABLE }", "is not set"),
        ("{ command: [] }", "no command"),
        ("{ command: [\"false\"] }", "failed"),
        ("\"\"", "the secret is empty"),
    ] {
        let problem = one_problem(&with(secret));
        assert!(problem.contains(needle), "{problem}");
    }
    let loaded = parse(&with("hunter2"), Path::new("")).expect("plain");
    assert_eq!(loaded.config.users[0].accounts[0].pop3.password.secret.expose(), "hunter2");
    assert_eq!(loaded.warnings.len(), 1);
    assert!(!format!("{loaded:?}").contains("hunter2"));
    assert!(!loaded.config.to_yaml().expect("yaml").contains("hunter2"));
    let as_hash = minimal("").replace(&format!("{{ hash: \"{HASH}\" }}"), &format!("\"{HASH}\""));
    assert!(one_problem(&as_hash).contains("write { hash: "));
}

#[test]
fn trust_needs_tls_and_one_of_both() {
    let with = |keys: &str| minimal("").replace("host: pop.example", &format!("host: pop.example, {keys}"));
    let pin = format!("certificate_sha256: \"{}\"", "ab:".repeat(31) + "ab");
    assert!(matches!(good(&with(&pin)).users[0].accounts[0].pop3.trust, Trust::Pin(_)));
    assert!(one_problem(&with(&format!("tls: none, {pin}"))).contains("no certificate without TLS"));
    assert!(one_problem(&with("certificate_sha256: \"ab:cd\"")).contains("not a SHA-256 fingerprint"));
    let both = problems(&with(&format!("{pin}, ca_file: /no/such.pem")));
    assert!(both.iter().any(|problem| problem.contains("exclude each other")), "{both:?}");
    assert!(one_problem(&with("ca_file: no/such.pem")).contains("/base/no/such.pem: "));
}

#[test]
fn default_port_follows_tls() {
    for (tls, port) in [("implicit", 995), ("starttls", 110), ("none", 110)] {
        let text = minimal("").replace("host: pop.example", &format!("host: pop.example, tls: {tls}"));
        assert_eq!(good(&text).users[0].accounts[0].pop3.port, port);
    }
}

#[test]
fn an_account_takes_the_size_limit_that_is_configured() {
    let config = good(&minimal("limits: { pop3: { max_message_size: 30MiB } }\n"));
    assert_eq!(config.users[0].accounts[0].max_message_size, 30 << 20);
    let config = good(&minimal("        max_message_size: 20MiB\nlimits: { pop3: { max_message_size: 30MiB } }\n"));
    assert_eq!(config.users[0].accounts[0].max_message_size, 20 << 20);
}

#[test]
fn limits_hold_at_their_ends_and_not_past_them() {
    for (key, ok, wrong) in [
        ("literals", "8", "7"),
        ("literals", "65536", "65537"),
        ("line", "8KiB", "8191"),
        ("append_size", "2GiB", "2147483649"),
        ("time_to_login", "1s", "999ms"),
    ] {
        good(&minimal(&format!("limits: {{ imap: {{ {key}: {ok} }} }}\n")));
        let problem = one_problem(&minimal(&format!("limits: {{ imap: {{ {key}: {wrong} }} }}\n")));
        assert!(problem.contains(&format!("limits.imap.{key}: ")), "{problem}");
    }
}

#[test]
fn an_empty_file_says_what_is_required() {
    assert!(one_problem("").contains("users: is required"));
    assert!(one_problem("users: []\n").contains("at least one user"));
    assert!(one_problem("- a\n").contains("a list where a mapping is expected"));
    assert!(one_problem(&minimal("imap: { listen: [], listen_tls: [] }\n")).contains("no IMAP listener is left"));
}

#[test]
fn the_effective_configuration_reads_back_and_masks_secrets() {
    let config = good(&minimal("        poll_interval: 90s\n"));
    let text = config.to_yaml().expect("yaml");
    assert!(!text.contains("argon2id"), "{text}");
    assert!(text.contains("hash: '***'") && text.contains("poll_interval: 1m 30s"), "{text}");
    let again = good(&text.replace("***", HASH));
    assert_eq!(again, config);
}
