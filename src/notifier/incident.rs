//! What a status says of an account, and which incident comes of it. Pure: no clock, no store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::status::{AccountState, AccountStatus};
use crate::store::Trouble;

/// Polls in a row that must fail before webhooks hear of it: one alone is everyday life.
pub(super) const POLLS: u32 = 3;

/// An account that fails, as it is kept in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incident {
    /// When the first of the failed polls began, seconds since 1970.
    pub(super) since: i64,
    /// The number of the message that has told the user.
    pub(super) letter: Option<u32>,
    /// Webhooks were told.
    pub(super) announced: bool,
}

/// Set in `tries` of a row where webhooks were told; the rest is the number of the message.
const ANNOUNCED: u32 = 1 << 31;

impl Incident {
    /// As a row of the store.
    pub(super) fn row(self) -> Trouble {
        let announced = if self.announced { ANNOUNCED } else { 0 };
        let letter = self.letter.unwrap_or(0) & !ANNOUNCED;
        Trouble { tries: letter | announced, last_try: self.since, is_quarantined: self.letter.is_some() }
    }

    /// Of a row of the store.
    pub(super) fn of_row(row: Trouble) -> Self {
        let letter = row.is_quarantined.then_some(row.tries & !ANNOUNCED);
        Self { since: row.last_try, letter, announced: row.tries & ANNOUNCED != 0 }
    }

    /// When its user is to be told, seconds since 1970.
    pub(super) fn due(self, notify_after: Duration) -> i64 {
        self.since.saturating_add(i64::try_from(notify_after.as_secs()).unwrap_or(i64::MAX))
    }
}

/// What is remembered of an account from one look to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// It fails.
    pub(super) incident: Option<Incident>,
    /// What the store has of it.
    pub(super) written: Option<Incident>,
    /// The last attempt before it was paused: a failure of then says nothing once it goes on.
    before_pause: Option<SystemTime>,
    /// Messages fetched by the service when the incident began, or at the start of the service.
    pub(super) fetched: u64,
}

/// How an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Nothing new can be said: it was not polled yet, or is being polled.
    Nothing,
    /// Nobody wants it to be polled.
    Resting,
    Works,
    Fails,
}

/// What has become of an account since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The incident from now on.
    pub(super) now: Option<Incident>,
    /// It failed, and works again.
    pub(super) ended: Option<Incident>,
    /// The last poll failed; false where that is not known, too.
    pub(super) fails: bool,
}

impl Known {
    /// Of what the store has.
    pub(super) fn kept(row: Trouble) -> Self {
        let incident = Some(Incident::of_row(row));
        Self { incident, written: incident, ..Self::default() }
    }

    /// Looks at the account.
    pub(super) fn look(&mut self, status: &AccountStatus, now: SystemTime) -> Verdict {
        let same = Verdict { now: self.incident, ended: None, fails: false };
        match reading(status) {
            Reading::Nothing => same,
            Reading::Resting => {
                self.before_pause = status.last_attempt;
                // Who was told is told of the end, too.
                let now = self.incident.filter(|incident| incident.letter.is_some() || incident.announced);
                Verdict { now, ..same }
            }
            Reading::Works => {
                let success = status.last_success.map(unix);
                let ended = self.incident.filter(|incident| success.is_some_and(|at| at >= incident.since));
                if self.incident.is_none() {
                    self.fetched = status.fetched;
                }
                Verdict { now: self.incident.filter(|_| ended.is_none()), ended, fails: false }
            }
            Reading::Fails if self.before_pause.is_some() && self.before_pause == status.last_attempt => same,
            Reading::Fails => {
                self.before_pause = None;
                let success = status.last_success.map(unix);
                // It may have worked between two looks.
                let ended = self.incident.filter(|incident| success.is_some_and(|at| at > incident.since));
                let since = unix(status.last_attempt.unwrap_or(now));
                let began = Incident { since, letter: None, announced: false };
                let now = self.incident.filter(|_| ended.is_none()).unwrap_or(began);
                Verdict { now: Some(now), ended, fails: true }
            }
        }
    }

    /// The verdict holds from now on.
    pub(super) fn settle(&mut self, incident: Option<Incident>, status: &AccountStatus) {
        if incident.map(|i| i.since) != self.incident.map(|i| i.since) {
            self.fetched = status.fetched;
        }
        self.incident = incident;
    }
}

fn reading(status: &AccountStatus) -> Reading {
    match (status.state, status.last_result) {
        _ if status.polling => Reading::Nothing,
        (AccountState::Paused, _) if !is_full(status) => Reading::Resting,
        (_, Some("ok")) => Reading::Works,
        (_, Some(_)) => Reading::Fails,
        // So it was left by the last run of the service, and may go on for hours before the next attempt.
        (AccountState::AuthFailed | AccountState::Locked, None) => Reading::Fails,
        (_, None) => Reading::Nothing,
    }
}

/// The user's quota has no room: it is shown as paused, but nobody has paused it.
pub(super) fn is_full(status: &AccountStatus) -> bool {
    status.state == AccountState::Paused && status.next_poll.is_some() && status.last_result == Some("store")
}

/// How the last poll ended, as far as it is known.
pub(super) fn result(status: &AccountStatus) -> &'static str {
    match (status.last_result, status.state) {
        (Some(result), _) => result,
        (None, AccountState::Locked) => "locked",
        (None, _) => "auth",
    }
}

/// Whether webhooks are to hear of the failure: it does not pass by itself, or has not for some polls.
pub(super) fn is_grave(status: &AccountStatus) -> bool {
    status.failures >= POLLS || result(status) == "auth" || is_full(status)
}

