//! A store with one large mailbox, and the IMAP server over it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tributary::auth::{self, Password, UserSettings, Users};
use tributary::imap::{Deps, Metrics, Server, Settings};
use tributary::ingest::{self, Intake};
use tributary::mail::{AccountId, FlagList, Flags, Keyword, MailboxId, MailboxName, UserId};
use tributary::metrics::Registry;
use tributary::secret::Secret;
use tributary::store::{self, Delivery, NewMessage, Store};
use tributary::tls;
use tributary::tls::Settings::SelfSigned;

/// Deliveries under way at once.
const WORKERS: u32 = 256;
/// What a service has by default.
const CACHE_BYTES: usize = 256 << 20;

/// The store and where its mail goes.
#[derive(Clone)]
pub struct Filled {
    pub store: Store,
    pub user: UserId,
    pub account: AccountId,
    pub inbox: MailboxId,
    /// How long opening took.
    pub opened_in: Duration,
}

impl Filled {
    /// Opens the store, which may be filled already.
    pub async fn open(dir: &Path) -> Self {
        let settings = store::Settings {
            data_dir: dir.join("data"),
            cache_bytes: CACHE_BYTES,
            gc_grace: Duration::from_secs(3600),
        };
        let started = Instant::now();
        let opened = tokio::task::spawn_blocking(move || Store::open(&settings)).await;
        let store = opened.expect("a task").expect("a store");
        let opened_in = started.elapsed();
        let user = store.ensure_user("alice").await.expect("a user");
        let account = store.ensure_account(user, "isp").await.expect("an account");
        let inbox = store.mailbox(user, &MailboxName::inbox()).await.expect("read").expect("INBOX").id;
        Self { store, user, account, inbox, opened_in }
    }

    pub async fn len(&self) -> u32 {
        let inbox = self.store.mailbox(self.user, &MailboxName::inbox()).await.expect("read").expect("INBOX");
        inbox.counts.exists
    }

    /// Delivers small messages, each unlike the others, until there are `size`.
    pub async fn fill(&self, size: u32) {
        let have = self.len().await;
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let filled = self.clone();
            workers.spawn(async move {
                for n in (have..size).filter(|n| n % WORKERS == worker) {
                    filled.deliver(n, n + size / 100 < size).await;
                }
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended.expect("a delivery");
        }
    }

    async fn deliver(&self, n: u32, seen: bool) {
        let unique_id = format!("{n:08x}");
        let mut intake = Intake::begin(&self.store).await.expect("a writer");
        intake.write(message(&unique_id).as_bytes()).await.expect("written");
        let prepared = intake.finish().await.expect("durable");
        let keywords =
            if n.is_multiple_of(10) { vec![Keyword::new("$Label1").expect("a keyword")] } else { Vec::new() };
        let flags = FlagList { flags: if seen { Flags::SEEN } else { Flags::NONE }, keywords };
        let (header_hash, account) = (prepared.header_hash, Some(self.account));
        let message = NewMessage { body: prepared.body, flags, internal_date: ingest::now(), account };
        let delivery = Delivery {
            account: self.account,
            mailbox: self.inbox,
            listed_size: message.body.size(),
            message,
            unique_id: Some(unique_id.into_bytes()),
            header_hash,
            delete_upstream: false,
            reused: false,
            merge: None,
        };
        self.store.deliver(delivery).await.expect("delivered");
    }

    /// Starts an IMAP server over the store.
    pub async fn serve(&self, dir: &Path) -> Served {
        let registry = Registry::new().expect("a registry");
        let user = UserSettings { name: "alice".into(), password: Password::Plain(Secret::new("secret")) };
        let users = auth::Settings { users: vec![user], ..auth::Settings::default() };
        let deps = Deps {
            settings: Settings {
                allow_cleartext_login: true,
                max_user_connections: 10_000,
                max_user_address_connections: 10_000,
                ..Settings::default()
            },
            store: self.store.clone(),
            users: Arc::new(Users::new(users, &registry).expect("users")),
            tls: tls::load(&SelfSigned { directory: dir.join("tls") }).expect("a certificate").config,
            metrics: Metrics::register(&registry).expect("metrics"),
            nudge: Arc::new(|_| {}),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(Server::new(deps).run(listener, false, shutdown.clone()));
        Served { address, shutdown, running }
    }
}

/// A running server.
pub struct Served {
    pub address: SocketAddr,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Served {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.expect("the server");
    }
}

/// A small message that says which one it is.
pub fn message(id: &str) -> String {
    format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Greetings {id}\r\n\
         Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <{id}@example.org>\r\n\r\nHello Bob\r\n"
    )
}
