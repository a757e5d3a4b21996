//! One session of the demo server.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::fault::{self, Action};
use super::sasl::{self, Exchange, Step};
use super::{Message, Shared};
use crate::pop3::{Method, Verb};

/// The longest command line (RFC 2449 section 4 says 255).
const MAX_LINE: u64 = 2048;

/// The longest line of an AUTH exchange (RFC 5034 section 4).
const MAX_RESPONSE: u64 = 12 * 1024;

/// Octets of a message that are written at once.
const WRITE_BUFFER: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Io = BufReader<Box<dyn Stream>>;

struct Session {
    shared: Arc<Shared>,
    io: Io,
    encrypted: bool,
    /// Of the TLS channel (RFC 9266).
    binding: Option<Vec<u8>>,
    user: Option<String>,
    logged_in: bool,
    messages: Vec<Message>,
    deleted: HashSet<u32>,
}

enum Next {
    Command,
    StartTls,
    End,
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    shared.lock().counters.connections += 1;
    shared.note("(connection)");
    // Whatever a client does to its connection concerns no other.
    let _ = run(stream, shared).await;
}

async fn run(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let settings = shared.settings.clone();
    let mut stream: Box<dyn Stream> = Box::new(stream);
    let (mut encrypted, mut binding) = (false, None);
    if let (Some(tls), true) = (&settings.tls, settings.implicit_tls) {
        (stream, binding) = secure(tls, stream).await?;
        encrypted = true;
    }
    let mut session = Session {
        shared,
        io: BufReader::new(stream),
        encrypted,
        binding,
        user: None,
        logged_in: false,
        messages: Vec::new(),
        deleted: HashSet::new(),
    };
    if session.disturbed(Verb::Greeting, None).await?.is_some() {
        return Ok(());
    }
    let timestamp = settings.timestamp.as_deref().unwrap_or_default();
    session.say(format!("+OK Tributary demo POP3 server {timestamp}").trim_end()).await?;
    loop {
        match session.next().await? {
            Next::Command => {}
            Next::End => return Ok(()),
            Next::StartTls => {
                let Some(tls) = &settings.tls else { return Ok(()) };
                let (stream, binding) = secure(tls, session.io.into_inner()).await?;
                session = Session { io: BufReader::new(stream), encrypted: true, binding, ..session };
            }
        }
    }
}

/// The handshake, and the data of `tls-exporter` where it is defined.
async fn secure(
    tls: &Arc<rustls::ServerConfig>,
    stream: Box<dyn Stream>,
) -> io::Result<(Box<dyn Stream>, Option<Vec<u8>>)> {
    let stream = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await?;
    let exported = stream.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
    Ok((Box::new(stream), exported.ok().map(Vec::from)))
}

impl Session {
    async fn next(&mut self) -> io::Result<Next> {
        let mut line = Vec::new();
        let read = (&mut self.io).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(Next::End);
        }
        let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        let (word, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let word = word.to_ascii_uppercase();
        let secret = matches!(word.as_str(), "PASS" | "APOP" | "AUTH");
        self.shared.note(if secret { &word } else { &line });
        self.watch_pipelining();
        let number = argument.split(' ').next().and_then(|digits| digits.parse().ok());
        let Some(verb) = VERBS.into_iter().find(|verb| verb.as_str() == word) else {
            self.say("-ERR unknown command").await?;
            return Ok(Next::Command);
        };
        if let Some(next) = self.disturbed(verb, number).await? {
            return Ok(next);
        }
        self.obey(verb, argument, number).await
    }

