//! The way to a maildrop up to the login: names, routes, certificates, credentials, and patience.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tributary::demo::pop3d::{Action, Fault, Quirks, Settings};
use tributary::pop3::{Method, Verb};

use crate::support::socks::Socks;
use crate::support::tls::Certificate;
use crate::world::{Told, Upstream, doctor, doctor_with};

fn secured(certificate: &Certificate, implicit_tls: bool) -> Upstream {
    Upstream::filled(Settings { tls: Some(certificate.config.clone()), implicit_tls, ..Settings::default() })
}

#[test]
fn a_good_maildrop_is_shown_step_by_step() {
    let (certificate, dir) = (Certificate::new(), crate::support::scratch());
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &certificate.pem).unwrap();
    for (implicit, tls) in [(true, "implicit"), (false, "starttls")] {
        let upstream = secured(&certificate, implicit);
        let told = doctor(&[upstream.account(&format!("tls: {tls}, ca_file: {}", ca.display()))]);
        let port = upstream.pop3d.address().port();
        let want = format!(
            "robin/a\n  ok    DNS       127.0.0.1\n  ok    connect   127.0.0.1:{port}\n  \
             ok    TLS       the certificate is valid until 4096-01-01T00:00:00Z\n  \
             ok    CAPA      USER, UIDL, TOP, PIPELINING, RESP-CODES, AUTH-RESP-CODE, SASL PLAIN\n  \
             ok    login     by plain\n  ok    listing   3 messages, 63 octets, each with a unique-id\n  \
             ok    TOP       a header of 14 octets\n"
        );
        assert_eq!((told.ok, told.text), (true, want));
        upstream.untouched(1);
        assert_eq!(upstream.pop3d.counters().logins, 1);
    }
}

#[test]
fn a_name_without_an_address_and_a_closed_port_are_told_apart() {
    let upstream = Upstream::filled(Settings::default());
    let told = doctor(&[upstream.account_at("nowhere.invalid", "tls: none")]);
    assert!(told.step("DNS").1.starts_with("cannot resolve nowhere.invalid: "), "{}", told.text);
    assert_eq!((told.step("DNS").0, told.text.lines().count()), ("FAIL", 3), "{}", told.text);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for (tls, advice) in [("implicit", "995"), ("starttls", "110"), ("none", "110")] {
        let told =
            doctor(&[format!("pop3: {{ host: 127.0.0.1, port: {port}, tls: {tls}, username: u, password: p }}")]);
        let reason = format!("cannot connect: 127.0.0.1:{port}: connection refused");
        assert_eq!(told.step("connect"), ("FAIL", reason.as_str()));
        assert_eq!(told.settings(), ["pop3:", &format!("port: {advice}")]);
    }
    upstream.untouched(0);
}

#[test]
fn a_certificate_that_is_not_trusted_is_shown_with_the_line_that_trusts_it() {
    let certificate = Certificate::new();
    for (implicit, tls) in [(true, "implicit"), (false, "starttls")] {
        let upstream = secured(&certificate, implicit);
        let told = doctor(&[upstream.account(&format!("tls: {tls}"))]);
        let pin = format!("certificate_sha256: \"{}\"", certificate.pin);
        let (verdict, text) = told.step("TLS");
        assert_eq!(verdict, "FAIL");
        assert!(text.contains("self-signed") && text.ends_with(&pin), "{text}");
        assert_eq!((told.step("connect").0, told.steps("login").len()), ("ok", 0), "{}", told.text);
        assert!(!upstream.pop3d.log().iter().any(|line| line.starts_with("USER") || line == "AUTH"));
        upstream.untouched(1);
        assert!(doctor(&[upstream.account(&format!("tls: {tls}, {pin}"))]).ok, "what it says works");
    }
}

