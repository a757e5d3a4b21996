//! SOCKS5 (RFC 1928) with user name and password (RFC 1929). The proxy resolves the name: nothing of it is asked here.

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_socks::Error as Socks;
use tokio_socks::tcp::Socks5Stream;

use super::{Error, Stream, race, resolve};
use crate::secret::Secret;

/// A proxy and how to log in to it.
#[derive(Clone, Copy)]
pub(super) struct Proxy<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) login: Option<&'a (String, Secret)>,
}

impl Proxy<'_> {
    /// A connection to the host by way of the proxy.
    pub(super) async fn connect(&self, host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Error> {
        let stream = race::connect(self.host, self.port, deadline).await.map_err(|error| match error {
            Error::Connect(reason) => Error::Connect(self.says(&reason)),
            Error::ConnectTimeout(reason) => Error::ConnectTimeout(self.says(&reason)),
            // The proxy's name is our own configuration: it says nothing about the maildrop's.
            other => Error::Connect(self.says(&other.to_string())),
        })?;
        self.ask(stream, host, port, deadline).await
    }

    /// Has the proxy connect this stream to the host.
    pub(super) async fn ask<S: Stream>(&self, stream: S, host: &str, port: u16, deadline: Instant) -> Result<S, Error> {
        let asking = async {
            match self.login {
                None => Socks5Stream::connect_with_socket(stream, (host, port)).await,
                Some((user, password)) => {
                    let password = password.expose();
                    Socks5Stream::connect_with_password_and_socket(stream, (host, port), user, password).await
                }
            }
        };
        match timeout_at(deadline, asking).await {
            Ok(Ok(stream)) => Ok(stream.into_inner()),
            Ok(Err(error)) => Err(self.explained(error, host, port)),
            Err(_) => Err(Error::ConnectTimeout(self.says("no answer"))),
        }
    }

    fn explained(&self, error: Socks, host: &str, port: u16) -> Error {
        let target = resolve::host_port(host, port);
        let reason = match error {
            Socks::InvalidTargetAddress(_) => {
                return Error::Dns { host: host.to_owned(), reason: "the name is too long for a proxy".to_owned() };
            }
            // RFC 1928 has no code for a name that does not resolve: proxies answer with one of these.
            Socks::HostUnreachable => format!("{target}: host unreachable, or no such name"),
            Socks::GeneralSocksServerFailure => format!("{target}: it failed; perhaps there is no such name"),
            Socks::NetworkUnreachable => format!("{target}: network unreachable"),
            Socks::ConnectionRefused => format!("{target}: connection refused"),
            Socks::TtlExpired => format!("{target}: no answer"),
            Socks::ConnectionNotAllowedByRuleset => format!("{target}: its rules do not allow this"),
            Socks::PasswordAuthFailure(_) => "the user name or password is refused".to_owned(),
            Socks::NoAcceptableAuthMethods | Socks::AuthorizationRequired if self.login.is_none() => {
                "it wants a user name and password".to_owned()
            }
            Socks::NoAcceptableAuthMethods => "it takes no user name and password".to_owned(),
            Socks::InvalidAuthValues(_) => "user name and password must have 1 to 255 octets each".to_owned(),
            Socks::InvalidResponseVersion => "its answer is not SOCKS5".to_owned(),
            Socks::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                "it closed the connection".to_owned()
            }
            other => other.to_string(),
        };
        Error::Connect(self.says(&reason))
    }

    fn says(&self, reason: &str) -> String {
        format!("proxy {}: {reason}", resolve::host_port(self.host, self.port))
    }
}
