//! Routes to a maildrop: the families of addresses, proxies and programs, with and without TLS on top.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tributary::demo::pop3d::{Pop3d, Settings as ServerSettings};
use tributary::poll::{AccountSettings, LeaveOnServer, Report, Route, Settings, Tls};
use tributary::pop3::Timeouts;
use tributary::secret::Secret;
use tributary::status::AccountState;

use super::support::*;

const METRIC: &str = "tributary_upstream_certificate_expiry_timestamp_seconds";

/// A certificate and the server's side of it.
struct Certificate {
    pem: String,
    pin: String,
    config: Arc<rustls::ServerConfig>,
}

fn certificate(name: &str, from: i32, to: i32) -> Certificate {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    signed(&params)
}

fn signed(params: &CertificateParams) -> Certificate {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
    let pin = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":");
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    Certificate { pem: certificate.pem(), pin, config }
}

async fn serving(certificate: &Certificate, implicit_tls: bool) -> Pop3d {
    let tls = Some(certificate.config.clone());
    filled(ServerSettings { tls, implicit_tls, ..ServerSettings::default() }).await
}

async fn filled(settings: ServerSettings) -> Pop3d {
    let server = Pop3d::start(settings).await.unwrap();
    server.deliver("a", message("a"));
    server
}

/// One poll that must fetch the one message.
async fn fetches(account: AccountSettings) {
    let house = House::of(vec![account]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await, ["a"]);
    house.stop().await;
}

/// One poll that must fail: its result and its error.
async fn fails(account: AccountSettings) -> (&'static str, String) {
    let house = House::of(vec![account]).await;
    let report = house.poll("u/a").await;
    house.stop().await;
    told(report)
}

fn told(report: Report) -> (&'static str, String) {
    (report.result.label(), report.error.unwrap_or_default())
}

// Addresses.

#[tokio::test]
async fn a_server_on_one_family_of_localhost_is_found() {
    let addresses: Vec<_> = ("localhost", 0).to_socket_addrs().unwrap().collect();
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let listen = SocketAddr::new(ip, 0);
        if TcpListener::bind(listen).await.is_err() {
            eprintln!("this machine has no {ip}: nothing was tested there");
            continue;
        }
        let server = filled(ServerSettings { listen, ..ServerSettings::default() }).await;
        fetches(account("a", server.address())).await;
        if ip.is_ipv6() {
            fetches(AccountSettings { host: format!("[{ip}]"), ..account("a", server.address()) }).await;
        }
        if addresses.iter().any(|address| address.ip() == ip) {
            fetches(AccountSettings { host: "localhost".to_owned(), ..account("a", server.address()) }).await;
        } else {
            eprintln!("localhost is not {ip} on this machine: the name was not tested there");
        }
    }
}

#[tokio::test]
async fn a_closed_port_and_a_name_without_address_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (result, error) = fails(account("a", address)).await;
    assert_eq!((result, error), ("connect", format!("cannot connect: {address}: connection refused")));
    // RFC 6761: never a name. The name is resolved here, whether or not there is a name server.
    let nowhere = AccountSettings { host: "nowhere.invalid".to_owned(), ..account("a", address) };
    let (result, error) = fails(nowhere).await;
    assert_eq!(result, "dns", "{error}");
    assert!(error.starts_with("cannot resolve nowhere.invalid: "), "{error}");
}

#[tokio::test]
async fn a_server_that_never_begins_its_handshake_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = AccountSettings { tls: Tls::Implicit, ..account("a", listener.local_addr().unwrap()) };
    let timeouts = Timeouts { connect: Duration::from_millis(200), ..Timeouts::default() };
    let house = House::with(Settings { accounts: vec![silent], timeouts, ..Settings::default() }).await;
    assert_eq!(told(house.poll("u/a").await).0, "timeout");
    house.stop().await;
}

// Certificates.

