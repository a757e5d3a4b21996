//! One session of the demo server.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpStream;

use super::fault::{self, Action};
use super::output::{Stream, Wire};
use super::quirks::{Ending, Quirks, Top};
use super::sasl::{self, Exchange, Step};
use super::view::View;
use super::{Shared, content};
use crate::pop3::{Method, Verb};

struct Session<'a> {
    shared: Arc<Shared>,
    quirks: Quirks,
    wire: Wire<'a>,
    encrypted: bool,
    user: Option<String>,
    /// The maildrop, from the login on.
    view: Option<View>,
}

enum Next {
    Command,
    StartTls,
    End,
}

/// Serves one connection to its end.
pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    shared.lock().counters.connections += 1;
    shared.note("(connection)");
    // Whatever a client does to its connection concerns no other.
    let _ = stream.set_nodelay(true);
    if let Err(error) = run(&mut stream, shared).await
        && error.kind() == io::ErrorKind::ConnectionReset
    {
        let _ = stream.set_zero_linger();
    }
}

async fn run(stream: &mut TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let settings = shared.settings.clone();
    let quirks = shared.lock().quirks.clone();
    let stream: Box<dyn Stream + '_> = Box::new(stream);
    let mut wire = Wire::new(stream, Arc::clone(&shared), quirks.chunks);
    let mut encrypted = false;
    if let (Some(tls), true) = (&settings.tls, settings.implicit_tls) {
        wire = wire.secured(Arc::clone(tls)).await?;
        encrypted = true;
    }
    let mut session = Session { shared, quirks, wire, encrypted, user: None, view: None };
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
                let wire = session.wire.secured(Arc::clone(tls)).await?;
                session = Session { wire, encrypted: true, ..session };
            }
        }
    }
}

