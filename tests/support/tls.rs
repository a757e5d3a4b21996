//! A self-signed certificate for loopback, and the server's side of it.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;

pub struct Certificate {
    pub pem: String,
    /// SHA-256, in colon hex.
    pub pin: String,
    pub config: Arc<rustls::ServerConfig>,
}

impl Certificate {
    pub fn new() -> Self {
        Self::of(&["localhost", "127.0.0.1"])
    }

    pub fn of(names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, made.cert.der());
        let pin = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap());
        Self { pem: made.cert.pem(), pin, config }
    }
}
