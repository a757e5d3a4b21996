//! Drives a POP3 session over its connection and carries messages into the store.
//!
//! DELE is sent only for what the store has acknowledged (I1), and a ledger row becomes `Gone` only when QUIT was
//! answered. A message of which the end is missing is dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Error;
use super::connect::Connection;
use super::deliveries::{Arrival, Deliveries, Done, Known};
use super::metrics::Skipped;
use super::plan::{Ledger, Policy, Target, plan};
use super::settings::LeaveOnServer;
use super::source::{Destination, Report, Source};
use crate::ingest::Intake;
use crate::pop3::{self, Event, Listing, Options, Session, Verb};
use crate::store::{self, LedgerChange, LedgerState};

/// Octets read at once: bounds what of a message is in memory outside the store.
const READ_BUFFER: usize = 64 * 1024;

/// One session at work.
pub(super) struct Drive<'a> {
    source: &'a mut Source,
    report: &'a mut Report,
    session: Session,
    destination: Destination,
    ledger: Ledger,
    listed: bool,
    to_retrieve: VecDeque<Target>,
    to_delete: VecDeque<Target>,
    /// Asked for and not yet complete.
    retrieving: HashMap<u32, Target>,
    receiving: Option<Intake>,
    deliveries: Deliveries,
    /// DELE sent, not yet answered.
    deleting: HashMap<u32, Target>,
    /// Deleted once QUIT is answered.
    deleted: Vec<Target>,
    /// Messages came under new unique-ids.
    reset: bool,
    quitting: bool,
    /// Nothing more is begun: the service stops, or the store has failed.
    stopping: bool,
    failure: Option<store::Error>,
}

enum Flow {
    Continue,
    StartTls,
    Finished,
}

impl<'a> Drive<'a> {
    pub(super) fn new(
        source: &'a mut Source,
        report: &'a mut Report,
        options: Options,
        destination: Destination,
        ledger: Ledger,
    ) -> Self {
        let delete_upstream = source.settings.leave_on_server == LeaveOnServer::Never;
        let deliveries = Deliveries::new(source.store.clone(), destination, delete_upstream);
        Self {
            source,
            report,
            session: Session::new(options, now()),
            destination,
            ledger,
            listed: false,
            to_retrieve: VecDeque::new(),
            to_delete: VecDeque::new(),
            retrieving: HashMap::new(),
            receiving: None,
            deliveries,
            deleting: HashMap::new(),
            deleted: Vec::new(),
            reset: false,
            quitting: false,
            stopping: false,
            failure: None,
        }
    }

