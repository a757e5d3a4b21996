//! When an account is polled next. Pure: the time and the chance are arguments.
//!
//! What must outlive the process is kept in [`PollState`]: it is written before each login as if nothing would come of it,
//! so that a service that dies in every poll logs in no more often than one whose polls fail.

use std::time::{Duration, Instant};

use super::PollResult;
use crate::status::AccountState;
use crate::store::PollState;

/// First wait after a failure that may pass by itself; doubles with each.
const RETRY: Duration = Duration::from_secs(30);
/// The longest such wait, unless the interval is longer.
const MAX_RETRY: Duration = Duration::from_secs(30 * 60);
/// Wait for a server that asks for fewer logins.
const THROTTLED: Duration = Duration::from_secs(5 * 60);
const MAX_THROTTLED: Duration = Duration::from_secs(2 * 3600);
/// A lock lasts 10 to 30 minutes and, with some servers, anew with every attempt.
const LOCKED: Duration = Duration::from_secs(15 * 60);
const MAX_LOCKED: Duration = Duration::from_secs(3600);
/// Refused credentials: after the second refusal only a person can help, and providers lock accounts.
const AUTH_TRIES: u32 = 2;
const REFUSED: Duration = Duration::from_secs(3600);
const MAX_REFUSED: Duration = Duration::from_secs(6 * 3600);
/// Without room: what does not fit is fetched in vain each time.
const FULL: Duration = Duration::from_secs(6 * 3600);
/// Servers cut logins less than a minute apart. Nothing but a person's wish makes them more frequent, or the interval.
const LOGIN_GAP: Duration = Duration::from_secs(60);
/// The longest wait for the first poll after a restart where nothing speaks against a login: who restarts the service wants
/// to see mail, and a service that dies in every poll still logs in no more than six times a minute.
const RESTART_GAP: Duration = Duration::from_secs(10);
/// No announced LOGIN-DELAY is believed beyond this: mail would never come again.
const MAX_LOGIN_DELAY: Duration = Duration::from_secs(24 * 3600);
/// Intervals are spread by a tenth to either side, so that accounts of one server drift apart.
const SPREAD: f64 = 0.2;

/// What the last poll has left behind; finer than what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Ok,
    Backoff,
    Throttled,
    AuthFailed,
    Locked,
    /// The user's quota has no room.
    Full,
}

/// What came of a wish for fresh mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nudged {
    /// A poll begins.
    Started,
    /// The last poll was a moment ago, or the next is due.
    Fresh,
    /// The account is silent: paused, locked, throttled, out of room, after a failure, or within LOGIN-DELAY.
    Refused,
}

impl Nudged {
    pub(super) const ALL: [Self; 3] = [Self::Started, Self::Fresh, Self::Refused];

    /// Metric label.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Fresh => "fresh",
            Self::Refused => "refused",
        }
    }
}

impl Condition {
    const ALL: [Self; 5] = [Self::Ok, Self::Backoff, Self::Throttled, Self::AuthFailed, Self::Locked];

    fn of(result: PollResult) -> Self {
        match result {
            PollResult::Ok => Self::Ok,
            PollResult::Auth => Self::AuthFailed,
            PollResult::Locked => Self::Locked,
            PollResult::Throttled => Self::Throttled,
            _ => Self::Backoff,
        }
    }

    /// Its code in [`PollState`], where 0 means that nothing is known. Never changes.
    const fn code(self) -> u8 {
        match self {
            Self::Ok => 1,
            // After a restart the room is looked at anew.
            Self::Backoff | Self::Full => 2,
            Self::Throttled => 3,
            Self::AuthFailed => 4,
            Self::Locked => 5,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.code() == code)
    }

    const fn shown(self) -> AccountState {
        match self {
            Self::Ok => AccountState::Ok,
            Self::Backoff | Self::Throttled => AccountState::Backoff,
            Self::AuthFailed => AccountState::AuthFailed,
            Self::Locked => AccountState::Locked,
            Self::Full => AccountState::Paused,
        }
    }
}

/// The time-table of one account.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    interval: Duration,
    condition: Condition,
    failures: u32,
    last_attempt: Option<Instant>,
    /// The server's LOGIN-DELAY (RFC 2449 section 6.5), as far as it is known.
    login_delay: Duration,
    /// When LOGIN-DELAY allows the next login.
    allowed: Option<Instant>,
    due: Instant,
}