#[test]
fn a_certificate_that_nobody_looks_at_is_named_with_the_line_that_pins_it() {
    let certificate = Certificate::of(&["another.example"]);
    for (implicit, tls, better) in [(true, "insecure", "implicit"), (false, "insecure_starttls", "starttls")] {
        let upstream = secured(&certificate, implicit);
        let told = doctor(&[upstream.account(&format!("tls: {tls}"))]);
        assert!(told.ok && told.step("TLS").0 == "note", "{}", told.text);
        let pin = format!("certificate_sha256: \"{}\"", certificate.pin);
        assert_eq!(told.settings(), ["pop3:", &format!("tls: {better}"), &pin]);
        assert!(doctor(&[upstream.account(&told.settings()[1..].join(", "))]).ok, "what it says works");
    }
}

#[test]
fn tls_that_is_offered_and_not_used_is_advised() {
    let upstream = secured(&Certificate::new(), false);
    let told = upstream.examined();
    assert!(told.ok && told.step("TLS").0 == "note" && told.step("CAPA").1.contains("STLS"), "{}", told.text);
    assert_eq!(told.settings(), ["pop3:", "tls: starttls"]);
    // After the login such servers offer it no more.
    let quiet = secured(&Certificate::new(), false);
    let after = b"+OK\r\nTOP\r\nUIDL\r\n.\r\n".to_vec();
    let before = b"+OK\r\nSTLS\r\nTOP\r\nUIDL\r\nSASL PLAIN\r\n.\r\n".to_vec();
    quiet.pop3d.fault(Fault::once(Verb::Capa, Action::Answer(before)));
    quiet.pop3d.fault(Fault::once(Verb::Capa, Action::Answer(after)));
    let told = quiet.examined();
    assert_eq!(told.step("CAPA"), ("ok", "STLS, UIDL, TOP, SASL PLAIN"));
    assert_eq!(told.settings(), ["pop3:", "tls: starttls"]);
}

#[test]
fn without_stls_there_is_no_tls() {
    let upstream = Upstream::filled(Settings::default());
    let told = doctor(&[upstream.account("tls: starttls")]);
    assert_eq!(told.step("TLS"), ("FAIL", "the server refused STLS: not now"));
    upstream.untouched(1);
}

#[test]
fn a_refused_password_is_told_in_the_servers_words_without_it() {
    let upstream = Upstream::accepting(&[Method::User]);
    let words = format!("-ERR [AUTH] {} is not the password, see \x1b[2J https://x.example\r\n", crate::world::SECRET);
    upstream.pop3d.fault(Fault::always(Verb::Pass, Action::Answer(words.into_bytes())));
    let told = upstream.examined();
    let reason = "the server refused PASS: [AUTH] *** is not the password, see ?[2J https://x.example";
    assert_eq!(told.step("login"), ("FAIL", reason));
    assert!(told.text.ends_with("tributary: the maildrop cannot be polled\n"), "{}", told.text);
    assert_eq!(upstream.pop3d.counters().logins, 0);
    assert_eq!(upstream.pop3d.log().iter().filter(|line| *line == "PASS").count(), 1);
}

#[test]
fn a_method_that_is_offered_and_broken_gives_way_and_is_named() {
    let methods = [Method::User, Method::CramMd5, Method::Plain];
    let upstream = Upstream::accepting(&methods);
    upstream.pop3d.fault(Fault::once(Verb::Auth, Action::Answer(b"-ERR [AUTH] no\r\n".to_vec())));
    let told = upstream.examined();
    assert_eq!((told.ok, told.step("login")), (true, ("ok", "by plain")));
    assert_eq!(told.settings(), ["pop3:", "auth: plain"]);
    assert!(told.text.contains("cram-md5 is offered and does not work"), "{}", told.text);
    // It may end the connection too.
    let upstream = Upstream::accepting(&methods);
    upstream.pop3d.fault(Fault::once(Verb::Auth, Action::Close));
    let told = doctor(&[upstream.account("tls: none")]);
    upstream.untouched(2);
    assert_eq!((told.ok, told.steps("login")[1]), (true, ("ok", "by plain")), "{}", told.text);
    assert_eq!((told.steps("login")[0].0, told.settings()), ("note", vec!["pop3:", "auth: plain"]));
}