    /// What a fault makes of the command; `None`: it goes its way.
    async fn disturbed(&mut self, verb: Verb, message: Option<u32>) -> io::Result<Option<Next>> {
        let action = fault::take(&mut self.shared.lock().faults, verb, message);
        match action {
            None => return Ok(None),
            Some(Action::Hang) => std::future::pending().await,
            Some(Action::Close) => return Ok(Some(Next::End)),
            Some(Action::Answer(bytes)) => self.write(&bytes).await?,
            Some(Action::AnswerAndClose(bytes)) => {
                self.write(&bytes).await?;
                self.io.shutdown().await?;
                return Ok(Some(Next::End));
            }
            Some(Action::Wait(permits)) => {
                if let Ok(permit) = permits.acquire().await {
                    permit.forget();
                }
                return Ok(None);
            }
        }
        Ok(Some(Next::Command))
    }

    /// RFC 2449 section 6.6: only behind PIPELINING, and never in the AUTHORIZATION state.
    fn watch_pipelining(&self) {
        let capabilities = self.shared.settings.capabilities.iter().flatten();
        let allowed = self.logged_in && capabilities.into_iter().any(|name| name == "PIPELINING");
        if !allowed && !self.io.buffer().is_empty() {
            self.shared.lock().counters.pipelined += 1;
        }
    }

    async fn obey(&mut self, verb: Verb, argument: &str, number: Option<u32>) -> io::Result<Next> {
        match (verb, self.logged_in) {
            (Verb::Quit, _) => {
                self.quit();
                self.say("+OK").await?;
                self.io.shutdown().await?;
                return Ok(Next::End);
            }
            (Verb::Stls, false) if self.shared.settings.tls.is_some() && !self.encrypted => {
                self.say("+OK").await?;
                return Ok(Next::StartTls);
            }
            (Verb::Capa, _) => self.capa().await?,
            (Verb::User, false) if self.shared.settings.methods.contains(&Method::User) => {
                self.user = Some(argument.to_owned());
                self.say("+OK").await?;
            }
            (Verb::Pass, false) => {
                let user = self.user.take().unwrap_or_default();
                let settings = &self.shared.settings;
                let right = user == settings.username && argument == settings.password;
                self.log_in(Method::User, right).await?;
            }
            (Verb::Apop, false) => {
                let right = sasl::apop(&self.shared.settings, argument);
                self.log_in(Method::Apop, right).await?;
            }
            (Verb::Lang | Verb::Utf8, false) => self.say("+OK").await?,
            (Verb::Auth, false) => self.auth(argument).await?,
            (Verb::Noop, true) => self.say("+OK").await?,
            (Verb::Rset, true) => {
                self.deleted.clear();
                self.say("+OK").await?;
            }
            (Verb::Stat, true) => {
                let octets: u64 = self.listed().map(|(_, message)| message.listed_size).sum();
                let answer = format!("+OK {} {octets}", self.listed().count());
                self.say(&answer).await?;
            }
            (Verb::Uidl | Verb::List, true) => {
                let row = |(number, message): (u32, &Message)| match verb {
                    Verb::Uidl => format!("{number} {}\r\n", message.unique_id),
                    _ => format!("{number} {}\r\n", message.listed_size),
                };
                let answer = format!("+OK\r\n{}.", self.listed().map(row).collect::<String>());
                self.say(&answer).await?;
            }
            (Verb::Retr | Verb::Top | Verb::Dele, true) => self.with_message(verb, number).await?,
            _ => self.say("-ERR not now").await?,
        }
        Ok(Next::Command)
    }

    async fn with_message(&mut self, verb: Verb, number: Option<u32>) -> io::Result<()> {
        let found = self.listed().find(|(n, _)| Some(*n) == number).map(|(n, message)| (n, message.clone()));
        let Some((number, message)) = found else { return self.say("-ERR no such message").await };
        if verb == Verb::Dele {
            self.deleted.insert(number);
            return self.say("+OK").await;
        }
        self.write(b"+OK\r\n").await?;
        if verb == Verb::Top {
            let blank = memchr::memmem::find(&message.bytes, b"\r\n\r\n").map_or(message.bytes.len(), |at| at + 4);
            return self.send(message.bytes.get(..blank).unwrap_or_default()).await;
        }
        self.send(&message.bytes).await?;
        self.shared.lock().counters.retrieved += 1;
        Ok(())
    }

