use std::net::SocketAddr;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::status::{AccountState, AccountStatus};

struct Server {
    address: SocketAddr,
    readiness: Readiness,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn start() -> Server {
    let readiness = Readiness::new();
    let account = AccountStatus {
        state: AccountState::Backoff,
        last_attempt: Some(SystemTime::UNIX_EPOCH),
        last_success: Some(SystemTime::UNIX_EPOCH),
        last_error: Some("cannot connect".to_owned()),
        listed: 5,
        backlog: 3,
        deletes_pending: 60,
        deletes_held: 60,
        deletes_for: vec![("expunged", 60)],
        quarantined: 1,
        too_large: vec![("u1".to_owned(), 200_000_000)],
        faults: vec!["no_uidl"],
        ..AccountStatus::default()
    };
    let accounts = [("alice/isp".to_owned(), account)].into_iter().collect();
    let deps = Deps {
        registry: Registry::new().expect("registry"),
        readiness: readiness.clone(),
        accounts: watch::Sender::new(accounts).subscribe(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router(deps), stop.clone()));
    Server { address, readiness, stop, task }
}

async fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.expect("connect");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    // A server that refuses may reset the connection after its answer.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn fetch(server: &Server, path: &str) -> String {
    ask(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn serves_every_endpoint() {
    let server = start().await;
    assert!(fetch(&server, "/healthz").await.starts_with("HTTP/1.1 200 "));
    let metrics = fetch(&server, "/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.contains("tributary_build_info{"), "{metrics}");
    let page = fetch(&server, "/").await;
    assert!(page.contains("cannot connect") && page.contains("content-security-policy: "), "{page}");
    let json = fetch(&server, "/api/status").await;
    let (_, body) = json.split_once("\r\n\r\n").expect("body");
    let json: serde_json::Value = serde_json::from_str(body).expect("json");
    assert_eq!(
        json["accounts"][0],
        serde_json::json!({
            "account": "alice/isp", "state": "backoff", "polling": false, "last_attempt": "1970-01-01T00:00:00Z",
            "last_success": "1970-01-01T00:00:00Z", "next_poll": null, "last_error": "cannot connect", "listed": 5,
            "backlog": 3, "fetched": 0, "deletes_pending": 60, "deletes_held": 60,
            "deletes_dry_run": 0, "deletes_for": { "expunged": 60 },
            "confirm_with": "tributary confirm-deletes alice/isp", "quarantined": 1,
            "too_large": [{ "unique_id": "u1", "size": 200_000_000 }], "server": "", "faults": ["no_uidl"]
        })
    );
    assert!(fetch(&server, "/nothing").await.starts_with("HTTP/1.1 404 "));
    assert!(ask(&server, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn is_ready_once_every_component_is() {
    let server = start().await;
    for component in [Component::Store, Component::Imap, Component::Http] {
        let answer = fetch(&server, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        server.readiness.ready(component);
    }
    assert!(fetch(&server, "/readyz").await.starts_with("HTTP/1.1 200 "));
    server.readiness.stopping();
    assert!(fetch(&server, "/readyz").await.contains("store: not ready"));
}

#[tokio::test]
async fn headers_and_bodies_are_bounded() {
    let server = start().await;
    let with = |fields: usize| {
        let fields: String = (0..fields).map(|n| format!("x-{n}: y\r\n")).collect();
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n")
    };
    assert!(ask(&server, &with(62)).await.starts_with("HTTP/1.1 200 "));
    assert!(ask(&server, &with(63)).await.starts_with("HTTP/1.1 431 "));
    let long = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "y".repeat(17 * 1024));
    assert!(!ask(&server, &long).await.contains(" 200 "));
    let body =
        |length| format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    assert!(ask(&server, &body(MAX_BODY)).await.starts_with("HTTP/1.1 200 "));
    assert!(ask(&server, &body(MAX_BODY + 1)).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn stops_with_idle_connections_open() {
    let server = start().await;
    let mut idle = TcpStream::connect(server.address).await.expect("connect");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    let mut some = [0; 1];
    idle.read_exact(&mut some).await.expect("answer");
    server.stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(5), server.task).await.expect("in time").expect("task");
}
