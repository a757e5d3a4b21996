//! The running service: builds every part from the configuration, and owns the order in which they start and stop.
//!
//! Start: descriptors, store, users and certificate, listeners, then who serves them. Stop: no new connections, pollers to a
//! safe point, `* BYE` to the sessions, HTTP, and the store last, so that nothing is told to a client that is not durable (I1).

pub(crate) mod control;
mod listen;
mod logging;
mod operator;
mod quotas;
mod reload;
mod storage;
pub(crate) mod systemd;
pub(crate) mod upkeep;
mod views;
mod watch;
mod wiring;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::net::TcpListener;
use tokio::sync::watch::{Receiver, Sender};

pub use logging::init_logging;
pub use watch::{Baseline, FileWatch};

use crate::auth::Users;
use crate::config::Config;
use crate::http::{self, Component, Readiness};
use crate::imap;
use crate::metrics::{self, Registry};
use crate::notifier::{self, Notifier};
use crate::poll::{self, Poller};
use crate::shutdown::Shutdown;
use crate::status::{self, Events};
use crate::store::Store;
use crate::tls;
use operator::Operator;
use quotas::Quotas;
use reload::Reloads;
use storage::Storage;
use systemd::Inherited;

/// From the signal to the end, all parts together.
const STOP_TIME: Duration = Duration::from_secs(10);

/// For sessions and pollers to come to an end; the rest of [`STOP_TIME`] belongs to HTTP and the store.
const DRAIN_TIME: Duration = Duration::from_secs(6);

/// For running HTTP requests.
const HTTP_TIME: Duration = Duration::from_secs(1);

/// What the poller is told, for commands that look at one account.
pub(crate) fn poll_settings(config: &Config) -> poll::Settings {
    wiring::poll(config)
}

/// How the store is opened, for commands that work on it while no service runs.
pub(crate) fn store_settings(config: &Config) -> crate::store::Settings {
    wiring::store(config)
}

/// What those commands tell apart in a message.
pub(crate) fn parse_limits(config: &Config) -> crate::mime::Limits {
    wiring::mime(config)
}

/// Builds the service.
pub struct App;

/// Where the service listens, with the real ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// IMAP with STARTTLS.
    pub imap: Vec<SocketAddr>,
    /// IMAP with TLS from the start.
    pub imaps: Vec<SocketAddr>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
}

/// A service that has started.
pub struct Running {
    /// Where it listens.
    pub addresses: Addresses,
    /// The state of every account now.
    pub accounts: Receiver<status::Accounts>,
    /// What it runs on now. Whoever holds a receiver follows each reload.
    config: Sender<Arc<Config>>,
    reloads: Reloads,
    tls: tls::Loaded,
    users: Arc<Users>,
    imap: Arc<imap::Server>,
    poller: Poller,
    notifier: Notifier,
    quotas: Quotas,
    events: Events,
    readiness: Readiness,
    /// IMAP listeners with their sessions, and the pollers.
    work: Shutdown,
    http: Shutdown,
    store: Store,
}

/// What takes time or blocks at the start.
struct Base {
    registry: Registry,
    store: Store,
    users: Users,
    tls: tls::Loaded,
}

struct Listeners {
    imap: Vec<TcpListener>,
    imaps: Vec<TcpListener>,
    http: Vec<TcpListener>,
    control: Option<control::Socket>,
}

impl App {
    /// Starts every part; returns once all listeners are bound. On an error nothing is left running.
    pub async fn start(config: Config) -> anyhow::Result<Running> {
        Self::start_on(config, Inherited::default()).await
    }

    /// The same with sockets that take the place of the configured addresses of their service.
    pub async fn start_on(config: Config, mut inherited: Inherited) -> anyhow::Result<Running> {
        metrics::count_panics();
        raise_descriptors(&config);
        let config = Arc::new(config);
        let base = {
            let config = Arc::clone(&config);
            tokio::task::spawn_blocking(move || Base::open(&config)).await.context("opening the store")??
        };
        // Before anybody can store anything.
        let prepared = async {
            let quotas = Quotas::new(&base.registry);
            quotas.set(&config, &base.store).await?;
            views::set(&config, &base.store).await?;
            Ok((quotas, Listeners::bind(&config, &mut inherited).await?))
        };
        match prepared.await {
            Ok((quotas, listeners)) => Running::start(config, base, listeners, quotas),
            Err(e) => {
                base.store.close().await?;
                Err(e)
            }
        }
    }
}

impl Base {
    fn open(config: &Config) -> anyhow::Result<Self> {
        let registry = Registry::new()?;
        ensure!(
            config.data_dir.is_dir() || !config.data_dir.exists(),
            "data_dir {} is no directory: move it away, or set another data_dir",
            config.data_dir.display()
        );
        // First what fails by configuration, then the store, which would have to be closed again.
        let users = Users::new(wiring::auth(config), &registry)?;
        let tls = tls::load(&wiring::tls(config))?;
        let data_dir = &config.data_dir;
        let in_data_dir = || format!("data_dir {}", data_dir.display());
        let store = Store::open(&wiring::store(config)).with_context(in_data_dir)?;
        store.limit_parsing(wiring::mime(config));
        store.metrics().register(registry.as_prometheus())?;
        Ok(Self { registry, store, users, tls })
    }
}

impl Listeners {
    async fn bind(config: &Config, inherited: &mut Inherited) -> anyhow::Result<Self> {
        Ok(Self {
            imap: listen::all(&config.imap.listen, "imap.listen", inherited.of("imap")).await?,
            imaps: listen::all(&config.imap.listen_tls, "imap.listen_tls", inherited.of("imaps")).await?,
            http: listen::all(&config.http.listen, "http.listen", inherited.of("http")).await?,
            control: control::Socket::bind(&config.data_dir).await?,
        })
    }
}

