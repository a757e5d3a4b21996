//! How a maildrop is reached and logged in to: the `pop3` section of an account.

mod oauth2;
mod read;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

pub use self::oauth2::{OAuth2, OAuthProvider};
pub(super) use self::read::read;

use super::secrets::Sourced;
use crate::pop3::Method;
use crate::tls::Fingerprint;

/// How a maildrop is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pop3 {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When TLS starts, and whether certificates count.
    pub tls: Pop3Tls,
    /// Login name upstream.
    pub username: String,
    /// The one method to log in by; `None`: the strongest that works.
    #[serde(serialize_with = "method")]
    pub auth: Option<Method>,
    /// What proves who logs in.
    #[serde(flatten)]
    pub credential: Credential,
    /// Whose certificates count.
    #[serde(flatten)]
    pub trust: Trust,
    /// The way there.
    #[serde(flatten)]
    pub route: Route,
}

/// When TLS starts on an upstream connection, and whether certificates count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pop3Tls {
    /// With the first byte (port 995).
    Implicit,
    /// By STLS (RFC 2595), and never without it.
    Starttls,
    /// Never.
    None,
    /// With the first byte, whatever the certificate.
    Insecure,
    /// By STLS, whatever the certificate.
    InsecureStarttls,
}

impl Pop3Tls {
    /// The names in the configuration.
    const NAMES: [(&'static str, Self); 5] = [
        ("implicit", Self::Implicit),
        ("starttls", Self::Starttls),
        ("none", Self::None),
        ("insecure", Self::Insecure),
        ("insecure_starttls", Self::InsecureStarttls),
    ];

    /// Any certificate is taken.
    pub const fn is_insecure(self) -> bool {
        matches!(self, Self::Insecure | Self::InsecureStarttls)
    }

    /// RFC 8314 section 7.3, RFC 1939 section 3.
    const fn default_port(self) -> u16 {
        if matches!(self, Self::Implicit | Self::Insecure) { 995 } else { 110 }
    }
}

/// What proves who logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Credential {
    /// A password.
    #[serde(rename = "password")]
    Password(Sourced),
    /// OAuth 2.0 tokens that a person's login gives.
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2),
    /// OAuth 2.0 tokens that a program prints: the program and its arguments.
    #[serde(rename = "token_command")]
    TokenCommand(Vec<String>),
}

/// Which certificate the upstream server may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One that the system's authorities vouch for.
    System,
    /// This one and no other.
    Pin(Fingerprint),
    /// One that the authorities of this PEM file vouch for.
    CaFile(PathBuf),
}

impl Serialize for Trust {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::System => {}
            Self::Pin(fingerprint) => map.serialize_entry("certificate_sha256", &fingerprint.to_string())?,
            Self::CaFile(path) => map.serialize_entry("ca_file", path)?,
        }
        map.end()
    }
}

/// The way to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// TCP.
    Direct,
    /// A SOCKS5 proxy (RFC 1928).
    Socks5(Socks5),
    /// The standard input and output of this program with these arguments.
    Tunnel(Vec<String>),
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Direct => {}
            Self::Socks5(proxy) => map.serialize_entry("socks5", proxy)?,
            Self::Tunnel(words) => map.serialize_entry("tunnel", words)?,
        }
        map.end()
    }
}

/// A SOCKS5 proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socks5 {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name and password (RFC 1929).
    pub login: Option<(String, Sourced)>,
}

impl Serialize for Socks5 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { host, port, login } = self;
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let Some((username, password)) = login else { return serializer.serialize_str(&address) };
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("address", &address)?;
        map.serialize_entry("username", username)?;
        map.serialize_entry("password", password)?;
        map.end()
    }
}

/// How "the strongest that works" is written.
const AUTO: &str = "auto";

fn method<S: Serializer>(method: &Option<Method>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.map_or(AUTO, Method::label))
}