    /// RFC 1939 section 3: dot-stuffed, ended by a line with a dot.
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(WRITE_BUFFER);
        for line in message.split_inclusive(|b| *b == b'\n') {
            if line.starts_with(b".") {
                out.push(b'.');
            }
            for piece in line.chunks(WRITE_BUFFER) {
                out.extend_from_slice(piece);
                if out.len() >= WRITE_BUFFER {
                    self.io.write_all(&out).await?;
                    out.clear();
                }
            }
        }
        if !message.is_empty() && !message.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        self.write(&out).await
    }

    async fn capa(&mut self) -> io::Result<()> {
        let settings = self.shared.settings.clone();
        let Some(mut names) = settings.capabilities else { return self.say("-ERR unknown command").await };
        if settings.tls.is_some() && !self.encrypted {
            names.push("STLS".to_owned());
        }
        let lines: String = names.iter().map(|name| format!("{name}\r\n")).collect();
        self.say(&format!("+OK\r\n{lines}.")).await
    }

    /// RFC 5034 section 4.
    async fn auth(&mut self, argument: &str) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let (name, initial) = argument.split_once(' ').map_or((argument, None), |(name, rest)| (name, Some(rest)));
        let Some(mut exchange) = Exchange::begin(settings, name, self.binding.as_deref()) else {
            return self.say("-ERR unknown mechanism").await;
        };
        let mut response = initial.map(|initial| STANDARD.decode(initial).unwrap_or_default());
        loop {
            match exchange.step(settings, response.as_deref()) {
                Step::Verdict(right) => {
                    let named = |method: &Method| method.sasl_name().is_some_and(|own| own.eq_ignore_ascii_case(name));
                    let Some(method) = Method::ALL.into_iter().find(named) else { return Ok(()) };
                    return self.log_in(method, right).await;
                }
                Step::Challenge(challenge) => self.say(&format!("+ {}", STANDARD.encode(challenge))).await?,
            }
            let mut line = Vec::new();
            (&mut self.io).take(MAX_RESPONSE).read_until(b'\n', &mut line).await?;
            let line = line.trim_ascii_end();
            if line == b"*" {
                return self.say("-ERR cancelled").await;
            }
            response = Some(STANDARD.decode(line).unwrap_or_default());
        }
    }

    async fn log_in(&mut self, method: Method, right: bool) -> io::Result<()> {
        if !right {
            return self.say("-ERR [AUTH] wrong user name or password").await;
        }
        self.shared.note(&format!("(logged in by {})", method.label()));
        {
            let mut maildrop = self.shared.lock();
            maildrop.counters.logins += 1;
            self.messages.clone_from(&maildrop.messages);
        }
        self.logged_in = true;
        self.say("+OK").await
    }

    /// RFC 1939 section 6: deletions are made here and nowhere else.
    fn quit(&self) {
        let gone: HashSet<u64> =
            self.numbered().filter(|(n, _)| self.deleted.contains(n)).map(|(_, m)| m.serial).collect();
        let mut maildrop = self.shared.lock();
        maildrop.messages.retain(|message| !gone.contains(&message.serial));
        maildrop.counters.deleted += gone.len() as u64;
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, &Message)> {
        (1..).zip(&self.messages)
    }

    fn listed(&self) -> impl Iterator<Item = (u32, &Message)> {
        self.numbered().filter(|(number, _)| !self.deleted.contains(number))
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.write(format!("{line}\r\n").as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }
}

const VERBS: [Verb; 17] = [
    Verb::Apop,
    Verb::Lang,
    Verb::Utf8,
    Verb::Capa,
    Verb::Stls,
    Verb::Auth,
    Verb::User,
    Verb::Pass,
    Verb::Stat,
    Verb::Uidl,
    Verb::List,
    Verb::Retr,
    Verb::Top,
    Verb::Dele,
    Verb::Noop,
    Verb::Rset,
    Verb::Quit,
];
