//! Every method of login, asked for and chosen; what is tried when one fails, and what is not.

use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings as ServerSettings};
use tributary::poll::{AccountSettings, Tls};
use tributary::pop3::{Method, Verb};

use super::support::*;
use super::tls::Certificate;

/// Methods for a password that need no TLS channel of their own.
const FOR_PASSWORD: [Method; 7] =
    [Method::User, Method::Apop, Method::Plain, Method::Login, Method::CramMd5, Method::ScramSha1, Method::ScramSha256];

async fn accepting(methods: &[Method]) -> Pop3d {
    let server = Pop3d::start(ServerSettings::default().accepting(methods)).await.unwrap();
    server.deliver("a", message("a"));
    server
}

/// What the account's one poll came to, and how the server was logged in to.
async fn poll(server: &Pop3d, account: AccountSettings) -> (&'static str, Vec<String>) {
    let house = House::of(vec![account]).await;
    let result = house.poll("u/a").await.result.label();
    house.stop().await;
    let logins =
        server.log().iter().filter_map(|line| line.strip_prefix("(logged in by ").map(str::to_owned)).collect();
    assert_eq!(server.counters().pipelined, 0);
    (result, logins)
}

fn logged_in_by(method: Method) -> (&'static str, Vec<String>) {
    ("ok", vec![format!("{})", method.label())])
}

#[tokio::test]
async fn each_method_that_is_asked_for_logs_in() {
    for method in FOR_PASSWORD {
        let server = accepting(&FOR_PASSWORD).await;
        let forced = AccountSettings { method: Some(method), ..account("a", server.address()) };
        assert_eq!(poll(&server, forced).await, logged_in_by(method));
    }
}

#[tokio::test]
async fn a_method_that_is_asked_for_is_the_only_one() {
    let server = accepting(&[Method::User, Method::Plain]).await;
    for method in [Method::CramMd5, Method::ScramSha256, Method::Apop, Method::Login] {
        let forced = AccountSettings { method: Some(method), ..account("a", server.address()) };
        assert_eq!(poll(&server, forced).await, ("auth", vec![]), "{method:?}");
    }
}

#[tokio::test]
async fn the_strongest_method_that_is_offered_is_taken() {
    let certificate = Certificate::new("localhost");
    for method in FOR_PASSWORD {
        let settings = ServerSettings { tls: Some(certificate.config.clone()), ..ServerSettings::default() };
        let offered = if method == Method::User { vec![method] } else { vec![Method::User, method] };
        let server = Pop3d::start(settings.accepting(&offered)).await.unwrap();
        let certificate_sha256 = Some(certificate.pin());
        let plain = account("a", server.address());
        let secured = AccountSettings { tls: Tls::StartTls, host: "localhost".to_owned(), certificate_sha256, ..plain };
        assert_eq!(poll(&server, secured).await, logged_in_by(method));
    }
}

#[tokio::test]
async fn in_the_clear_apop_waits_to_be_asked_for() {
    let server = accepting(&[Method::User, Method::Apop]).await;
    assert_eq!(poll(&server, account("a", server.address())).await, logged_in_by(Method::User));
    assert!(!server.log().contains(&"APOP".to_owned()));
}

#[tokio::test]
async fn a_method_that_is_advertised_and_broken_gives_way_to_a_weaker_one() {
    for refusal in ["-ERR [AUTH] no\r\n", "-ERR not now\r\n"] {
        let server = accepting(&[Method::User, Method::ScramSha256, Method::CramMd5, Method::Plain]).await;
        let fault = Fault { times: Some(2), ..Fault::always(Verb::Auth, Action::Answer(refusal.into())) };
        server.fault(fault);
        assert_eq!(poll(&server, account("a", server.address())).await, logged_in_by(Method::Plain));
    }
    // APOP alike.
    let certificate = Certificate::new("localhost");
    let settings =
        ServerSettings { tls: Some(certificate.config.clone()), implicit_tls: true, ..ServerSettings::default() };
    let server = Pop3d::start(settings.accepting(&[Method::User, Method::Apop])).await.unwrap();
    server.fault(Fault::always(Verb::Apop, Action::Answer(b"-ERR [AUTH] no\r\n".to_vec())));
    let plain = account("a", server.address());
    let certificate_sha256 = Some(certificate.pin());
    let secured = AccountSettings { tls: Tls::Implicit, host: "localhost".to_owned(), certificate_sha256, ..plain };
    assert_eq!(poll(&server, secured).await, logged_in_by(Method::User));
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_on_and_on() {
    let server = accepting(&FOR_PASSWORD).await;
    let wrong = AccountSettings { login: password("wrong"), ..account("a", server.address()) };
    assert_eq!(poll(&server, wrong).await, ("auth", vec![]));
    let tries = server.log().iter().filter(|line| ["AUTH", "APOP", "PASS"].contains(&line.as_str())).count();
    assert_eq!(tries, 3);
    let server = accepting(&[Method::User, Method::Plain, Method::Login]).await;
    let wrong = AccountSettings { login: password("wrong"), ..account("a", server.address()) };
    assert_eq!(poll(&server, wrong).await, ("auth", vec![]));
    assert!(!server.log().contains(&"PASS".to_owned()), "[AUTH] to the password itself ends it");
}

#[tokio::test]
async fn lang_and_utf8_are_asked_for_where_they_are_offered() {
    let capabilities = Some(["UTF8", "LANG", "UIDL"].map(str::to_owned).to_vec());
    for answer in [None, Some("-ERR [SYS/PERM] no\r\n")] {
        let settings = ServerSettings { capabilities: capabilities.clone(), ..ServerSettings::default() };
        let server = Pop3d::start(settings).await.unwrap();
        for verb in [Verb::Lang, Verb::Utf8] {
            answer.into_iter().for_each(|text| server.fault(Fault::always(verb, Action::Answer(text.into()))));
        }
        assert_eq!(poll(&server, account("a", server.address())).await, logged_in_by(Method::User));
        let log = server.log();
        let at = |command: &str| log.iter().position(|line| line == command).unwrap();
        assert!(at("LANG en") < at("UTF8") && at("UTF8") < at("USER demo"), "{log:?}");
    }
}
