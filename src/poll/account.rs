//! The task of one account: waits for its time, polls, and tells how it went in the log, the metrics and the status.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::scheduler::Schedule;
use super::source::{Mode, Report, Source};
use super::{PollResult, trust};
use crate::status::{AccountStatus, AccountsSender};

/// Someone waits for the outcome of a poll.
pub(super) struct Request(pub(super) oneshot::Sender<Report>);

/// One account with all that its task needs.
pub(super) struct Account {
    source: Source,
    status: AccountsSender,
    nudge: Arc<Notify>,
    requests: mpsc::Receiver<Request>,
}

enum Wake {
    Poll(Option<Request>),
    Again,
    Stop,
}

impl Account {
    pub(super) fn new(
        source: Source,
        status: AccountsSender,
        nudge: Arc<Notify>,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        Self { source, status, nudge, requests }
    }

    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        trust::warn_if_unchecked(&self.source.settings);
        let mut schedule = Schedule::new(self.source.settings.poll_interval, now());
        loop {
            match self.wait(&mut schedule, &shutdown).await {
                Wake::Stop => return,
                Wake::Again => {}
                Wake::Poll(request) => {
                    let mut waiting: Vec<Request> = request.into_iter().collect();
                    let Some(report) = self.poll(&mut schedule, &mut waiting, &shutdown).await else { return };
                    for request in waiting {
                        // The caller may have gone.
                        let _ = request.0.send(report.clone());
                    }
                }
            }
        }
    }

    async fn wait(&mut self, schedule: &mut Schedule, shutdown: &CancellationToken) -> Wake {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Wake::Stop,
            request = self.requests.recv() => request.map_or(Wake::Stop, |request| Wake::Poll(Some(request))),
            () = self.nudge.notified() => {
                schedule.nudge(now());
                Wake::Again
            }
            () = sleep_until(Instant::from_std(schedule.due())) => Wake::Poll(None),
        }
    }

    /// One poll. `None`: the service stops.
    async fn poll(
        &mut self,
        schedule: &mut Schedule,
        waiting: &mut Vec<Request>,
        shutdown: &CancellationToken,
    ) -> Option<Report> {
        // Who asked before the poll began is answered by it.
        while let Ok(request) = self.requests.try_recv() {
            waiting.push(request);
        }
        let (began, started) = (SystemTime::now(), Instant::now());
        schedule.started(now());
        self.source.metrics.started(began);
        self.publish(|status| {
            status.polling = true;
            status.last_attempt = Some(began);
        });
        let report = self.source.poll(Mode::Normal, shutdown).await?;
        let login_delay = report.login_delay.map(|seconds| Duration::from_secs(seconds.into()));
        schedule.finished(now(), report.result, login_delay, rand::random());
        self.tell(schedule, &report, started.elapsed());
        Some(report)
    }

    fn tell(&self, schedule: &Schedule, report: &Report, duration: Duration) {
        let (ended, wait) = (SystemTime::now(), schedule.due().saturating_duration_since(now()));
        let next = ended.checked_add(wait);
        let metrics = &self.source.metrics;
        metrics.finished(ended, report.result, duration, schedule.failures());
        metrics.state(schedule.state(), next);
        self.publish(|status| {
            status.polling = false;
            status.state = schedule.state();
            status.next_poll = next;
            status.last_result = Some(report.result.label());
            status.last_error.clone_from(&report.error);
            status.failures = schedule.failures();
            status.fetched += report.fetched;
            status.backlog = report.backlog;
            if report.result == PollResult::Ok {
                status.last_success = Some(ended);
                status.listed = report.listed;
            }
        });
        let Report { listed, fetched, duplicates, skipped, deleted, bytes, .. } = *report;
        let (account, result) = (&self.source.settings.id, report.result.label());
        let faults = report.faults.join(",");
        // The level is part of a call: two calls, one list of fields.
        macro_rules! log {
            ($level:ident $(, $error:ident)?) => {
                tracing::$level!(
                    account, result, listed, fetched, duplicates, skipped, deleted, bytes, ?duration, faults,
                    $($error,)? "poll"
                )
            };
        }
        match &report.error {
            None => log!(info),
            Some(error) => log!(warn, error),
        }
    }

    fn publish(&self, change: impl FnOnce(&mut AccountStatus)) {
        self.status.send_modify(|accounts| change(accounts.entry(self.source.settings.id.clone()).or_default()));
    }
}

/// The clock of the runtime, so that tests can move it.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
