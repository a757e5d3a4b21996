//! Connections to servers of the test: binding, errors and time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::mail::MailboxName;
use crate::poll::settings::{FirstPoll, LeaveOnServer, Login};
use crate::poll::trust;
use crate::secret::{Secret, SecretSource};

/// An account of a server on loopback that takes any certificate.
pub(in crate::poll) fn account(tls: Tls, port: u16) -> AccountSettings {
    AccountSettings {
        id: "u/a".to_owned(),
        user: "u".to_owned(),
        name: "a".to_owned(),
        host: "localhost".to_owned(),
        port,
        tls,
        username: "demo".to_owned(),
        login: Login::Password(SecretSource::fixed(Secret::new("demo"))),
        method: None,
        route: Route::Direct,
        certificate_sha256: None,
        ca_file: None,
        insecure: true,
        poll_interval: Duration::from_secs(60),
        leave_on_server: LeaveOnServer::Forever,
        delete_larger_than: None,
        delete_dry_run: false,
        first_poll: FirstPoll::All,
        deliver_to: MailboxName::new("a").expect("name"),
        keyword: None,
        rules: crate::ingest::Rules::default(),
        merge: false,
        enabled: true,
        max_message_size: 1 << 20,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

struct Server {
    config: Arc<ServerConfig>,
    der: Vec<u8>,
    not_after: SystemTime,
}

/// A server of one version of TLS, with a certificate signed by ECDSA with SHA-384.
fn server(version: &'static SupportedProtocolVersion) -> Server {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("name");
    params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    let not_after = params.not_after.into();
    let der = params.self_signed(&key).expect("certificate").der().to_vec();
    Server { config: showing(version, der.clone(), &key), der, not_after }
}

/// A server that shows these bytes as its certificate, and signs with this key.
fn showing(version: &'static SupportedProtocolVersion, der: Vec<u8>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = rustls::crypto::ring::sign::any_supported_type(&key).expect("key");
    let certified = rustls::sign::CertifiedKey::new(vec![der.into()], key);
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_protocol_versions(&[version]).expect("version").with_no_client_auth();
    Arc::new(builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified))))
}

/// How a handshake ends for an account that trusts any certificate.
async fn trusting(config: Arc<ServerConfig>) -> Result<Connection, Error> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let account = account(Tls::Implicit, 995);
    let client = trust::client_config(&account).expect("settings");
    let accepting = async { TlsAcceptor::from(config).accept(far).await.map(drop) };
    tokio::join!(plain(near).upgrade(&account, Some(client), soon()), accepting).0
}

#[tokio::test]
async fn a_trusted_certificate_may_be_of_version_1_and_needs_its_key() {
    let key = KeyPair::generate().expect("key");
    let der = CertificateParams::default().self_signed(&key).expect("certificate").der().to_vec();
    let version_3 = [0xa0, 3, 2, 1, 2];
    let at = der.windows(5).position(|window| window == version_3).expect("a version");
    let mut version_1 = der.clone();
    version_1[at + 4] = 0;
    let other = KeyPair::generate().expect("key");
    let other_kind = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
    for version in [&version::TLS12, &version::TLS13] {
        for certificate in [&der, &version_1] {
            trusting(showing(version, certificate.clone(), &key)).await.map(drop).expect("trusted");
            for wrong in [&other, &other_kind] {
                let error = trusting(showing(version, certificate.clone(), wrong)).await.map(drop);
                assert_eq!(error.expect_err("not its key").result().label(), "tls");
            }
        }
        let half = der[..der.len() / 4].to_vec();
        let error = trusting(showing(version, half, &key)).await.map(drop).expect_err("no key in it");
        assert_eq!(error.result().label(), "tls");
    }
}

#[tokio::test]
async fn the_host_is_named_in_the_handshake_and_an_address_is_not() {
    let key = KeyPair::generate().expect("key");
    let der = CertificateParams::default().self_signed(&key).expect("certificate").der().to_vec();
    let acceptor = TlsAcceptor::from(showing(&version::TLS13, der, &key));
    for (host, named) in [("pop.isp.example", Some("pop.isp.example")), ("192.0.2.1", None), ("[2001:db8::1]", None)] {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let account = AccountSettings { host: host.to_owned(), ..account(Tls::Implicit, 995) };
        let client = trust::client_config(&account).expect("settings");
        let (shaken, accepted) =
            tokio::join!(plain(near).upgrade(&account, Some(client), soon()), acceptor.accept(far));
        shaken.map(drop).expect("connected");
        let accepted = accepted.expect("handshake");
        assert_eq!(accepted.get_ref().1.server_name(), named, "{host}");
    }
}

