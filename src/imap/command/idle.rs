//! IDLE (RFC 2177). A hint from the store wakes the session, which then says what changed since its view: what
//! happens between the last response and the continuation is not lost (IMAP-RULES 40).

use super::notify;
use crate::imap::conn::{Conn, ReadError};
use crate::imap::error::{CommandError, CommandResult, Done, STOPPING};
use crate::imap::keepalive::STILL_HERE;
use crate::imap::registry::Handle;
use crate::imap::server::Deps;
use crate::imap::session::Session;

/// What ended a wait.
enum Wake {
    Line(Result<Option<Vec<u8>>, ReadError>),
    Changed,
    Keepalive,
    End(&'static str),
}

pub(in crate::imap) async fn idle(session: &mut Session, conn: &mut Conn) -> CommandResult {
    let deps = std::sync::Arc::clone(&session.deps);
    if let Some(cx) = session.selected() {
        // An idle session holds as little as it can.
        cx.mailbox.partial = None;
        if cx.mailbox.is_of_maildrops() {
            (deps.nudge)(&cx.login.user.name);
        }
    }
    let _counted = Counted::new(&deps);
    session.registry.touch(&session.handle, true);
    let _shown = Shown::new(session.handle.clone());
    conn.output.line("+ idling");
    let mut was_idle = false;
    loop {
        update(session, conn, was_idle).await?;
        conn.output.flush().await?;
        was_idle = true;
        match wait(session, conn).await {
            Wake::Line(line) => return done(line),
            Wake::Changed => {}
            Wake::Keepalive => conn.output.line(STILL_HERE),
            Wake::End(why) => return Err(CommandError::Bye(why)),
        }
    }
}

/// Shown as waiting for news as long as it lives.
struct Shown(Handle);

impl Shown {
    fn new(handle: Handle) -> Self {
        handle.shows_idle(true);
        Self(handle)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.shows_idle(false);
    }
}

/// Says what changed. Mail that was there before IDLE waited for the client, not for us: it is no push.
async fn update(session: &mut Session, conn: &mut Conn, was_idle: bool) -> Result<(), CommandError> {
    let metrics = session.deps.metrics.clone();
    let Some(mut cx) = session.selected() else { return notify::tell_others(session, &mut conn.output).await };
    let before = cx.mailbox.view.len();
    notify::announce(&mut cx, &mut conn.output, true).await?;
    if was_idle && cx.mailbox.view.len() > before {
        conn.output.flush().await?;
        metrics.pushed(cx.mailbox.view.snapshot().committed_at.elapsed());
    }
    notify::tell_others(session, &mut conn.output).await
}

/// What the client sent half of is no line yet, and keeps the connection as well as a word of ours.
async fn wait(session: &mut Session, conn: &mut Conn) -> Wake {
    let (shutdown, handle) = (session.shutdown.clone(), session.handle.clone());
    let changed = notify::changed(session);
    tokio::pin!(changed);
    loop {
        let silence = conn.silence();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Wake::End(STOPPING),
            () = handle.evicted.cancelled() => return Wake::End(handle.farewell()),
            () = &mut changed => return Wake::Changed,
            line = conn.next_line(None) => return Wake::Line(line),
            () = silence => {}
        }
        if conn.is_silent_for_long() {
            return Wake::Keepalive;
        }
    }
}

/// DONE in any case (RFC 2177); anything else is a client that has lost its place.
fn done(line: Result<Option<Vec<u8>>, ReadError>) -> CommandResult {
    match line {
        Ok(Some(line)) if line.trim_ascii().eq_ignore_ascii_case(b"DONE") => Done::text("IDLE completed"),
        Ok(_) => Err(CommandError::Bad("Expected DONE")),
        Err(error) => Err(error.into()),
    }
}

/// Keeps the gauge of idle sessions right however IDLE ends.
struct Counted<'d>(&'d Deps);

impl<'d> Counted<'d> {
    fn new(deps: &'d Deps) -> Self {
        deps.metrics.idle.inc();
        Self(deps)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.metrics.idle.dec();
    }
}
