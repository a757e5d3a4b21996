//! A small POP3 server (RFC 1939, RFC 2449, RFC 2595) with maildrops in memory: upstream of the demo and of the tests.
//!
//! It keeps to the rules unless told otherwise: [`Quirks`] are the ways of real servers; faults make it hang, close, or
//! answer as told at any command, or damage its output at any byte. It listens on loopback and stops when dropped.

mod content;
mod fault;
mod output;
mod quirks;
mod sasl;
mod session;
#[cfg(test)]
mod tests;
mod view;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use fault::{Action, At, Damage, Fault, OutputFault};
pub use quirks::{Chunks, Ending, Quirks, Top, UniqueIds, Window};

use crate::pop3::Method;

/// Lines of the log that are kept, the last ones: a demo may run for weeks.
const MAX_LOG: usize = 20_000;

/// How a server is set up.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens; loopback and any port unless told otherwise.
    pub listen: SocketAddr,
    /// The one user.
    pub username: String,
    /// Its password.
    pub password: String,
    /// TLS, if it has any.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// TLS from the first byte; else by STLS.
    pub implicit_tls: bool,
    /// What CAPA lists beside STLS; `None`: there is no CAPA.
    pub capabilities: Option<Vec<String>>,
    /// Its ways at the beginning.
    pub quirks: Quirks,
    /// The methods of login that work; for a token the password is the token.
    pub methods: Vec<Method>,
    /// What the greeting ends with, for APOP.
    pub timestamp: Option<String>,
}

impl Settings {
    /// With these methods of login, and a greeting and CAPA that say so.
    #[must_use]
    pub fn accepting(self, methods: &[Method]) -> Self {
        let names: Vec<_> = methods.iter().filter_map(|method| method.sasl_name()).collect();
        let capabilities = self.capabilities.map(|mut lines| {
            lines.retain(|line| line != "USER" && !line.starts_with("SASL "));
            lines.extend(methods.contains(&Method::User).then(|| "USER".to_owned()));
            lines.extend((!names.is_empty()).then(|| format!("SASL {}", names.join(" "))));
            lines
        });
        let timestamp = methods.contains(&Method::Apop).then(|| "<1896.697170952@demo.invalid>".to_owned());
        Self { methods: methods.to_vec(), capabilities, timestamp, ..self }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let capabilities = ["TOP", "UIDL", "USER", "SASL PLAIN", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"];
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            username: "demo".to_owned(),
            password: "demo".to_owned(),
            tls: None,
            implicit_tls: false,
            capabilities: Some(capabilities.map(str::to_owned).to_vec()),
            quirks: Quirks::default(),
            methods: vec![Method::User, Method::Plain],
            timestamp: None,
        }
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections taken.
    pub connections: u64,
    /// Logins that went well.
    pub logins: u64,
    /// Messages sent in full.
    pub retrieved: u64,
    /// Messages deleted by a QUIT.
    pub deleted: u64,
    /// Commands that came behind another although they must not.
    pub pipelined: u64,
    /// Faults that have happened.
    pub faults: u64,
    /// Logins refused with `[IN-USE]`.
    pub locked_out: u64,
}

/// What a session has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Answers, without the greeting.
    pub answers: u32,
    /// Octets, without TLS.
    pub octets: u64,
    /// Of these, up to the end of the answer to the login; 0 before it.
    pub login_octets: u64,
}

/// A message in the maildrop.
#[derive(Clone, Debug)]
struct Message {
    unique_id: String,
    bytes: Arc<[u8]>,
    /// What LIST says of it.
    listed_size: u64,
    /// Tells messages with the same unique-id apart.
    serial: u64,
    /// Not shown any more.
    hidden: bool,
    /// Has the field that a login adds.
    tagged: bool,
}

#[derive(Default)]
struct Maildrop {
    messages: Vec<Message>,
    quirks: Quirks,
    serial: u64,
    faults: Vec<Fault>,
    /// With a serial each.
    output_faults: Vec<(u64, OutputFault)>,
    log: VecDeque<String>,
    counters: Counters,
    /// Of the session that spoke last.
    traffic: Traffic,
    /// Messages sent, by RETR or TOP, in full or not.
    fetches: u64,
    /// Sessions that are logged in.
    open: u32,
    /// A session that was dropped holds it.
    locked: bool,
    last_login: Option<Instant>,
}

