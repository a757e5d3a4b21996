//! How much an account has brought lately, for a small picture of it.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Messages fetched, by intervals of the wall clock. In memory: the picture begins with the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// The number of the newest interval, counted from 1970.
    newest: u64,
    counts: VecDeque<u64>,
}

impl Rate {
    /// How long an interval is: short enough to see a single message arrive, long enough for the whole to show a day.
    pub const INTERVAL: Duration = Duration::from_secs(30 * 60);

    /// How many intervals there are: a day.
    pub const INTERVALS: usize = 48;

    /// So many messages came at this time.
    pub fn add(&mut self, messages: u64, at: SystemTime) {
        self.move_to(interval(at));
        if let Some(newest) = self.counts.back_mut() {
            *newest += messages;
        }
    }

    /// The counts of all intervals up to this time, oldest first.
    pub fn counts(&self, now: SystemTime) -> Vec<u64> {
        let mut moved = self.clone();
        moved.move_to(interval(now));
        let missing = Self::INTERVALS - moved.counts.len();
        std::iter::repeat_n(0, missing).chain(moved.counts).collect()
    }

    /// A clock that was set back does not unmake what was counted.
    fn move_to(&mut self, interval: u64) {
        let ahead = if self.counts.is_empty() { 1 } else { interval.saturating_sub(self.newest) };
        for _ in 0..ahead.min(Self::INTERVALS as u64) {
            self.counts.push_back(0);
        }
        while self.counts.len() > Self::INTERVALS {
            self.counts.pop_front();
        }
        self.newest = self.newest.max(interval);
    }
}

fn interval(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / Rate::INTERVAL.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(intervals: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 * 1800) + Rate::INTERVAL.mul_f64(intervals)
    }

    fn last(rate: &Rate, now: f64, count: usize) -> Vec<u64> {
        let counts = rate.counts(at(now));
        assert_eq!(counts.len(), Rate::INTERVALS);
        assert_eq!(counts[..Rate::INTERVALS - count].iter().sum::<u64>(), 0, "{counts:?}");
        counts[Rate::INTERVALS - count..].to_vec()
    }

    #[test]
    fn messages_are_counted_where_they_came_and_move_on_with_time() {
        let mut rate = Rate::default();
        assert_eq!(last(&rate, 0.0, 1), [0]);
        rate.add(2, at(0.0));
        rate.add(3, at(0.9));
        rate.add(1, at(3.5));
        assert_eq!(last(&rate, 3.5, 4), [5, 0, 0, 1]);
        assert_eq!(last(&rate, 5.0, 6), [5, 0, 0, 1, 0, 0]);
        assert_eq!(rate.counts(at(47.0))[0], 5, "a day ago");
        assert_eq!(rate.counts(at(48.0))[..3], [0, 0, 1]);
        assert_eq!(last(&rate, 1_000_000.0, 1), [0]);
        rate.add(7, at(1_000_000.0));
        assert_eq!(last(&rate, 1_000_000.0, 1), [7]);
        rate.add(1, at(999_999.0));
        assert_eq!(last(&rate, 999_999.0, 1), [8], "the clock was set back");
    }
}
