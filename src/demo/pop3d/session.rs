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
use super::{Message, Shared};
use crate::pop3::Verb;

/// The longest command line (RFC 2449 section 4 says 255).
const MAX_LINE: u64 = 2048;

/// Octets of a message that are written at once.
const WRITE_BUFFER: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Io = BufReader<Box<dyn Stream>>;

struct Session {
    shared: Arc<Shared>,
    io: Io,
    encrypted: bool,
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
    let mut encrypted = false;
    if let (Some(tls), true) = (&settings.tls, settings.implicit_tls) {
        stream = Box::new(TlsAcceptor::from(Arc::clone(tls)).accept(stream).await?);
        encrypted = true;
    }
    let mut session = Session {
        shared,
        io: BufReader::new(stream),
        encrypted,
        user: None,
        logged_in: false,
        messages: Vec::new(),
        deleted: HashSet::new(),
    };
    if session.disturbed(Verb::Greeting, None).await?.is_some() {
        return Ok(());
    }
    session.say("+OK Tributary demo POP3 server").await?;
    loop {
        match session.next().await? {
            Next::Command => {}
            Next::End => return Ok(()),
            Next::StartTls => {
                let Some(tls) = &settings.tls else { return Ok(()) };
                let stream = session.io.into_inner();
                let stream: Box<dyn Stream> = Box::new(TlsAcceptor::from(Arc::clone(tls)).accept(stream).await?);
                session = Session { io: BufReader::new(stream), encrypted: true, ..session };
            }
        }
    }
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
        let secret = matches!(word.as_str(), "PASS" | "AUTH");
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
            (Verb::User, false) => {
                self.user = Some(argument.to_owned());
                self.say("+OK").await?;
            }
            (Verb::Pass, false) => {
                let user = self.user.take().unwrap_or_default();
                self.log_in(&user, argument).await?;
            }
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

    /// RFC 4616, with the initial response on the line.
    async fn auth(&mut self, argument: &str) -> io::Result<()> {
        let response = argument.split_once(' ').filter(|(name, _)| name.eq_ignore_ascii_case("PLAIN"));
        let decoded = response.and_then(|(_, response)| STANDARD.decode(response).ok()).unwrap_or_default();
        let decoded = String::from_utf8_lossy(&decoded).into_owned();
        let mut fields = decoded.split('\0').skip(1);
        let (user, password) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        self.log_in(user, password).await
    }

    async fn log_in(&mut self, user: &str, password: &str) -> io::Result<()> {
        let settings = &self.shared.settings;
        if user != settings.username || password != settings.password {
            return self.say("-ERR [AUTH] wrong user name or password").await;
        }
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

const VERBS: [Verb; 14] = [
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