#[tokio::test]
async fn each_fault_of_a_certificate_is_told_with_the_pin_that_helps() {
    let dir = tempfile::tempdir().unwrap();
    for (name, years, trusted, expected) in [
        ("localhost", (2001, 2002), true, "the certificate of localhost expired on 2002-01-01; "),
        ("localhost", (2200, 2201), true, "the certificate of localhost is not valid before 2200-01-01; "),
        ("localhost", (2001, 2200), false, "the certificate of localhost is self-signed or of no authority that "),
        ("a.example", (2001, 2200), true, "the certificate is not for localhost but for a.example; "),
    ] {
        let certificate = certificate(name, years.0, years.1);
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, &certificate.pem).unwrap();
        for (implicit, tls) in [(true, Tls::Implicit), (false, Tls::StartTls)] {
            let server = serving(&certificate, implicit).await;
            let host = "localhost".to_owned();
            let ca_file = trusted.then(|| ca_file.clone());
            let strict = AccountSettings { tls, host, ca_file, ..account("a", server.address()) };
            let (result, error) = fails(strict.clone()).await;
            assert_eq!(result, "tls", "{error}");
            assert!(error.starts_with(&format!("no TLS: {expected}")), "{error}");
            assert!(error.ends_with(&format!("certificate_sha256: \"{}\"", certificate.pin)), "{error}");
            assert!(!server.log().iter().any(|line| line.starts_with("USER") || line == "AUTH"));
            // What the error says to write makes it work.
            let pin = error.rsplit('"').nth(1).map(str::to_owned);
            fetches(AccountSettings { certificate_sha256: pin, ca_file: None, ..strict }).await;
        }
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_was_renewed_counts_from_the_next_poll_on() {
    let [now, before] = [certificate("localhost", 2001, 2200), certificate("localhost", 2001, 2200)];
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &before.pem).unwrap();
    let server = serving(&now, true).await;
    let (tls, host) = (Tls::Implicit, "localhost".to_owned());
    let account = AccountSettings { tls, host, ca_file: Some(ca.path().to_owned()), ..account("a", server.address()) };
    let house = House::of(vec![account]).await;
    assert_eq!(told(house.poll("u/a").await).0, "tls");
    std::fs::write(ca.path(), &now.pem).unwrap();
    house.poll_ok("u/a").await;
}

/// What `openssl req -x509` makes: the certificate of an authority, which no server's may be.
#[tokio::test]
async fn the_usual_self_signed_certificate_can_be_pinned_as_its_error_says() {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = signed(&params);
    let server = serving(&certificate, true).await;
    let strict = AccountSettings { tls: Tls::Implicit, ..account("a", server.address()) };
    let pin = format!("certificate_sha256: \"{}\"", certificate.pin);
    let expected = format!(
        "no TLS: the certificate of 127.0.0.1 is self-signed or of no authority that this system trusts; \
         to trust this very certificate, if it is the server's: {pin}"
    );
    assert_eq!(fails(strict.clone()).await, ("tls", expected));
    fetches(AccountSettings { certificate_sha256: Some(certificate.pin), ..strict }).await;
}

#[tokio::test]
async fn insecure_takes_any_certificate_unless_told_which() {
    let bad = certificate("a.example", 2001, 2002);
    let server = serving(&bad, true).await;
    let insecure = AccountSettings { tls: Tls::Implicit, insecure: true, ..account("a", server.address()) };
    fetches(insecure.clone()).await;
    let other = certificate("a.example", 2001, 2200);
    let pinned = AccountSettings { certificate_sha256: Some(other.pin), ..insecure.clone() };
    assert_eq!(fails(pinned).await.0, "tls");
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), other.pem).unwrap();
    assert_eq!(fails(AccountSettings { ca_file: Some(ca.path().to_owned()), ..insecure }).await.0, "tls");
}

