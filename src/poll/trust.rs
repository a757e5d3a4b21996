//! Which servers an account trusts: the system's authorities, those of a file, or one certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Error;
use super::settings::AccountSettings;

/// The TLS side of an account. Blocking: reads the system's certificates, or a file.
pub(super) fn client_config(account: &AccountSettings) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?;
    let config = if let Some(pin) = &account.certificate_sha256 {
        let sha256 = parse_pin(pin)?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { sha256, provider }))
            .with_no_client_auth()
    } else if let Some(path) = &account.ca_file {
        let pem = std::fs::read(path).map_err(|error| Error::Tls(format!("{}: {error}", path.display())))?;
        let roots = roots_of(&pem).map_err(|reason| Error::Tls(format!("{}: {reason}", path.display())))?;
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        crate::tls::with_system_trust(builder, provider).with_no_client_auth()
    };
    Ok(Arc::new(config))
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

/// Trusts one certificate, whoever issued it and whatever its name and dates; the peer must still prove that it has
/// the key (the handshake signature is checked).
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = ring::digest::digest(&ring::digest::SHA256, end_entity);
        if shown.as_ref() == self.sha256 {
            return Ok(ServerCertVerified::assertion());
        }
        let shown = hex(shown.as_ref());
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

    #[test]
    fn a_ca_file_must_hold_a_certificate() {
        assert!(roots_of(b"").is_err());
        assert!(roots_of(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
        assert_eq!(roots_of(key.cert.pem().as_bytes()).expect("one").len(), 1);
    }
}