/// A handshake with the server: the connection and what the server exports by the label of RFC 9266.
async fn shaken(server: &Server) -> (Connection, Vec<u8>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listener");
    let account = account(Tls::Implicit, listener.local_addr().expect("address").port());
    let acceptor = TlsAcceptor::from(server.config.clone());
    let exporting = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("connection");
        let mut stream = acceptor.accept(stream).await.expect("handshake");
        stream.write_all(b"+OK\r\n").await.expect("greeting");
        let (_, session) = stream.get_ref();
        session.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(&[])).expect("exported")
    });
    let config = trust::client_config(&account).expect("settings");
    let mut connection = Connection::open(&account, Some(config), soon()).await.expect("connected");
    let mut greeting = [0; 5];
    connection.read_exact(&mut greeting).await.expect("greeting");
    (connection, exporting.await.expect("server"))
}

#[tokio::test]
async fn tls_1_3_is_bound_by_what_both_ends_export() {
    let server = server(&version::TLS13);
    let (connection, exported) = shaken(&server).await;
    assert_eq!(connection.binding(), Some(ChannelBinding::Exporter(exported)));
    assert_eq!(connection.certificate_expiry(), Some(server.not_after));
}

#[tokio::test]
async fn tls_1_2_is_bound_by_the_hash_of_the_servers_certificate() {
    let server = server(&version::TLS12);
    let (connection, _) = shaken(&server).await;
    let hash = ring::digest::digest(&ring::digest::SHA384, &server.der).as_ref().to_vec();
    assert_eq!(connection.binding(), Some(ChannelBinding::ServerEndPoint(hash)));
    assert_eq!(connection.certificate_expiry(), Some(server.not_after));
}

#[tokio::test]
async fn in_the_clear_there_is_nothing_to_bind_to() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listener");
    let account = account(Tls::None, listener.local_addr().expect("address").port());
    let connection = Connection::open(&account, None, soon()).await.expect("connected");
    assert_eq!((connection.binding(), connection.certificate_expiry()), (None, None));
}

/// The error of a handshake in which the server answers the first octets with these and then waits, or closes.
async fn answered(tls: Tls, answer: &[u8], close: bool) -> Error {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let connection = plain(near);
    let account = account(tls, 995);
    let config = trust::client_config(&account).expect("settings");
    let shaking = connection.upgrade(&account, Some(config), soon());
    let serving = async {
        // The whole ClientHello: what is dropped unread would look like a reset.
        let mut hello = [0; 4096];
        assert!(far.read(&mut hello).await.expect("hello") > 0);
        far.write_all(answer).await.expect("answer");
        (!close).then_some(far)
    };
    let (shaken, _far) = tokio::join!(shaking, serving);
    match shaken {
        Ok(_) => panic!("there is TLS"),
        Err(error) => error,
    }
}

fn plain(stream: DuplexStream) -> Connection {
    Connection { stream: Box::new(stream), tls: None, program: None }
}

const WAY_OUT: &str = "use tls: none with this, which checks no certificate: tunnel: [openssl, s_client, -quiet, -cipher, \"DEFAULT:@SECLEVEL=0\", \
                       -min_protocol, TLSv1, -connect, \"localhost:995\"]";

#[tokio::test]
async fn servers_of_old_tls_are_to_be_reached_by_a_tunnel() {
    // Alerts: handshake_failure, protocol_version, insufficient_security.
    for alert in [40, 70, 71] {
        let error = answered(Tls::Implicit, &[0x15, 3, 1, 0, 2, 2, alert], false).await;
        assert_eq!(error.result().label(), "tls");
        assert!(error.to_string().ends_with(WAY_OUT), "{error}");
    }
    // A ServerHello of TLS 1.0: no session id, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let hello = [&[0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    let error = answered(Tls::StartTls, &hello, false).await;
    assert!(error.to_string().ends_with(WAY_OUT), "{error}");
    let error = answered(Tls::Implicit, b"", true).await;
    assert_eq!(error.result().label(), "tls");
    assert!(error.to_string().contains("the server closed the connection in the handshake"), "{error}");
}

