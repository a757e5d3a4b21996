//! The task of one account: waits for its time and its turn, polls, and answers who asked for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::gate::{Gate, Permit};
use super::kept::Kept;
use super::mark;
use super::scheduler::{Nudged, Schedule, doubled};
use super::source::{Mode, Report, Source};
use super::supervise::Task;
use super::{MAX_REQUESTS, PollNowError, PollResult, trust};
use crate::status::{AccountState, AccountsSender, Events};

/// How far the success that is kept may be behind the last one.
const SUCCESS_KEPT_EVERY: Duration = Duration::from_secs(15 * 60);

/// For a running poll to come to a safe point and QUIT when the service stops. Less than what all parts together have.
const STOP_PATIENCE: Duration = Duration::from_millis(4_500);

/// What the task is told.
pub(super) enum Command {
    Poll(Request),
    /// The account was told to pause or to go on: look at what is kept, then answer.
    Recheck(oneshot::Sender<()>),
}

/// Someone waits for the outcome of a poll.
pub(super) struct Request {
    pub(super) mode: Mode,
    /// Whatever the time-table says.
    pub(super) force: bool,
    pub(super) answer: oneshot::Sender<Result<Report, PollNowError>>,
}

impl Request {
    fn answer(self, outcome: Result<Report, PollNowError>) {
        // The caller may have gone.
        let _ = self.answer.send(outcome);
    }
}

/// One account with all that its task needs.
pub(super) struct Account {
    pub(super) source: Source,
    pub(super) status: AccountsSender,
    pub(super) events: Events,
    pub(super) kept: Kept,
    /// Octets that must be free before the next poll, while the schedule waits for room.
    needs_room: u64,
    gate: Gate,
    nudge: Arc<Notify>,
    desk: Desk,
    /// The service stops: there is little time. An account that the configuration ends has all the time it needs.
    pub(super) hurry: CancellationToken,
}

/// Where commands arrive, also while a poll is running.
struct Desk {
    inbox: mpsc::Receiver<Command>,
    /// Whoever asked and has not been answered.
    waiting: VecDeque<Request>,
    is_paused: bool,
}

enum Wake {
    Poll,
    Request(Request),
    Command(Command),
    Nudge,
    Look,
    /// The user's quota has room again.
    Room,
    Stop,
}

/// The service stops.
struct Stopped;

impl Task for Account {
    async fn run(&mut self, shutdown: CancellationToken) {
        // An Err only says that it is over.
        let _ = self.work(&shutdown).await;
    }
}

impl Account {
    pub(super) fn new(
        source: Source,
        status: AccountsSender,
        events: Events,
        gate: Gate,
        nudge: Arc<Notify>,
        inbox: mpsc::Receiver<Command>,
    ) -> Self {
        let kept = Kept::new(source.store.clone(), &source.settings);
        let desk = Desk { inbox, waiting: VecDeque::new(), is_paused: false };
        Self { source, status, events, kept, needs_room: 0, gate, nudge, desk, hurry: CancellationToken::new() }
    }

    async fn work(&mut self, shutdown: &CancellationToken) -> Result<(), Stopped> {
        trust::warn_if_unchecked(&self.source.settings);
        // Asking for a secret may run a program, which may hang.
        let mut schedule = tokio::select! {
            schedule = self.restore() => schedule,
            () = shutdown.cancelled() => return Err(Stopped),
        };
        // Changes of the secret that were refused in a row, and when it is looked at next.
        let (mut changes, mut look) = (0, self.next_look(&schedule, 0));
        loop {
            self.show_waiting(&schedule);
            match self.wait(&schedule, look, shutdown).await {
                Wake::Stop => return Ok(()),
                Wake::Command(command) => self.desk.take(command, &self.kept).await,
                Wake::Nudge => {
                    // Who is paused stays so, and polls when resumed if that is due.
                    let nudged = if self.is_paused() { Nudged::Refused } else { schedule.nudge(now()) };
                    self.source.metrics.nudged(nudged);
                }
                Wake::Look => {
                    let changed = tokio::select! {
                        changed = self.has_new_credentials() => changed,
                        () = shutdown.cancelled() => return Err(Stopped),
                    };
                    if changed {
                        tracing::info!(account = self.source.settings.id, "the secret has changed: polling");
                        schedule.credentials_changed(now());
                        changes += 1;
                    }
                    look = self.next_look(&schedule, changes);
                }
                Wake::Room => {
                    tracing::info!(account = self.source.settings.id, "the quota has room again: polling goes on");
                    schedule.room_came(now());
                    self.forget_error();
                }
                Wake::Poll => {
                    self.poll(&mut schedule, Vec::new(), shutdown).await?;
                    look = self.next_look(&schedule, changes);
                }
                Wake::Request(request) => {
                    if let Some(refusal) = self.refusal(&request, &schedule) {
                        request.answer(Err(refusal));
                        continue;
                    }
                    self.poll(&mut schedule, vec![request], shutdown).await?;
                    look = self.next_look(&schedule, changes);
                }
            }
            if schedule.state() == AccountState::Ok {
                changes = 0;
            }
        }
    }