impl Running {
    fn start(config: Arc<Config>, base: Base, listeners: Listeners, quotas: Quotas) -> anyhow::Result<Self> {
        let Base { registry, store, users, tls } = base;
        let users = Arc::new(users);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            data_dir = %config.data_dir.display(),
            certificate = %tls.certificate.display(),
            fingerprint = %tls.fingerprint,
            "starting"
        );
        let (work, http) = (Shutdown::new(), Shutdown::new());
        let readiness = Readiness::new();
        readiness.ready(Component::Store);
        let (status, accounts) = tokio::sync::watch::channel(status::Accounts::default());
        let poll_metrics = poll::Metrics::register(registry.as_prometheus())?;
        let events = Events::new();
        let poller = Poller::new(wiring::poll(&config), store.clone(), &poll_metrics, status, events.clone());
        let nudged = poller.clone();
        let server = imap::Server::new(imap::Deps {
            settings: wiring::imap(&config),
            store: store.clone(),
            users: Arc::clone(&users),
            tls: Arc::clone(&tls.config),
            metrics: imap::Metrics::register(&registry)?,
            nudge: Arc::new(move |user| nudged.nudge(user)),
        });
        let mut addresses = Addresses::default();
        for (listeners, implicit_tls, bound) in
            [(listeners.imap, false, &mut addresses.imap), (listeners.imaps, true, &mut addresses.imaps)]
        {
            let service = if implicit_tls { "imaps" } else { "imap" };
            for listener in listeners {
                bound.push(listen::announce(&listener, service)?);
                work.spawn(Arc::clone(&server).run(listener, implicit_tls, work.token()));
            }
        }
        readiness.ready(Component::Imap);
        let (polling, running) = (work.token(), poller.clone());
        work.spawn(async move { running.run(polling).await });
        let data_dir = config.data_dir.clone();
        let notifier = Notifier::new(wiring::notifier(&config));
        let told = notifier::Deps {
            store: store.clone(),
            accounts: accounts.clone(),
            events: events.clone(),
            data_dir: data_dir.clone(),
            metrics: notifier::Metrics::register(&registry)?,
        };
        let telling = work.token();
        let notifying = notifier.clone();
        work.spawn(async move { notifying.run(told, telling).await });
        let config = Sender::new(config);
        let operator =
            Operator::new(config.subscribe(), poller.clone(), Arc::clone(&server), store.clone(), events.clone());
        if let Some(socket) = listeners.control {
            let commands = control::Commands {
                poller: poller.clone(),
                accounts: accounts.clone(),
                store: store.clone(),
                imap: Arc::clone(&server),
            };
            work.spawn(socket.run(commands, work.token()));
        }
        work.spawn(systemd::watchdog(work.token()));
        let storage = Storage::new(store.clone(), data_dir, tls.clone(), quotas.clone(), &registry)?;
        work.spawn(storage.run(work.token()));
        let reloads = Reloads::register(&registry)?;
        let deps = http::Deps {
            registry,
            readiness: readiness.clone(),
            accounts: accounts.clone(),
            events: events.clone(),
            operator: Arc::new(operator),
            users: Arc::clone(&users),
            stopping: work.token(),
        };
        let router = http::router(deps);
        for listener in &listeners.http {
            addresses.http.push(listen::announce(listener, "http")?);
        }
        // Before the first answer, which would deny it.
        readiness.ready(Component::Http);
        for listener in listeners.http {
            http.spawn(http::serve(listener, router.clone(), http.token()));
        }
        let imap = server;
        Ok(Self {
            addresses,
            accounts,
            config,
            reloads,
            tls,
            users,
            imap,
            poller,
            notifier,
            quotas,
            events,
            readiness,
            work,
            http,
            store,
        })
    }

    /// Of the certificate that clients are shown.
    pub fn fingerprint(&self) -> tls::Fingerprint {
        self.tls.fingerprint
    }

    /// What the service runs on, now and after each reload.
    pub fn config(&self) -> Receiver<Arc<Config>> {
        self.config.subscribe()
    }

    /// Stops every part in order, within ten seconds. The error says what did not end in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.readiness.stopping();
        self.work.stop();
        let drained = self.work.wait(DRAIN_TIME).await;
        self.http.stop();
        let answered = self.http.wait(HTTP_TIME).await;
        let rest = STOP_TIME.saturating_sub(DRAIN_TIME + HTTP_TIME);
        tokio::time::timeout(rest, self.store.close())
            .await
            .context("the store was not closed in time; it recovers at the next start")?
            .context("closing the store")?;
        if !answered {
            tracing::debug!("HTTP requests were cut off");
        }
        ensure!(drained, "some sessions or polls did not end in time and were cut off; the store is closed");
        tracing::info!("stopped");
        Ok(())
    }
}

/// Every connection needs a descriptor, and the usual soft limit is 1024.
fn raise_descriptors(config: &Config) {
    // Beside the connections: HTTP, the store, the log, upstream a proxy or the pipes of a program.
    let limits = &config.limits;
    let wanted = limits.imap.connections.saturating_add(limits.pop3.connections.saturating_mul(2)).saturating_add(512);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < wanted => {
            tracing::warn!(limit, wanted, "few file descriptors: fewer connections than configured will fit");
        }
        Ok(limit) => tracing::debug!(limit, "file descriptors"),
        Err(e) => tracing::warn!(error = %e, "cannot raise the limit of file descriptors"),
    }
}