#[tokio::test]
async fn a_greeting_in_the_clear_asks_for_stls() {
    let error = answered(Tls::Implicit, b"+OK POP3 ready\r\n", false).await;
    assert_eq!(error.result().label(), "tls");
    assert!(error.to_string().ends_with("is this the port for tls: starttls?"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_is_given_up_at_the_deadline() {
    let started = Instant::now();
    let error = answered(Tls::Implicit, b"", false).await;
    assert_eq!(error.to_string(), "no connection in time: no answer in the TLS handshake");
    assert_eq!((error.result().label(), started.elapsed().as_secs()), ("timeout", 30));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_hangs_is_given_up_at_the_deadline() {
    let started = Instant::now();
    let (near, mut far) = tokio::io::duplex(1024);
    let proxy = socks::Proxy { host: "proxy.example", port: 1080, login: None };
    // It takes the greeting and the choice of method, and says no more.
    let serving = async {
        let mut greeting = [0; 3];
        far.read_exact(&mut greeting).await.expect("greeting");
        far.write_all(&[5, 0]).await.expect("method");
        far
    };
    let (asked, _far) = tokio::join!(proxy.ask(near, "mail.example", 995, soon()), serving);
    let error = asked.map(drop).expect_err("no answer");
    assert_eq!(error.to_string(), "no connection in time: proxy proxy.example:1080: no answer");
    assert_eq!((error.result().label(), started.elapsed().as_secs()), ("timeout", 30));
}

#[tokio::test]
async fn a_proxys_refusals_are_told_apart() {
    for (code, expected) in [
        (1, "cannot connect: proxy p:1: mail.example:995: it failed; perhaps there is no such name"),
        (2, "cannot connect: proxy p:1: mail.example:995: its rules do not allow this"),
        (3, "cannot connect: proxy p:1: mail.example:995: network unreachable"),
        (4, "cannot connect: proxy p:1: mail.example:995: host unreachable, or no such name"),
        (5, "cannot connect: proxy p:1: mail.example:995: connection refused"),
        (6, "cannot connect: proxy p:1: mail.example:995: no answer"),
    ] {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(&[5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.expect("answers");
        let proxy = socks::Proxy { host: "p", port: 1, login: None };
        let error = proxy.ask(near, "mail.example", 995, soon()).await.map(drop).expect_err("refused");
        assert_eq!((error.to_string().as_str(), error.result().label()), (expected, "connect"));
    }
}

#[tokio::test]
async fn a_name_of_255_octets_goes_to_the_proxy_and_no_longer_one() {
    for (length, result) in [(255, "connect"), (256, "dns")] {
        let (near, far) = tokio::io::duplex(1024);
        drop(far);
        let proxy = socks::Proxy { host: "p", port: 1, login: None };
        let error = proxy.ask(near, &"x".repeat(length), 995, soon()).await.map(drop).expect_err("closed");
        assert_eq!(error.result().label(), result);
    }
}

#[tokio::test]
async fn a_host_that_is_no_name_gets_no_handshake() {
    let (near, _far) = tokio::io::duplex(1024);
    let account = AccountSettings { host: "no name".to_owned(), ..account(Tls::Implicit, 995) };
    let config = trust::client_config(&account).expect("settings");
    let error = plain(near).upgrade(&account, Some(config), soon()).await.map(drop).expect_err("no name");
    assert_eq!(error.to_string(), "no TLS: no name is neither a host name nor an address");
}

#[tokio::test]
async fn addresses_are_hosts_with_brackets_or_without() {
    let Ok(listener) = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0))).await else {
        eprintln!("this machine has no IPv6 on loopback: nothing was tested");
        return;
    };
    let port = listener.local_addr().expect("address").port();
    for host in ["::1", "[::1]"] {
        let account = AccountSettings { host: host.to_owned(), ..account(Tls::None, port) };
        Connection::open(&account, None, soon()).await.map(drop).expect(host);
    }
}