#[tokio::test]
async fn the_end_of_the_certificate_is_a_metric_from_the_first_handshake_on() {
    let certificate = certificate("localhost", 2001, 2100);
    for (tls, expected) in
        [(Tls::Implicit, Some(4_102_444_800.0)), (Tls::StartTls, Some(4_102_444_800.0)), (Tls::None, None)]
    {
        let server = serving(&certificate, tls == Tls::Implicit).await;
        let account = AccountSettings { tls, insecure: true, ..account("a", server.address()) };
        let house = House::of(vec![account.clone()]).await;
        let shown = || house.registry.gather().iter().any(|family| family.name() == METRIC);
        assert!(!shown());
        house.poll_ok("u/a").await;
        assert_eq!(shown().then(|| house.metric(METRIC, &["u/a"])), expected);
        // Other settings may have no certificate: what the ones before have seen must not raise alarm in years to come.
        let accounts = vec![AccountSettings { enabled: false, ..account }];
        house.poller.apply(Settings { accounts, ..Settings::default() });
        let mut status = house.status.clone();
        status.wait_for(|accounts| accounts["u/a"].state == AccountState::Paused).await.unwrap();
        assert!(!shown());
        house.stop().await;
    }
}

#[tokio::test]
async fn a_server_in_the_clear_on_a_tls_port_asks_for_stls() {
    let server = filled(ServerSettings::default()).await;
    let (result, error) = fails(AccountSettings { tls: Tls::Implicit, ..account("a", server.address()) }).await;
    assert_eq!(result, "tls");
    assert!(error.ends_with("is this the port for tls: starttls?"), "{error}");
}

// Proxies.

/// A SOCKS5 server (RFC 1928, RFC 1929) that knows one name.
struct Proxy {
    address: SocketAddr,
    /// Host and port as each client asked for them.
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Proxy {
    async fn start(login: Option<(&'static str, &'static str)>, name: &'static str, target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::default());
        let mut task = JoinSet::new();
        let log = Arc::clone(&asked);
        task.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let log: Arc<Mutex<Vec<String>>> = Arc::clone(&log);
                clients.spawn(async move {
                    // A client that goes away concerns no other.
                    let _ = Self::serve(client, login, name, target, &log).await;
                });
            }
        });
        Self { address, asked, _task: task }
    }

    async fn serve(
        mut client: TcpStream,
        login: Option<(&str, &str)>,
        name: &str,
        target: SocketAddr,
        log: &Mutex<Vec<String>>,
    ) -> std::io::Result<()> {
        assert_eq!(client.read_u8().await?, 5);
        let methods = octets(&mut client).await?;
        let method = if login.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            return client.write_all(&[5, 0xff]).await;
        }
        client.write_all(&[5, method]).await?;
        if let Some((user, password)) = login {
            assert_eq!(client.read_u8().await?, 1);
            let (shown, proof) = (octets(&mut client).await?, octets(&mut client).await?);
            let good = shown == user.as_bytes() && proof == password.as_bytes();
            client.write_all(&[1, u8::from(!good)]).await?;
            if !good {
                return Ok(());
            }
        }
        let mut request = [0; 4];
        client.read_exact(&mut request).await?;
        assert_eq!(request[..3], [5, 1, 0]);
        let host = match request[3] {
            1 => Ipv4Addr::from_bits(client.read_u32().await?).to_string(),
            4 => Ipv6Addr::from_bits(client.read_u128().await?).to_string(),
            _ => String::from_utf8(octets(&mut client).await?).unwrap(),
        };
        let port = client.read_u16().await?;
        log.lock().unwrap().push(format!("{host} {port}"));
        let answer = |code| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        if host != name {
            return client.write_all(&answer(4)).await;
        }
        let Ok(mut server) = TcpStream::connect(target).await else { return client.write_all(&answer(5)).await };
        client.write_all(&answer(0)).await?;
        copy_bidirectional(&mut client, &mut server).await.map(drop)
    }

    fn route(&self, login: Option<(&str, &str)>) -> Route {
        let login = login.map(|(user, password)| (user.to_owned(), Secret::new(password)));
        Route::Socks5 { host: self.address.ip().to_string(), port: self.address.port(), login }
    }

    fn says(&self, reason: &str) -> (&'static str, String) {
        ("connect", format!("cannot connect: proxy {}: {reason}", self.address))
    }
}

