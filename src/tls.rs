//! Certificates and TLS settings of the listeners, and certificate fingerprints.
//!
//! TLS 1.2 and 1.3 by rustls with ring. Without a configured certificate a self-signed one is made once and kept under
//! `data_dir/tls`; its fingerprint goes to the log at each start, so that a client's question can be answered.
//! Never logs or prints a private key.

pub(crate) mod certificate;
mod client;

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

pub use client::{client_config, root_verifier, system_verifier};

/// ALPN protocol id of IMAP (RFC 7301, IANA registry). A client that offers no ALPN at all is served too.
const ALPN_IMAP: &[u8] = b"imap";

/// Years a self-signed certificate lasts: as long as the machine, since replacing it means that every client asks again.
const SELF_SIGNED_DAYS: i64 = 3652;

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// PEM files: the certificate with its chain, and its private key.
    Files {
        /// Leaf first, then the chain.
        certificate: PathBuf,
        /// PKCS#8, PKCS#1 or SEC1.
        private_key: PathBuf,
    },
    /// Made once, kept in this directory as `cert.pem` and `key.pem`.
    SelfSigned {
        /// `data_dir/tls`.
        directory: PathBuf,
    },
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not the PEM that it should be.
    #[error("{}: {what}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Key and certificate do not fit, or TLS refuses them.
    #[error("certificate {}: {source}", path.display())]
    Refused {
        /// The certificate.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Making the certificate failed.
    #[error("cannot make a self-signed certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// What the listeners need.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For every TLS listener and STARTTLS; shows new connections what [`Loaded::show`] was given last.
    pub config: Arc<ServerConfig>,
    /// Of the leaf certificate.
    pub fingerprint: Fingerprint,
    /// Where it came from.
    pub certificate: PathBuf,
    shown: Arc<Shown>,
}

/// A certificate that can be shown instead of the one in use.
#[derive(Debug)]
pub struct Renewed {
    fingerprint: Fingerprint,
    certificate: PathBuf,
    pair: CertifiedKey,
}

/// Reads the files again, as after a renewal, or others; makes the self-signed certificate if it is asked for and missing.
/// Blocking.
pub fn read(settings: &Settings) -> Result<Renewed, Error> {
    let (certificate, private_key) = match settings {
        Settings::Files { certificate, private_key } => (certificate.clone(), private_key.clone()),
        Settings::SelfSigned { directory } => self_signed(directory)?,
    };
    let (fingerprint, pair) = read_pair(&certificate, &private_key)?;
    Ok(Renewed { fingerprint, certificate, pair })
}

impl Loaded {
    /// From now on new connections are shown this certificate; those that are under way go on.
    pub fn show(&mut self, renewed: Renewed) {
        let Renewed { fingerprint, certificate, pair } = renewed;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
        (self.fingerprint, self.certificate) = (fingerprint, certificate);
    }

    /// The end of the validity of the certificate that clients are shown now.
    pub fn not_after(&self) -> Option<SystemTime> {
        let shown = Arc::clone(&self.shown.0.read().unwrap_or_else(PoisonError::into_inner));
        certificate::not_after(shown.cert.first()?)
    }
}

/// The certificate that is shown to clients now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Loads the certificate, or makes the self-signed one. Blocking.
pub fn load(settings: &Settings) -> Result<Loaded, Error> {
    let Renewed { fingerprint, certificate, pair } = read(settings)?;
    let shown = Arc::new(Shown(RwLock::new(Arc::new(pair))));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|source| Error::Refused { path: certificate.clone(), source })?
        .with_no_client_auth()
        .with_cert_resolver(Arc::<Shown>::clone(&shown));
    config.alpn_protocols = vec![ALPN_IMAP.to_vec()];
    Ok(Loaded { config: Arc::new(config), fingerprint, certificate, shown })
}