#[test]
fn a_lock_and_a_throttle_are_told_as_such() {
    for (answer, word) in [("-ERR [IN-USE] busy\r\n", "(locked: "), ("-ERR [LOGIN-DELAY] wait\r\n", "(throttled: ")] {
        let upstream = Upstream::accepting(&[Method::User]);
        upstream.pop3d.fault(Fault::always(Verb::Pass, Action::Answer(answer.into())));
        let told = upstream.examined();
        let (verdict, text) = told.step("login");
        assert!(verdict == "FAIL" && text.contains(answer[5..].trim()) && text.contains(word), "{text}");
    }
}

#[test]
fn a_token_that_is_not_there_is_told_with_the_command_that_gets_it() {
    let upstream = Upstream::accepting(&[Method::Xoauth2]);
    let port = upstream.pop3d.address().port();
    let oauth2 = "{ provider: microsoft, client_id: c }";
    let told =
        doctor(&[format!("pop3: {{ host: 127.0.0.1, port: {port}, tls: none, username: up, oauth2: {oauth2} }}")]);
    let (verdict, text) = told.step("token");
    assert!(verdict == "FAIL" && text.contains("run `tributary oauth robin/a`"), "{text}");
    assert!(told.steps("connect").is_empty(), "{}", told.text);
    upstream.untouched(0);
}

#[test]
fn a_refused_token_is_asked_for_once_more() {
    let dir = crate::support::scratch();
    let (script, used) = (dir.path().join("token.sh"), dir.path().join("used"));
    let secret = crate::world::SECRET;
    // The first is stale.
    let text = format!("if [ -e {0} ]; then echo {secret}; else touch {0}; echo stale; fi\n", used.display());
    std::fs::write(&script, text).unwrap();
    let upstream = Upstream::accepting(&[Method::OauthBearer]);
    let port = upstream.pop3d.address().port();
    let told = doctor(&[format!(
        "pop3: {{ host: 127.0.0.1, port: {port}, tls: none, username: up, token_command: [sh, {}] }}",
        script.display()
    )]);
    assert_eq!((told.ok, told.step("login"), told.step("token").0), (true, ("ok", "by oauthbearer"), "note"));
    upstream.untouched(2);
}

#[test]
fn a_server_that_hangs_or_closes_on_capa_is_looked_at_without() {
    for action in [Action::Close, Action::Hang] {
        let upstream = Upstream::filled(Settings::default());
        upstream.pop3d.fault(Fault::always(Verb::Capa, action));
        let told = doctor_with("reply_timeout: 3s", &[upstream.account("tls: none")], &[]);
        let (verdict, text) = told.step("CAPA");
        assert!(told.ok && verdict == "note" && text.ends_with("; the poller goes on without it"), "{}", told.text);
        assert_eq!((told.step("login"), told.step("listing").0), (("ok", "by user"), "ok"));
        upstream.untouched(2);
    }
    let upstream = Upstream::filled(Settings { capabilities: None, ..Settings::default() });
    assert_eq!(upstream.examined().step("CAPA"), ("note", "the server does not tell what it can do"));
}

#[test]
fn a_server_that_hangs_is_given_up_in_its_time() {
    for (verb, step) in [(Verb::Greeting, "greeting"), (Verb::User, "login"), (Verb::Stat, "listing")] {
        let upstream = Upstream::accepting(&[Method::User]);
        upstream.pop3d.fault(Fault::always(verb, Action::Hang));
        let limits = "reply_timeout: 3s, connect_timeout: 3s, body_timeout: 3s";
        let told = doctor_with(limits, &[upstream.account("tls: none")], &[]);
        let (verdict, text) = told.step(step);
        assert!(verdict == "FAIL" && text.ends_with("in time"), "{}", told.text);
    }
}