/// Octets behind their number.
async fn octets(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut octets = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

fn by_name(server: &Pop3d, route: Route) -> AccountSettings {
    AccountSettings { host: "pop.nowhere.invalid".to_owned(), route, ..account("a", server.address()) }
}

#[tokio::test]
async fn the_proxy_resolves_the_name_and_carries_tls() {
    let certificate = certificate("pop.nowhere.invalid", 2001, 2200);
    for tls in [Tls::None, Tls::StartTls, Tls::Implicit] {
        let server = serving(&certificate, tls == Tls::Implicit).await;
        let proxy = Proxy::start(None, "pop.nowhere.invalid", server.address()).await;
        let pin = (tls != Tls::None).then(|| certificate.pin.clone());
        fetches(AccountSettings { tls, certificate_sha256: pin, ..by_name(&server, proxy.route(None)) }).await;
        assert_eq!(*proxy.asked.lock().unwrap(), [format!("pop.nowhere.invalid {}", server.address().port())]);
    }
}

#[tokio::test]
async fn addresses_go_to_the_proxy_as_they_are() {
    let server = filled(ServerSettings::default()).await;
    for (host, name) in [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1")] {
        let proxy = Proxy::start(None, name, server.address()).await;
        fetches(AccountSettings { host: host.to_owned(), ..by_name(&server, proxy.route(None)) }).await;
        assert_eq!(*proxy.asked.lock().unwrap(), [format!("{name} {}", server.address().port())]);
    }
}

#[tokio::test]
async fn a_proxy_with_a_login_wants_the_right_one() {
    let server = filled(ServerSettings::default()).await;
    let proxy = Proxy::start(Some(("user", "secret")), "pop.nowhere.invalid", server.address()).await;
    fetches(by_name(&server, proxy.route(Some(("user", "secret"))))).await;
    let none = fails(by_name(&server, proxy.route(None))).await;
    assert_eq!(none, proxy.says("it wants a user name and password"));
    let wrong = fails(by_name(&server, proxy.route(Some(("user", "wrong-one"))))).await;
    assert_eq!(wrong, proxy.says("the user name or password is refused"));
    let empty = fails(by_name(&server, proxy.route(Some(("user", ""))))).await;
    assert_eq!(empty, proxy.says("user name and password must have 1 to 255 octets each"));
    // Who has a login may be let in without.
    let open = Proxy::start(None, "pop.nowhere.invalid", server.address()).await;
    fetches(by_name(&server, open.route(Some(("user", "secret"))))).await;
}

#[tokio::test]
async fn what_a_proxy_cannot_do_is_told_with_its_name() {
    let server = filled(ServerSettings::default()).await;
    let port = server.address().port();
    let proxy = Proxy::start(None, "another.invalid", server.address()).await;
    let unknown = fails(by_name(&server, proxy.route(None))).await;
    let reason = format!("pop.nowhere.invalid:{port}: host unreachable, or no such name");
    assert_eq!(unknown, proxy.says(&reason));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start(None, "pop.nowhere.invalid", closed).await;
    let refused = fails(by_name(&server, proxy.route(None))).await;
    assert_eq!(refused, proxy.says(&format!("pop.nowhere.invalid:{port}: connection refused")));

    let gone = Route::Socks5 { host: closed.ip().to_string(), port: closed.port(), login: None };
    let expected = format!("cannot connect: proxy {closed}: {closed}: connection refused");
    assert_eq!(fails(by_name(&server, gone)).await, ("connect", expected));
    let nameless = Route::Socks5 { host: "proxy.invalid".to_owned(), port: 1080, login: None };
    let (result, error) = fails(by_name(&server, nameless)).await;
    assert_eq!(result, "connect");
    assert!(error.starts_with("cannot connect: proxy proxy.invalid:1080: cannot resolve proxy.invalid: "), "{error}");
    // No proxy at all: a POP3 server.
    let (result, error) =
        fails(by_name(&server, Route::Socks5 { host: "127.0.0.1".to_owned(), port, login: None })).await;
    assert_eq!(
        (result, error),
        ("connect", format!("cannot connect: proxy 127.0.0.1:{port}: its answer is not SOCKS5"))
    );
}

// Programs.

fn tunnel(words: &[&str]) -> Route {
    Route::Tunnel(words.iter().map(|word| (*word).to_owned()).collect())
}

/// A program that connects to a port on loopback, as `nc` does where there is one.
fn nc(port: u16) -> Route {
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & cat >&3; wait");
    tunnel(&["bash", "-c", &script])
}

#[tokio::test]
async fn a_program_carries_a_session_in_the_clear_and_by_tls() {
    let certificate = certificate("pop.nowhere.invalid", 2001, 2200);
    for tls in [Tls::None, Tls::StartTls, Tls::Implicit] {
        let server = serving(&certificate, tls == Tls::Implicit).await;
        let pin = (tls != Tls::None).then(|| certificate.pin.clone());
        let route = nc(server.address().port());
        fetches(AccountSettings { tls, certificate_sha256: pin, ..by_name(&server, route) }).await;
    }
}

#[tokio::test]
async fn a_program_that_dies_in_the_session_is_a_lost_connection_and_what_came_is_kept() {
    let server = server_with(3).await;
    // It kills itself, with the `cat` that it started, instead of passing on the second RETR.
    let port = server.address().port();
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & \
         while read -r line; do case $line in 'RETR 2'*) kill -9 0;; esac; printf '%s\\n' \"$line\" >&3; done"
    );
    let dying =
        AccountSettings { leave_on_server: LeaveOnServer::Never, ..by_name(&server, tunnel(&["bash", "-c", &script])) };
    let house = House::of(vec![dying.clone()]).await;
    let (result, error) = told(house.poll("u/a").await);
    assert_eq!(result, "connect", "{error}");
    assert_eq!(server.counters().deleted, 0);
    let house = house.restarted(vec![AccountSettings { route: nc(port), ..dying }]).await;
    house.poll_ok("u/a").await;
    assert_eq!(house.subjects("a").await, ["1", "2", "3"]);
    house.stop().await;
}

