//! Accounts that log in by OAuth 2.0 access tokens: by both methods, with one renewal, and never by anything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tributary::demo::pop3d::{Pop3d, Settings as ServerSettings};
use tributary::oauth::TokenSource;
use tributary::poll::{AccountSettings, Login, PollResult};
use tributary::pop3::Method;
use tributary::secret::{Secret, SecretSource};
use tributary::status::AccountState;

use super::support::*;

const TOKEN: &str = "token.of~demo+/=";

/// A server with a message, at which [`TOKEN`] is both the token and the password.
async fn accepting(methods: &[Method]) -> Pop3d {
    let settings = ServerSettings { password: TOKEN.to_owned(), ..ServerSettings::default() };
    let server = Pop3d::start(settings.accepting(methods)).await.unwrap();
    server.deliver("a", message("a"));
    server
}

/// Gives these tokens one after the other, the last one again and again; and how often it was asked for one.
fn tokens(list: &[&str]) -> (Login, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, list) = (asked.clone(), list.iter().map(|token| Secret::new(*token)).collect::<Vec<_>>());
    let next = move || {
        let index = count.fetch_add(1, Ordering::Relaxed).min(list.len() - 1);
        Ok(list[index].clone())
    };
    (Login::Token(TokenSource::command(SecretSource::program(next))), asked)
}

struct Outcome {
    result: PollResult,
    state: AccountState,
    tokens: usize,
    stored: usize,
}

/// One poll with these tokens.
async fn poll(server: &Pop3d, list: &[&str], method: Option<Method>) -> Outcome {
    let (login, asked) = tokens(list);
    let house = House::of(vec![AccountSettings { login, method, ..account("a", server.address()) }]).await;
    let report = house.poll("u/a").await;
    let text = format!("{report:?} {:?}", house.status.borrow()["u/a"]);
    assert!(list.iter().all(|token| !text.contains(token)), "{text}");
    let state = house.status.borrow()["u/a"].state;
    let stored = house.messages("a").await.len();
    house.stop().await;
    Outcome { result: report.result, state, tokens: asked.load(Ordering::Relaxed), stored }
}

fn logged_in_by(server: &Pop3d, method: Method) -> bool {
    server.log().contains(&format!("(logged in by {})", method.label()))
}

#[tokio::test]
async fn a_token_logs_in_by_either_method() {
    for method in [Method::Xoauth2, Method::OauthBearer] {
        for forced in [None, Some(method)] {
            let server = accepting(&[Method::User, Method::Plain, method]).await;
            let outcome = poll(&server, &[TOKEN], forced).await;
            assert_eq!((outcome.result, outcome.tokens, outcome.stored), (PollResult::Ok, 1, 1));
            assert!(logged_in_by(&server, method), "{:?}", server.log());
            assert_eq!(server.counters().connections, 1);
        }
    }
    let both = accepting(&[Method::Xoauth2, Method::OauthBearer]).await;
    assert_eq!(poll(&both, &[TOKEN], None).await.result, PollResult::Ok);
    assert!(logged_in_by(&both, Method::OauthBearer), "the standard is taken before what was there before it");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_in_the_same_poll() {
    for method in [Method::Xoauth2, Method::OauthBearer] {
        let server = accepting(&[method]).await;
        let outcome = poll(&server, &["stale-1", TOKEN], None).await;
        assert_eq!((outcome.result, outcome.state), (PollResult::Ok, AccountState::Ok));
        assert_eq!((outcome.tokens, outcome.stored), (2, 1));
        assert_eq!((server.counters().connections, sent(&server, "AUTH")), (2, 2));
    }
}

#[tokio::test]
async fn a_second_refusal_is_a_refused_login() {
    let server = accepting(&[Method::User, Method::Plain, Method::Xoauth2, Method::OauthBearer]).await;
    let outcome = poll(&server, &["stale-1", "stale-2", TOKEN], None).await;
    assert_eq!((outcome.result, outcome.state), (PollResult::Auth, AccountState::AuthFailed));
    assert_eq!((outcome.tokens, outcome.stored), (2, 0), "not asked for a third");
    assert_eq!((server.counters().connections, server.counters().logins), (2, 0));
}

/// The server would take the token as a password.
#[tokio::test]
async fn a_token_is_never_sent_as_a_password() {
    let server = accepting(&[Method::User, Method::Apop, Method::Plain, Method::Login, Method::CramMd5]).await;
    let outcome = poll(&server, &[TOKEN], None).await;
    assert_eq!((outcome.result, outcome.state), (PollResult::Auth, AccountState::AuthFailed));
    assert_eq!(outcome.tokens, 1, "another token would be of no more use");
    assert_eq!(server.counters().connections, 1);
    for command in ["USER", "PASS", "APOP", "AUTH"] {
        assert_eq!(sent(&server, command), 0, "{:?}", server.log());
    }
    // Nor where only the token is refused.
    let server = accepting(&[Method::User, Method::Plain, Method::Xoauth2]).await;
    assert_eq!(poll(&server, &["stale-1"], None).await.result, PollResult::Auth);
    assert_eq!((sent(&server, "USER"), sent(&server, "PASS"), sent(&server, "AUTH")), (0, 0, 2));
}

#[tokio::test]
async fn without_a_token_no_server_is_bothered() {
    let server = accepting(&[Method::Xoauth2]).await;
    let missing = SecretSource::program(|| Err("the program has no token".to_owned()));
    let login = Login::Token(TokenSource::command(missing));
    let house = House::of(vec![AccountSettings { login, ..account("a", server.address()) }]).await;
    let report = house.poll("u/a").await;
    assert_eq!((report.result, server.counters().connections), (PollResult::Auth, 0));
    assert!(report.error.as_ref().unwrap().contains("the program has no token"), "{report:?}");
    house.stop().await;
}
