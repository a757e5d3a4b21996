//! Tokens of a login that was made: renewed in time, once, and saved before they are used.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tributary::oauth::{Error, TokenSource};
use tributary::poll::Login;

use crate::provider::{Account, Answer, CLIENT_SECRET, error, granted, tokens};
use crate::support;

/// The token, or the error in words.
async fn text(source: &TokenSource, renew: bool) -> String {
    source.token(renew).await.map_or_else(|error| error.to_string(), |token| token.secret.expose().to_owned())
}

fn needs_login(error: &Error) -> bool {
    matches!(error, Error::LoginNeeded(words) if words.contains("run `tributary oauth u/work`"))
}

#[tokio::test]
async fn a_token_serves_until_shortly_before_its_end_without_asking() {
    let account = Account::logged_in(3600).await;
    let source = account.source();
    let token = source.token(false).await.unwrap();
    assert_eq!(token.secret.expose(), "access-1");
    assert_eq!(source.expiry(), token.expires);
    let left = token.expires.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left <= Duration::from_secs(3600), "{left:?}");
    assert_eq!(text(&source, false).await, "access-1");
    assert_eq!(account.provider.asked("/token").len(), 0);
}

#[tokio::test]
async fn an_ended_token_is_renewed_and_the_new_refresh_token_kept_before_it_is_used() {
    let account = Account::logged_in(0).await;
    let source = account.source();
    account.provider.will("/token", [granted(2, 0), granted(3, 3600)]);
    assert_eq!(text(&source, false).await, "access-2");
    assert_eq!(
        (&account.kept()["access_token"], &account.kept()["refresh_token"]),
        (&"access-2".into(), &"refresh-2".into())
    );
    assert_eq!(text(&source, false).await, "access-3", "a token that lives no time is renewed each time");
    assert_eq!(text(&source, false).await, "access-3");
    let asked = account.provider.asked("/token");
    let refresh: Vec<_> = asked.iter().map(|form| form["refresh_token"].as_str()).collect();
    assert_eq!(refresh, ["refresh-1", "refresh-2"]);
    assert_eq!((asked[0]["grant_type"].as_str(), asked[0]["client_secret"].as_str()), ("refresh_token", CLIENT_SECRET));
    assert!(!asked[0].contains_key("scope"), "what was granted, no more and no less");
}

#[tokio::test]
async fn an_answer_without_a_refresh_token_leaves_the_old_one() {
    let account = Account::logged_in(0).await;
    let answer = r#"{"access_token":"access-2","token_type":"Bearer","expires_in":3600}"#;
    account.provider.will("/token", [Answer::Say(200, answer.to_owned())]);
    assert_eq!(text(&account.source(), false).await, "access-2");
    assert_eq!(account.kept()["refresh_token"], "refresh-1");
}

#[tokio::test]
async fn a_token_that_the_server_refused_is_renewed_though_it_has_not_ended() {
    let account = Account::logged_in(3600).await;
    let source = account.source();
    assert_eq!(text(&source, false).await, "access-1");
    account.provider.will("/token", [granted(2, 3600)]);
    assert_eq!(text(&source, true).await, "access-2");
    assert_eq!(text(&source, false).await, "access-2");
}

#[tokio::test]
async fn callers_at_the_same_time_cause_one_renewal() {
    let account = Account::logged_in(0).await;
    let source = account.source();
    let gate = Arc::new(Semaphore::new(0));
    account.provider.will("/token", [Answer::After(Arc::clone(&gate), tokens(2, 3600))]);
    let call = |renew| {
        let source = source.clone();
        tokio::spawn(async move { text(&source, renew).await })
    };
    let first = call(true);
    account.provider.until_asked("/token", 1).await;
    let more: Vec<_> = (0..8).map(|number| call(number % 2 == 0)).collect();
    // They have asked: one thread runs all, in the order in which they were made.
    tokio::task::yield_now().await;
    gate.add_permits(1);
    assert_eq!(first.await.unwrap(), "access-2");
    for call in more {
        assert_eq!(call.await.unwrap(), "access-2");
    }
    assert_eq!(account.provider.asked("/token").len(), 1);
}

#[tokio::test]
async fn two_processes_do_not_use_a_refresh_token_twice() {
    let account = Account::logged_in(0).await;
    let (one, other) = (account.source(), account.source());
    let gate = Arc::new(Semaphore::new(0));
    account.provider.will("/token", [Answer::After(Arc::clone(&gate), tokens(2, 3600))]);
    let (a, b, ()) = tokio::join!(text(&one, false), text(&other, false), async {
        account.provider.until_asked("/token", 1).await;
        gate.add_permits(1);
    });
    assert_eq!((a.as_str(), b.as_str()), ("access-2", "access-2"));
    assert_eq!(account.provider.asked("/token").len(), 1);
}