#[tokio::test]
async fn a_program_that_fails_is_named_with_its_last_words() {
    let server = filled(ServerSettings::default()).await;
    let missing = fails(by_name(&server, tunnel(&["/no/such/program", "x"]))).await;
    assert_eq!(missing.0, "connect");
    assert!(missing.1.starts_with("cannot connect: tunnel /no/such/program: it cannot be started: "), "{}", missing.1);
    for tls in [Tls::None, Tls::StartTls, Tls::Implicit] {
        let failing = tunnel(&["sh", "-c", "echo connecting >&2; echo 'no route' >&2; exit 7"]);
        let failing = AccountSettings { tls, insecure: true, ..by_name(&server, failing) };
        let expected = "cannot connect: tunnel sh: it ended with exit status: 7: no route";
        assert_eq!(fails(failing).await, ("connect", expected.to_owned()));
    }
}

#[tokio::test]
async fn the_program_is_gone_when_the_poll_is_over() {
    let server = filled(ServerSettings::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("id");
    let port = server.address().port();
    let script =
        format!("echo $$ > {}; exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & cat >&3; sleep 1000", file.display());
    let house = House::of(vec![by_name(&server, tunnel(&["bash", "-c", &script]))]).await;
    house.poll_ok("u/a").await;
    let id = std::fs::read_to_string(&file).unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}", id.trim()));
    // Not even a zombie stays; the task that waits for it may be at it still.
    while process.exists() {
        tokio::task::yield_now().await;
    }
    house.stop().await;
}
