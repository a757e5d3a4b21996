use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::status::{AccountState, AccountStatus};

struct Server {
    address: SocketAddr,
    readiness: Readiness,
    desk: Arc<Desk>,
    events: status::Events,
    users: Arc<Users>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// A service with a device each of alice and bob; what it was told, in order.
#[derive(Default)]
struct Desk {
    told: Mutex<Vec<String>>,
    changes: watch::Sender<u64>,
    takes_cleartext: bool,
}

impl Desk {
    fn tell(&self, what: String) -> Told {
        let answer = if what.ends_with("/full") { Err("not now".to_owned()) } else { Ok(()) };
        self.told.lock().expect("lock").push(what);
        Box::pin(async { answer })
    }
}

fn device(id: u64, user: &str) -> status::Device {
    status::Device {
        id,
        user: user.to_owned(),
        client: format!("Mail of {user}"),
        address: "192.0.2.1".parse().expect("address"),
        tls: true,
        mailbox: Some("INBOX".to_owned()),
        since: SystemTime::UNIX_EPOCH,
        active: SystemTime::UNIX_EPOCH,
        idle: true,
    }
}

impl Operator for Desk {
    fn allows_cleartext(&self) -> bool {
        self.takes_cleartext
    }
    fn is_admin(&self, user: &str) -> bool {
        user == "root"
    }
    fn devices(&self) -> Vec<status::Device> {
        vec![device(1, "alice"), device(2, "bob")]
    }
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
    fn disconnect(&self, device: u64) -> bool {
        self.told.lock().expect("lock").push(format!("disconnect {device}"));
        true
    }
    fn storage(&self, user: Option<String>) -> Answer<Vec<MailboxView>> {
        let of = |user: &str| MailboxView {
            user: user.to_owned(),
            mailbox: format!("Box-{user}"),
            messages: 1,
            ..MailboxView::default()
        };
        let all = user.map_or_else(|| vec![of("alice"), of("bob")], |user| vec![of(&user)]);
        Box::pin(async { Ok(all) })
    }
    fn poll(&self, account: String) -> Told {
        self.tell(format!("poll {account}"))
    }
    fn pause(&self, account: String) -> Told {
        self.tell(format!("pause {account}"))
    }
    fn resume(&self, account: String) -> Told {
        self.tell(format!("resume {account}"))
    }
}

fn users() -> Arc<Users> {
    let user = |name: &str| crate::auth::UserSettings {
        name: name.to_owned(),
        password: crate::auth::Password::Plain(crate::secret::Secret::new("secret")),
    };
    let settings =
        crate::auth::Settings { users: ["alice", "bob", "root"].map(user).into(), ..crate::auth::Settings::default() };
    Arc::new(Users::new(settings, &Registry::new().expect("registry")).expect("users"))
}

async fn start() -> Server {
    start_with(Desk::default()).await
}

async fn start_with(desk: Desk) -> Server {
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
    let (full, bob) = (AccountStatus::default(), AccountStatus::default());
    let accounts = [("alice/isp".to_owned(), account), ("alice/full".to_owned(), full), ("bob/work".to_owned(), bob)];
    let accounts = accounts.into_iter().collect();
    let (desk, events, users) = (Arc::new(desk), status::Events::new(), users());
    for id in ["alice/isp", "bob/work"] {
        events.of_account(id, status::EventKind::Paused);
    }
    events.of_user(None, status::EventKind::Resumed);
    let stop = CancellationToken::new();
    let deps = Deps {
        registry: Registry::new().expect("registry"),
        readiness: readiness.clone(),
        accounts: watch::Sender::new(accounts).subscribe(),
        events: events.clone(),
        operator: desk.clone(),
        users: Arc::clone(&users),
        stopping: stop.clone(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let task = tokio::spawn(serve(listener, router(deps), stop.clone()));
    Server { address, readiness, desk, events, users, stop, task }
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
async fn what_tools_ask_for_needs_no_login_and_shows_nobody() {
    let server = start().await;
    assert!(fetch(&server, "/healthz").await.starts_with("HTTP/1.1 200 "));
    let metrics = fetch(&server, "/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.contains("tributary_build_info{"), "{metrics}");
    let page = fetch(&server, "/").await;
    assert!(
        page.contains("action=\"/login\"")
            && page.contains("content-security-policy: default-src 'none'; style-src 'self'")
    );
    for name in ["alice", "bob", "cannot connect", "192.0.2.1"] {
        assert!(!page.contains(name) && !metrics.contains(name), "{name}");
    }
    let refused = fetch(&server, "/api/status").await;
    assert!(refused.starts_with("HTTP/1.1 401 ") && refused.contains("www-authenticate: Basic realm=\"Tributary\""));
    assert!(fetch(&server, "/nothing").await.starts_with("HTTP/1.1 404 "));
    assert!(ask(&server, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
}

mod actions;
mod visitors;

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
