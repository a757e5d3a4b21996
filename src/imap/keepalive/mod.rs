//! How long a connection may be silent. Pure: no I/O, no clock; `now` counts from any fixed moment.
//!
//! What lies between us and a client (address translation, firewalls, mobile networks) forgets a connection that is silent
//! for too long, and tells neither end. A word now and then keeps it, but each one wakes a phone. So the silence grows while
//! connections survive it, and shrinks well below what has killed one; what a network bears is remembered for the next
//! connection from there. A client that speaks by itself proves as much as one that has been spoken to.

mod memory;

use std::time::Duration;

pub(in crate::imap) use memory::{Memory, SharedPath};

/// The bounds of the silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// The least, however soon connections die.
    pub shortest: Duration,
    /// Where nothing is known of the network.
    pub first: Duration,
    /// The most; below the 30 minutes that clients wait at least (RFC 2177).
    pub longest: Duration,
    /// After this long without an acknowledgement TCP gives a connection up: one that is still there has carried what was
    /// sent.
    pub proof: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            shortest: Duration::from_secs(30),
            first: Duration::from_secs(2 * 60),
            longest: Duration::from_secs(29 * 60),
            proof: Duration::from_secs(3 * 60),
        }
    }
}

/// The line that breaks the silence (RFC 2177 section 3, RFC 9051 section 6.3.13).
pub(in crate::imap) const STILL_HERE: &str = "* OK Still here";

/// After so many silences at the limit that a death has set, a higher limit is tried: it may have been a phone that was
/// switched off. Twice as many after each further death, up to [`FORGIVE_AT_LAST`].
const FORGIVE_AFTER: u16 = 6;
const FORGIVE_AT_LAST: u16 = 192;

/// What is known of a network: all connections of one user from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::imap) struct Path {
    /// The longest silence that a connection has survived.
    survived: Duration,
    /// The shortest that one has not.
    fatal: Option<Duration>,
    /// Silences survived at the limit since the last death.
    streak: u16,
    /// How many it takes; 0 before the first death.
    patience: u16,
}

impl Path {
    /// The most that is asked of the network: half of what has killed a connection.
    fn limit(&self, bounds: &Keepalive) -> Duration {
        let longest = bounds.longest.max(bounds.shortest);
        self.fatal.map_or(longest, |fatal| fatal / 2).clamp(bounds.shortest, longest)
    }

    /// A connection was silent for so long, and works.
    fn survive(&mut self, silence: Duration, bounds: &Keepalive) {
        let limit = self.limit(bounds);
        self.survived = self.survived.max(silence.min(limit));
        if self.fatal.is_some() && silence >= limit {
            self.streak += 1;
            if self.streak >= self.patience {
                self.streak = 0;
                self.fatal =
                    self.fatal.map(|fatal| fatal.saturating_mul(2)).filter(|fatal| *fatal / 2 < bounds.longest);
            }
        }
    }

    /// A connection was found dead after such a silence.
    fn die(&mut self, silence: Duration, bounds: &Keepalive) {
        self.streak = 0;
        self.patience = self.patience.saturating_mul(2).clamp(FORGIVE_AFTER, FORGIVE_AT_LAST);
        self.fatal = Some(self.fatal.map_or(silence, |fatal| fatal.min(silence)));
        self.survived = self.survived.min(self.limit(bounds));
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub(in crate::imap) struct Pace {
    bounds: Keepalive,
    /// The last octet in either direction.
    last: Duration,
    /// The longest silence that this connection has survived.
    survived: Duration,
    /// The first word into a silence of which it is not known yet whether it arrived: when it was sent, and the silence.
    unproven: Option<(Duration, Duration)>,
}

impl Pace {
    pub(in crate::imap) fn new(bounds: Keepalive, now: Duration) -> Self {
        Self { bounds, last: now, survived: Duration::ZERO, unproven: None }
    }

    /// When something must be sent, if nothing is sent or received before.
    pub(in crate::imap) fn due(&mut self, now: Duration, path: &mut Path) -> Duration {
        if let Some((sent, silence)) = self.unproven.filter(|(sent, _)| now.saturating_sub(*sent) >= self.bounds.proof)
        {
            debug_assert!(sent <= now);
            self.unproven = None;
            self.survive(silence, path);
        }
        self.last + self.interval(path)
    }

    /// The silence that is tried: what connections from there have survived, and twice what this one has.
    fn interval(&self, path: &Path) -> Duration {
        let known = if path.survived.is_zero() { self.bounds.first } else { path.survived };
        let next = known.max(self.survived.saturating_mul(2));
        next.clamp(self.bounds.shortest, path.limit(&self.bounds))
    }

    /// Octets went out.
    pub(in crate::imap) fn sent(&mut self, now: Duration) {
        let silence = now.saturating_sub(self.last);
        if self.unproven.is_none() && silence >= self.bounds.shortest {
            self.unproven = Some((now, silence));
        }
        self.last = now;
    }

    /// Octets came in: the network has kept the connection over the silence before, and what was sent into it has arrived.
    pub(in crate::imap) fn received(&mut self, now: Duration, path: &mut Path) {
        let waited = self.unproven.take().map_or(Duration::ZERO, |(_, silence)| silence);
        let silence = now.saturating_sub(self.last).max(waited);
        self.last = now;
        if silence >= self.bounds.shortest {
            self.survive(silence, path);
        }
    }

    /// The connection was reset, or TCP has given it up. A `reset` that follows nothing of ours was the client's own doing.
    pub(in crate::imap) fn died(&mut self, now: Duration, reset: bool, path: &mut Path) {
        let silence = match self.unproven.take() {
            Some((_, silence)) => silence,
            None if reset => return,
            None => now.saturating_sub(self.last),
        };
        if silence >= self.bounds.shortest {
            path.die(silence, &self.bounds);
        }
    }

    fn survive(&mut self, silence: Duration, path: &mut Path) {
        let silence = silence.min(self.bounds.longest);
        self.survived = self.survived.max(silence);
        path.survive(silence, &self.bounds);
    }
}

#[cfg(test)]
mod tests;
