//! What a webhook is still to be told. Pure: the time is an argument.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::message::Message;

/// The most that waits; then the oldest goes.
pub(super) const MOST: usize = 1_000;

/// Waits after a try that failed: a day in all, then it is given up.
pub(super) const WAITS: [Duration; 10] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(8 * 3600),
    Duration::from_secs(8 * 3600),
];

/// Waits are spread by a fifth to either side, so that what failed together is not tried together.
const SPREAD: f64 = 0.4;

/// A message and how often it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) message: Message,
    pub(super) tries: usize,
}

#[derive(Debug)]
struct Entry {
    pending: Pending,
    due: Instant,
}

/// In the order in which they were told.
#[derive(Debug)]
pub(super) struct Queue {
    /// [`WAITS`], but for tests.
    waits: &'static [Duration],
    entries: VecDeque<Entry>,
    /// The receiver has asked for silence until then.
    silent_until: Option<Instant>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(Pending),
    Wait(Instant),
    Nothing,
}

impl Queue {
    pub(super) fn new(waits: &'static [Duration]) -> Self {
        Self { waits, entries: VecDeque::new(), silent_until: None }
    }

    /// Adds one, unless it is there; false when the oldest had to go for it.
    pub(super) fn push(&mut self, pending: Pending, now: Instant) -> bool {
        if self.entries.iter().any(|entry| entry.pending.message.id == pending.message.id) {
            return true;
        }
        self.entries.push_back(Entry { pending, due: now });
        let fits = self.entries.len() <= MOST;
        if !fits {
            self.entries.pop_front();
        }
        fits
    }

    /// The first that is due of those that no earlier one of the same account is in the way of.
    pub(super) fn next(&self, now: Instant) -> Next {
        if let Some(until) = self.silent_until.filter(|until| *until > now)
            && !self.entries.is_empty()
        {
            return Next::Wait(until);
        }
        let mut accounts = HashSet::new();
        let firsts = self.entries.iter().filter(|entry| accounts.insert(entry.pending.message.account.as_str()));
        match firsts.min_by_key(|entry| entry.due) {
            None => Next::Nothing,
            Some(entry) if entry.due <= now => Next::Send(entry.pending.clone()),
            Some(entry) => Next::Wait(entry.due),
        }
    }

    /// It was delivered, or is given up.
    pub(super) fn remove(&mut self, id: &str) {
        self.entries.retain(|entry| entry.pending.message.id != id);
    }

    /// It is tried again later, if it was not the last try: false then, and it is gone. `chance` is uniform in 0..1.
    pub(super) fn retry(&mut self, id: &str, after: Option<Duration>, now: Instant, chance: f64) -> bool {
        if let Some(after) = after {
            self.silent_until = now.checked_add(after);
        }
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.pending.message.id == id) else { return true };
        let Some(wait) = self.waits.get(entry.pending.tries) else {
            self.remove(id);
            return false;
        };
        entry.pending.tries += 1;
        let wait = wait.mul_f64(1.0 - SPREAD / 2.0 + SPREAD * chance.clamp(0.0, 1.0));
        entry.due = now + wait.max(after.unwrap_or_default());
        true
    }

    /// Gives all up; says how many they were.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.entries).len()
    }

    /// What a restart must not lose.
    pub(super) fn kept(&self) -> Vec<Pending> {
        let kept = self.entries.iter().filter(|entry| entry.pending.message.kind.is_kept());
        kept.map(|entry| entry.pending.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Kind;
    use super::*;

    fn pending(id: &str, account: &str) -> Pending {
        let message =
            Message { id: id.to_owned(), kind: Kind::Failure, account: account.to_owned(), body: String::new() };
        Pending { message, tries: 0 }
    }

    fn sent(next: Next) -> String {
        match next {
            Next::Send(pending) => pending.message.id,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_account_keeps_its_order_and_holds_up_no_other() {
        let (mut queue, now) = (Queue::new(&WAITS), Instant::now());
        assert_eq!(queue.next(now), Next::Nothing);
        for (id, account) in [("1", "a"), ("2", "a"), ("3", "b")] {
            assert!(queue.push(pending(id, account), now));
        }
        assert!(queue.push(pending("1", "a"), now), "it is there already");
        assert_eq!(sent(queue.next(now)), "1");
        assert!(queue.retry("1", None, now, 0.5));
        assert_eq!(sent(queue.next(now)), "3", "2 waits for 1");
        queue.remove("3");
        assert_eq!(queue.next(now), Next::Wait(now + WAITS[0]));
        assert_eq!(sent(queue.next(now + WAITS[0])), "1");
        queue.remove("1");
        assert_eq!(sent(queue.next(now)), "2");
    }

    #[tokio::test(start_paused = true)]
    async fn tried_for_a_day_and_given_up() {
        let (mut queue, start) = (Queue::new(&WAITS), Instant::now());
        queue.push(pending("1", "a"), start);
        let mut now = start;
        for wait in WAITS {
            assert_eq!(sent(queue.next(now)), "1");
            assert!(queue.retry("1", None, now, 1.0));
            let Next::Wait(due) = queue.next(now) else { panic!("it waits") };
            assert_eq!(due - now, wait.mul_f64(1.2));
            now = due;
        }
        let day = Duration::from_secs(24 * 3600);
        assert!(now - start > day && WAITS.iter().sum::<Duration>() < day);
        assert!(!queue.retry("1", None, now, 0.0), "that was the last try");
        assert_eq!(queue.next(now), Next::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_asks_for_silence_gets_it() {
        let (mut queue, now) = (Queue::new(&WAITS), Instant::now());
        queue.push(pending("1", "a"), now);
        queue.push(pending("2", "b"), now);
        let hour = Duration::from_secs(3600);
        assert!(queue.retry("1", Some(hour), now, 0.5));
        assert_eq!(queue.next(now), Next::Wait(now + hour), "for all messages");
        assert_eq!(sent(queue.next(now + hour)), "2");
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_when_it_is_full() {
        let (mut queue, now) = (Queue::new(&WAITS), Instant::now());
        for id in 0..MOST {
            assert!(queue.push(pending(&id.to_string(), "a"), now), "{id}");
        }
        assert!(!queue.push(pending("more", "a"), now));
        assert_eq!((queue.kept().len(), sent(queue.next(now)).as_str()), (MOST, "1"));
        assert!(queue.retry("0", None, now, 0.5), "gone meanwhile");
        assert_eq!(queue.clear(), MOST);
    }
}
