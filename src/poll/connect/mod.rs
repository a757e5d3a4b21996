//! Connections to maildrops: directly, through a proxy or through a program, in the clear or by TLS. All that it takes,
//! from the name to the handshake, is done within one deadline.

mod prompt;
mod race;
mod resolve;
mod socks;
#[cfg(test)]
pub(super) mod tests;
mod tls;
mod tunnel;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::lookup_host;
use tokio::time::Instant;

use super::Error;
use super::settings::{AccountSettings, Route, Tls};
use crate::pop3::ChannelBinding;
use prompt::Prompt;
use tunnel::Program;

/// The addresses of a host by the system's resolver, at least one.
pub(super) async fn addresses(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
    let host = resolve::bare(host);
    resolve::addresses(host, lookup_host((host, port)), deadline).await
}

/// What carries octets both ways.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection, in the clear or not. Dropping it ends what carries it, a tunnel's program too.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// Of the handshake, if there was one.
    tls: Option<tls::Facts>,
    /// The program that carries it, if one does.
    program: Option<Program>,
}

impl Connection {
    /// Connects by the account's route, with TLS if it is to be there from the first byte; `config` is needed for TLS
    /// only.
    ///
    /// A tunnel in the clear has connected when its program hands on the first octet: the server speaks first.
    ///
    /// # Errors
    /// [`Error::Dns`], [`Error::Connect`], [`Error::Tls`], and [`Error::ConnectTimeout`] at the deadline; the text names
    /// the step and says what to do where that is known.
    pub(super) async fn open(
        settings: &AccountSettings,
        config: Option<Arc<ClientConfig>>,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let (host, port) = (resolve::bare(&settings.host), settings.port);
        let mut program = None;
        let stream: Box<dyn Stream> = match &settings.route {
            Route::Direct => Box::new(Prompt::new(race::connect(host, port, deadline).await?)),
            Route::Socks5 { host: proxy, port: proxy_port, login } => {
                let proxy = socks::Proxy { host: resolve::bare(proxy), port: *proxy_port, login: login.as_ref() };
                Box::new(proxy.connect(host, port, deadline).await?)
            }
            Route::Tunnel(words) => {
                let (mut started, mut tunnel) = Program::start(words)?;
                if settings.tls != Tls::Implicit {
                    started.first_octet(&mut tunnel, deadline).await?;
                }
                program = Some(started);
                Box::new(tunnel)
            }
        };
        let connection = Self { stream, tls: None, program };
        if settings.tls != Tls::Implicit {
            return Ok(connection);
        }
        connection.upgrade(settings, config, deadline).await
    }

    /// TLS on a connection that began without (RFC 2595 section 4). SNI is the account's host name; an address has none
    /// (RFC 6066 section 3).
    pub(super) async fn upgrade(
        self,
        settings: &AccountSettings,
        config: Option<Arc<ClientConfig>>,
        deadline: Instant,
    ) -> Result<Self, Error> {
        if self.tls.is_some() {
            return Ok(self);
        }
        let config = config.ok_or_else(|| Error::Tls("not configured".to_owned()))?;
        match tls::handshake(self.stream, settings, config, deadline).await {
            Ok((stream, facts)) => Ok(Self { stream: Box::new(stream), tls: Some(facts), program: self.program }),
            Err(tls::Failure::Closed(reason)) => match self.program {
                Some(mut program) => Err(program.ended(deadline).await),
                None => Err(Error::Tls(reason)),
            },
            Err(tls::Failure::Other(error)) => Err(error),
        }
    }

    /// What a login can be bound to: `tls-exporter` (RFC 9266) by TLS 1.3, `tls-server-end-point` (RFC 5929) by TLS 1.2.
    /// `None` in the clear, and for certificates of which the hash is not defined.
    pub(super) fn binding(&self) -> Option<ChannelBinding> {
        self.tls.as_ref().and_then(|tls| tls.binding.clone())
    }

    /// The end of the validity of the server's own certificate.
    pub(super) fn certificate_expiry(&self) -> Option<SystemTime> {
        self.tls.as_ref().and_then(|tls| tls.expiry)
    }

    /// SHA-256 of the server's own certificate, as `certificate_sha256` is written.
    pub(super) fn certificate_sha256(&self) -> Option<String> {
        self.tls.as_ref().and_then(|tls| tls.sha256.clone())
    }

    /// Whether there was a handshake.
    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
