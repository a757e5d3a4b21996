//! Who may see what.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;
use crate::auth::{Known, Password, UserSettings};
use crate::secret::Secret;

/// A browser: a cookie, and the token of its forms.
pub(super) struct Browser {
    pub(super) cookie: String,
    pub(super) token: String,
}

pub(super) fn form(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
}

pub(super) async fn get(server: &Server, path: &str, headers: &str) -> String {
    ask(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

pub(super) async fn login(server: &Server, user: &str) -> Browser {
    let answer = ask(server, &form("/login", "", &format!("user={user}&password=secret"))).await;
    assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains("location: /\r\n"), "{answer}");
    let (_, cookie) = answer.split_once("set-cookie: ").expect("a cookie");
    let (cookie, attributes) = cookie.split_once(';').expect("attributes");
    assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Strict") && attributes.contains("Path=/"));
    let cookie = format!("Cookie: {cookie}\r\n");
    let page = get(server, "/", &cookie).await;
    let (_, token) = page.split_once("name=\"token\" value=\"").expect("a form");
    let (token, _) = token.split_once('"').expect("a token");
    Browser { token: token.to_owned(), cookie }
}

#[tokio::test]
async fn users_see_what_is_theirs_and_administrators_everything() {
    let server = start().await;
    let (alices, bobs) = (["alice/isp", "Mail of alice", "Box-alice"], ["bob/work", "Mail of bob", "Box-bob"]);
    for (user, sees, sees_not) in [("alice", &alices, &bobs), ("bob", &bobs, &alices)] {
        let browser = login(&server, user).await;
        for (path, headers) in
            [("/", &browser.cookie), ("/api/status", &browser.cookie), ("/api/status", &basic(user, "secret"))]
        {
            let seen = get(&server, path, headers).await;
            assert!(seen.starts_with("HTTP/1.1 200 ") && seen.contains("cache-control: no-store"), "{seen}");
            assert!(sees.iter().all(|text| seen.contains(text)), "{user} {path}: {seen}");
            assert!(sees_not.iter().all(|text| !seen.contains(text)), "{user} {path}: {seen}");
        }
    }
    let seen = get(&server, "/api/status", &login(&server, "root").await.cookie).await;
    assert!(alices.iter().chain(&bobs).all(|text| seen.contains(text)), "{seen}");
    let (_, body) = seen.split_once("\r\n\r\n").expect("body");
    let json: serde_json::Value = serde_json::from_str(body).expect("json");
    let of = |key: &str| json[key].as_array().expect(key).len();
    assert_eq!((of("accounts"), of("devices"), of("mailboxes"), of("events")), (3, 2, 2, 3));
    assert_eq!(json["events"][0]["user"], serde_json::Value::Null, "the newest first; what is nobody's too");
    assert_eq!(
        json["accounts"].as_array().expect("accounts").iter().find(|one| one["account"] == "alice/isp").expect("isp")["state"],
        "backoff"
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let server = start().await;
    let attempt = async |body: &str| {
        let answer = ask(&server, &form("/login", "", body)).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("set-cookie"), "{answer}");
        answer.split_once("\r\n\r\n").expect("body").1.to_owned()
    };
    let wrong = attempt("user=alice&password=wrong").await;
    assert!(wrong.contains("Wrong user name or password."), "{wrong}");
    assert_eq!(attempt("user=nobody&password=secret").await, wrong);
    let long = "x".repeat(1_025);
    assert_eq!(attempt(&format!("user={long}&password=secret")).await, wrong);
    for credentials in [basic("alice", "wrong"), basic("nobody", "secret"), "Authorization: Basic ?\r\n".to_owned()] {
        assert!(get(&server, "/api/status", &credentials).await.starts_with("HTTP/1.1 401 "));
    }
    assert!(ask(&server, &form("/login", "", "user=alice")).await.starts_with("HTTP/1.1 422 "));
    let headers = "Origin: http://evil.example\r\n";
    let foreign = ask(&server, &form("/login", headers, "user=alice&password=secret")).await;
    assert!(foreign.starts_with("HTTP/1.1 403 ") && !foreign.contains("set-cookie"), "{foreign}");
}

#[tokio::test]
async fn a_proxy_with_tls_has_secure_cookies_and_one_without_is_refused() {
    let server = start().await;
    let body = "user=alice&password=secret";
    let answer = ask(&server, &form("/login", "X-Forwarded-Proto: https\r\n", body)).await;
    assert!(answer.contains("; Secure"), "{answer}");
    let headers = "X-Forwarded-Proto: http\r\n";
    let answer = ask(&server, &form("/login", headers, body)).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("http.allow_cleartext_login"), "{answer}");
    let open = start_with(Desk { takes_cleartext: true, ..Desk::default() }).await;
    assert!(ask(&open, &form("/login", headers, body)).await.starts_with("HTTP/1.1 303 "));
}