    /// Takes up what the last run of the service, or of this task, has left.
    async fn restore(&mut self) -> Schedule {
        let kept = self.kept.load().await;
        self.desk.is_paused = kept.is_paused;
        let interval = self.source.settings.poll_interval;
        let silent = Schedule::restored(interval, &kept, None, now(), unix()).is_silent();
        self.show_restored(&kept);
        // It may run a program: only where it decides something.
        let credentials = if silent { mark::mark(&self.source.settings).await } else { None };
        Schedule::restored(interval, &kept, credentials, now(), unix())
    }

    async fn wait(&mut self, schedule: &Schedule, look: Option<Instant>, shutdown: &CancellationToken) -> Wake {
        if let Some(request) = self.desk.waiting.pop_front() {
            return Wake::Request(request);
        }
        let (paused, full) = (self.desk.is_paused, schedule.is_out_of_room());
        let (source, octets) = (&self.source, self.needs_room);
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Wake::Stop,
            command = self.desk.inbox.recv() => command.map_or(Wake::Stop, Wake::Command),
            () = self.nudge.notified() => Wake::Nudge,
            () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() && !paused => Wake::Look,
            () = sleep_until(Instant::from_std(schedule.due())), if !paused => Wake::Poll,
            () = source.room_for(octets), if full && !paused => Wake::Room,
        }
    }

    /// Why a person's wish is not granted.
    fn refusal(&self, request: &Request, schedule: &Schedule) -> Option<PollNowError> {
        if request.force {
            return None;
        }
        if self.desk.is_paused {
            return Some(PollNowError::Paused);
        }
        let until = schedule.refused_until(now())?;
        Some(PollNowError::NotYet { state: schedule.state(), until: wall(until).unwrap_or(UNIX_EPOCH) })
    }

    /// When to look whether a refused secret has changed. One that changes by itself must not be tried each time.
    fn next_look(&self, schedule: &Schedule, changes: u32) -> Option<Instant> {
        let refused = schedule.state() == AccountState::AuthFailed && schedule.is_silent();
        let interval = mark::look_interval(&self.source.settings.login).filter(|_| refused)?;
        Some(Instant::now() + doubled(interval, changes, mark::MAX_LOOK.max(interval)))
    }

    async fn has_new_credentials(&mut self) -> bool {
        let Some(found) = mark::mark(&self.source.settings).await else { return false };
        let changed = self.kept.load().await.credentials != found;
        if changed {
            self.kept.change(move |state| state.credentials = found).await;
        }
        changed
    }

    /// Waits for a turn and polls once. Who asked for the same before it began is answered by it.
    async fn poll(
        &mut self,
        schedule: &mut Schedule,
        mut asked: Vec<Request>,
        shutdown: &CancellationToken,
    ) -> Result<(), Stopped> {
        let Some(permit) = self.turn(asked.is_empty(), shutdown).await? else { return Ok(()) };
        while let Ok(command) = self.desk.inbox.try_recv() {
            self.desk.take(command, &self.kept).await;
        }
        let mode = asked.first().map_or(Mode::Normal, |request| request.mode);
        asked.extend(self.desk.take_waiting(mode));
        let (planned, was_full) = (schedule.due(), schedule.is_out_of_room());
        let cheap = mark::is_cheap(&self.source.settings.login);
        let credentials = if cheap { Some(self.mark().await) } else { None };
        schedule.started(now());
        self.keep(schedule, credentials, false).await;
        let (began, started) = (SystemTime::now(), Instant::now());
        self.show_started(began, mode);

        let report = self.session(mode, shutdown).await;
        drop(permit);

        let Some(report) = report else {
            for request in asked {
                request.answer(Err(if shutdown.is_cancelled() {
                    PollNowError::NotRunning
                } else {
                    PollNowError::Paused
                }));
            }
            return if shutdown.is_cancelled() { Err(Stopped) } else { Ok(()) };
        };
        let login_delay = report.login_delay.map(|seconds| Duration::from_secs(seconds.into()));
        schedule.finished(now(), report.result, login_delay, report.more, rand::random());
        if let Some(octets) = report.needs_room {
            self.needs_room = octets;
            schedule.out_of_room(now());
        }
        if mode == Mode::DryRun && report.result == PollResult::Ok {
            if was_full {
                schedule.out_of_room(now());
            }
            schedule.resume_at(planned);
        }
        let refused = report.result == PollResult::Auth && !cheap;
        let credentials = if refused && !shutdown.is_cancelled() {
            tokio::select! {
                mark = self.mark() => Some(mark),
                () = shutdown.cancelled() => None,
            }
        } else {
            credentials
        };
        self.keep(schedule, credentials, mode == Mode::Normal && report.result == PollResult::Ok).await;
        self.tell(schedule, &report, mode, started.elapsed());
        for request in asked {
            request.answer(Ok(report.clone()));
        }
        Ok(())
    }

    /// `None`: the account was paused meanwhile, and nobody has asked for this poll.
    async fn turn(&mut self, automatic: bool, shutdown: &CancellationToken) -> Result<Option<Permit>, Stopped> {
        let entered = self.gate.enter();
        tokio::pin!(entered);
        loop {
            tokio::select! {
                permit = &mut entered => return Ok(Some(permit)),
                () = shutdown.cancelled() => return Err(Stopped),
                Some(command) = self.desk.inbox.recv() => {
                    self.desk.take(command, &self.kept).await;
                    if automatic && self.desk.is_paused {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The poll itself. `None`: it was stopped before anything was done, or could not come to its end in time.
    async fn session(&mut self, mode: Mode, shutdown: &CancellationToken) -> Option<Report> {
        let id = self.source.settings.id.clone();
        let stop = shutdown.child_token();
        let poll = self.source.poll(mode, &stop);
        tokio::pin!(poll);
        // A server that hangs, or a message that takes long: what is not committed is fetched again, as after a crash.
        let hurry = self.hurry.clone();
        let overdue = async {
            hurry.cancelled().await;
            sleep(STOP_PATIENCE).await;
        };
        tokio::pin!(overdue);
        loop {
            tokio::select! {
                report = &mut poll => return report,
                () = &mut overdue => {
                    tracing::info!(account = id, "the poll is cut off: the service stops");
                    return None;
                }
                Some(command) = self.desk.inbox.recv() => {
                    let before = self.desk.is_paused;
                    self.desk.take(command, &self.kept).await;
                    if self.desk.is_paused && !before {
                        stop.cancel();
                    }
                }
            }
        }
    }

    /// 0 while there is no secret to be had: when there is one again, it is a change.
    async fn mark(&self) -> u16 {
        mark::mark(&self.source.settings).await.unwrap_or(0)
    }

    async fn keep(&self, schedule: &Schedule, credentials: Option<u16>, succeeded: bool) {
        let (schedule, now, unix) = (schedule.clone(), now(), unix());
        let change = move |state: &mut crate::store::PollState| {
            schedule.keep(state, now, unix);
            state.credentials = credentials.unwrap_or(state.credentials);
            // Only now and then: a poll that finds nothing shall cost no commit for this alone.
            if succeeded && unix.abs_diff(state.last_success) >= SUCCESS_KEPT_EVERY.as_secs() {
                state.last_success = unix;
            }
        };
        self.kept.change(change).await;
    }

    pub(super) fn is_paused(&self) -> bool {
        self.desk.is_paused
    }
}

impl Desk {
    async fn take(&mut self, command: Command, kept: &Kept) {
        match command {
            Command::Poll(request) if self.waiting.len() >= MAX_REQUESTS => request.answer(Err(PollNowError::Busy)),
            Command::Poll(request) => self.waiting.push_back(request),
            Command::Recheck(done) => {
                self.is_paused = kept.load().await.is_paused;
                // The caller may have gone.
                let _ = done.send(());
            }
        }
    }

    fn take_waiting(&mut self, mode: Mode) -> Vec<Request> {
        let (these, others) = std::mem::take(&mut self.waiting).into_iter().partition(|request| request.mode == mode);
        self.waiting = others;
        Vec::from(these)
    }
}

/// The clock of the runtime, so that tests can move it.
pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// The moment on the clock on the wall.
pub(super) fn wall(at: std::time::Instant) -> Option<SystemTime> {
    SystemTime::now().checked_add(at.saturating_duration_since(now()))
}

fn unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
