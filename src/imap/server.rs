//! Listening: accepts connections, brings them to TLS, and gives each a session task.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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
    deps: Arc<Deps>,
    registry: Arc<Registry>,
    acceptor: TlsAcceptor,
    tasks: TaskTracker,
}

/// After an accept error (out of file descriptors), the pause before the next attempt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// A server that listens nowhere yet.
    pub fn new(deps: Deps) -> Arc<Self> {
        let caps = Caps {
            total: deps.settings.max_connections,
            per_user: deps.settings.max_user_connections,
            per_user_and_address: deps.settings.max_user_address_connections,
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&deps.tls));
        let registry = Registry::new(caps, deps.metrics.evicted.clone());
        Arc::new(Self { deps: Arc::new(deps), registry, acceptor, tasks: TaskTracker::new() })
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
        self.deps.metrics.accepted.with_label_values(&[service]).inc();
        let server = Arc::clone(self);
        let Some((handle, place)) = self.registry.admit(peer.ip()) else {
            tracing::warn!(%peer, "too many IMAP connections");
            self.tasks.spawn(refuse(stream));
            return;
        };
        self.tasks.spawn(async move {
            if let Err(error) = socket::prepare(&stream, &server.deps.settings.tcp_keepalive) {
                tracing::debug!(%peer, %error, "an option of the socket");
            }
            if let Some(stream) = server.secure(stream, peer, implicit_tls).await {
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
        let (settings, metrics) = (&self.deps.settings, &self.deps.metrics);
        let limits = settings.fragment_limits(false);
        let (received, sent) = (metrics.received.clone(), metrics.sent.clone());
        let conn = Conn::new(stream, limits, settings.write_stall, settings.keepalive, received, sent);
        let ends = serve::Ends { handle, shutdown, registry: Arc::clone(&self.registry) };
        serve::serve(Arc::clone(&self.deps), self.acceptor.clone(), conn, peer, tls, ends).await;
    }

    async fn secure(&self, stream: TcpStream, peer: SocketAddr, implicit_tls: bool) -> Option<Box<dyn Duplex>> {
        if !implicit_tls {
            return Some(Box::new(stream));
        }
        match timeout(self.deps.settings.tls_timeout, self.acceptor.accept(stream)).await {
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