/// Seconds since 1970.
pub(super) fn unix(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn failing(attempt: u64) -> AccountStatus {
        AccountStatus {
            state: AccountState::Backoff,
            last_attempt: Some(at(attempt)),
            last_result: Some("connect"),
            failures: 1,
            ..AccountStatus::default()
        }
    }

    fn working(success: u64) -> AccountStatus {
        AccountStatus {
            last_attempt: Some(at(success - 1)),
            last_success: Some(at(success)),
            last_result: Some("ok"),
            ..AccountStatus::default()
        }
    }

    fn look(known: &mut Known, status: &AccountStatus) -> Verdict {
        let verdict = known.look(status, at(1_000_000));
        known.settle(verdict.now, status);
        verdict
    }

    #[test]
    fn rows_say_what_was_written() {
        for letter in [None, Some(0), Some(1), Some(ANNOUNCED - 1)] {
            for announced in [false, true] {
                let incident = Incident { since: 1_750_000_000, letter, announced };
                assert_eq!(Incident::of_row(incident.row()), incident);
            }
        }
    }

    #[test]
    fn it_counts_from_the_first_failure_after_a_success() {
        let mut known = Known::default();
        assert_eq!(look(&mut known, &AccountStatus::default()), Verdict::default(), "not polled yet");
        assert_eq!(look(&mut known, &working(50)), Verdict::default());
        let began = look(&mut known, &failing(100));
        assert!(began.fails && began.now.is_some_and(|incident| incident.since == 100), "{began:?}");
        for attempt in [200, 300] {
            assert_eq!(look(&mut known, &failing(attempt)).now, began.now);
        }
        let polling = AccountStatus { polling: true, ..failing(400) };
        assert_eq!(look(&mut known, &polling), Verdict { fails: false, ..began }, "its outcome is not known");
        let ended = look(&mut known, &working(500));
        assert_eq!((ended.now, ended.ended), (None, began.now));
        assert_eq!(look(&mut known, &working(600)), Verdict::default());
    }

    #[test]
    fn a_success_between_two_looks_is_seen() {
        let mut known = Known::default();
        let began = look(&mut known, &failing(100)).now;
        let flapped = AccountStatus { last_success: Some(at(150)), ..failing(200) };
        let verdict = look(&mut known, &flapped);
        assert_eq!((verdict.ended, verdict.now.map(|incident| incident.since)), (began, Some(200)));
        assert_eq!(look(&mut known, &flapped).ended, None);
    }

    #[test]
    fn a_success_before_it_or_a_dry_run_does_not_end_it() {
        let mut known = Known::default();
        let began = look(&mut known, &AccountStatus { last_success: Some(at(50)), ..failing(100) }).now;
        // A dry run that goes well sets the result alone.
        let dry_run = AccountStatus { last_success: Some(at(50)), last_result: Some("ok"), ..failing(200) };
        assert_eq!(look(&mut known, &dry_run), Verdict { now: began, ended: None, fails: false });
    }

    #[test]
    fn a_paused_account_is_no_incident() {
        let mut known = Known::default();
        look(&mut known, &failing(100));
        let paused = AccountStatus { state: AccountState::Paused, ..failing(100) };
        assert_eq!(look(&mut known, &paused), Verdict::default());
        assert_eq!(look(&mut known, &failing(100)), Verdict::default(), "resumed, not yet tried again");
        assert_eq!(look(&mut known, &failing(9_000)).now.map(|incident| incident.since), Some(9_000));
        // Who was told of it hears of its end.
        known.incident = known.incident.map(|incident| Incident { letter: Some(7), ..incident });
        let kept = look(&mut known, &AccountStatus { state: AccountState::Paused, ..failing(9_000) });
        assert!(kept.now.is_some() && !kept.fails);
        assert!(look(&mut known, &working(10_000)).ended.is_some_and(|incident| incident.letter == Some(7)));
    }

    #[test]
    fn a_full_quota_is_shown_as_paused_and_is_none_the_less() {
        let full = AccountStatus {
            state: AccountState::Paused,
            last_result: Some("store"),
            next_poll: Some(at(900)),
            ..failing(100)
        };
        assert!(is_full(&full) && is_grave(&full));
        assert!(look(&mut Known::default(), &full).fails);
        assert!(!is_full(&AccountStatus { next_poll: None, ..full }));
    }

    #[test]
    fn what_the_last_run_left_goes_on() {
        let mut known = Known::kept(Incident { since: 100, letter: None, announced: true }.row());
        let silent = AccountStatus { state: AccountState::AuthFailed, failures: 4, ..AccountStatus::default() };
        let verdict = look(&mut known, &silent);
        assert!(verdict.fails && verdict.now.is_some_and(|incident| incident.since == 100 && incident.announced));
        assert_eq!((result(&silent), is_grave(&silent)), ("auth", true));
        let unknown = AccountStatus { state: AccountState::Backoff, ..AccountStatus::default() };
        assert!(!look(&mut known, &unknown).fails, "the next poll tells soon");
        // Never seen to fail before: it counts from now.
        assert_eq!(look(&mut Known::default(), &silent).now.map(|incident| incident.since), Some(1_000_000));
    }

    #[test]
    fn failures_are_grave_at_the_third_poll_or_when_only_a_person_can_help() {
        let failed = |failures, result| AccountStatus { failures, last_result: Some(result), ..failing(1) };
        assert!(!is_grave(&failed(2, "connect")) && is_grave(&failed(3, "connect")) && is_grave(&failed(1, "auth")));
    }

    #[test]
    fn due_when_it_has_lasted() {
        let incident = Incident { since: 100, letter: None, announced: false };
        assert_eq!(incident.due(Duration::from_secs(60)), 160);
        assert_eq!(incident.due(Duration::MAX), i64::MAX);
    }
}
