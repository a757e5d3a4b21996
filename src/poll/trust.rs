//! Which servers an account trusts: those of the system's authorities, those of a file, one certificate, or any.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use super::Error;
use super::settings::{AccountSettings, Tls};

/// Names of a certificate told in an error, and characters of each.
const MAX_NAMES: usize = 5;
const MAX_NAME: usize = 64;

/// The TLS side of an account. Blocking: reads the system's certificates, or a file.
pub(super) fn client_config(account: &AccountSettings) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> = if let Some(pin) = &account.certificate_sha256 {
        Arc::new(Only { sha256: Some(parse_pin(pin)?), provider })
    } else if let Some(path) = &account.ca_file {
        let failed = |reason: String| Error::Tls(format!("{}: {reason}", path.display()));
        let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let inner = authorities(roots_of(&pem).map_err(failed)?, provider)?;
        Arc::new(Explaining { inner, of_file: true })
    } else if is_unchecked(account) {
        Arc::new(Only { sha256: None, provider })
    } else if let Ok(verifier) = rustls_platform_verifier::Verifier::new(provider.clone()) {
        Arc::new(Explaining { inner: Arc::new(verifier), of_file: false })
    } else {
        // A system without certificates, such as a bare container.
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Arc::new(Explaining { inner: authorities(roots, provider)?, of_file: false })
    };
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// Whether any certificate is taken: what is stricter is obeyed where both are set.
fn is_unchecked(account: &AccountSettings) -> bool {
    account.insecure && account.tls != Tls::None && account.certificate_sha256.is_none() && account.ca_file.is_none()
}

/// Says in the log that an account is open to whoever sits between. To be called once a start.
pub(super) fn warn_if_unchecked(account: &AccountSettings) {
    if is_unchecked(account) {
        tracing::warn!(account = account.id, "certificate of {} is not checked", account.host);
    }
}

fn authorities(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = builder.build().map_err(|error| Error::Tls(error.to_string()))?;
    Ok(verifier)
}

fn roots_of(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(roots) }
}

/// 32 octets in hex, with or without colons.
fn parse_pin(text: &str) -> Result<[u8; 32], Error> {
    let bad = || Error::Tls("certificate_sha256 is not 32 octets in hex".to_owned());
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b':').collect();
    let mut sha256 = [0; 32];
    if digits.len() != sha256.len() * 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(bad());
    }
    for (octet, pair) in sha256.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
        *octet = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(sha256)
}

/// Colon hex, as configured and as tools print it.
fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, octets).as_ref());
    sha256
}

/// A certificate that is not trusted: why, and what can be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refused {
    reason: CertificateError,
    /// Of the certificate.
    sha256: [u8; 32],
    host: String,
    /// The authorities are those of `ca_file`.
    of_file: bool,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match &self.reason {
            CertificateError::ExpiredContext { not_after, .. } => {
                write!(f, "the certificate of {host} expired on {}; the server needs a new one", date(*not_after))?;
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                let date = date(*not_before);
                write!(f, "the certificate of {host} is not valid before {date}; is the clock of this machine right?")?;
            }
            CertificateError::UnknownIssuer => {
                let known = if self.of_file { "in ca_file" } else { "that this system trusts" };
                write!(f, "the certificate of {host} is self-signed or of no authority {known}")?;
                if !self.of_file {
                    f.write_str("; name its authority by ca_file")?;
                }
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                write!(f, "the certificate is not for {host} but for {}", names(presented))?;
            }
            other => write!(f, "the certificate of {host}: {other}")?,
        }
        let sha256 = hex(&self.sha256);
        write!(f, "; to trust this very certificate, if it is the server's: certificate_sha256: \"{sha256}\"")
    }
}

/// The day of a certificate's time.
fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "a day out of all reckoning".to_owned(),
    }
}

/// The names in a certificate, which are the server's words: bounded, and nothing in them reaches a terminal.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        // The library says `DnsName("a.example")`.
        let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner.trim_end_matches(')'));
        inner.trim_matches('"').escape_default().take(MAX_NAME).collect::<String>()
    };
    let mut names: Vec<_> = presented.iter().take(MAX_NAMES).map(bare).collect();
    match presented.len() {
        0 => return "no name at all".to_owned(),
        count if count > MAX_NAMES => names.push(format!("{} more", count - MAX_NAMES)),
        _ => {}
    }
    names.join(", ")
}

/// Trusts as another does, and says more when it does not.
#[derive(Debug)]
struct Explaining {
    inner: Arc<dyn ServerCertVerifier>,
    of_file: bool,
}

