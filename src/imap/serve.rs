//! The life of one connection: greeting, commands one after the other, and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::capability;
use super::codec::fragment::Event;
use super::codec::parse::{self, SyntaxError};
use super::command::{append, notify};
use super::conn::{Conn, ReadError};
use super::dispatch::{self, Flow};
use super::error::{CommandError, DAMAGED, MISBEHAVED, STOPPING, TIMED_OUT};
use super::keepalive::STILL_HERE;
use super::registry::{Handle, Registry};
use super::server::Deps;
use super::session::{Features, Session, State};

/// For a command to end when the service stops.
const STOP_PATIENCE: Duration = Duration::from_secs(4);

/// For the last word to be taken.
const BYE_PATIENCE: Duration = Duration::from_secs(5);

/// The same when the service stops.
const STOPPING_BYE_PATIENCE: Duration = Duration::from_secs(1);

/// How a session can be told to end, and where it is listed.
pub(super) struct Ends {
    pub(super) handle: Handle,
    pub(super) shutdown: CancellationToken,
    pub(super) registry: Arc<Registry>,
}

/// Why a connection ended; the word in the log.
enum End {
    Logout,
    Closed,
    TimedOut,
    Evicted,
    /// Evicted, and not at the end of its command in time.
    Cut,
    Shutdown,
    Misbehaved,
    Damaged,
    Ended,
    Io(io::Error),
}

/// Serves a connection to its end. Never fails: whatever ends it is logged.
pub(super) async fn serve(deps: Arc<Deps>, acceptor: TlsAcceptor, conn: Conn, peer: SocketAddr, tls: bool, ends: Ends) {
    let session = Session {
        id: ends.handle.id,
        peer,
        tls,
        state: State::NotAuthenticated,
        features: Features::default(),
        notify: None,
        bad_commands: 0,
        login_since: Instant::now(),
        upload: None,
        handle: ends.handle.clone(),
        registry: Arc::clone(&ends.registry),
        shutdown: ends.shutdown.clone(),
        deps,
    };
    session.deps.metrics.connections.with_label_values(&[session.state.label()]).inc();
    session.handle.shows_tls(tls);
    let mut life = Life { session, conn: Some(conn), acceptor, ends, started: Instant::now() };
    let overdue = life.overdue();
    let end = tokio::select! {
        biased;
        end = life.run() => end,
        () = overdue => End::Cut,
    };
    life.finish(end).await;
}

struct Life {
    session: Session,
    /// `None` only after a failed STARTTLS handshake.
    conn: Option<Conn>,
    acceptor: TlsAcceptor,
    ends: Ends,
    started: Instant,
}

impl Life {
    /// A session that is to end may end its command; one whose client reads too slowly for that is not waited for, and the
    /// less when the service stops.
    fn overdue(&self) -> impl Future<Output = ()> + use<> {
        let (evicted, shutdown) = (self.ends.handle.evicted.clone(), self.ends.shutdown.clone());
        let grace = self.session.deps.settings.write_stall;
        async move {
            let stopped = async {
                shutdown.cancelled().await;
                tokio::time::sleep(STOP_PATIENCE).await;
            };
            let overstayed = async {
                evicted.cancelled().await;
                tokio::time::sleep(grace).await;
            };
            tokio::select! {
                () = stopped => {}
                () = overstayed => {}
            }
        }
    }

    async fn run(&mut self) -> End {
        let greeting = format!("* OK [CAPABILITY {}] Tributary ready", capability::capabilities(&self.session));
        let Some(conn) = &mut self.conn else { return End::Ended };
        conn.output.line(greeting);
        loop {
            match self.step().await {
                Ok(Flow::Continue) => {}
                Ok(Flow::Logout) => return End::Logout,
                Ok(Flow::Misbehaved) => return End::Misbehaved,
                Ok(Flow::Ended) => return End::Ended,
                Ok(Flow::StartTls) => {
                    if let Err(error) = self.start_tls().await {
                        return End::Io(error);
                    }
                }
                Ok(Flow::StartCompression) => {
                    if let Err(error) = self.compression(true).await {
                        return End::Io(error);
                    }
                }
                Ok(Flow::EndCompression) => {
                    if let Err(error) = self.compression(false).await {
                        return End::Io(error);
                    }
                }
                Err(end) => return end,
            }
        }
    }

    async fn compression(&mut self, start: bool) -> io::Result<()> {
        match &mut self.conn {
            Some(conn) if start => conn.start_compression().await,
            Some(conn) => conn.end_compression().await,
            None => Ok(()),
        }
    }

    /// Waits for the next event of the command stream and acts on it.
    async fn step(&mut self) -> Result<Flow, End> {
        let event = self.next_event().await?;
        let Some(conn) = &mut self.conn else { return Err(End::Ended) };
        let session = &mut self.session;
        let flow = match event {
            Event::Command(pieces) => match parse::parse(&pieces, session.features.utf8_names()) {
                Ok(tagged) => {
                    // Only nonsense without end is cut, not a client that errs now and then.
                    session.bad_commands = 0;
                    self.ends.registry.touch(&self.ends.handle, false);
                    self.ends.handle.shows_idle(false);
                    dispatch::execute(session, conn, tagged).await
                }
                Err(error) => dispatch::syntax_error(session, conn, &error),
            },
            Event::Continue => {
                conn.output.line("+ Ready for literal data");
                Ok(Flow::Continue)
            }
            Event::AppendLiteral { head, sync, .. } => append::begin(session, conn, &head, sync).await,
            Event::Data(data) => {
                if let Some(upload) = &mut session.upload {
                    upload.write(&data).await;
                }
                Ok(Flow::Continue)
            }
            Event::DataEnd => Ok(Flow::Continue),
            Event::TooLarge { tag: Some(tag), append: true, close: false } => {
                session.upload = None;
                dispatch::refuse(conn, &tag, CommandError::No(Some("TOOBIG"), "The message is too large"))
            }
            Event::TooLarge { tag, close, .. } => {
                let error = SyntaxError { tag, message: "The command is too large" };
                dispatch::syntax_error(session, conn, &error).map(|f| if close { Flow::Misbehaved } else { f })
            }
        };
        // Who uploads a message is in the middle of a command.
        self.ends.registry.touch(&self.ends.handle, session.upload.is_none());
        flow.map_err(End::Io)
    }

