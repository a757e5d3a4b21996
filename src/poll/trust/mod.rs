//! Which servers an account trusts: those of the system's authorities, those of a file, one certificate, or any.

mod refused;

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

pub(super) use refused::Refused;

use super::Error;
use super::settings::{AccountSettings, Tls};
use crate::tls;
use crate::tls::certificate::public_key;

/// The TLS side of an account. Blocking: reads the system's certificates, or a file.
pub(super) fn client_config(account: &AccountSettings) -> Result<Arc<ClientConfig>, Error> {
    let unusable = |error: rustls::Error| Error::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let verifier: Arc<dyn ServerCertVerifier> = if let Some(pin) = &account.certificate_sha256 {
        Arc::new(Only { sha256: Some(parse_pin(pin)?), provider })
    } else if let Some(path) = &account.ca_file {
        let failed = |reason: String| Error::Tls(format!("{}: {reason}", path.display()));
        let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let inner = tls::root_verifier(roots_of(&pem).map_err(failed)?, provider).map_err(unusable)?;
        Arc::new(Explaining { inner, of_file: true })
    } else if is_unchecked(account) {
        Arc::new(Only { sha256: None, provider })
    } else {
        Arc::new(Explaining { inner: tls::system_verifier(provider).map_err(unusable)?, of_file: false })
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
/// has the key (the handshake signature is checked). Nothing but the key is read of it: old servers have certificates of
/// version 1 and worse, which the library would not look at.
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
        let key = public_key(cert).ok_or(CertificateError::BadEncoding)?;
        let known = self.provider.signature_verification_algorithms.mapping;
        let of_scheme =
            known.iter().filter(|(scheme, _)| *scheme == dss.scheme).flat_map(|(_, algorithms)| *algorithms);
        let proves = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            algorithm.public_key_alg_id().as_ref() == key.algorithm
                && algorithm.verify_signature(key.key, message, dss.signature()).is_ok()
        };
        if of_scheme.into_iter().any(proves) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = public_key(cert).ok_or(CertificateError::BadEncoding)?;
        let info = SubjectPublicKeyInfoDer::from(key.info);
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &info, dss, algorithms)
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