struct Shared {
    settings: Settings,
    maildrop: Mutex<Maildrop>,
    /// Told of every line in the log, and of every fault.
    version: watch::Sender<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Maildrop> {
        self.maildrop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, line: &str) {
        let mut maildrop = self.lock();
        if maildrop.log.len() >= MAX_LOG {
            maildrop.log.pop_front();
        }
        maildrop.log.push_back(line.to_owned());
        drop(maildrop);
        self.changed();
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

/// A running server.
pub struct Pop3d {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Dropped with the server, and its sessions with it.
    _tasks: JoinSet<()>,
}

impl Pop3d {
    /// Starts to listen.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let maildrop = Mutex::new(Maildrop { quirks: settings.quirks.clone(), ..Maildrop::default() });
        let shared = Arc::new(Shared { settings, maildrop, version: watch::Sender::new(0) });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts a message into the maildrop; sessions that are open do not see it.
    pub fn deliver(&self, unique_id: &str, message: impl Into<Arc<[u8]>>) {
        let bytes = message.into();
        let listed_size = bytes.len() as u64;
        self.deliver_listed(unique_id, bytes, listed_size);
    }

    /// Puts a message into the maildrop of which LIST tells another size.
    pub fn deliver_listed(&self, unique_id: &str, message: impl Into<Arc<[u8]>>, listed_size: u64) {
        let mut maildrop = self.shared.lock();
        maildrop.serial += 1;
        let serial = maildrop.serial;
        let (unique_id, bytes) = (unique_id.to_owned(), message.into());
        maildrop.messages.push(Message { unique_id, bytes, listed_size, serial, hidden: false, tagged: false });
    }

    /// Changes the unique-ids of all messages, as a migration does.
    pub fn rename(&self, rename: impl Fn(&str) -> String) {
        self.shared.lock().messages.iter_mut().for_each(|message| message.unique_id = rename(&message.unique_id));
    }

    /// Removes a message, as another client does.
    pub fn remove(&self, unique_id: &str) {
        self.shared.lock().messages.retain(|message| message.unique_id != unique_id);
    }

    /// Changes the ways of the sessions to come.
    pub fn quirks(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut self.shared.lock().quirks);
    }

    /// From now on this happens, besides the faults told before.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
    }

    /// From now on this happens to the output, besides the faults told before.
    pub fn damage(&self, fault: OutputFault) {
        let mut maildrop = self.shared.lock();
        maildrop.serial += 1;
        let serial = maildrop.serial;
        maildrop.output_faults.push((serial, fault));
    }

    /// From now on no more faults happen; the quirks stay.
    pub fn heal(&self) {
        let mut maildrop = self.shared.lock();
        maildrop.faults.clear();
        maildrop.output_faults.clear();
    }

    /// The lock that a dropped session left behind has run out.
    pub fn unlock(&self) {
        self.shared.lock().locked = false;
    }

    /// The unique-ids in the maildrop.
    pub fn unique_ids(&self) -> Vec<String> {
        self.shared.lock().messages.iter().map(|message| message.unique_id.clone()).collect()
    }

    /// The messages in the maildrop with their unique-ids.
    pub fn contents(&self) -> Vec<(String, Arc<[u8]>)> {
        let maildrop = self.shared.lock();
        maildrop.messages.iter().map(|message| (message.unique_id.clone(), Arc::clone(&message.bytes))).collect()
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters
    }

    /// What the session sent that was served last.
    pub fn traffic(&self) -> Traffic {
        self.shared.lock().traffic
    }

    /// The commands of all sessions in the order in which they came, without passwords: the last 20,000.
    pub fn log(&self) -> Vec<String> {
        self.shared.lock().log.iter().cloned().collect()
    }

    /// Waits until a command beginning like this has come.
    pub async fn seen(&self, command: &str) {
        self.wait_for(|maildrop| maildrop.log.iter().any(|line| line.starts_with(command))).await;
    }

    /// Waits until so many faults have happened since the start.
    pub async fn faults(&self, count: u64) {
        self.wait_for(|maildrop| maildrop.counters.faults >= count).await;
    }

    async fn wait_for(&self, wanted: impl Fn(&Maildrop) -> bool) {
        let mut version = self.shared.version.subscribe();
        // The sender lives as long as `self`.
        let _ = version.wait_for(|_| wanted(&self.shared.lock())).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                sessions.spawn(session::serve(stream, Arc::clone(&shared)));
            }
            Some(_) = sessions.join_next() => {}
        }
    }
}
