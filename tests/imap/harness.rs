//! An IMAP server over a store in memory on loopback, and clients that speak in transcripts.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tributary::auth::{self, Password, UserSettings, Users};
use tributary::imap::{Deps, Metrics, Server, Settings};
use tributary::ingest::Intake;
use tributary::mail::{BodyId, FlagList, InternalDate, MailboxId, MailboxName};
use tributary::metrics::Registry;
use tributary::secret::Secret;
use tributary::store::{BodyCursor, NewMessage, Store};
use tributary::tls;

/// The limit of every wait.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A message of two lines.
pub const MESSAGE: &str = "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Greetings\r\n\
     Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <1@example.org>\r\n\r\nHello Bob\r\nfrom Ann\r\n";

pub struct TestServer {
    pub address: std::net::SocketAddr,
    registry: Registry,
    running: Arc<Running>,
    pub server: Arc<Server>,
    pub store: Store,
    /// Of the server's certificate.
    pub roots: rustls::RootCertStore,
}

/// The server stops when neither it nor a client is used any more.
struct Running {
    shutdown: CancellationToken,
    _dir: tempfile::TempDir,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::with(Settings { allow_cleartext_login: true, ..Settings::default() }).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::over(Store::in_memory(Duration::from_secs(3600)).expect("store"), settings).await
    }

    /// Over a store that keeps nothing of an expunged message once it is told to collect.
    pub async fn forgetful() -> Self {
        let settings = Settings { allow_cleartext_login: true, ..Settings::default() };
        Self::over(Store::in_memory(Duration::ZERO).expect("store"), settings).await
    }

    /// Over a store in files, which does what one in memory need not.
    pub async fn on_disk() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let files = tributary::store::Settings {
            data_dir: dir.path().to_owned(),
            cache_bytes: 16 << 20,
            gc_grace: Duration::from_secs(3600),
        };
        let store = Store::open(&files).expect("store");
        let settings = Settings { allow_cleartext_login: true, ..Settings::default() };
        // The store outlives its directory entry: nothing is opened again.
        Self::over(store, settings).await
    }

    pub async fn over(store: Store, settings: Settings) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let registry = Registry::new().expect("registry");
        let user = |name: &str| UserSettings { name: name.into(), password: Password::Plain(Secret::new("secret")) };
        let users = auth::Settings {
            users: vec![user("alice"), user("bob")],
            queue: 1_000,
            queue_per_address: 1_000,
            ..auth::Settings::default()
        };
        let tls = tls::load(&tls::Settings::SelfSigned { directory: dir.path().join("tls") }).expect("tls");
        let roots = tls::root_store(&tls.certificate).expect("roots");
        let deps = Deps {
            settings,
            store: store.clone(),
            users: Arc::new(Users::new(users, &registry).expect("users")),
            tls: tls.config,
            metrics: Metrics::register(&registry).expect("metrics"),
            nudge: Arc::new(|_| {}),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let shutdown = CancellationToken::new();
        let server = Server::new(deps);
        tokio::spawn(Arc::clone(&server).run(listener, false, shutdown.clone()));
        Self { address, registry, store, roots, server, running: Arc::new(Running { shutdown, _dir: dir }) }
    }

    /// Stops the server.
    pub fn stop(&self) {
        self.running.shutdown.cancel();
    }

    /// The value of the sample whose line in /metrics begins with `name` and a space.
    pub fn metric(&self, name: &str) -> String {
        let text = String::from_utf8(self.registry.render().expect("metrics")).expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no sample {name} in:\n{text}")).to_owned()
    }

    /// Serves a stream in memory, as if it came from `peer`.
    pub fn serve<S>(&self, stream: S, peer: &str) -> tokio::task::JoinHandle<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (server, shutdown) = (Arc::clone(&self.server), self.running.shutdown.clone());
        let peer = std::net::SocketAddr::new(peer.parse().expect("an address"), 1);
        tokio::spawn(async move { server.serve_stream(stream, peer, true, shutdown).await })
    }

    /// A client in memory, which may be paused in time; `room` octets are under way to it before the server must wait.
    pub async fn memory(&self, room: usize, peer: &str) -> Client<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(room);
        self.serve(theirs, peer);
        let mut client = self.client(ours);
        client.s("* OK *").await;
        client.ok("LOGIN alice secret").await;
        client
    }

    /// A client on any stream.
    pub fn client<S>(&self, stream: S) -> Client<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Client { stream: BufReader::new(stream), tag: 0, _running: Arc::clone(&self.running) }
    }

    pub async fn connect(&self) -> Client {
        let mut client = Client::of(self).await;
        client.s("* OK *").await;
        client
    }

    pub async fn login(&self) -> Client {
        let mut client = self.connect().await;
        client.ok("LOGIN alice secret").await;
        client
    }

    pub async fn selected(&self, mailbox: &str) -> Client {
        let mut client = self.login().await;
        client.ok(&format!("SELECT {mailbox}")).await;
        client
    }

    /// INBOX of alice.
    pub async fn inbox(&self) -> MailboxId {
        let user = self.store.ensure_user("alice").await.expect("a user");
        self.store.mailbox(user, &MailboxName::inbox()).await.expect("mailboxes").expect("INBOX").id
    }

    /// What is stored of a message.
    pub async fn octets(&self, body: BodyId) -> Vec<u8> {
        let read = self.store.read(move |reader| {
            let (mut cursor, mut octets) = (BodyCursor::new(body, 0..u64::MAX), Vec::new());
            while !cursor.is_done() {
                reader.read_body(&mut cursor, &mut octets, 1 << 20)?;
            }
            Ok(octets)
        });
        read.await.expect("read")
    }

    /// Puts a message of a megabyte into INBOX of alice, without a session.
    pub async fn store_large(&self) {
        let text = format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(60_000));
        self.put(text.as_bytes()).await;
    }

    /// Puts a message into INBOX of alice, without a session.
    pub async fn put(&self, message: &[u8]) {
        let mut intake = Intake::begin(&self.store).await.expect("begun");
        intake.write(message).await.expect("written");
        let body = intake.finish().await.expect("durable").body;
        let internal_date = InternalDate::default();
        let message = NewMessage { body, flags: FlagList::default(), internal_date, account: None };
        self.store.append(self.inbox().await, vec![message]).await.expect("appended");
    }

    /// Appends the same message `count` times to INBOX.
    pub async fn fill(&self, count: usize) {
        let mut client = self.login().await;
        for _ in 0..count {
            client.append("INBOX", "", MESSAGE).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub struct Client<S = TcpStream> {
    stream: BufReader<S>,
    tag: u32,
    _running: Arc<Running>,
}

impl Client {
    /// Connects; the greeting is still to come.
    pub async fn of(server: &TestServer) -> Self {
        server.client(TcpStream::connect(server.address).await.expect("connect"))
    }

    /// Whether nothing has come that has not been read. True too early, unless what would have come has come to others.
    pub fn is_quiet(&self) -> bool {
        let waits = self.stream.get_ref().try_read(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
        self.stream.buffer().is_empty() && waits
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// The connection, when everything that was sent has been read.
    pub fn into_stream(self) -> S {
        assert!(self.stream.buffer().is_empty());
        self.stream.into_inner()
    }

    /// Sends bytes as they are.
    pub async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).await.expect("send");
    }

    /// Sends a line.
    pub async fn c(&mut self, line: &str) {
        self.raw(format!("{line}\r\n")).await;
    }

    /// The next response: a line with its literals in place; `None` at the end of the stream.
    pub async fn response(&mut self) -> Option<String> {
        let octets = self.octets().await?;
        Some(String::from_utf8_lossy(&octets).into_owned())
    }

    /// The same as it came, without its line end.
    pub async fn octets(&mut self) -> Option<Vec<u8>> {
        self.octets_within(DEADLINE).await
    }

    /// The same, where time is paused and passes as it pleases.
    pub async fn octets_within(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            let read = self.stream.read_until(b'\n', &mut whole);
            let n = timeout(limit, read).await.expect("a response in time").unwrap_or(0);
            if n == 0 {
                return None;
            }
            let Some(size) = literal_size(&whole) else { break };
            let mut literal = vec![0; size];
            timeout(DEADLINE, self.stream.read_exact(&mut literal)).await.expect("in time").expect("literal");
            whole.extend_from_slice(&literal);
        }
        let length = whole.strip_suffix(b"\r\n").expect("lines end in CRLF").len();
        whole.truncate(length);
        Some(whole)
    }

    /// The last response, which must match.
    pub async fn end_with(&mut self, pattern: &str) {
        self.s(pattern).await;
        self.end().await;
    }

    /// The next response, which must match; `*` at the end of the pattern matches anything.
    pub async fn s(&mut self, pattern: &str) -> String {
        let line = self.response().await.unwrap_or_else(|| panic!("end of stream instead of {pattern}"));
        assert!(matches(pattern, &line), "wanted {pattern}\n   got {line}");
        line
    }

    /// The end of the stream.
    pub async fn end(&mut self) {
        assert_eq!(self.response().await, None);
    }

    /// Reads what is left of the stream, whatever it is; its size.
    pub async fn rest(&mut self) -> usize {
        let (mut buf, mut size) = (vec![0; 1 << 16], 0);
        // A stream that was cut while data was under way may end with an error.
        while let Ok(n @ 1..) = timeout(DEADLINE, self.stream.read(&mut buf)).await.expect("an end in time") {
            size += n;
        }
        size
    }

    /// Says that nothing more will be sent.
    pub async fn close_sending(&mut self) {
        self.stream.get_mut().shutdown().await.expect("shutdown");
    }

    /// Runs a command and returns its untagged responses and the tagged one without its tag.
    pub async fn run(&mut self, command: &str) -> (Vec<String>, String) {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.c(&format!("{tag} {command}")).await;
        self.finish(&tag).await
    }

    pub async fn finish(&mut self, tag: &str) -> (Vec<String>, String) {
        let mut untagged = Vec::new();
        loop {
            let line = self.response().await.expect("a tagged response");
            match line.strip_prefix(tag) {
                Some(rest) => return (untagged, rest.trim_start().to_owned()),
                None => untagged.push(line),
            }
        }
    }

    /// Runs a command that must succeed; its untagged responses.
    pub async fn ok(&mut self, command: &str) -> Vec<String> {
        let (untagged, tagged) = self.run(command).await;
        assert!(tagged.starts_with("OK"), "{command}: {tagged}");
        untagged
    }

    /// Runs a command whose tagged response must match; its untagged responses.
    pub async fn expect(&mut self, command: &str, pattern: &str) -> Vec<String> {
        let (untagged, tagged) = self.run(command).await;
        assert!(matches(pattern, &tagged), "{command}\nwanted {pattern}\n   got {tagged}");
        untagged
    }

    /// APPEND with a synchronising literal; the tagged response.
    pub async fn append(&mut self, mailbox: &str, arguments: &str, message: &str) -> String {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        let space = if arguments.is_empty() { "" } else { " " };
        self.c(&format!("{tag} APPEND {mailbox} {arguments}{space}{{{}}}", message.len())).await;
        self.s("+ *").await;
        self.raw(format!("{message}\r\n")).await;
        let (_, tagged) = self.finish(&tag).await;
        assert!(tagged.starts_with("OK"), "{tagged}");
        tagged
    }
}

fn literal_size(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = line.iter().rposition(|b| *b == b'{')?;
    std::str::from_utf8(&line[open + 1..]).ok()?.parse().ok()
}

/// `*` matches anything, but for the one that marks an untagged response.
fn matches(pattern: &str, line: &str) -> bool {
    if let Some(untagged) = pattern.strip_prefix("* ") {
        return line.strip_prefix("* ").is_some_and(|line| glob(untagged, line));
    }
    glob(pattern, line)
}

fn glob(pattern: &str, line: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let mut ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            rest.is_empty() || ends.any(|at| glob(rest, &line[at..]))
        }),
    }
}
