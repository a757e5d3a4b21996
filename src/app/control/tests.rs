use std::os::unix::fs::symlink;

use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::protocol::{Reply, Request, VERSION, parse_reply, request_line};
use super::*;
use crate::imap;
use crate::poll::{Metrics, Poller, Settings};
use crate::store::Store;

struct Service {
    home: tempfile::TempDir,
    data_dir: PathBuf,
    store: Store,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// One that listens nowhere.
fn imap_server(home: &Path, store: &Store) -> Arc<imap::Server> {
    let registry = crate::metrics::Registry::new().expect("registry");
    let directory = home.join("tls");
    imap::Server::new(imap::Deps {
        settings: imap::Settings::default(),
        store: store.clone(),
        users: Arc::new(crate::auth::Users::new(crate::auth::Settings::default(), &registry).expect("users")),
        tls: crate::tls::load(&crate::tls::Settings::SelfSigned { directory }).expect("tls").config,
        metrics: imap::Metrics::register(&registry).expect("metrics"),
        nudge: Arc::new(|_| {}),
    })
}

impl Service {
    async fn start(below: &str) -> Self {
        let home = tempfile::tempdir().expect("directory");
        let data_dir = home.path().join(below);
        std::fs::create_dir_all(&data_dir).expect("data_dir");
        let store = Store::in_memory(PATIENCE).expect("store");
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("metrics");
        let (status, accounts) = watch::channel(crate::status::Accounts::default());
        let poller = Poller::new(Settings::default(), store.clone(), &metrics, status, crate::status::Events::new());
        let socket = Socket::bind(&data_dir).await.expect("not running").expect("bound");
        let stop = CancellationToken::new();
        let commands = Commands { poller, accounts, store: store.clone(), imap: imap_server(home.path(), &store) };
        let task = tokio::spawn(socket.run(commands, stop.clone()));
        Self { home, data_dir, store, stop, task }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(Reach::of(&self.data_dir).expect("reach").path()).await.expect("connect")
    }

    /// What comes back for these bytes, to the end.
    async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request).await.expect("write");
        let mut answer = Vec::new();
        // A server that refuses may reset the connection after its answer.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    async fn ask(&self, request: &Request) -> Result<serde_json::Value, String> {
        let raw = self.raw(&request_line(request).expect("a line")).await;
        let last = raw.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        match parse_reply(last)? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Progress(progress) => panic!("{progress:?} and no answer"),
        }
    }

    async fn stop(self) -> tempfile::TempDir {
        self.stop.cancel();
        self.task.await.expect("ends");
        self.store.close().await.expect("closed");
        self.home
    }
}

#[tokio::test]
async fn answers_one_line_and_leaves_nothing_behind() {
    let service = Service::start("data").await;
    let path = path::of(&service.data_dir);
    let mode = std::fs::symlink_metadata(&path).expect("socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let status = service.ask(&Request::Status).await.expect("status");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let unknown = service.ask(&Request::Pause { account: "x".to_owned() }).await;
    assert_eq!(unknown, Err("there is no account x".to_owned()));
    let listed = |dir: &Path| std::fs::read_dir(dir).expect("list").map(|e| e.expect("entry").file_name()).collect();
    let names: Vec<std::ffi::OsString> = listed(&service.data_dir);
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with(".control-")), "{names:?}");
    service.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_request_is_bounded() {
    let service = Service::start("data").await;
    let request = |bytes: usize| {
        let mut line = format!("{{\"version\":{VERSION},\"request\":\"status\"}}").into_bytes();
        line.resize(bytes - 1, b' ');
        line.push(b'\n');
        line
    };
    assert!(parse_reply(&service.raw(&request(MAX_REQUEST)).await).is_ok());
    let refused = parse_reply(&service.raw(&request(MAX_REQUEST + 1)).await).expect_err("too long");
    assert!(refused.contains("at most 4096 bytes"), "{refused}");
    assert!(parse_reply(&service.raw(b"nonsense\n").await).expect_err("nonsense").contains("no request"));
    service.stop().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_the_service() {
    let service = Service::start("data").await;
    let silent = service.connect().await;
    let half = service.connect().await;
    half.try_write(b"{\"version\"").expect("write");
    assert!(service.ask(&Request::Status).await.is_ok());
    service.stop().await;
    drop((silent, half));
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let service = Service::start("data").await;
    let error = Socket::bind(&service.data_dir).await.err().expect("alive");
    assert!(error.to_string().starts_with("already running"), "{error}");
    assert!(service.ask(&Request::Status).await.is_ok(), "the live one is untouched");
    let home = service.stop().await;

    let dir = home.path().join("data");
    let dead = std::os::unix::net::UnixListener::bind(path::of(&dir)).expect("bind");
    drop(dead);
    assert!(path::of(&dir).exists());
    let replaced = Socket::bind(&dir).await.expect("not running").expect("bound");
    assert!(is_alive(&dir, &path::of(&dir)).await);
    drop(replaced);
    assert!(!path::of(&dir).exists());
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let home = tempfile::tempdir().expect("directory");
    let path = path::of(home.path());
    std::fs::write(&path, "precious").expect("file");
    assert!(Socket::bind(home.path()).await.expect("goes on").is_none());
    assert_eq!(std::fs::read(&path).expect("file"), b"precious");
    std::fs::remove_file(&path).expect("removed");
    symlink("elsewhere", &path).expect("link");
    assert!(Socket::bind(home.path()).await.expect("goes on").is_none());
    assert!(Socket::bind(&home.path().join("missing")).await.expect("goes on").is_none());
}

#[tokio::test]
async fn a_path_too_long_for_the_kernel_works_all_the_same() {
    let service = Service::start(&format!("{}/{}", "long".repeat(30), "longer".repeat(20))).await;
    assert!(path::of(&service.data_dir).as_os_str().len() > 200);
    assert!(service.ask(&Request::Status).await.is_ok());
    assert!(Socket::bind(&service.data_dir).await.is_err(), "alive");
    service.stop().await;
}

/// The time to say something is over at once: the clock of the test jumps.
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_hung_up_on() {
    let service = Service::start("data").await;
    let begun = tokio::time::Instant::now();
    assert_eq!(service.raw(b"").await, b"");
    assert_eq!(service.raw(b"{\"version\"").await, b"");
    assert_eq!(begun.elapsed().as_secs(), 2 * PATIENCE.as_secs());
    service.stop().await;
}

#[test]
fn only_the_owner_and_root_are_trusted() {
    for (peer, owner, trusted) in [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false)] {
        assert_eq!(is_trusted(peer, owner), trusted, "{peer} {owner}");
    }
}
