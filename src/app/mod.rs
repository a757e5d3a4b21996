//! The running service: builds every part from the configuration, and owns the order in which they start and stop.
//!
//! Start: descriptors, store, users and certificate, listeners, then who serves them. Stop: no new connections, pollers to a
//! safe point, `* BYE` to the sessions, HTTP, and the store last, so that nothing is told to a client that is not durable (I1).

pub(crate) mod control;
mod listen;
mod logging;
mod quotas;
mod storage;
pub(crate) mod upkeep;
mod views;
mod wiring;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use logging::init_logging;

use crate::auth::Users;
use crate::config::Config;
use crate::http::{self, Component, Readiness};
use crate::imap;
use crate::metrics::{self, Registry};
use crate::poll::{self, Poller};
use crate::shutdown::Shutdown;
use crate::status;
use crate::store::Store;
use crate::tls;
use quotas::Quotas;
use storage::Storage;

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
    pub accounts: watch::Receiver<status::Accounts>,
    tls: tls::Loaded,
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
        metrics::count_panics();
        raise_descriptors(&config);
        let config = Arc::new(config);
        let base = {
            let config = Arc::clone(&config);
            tokio::task::spawn_blocking(move || Base::open(&config)).await.context("opening the store")??
        };
        // Before anybody can store anything.
        let prepared = async {
            let quotas = Quotas::set(&config, &base.store, &base.registry).await?;
            views::set(&config, &base.store).await?;
            Ok((quotas, Listeners::bind(&config).await?))
        };
        match prepared.await {
            Ok((quotas, listeners)) => Running::start(&config, base, listeners, quotas),
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
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            imap: listen::all(&config.imap.listen, "imap.listen").await?,
            imaps: listen::all(&config.imap.listen_tls, "imap.listen_tls").await?,
            http: listen::all(&config.http.listen, "http.listen").await?,
            control: control::Socket::bind(&config.data_dir).await?,
        })
    }
}

impl Running {
    fn start(config: &Config, base: Base, listeners: Listeners, quotas: Quotas) -> anyhow::Result<Self> {
        let Base { registry, store, users, tls } = base;
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
        let (status, accounts) = watch::channel(status::Accounts::default());
        let poll_metrics = poll::Metrics::register(registry.as_prometheus())?;
        let poller = Poller::new(wiring::poll(config), store.clone(), &poll_metrics, status);
        let nudged = poller.clone();
        let server = imap::Server::new(imap::Deps {
            settings: wiring::imap(config),
            store: store.clone(),
            users: Arc::new(users),
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
        if let Some(socket) = listeners.control {
            let commands = control::Commands { poller, accounts: accounts.clone(), store: store.clone() };
            work.spawn(socket.run(commands, work.token()));
        }
        let storage = Storage::new(store.clone(), config.data_dir.clone(), quotas, &registry)?;
        work.spawn(storage.run(work.token()));
        let deps = http::Deps { registry, readiness: readiness.clone(), accounts: accounts.clone() };
        let router = http::router(deps);
        for listener in &listeners.http {
            addresses.http.push(listen::announce(listener, "http")?);
        }
        // Before the first answer, which would deny it.
        readiness.ready(Component::Http);
        for listener in listeners.http {
            http.spawn(http::serve(listener, router.clone(), http.token()));
        }
        Ok(Self { addresses, accounts, tls, readiness, work, http, store })
    }

    /// Of the certificate that clients are shown.
    pub fn fingerprint(&self) -> tls::Fingerprint {
        self.tls.fingerprint
    }

    /// Reads the certificate again, as after a renewal; what is wrong with it goes to the log, and the one in use stays.
    /// Other settings take effect at the next start.
    pub async fn reload(&mut self) {
        let mut tls = self.tls.clone();
        let reloaded = tokio::task::spawn_blocking(move || tls.reload().map(|()| tls)).await;
        match reloaded {
            Ok(Ok(tls)) => {
                tracing::info!(fingerprint = %tls.fingerprint, "certificate read again; other settings need a restart");
                self.tls = tls;
            }
            Ok(Err(e)) => tracing::error!(error = %e, "the certificate stays as it was"),
            Err(e) => tracing::error!(error = %e, "the certificate stays as it was"),
        }
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
