//! Listening: accepts connections, brings them to TLS, and gives each a session task.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::conn::{Conn, Duplex};
use super::metrics::Metrics;
use super::registry::{Caps, Handle, Registry};
use super::serve;
use super::settings::Settings;
use super::socket;
use crate::auth::Users;
use crate::status::Device;
use crate::store::Store;

/// Called with a user's name when a client of theirs would like fresh mail; must return at once.
pub type Nudge = Arc<dyn Fn(&str) + Send + Sync>;

/// What the IMAP server works with.
pub struct Deps {
    /// Limits and policy.
    pub settings: Settings,
    /// The mail.
    pub store: Store,
    /// Who may log in.
    pub users: Arc<Users>,
    /// For implicit TLS and STARTTLS.
    pub tls: Arc<rustls::ServerConfig>,
    /// Metric family.
    pub metrics: Metrics,
    /// Poll on demand.
    pub nudge: Nudge,
}

/// The IMAP server; one for all its listeners.
pub struct Server {
    /// What a session begins with, it keeps.
    deps: ArcSwap<Deps>,
    registry: Arc<Registry>,
    acceptor: TlsAcceptor,
    tasks: TaskTracker,
}

/// After an accept error (out of file descriptors), the pause before the next attempt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// A server that listens nowhere yet.
    pub fn new(deps: Deps) -> Arc<Self> {
        let acceptor = TlsAcceptor::from(Arc::clone(&deps.tls));
        let registry = Registry::new(caps(&deps.settings), deps.metrics.evicted.clone());
        Arc::new(Self { deps: ArcSwap::from_pointee(deps), registry, acceptor, tasks: TaskTracker::new() })
    }

    /// Takes other limits and another policy. Sessions that are under way keep theirs, but for limits on connections, which
    /// count from the next one on; those of users who are none any more end with BYE. To be told after [`Users::replace`].
    pub fn apply(&self, settings: Settings) {
        self.registry.limit(caps(&settings));
        self.deps.rcu(|deps| Deps {
            settings: settings.clone(),
            store: deps.store.clone(),
            users: Arc::clone(&deps.users),
            tls: Arc::clone(&deps.tls),
            metrics: deps.metrics.clone(),
            nudge: Arc::clone(&deps.nudge),
        });
        let users = Arc::clone(&self.deps.load().users);
        self.registry.dismiss(|user| users.has(user));
    }

    /// All sessions of who has logged in, by user and then by the time of their login.
    pub fn devices(&self) -> Vec<Device> {
        self.registry.devices()
    }

    /// Ends the session of this id with BYE, and says whose it was. `None`: there is none.
    pub fn disconnect(&self, device: u64) -> Option<String> {
        let user = self.registry.disconnect(device)?;
        tracing::info!(user, session = device, "told to disconnect");
        Some(user)
    }

    /// Changes whenever what [`Self::devices`] shows may have.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.registry.changes()
    }

    /// Accepts connections until `shutdown`, then waits until each session has said BYE.
    pub async fn run(self: Arc<Self>, listener: TcpListener, implicit_tls: bool, shutdown: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, implicit_tls, shutdown.clone()),
                Err(error) => {
                    tracing::warn!(%error, "accepting an IMAP connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, implicit_tls: bool, shutdown: CancellationToken) {
        let service = if implicit_tls { "imaps" } else { "imap" };
        self.deps.load().metrics.accepted.with_label_values(&[service]).inc();
        let server = Arc::clone(self);
        let Some((handle, place)) = self.registry.admit(peer.ip()) else {
            tracing::warn!(%peer, "too many IMAP connections");
            self.tasks.spawn(refuse(stream));
            return;
        };
        self.tasks.spawn(async move {
            if let Err(error) = socket::prepare(&stream, &server.deps.load().settings.tcp_keepalive) {
                tracing::debug!(%peer, %error, "an option of the socket");
            }
            let secured = tokio::select! {
                secured = server.secure(stream, peer, implicit_tls) => secured,
                // Nothing can be said in the middle of a handshake.
                () = shutdown.cancelled() => None,
            };
            if let Some(stream) = secured {
                server.converse(stream, peer, implicit_tls, handle, shutdown).await;
            }
            drop(place);
        });
    }

    /// Serves one client on a byte stream that is no TCP connection, to its end: a socket that somebody else has
    /// accepted, or memory. `secure`: nobody can listen.
    pub async fn serve_stream<S>(&self, stream: S, peer: SocketAddr, secure: bool, shutdown: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        match self.registry.admit(peer.ip()) {
            Some((handle, place)) => {
                self.converse(Box::new(stream), peer, secure, handle, shutdown).await;
                drop(place);
            }
            None => refuse(stream).await,
        }
    }

    async fn converse(
        &self,
        stream: Box<dyn Duplex>,
        peer: SocketAddr,
        tls: bool,
        handle: Handle,
        shutdown: CancellationToken,
    ) {
        let deps = self.deps.load_full();
        let (settings, metrics) = (&deps.settings, &deps.metrics);
        let limits = settings.fragment_limits(false);
        let (received, sent) = (metrics.received.clone(), metrics.sent.clone());
        let conn = Conn::new(stream, limits, settings.write_stall, settings.keepalive, received, sent);
        let ends = serve::Ends { handle, shutdown, registry: Arc::clone(&self.registry) };
        serve::serve(deps, self.acceptor.clone(), conn, peer, tls, ends).await;
    }

    async fn secure(&self, stream: TcpStream, peer: SocketAddr, implicit_tls: bool) -> Option<Box<dyn Duplex>> {
        if !implicit_tls {
            return Some(Box::new(stream));
        }
        let patience = self.deps.load().settings.tls_timeout;
        match timeout(patience, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(Box::new(stream)),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!(%peer, "TLS handshake timed out");
                None
            }
        }
    }
}

fn caps(settings: &Settings) -> Caps {
    Caps {
        total: settings.max_connections,
        per_user: settings.max_user_connections,
        per_user_and_address: settings.max_user_address_connections,
    }
}

/// Says why there is no room, within a second.
async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let say = async {
        stream.write_all(b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n").await?;
        stream.shutdown().await?;
        // What the client has sent unread would make of our close a reset, which drops the word.
        tokio::io::copy(&mut (&mut stream).take(1 << 16), &mut tokio::io::sink()).await
    };
    // The client may be gone or not read: it is refused either way.
    let _ = timeout(Duration::from_secs(1), say).await;
}
