//! What is in a maildrop, how the server shows it, and the settings that follow.

use tributary::demo::pop3d::{Action, Fault, Quirks, Settings, Top, UniqueIds, Window};
use tributary::pop3::Verb;

use crate::support::dovecot::{self, Dovecot, Maildrop};
use crate::support::{have, scratch};
use crate::world::{Upstream, doctor, doctor_with};

fn with(quirks: Quirks) -> Upstream {
    Upstream::filled(Settings { quirks, ..Settings::default() })
}

#[test]
fn unique_ids_that_identify_nothing_are_told_by_the_name_of_their_fault() {
    for (unique_ids, label, without) in [
        (UniqueIds::Same, "duplicate_unique_id", true),
        (UniqueIds::Empty, "empty_unique_id", true),
        (UniqueIds::Numbers, "numeric_unique_ids", true),
        (UniqueIds::Long(2000), "unique_id_too_long", true),
        (UniqueIds::Spaced, "", false),
    ] {
        let told = with(Quirks { unique_ids, ..Quirks::default() }).examined();
        assert!(told.ok, "{}", told.text);
        let listing = if without {
            ("note", "3 messages, 63 octets; 3 without a unique-id of their own: known by their content")
        } else {
            ("ok", "3 messages, 63 octets, each with a unique-id")
        };
        assert_eq!(told.step("listing"), listing);
        let quirks: Vec<_> = told.steps("quirk").iter().map(|(_, text)| text.split(':').next().unwrap()).collect();
        assert_eq!(quirks, if without { vec![label] } else { vec![] });
        assert!(told.settings().is_empty(), "TOP tells them apart: {}", told.text);
    }
}

#[test]
fn without_unique_ids_and_top_mail_should_not_stay() {
    let capabilities = Some(vec!["USER".to_owned()]);
    let quirks = Quirks { unique_ids: UniqueIds::Absent, top: Top::Absent, ..Quirks::default() };
    let upstream = Upstream::filled(Settings { quirks, capabilities, ..Settings::default() });
    let told = upstream.examined();
    let words = "3 messages, 63 octets; no unique-ids (no UIDL): messages are known by their content";
    assert_eq!((told.ok, told.step("listing")), (true, ("note", words)));
    assert_eq!(told.step("TOP").0, "note");
    assert_eq!(told.settings(), ["leave_on_server: never"]);
    let told = doctor(&[upstream.account("tls: none") + ", leave_on_server: never"]);
    assert!(told.ok && told.settings().is_empty(), "it is so already: {}", told.text);
}

#[test]
fn unique_ids_that_are_announced_and_refused_end_it() {
    let upstream = with(Quirks::default());
    upstream.pop3d.fault(Fault::always(Verb::Uidl, Action::Answer(b"-ERR not today\r\n".to_vec())));
    let told = upstream.examined();
    assert_eq!((told.ok, told.step("listing")), (false, ("FAIL", "the server refused UIDL: not today")));
    assert_eq!(told.step("login").0, "ok");
}

#[test]
fn a_listing_against_itself_is_told() {
    let upstream = with(Quirks::default());
    upstream.pop3d.fault(Fault::always(Verb::Stat, Action::Answer(b"+OK 4 80\r\n".to_vec())));
    let told = upstream.examined();
    assert!(told.ok && told.step("listing").1.ends_with("; STAT, UIDL and LIST do not agree"), "{}", told.text);
    assert!(told.step("quirk").1.starts_with("count_mismatch: "), "{}", told.text);
}

#[test]
fn as_many_messages_as_windows_have_are_told() {
    for (shown, noted) in [(249, false), (250, true), (300, true), (301, false)] {
        let quirks = Quirks { window: Window::First(shown), ..Quirks::default() };
        let upstream = Upstream::new(Settings { quirks, ..Settings::default() }).with(302);
        let (told, window) = (upstream.examined(), "; the server may show only so many at a time");
        assert_eq!(told.step("listing").1.contains(window), noted, "{shown}: {}", told.text);
        assert!(told.step("listing").1.starts_with(&format!("{shown} messages, ")), "{}", told.text);
    }
    let empty = Upstream::new(Settings::default());
    assert_eq!(empty.examined().step("listing"), ("ok", "no messages"));
}