impl Schedule {
    /// The first poll comes at once.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            condition: Condition::Ok,
            failures: 0,
            last_attempt: None,
            login_delay: Duration::ZERO,
            allowed: None,
            due: now,
        }
    }

    /// The time-table goes on where the last run of the service left it. `unix` is `now` in seconds since 1970;
    /// `credentials` is the mark of what is logged in with, if it can be told.
    ///
    /// Times that no time-table would have made are not believed: the clock has jumped.
    pub(super) fn restored(
        interval: Duration,
        kept: &PollState,
        credentials: Option<u16>,
        now: Instant,
        unix: i64,
    ) -> Self {
        let mut schedule = Self::new(interval, now);
        let Some(condition) = Condition::from_code(kept.state) else { return schedule };
        (schedule.condition, schedule.failures) = (condition, kept.failures);
        if schedule.is_silent() && credentials.is_some_and(|mark| mark != kept.credentials) {
            schedule.credentials_changed(now);
            return schedule;
        }
        let seconds = |from: i64, to: i64| Duration::from_secs(u64::try_from(to.saturating_sub(from)).unwrap_or(0));
        let left = seconds(unix, kept.not_before);
        if kept.last_attempt <= unix {
            schedule.last_attempt = now.checked_sub(seconds(kept.last_attempt, unix));
        }
        if left > schedule.longest() {
            return schedule;
        }
        schedule.due = now + left;
        let gap = seconds(kept.last_attempt, kept.not_before);
        if schedule.is_silent() {
            return schedule;
        }
        if gap > schedule.gap() && gap <= MAX_LOGIN_DELAY {
            schedule.login_delay = gap;
            schedule.allowed = Some(schedule.due);
        } else {
            schedule.due = now + left.min(RESTART_GAP);
        }
        schedule
    }

    /// Writes down what a later run of the service must know.
    pub(super) fn keep(&self, state: &mut PollState, now: Instant, unix: i64) {
        let Some(last_attempt) = self.last_attempt else { return };
        let at = |instant: Instant| match instant.checked_duration_since(now) {
            // Rounded up: a login a moment too early may be refused.
            Some(ahead) => unix.saturating_add(signed(ahead.as_secs() + u64::from(ahead.subsec_nanos() > 0))),
            None => unix.saturating_sub(signed(now.duration_since(instant).as_secs())),
        };
        let gap = last_attempt + self.gap();
        let not_before = if self.is_silent() { self.due } else { self.allowed.map_or(gap, |allowed| allowed.max(gap)) };
        state.state = self.condition.code();
        state.failures = self.failures;
        // The clock is read in whole seconds: the same moment may come out as two neighbours. The first stays.
        if state.last_attempt.abs_diff(at(last_attempt)) > 1 {
            state.last_attempt = at(last_attempt);
        }
        if state.not_before.abs_diff(at(not_before)) > 1 {
            state.not_before = at(not_before);
        }
    }

    /// A poll begins. Until its end is known the next one is as far away as if it had come to nothing.
    pub(super) fn started(&mut self, now: Instant) {
        self.last_attempt = Some(now);
        self.allowed = self.login_allowed(now);
        self.due = now + if self.is_silent() { self.wait(false) } else { self.gap().max(self.login_delay) };
    }

    /// A poll has ended. `chance` is uniform in 0..1; `login_delay` is the server's LOGIN-DELAY; `more`: part of the mail
    /// is still there.
    pub(super) fn finished(
        &mut self,
        now: Instant,
        result: PollResult,
        login_delay: Option<Duration>,
        more: bool,
        chance: f64,
    ) {
        self.failures = if result == PollResult::Ok { 0 } else { self.failures.saturating_add(1) };
        // A poll that failed early has not heard it: what was heard before still holds.
        if login_delay.is_some() || result == PollResult::Ok {
            self.login_delay = login_delay.unwrap_or_default().min(MAX_LOGIN_DELAY);
        }
        self.condition = Condition::of(result);
        self.allowed = self.login_allowed(now);
        self.due = now + self.wait(more).mul_f64(1.0 - SPREAD / 2.0 + SPREAD * chance.clamp(0.0, 1.0));
        self.not_before_allowed();
    }

    /// The poll was an extra one: the next comes when it would have come anyway, if the server allows it.
    pub(super) fn resume_at(&mut self, planned: Instant) {
        self.due = self.due.min(planned);
        self.not_before_allowed();
    }

    /// Someone looks at the mailbox: poll now if the last poll is old enough. Never shortens the silence that a lock, a
    /// throttle, a refused password or LOGIN-DELAY asks for.
    pub(super) fn nudge(&mut self, now: Instant) -> Nudged {
        let stale = self.last_attempt.is_none_or(|at| now.saturating_duration_since(at) >= self.gap());
        let allowed = self.allowed.is_none_or(|allowed| allowed <= now);
        if self.condition != Condition::Ok || !allowed {
            return Nudged::Refused;
        }
        if !stale || self.due <= now {
            return Nudged::Fresh;
        }
        self.due = now;
        Nudged::Started
    }

    /// The poll that has ended found no room for the mail. [`Self::room_came`] brings the next one, or, as the message may
    /// go from the maildrop, a long time.
    pub(super) fn out_of_room(&mut self, now: Instant) {
        self.condition = Condition::Full;
        self.due = now + self.wait(false);
        self.not_before_allowed();
    }

    /// There is room again. Who deletes one message after the other makes no more polls than the interval or a minute.
    pub(super) fn room_came(&mut self, now: Instant) {
        self.condition = Condition::Ok;
        self.due = self.last_attempt.map_or(now, |at| now.max(at + self.gap()));
        self.not_before_allowed();
    }

    /// Whether it waits for room.
    pub(super) fn is_out_of_room(&self) -> bool {
        self.condition == Condition::Full
    }

    /// What is logged in with has changed: a refusal says nothing any more.
    pub(super) fn credentials_changed(&mut self, now: Instant) {
        (self.condition, self.failures, self.due) = (Condition::Backoff, 0, now);
        self.not_before_allowed();
    }

    /// Until when even a person's wish has to wait: a login would prolong the lock, or be refused.
    pub(super) fn refused_until(&self, now: Instant) -> Option<Instant> {
        let silent = matches!(self.condition, Condition::Locked | Condition::Throttled);
        let until = silent.then_some(self.due).max(self.allowed);
        until.filter(|until| *until > now)
    }

    /// No login before it is due, also across a restart, unless the credentials change.
    pub(super) fn is_silent(&self) -> bool {
        match self.condition {
            Condition::Ok | Condition::Backoff | Condition::Full => false,
            Condition::AuthFailed => self.failures >= AUTH_TRIES,
            Condition::Throttled | Condition::Locked => true,
        }
    }

    /// When the next poll is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn state(&self) -> AccountState {
        self.condition.shown()
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait after the last poll, before it is spread.
    fn wait(&self, more: bool) -> Duration {
        let interval = self.interval;
        match self.condition {
            Condition::Ok if more => self.gap(),
            Condition::Ok => interval,
            Condition::AuthFailed if self.failures < AUTH_TRIES => interval,
            Condition::AuthFailed => doubled(REFUSED, self.failures - AUTH_TRIES, MAX_REFUSED).max(interval),
            Condition::Locked => self.grown(LOCKED, MAX_LOCKED).max(interval),
            Condition::Throttled => self.grown(THROTTLED, MAX_THROTTLED).max(interval),
            Condition::Full => FULL.max(interval),
            Condition::Backoff => self.grown(RETRY.min(interval), MAX_RETRY.max(interval)),
        }
    }

    /// The longest that may be left of a wait that was kept.
    fn longest(&self) -> Duration {
        let wait = match self.condition {
            Condition::Ok | Condition::Backoff | Condition::Full => return MAX_LOGIN_DELAY,
            Condition::AuthFailed => MAX_REFUSED,
            Condition::Locked => MAX_LOCKED,
            Condition::Throttled => MAX_THROTTLED,
        };
        wait.max(self.interval).mul_f64(1.0 + SPREAD / 2.0).max(self.login_delay)
    }

    fn login_allowed(&self, now: Instant) -> Option<Instant> {
        (self.login_delay > Duration::ZERO).then(|| now + self.login_delay)
    }

    fn not_before_allowed(&mut self) {
        self.due = self.allowed.map_or(self.due, |allowed| self.due.max(allowed));
    }

    fn gap(&self) -> Duration {
        LOGIN_GAP.min(self.interval)
    }

    fn grown(&self, first: Duration, cap: Duration) -> Duration {
        doubled(first, self.failures.saturating_sub(1), cap)
    }
}

/// `first`, doubled so many times, at most `cap`.
pub(super) fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(cap)
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
