//! The rules of the time-table, one by one.

use super::*;

const INTERVAL: Duration = Duration::from_secs(300);
/// Some time in 2025.
const UNIX: i64 = 1_750_000_000;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A poll of no length at `now`, without spread.
fn polled(schedule: &mut Schedule, now: Instant, result: PollResult, login_delay: Option<u64>) {
    schedule.started(now);
    schedule.finished(now, result, login_delay.map(secs), false, 0.5);
}

fn after(interval: Duration, now: Instant, results: &[PollResult]) -> Schedule {
    let mut schedule = Schedule::new(interval, now);
    results.iter().for_each(|result| polled(&mut schedule, now, *result, None));
    schedule
}

/// Waits in seconds after each of these results, without spread.
fn waits(results: &[PollResult]) -> (Vec<u64>, AccountState) {
    let now = Instant::now();
    let mut schedule = Schedule::new(INTERVAL, now);
    assert_eq!(schedule.due(), now);
    let wait = |result: &PollResult| {
        polled(&mut schedule, now, *result, None);
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
fn without_room_it_waits_long_or_until_there_is_some() {
    let now = Instant::now();
    for (interval, wait) in [(INTERVAL, 6 * 3600), (secs(24 * 3600), 24 * 3600)] {
        let mut schedule = after(interval, now, &[PollResult::Store]);
        schedule.out_of_room(now);
        assert!(schedule.is_out_of_room() && schedule.nudge(now + secs(7200)) == Nudged::Refused);
        assert_eq!(
            (schedule.state(), schedule.due(), schedule.failures()),
            (AccountState::Paused, now + secs(wait), 1)
        );
        assert_eq!(schedule.refused_until(now), None, "who asks is answered");
        // Who makes room again and again makes no storm of logins.
        schedule.room_came(now + secs(5));
        assert_eq!((schedule.state(), schedule.due()), (AccountState::Ok, now + secs(60)));
        schedule.out_of_room(now);
        schedule.room_came(now + secs(100));
        assert_eq!(schedule.due(), now + secs(100));
    }
    let mut schedule = Schedule::new(INTERVAL, now);
    polled(&mut schedule, now, PollResult::Store, Some(600));
    schedule.out_of_room(now);
    schedule.room_came(now + secs(5));
    assert_eq!(schedule.due(), now + secs(600), "LOGIN-DELAY");
    let mut kept = PollState::default();
    schedule.out_of_room(now);
    schedule.keep(&mut kept, now, UNIX);
    let restored = Schedule::restored(INTERVAL, &kept, None, now, UNIX + 700);
    assert!(!restored.is_out_of_room() && restored.due() <= now + RESTART_GAP, "the room is looked at anew");
}

#[test]
fn the_interval_is_spread_but_never_below_the_servers_login_delay() {
    let now = Instant::now();
    for (chance, seconds, delayed) in [(0.0, 270, 600), (0.5, 300, 600), (1.0, 330, 600)] {
        let mut schedule = Schedule::new(INTERVAL, now);
        schedule.finished(now, PollResult::Ok, None, false, chance);
        assert_eq!((schedule.due() - now).as_secs(), seconds);
        schedule.finished(now, PollResult::Ok, Some(INTERVAL * 2), false, chance);
        assert_eq!((schedule.due() - now).as_secs(), delayed);
        // What was heard once holds until a poll that goes well does not hear it.
        schedule.finished(now, PollResult::Connect, None, false, chance);
        assert_eq!((schedule.due() - now).as_secs(), delayed);
        schedule.finished(now, PollResult::Ok, None, false, chance);
        assert_eq!((schedule.due() - now).as_secs(), seconds);
    }
}

#[test]
fn a_login_delay_is_believed_up_to_a_day() {
    let now = Instant::now();
    for (announced, seconds) in [(86_400, 86_400), (86_401, 86_400), (u64::from(u32::MAX), 86_400)] {
        let mut schedule = Schedule::new(INTERVAL, now);
        polled(&mut schedule, now, PollResult::Ok, Some(announced));
        assert_eq!((schedule.due() - now).as_secs(), seconds);
    }
}

#[test]
fn what_is_left_is_fetched_soon_but_not_sooner_than_the_server_allows() {
    let now = Instant::now();
    for (interval, login_delay, seconds) in
        [(300, None, 60), (300, Some(120), 120), (20, None, 20), (300, Some(400), 400)]
    {
        let mut schedule = Schedule::new(secs(interval), now);
        schedule.started(now);
        schedule.finished(now, PollResult::Ok, login_delay.map(secs), true, 0.5);
        assert_eq!((schedule.due() - now).as_secs(), seconds, "{interval} {login_delay:?}");
    }
}

#[test]
fn a_nudge_polls_what_is_stale_and_well() {
    let now = Instant::now();
    for (result, login_delay, later, nudged) in [
        (PollResult::Ok, None, 59, Nudged::Fresh),
        (PollResult::Ok, None, 60, Nudged::Started),
        (PollResult::Ok, Some(100), 99, Nudged::Refused),
        (PollResult::Ok, Some(100), 100, Nudged::Started),
        (PollResult::Auth, None, 100, Nudged::Refused),
        (PollResult::Locked, None, 100, Nudged::Refused),
        (PollResult::Throttled, None, 100, Nudged::Refused),
        (PollResult::Connect, None, 29, Nudged::Refused),
    ] {
        let mut schedule = Schedule::new(INTERVAL, now);
        polled(&mut schedule, now, result, login_delay);
        let then = now + secs(later);
        assert_eq!(schedule.nudge(then), nudged, "{result:?} {later}");
        assert_eq!(schedule.due() == then, nudged == Nudged::Started, "{result:?} {later}");
    }
    let mut fresh = after(secs(5), now, &[PollResult::Ok]);
    assert_eq!(fresh.nudge(now + secs(4)), Nudged::Fresh);
    // It is polled anyway.
    assert_eq!(fresh.nudge(fresh.due()), Nudged::Fresh);
}

#[test]
fn a_person_waits_for_a_lock_a_throttle_and_a_login_delay_only() {
    use PollResult::*;
    let now = Instant::now();
    for (results, until) in [
        (&[Ok][..], None),
        (&[Connect, Connect], None),
        (&[Auth, Auth, Auth], None),
        (&[Locked], Some(900)),
        (&[Throttled, Throttled], Some(600)),
    ] {
        let schedule = after(INTERVAL, now, results);
        assert_eq!(schedule.refused_until(now), until.map(|seconds| now + secs(seconds)), "{results:?}");
        assert_eq!(schedule.refused_until(now + secs(900)), None, "{results:?}");
    }
    let mut delayed = Schedule::new(secs(60), now);
    polled(&mut delayed, now, Ok, Some(600));
    assert_eq!(delayed.refused_until(now + secs(599)), Some(now + secs(600)));
    assert_eq!(delayed.refused_until(now + secs(600)), None);
}

#[test]
fn new_credentials_are_tried_at_once_and_twice() {
    let now = Instant::now();
    let mut schedule = after(INTERVAL, now, &[PollResult::Auth; 5]);
    assert!(schedule.is_silent());
    schedule.credentials_changed(now + secs(10));
    assert_eq!((schedule.due(), schedule.is_silent()), (now + secs(10), false));
    let waits = [300, 3600].map(|wait| {
        polled(&mut schedule, now, PollResult::Auth, None);
        (schedule.due() - now == secs(wait), schedule.is_silent())
    });
    assert_eq!(waits, [(true, false), (true, true)]);
}

#[test]
fn an_extra_poll_does_not_postpone_the_next() {
    let now = Instant::now();
    let mut schedule = after(INTERVAL, now, &[PollResult::Ok]);
    let (planned, then) = (schedule.due(), now + secs(100));
    polled(&mut schedule, then, PollResult::Ok, None);
    schedule.resume_at(planned);
    assert_eq!(schedule.due(), planned);
    polled(&mut schedule, then, PollResult::Ok, Some(250));
    schedule.resume_at(planned);
    assert_eq!(schedule.due(), then + secs(250), "the server's wish counts");
}

/// What is kept after these results, read `later` seconds after the last of them.
fn restored(results: &[PollResult], login_delay: Option<u64>, later: u64, credentials: Option<u16>) -> (Schedule, u64) {
    let now = Instant::now();
    let mut schedule = Schedule::new(INTERVAL, now);
    results.iter().for_each(|result| polled(&mut schedule, now, *result, login_delay));
    let mut kept = PollState { credentials: 7, ..PollState::default() };
    schedule.keep(&mut kept, now, UNIX);
    let then = now + secs(1_000_000);
    let restored = Schedule::restored(INTERVAL, &kept, credentials, then, UNIX + i64::try_from(later).unwrap());
    let wait = (restored.due() - then).as_secs();
    (restored, wait)
}

#[test]
fn a_restart_forgets_no_silence() {
    use PollResult::*;
    for (results, later, wait, state) in [
        (&[Ok][..], 0, 10, AccountState::Ok),
        (&[Ok], 59, 1, AccountState::Ok),
        (&[Ok], 60, 0, AccountState::Ok),
        (&[Connect; 9], 10, 10, AccountState::Backoff),
        (&[Auth], 0, 10, AccountState::AuthFailed),
        (&[Auth; 2], 600, 3000, AccountState::AuthFailed),
        (&[Auth; 9], 600, 21_000, AccountState::AuthFailed),
        (&[Locked], 100, 800, AccountState::Locked),
        (&[Locked; 3], 3600, 0, AccountState::Locked),
        (&[Throttled], 1, 299, AccountState::Backoff),
    ] {
        let (schedule, left) = restored(results, None, later, Some(7));
        assert_eq!((left, schedule.state()), (wait, state), "{results:?} {later}");
        let failures = results.iter().filter(|result| **result != Ok).count();
        assert_eq!(schedule.failures() as usize, failures, "{results:?}: the back-off goes on");
    }
}

#[test]
fn a_restart_remembers_the_login_delay() {
    let (mut schedule, left) = restored(&[PollResult::Ok], Some(600), 100, None);
    assert_eq!(left, 500);
    let then = schedule.due();
    assert_eq!(schedule.nudge(then - secs(1)), Nudged::Refused);
    assert_eq!(schedule.refused_until(then - secs(1)), Some(then));
    // A poll that fails before it hears the delay again.
    polled(&mut schedule, then, PollResult::Connect, None);
    assert_eq!(schedule.due() - then, secs(600));
}

#[test]
fn a_restart_with_other_credentials_polls_at_once() {
    use PollResult::*;
    for results in [&[Auth; 3][..], &[Locked], &[Throttled; 2]] {
        let (schedule, left) = restored(results, None, 10, Some(8));
        assert_eq!((left, schedule.failures()), (0, 0), "{results:?}");
        assert!(restored(results, None, 10, Some(7)).1 > 0, "{results:?}: the same");
        assert!(restored(results, None, 10, None).1 > 0, "{results:?}: no secret to be had");
    }
    assert_eq!(restored(&[Connect], None, 10, Some(8)).1, 10, "only a refusal or a lock asks for the credentials");
}

#[test]
fn a_crash_in_every_poll_is_no_storm() {
    let silent = [(&[PollResult::Auth; 2][..], 3600 - 2, 3600), (&[PollResult::Locked], 900 - 2, 900)];
    for (before, first, gap) in silent.into_iter().chain([(&[][..], 10, 60)]) {
        let now = Instant::now();
        let mut schedule = after(INTERVAL, now, before);
        schedule.started(now);
        let mut kept = PollState::default();
        schedule.keep(&mut kept, now, UNIX);
        let mut again = Schedule::restored(INTERVAL, &kept, Some(0), now, UNIX + 2);
        assert_eq!(again.due() - now, secs(first), "{before:?}");
        again.started(again.due());
        assert_eq!(again.due() - now, secs(first + gap), "{before:?}");
    }
}

#[test]
fn times_from_a_clock_that_jumped_are_not_believed() {
    use PollResult::*;
    let now = Instant::now();
    for (results, longest) in [(&[Ok][..], 86_400), (&[Auth; 9], 23_760), (&[Locked], 3_960), (&[Throttled], 7_920)] {
        let mut kept = PollState::default();
        after(INTERVAL, now, results).keep(&mut kept, now, UNIX);
        for (ahead, wait) in [(longest, longest), (longest + 1, 0), (1 << 40, 0), (i64::MAX - UNIX, 0)] {
            kept.not_before = UNIX + ahead;
            let schedule = Schedule::restored(INTERVAL, &kept, Some(0), now, UNIX);
            assert_eq!((schedule.due() - now).as_secs(), u64::try_from(wait).unwrap(), "{results:?} {ahead}");
        }
        // The last attempt seems to lie ahead.
        kept = PollState { last_attempt: UNIX + 500, not_before: UNIX + 560, ..kept };
        assert!(Schedule::restored(INTERVAL, &kept, Some(0), now, UNIX).due() - now <= secs(560));
        kept = PollState { last_attempt: i64::MIN, not_before: i64::MIN, ..kept };
        assert_eq!(Schedule::restored(INTERVAL, &kept, Some(0), now, UNIX).due(), now);
    }
    for state in [0, 6, 255] {
        let kept = PollState { state, failures: 9, not_before: UNIX + 500, ..PollState::default() };
        let schedule = Schedule::restored(INTERVAL, &kept, None, now, UNIX);
        assert_eq!((schedule.due(), schedule.failures()), (now, 0), "nothing is known");
    }
}

#[test]
fn a_poll_that_goes_well_is_written_down_once() {
    let now = Instant::now();
    let mut schedule = Schedule::new(INTERVAL, now);
    let mut kept = PollState::default();
    schedule.started(now);
    schedule.keep(&mut kept, now, UNIX);
    let begun = kept;
    schedule.finished(now + secs(30), PollResult::Ok, None, false, 0.5);
    // The clocks are read at different moments of a second.
    schedule.keep(&mut kept, now + Duration::from_millis(29_100), UNIX + 30);
    assert_eq!(kept, begun);
}
