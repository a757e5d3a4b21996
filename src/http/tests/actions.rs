//! Who may do what.

use super::visitors::{Browser, form, get, login};
use super::*;

async fn act(server: &Server, browser: &Browser, path: &str) -> String {
    ask(server, &form(path, &browser.cookie, &format!("token={}", browser.token))).await
}

fn told(server: &Server) -> Vec<String> {
    std::mem::take(&mut *server.desk.told.lock().expect("lock"))
}

#[tokio::test]
async fn everybody_acts_on_what_is_theirs_and_administrators_on_everything() {
    let server = start().await;
    let (alice, root) = (login(&server, "alice").await, login(&server, "root").await);
    for (action, wanted) in [("poll", "poll alice/isp"), ("pause", "pause alice/isp"), ("resume", "resume alice/isp")] {
        let answer = act(&server, &alice, &format!("/accounts/alice/isp/{action}")).await;
        assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains("location: /\r\n"), "{answer}");
        assert_eq!(told(&server), [wanted]);
    }
    act(&server, &alice, "/devices/1/disconnect").await;
    assert_eq!(told(&server), ["disconnect 1"]);
    // What is not hers is answered like what is not there.
    let missing = act(&server, &alice, "/accounts/alice/other/poll").await;
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    let status = |answer: &str| answer.lines().next().map(str::to_owned);
    for path in [
        "/accounts/bob/work/poll",
        "/accounts/bob/other/poll",
        "/devices/2/disconnect",
        "/devices/9/disconnect",
        "/accounts/alice/isp/other",
    ] {
        let answer = act(&server, &alice, path).await;
        assert_eq!(status(&answer), status(&missing), "{path}");
        assert_eq!(answer.split_once("\r\n\r\n").map(|(_, body)| body), Some(""), "{path}");
    }
    assert_eq!(told(&server), Vec::<String>::new());
    act(&server, &root, "/accounts/bob/work/pause").await;
    act(&server, &root, "/devices/2/disconnect").await;
    assert_eq!(told(&server), ["pause bob/work", "disconnect 2"]);
}

#[tokio::test]
async fn what_was_done_is_said_once() {
    let server = start().await;
    let alice = login(&server, "alice").await;
    act(&server, &alice, "/accounts/alice/isp/pause").await;
    assert!(get(&server, "/", &alice.cookie).await.contains("alice/isp is paused."));
    assert!(!get(&server, "/", &alice.cookie).await.contains("alice/isp is paused."));
    act(&server, &alice, "/accounts/alice/full/poll").await;
    assert!(get(&server, "/", &alice.cookie).await.contains("not now"));
    let headers = format!("{}X-Requested-With: fetch\r\n", alice.cookie);
    let body = format!("token={}", alice.token);
    let answer = ask(&server, &form("/accounts/alice/isp/resume", &headers, &body)).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ")
            && answer.ends_with("{\"ok\":true,\"text\":\"alice/isp is polled again.\"}")
    );
    let answer = ask(&server, &form("/accounts/alice/full/poll", &headers, &body)).await;
    assert!(answer.starts_with("HTTP/1.1 409 ") && answer.ends_with("{\"ok\":false,\"text\":\"not now\"}"), "{answer}");
}

#[tokio::test]
async fn pages_of_others_do_nothing() {
    let server = start().await;
    let (alice, bob) = (login(&server, "alice").await, login(&server, "bob").await);
    let path = "/accounts/alice/isp/pause";
    let right = format!("token={}", alice.token);
    for (headers, body) in [
        (alice.cookie.clone(), String::new()),
        (alice.cookie.clone(), format!("token={}", bob.token)),
        (format!("{}Origin: http://evil.example\r\n", alice.cookie), right.clone()),
        (format!("{}Sec-Fetch-Site: cross-site\r\n", alice.cookie), right.clone()),
        ("Authorization: Basic YWxpY2U6c2VjcmV0\r\n".to_owned(), String::new()),
    ] {
        let answer = ask(&server, &form(path, &headers, &body)).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{headers}{body}: {answer}");
    }
    let stranger = ask(&server, &form(path, "", &right)).await;
    assert!(stranger.starts_with("HTTP/1.1 303 "), "who has not logged in gets the login page: {stranger}");
    assert_eq!(told(&server), Vec::<String>::new());
    let program = "Authorization: Basic YWxpY2U6c2VjcmV0\r\nX-Requested-With: curl\r\n";
    let answer = ask(&server, &form(path, program, "")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(told(&server), ["pause alice/isp"]);
}