    async fn next_event(&mut self) -> Result<Event, End> {
        loop {
            // Anew each time: a client that is told things may not have said anything for hours.
            let deadline = self.deadline();
            let Some(conn) = &mut self.conn else { return Err(End::Ended) };
            if let Some(event) = conn.ready_event()? {
                return Ok(event);
            }
            // Nothing is told in the middle of a command. A client that does not read holds this up: what changes meanwhile
            // is told once, as it then is.
            let tells = self.session.notifies() && conn.is_between_commands();
            if tells && let Err(error) = notify::tell_unasked(&mut self.session, conn).await {
                return Err(dispatch::end(conn, error).map_or_else(End::Io, |()| End::Ended));
            }
            conn.output.flush().await.map_err(End::Io)?;
            // A client that is told need not say anything: as in IDLE, the word that keeps the connection finds out whether it
            // is still there.
            let deadline = (!tells).then_some(deadline);
            let silence = conn.silence();
            let may_be_evicted = self.session.upload.is_none();
            self.ends.handle.shows_idle(tells);
            let changed = async {
                match tells {
                    true => notify::changed(&mut self.session).await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.ends.shutdown.cancelled() => return Err(End::Shutdown),
                () = self.ends.handle.evicted.cancelled(), if may_be_evicted => return Err(End::Evicted),
                event = conn.next_event(deadline) => return event.map_err(End::from),
                () = changed => {}
                () = silence, if tells => {}
            }
            if tells && conn.is_silent_for_long() {
                conn.output.line(STILL_HERE);
            }
        }
    }

    fn deadline(&self) -> Instant {
        let settings = &self.session.deps.settings;
        match self.session.state {
            _ if self.session.upload.is_some() => Instant::now() + settings.write_stall,
            State::NotAuthenticated => self.session.login_since + settings.login_timeout,
            _ => Instant::now() + settings.idle_timeout,
        }
    }

    async fn start_tls(&mut self) -> io::Result<()> {
        let Some(mut conn) = self.conn.take() else { return Ok(()) };
        conn.output.flush().await?;
        self.conn = Some(conn.start_tls(&self.acceptor, self.session.deps.settings.tls_timeout).await?);
        self.session.tls = true;
        self.session.handle.shows_tls(true);
        Ok(())
    }

    async fn finish(mut self, end: End) {
        match (&mut self.conn, &end) {
            // It may stand in the middle of a literal: nothing can be said there, and nothing said twice.
            (None, _) | (_, End::Cut) => {}
            (Some(conn), End::Io(error)) => conn.failed(error),
            (Some(conn), _) => {
                if let Some(bye) = end.bye(&self.ends.handle) {
                    conn.output.line(format!("* BYE {bye}"));
                }
                let is_stopping = self.ends.shutdown.is_cancelled();
                let patience = if is_stopping { STOPPING_BYE_PATIENCE } else { BYE_PATIENCE };
                // The client may not be there any more; the log line below says how the session ended.
                let _ = tokio::time::timeout(patience, async {
                    let _ = conn.output.flush().await;
                    conn.output.shutdown().await;
                })
                .await;
            }
        }
        let seconds = self.started.elapsed().as_secs();
        let evicted = self.ends.handle.evicted.is_cancelled();
        let stopping = self.ends.shutdown.is_cancelled();
        let reason = match &end {
            End::Cut if stopping => End::Shutdown.word(),
            _ if evicted => self.ends.handle.reason(),
            end => end.word(),
        };
        let (session, peer) = (self.session.id, self.session.peer);
        if let End::Io(error) = &end {
            tracing::debug!(%peer, session, %error, "the IMAP connection broke");
        }
        match self.session.authenticated() {
            Some(cx) => {
                tracing::info!(user = %cx.login.user.name, %peer, session, reason, seconds, "logout");
            }
            None => tracing::debug!(%peer, session, reason, seconds, "IMAP connection ended without login"),
        }
    }
}

impl End {
    fn bye(&self, handle: &Handle) -> Option<&'static str> {
        match self {
            Self::TimedOut => Some(TIMED_OUT),
            Self::Evicted => Some(handle.farewell()),
            Self::Shutdown => Some(STOPPING),
            Self::Misbehaved => Some(MISBEHAVED),
            Self::Damaged => Some(DAMAGED),
            Self::Cut | Self::Logout | Self::Closed | Self::Ended | Self::Io(_) => None,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Closed => "closed",
            Self::TimedOut => "timeout",
            Self::Evicted | Self::Cut => "evicted",
            Self::Shutdown => "shutdown",
            Self::Misbehaved => "misbehaved",
            Self::Damaged => "damaged",
            Self::Ended => "ended",
            Self::Io(_) => "io",
        }
    }
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed => Self::Closed,
            ReadError::TimedOut => Self::TimedOut,
            ReadError::Damaged => Self::Damaged,
            ReadError::Io(error) => Self::Io(error),
        }
    }
}
