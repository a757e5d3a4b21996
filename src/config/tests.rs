use std::time::Duration;

use super::*;
use crate::mail::MailboxName;
use crate::poll::{FirstPoll, LeaveOnServer};

pub(super) const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";

/// The least that is valid, with `extra` lines added to the account.
pub(super) fn minimal(extra: &str) -> String {
    format!(
        "users:\n  - name: alice\n    password: {{ hash: \"{HASH}\" }}\n    accounts:\n      - name: isp\n        pop3: {{ host: pop.example, \
         username: a, password: {{ command: [printf, s3cret] }} }}\n{extra}"
    )
}

pub(super) fn good(text: &str) -> Config {
    loaded(text).config
}

pub(super) fn warnings(text: &str) -> Vec<String> {
    loaded(text).warnings.iter().map(ToString::to_string).collect()
}

fn loaded(text: &str) -> Loaded {
    match parse(text, Path::new("/base")) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

/// Of the first account, which has one.
fn password(config: &Config) -> &str {
    match &config.users[0].accounts[0].pop3.credential {
        Credential::Password(password) => password.secret.expose(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn problems(text: &str) -> Vec<String> {
    match parse(text, Path::new("/base")) {
        Ok(_) => panic!("accepted: {text}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn one_problem(text: &str) -> String {
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
    assert_eq!((account.pop3.auth, &account.pop3.route), (None, &Route::Direct));
    assert_eq!(password(&config), "s3cret");
    assert_eq!(account.poll_interval, Duration::from_secs(300));
    assert_eq!(account.leave_on_server, LeaveOnServer::Forever);
    assert_eq!((account.delete_larger_than, account.delete_dry_run), (None, false));
    assert_eq!(account.first_poll, FirstPoll::All);
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
        "line 15: users[0].accounts[0].pop3.tls: \"yes\" is none of the ways; write implicit, starttls or none, or, ",
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
fn what_a_user_sees_of_the_accounts() {
    let of = |text: &str| {
        let user = good(&minimal(text)).users.remove(0);
        (user.account_mailboxes, user.account_keywords, user.duplicates)
    };
    assert_eq!(of(""), (true, true, Duplicates::Keep));
    assert_eq!(of("    account_mailboxes: false\n    duplicates: keep\n"), (false, true, Duplicates::Keep));
    assert_eq!(of("    account_keywords: false\n    duplicates: merge\n"), (true, false, Duplicates::Merge));
    let problem = one_problem(&minimal("    duplicates: drop\n"));
    assert!(
        problem.ends_with("users[0].duplicates: \"drop\" is neither keep nor merge; write keep or merge"),
        "{problem}"
    );
    let problem = one_problem(&minimal("    account_keywords: yes\n"));
    assert!(problem.contains("users[0].account_keywords: \"yes\" is neither true nor false"), "{problem}");
    let shown = good(&minimal("    duplicates: merge\n")).to_yaml().expect("yaml");
    for line in ["account_mailboxes: true", "account_keywords: true", "duplicates: merge"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[test]
fn quotas_are_read_within_their_bounds() {
    let quota = |text: &str| good(&minimal(&format!("    quota: {text}\n"))).users[0].quota;
    assert_eq!(quota("20GiB"), Some(20 << 30));
    assert_eq!((quota("1KiB"), quota("1024TiB"), quota("null")), (Some(1 << 10), Some(1 << 50), None));
    for (text, needle) in [
        ("1023", "1023 is out of range; write a size from 1KiB to 1024TiB"),
        ("1125899906842625", "is out of range"),
        ("20GB", "is no size; write a whole number with a unit"),
        ("[1]", "a list where a single value is expected"),
    ] {
        let problem = one_problem(&minimal(&format!("    quota: {text}\n")));
        assert!(problem.contains("users[0].quota: ") && problem.contains(needle), "{problem}");
    }
    let text = minimal("    quota: 2048MiB\nhttp: { user_labels: true }\n");
    let config = good(&text);
    assert!(config.http.user_labels && !good(&minimal("")).http.user_labels);
    let shown = config.to_yaml().expect("yaml");
    assert!(shown.contains("quota: 2GiB\n") && shown.contains("user_labels: true\n"), "{shown}");
}

#[test]
fn quotas_of_messages_are_read_within_their_bounds() {
    let quota = |text: &str| good(&minimal(&format!("    quota_messages: {text}\n"))).users[0].quota_messages;
    assert_eq!((quota("1"), quota("1000000000"), quota("null")), (Some(1), Some(1_000_000_000), None));
    for text in ["0", "1000000001", "-1", "1k", "1.5", "[1]"] {
        let problem = one_problem(&minimal(&format!("    quota_messages: {text}\n")));
        assert!(problem.contains("users[0].quota_messages: "), "{problem}");
    }
    let shown = good(&minimal("    quota_messages: 7\n")).to_yaml().expect("yaml");
    assert!(shown.contains("quota_messages: 7\n") && !shown.contains("quota: "), "{shown}");
}

#[test]
fn capabilities_to_hide_are_known_ones() {
    let config = good(&minimal(
        "    imap: { hide_capabilities: [qresync, IMAP4REV2] }\nimap: { hide_capabilities: [UNAUTHENTICATE] }\n",
    ));
    assert_eq!(config.users[0].imap.hide_capabilities, ["QRESYNC", "IMAP4rev2"]);
    assert_eq!(config.imap.hide_capabilities, ["UNAUTHENTICATE"]);
    let shown = config.to_yaml().expect("yaml");
    assert!(shown.contains("- QRESYNC\n") && shown.contains("- UNAUTHENTICATE\n"), "{shown}");
    assert!(!good(&minimal("")).to_yaml().expect("yaml").contains("hide_capabilities"));
    for (name, needle) in [
        ("QRESINK", "write QRESYNC instead"),
        ("uidpuls", "write UIDPLUS instead"),
        ("X-NOTHING", "those are "),
        ("IMAP4rev1", "no capability that can be hidden"),
        ("LOGINDISABLED", "no capability that can be hidden"),
        ("STARTTLS", "no capability that can be hidden"),
    ] {
        let problem = one_problem(&minimal(&format!("    imap: {{ hide_capabilities: [{name}] }}\n")));
        assert!(problem.contains("users[0].imap.hide_capabilities[0]: ") && problem.contains(needle), "{problem}");
    }
    one_problem(&minimal("    imap: { hide: [] }\n"));
    one_problem(&minimal("    imap: { hide_capabilities: QRESYNC }\n"));
}

#[test]
fn capabilities_to_show_are_those_that_are_hidden_by_default() {
    let config = good(&minimal("imap: { show_capabilities: [uidonly] }\n"));
    assert_eq!(config.imap.show_capabilities, ["UIDONLY"]);
    assert!(config.to_yaml().expect("yaml").contains("show_capabilities:\n"));
    assert!(!good(&minimal("")).to_yaml().expect("yaml").contains("show_capabilities"));
    for (name, needle) in [("UIDONLI", "write UIDONLY instead"), ("QRESYNC", "those are UIDONLY")] {
        let problem = one_problem(&minimal(&format!("imap: {{ show_capabilities: [{name}] }}\n")));
        assert!(problem.contains("imap.show_capabilities[0]: ") && problem.contains(needle), "{problem}");
    }
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
        ("limits: { mime: { colour: red } }", "limits.mime.colour"),
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
    assert_eq!(password(&loaded.config), "hunter2");
    assert_eq!(loaded.warnings.len(), 1);
    assert!(!format!("{loaded:?}").contains("hunter2"));
    assert!(!loaded.config.to_yaml().expect("yaml").contains("hunter2"));
    let as_hash = minimal("").replace(&format!("{{ hash: \"{HASH}\" }}"), &format!("\"{HASH}\""));
    assert!(one_problem(&as_hash).contains("write { hash: "));
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
    for (section, key, ok, wrong) in [
        ("imap", "literals", "8", "7"),
        ("imap", "literals", "65536", "65537"),
        ("imap", "line", "8KiB", "8191"),
        ("imap", "append_size", "2GiB", "2147483649"),
        ("imap", "time_to_login", "1s", "999ms"),
        ("pop3", "connections", "1", "0"),
        ("pop3", "connections", "100000", "100001"),
        ("pop3", "connections_per_host", "1", "0"),
        ("pop3", "connections_per_host", "100000", "100001"),
        ("pop3", "session_size", "1MiB", "1048575"),
        ("pop3", "session_size", "16TiB", "17592186044417"),
        ("pop3", "session_time", "1s", "999ms"),
        ("pop3", "session_time", "365d", "366d"),
        ("pop3", "header_size", "4KiB", "4095"),
        ("pop3", "header_size", "64MiB", "67108865"),
        ("mime", "depth", "1", "0"),
        ("mime", "depth", "1000", "1001"),
        ("mime", "parts", "1", "0"),
        ("mime", "parts", "1000000", "1000001"),
        ("mime", "parameters", "1", "0"),
        ("mime", "parameters", "1000000", "1000001"),
        ("mime", "header_size", "4KiB", "4095"),
        ("mime", "header_size", "1MiB", "1048577"),
    ] {
        good(&minimal(&format!("limits: {{ {section}: {{ {key}: {ok} }} }}\n")));
        let problem = one_problem(&minimal(&format!("limits: {{ {section}: {{ {key}: {wrong} }} }}\n")));
        assert!(problem.contains(&format!("limits.{section}.{key}: ")), "{problem}");
    }
}

#[test]
fn what_happens_upstream_is_read() {
    let account = |line: &str| good(&minimal(&format!("        {line}\n"))).users[0].accounts[0].clone();
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(account("leave_on_server: never").leave_on_server, LeaveOnServer::Never);
    assert_eq!(account("leave_on_server: until_expunged").leave_on_server, LeaveOnServer::UntilExpunged);
    assert_eq!(account("leave_on_server: 14d").leave_on_server, LeaveOnServer::For(14 * day));
    assert!(account("delete_dry_run: true").delete_dry_run);
    assert_eq!(account("first_poll: newest 500").first_poll, FirstPoll::Newest(500));
    assert_eq!(account("first_poll: since 90d").first_poll, FirstPoll::Since(90 * day));
    assert_eq!(account("delete_larger_than: 1KiB").delete_larger_than, Some(1024));
    for (line, needle) in [
        ("leave_on_server: 0", "leave_on_server: 0 leaves nothing on the server; write never"),
        ("leave_on_server: later", "leave_on_server: \"later\" is no policy; write forever, never, until_expunged or"),
        ("delete_dry_run: yes", "delete_dry_run: \"yes\" is neither true nor false"),
        ("first_poll: none", "first_poll: \"none\" is no choice; write all, new, newest 500 or since 90d"),
        ("delete_larger_than: 1023", "delete_larger_than: 1023 is out of range; write a size from 1KiB to 2GiB"),
        ("delete_larger_than: 2147483649", "delete_larger_than: 2147483649 is out of range"),
        ("delete_larger_than: off", "delete_larger_than: \"off\" is no size"),
    ] {
        let problem = one_problem(&minimal(&format!("        {line}\n")));
        assert!(problem.contains(needle), "{problem}");
    }
}

#[test]
fn a_large_message_rule_that_has_no_effect_is_told() {
    let with = |large: &str| {
        warnings(&minimal(&format!("        delete_larger_than: {large}\n        max_message_size: 20MiB\n")))
    };
    assert_eq!(with("20971519"), Vec::<String>::new());
    let told = with("20MiB");
    assert!(told.len() == 1 && told[0].contains("delete_larger_than: has no effect: "), "{told:?}");
    assert!(told[0].contains("max_message_size (20MiB)"), "{told:?}");
}

#[test]
fn an_empty_file_says_what_is_required() {
    assert!(one_problem("").contains("users: is required"));
    assert!(one_problem("users: []\n").contains("at least one user"));
    assert!(one_problem("- a\n").contains("a list where a mapping is expected"));
    assert!(one_problem(&minimal("imap: { listen: [], listen_tls: [] }\n")).contains("no IMAP listener is left"));
}

#[test]
fn a_maildrop_that_is_hardly_ever_polled_is_a_warning() {
    assert!(warnings(&minimal("        poll_interval: 30d\n")).is_empty());
    let told = warnings(&minimal("        poll_interval: 31d\n"));
    assert!(told.len() == 1 && told[0].contains("poll_interval: providers close maildrops"), "{told:?}");
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