#[tokio::test]
async fn a_renewal_is_saved_though_nobody_waits_for_it_any_more() {
    let account = Account::logged_in(0).await;
    let source = account.source();
    let gate = Arc::new(Semaphore::new(0));
    account.provider.will("/token", [Answer::After(Arc::clone(&gate), tokens(2, 3600))]);
    tokio::select! {
        token = source.token(false) => panic!("{token:?}"),
        () = account.provider.until_asked("/token", 1) => {}
    }
    gate.add_permits(1);
    assert_eq!(text(&source, false).await, "access-2");
    assert_eq!(account.kept()["refresh_token"], "refresh-2");
    assert_eq!(account.provider.asked("/token").len(), 1);
}

#[tokio::test]
async fn what_cannot_be_saved_is_not_used_and_saved_later_without_asking_again() {
    let account = Account::logged_in(0).await;
    let source = account.source();
    let gate = Arc::new(Semaphore::new(0));
    account.provider.will("/token", [Answer::After(Arc::clone(&gate), tokens(2, 3600))]);
    let (directory, aside) = (account.directory(), account.dir.path().join("aside"));
    let (answer, ()) = tokio::join!(source.token(false), async {
        account.provider.until_asked("/token", 1).await;
        std::fs::rename(&directory, &aside).unwrap();
        std::fs::write(&directory, "in the way").unwrap();
        gate.add_permits(1);
    });
    let Err(Error::Unavailable(reason)) = answer else { panic!("{answer:?}") };
    assert!(reason.contains("cannot save"), "{reason}");
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&aside, &directory).unwrap();
    assert_eq!(account.kept()["refresh_token"], "refresh-1");
    assert_eq!(text(&source, false).await, "access-2");
    assert_eq!(account.kept()["refresh_token"], "refresh-2");
    assert_eq!(account.provider.asked("/token").len(), 1);
}

#[tokio::test]
async fn an_ended_login_asks_for_a_person_and_a_new_one_is_seen() {
    let account = Account::logged_in(0).await;
    let source = account.source();
    account.provider.will("/token", [error(400, "invalid_grant")]);
    let ended = source.token(false).await.unwrap_err();
    assert!(needs_login(&ended) && ended.to_string().contains("invalid_grant"), "{ended}");
    assert!(source.expiry().unwrap() <= SystemTime::now(), "stays in the past");
    assert!(needs_login(&source.token(true).await.unwrap_err()));
    assert_eq!(account.provider.asked("/token").len(), 1, "the provider is left alone");
    account.log_in_again(3, 3600).await;
    assert_eq!(text(&source, true).await, "access-3");
    assert_eq!(account.provider.asked("/token").len(), 0, "the new one was never refused");
    assert!(source.expiry().unwrap() > SystemTime::now());
}

#[tokio::test]
async fn without_a_login_a_person_is_asked_for_and_the_first_one_is_seen() {
    let account = Account::logged_in(3600).await;
    let kept = account.kept().to_string();
    std::fs::remove_file(&account.settings.file).unwrap();
    let source = account.source();
    assert!(needs_login(&source.token(false).await.unwrap_err()));
    account.keep(&kept);
    assert_eq!(text(&source, false).await, "access-1");
    std::fs::remove_file(&account.settings.file).unwrap();
    assert!(needs_login(&source.token(false).await.unwrap_err()), "taking the file away ends the login");
}

#[tokio::test]
async fn a_refused_client_is_named() {
    for code in ["invalid_client", "unauthorized_client"] {
        let account = Account::logged_in(0).await;
        account.provider.will("/token", [error(401, code)]);
        let refused = account.source().token(false).await.unwrap_err();
        assert!(needs_login(&refused) && refused.to_string().contains("client_secret"), "{refused}");
    }
}

