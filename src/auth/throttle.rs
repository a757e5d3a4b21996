//! How long an address waits for its next answer after failures. Pure: takes `now`, never sleeps.
//!
//! IPv6 counts by /64, the least that one customer gets. An old password that a device keeps trying counts once: the same
//! wrong pair again teaches a guesser nothing, and must not slow its owner's other devices down ever more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// When and how much to slow down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Failures of an address that cost nothing yet: people mistype.
    pub free_failures: u32,
    /// Delay after the first failure beyond those; doubles with each further one.
    pub first_delay: Duration,
    /// The delay grows to this.
    pub max_delay: Duration,
    /// An address without failures for this long is forgotten.
    pub forget_after: Duration,
    /// Addresses remembered; beyond it the one that failed longest ago is forgotten.
    pub addresses: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            free_failures: 3,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(8),
            forget_after: Duration::from_secs(15 * 60),
            addresses: 10_000,
        }
    }
}

/// Recent distinct failures told apart per address.
const REMEMBERED_PAIRS: usize = 4;

/// Failures by address.
#[derive(Debug)]
pub(super) struct Throttle {
    settings: Settings,
    table: HashMap<IpAddr, Entry>,
}

#[derive(Debug)]
struct Entry {
    failures: u32,
    last: Instant,
    /// Short digests of the last wrong pairs, oldest first.
    pairs: [Option<u64>; REMEMBERED_PAIRS],
}

impl Throttle {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, table: HashMap::new() }
    }

    /// How long an answer to this address is to be delayed now.
    pub(super) fn delay(&self, from: IpAddr, now: Instant) -> Duration {
        let Some(entry) = self.table.get(&network(from)).filter(|entry| !self.is_stale(entry, now)) else {
            return Duration::ZERO;
        };
        let Some(beyond) = entry.failures.checked_sub(self.settings.free_failures + 1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
        self.settings.first_delay.saturating_mul(factor).min(self.settings.max_delay)
    }

    /// A wrong user or password came from this address; `pair` tells the attempted pair from others.
    pub(super) fn failed(&mut self, from: IpAddr, pair: u64, now: Instant) {
        let key = network(from);
        if self.table.get(&key).is_some_and(|entry| self.is_stale(entry, now)) {
            self.table.remove(&key);
        }
        if !self.table.contains_key(&key) {
            self.make_room(now);
        }
        let entry = self.table.entry(key).or_insert(Entry { failures: 0, last: now, pairs: [None; REMEMBERED_PAIRS] });
        entry.last = now;
        if !entry.pairs.contains(&Some(pair)) {
            entry.failures = entry.failures.saturating_add(1);
            entry.pairs.rotate_left(1);
            entry.pairs[REMEMBERED_PAIRS - 1] = Some(pair);
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.table.len() < self.settings.addresses.max(1) {
            return;
        }
        let forget_after = self.settings.forget_after;
        self.table.retain(|_, entry| now.saturating_duration_since(entry.last) < forget_after);
        if self.table.len() >= self.settings.addresses.max(1) {
            let oldest = self.table.iter().min_by_key(|(_, entry)| entry.last).map(|(address, _)| *address);
            if let Some(oldest) = oldest {
                self.table.remove(&oldest);
            }
        }
    }

    fn is_stale(&self, entry: &Entry, now: Instant) -> bool {
        now.saturating_duration_since(entry.last) >= self.settings.forget_after
    }
}

/// What counts as one address: IPv4 (mapped or not) whole, IPv6 its /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        free_failures: 2,
        first_delay: Duration::from_secs(1),
        max_delay: Duration::from_secs(5),
        forget_after: Duration::from_secs(100),
        addresses: 3,
    };

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn grows_beyond_the_free_failures_up_to_the_most() {
        let (mut throttle, now) = (Throttle::new(SETTINGS), Instant::now());
        let mut delays = vec![];
        for pair in 0..7 {
            delays.push(throttle.delay(address(1), now).as_secs());
            throttle.failed(address(1), pair, now);
        }
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 5]);
        assert_eq!(throttle.delay(address(2), now), Duration::ZERO);
        for pair in 7..100 {
            throttle.failed(address(1), pair, now);
        }
        assert_eq!(throttle.delay(address(1), now).as_secs(), 5);
    }

    #[test]
    fn the_same_wrong_pair_counts_once() {
        let (mut throttle, now) = (Throttle::new(SETTINGS), Instant::now());
        for _ in 0..50 {
            throttle.failed(address(1), 7, now);
        }
        assert_eq!(throttle.delay(address(1), now), Duration::ZERO);
    }

    #[test]
    fn forgets_in_time() {
        let (mut throttle, now) = (Throttle::new(SETTINGS), Instant::now());
        for pair in 0..4 {
            throttle.failed(address(1), pair, now);
        }
        assert_eq!(throttle.delay(address(1), now + Duration::from_secs(99)).as_secs(), 2);
        assert_eq!(throttle.delay(address(1), now + Duration::from_secs(100)).as_secs(), 0);
        throttle.failed(address(1), 9, now + Duration::from_secs(100));
        assert_eq!(throttle.delay(address(1), now + Duration::from_secs(100)).as_secs(), 0);
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut throttle, start) = (Throttle::new(SETTINGS), Instant::now());
        for n in 1..=4 {
            for pair in 0..3 {
                throttle.failed(address(n), pair, start + Duration::from_secs(n.into()));
            }
            assert!(throttle.table.len() <= 3);
        }
        let now = start + Duration::from_secs(5);
        assert_eq!(throttle.delay(address(1), now), Duration::ZERO, "the oldest made room");
        assert_eq!(throttle.delay(address(2), now).as_secs(), 1);
        assert_eq!(throttle.delay(address(4), now).as_secs(), 1);
    }

    #[test]
    fn ipv6_counts_by_64_and_mapped_ipv4_as_ipv4() {
        let parse = |text: &str| text.parse::<IpAddr>().expect("address");
        assert_eq!(network(parse("2001:db8:1:2:3:4:5:6")), network(parse("2001:db8:1:2::9")));
        assert_ne!(network(parse("2001:db8:1:2::1")), network(parse("2001:db8:1:3::1")));
        assert_eq!(network(parse("::ffff:192.0.2.1")), parse("192.0.2.1"));
    }
}