#[test]
fn a_server_that_takes_one_command_at_a_time_is_looked_at_so() {
    let quirks = Quirks { one_command_a_segment: true, ..Quirks::default() };
    let upstream = Upstream::filled(Settings { quirks, ..Settings::default() });
    let told = doctor_with("reply_timeout: 3s", &[upstream.account("tls: none")], &[]);
    assert!(told.ok && told.step("session").0 == "note" && told.step("listing").0 == "ok", "{}", told.text);
    assert_eq!(upstream.pop3d.counters().connections, 2);
    // Not where that would be a login too soon.
    let quirks = Quirks { one_command_a_segment: true, ..Quirks::default() };
    let capabilities = ["UIDL", "USER", "PIPELINING", "LOGIN-DELAY 60"].map(str::to_owned).to_vec();
    let settings = Settings { quirks, capabilities: Some(capabilities), ..Settings::default() };
    let upstream = Upstream::filled(settings);
    let told = doctor_with("reply_timeout: 3s", &[upstream.account("tls: none")], &[]);
    assert_eq!((told.step("listing").0, upstream.pop3d.counters().connections), ("FAIL", 1));
}

/// What `nc` does, where there may be none.
fn tunnel(upstream: &Upstream) -> String {
    let port = upstream.pop3d.address().port();
    format!("tls: none, tunnel: [bash, -c, \"exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & cat >&3; wait\"]")
}

#[test]
fn the_accounts_own_route_is_taken() {
    let upstream = Upstream::filled(Settings::default());
    let told = doctor(&[upstream.account_at("pop.nowhere.invalid", &tunnel(&upstream))]);
    assert_eq!(told.step("DNS"), ("ok", "left to the tunnel bash"));
    assert!(told.ok && told.steps("TLS").is_empty(), "the tunnel may be as good: {}", told.text);
    upstream.untouched(1);

    let proxy = Socks::start(upstream.pop3d.address());
    let by_proxy = format!("tls: none, socks5: \"{}\"", proxy.address);
    let told = doctor(&[upstream.account_at("pop.nowhere.invalid", &by_proxy)]);
    assert!(told.ok && told.step("connect").1.ends_with(&format!(" by the proxy {}", proxy.address)), "{}", told.text);
    assert_eq!(proxy.asked().len(), 1);
    upstream.untouched(2);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    drop(listener);
    let told = doctor(&[upstream.account_at("pop.nowhere.invalid", &format!("tls: none, socks5: \"{proxy}\""))]);
    assert_eq!(told.step("DNS"), ("ok", format!("left to the proxy {proxy}").as_str()));
    let (verdict, text) = told.step("connect");
    assert!(verdict == "FAIL" && text.starts_with(&format!("cannot connect: proxy {proxy}: ")), "{text}");
    assert!(told.settings().is_empty(), "the port of the server is not to blame: {}", told.text);
    upstream.untouched(2);
}

#[test]
fn accounts_are_probed_at_the_same_time_and_shown_in_their_order() {
    let (slow, quick) = (Upstream::filled(Settings::default()), Upstream::filled(Settings::default()));
    let gate = Arc::new(Semaphore::new(0));
    slow.pop3d.fault(Fault::once(Verb::Greeting, Action::Wait(Arc::clone(&gate))));
    let accounts = [slow.account("tls: none"), quick.account("tls: none"), quick.account("tls: starttls")];
    let told = std::thread::scope(|scope| {
        let told = scope.spawn(|| doctor(&accounts));
        quick.runtime.block_on(quick.pop3d.seen("QUIT"));
        gate.add_permits(1);
        told.join().unwrap()
    });
    let names: Vec<_> = told.text.lines().filter(|line| line.starts_with("robin/")).collect();
    assert_eq!(names, ["robin/a", "robin/b", "robin/c"]);
    assert_eq!(told.steps("login").len(), 2, "{}", told.text);
    assert!(told.text.ends_with("tributary: 1 of 3 maildrops cannot be polled\n"), "{}", told.text);
    slow.untouched(1);
    quick.untouched(2);
}

#[test]
fn one_account_is_chosen_by_its_name() {
    let (one, other) = (Upstream::filled(Settings::default()), Upstream::filled(Settings::default()));
    let accounts = [one.account("tls: none"), other.account("tls: none")];
    for name in ["b", "robin/b"] {
        let Told { ok, text } = doctor_with("", &accounts, &[name]);
        assert!(ok && text.starts_with("robin/b\n") && !text.contains("robin/a"), "{text}");
    }
    one.untouched(0);
    other.untouched(2);
}
