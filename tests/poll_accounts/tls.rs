//! TLS from the first byte and by STLS; trust by pin and by file; what does not verify is refused.

use std::fmt::Write;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tributary::demo::pop3d::{Action, Fault, Pop3d, Settings as ServerSettings};
use tributary::poll::{AccountSettings, Tls};
use tributary::pop3::Verb;

use super::support::*;

pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    pem: String,
    pub(crate) config: Arc<rustls::ServerConfig>,
}

impl Certificate {
    pub(crate) fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (der, pem) = (made.cert.der().clone(), made.cert.pem());
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(builder.with_single_cert(vec![der.clone()], key).unwrap());
        Self { der, pem, config }
    }

    pub(crate) fn pin(&self) -> String {
        let mut pin = String::new();
        for octet in ring::digest::digest(&ring::digest::SHA256, &self.der).as_ref() {
            write!(pin, "{}{octet:02X}", if pin.is_empty() { "" } else { ":" }).unwrap();
        }
        pin
    }

    async fn server(&self, implicit_tls: bool) -> Pop3d {
        let settings = ServerSettings { tls: Some(self.config.clone()), implicit_tls, ..ServerSettings::default() };
        let server = Pop3d::start(settings).await.unwrap();
        server.deliver("a", message("a"));
        server
    }
}

fn secured(server: &Pop3d, tls: Tls) -> AccountSettings {
    AccountSettings { tls, host: "localhost".to_owned(), ..account("a", server.address()) }
}

#[tokio::test]
async fn a_pinned_certificate_is_trusted_both_ways_of_tls() {
    let certificate = Certificate::new("another.name");
    for (implicit, tls) in [(true, Tls::Implicit), (false, Tls::StartTls)] {
        let server = certificate.server(implicit).await;
        let pinned = AccountSettings { certificate_sha256: Some(certificate.pin()), ..secured(&server, tls) };
        let house = House::of(vec![pinned]).await;
        house.poll_ok("u/a").await;
        assert_eq!(house.subjects("a").await, ["a"]);
        assert_eq!(server.counters().pipelined, 0);
        house.stop().await;
    }
}

#[tokio::test]
async fn a_ca_file_is_trusted_for_the_right_name_only() {
    let dir = tempfile::tempdir().unwrap();
    for (name, result) in [("localhost", "ok"), ("another.name", "tls")] {
        let certificate = Certificate::new(name);
        let path = dir.path().join(name);
        std::fs::write(&path, &certificate.pem).unwrap();
        let server = certificate.server(true).await;
        let trusting = AccountSettings { ca_file: Some(path), ..secured(&server, Tls::Implicit) };
        let house = House::of(vec![trusting]).await;
        assert_eq!(house.poll("u/a").await.result.label(), result, "{name}");
        house.stop().await;
    }
}

#[tokio::test]
async fn what_does_not_verify_never_sees_the_password() {
    let (certificate, other) = (Certificate::new("localhost"), Certificate::new("localhost"));
    for (implicit, tls) in [(true, Tls::Implicit), (false, Tls::StartTls)] {
        let server = certificate.server(implicit).await;
        let unknown = secured(&server, tls);
        let wrong_pin = AccountSettings { certificate_sha256: Some(other.pin()), ..unknown.clone() };
        let bad_pin = AccountSettings { certificate_sha256: Some("ab:cd".to_owned()), ..unknown.clone() };
        let no_file = AccountSettings { ca_file: Some("/no/such/file".into()), ..unknown.clone() };
        for account in [unknown, wrong_pin, bad_pin, no_file] {
            let house = House::of(vec![account]).await;
            let report = house.poll("u/a").await;
            assert_eq!(report.result.label(), "tls", "{report:?}");
            house.stop().await;
        }
        assert!(!server.log().iter().any(|line| line.starts_with("USER") || line == "AUTH"), "{:?}", server.log());
    }
}

#[tokio::test]
async fn without_stls_there_is_no_login() {
    let server = server_with(1).await;
    let house = House::of(vec![secured(&server, Tls::StartTls)]).await;
    assert_eq!(house.poll("u/a").await.result.label(), "tls");
    house.stop().await;

    let certificate = Certificate::new("localhost");
    let server = certificate.server(false).await;
    server.fault(Fault::always(Verb::Stls, Action::Answer(b"+OK\r\n+OK injected\r\n".to_vec())));
    let pinned = AccountSettings { certificate_sha256: Some(certificate.pin()), ..secured(&server, Tls::StartTls) };
    let house = House::of(vec![pinned]).await;
    assert_ne!(house.poll("u/a").await.result.label(), "ok");
    assert!(!server.log().iter().any(|line| line.starts_with("USER") || line == "PASS" || line == "AUTH"));
    house.stop().await;
}