#[tokio::test]
async fn trouble_passes() {
    let account = Account::logged_in(0).await;
    let source = account.source();
    let elsewhere = format!("{}/elsewhere", account.provider.url);
    for (answer, words) in [
        (Answer::Page(500, "oops"), "answered 500"),
        (Answer::Page(503, "busy"), "answered 503"),
        (Answer::Redirect(elsewhere), "answered 307"),
        (error(400, "temporarily_unavailable"), "temporarily_unavailable"),
        (error(429, "slow_down"), "slow_down"),
        (Answer::Page(429, "slow down"), "not one of OAuth"),
        (Answer::Page(200, "<html>access-2"), "not one of OAuth"),
        (Answer::Say(200, String::new()), "not one of OAuth"),
        (Answer::Say(200, r#"{"access_token":1}"#.to_owned()), "not one of OAuth"),
        (Answer::Say(200, r#"{"access_token":"a\nb","token_type":"Bearer"}"#.to_owned()), "no usable access token"),
    ] {
        account.provider.will("/token", [answer]);
        let Err(Error::Unavailable(reason)) = source.token(false).await else { panic!("{words}") };
        assert!(reason.contains(words), "{reason}");
    }
    assert_eq!(account.provider.asked("/elsewhere").len(), 0, "secrets are not sent on");
    assert_eq!(account.kept()["refresh_token"], "refresh-1");
    account.provider.will("/token", [granted(2, 3600)]);
    assert_eq!(text(&source, false).await, "access-2");
}

#[tokio::test]
async fn trouble_shortly_before_the_end_is_bridged_by_the_old_token() {
    let account = Account::logged_in(3600).await;
    let mut kept = account.kept();
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 50;
    kept["expires"] = soon.into();
    account.keep(&kept.to_string());
    let source = account.source();
    account.provider.will("/token", [Answer::Page(503, "busy"), Answer::Page(503, "busy")]);
    assert_eq!(text(&source, false).await, "access-1");
    assert!(text(&source, true).await.contains("503"), "not when the server has refused it");
}

#[tokio::test]
async fn an_answer_longer_than_64_kib_is_not_read() {
    let account = Account::logged_in(0).await;
    let source = account.source();
    let padded = |length: usize| {
        let answer = tokens(2, 3600);
        Answer::Say(200, format!("{answer}{}", " ".repeat(length - answer.len())))
    };
    account.provider.will("/token", [padded(64 * 1024 + 1), padded(64 * 1024)]);
    let Err(Error::Unavailable(reason)) = source.token(false).await else { panic!("too long") };
    assert!(reason.contains("longer than"), "{reason}");
    assert_eq!(text(&source, false).await, "access-2");
}

#[tokio::test]
async fn a_provider_that_hangs_or_is_gone_is_given_up() {
    let account = Account::logged_in(0).await;
    let source = account.impatient_source();
    account.provider.will("/token", [Answer::Hang]);
    let Err(Error::Unavailable(reason)) = source.token(false).await else { panic!("hung") };
    assert!(reason.contains("no answer in time"), "{reason}");
    // A port that nobody listens on.
    let gone = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let mut settings = account.settings.clone();
    settings.provider.token_url = format!("http://{gone}/token");
    account
        .keep(&account.kept().to_string().replace(&account.settings.provider.token_url, &settings.provider.token_url));
    let Err(Error::Unavailable(reason)) = TokenSource::login(settings).token(false).await else { panic!("gone") };
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_to_another_machine() {
    let account = Account::logged_in(0).await;
    let mut settings = account.settings.clone();
    settings.provider.token_url = "http://login.example/token".to_owned();
    account
        .keep(&account.kept().to_string().replace(&account.settings.provider.token_url, &settings.provider.token_url));
    let Err(Error::Unavailable(reason)) = TokenSource::login(settings).token(false).await else { panic!("sent") };
    assert!(reason.contains("https://"), "{reason}");
}

#[tokio::test]
async fn a_login_that_cannot_be_renewed_serves_until_its_end() {
    let account = Account::logged_in(3600).await;
    let mut kept = account.kept();
    kept["refresh_token"] = serde_json::Value::Null;
    account.keep(&kept.to_string());
    let source = account.source();
    assert_eq!(text(&source, false).await, "access-1");
    assert!(needs_login(&source.token(true).await.unwrap_err()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (expires, serves) in [(now + 50, true), (now - 1, false)] {
        kept["expires"] = expires.into();
        account.keep(&kept.to_string());
        assert_eq!(source.token(false).await.map_err(|error| needs_login(&error)).is_ok(), serves);
    }
    assert_eq!(account.provider.asked("/token").len(), 0);
}

#[tokio::test]
async fn no_secret_is_printed() {
    let account = Account::logged_in(0).await;
    let source = account.source();
    let answer = serde_json::json!({ "error": "invalid_client", "error_description": format!("bad {CLIENT_SECRET}") });
    account.provider.will("/token", [Answer::Say(401, answer.to_string())]);
    let error = source.token(false).await.unwrap_err();
    let printed = format!("{source:?} {:?} {error} {error:?}", account.settings);
    for secret in [CLIENT_SECRET, "access-1", "refresh-1"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn the_metric_shows_the_end_of_the_token_even_when_it_cannot_be_renewed() {
    let account = Account::logged_in(0).await;
    let ended = account.source();
    let settings = || {
        // Nobody listens there: the token is fetched before.
        let mut settings = support::account("work", ([127, 0, 0, 1], 1).into());
        settings.login = Login::Token(ended.clone());
        settings
    };
    let password = support::account("other", ([127, 0, 0, 1], 1).into());
    let house = support::House::of(vec![settings(), password]).await;
    account.provider.will("/token", [error(400, "invalid_grant"), granted(2, 3600)]);
    let name = "tributary_oauth_token_expiry_timestamp_seconds";
    let report = house.poll("u/work").await;
    assert!(report.error.unwrap().contains("run `tributary oauth u/work`"));
    let shown = house.metric(name, &["u/work"]);
    assert_eq!(shown, ended.expiry().unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs_f64());
    house.poll("u/other").await;
    let families = house.registry.gather();
    let family = families.iter().find(|family| family.name() == name).unwrap();
    assert_eq!(family.get_metric().len(), 1, "accounts without tokens have none");
    house.stop().await;
}
