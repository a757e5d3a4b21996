//! What an account says of itself: in the log, in the metrics, in the status.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::PollResult;
use super::account::{Account, wall};
use super::scheduler::Schedule;
use super::source::{Mode, Report};
use crate::status::{AccountState, AccountStatus, EventKind};
use crate::store::PollState;

impl Account {
    /// What an earlier run of the service has left, before anything is polled.
    pub(super) fn show_restored(&self, kept: &PollState) {
        // 0: never. A clock that was ahead is not believed.
        let at = |unix: i64| {
            let since = u64::try_from(unix).ok().filter(|unix| *unix > 0).map(Duration::from_secs)?;
            UNIX_EPOCH.checked_add(since).filter(|at| *at <= SystemTime::now())
        };
        let (last_attempt, last_success) = (at(kept.last_attempt), at(kept.last_success));
        self.source.metrics.restored(last_attempt, last_success, kept.failures);
        self.publish(|status| {
            let before = (status.last_attempt, status.last_success);
            (status.last_attempt, status.last_success) = (before.0.max(last_attempt), before.1.max(last_success));
            before != (status.last_attempt, status.last_success)
        });
    }

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
        if mode == Mode::Normal {
            self.note(report);
        }
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

    /// What of a poll is news, beside what was told of the one before.
    fn note(&self, report: &Report) {
        let id = &self.source.settings.id;
        let shown =
            |status: &AccountStatus| ((status.last_result, status.failures), (status.quarantined, status.deletes_held));
        let before = self.status.borrow().get(id).map(shown);
        let ((last, failures), (quarantined, held)) = before.unwrap_or_default();
        let (ok, result) = (PollResult::Ok.label(), report.result.label());
        if report.fetched > 0 {
            self.events.of_account(id, EventKind::NewMail { messages: report.fetched });
        }
        if report.adopted > 0 {
            self.events.of_account(id, EventKind::UniqueIdsChanged { messages: report.adopted });
        }
        if report.quarantined > quarantined {
            self.events.of_account(id, EventKind::Quarantined { messages: report.quarantined - quarantined });
        }
        if report.deletes_held > 0 && held == 0 {
            self.events.of_account(id, EventKind::DeletesHeld { messages: report.deletes_held });
        }
        if report.result == PollResult::Ok {
            if last.is_some_and(|last| last != ok) {
                self.events.of_account(id, EventKind::Recovered { failures });
            }
        } else if last != Some(result) {
            let error = report.error.clone().unwrap_or_default();
            self.events.of_account(id, EventKind::PollFailed { result, error });
        }
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
    status.rate.add(report.fetched, ended);
    status.faults.clone_from(&report.faults);
    if !report.server.is_empty() {
        status.server.clone_from(&report.server);
    }
    if report.result == PollResult::Ok {
        status.last_success = Some(ended);
    }
    // A poll that has seen no listing says nothing about it.
    if report.result == PollResult::Ok || report.listed > 0 {
        status.is_listed = true;
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
