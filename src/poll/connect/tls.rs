//! The TLS handshake, what is known after it, and words that help when it fails.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error as Tls, ProtocolVersion};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{AccountSettings, Error, Stream, resolve};
use crate::poll::settings;
use crate::poll::trust::Refused;
use crate::pop3::ChannelBinding;
use crate::tls::{Fingerprint, certificate};

/// RFC 9266 section 2; the context is empty.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const EXPORTED: usize = 32;

/// What a handshake has established.
pub(super) struct Facts {
    pub(super) binding: Option<ChannelBinding>,
    pub(super) expiry: Option<SystemTime>,
    /// Of the certificate, in colon hex.
    pub(super) sha256: Option<String>,
}

/// Why there is no TLS.
pub(super) enum Failure {
    /// The other end closed the connection, without a word why.
    Closed(String),
    Other(Error),
}

/// Makes the handshake with the account's host.
pub(super) async fn handshake<S: Stream>(
    stream: S,
    settings: &AccountSettings,
    config: Arc<ClientConfig>,
    deadline: Instant,
) -> Result<(TlsStream<S>, Facts), Failure> {
    let host = resolve::bare(&settings.host);
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::Other(Error::Tls(format!("{host} is neither a host name nor an address"))))?;
    match timeout_at(deadline, TlsConnector::from(config).connect(name, stream)).await {
        Ok(Ok(stream)) => {
            let facts = facts(&stream);
            Ok((stream, facts))
        }
        Ok(Err(error)) => Err(explained(&error, settings)),
        Err(_) => Err(Failure::Other(Error::ConnectTimeout("no answer in the TLS handshake".to_owned()))),
    }
}

fn facts<S>(stream: &TlsStream<S>) -> Facts {
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let binding = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => session
            .export_keying_material(vec![0; EXPORTED], EXPORTER_LABEL, Some(&[]))
            .ok()
            .map(ChannelBinding::Exporter),
        _ => leaf.and_then(|leaf| certificate::end_point(leaf)).map(ChannelBinding::ServerEndPoint),
    };
    let expiry = leaf.and_then(|leaf| certificate::not_after(leaf));
    Facts { binding, expiry, sha256: leaf.map(|leaf| Fingerprint::of(leaf).to_string()) }
}

/// The handshake's error in words that help.
fn explained(error: &io::Error, settings: &AccountSettings) -> Failure {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()) else {
        let text = match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                format!("the server closed the connection in the handshake; if this goes on, {}", old(settings))
            }
            _ => error.to_string(),
        };
        return Failure::Closed(text);
    };
    let text = match inner {
        Tls::InvalidCertificate(CertificateError::Other(other)) if let Some(refused) = other.0.downcast_ref::<Refused>() => {
            refused.to_string()
        }
        Tls::InvalidMessage(_) if settings.tls == settings::Tls::Implicit => {
            format!("{inner}: the server speaks no TLS from the first byte on; is this the port for tls: starttls?")
        }
        Tls::PeerIncompatible(_)
        // The server's own key or signature is too old: its certificate was taken, see `Refused`.
        | Tls::InvalidCertificate(_)
        | Tls::PeerMisbehaved(_)
        | Tls::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity
            | AlertDescription::InternalError
            | AlertDescription::DecodeError
            | AlertDescription::IllegalParameter,
        ) => format!("{inner}; {}", old(settings)),
        Tls::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("the server knows nothing of the host name {}", settings.host)
        }
        _ => inner.to_string(),
    };
    Failure::Other(Error::Tls(text))
}

/// What helps with servers of TLS 1.0 and 1.1, of weak Diffie-Hellman groups and of short keys: a program that is as
/// old-fashioned. It must speak TLS from the first byte on: in its place after STLS the greeting would be missing.
fn old(settings: &AccountSettings) -> String {
    let port = if settings.tls == settings::Tls::Implicit { settings.port } else { 995 };
    let target = resolve::host_port(resolve::bare(&settings.host), port);
    format!(
        "a server without TLS 1.2 or 1.3, modern ciphers and a key of 2048 bits cannot be reached by this TLS; use \
         tls: none with this, which checks no certificate: tunnel: [openssl, s_client, -quiet, -cipher, \"DEFAULT:@SECLEVEL=0\", -min_protocol, TLSv1, -connect, \
         \"{target}\"]"
    )
}
