//! When an account is polled next. Pure: the time and the chance are arguments.

use std::time::{Duration, Instant};

use crate::status::AccountState;

use super::PollResult;

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
/// Servers cut logins less than a minute apart.
const NUDGE_GAP: Duration = Duration::from_secs(60);
/// Intervals are spread by a tenth to either side, so that accounts of one server drift apart.
const SPREAD: f64 = 0.2;

/// The time-table of one account.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    interval: Duration,
    state: AccountState,
    failures: u32,
    last_attempt: Option<Instant>,
    due: Instant,
}

impl Schedule {
    /// The first poll comes at once.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, state: AccountState::Ok, failures: 0, last_attempt: None, due: now }
    }

    /// A poll begins.
    pub(super) fn started(&mut self, now: Instant) {
        self.last_attempt = Some(now);
    }

    /// A poll has ended. `chance` is uniform in 0..1; `login_delay` is the server's LOGIN-DELAY.
    pub(super) fn finished(&mut self, now: Instant, result: PollResult, login_delay: Option<Duration>, chance: f64) {
        self.failures = if result == PollResult::Ok { 0 } else { self.failures.saturating_add(1) };
        let interval = self.interval.max(login_delay.unwrap_or_default());
        let (state, wait) = match result {
            PollResult::Ok => (AccountState::Ok, interval),
            PollResult::Auth if self.failures < AUTH_TRIES => (AccountState::AuthFailed, interval),
            PollResult::Auth => {
                (AccountState::AuthFailed, doubled(REFUSED, self.failures - AUTH_TRIES, MAX_REFUSED).max(interval))
            }
            PollResult::Locked => (AccountState::Locked, self.grown(LOCKED, MAX_LOCKED).max(interval)),
            PollResult::Throttled => (AccountState::Backoff, self.grown(THROTTLED, MAX_THROTTLED).max(interval)),
            _ => (AccountState::Backoff, self.grown(RETRY.min(interval), MAX_RETRY.max(interval))),
        };
        self.state = state;
        self.due = now + wait.mul_f64(1.0 - SPREAD / 2.0 + SPREAD * chance.clamp(0.0, 1.0));
    }

    /// Someone looks at the mailbox: poll now if the last poll is old enough. Never shortens the silence that a lock, a
    /// throttle or a refused password asks for.
    pub(super) fn nudge(&mut self, now: Instant) -> bool {
        let gap = NUDGE_GAP.min(self.interval);
        let stale = self.last_attempt.is_none_or(|at| now.saturating_duration_since(at) >= gap);
        let polled = self.state == AccountState::Ok && stale && self.due > now;
        if polled {
            self.due = now;
        }
        polled
    }

    /// When the next poll is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn state(&self) -> AccountState {
        self.state
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    fn grown(&self, first: Duration, cap: Duration) -> Duration {
        doubled(first, self.failures.saturating_sub(1), cap)
    }
}

fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);

    /// Waits in seconds after each of these results, without spread.
    fn waits(results: &[PollResult]) -> (Vec<u64>, AccountState) {
        let now = Instant::now();
        let mut schedule = Schedule::new(INTERVAL, now);
        assert_eq!(schedule.due(), now);
        let wait = |result: &PollResult| {
            schedule.finished(now, *result, None, 0.5);
            (schedule.due() - now).as_secs()
        };
        (results.iter().map(wait).collect(), schedule.state())
    }

    #[test]
    fn waits_grow_to_their_cap_and_success_ends_them() {
        use PollResult::*;
        let cases: [(&[PollResult], &[u64], AccountState); 7] = [
            (&[Ok, Ok], &[300, 300], AccountState::Ok),
            (&[Connect; 8], &[30, 60, 120, 240, 480, 960, 1800, 1800], AccountState::Backoff),
            (&[Timeout, Dns, Store, Ok, Tls], &[30, 60, 120, 300, 30], AccountState::Backoff),
            (&[Auth; 6], &[300, 3600, 7200, 14400, 21600, 21600], AccountState::AuthFailed),
            (&[Locked; 4], &[900, 1800, 3600, 3600], AccountState::Locked),
            (&[Throttled; 6], &[300, 600, 1200, 2400, 4800, 7200], AccountState::Backoff),
            (&[Protocol, Ok], &[30, 300], AccountState::Ok),
        ];
        for (results, want, state) in cases {
            assert_eq!(waits(results), (want.to_vec(), state), "{results:?}");
        }
        assert_eq!(waits(&[Connect; 100]).0.last(), Some(&1800), "no overflow");
    }

    #[test]
    fn the_interval_is_spread_and_never_below_the_servers_login_delay() {
        let now = Instant::now();
        for (chance, seconds) in [(0.0, 270), (0.5, 300), (1.0, 330)] {
            let mut schedule = Schedule::new(INTERVAL, now);
            schedule.finished(now, PollResult::Ok, None, chance);
            assert_eq!((schedule.due() - now).as_secs(), seconds);
            schedule.finished(now, PollResult::Ok, Some(INTERVAL * 2), chance);
            assert_eq!((schedule.due() - now).as_secs(), seconds * 2);
        }
    }

    #[test]
    fn a_nudge_polls_what_is_stale_and_well() {
        let now = Instant::now();
        for (result, after, polled) in [
            (PollResult::Ok, 59, false),
            (PollResult::Ok, 60, true),
            (PollResult::Auth, 100, false),
            (PollResult::Locked, 100, false),
            (PollResult::Throttled, 100, false),
            (PollResult::Connect, 29, false),
        ] {
            let mut schedule = Schedule::new(INTERVAL, now);
            schedule.started(now);
            schedule.finished(now, result, None, 0.5);
            let later = now + Duration::from_secs(after);
            assert_eq!(schedule.nudge(later), polled, "{result:?} {after}");
            assert_eq!(schedule.due() == later, polled, "{result:?} {after}");
        }
        let mut fresh = Schedule::new(Duration::from_secs(5), now);
        fresh.started(now);
        fresh.finished(now, PollResult::Ok, None, 0.5);
        assert!(!fresh.nudge(now + Duration::from_secs(4)));
    }
}
