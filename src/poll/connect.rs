//! Connections to maildrops: addresses tried in turn, TLS on top, all within one deadline.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Duration, Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Error;

/// A connection, in the clear or not.
pub(super) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Connects to the first address of the host that answers. Each gets its share of the time.
    pub(super) async fn open(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Error> {
        let dns = |reason: String| Error::Dns { host: host.to_owned(), reason };
        let found = timeout_at(deadline, lookup_host((host, port))).await;
        let addresses: Vec<_> = match found {
            Ok(addresses) => addresses.map_err(|error| dns(error.to_string()))?.collect(),
            Err(_) => return Err(dns("no answer in time".to_owned())),
        };
        let mut failure = dns("it has no address".to_owned());
        for (index, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Commands are short and answers awaited: never hold them back.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = Error::Connect(format!("{address}: {error}")),
                Err(_) => failure = Error::ConnectTimeout,
            }
        }
        Err(failure)
    }

    /// TLS on a connection that began without (RFC 2595 section 4).
    pub(super) async fn upgrade(
        self,
        host: &str,
        config: Arc<rustls::ClientConfig>,
        patience: Duration,
    ) -> Result<Self, Error> {
        match self {
            Self::Plain(stream) => Self::secure(stream, host, config, patience).await,
            Self::Tls(_) => Ok(self),
        }
    }

    /// Makes the handshake. SNI is the host name; some servers need it.
    pub(super) async fn secure(
        stream: TcpStream,
        host: &str,
        config: Arc<rustls::ClientConfig>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Tls(format!("{host} is no host name")))?;
        match timeout(patience, TlsConnector::from(config).connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Self::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(Error::Tls(explained(&error))),
            Err(_) => Err(Error::ConnectTimeout),
        }
    }
}

/// The handshake's error in words that help.
fn explained(error: &io::Error) -> String {
    use rustls::{AlertDescription, Error as Tls};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
    match inner {
        Some(
            Tls::PeerIncompatible(_)
            | Tls::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure),
        ) => format!("{error}; the server must speak TLS 1.2 or newer with a modern cipher"),
        Some(Tls::InvalidMessage(_)) => format!("{error}; is this the port for TLS from the first byte?"),
        _ => error.to_string(),
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