impl Session<'_> {
    async fn next(&mut self) -> io::Result<Next> {
        let Some(line) = self.wire.read_line().await? else { return Ok(Next::End) };
        let (word, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let word = word.to_ascii_uppercase();
        let secret = matches!(word.as_str(), "PASS" | "APOP" | "AUTH");
        self.shared.note(if secret { &word } else { &line });
        self.watch_pipelining();
        if self.quirks.one_command_a_segment || (secret && self.quirks.drops_behind_login) {
            self.wire.drop_input();
        }
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
        match fault::take(&self.shared, verb, message) {
            None => return Ok(None),
            Some(Action::Hang) => self.wire.stall().await?,
            Some(Action::Close) => return Ok(Some(Next::End)),
            Some(Action::Answer(bytes)) => self.wire.write(&bytes).await?,
            Some(Action::AnswerAndClose(bytes)) => {
                self.wire.write(&bytes).await?;
                self.wire.close().await?;
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
        let allowed = self.view.is_some() && capabilities.into_iter().any(|name| name == "PIPELINING");
        if !allowed && self.wire.has_more() {
            self.shared.lock().counters.pipelined += 1;
        }
    }

    async fn obey(&mut self, verb: Verb, argument: &str, number: Option<u32>) -> io::Result<Next> {
        match (verb, self.view.is_some()) {
            (Verb::Quit, _) => {
                if let Some(view) = &mut self.view {
                    view.update(&self.quirks);
                }
                self.say("+OK").await?;
                self.wire.publish();
                self.wire.close().await?;
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
            (_, true) => self.transaction(verb, argument, number).await?,
            _ => self.say("-ERR not now").await?,
        }
        Ok(Next::Command)
    }

    /// RFC 1939 section 5.
    async fn transaction(&mut self, verb: Verb, argument: &str, number: Option<u32>) -> io::Result<()> {
        let Some(view) = &mut self.view else { return Ok(()) };
        if self.quirks.shows_new_mail {
            view.refresh();
        }
        match verb {
            Verb::Noop => self.say("+OK").await,
            Verb::Rset => {
                view.reset();
                self.say("+OK").await
            }
            Verb::Stat => {
                let answer = view.stat();
                self.wire.say(&answer).await
            }
            Verb::Uidl => match view.unique_ids(&self.quirks) {
                Some(answer) => self.wire.say(&answer).await,
                None => self.say("-ERR unknown command").await,
            },
            Verb::List => {
                let answer = view.sizes(&self.quirks);
                self.wire.say(&answer).await
            }
            Verb::Top if self.quirks.top == Top::Absent => self.say("-ERR unknown command").await,
            Verb::Retr | Verb::Top => self.show(verb, argument, number).await,
            Verb::Dele => self.dele(number).await,
            _ => self.say("-ERR not now").await,
        }
    }

    async fn show(&mut self, verb: Verb, argument: &str, number: Option<u32>) -> io::Result<()> {
        let found = self.view.as_ref().and_then(|view| view.message(number));
        let Some((number, message)) = found else { return self.say("-ERR no such message").await };
        let fetch = {
            let mut maildrop = self.shared.lock();
            maildrop.fetches += 1;
            maildrop.fetches
        };
        self.say("+OK").await?;
        let bytes = content::as_sent(&message.bytes, &self.quirks, fetch);
        let stuffed = !self.quirks.leaves_dots_unstuffed;
        if verb == Verb::Top {
            let lines = argument.split(' ').nth(1).and_then(|digits| digits.parse().ok()).unwrap_or(0);
            let shown = content::top(&bytes, &self.quirks, lines);
            return content::send(&mut self.wire, shown, stuffed && self.quirks.top != Top::Unstuffed, Ending::Proper)
                .await;
        }
        content::send(&mut self.wire, &bytes, stuffed, self.quirks.ending).await?;
        if let Some(view) = &mut self.view {
            view.retrieved(number);
        }
        Ok(())
    }

    async fn dele(&mut self, number: Option<u32>) -> io::Result<()> {
        let Some(view) = &mut self.view else { return Ok(()) };
        let Some((number, _)) = view.message(number) else { return self.say("-ERR no such message").await };
        if !view.delete(number, &self.quirks) {
            return self.say("-ERR retrieve it first").await;
        }
        self.say("+OK").await?;
        if self.quirks.blank_after_dele {
            self.wire.say("").await?;
        }
        Ok(())
    }

    async fn capa(&mut self) -> io::Result<()> {
        let settings = self.shared.settings.clone();
        let Some(mut names) = settings.capabilities else { return self.say("-ERR unknown command").await };
        if settings.tls.is_some() && !self.encrypted {
            names.push("STLS".to_owned());
        }
        let lines: String = names.iter().map(|name| format!("{name}\r\n")).collect();
        self.wire.say(&format!("+OK\r\n{lines}.")).await
    }

    /// RFC 5034 section 4.
    async fn auth(&mut self, argument: &str) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let (name, initial) = argument.split_once(' ').map_or((argument, None), |(name, rest)| (name, Some(rest)));
        let Some(mut exchange) = Exchange::begin(settings, name, self.wire.binding()) else {
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
                Step::Challenge(challenge) => self.wire.say(&format!("+ {}", STANDARD.encode(challenge))).await?,
            }
            let Some(line) = self.wire.read_line().await? else { return Ok(()) };
            if line == "*" {
                return self.say("-ERR cancelled").await;
            }
            response = Some(STANDARD.decode(line).unwrap_or_default());
        }
    }

    async fn log_in(&mut self, method: Method, right: bool) -> io::Result<()> {
        if !right {
            return self.reject().await;
        }
        match View::open(&self.shared, &self.quirks) {
            Ok(view) => {
                self.shared.note(&format!("(logged in by {})", method.label()));
                self.view = Some(view);
                self.say("+OK").await?;
                self.wire.logged_in();
                Ok(())
            }
            Err(refusal) => self.say(refusal).await,
        }
    }

    /// Whoever asks is not the user.
    async fn reject(&mut self) -> io::Result<()> {
        if self.quirks.hangs_up_on_bad_password {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.say("-ERR [AUTH] wrong user name or password").await
    }

    /// Writes a line whose text nobody needs.
    async fn say(&mut self, line: &str) -> io::Result<()> {
        let bare = self.quirks.bare_status.then(|| line.split(' ').next()).flatten();
        self.wire.say(bare.unwrap_or(line)).await
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