    /// The whole session. What is complete when it fails is still stored.
    pub(super) async fn run(
        &mut self,
        connection: Connection,
        tls: Option<Arc<ClientConfig>>,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let ended = self.session(connection, tls, shutdown).await;
        if ended.is_err() {
            self.salvage().await;
        }
        self.report.backlog = (self.to_retrieve.len() + self.retrieving.len()) as u64;
        self.source.metrics.backlog.set(gauge(self.report.backlog));
        self.source.metrics.deletes_pending.set(gauge((self.to_delete.len() + self.deleting.len()) as u64));
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
            self.feed();
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
            () = shutdown.cancelled(), if !self.stopping => {
                if !self.listed {
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
    fn feed(&mut self) {
        if !self.listed || self.quitting {
            return;
        }
        while !self.stopping && self.session.has_room() {
            if let Some(target) = self.to_retrieve.pop_front() {
                self.session.retrieve(target.number, target.size);
                self.retrieving.insert(target.number, target);
            } else if let Some(target) = self.to_delete.pop_front() {
                self.delete(target);
            } else {
                break;
            }
        }
        if self.session.is_idle() && self.deliveries.is_empty() {
            self.session.quit();
            self.quitting = true;
        }
    }

    async fn on_event(&mut self, event: Event) -> Result<Flow, Error> {
        match event {
            Event::StartTls => return Ok(Flow::StartTls),
            Event::LoggedIn(_) | Event::Header { .. } => {}
            Event::Listed(listing) => self.on_listing(&listing).await?,
            Event::Body { .. } if self.failure.is_some() => {}
            Event::Body { data, .. } => {
                let written = async { self.intake().await?.write(&data).await }.await;
                self.note(written);
            }
            Event::Retrieved { number, octets } => {
                let begun = self.intake().await.map(|_| ());
                self.note(begun);
                if let (Some(intake), Some(target)) = (self.receiving.take(), self.retrieving.remove(&number))
                    && self.failure.is_none()
                {
                    self.deliveries.start(intake, target, octets);
                }
            }
            Event::TooLong { number } => {
                self.receiving = None;
                self.source.skip(self.report, Skipped::TooLarge, 1);
                if let Some(unique_id) = self.retrieving.remove(&number).and_then(|target| target.unique_id) {
                    self.source.too_long.insert(unique_id);
                }
            }
            Event::Refused { verb: Verb::Retr, number, .. } => {
                self.retrieving.remove(&number);
                self.source.skip(self.report, Skipped::Refused, 1);
            }
            Event::Refused { number, .. } => {
                self.deleting.remove(&number);
                self.source.metrics.deletes_refused.inc();
            }
            Event::Deleted { number } => self.deleted.extend(self.deleting.remove(&number)),
            Event::Done(_) => {}
            Event::Misbehaved(fault) => self.report.faults.push(fault.label()),
            Event::Closed => return Ok(Flow::Finished),
        }
        Ok(Flow::Continue)
    }

    async fn on_listing(&mut self, listing: &Listing) -> Result<(), Error> {
        let settings = &self.source.settings;
        let policy = Policy {
            leave_on_server: settings.leave_on_server,
            max_message_size: settings.max_message_size,
            too_long: &self.source.too_long,
        };
        let plan = plan(listing, &self.ledger, policy);
        self.listed = true;
        self.report.listed = listing.len() as u64;
        self.report.listed_bytes = listing.octets();
        self.report.login_delay = self.session.capabilities().login_delay;
        self.source.skip(self.report, Skipped::TooLarge, plan.too_long);
        let metrics = &self.source.metrics;
        metrics.messages.set(gauge(self.report.listed));
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
        metrics.bytes.set(self.report.listed_bytes as f64);
        metrics.backlog.set(gauge(plan.retrieve.len() as u64));
        metrics.deletes_pending.set(gauge(plan.delete.len() as u64));
        self.deliveries.set_known(Known::new(&self.ledger, listing, plan.reset));
        self.ledger = Ledger::new();
        self.to_retrieve = plan.retrieve.into();
        self.to_delete = plan.delete.into();
        if !plan.forget.is_empty() {
            let forget = plan.forget.into_iter().map(LedgerChange::Forget).collect();
            self.source.store.change_ledger(self.destination.account, forget).await?;
        }
        Ok(())
    }

    fn on_done(&mut self, done: Done) {
        let metrics = &self.source.metrics;
        match done.outcome {
            Ok(Arrival::Stored) => {
                self.report.fetched += 1;
                self.report.bytes += done.octets;
                metrics.fetched.inc();
                #[expect(clippy::cast_precision_loss, reason = "the counter is floating point")]
                metrics.fetched_bytes.inc_by(done.octets as f64);
                metrics.backlog.dec();
            }
            Ok(arrival) => {
                self.report.duplicates += 1;
                metrics.duplicate(arrival);
                if arrival == Arrival::KnownHeader && done.target.unique_id.is_some() && !self.reset {
                    self.reset = true;
                    metrics.uidl_resets.inc();
                    self.report.faults.push("unique_ids_changed");
                }
                metrics.backlog.dec();
            }
            Err(error) => return self.note(Err(error)),
        }
        if self.source.settings.leave_on_server == LeaveOnServer::Never {
            self.delete(done.target);
        }
    }

    fn delete(&mut self, target: Target) {
        self.session.delete(target.number);
        self.deleting.insert(target.number, target);
    }

    /// The message being received; begun with its first bytes.
    async fn intake(&mut self) -> Result<&mut Intake, store::Error> {
        let intake = match self.receiving.take() {
            Some(intake) => intake,
            None => Intake::begin(&self.source.store).await?,
        };
        Ok(self.receiving.insert(intake))
    }

    /// After a failure of the store nothing more is begun; what is on its way from the server is dropped.
    fn note(&mut self, result: Result<(), store::Error>) {
        if let Err(error) = result {
            self.receiving = None;
            self.stopping = true;
            self.failure.get_or_insert(error);
        }
    }

    /// QUIT was answered: the deletions are made (RFC 1939 section 6).
    async fn finish(&mut self) -> Result<(), Error> {
        let deleted = std::mem::take(&mut self.deleted);
        self.report.deleted = deleted.len() as u64;
        self.source.metrics.deletes_ok.inc_by(self.report.deleted);
        let gone = |target: Target| Some(LedgerChange::SetState(target.unique_id?, LedgerState::Gone));
        let changes: Vec<_> = deleted.into_iter().filter_map(gone).collect();
        if !changes.is_empty() {
            self.source.store.change_ledger(self.destination.account, changes).await?;
        }
        Ok(())
    }

    /// The session is over before its time: messages that came whole are stored all the same.
    async fn salvage(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if matches!(event, Event::Body { .. } | Event::Retrieved { .. } | Event::TooLong { .. })
                && self.on_event(event).await.is_err()
            {
                break;
            }
        }
        self.receiving = None;
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

/// The clock of the runtime, so that tests can move it.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