#[test]
fn top_that_is_refused_hangs_or_shows_bodies_is_a_note() {
    let told = with(Quirks { top: Top::Absent, ..Quirks::default() }).examined();
    let words = "the server refused TOP: unknown command; the poller does without it";
    assert_eq!((told.ok, told.step("TOP")), (true, ("note", words)));
    for action in [Action::Close, Action::Hang] {
        let upstream = with(Quirks::default());
        upstream.pop3d.fault(Fault::always(Verb::Top, action));
        let limits = "reply_timeout: 3s, body_timeout: 3s";
        let told = doctor_with(limits, &[upstream.account("tls: none")], &[]);
        upstream.untouched(1);
        assert!(told.ok && told.step("TOP").0 == "note" && told.step("listing").0 == "ok", "{}", told.text);
    }
    let told = with(Quirks { top: Top::WithBody, ..Quirks::default() }).examined();
    assert_eq!(told.step("TOP"), ("ok", "a header of 14 octets"));
    assert!(told.step("quirk").1.starts_with("top_with_body: "), "{}", told.text);
    let upstream = with(Quirks::default());
    upstream.pop3d.fault(Fault::always(Verb::Quit, Action::Close));
    assert!(upstream.examined().ok, "nothing depends on QUIT");
}

#[test]
fn logins_that_are_wanted_less_often_than_there_are_polls_are_told() {
    let upstream = Upstream::announcing("LOGIN-DELAY 1800");
    let told = upstream.examined();
    assert!(told.ok && told.step("CAPA").1.contains("LOGIN-DELAY 1800"), "{}", told.text);
    assert_eq!(told.settings(), ["poll_interval: 30m"]);
    let told = doctor(&[upstream.account("tls: none") + ", poll_interval: 30m"]);
    assert!(told.settings().is_empty(), "{}", told.text);
}

#[test]
fn mail_that_does_not_stay_on_the_server_is_told() {
    let told = Upstream::announcing("EXPIRE 30").examined();
    assert!(told.ok && told.step("EXPIRE").1.contains("after 30 days"), "{}", told.text);
    assert!(told.settings().is_empty(), "{}", told.text);
    let told = Upstream::announcing("EXPIRE 0").examined();
    assert!(told.ok && told.step("EXPIRE").0 == "note", "{}", told.text);
    assert_eq!(told.settings(), ["leave_on_server: never"]);
    let told = Upstream::announcing("EXPIRE NEVER").examined();
    assert!(told.steps("EXPIRE").is_empty() && told.step("CAPA").1.contains("EXPIRE NEVER"), "{}", told.text);
}

#[test]
fn dovecot_is_a_good_server() {
    if !have(dovecot::PROGRAMS) {
        return;
    }
    let dir = scratch();
    let server = Dovecot::start(dir.path(), &[Maildrop { user: "up", seed: 1, count: 5 }]);
    let pop3 = |port: u16, more: &str| {
        let password = dovecot::PASSWORD;
        format!("pop3: {{ host: localhost, port: {port}, username: up, password: {password}, {more} }}")
    };
    let ca = format!("ca_file: {}", server.ca_file().display());
    let told = doctor(&[
        pop3(server.pop3s.port(), &format!("tls: implicit, {ca}")),
        pop3(server.pop3.port(), &format!("tls: starttls, {ca}")),
        pop3(server.pop3.port(), "tls: none"),
    ]);
    assert!(told.ok && !told.text.contains(dovecot::PASSWORD), "{}", told.text);
    assert_eq!(told.steps("login"), [("ok", "by scram-sha-256"); 3]);
    for (verdict, text) in told.steps("listing") {
        assert!(verdict == "ok" && text.starts_with("5 messages, "), "{}", told.text);
    }
    assert_eq!(told.steps("TOP").len(), 3);
    assert!(told.steps("CAPA").iter().all(|(_, text)| text.contains("SASL ") && text.contains("PIPELINING")));
    assert_eq!(told.settings(), ["pop3:", "tls: starttls"], "{}", told.text);
    assert_eq!(server.count("up"), 5);
}