impl ServerCertVerifier for Explaining {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| match error {
            rustls::Error::InvalidCertificate(reason) => {
                let host = server_name.to_str().into_owned();
                let refused = Refused { reason, sha256: sha256(end_entity), host, of_file: self.of_file };
                CertificateError::Other(OtherError(Arc::new(refused))).into()
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Trusts one certificate, or any, whoever issued it and whatever its name and dates; the peer must still prove that it
/// has the key (the handshake signature is checked).
#[derive(Debug)]
struct Only {
    /// `None`: any.
    sha256: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = sha256(end_entity);
        if self.sha256.is_none_or(|wanted| wanted == shown) {
            return Ok(ServerCertVerified::assertion());
        }
        let shown = hex(&shown);
        Err(rustls::Error::General(format!("the certificate's SHA-256 is {shown}, not the one configured")))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_32_octets_in_hex() {
        let octets: Vec<u8> = (0..32).collect();
        let colons = hex(&octets);
        assert_eq!(parse_pin(&colons).expect("colons").to_vec(), octets);
        assert_eq!(parse_pin(&colons.replace(':', "").to_uppercase()).expect("plain").to_vec(), octets);
        for bad in ["", "ab", &colons[3..], &format!("{colons}:00"), &colons.replace("1f", "1g"), "+1"] {
            assert!(parse_pin(bad).is_err(), "{bad:?}");
        }
    }

    fn refused(reason: CertificateError) -> String {
        Refused { reason, sha256: [0xab; 32], host: "mail.example".to_owned(), of_file: false }.to_string()
    }

    #[test]
    fn a_refusal_says_why_and_what_to_write() {
        let write = format!("certificate_sha256: \"{}ab\"", "ab:".repeat(31));
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_700_000_000));
        let name = ServerName::try_from("mail.example").expect("name");
        let presented = vec!["DnsName(\"*.other.example\")".to_owned(), "IpAddress(192.0.2.1)".to_owned()];
        for (reason, begin) in [
            (
                CertificateError::ExpiredContext { time, not_after: time },
                "the certificate of mail.example expired on 2023-11-14; ",
            ),
            (
                CertificateError::NotValidYetContext { time, not_before: time },
                "the certificate of mail.example is not valid before 2023-11-14; is",
            ),
            (
                CertificateError::UnknownIssuer,
                "the certificate of mail.example is self-signed or of no authority that this system trusts; name its authority by ca_file; ",
            ),
            (
                CertificateError::NotValidForNameContext { expected: name.clone(), presented },
                "the certificate is not for mail.example but for *.other.example, 192.0.2.1; ",
            ),
            (
                CertificateError::NotValidForNameContext { expected: name, presented: vec![] },
                "the certificate is not for mail.example but for no name at all; ",
            ),
            (CertificateError::Revoked, "the certificate of mail.example: "),
        ] {
            let text = refused(reason);
            assert!(text.starts_with(begin) && text.ends_with(&write), "{text}");
        }
    }

    #[test]
    fn names_in_certificates_are_bounded_and_harmless() {
        let long = |length: usize| format!("DnsName(\"{}\")", "x".repeat(length));
        assert_eq!(names(&[long(MAX_NAME)]).len(), MAX_NAME);
        assert_eq!(names(&[long(MAX_NAME + 1)]).len(), MAX_NAME);
        assert_eq!(names(&vec![long(1); MAX_NAMES]), "x, x, x, x, x");
        assert_eq!(names(&vec![long(1); MAX_NAMES + 1]), "x, x, x, x, x, 1 more");
        assert_eq!(names(&["DnsName(\"a\u{1b}[2J\")".to_owned()]), "a\\u{1b}[2J");
    }

    #[test]
    fn an_account_that_trusts_anyone_is_warned_of() {
        use crate::poll::connect::tests::account;
        let warnings = |account: &AccountSettings| {
            let log = Arc::new(tempfile::tempfile().expect("file"));
            let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
            tracing::subscriber::with_default(subscriber, || warn_if_unchecked(account));
            let (mut text, mut file) = (String::new(), &*log);
            std::io::Seek::rewind(&mut file).expect("rewound");
            std::io::Read::read_to_string(&mut file, &mut text).expect("read");
            text
        };
        let insecure = AccountSettings { insecure: true, ..account(Tls::Implicit, 995) };
        let text = warnings(&insecure);
        assert!(text.contains(" WARN ") && text.contains("certificate of localhost is not checked"), "{text}");
        for checked in [
            AccountSettings { insecure: false, ..insecure.clone() },
            AccountSettings { tls: Tls::None, ..insecure.clone() },
            AccountSettings { certificate_sha256: Some(hex(&[0; 32])), ..insecure.clone() },
            AccountSettings { ca_file: Some("/ca.pem".into()), ..insecure },
        ] {
            assert_eq!(warnings(&checked), "");
        }
    }

    #[test]
    fn a_ca_file_must_hold_a_certificate() {
        assert!(roots_of(b"").is_err());
        assert!(roots_of(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
        assert_eq!(roots_of(key.cert.pem().as_bytes()).expect("one").len(), 1);
    }
}