/// The chain with its key, which must fit, and the fingerprint of the leaf.
fn read_pair(certificate: &Path, private_key: &Path) -> Result<(Fingerprint, CertifiedKey), Error> {
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(private_key).map_err(|e| pem_error(private_key, e, "private key"))?;
    let Some(leaf) = chain.first() else {
        return Err(Error::Pem { path: certificate.to_owned(), what: NO_CERTIFICATE.to_owned() });
    };
    let fingerprint = Fingerprint::of(leaf);
    let pair = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|source| Error::Refused { path: certificate.to_owned(), source })?;
    Ok((fingerprint, pair))
}

/// The certificates of a PEM file; at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| pem_error(path, e, "certificate"))?.collect();
    match found {
        Ok(found) if found.is_empty() => Err(Error::Pem { path: path.to_owned(), what: NO_CERTIFICATE.to_owned() }),
        Ok(found) => Ok(found),
        Err(e) => Err(pem_error(path, e, "certificate")),
    }
}

/// The certificate authorities of a PEM file, to trust instead of the system's.
pub fn root_store(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| Error::Refused { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

/// SHA-256 of a certificate's DER, written `ab:cd:...`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// Not 32 octets in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 fingerprint: 32 pairs of hexadecimal digits, separated by colons or not")]
pub struct FingerprintError;

impl Fingerprint {
    /// Of this certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut octets = [0; 32];
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        octets.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(octets)
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Reads a fingerprint as people paste it: either case, with colons between all octets or none.
pub fn parse_fingerprint(text: &str) -> Result<Fingerprint, FingerprintError> {
    let bytes = text.as_bytes();
    let (stride, length) = if text.contains(':') { (3, 95) } else { (2, 64) };
    if bytes.len() != length {
        return Err(FingerprintError);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(FingerprintError);
    let mut octets = [0; 32];
    for (octet, chunk) in octets.iter_mut().zip(bytes.chunks(stride)) {
        let ([high, low] | [high, low, b':']) = chunk else { return Err(FingerprintError) };
        *octet = u8::try_from(digit(*high)? << 4 | digit(*low)?).map_err(|_| FingerprintError)?;
    }
    Ok(Fingerprint(octets))
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_fingerprint(text)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const NO_CERTIFICATE: &str = "holds no certificate (a block that starts with -----BEGIN CERTIFICATE-----)";

fn pem_error(path: &Path, error: pem::Error, wanted: &str) -> Error {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => Error::Io { path, source },
        pem::Error::NoItemsFound => Error::Pem { path, what: format!("holds no {wanted} in PEM format") },
        other => Error::Pem { path, what: format!("not a {wanted} in PEM format: {other}") },
    }
}

/// Paths of the certificate and key, which are made when either is missing.
fn self_signed(directory: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let (certificate, private_key) = (directory.join("cert.pem"), directory.join("key.pem"));
    if certificate.exists() && private_key.exists() {
        return Ok((certificate, private_key));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| Error::Io { path: directory.to_owned(), source })?;
    let host = host_name();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !names.contains(&host) {
        names.insert(0, host.clone());
    }
    let mut params = rcgen::CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, host);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let now = time::OffsetDateTime::now_utc();
    // A day back, for clients whose clock is late.
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(SELF_SIGNED_DAYS);
    let key = rcgen::KeyPair::generate()?;
    let made = params.self_signed(&key)?;
    // The key first: a crash between the two leaves no certificate, and the next start makes both anew.
    write_private(&private_key, key.serialize_pem().as_bytes())?;
    write_private(&certificate, made.pem().as_bytes())?;
    Ok((certificate, private_key))
}

/// Writes whole or not at all, readable by the owner only from the first byte on.
fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("new");
    let write = || {
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// The machine's name, if it is one that a certificate can carry.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let name = name.unwrap_or_default().trim().to_ascii_lowercase();
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !name.is_empty() && name.len() <= 253 && name.chars().all(sound) { name } else { "localhost".to_owned() }
}

#[cfg(test)]
mod tests;
