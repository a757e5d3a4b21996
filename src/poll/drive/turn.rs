//! The loop of a session: events are acted upon, commands sent, and bytes waited for.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::Error;
use super::super::connect::Connection;
use super::super::fault::Fault;
use super::{Drive, Stage, now};
use crate::pop3::{self, Event, Verb};

/// Octets read at once: bounds what of a message is in memory outside the store.
const READ_BUFFER: usize = 64 * 1024;

/// What a session past its time has to come to its end.
const GRACE: Duration = Duration::from_secs(10 * 60);

enum Flow {
    Continue,
    StartTls,
    Finished,
}

impl Drive<'_> {
    /// The whole session. What is complete when it fails is still stored.
    pub(in crate::poll) async fn run(
        &mut self,
        connection: Connection,
        tls: Option<Arc<ClientConfig>>,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let ended = self.session(connection, tls, shutdown).await;
        if let Err(error) = &ended {
            self.tally.login = self.session.tried();
            self.tally.pipelining = self.session.is_pipelining();
            self.tally.during_top = self.session.awaited() == Verb::Top;
            self.salvage().await;
            self.blame(error);
        }
        let settled = self.settle_failures().await;
        self.note(settled);
        self.sum_up();
        match (ended, self.failure.take()) {
            (_, Some(failure)) => Err(failure.into()),
            // The server hung up on QUIT, but nothing depended on its answer.
            (Err(Error::Session(pop3::Error::Closed { verb: Verb::Quit })), None) if self.deleted.is_empty() => Ok(()),
            (ended, None) => ended,
        }
    }

    async fn session(
        &mut self,
        mut connection: Connection,
        tls: Option<Arc<ClientConfig>>,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let mut buffer = vec![0; READ_BUFFER];
        loop {
            let mut busy = false;
            while let Some(event) = self.session.poll_event() {
                busy = true;
                match self.on_event(event).await? {
                    Flow::Continue => {}
                    Flow::Finished => return self.finish().await,
                    Flow::StartTls => {
                        let deadline = Instant::now() + self.source.timeouts.connect;
                        connection = connection.upgrade(&self.source.settings, tls.clone(), deadline).await?;
                        self.source.metrics.certificate(connection.certificate_expiry());
                        self.session.tls_started(now(), connection.binding());
                    }
                }
            }
            if busy {
                self.session.touch(now());
            }
            self.feed().await?;
            self.transmit(&mut connection).await?;
            self.wait(&mut connection, &mut buffer, shutdown).await?;
        }
    }

    /// Waits for bytes, for the store, for time to run out, or for the service to stop; whichever comes first.
    async fn wait(
        &mut self,
        connection: &mut Connection,
        buffer: &mut [u8],
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let full = self.deliveries.is_full();
        let deadline = self.session.poll_timeout().filter(|_| !full).map(Instant::from_std);
        tokio::select! {
            read = connection.read(buffer), if !full => {
                // A reset is the end of the connection like any other: what was awaited says what it means.
                let bytes = buffer.get(..read.unwrap_or(0)).unwrap_or_default();
                self.session.handle_bytes(now(), bytes)?;
            }
            Some(done) = self.deliveries.next(), if !self.deliveries.is_empty() => {
                self.on_done(done?);
                if full {
                    self.session.touch(now());
                }
            }
            () = until(deadline), if deadline.is_some() => self.session.handle_timeout(now())?,
            () = sleep_until(self.ends + GRACE) => {
                return Err(pop3::Error::Timeout { verb: self.session.awaited() }.into());
            }
            () = shutdown.cancelled(), if !self.stopping => {
                if self.stage == Stage::Login {
                    return Err(Error::Stopped);
                }
                self.stopping = true;
            }
        }
        Ok(())
    }

    async fn transmit(&mut self, connection: &mut Connection) -> Result<(), Error> {
        while let Some(bytes) = self.session.poll_transmit(now()) {
            let sent = timeout(self.source.timeouts.reply, async {
                connection.write_all(&bytes).await?;
                connection.flush().await
            });
            match sent.await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(pop3::Error::Closed { verb: self.session.awaited() }.into()),
                Err(_) => return Err(pop3::Error::Timeout { verb: self.session.awaited() }.into()),
            }
        }
        Ok(())
    }

    /// Gives the session its next commands, and QUIT when all is done.
    async fn feed(&mut self) -> Result<(), Error> {
        while self.stage == Stage::Comparing {
            self.ask();
            if !(self.to_compare.is_empty() && self.comparing.is_empty()) {
                break;
            }
            // More may be to be asked about now, and nothing else would wake the session.
            self.conclude().await?;
        }
        if self.stage == Stage::Moving && !self.unconfirmed.is_empty() && self.has_all() {
            self.apply_brake();
        }
        while self.stage == Stage::Moving && !self.is_over() && self.session.has_room() {
            if let Some(retrieval) = self.to_retrieve.pop_front() {
                self.retrieve(retrieval);
            } else if let Some(removal) = self.to_delete.pop_front() {
                self.delete(removal);
            } else {
                break;
            }
        }
        let idle = self.session.is_idle() && self.deliveries.is_empty();
        if idle && (self.stage == Stage::Moving || (self.stage == Stage::Comparing && self.is_over())) {
            self.session.quit();
            self.stage = Stage::Quitting;
        }
        Ok(())
    }

    async fn on_event(&mut self, event: Event) -> Result<Flow, Error> {
        match event {
            Event::StartTls => return Ok(Flow::StartTls),
            Event::LoggedIn(method) => self.source.learnt.method = Some(method),
            Event::Listed(listing) => self.on_listing(&listing).await?,
            Event::Header { number, data } => self.on_header(number, &data),
            Event::Body { number, data } => self.on_body(number, &data).await,
            Event::Retrieved { number, octets } => self.on_retrieved(number, octets).await,
            Event::TooLong { number } => self.on_too_long(number),
            Event::Refused { verb: Verb::Top, number, refusal } => self.on_top_refused(number, &refusal),
            Event::Refused { verb: Verb::Retr, number, refusal } => self.on_retrieval_refused(number, &refusal),
            Event::Refused { number, .. } => self.on_deletion_refused(number),
            Event::Deleted { number } => self.deleted.extend(self.deleting.remove(&number)),
            Event::Done(_) => {}
            Event::Misbehaved(fault) => self.report.fault(Fault::Wire(fault)),
            Event::Closed => return Ok(Flow::Finished),
        }
        Ok(Flow::Continue)
    }

    /// The session is over before its time: messages that came whole are stored all the same.
    async fn salvage(&mut self) {
        while let Some(event) = self.session.poll_event() {
            let is_of_a_message = matches!(
                event,
                Event::Body { .. }
                    | Event::Retrieved { .. }
                    | Event::TooLong { .. }
                    | Event::Misbehaved(_)
                    | Event::Refused { verb: Verb::Retr, .. }
            );
            if is_of_a_message && self.on_event(event).await.is_err() {
                break;
            }
        }
        while let Some(Ok(done)) = self.deliveries.next().await {
            self.on_done(done);
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
