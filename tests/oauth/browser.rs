//! Login in a browser (RFC 8252): the test is the browser.

use std::time::Duration;

use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tributary::oauth::{Flow, LoginError, Options, Prompt};

use crate::provider::{Account, Answer, Browsing, device_code, error, granted};

async fn account() -> Account {
    Account::new(Flow::Browser).await
}

/// Where the redirect goes: `127.0.0.1:PORT`.
fn address(browsing: &Browsing) -> String {
    browsing.parameter("redirect_uri").strip_prefix("http://").unwrap().to_owned()
}

/// Sends a request as it is and returns all that comes back.
async fn send(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(browsing: &Browsing, target: &str) -> String {
    send(&address(browsing), &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await
}

#[tokio::test]
async fn the_redirect_with_the_right_state_logs_in() {
    let account = account().await;
    account.provider.will("/token", [granted(1, 3600)]);
    let browsing = account.browsing(Options::default()).await;
    assert_eq!(browsing.parameter("response_type"), "code");
    assert_eq!(browsing.parameter("client_id"), "client-1");
    assert_eq!(browsing.parameter("scope"), "mail.read offline_access");
    assert_eq!(browsing.parameter("login_hint"), "u@example.com");
    assert_eq!(browsing.parameter("code_challenge_method"), "S256");
    assert!(browsing.parameter("redirect_uri").starts_with("http://127.0.0.1:"));
    let (state, challenge) = (browsing.parameter("state"), browsing.parameter("code_challenge"));
    let answer = get(&browsing, &format!("/?state={state}&code=code%2F1")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("You can close this window."), "{answer}");
    let (redirect, address) = (browsing.parameter("redirect_uri"), address(&browsing));
    let grant = browsing.login.await.unwrap().unwrap();
    assert!(grant.renewable);
    assert_eq!(account.kept()["access_token"], "access-1");
    let asked = &account.provider.asked("/token")[0];
    assert_eq!((asked["grant_type"].as_str(), asked["code"].as_str()), ("authorization_code", "code/1"));
    assert_eq!(asked["redirect_uri"], redirect);
    let verifier = PkceCodeVerifier::new(asked["code_verifier"].clone());
    assert_eq!(PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str(), challenge);
    assert!(TcpStream::connect(&address).await.is_err(), "one redirect is enough");
}

#[tokio::test]
async fn anything_else_is_turned_away_and_changes_nothing() {
    let account = account().await;
    account.provider.will("/token", [granted(1, 3600)]);
    let browsing = account.browsing(Options::default()).await;
    let (address, state) = (address(&browsing), browsing.parameter("state"));
    let _idle = TcpStream::connect(&address).await.unwrap();
    for target in
        ["/", "/favicon.ico", "/?code=evil", "/?code=evil&state=wrong", "/x?code=evil", "/?error=access_denied"]
    {
        let answer = get(&browsing, target).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{target}: {answer}");
    }
    let post = format!("POST /?code=evil&state={state} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert!(send(&address, &post).await.starts_with("HTTP/1.1 404 "));
    get(&browsing, &format!("/?code=good&state={state}")).await;
    browsing.login.await.unwrap().unwrap();
    assert_eq!(account.provider.asked("/token")[0]["code"], "good");
}

#[tokio::test]
async fn requests_are_bounded() {
    let account = account().await;
    let browsing = account.browsing(Options::default()).await;
    let request = |length: usize| {
        let (start, end) = ("GET /x HTTP/1.1\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
    };
    let address = address(&browsing);
    assert!(send(&address, &request(8192)).await.starts_with("HTTP/1.1 404 "));
    assert!(send(&address, &request(8193)).await.starts_with("HTTP/1.1 431 "));
    browsing.login.abort();
}

#[tokio::test]
async fn a_person_who_says_no_ends_it() {
    let account = account().await;
    for (query, wanted) in [
        ("error=access_denied", LoginError::Denied("access_denied".to_owned())),
        ("error=invalid_scope&error_description=no+mail", LoginError::Refused("invalid_scope: no mail".to_owned())),
    ] {
        let browsing = account.browsing(Options::default()).await;
        let state = browsing.parameter("state");
        let answer = get(&browsing, &format!("/?{query}&state={state}")).await;
        assert!(answer.contains("The login has failed."), "{answer}");
        assert_eq!(browsing.login.await.unwrap(), Err(wanted));
    }
    assert_eq!(account.provider.asked("/token").len(), 0);
}

#[tokio::test]
async fn a_code_that_the_provider_does_not_take_is_no_login() {
    let account = account().await;
    account.provider.will("/token", [error(400, "invalid_grant")]);
    let browsing = account.browsing(Options::default()).await;
    get(&browsing, &format!("/?code=c&state={}", browsing.parameter("state"))).await;
    let refused = LoginError::Refused("invalid_grant: about invalid_grant".to_owned());
    assert_eq!(browsing.login.await.unwrap(), Err(refused));
    assert!(!account.settings.file.exists());
}

#[tokio::test]
async fn nobody_in_time_is_no_login() {
    let account = account().await;
    let browsing = account.browsing(Options { patience: Duration::ZERO, ..Options::default() }).await;
    assert_eq!(browsing.login.await.unwrap(), Err(LoginError::Expired));
}

#[tokio::test]
async fn the_address_may_be_pasted_from_a_browser_elsewhere() {
    let account = account().await;
    account.provider.will("/token", [granted(1, 3600)]);
    let (paste, pasted) = mpsc::channel(1);
    let mut browsing = account.browsing(Options { pasted: Some(pasted), ..Options::default() }).await;
    let (redirect, state) = (browsing.parameter("redirect_uri"), browsing.parameter("state"));
    for wrong in ["\n".to_owned(), "good\n".to_owned(), format!("{redirect}/?code=evil&state=wrong\n")] {
        let note = !wrong.trim().is_empty();
        paste.send(wrong).await.unwrap();
        if note {
            let said = browsing.prompts.recv().await.unwrap();
            assert!(matches!(&said, Prompt::Note(note) if note.contains("paste the whole address")), "{said:?}");
        }
    }
    paste.send(format!("  {redirect}/?code=good&state={state}\r\n")).await.unwrap();
    browsing.login.await.unwrap().unwrap();
    assert_eq!(account.provider.asked("/token")[0]["code"], "good");
}

#[tokio::test]
async fn a_terminal_that_closes_does_not_end_the_wait() {
    let account = account().await;
    account.provider.will("/token", [granted(1, 3600)]);
    let (paste, pasted) = mpsc::channel(1);
    drop(paste);
    let browsing = account.browsing(Options { pasted: Some(pasted), ..Options::default() }).await;
    get(&browsing, &format!("/?code=c&state={}", browsing.parameter("state"))).await;
    browsing.login.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_provider_without_device_codes_is_asked_by_the_browser() {
    for (device, token) in [
        (error(400, "invalid_scope"), None),
        (error(401, "invalid_client"), None),
        (Answer::Page(404, "<html>not here"), None),
        (Answer::Say(200, device_code("verification_uri", 0, 900)), Some(error(400, "unauthorized_client"))),
    ] {
        let mut account = account().await;
        account.settings.flow = Flow::Device;
        account.provider.will("/device", [device]);
        account.provider.will("/token", token.into_iter().chain([granted(1, 3600)]));
        let browsing = account.browsing(Options::default()).await;
        let Some(Prompt::Note(note)) = browsing.notes.last() else { panic!("{:?}", browsing.notes) };
        assert!(note.contains("`flow: browser`"), "{note}");
        get(&browsing, &format!("/?code=c&state={}", browsing.parameter("state"))).await;
        browsing.login.await.unwrap().unwrap();
        assert_eq!(account.kept()["access_token"], "access-1");
    }
}