#[tokio::test]
async fn a_session_ends_by_logout_and_by_another_password() {
    let server = start().await;
    let (one, other) = (login(&server, "alice").await, login(&server, "alice").await);
    let refused = ask(&server, &form("/logout", &one.cookie, "token=x")).await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let out = ask(&server, &form("/logout", &one.cookie, &format!("token={}", one.token))).await;
    assert!(out.starts_with("HTTP/1.1 303 ") && out.contains("set-cookie: tributary=; "), "{out}");
    let is_in = async |browser: &Browser| !get(&server, "/", &browser.cookie).await.contains("action=\"/login\"");
    assert!(!is_in(&one).await && is_in(&other).await);
    let user =
        |password: &str| UserSettings { name: "alice".to_owned(), password: Password::Plain(Secret::new(password)) };
    server.users.replace(Known::new(vec![user("other")]).expect("users"));
    assert!(!is_in(&other).await);
    assert!(get(&server, "/api/status", &other.cookie).await.starts_with("HTTP/1.1 401 "));
}

/// Reads events up to one of this name; its data.
async fn event(stream: &mut BufReader<TcpStream>, name: &str) -> String {
    let (mut line, mut is_it) = (String::new(), false);
    loop {
        line.clear();
        assert!(stream.read_line(&mut line).await.expect("read") > 0, "the stream ended before {name}");
        if let Some(event) = line.strip_prefix("event: ") {
            is_it = event.trim_end() == name;
        } else if let Some(data) = line.strip_prefix("data: ").filter(|_| is_it) {
            return data.to_owned();
        }
    }
}

#[tokio::test]
async fn a_page_is_told_what_changes_until_it_logs_out() {
    let server = start().await;
    let browser = login(&server, "alice").await;
    let mut stream = TcpStream::connect(server.address).await.expect("connect");
    stream
        .write_all(format!("GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n", browser.cookie).as_bytes())
        .await
        .expect("write");
    let mut stream = BufReader::new(stream);
    let first = event(&mut stream, "events").await;
    assert!(first.contains("<strong>isp</strong>") && !first.contains("work"), "{first}");
    server.events.of_account("alice/isp", status::EventKind::NewMail { messages: 17 });
    assert!(event(&mut stream, "events").await.contains("17 new messages"));
    ask(&server, &form("/logout", &browser.cookie, &format!("token={}", browser.token))).await;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.expect("the end of the stream");
    let gone = get(&server, "/live", &browser.cookie).await;
    assert!(gone.starts_with("HTTP/1.1 204 "), "{gone}");
}

#[tokio::test]
async fn pages_that_stay_open_starve_nobody_and_hold_up_no_end() {
    let server = start().await;
    let browser = login(&server, "alice").await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(server.address).await.expect("connect");
        let request = format!("GET /live HTTP/1.1\r\nHost: x\r\n{}\r\n", browser.cookie);
        stream.write_all(request.as_bytes()).await.expect("write");
        let mut stream = BufReader::new(stream);
        event(&mut stream, "accounts").await;
        open.push(stream);
    }
    assert!(get(&server, "/live", &browser.cookie).await.starts_with("HTTP/1.1 503 "), "one past the limit");
    for _ in 0..100 {
        assert!(fetch(&server, "/healthz").await.starts_with("HTTP/1.1 200 "));
    }
    server.stop.cancel();
    for stream in &mut open {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.expect("the end of the stream");
    }
    server.task.await.expect("it ends");
}

#[tokio::test]
async fn files_of_the_page_may_be_kept_under_the_url_of_their_content() {
    let server = start().await;
    let url = assets::asset_url("style.css");
    let kept = fetch(&server, &url).await;
    assert!(
        kept.contains("cache-control: public, max-age=31536000, immutable") && kept.contains("content-type: text/css")
    );
    for url in ["/assets/style.css", "/assets/style.css?v=other"] {
        assert!(fetch(&server, url).await.contains("cache-control: no-cache"), "{url}");
    }
    assert!(fetch(&server, "/assets/script.js").await.contains("content-type: text/javascript"));
    for path in ["/assets/other.css", "/assets/..%2fmod.rs", "/assets/%2fetc%2fpasswd"] {
        assert!(fetch(&server, path).await.starts_with("HTTP/1.1 404 "), "{path}");
    }
}
