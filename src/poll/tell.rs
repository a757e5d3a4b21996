//! What an account says of itself: in the log, in the metrics, in the status.

use std::time::{Duration, SystemTime};

use super::PollResult;
use super::account::{Account, wall};
use super::scheduler::Schedule;
use super::source::{Mode, Report};
use crate::status::{AccountState, AccountStatus};

impl Account {
    /// No poll is running.
    pub(super) fn show_waiting(&self, schedule: &Schedule) {
        let (state, next) = self.outlook(schedule);
        self.source.metrics.state(state, next);
        self.publish(|status| {
            status.polling = false;
            // The clocks drift: a time shown does not change by itself.
            let shown = status.next_poll.filter(|_| status.state == state);
            let same = |next: &SystemTime| shown.is_some_and(|shown| apart(shown, *next) < Duration::from_secs(1));
            let next = if next.as_ref().is_some_and(same) { shown } else { next };
            let failures = schedule.failures();
            let changed = (status.state, status.next_poll, status.failures) != (state, next, failures);
            (status.state, status.next_poll, status.failures) = (state, next, failures);
            changed
        });
    }

    pub(super) fn show_started(&self, began: SystemTime, mode: Mode) {
        if mode == Mode::Normal {
            self.source.metrics.started(began);
        }
        self.publish(|status| {
            status.polling = true;
            status.last_attempt = Some(began);
            true
        });
    }

    /// A poll has ended.
    pub(super) fn tell(&self, schedule: &Schedule, report: &Report, mode: Mode, duration: Duration) {
        let ended = SystemTime::now();
        if mode == Mode::Normal {
            self.source.metrics.finished(ended, report.result, duration, schedule.failures());
        }
        let (state, next) = self.outlook(schedule);
        self.source.metrics.state(state, next);
        self.publish(|status| {
            status.polling = false;
            (status.state, status.next_poll, status.failures) = (state, next, schedule.failures());
            status.last_result = Some(report.result.label());
            status.last_error.clone_from(&report.error);
            if mode == Mode::Normal {
                count(status, report, ended);
            }
            true
        });
        self.log(report, mode, duration);
    }

    /// What went wrong last is over.
    pub(super) fn forget_error(&self) {
        self.publish(|status| status.last_error.take().is_some());
    }

    fn log(&self, report: &Report, mode: Mode, duration: Duration) {
        let Report { listed, fetched, duplicates, skipped, deleted, bytes, .. } = *report;
        let (account, result) = (&self.source.settings.id, report.result.label());
        let faults = report.faults.join(",");
        let dry_run = mode == Mode::DryRun;
        // The level is part of a call: two calls, one list of fields.
        macro_rules! log {
            ($level:ident $(, $error:ident)?) => {
                tracing::$level!(
                    account, result, listed, fetched, duplicates, skipped, deleted, bytes, ?duration, faults, dry_run,
                    $($error,)? "poll"
                )
            };
        }
        match &report.error {
            None => log!(info),
            Some(error) => log!(warn, error),
        }
    }

    fn outlook(&self, schedule: &Schedule) -> (AccountState, Option<SystemTime>) {
        if self.is_paused() { (AccountState::Paused, None) } else { (schedule.state(), wall(schedule.due())) }
    }

    /// `change` says whether there is something new to see.
    fn publish(&self, change: impl FnOnce(&mut AccountStatus) -> bool) {
        self.status.send_if_modified(|accounts| {
            let status = accounts.entry(self.source.settings.id.clone()).or_default();
            let was_polling = status.polling;
            change(status) || was_polling != status.polling
        });
    }
}

fn count(status: &mut AccountStatus, report: &Report, ended: SystemTime) {
    status.fetched += report.fetched;
    status.faults.clone_from(&report.faults);
    if !report.server.is_empty() {
        status.server.clone_from(&report.server);
    }
    if report.result == PollResult::Ok {
        status.last_success = Some(ended);
    }
    // A poll that has seen no listing says nothing about it.
    if report.result == PollResult::Ok || report.listed > 0 {
        status.listed = report.listed;
        status.backlog = report.backlog;
        status.deletes_pending = report.deletes_pending;
        status.deletes_held = report.deletes_held;
        status.deletes_dry_run = report.deletes_dry_run;
        status.deletes_for.clone_from(&report.deletes_for);
        status.quarantined = report.quarantined;
        status.too_large.clone_from(&report.too_large);
    }
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}
