//! Bounds on connections: of all accounts together, and to one server.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::settings::{AccountSettings, Bounds};

/// What an account waits at before it connects. Whoever came first goes first.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    host: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// The right to one connection; ends when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _host: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

/// The gates of all accounts.
#[derive(Debug)]
pub(super) struct Gates {
    bounds: Bounds,
    all: Arc<Semaphore>,
    hosts: HashMap<(String, u16), Arc<Semaphore>>,
}

impl Gates {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, all: semaphore(bounds.connections), hosts: HashMap::new() }
    }

    /// Takes other bounds. Who is inside stays; fewer get in until there are no more than that.
    pub(super) fn resize(&mut self, bounds: Bounds) {
        resize(&self.all, self.bounds.connections, bounds.connections);
        // Hosts that no account is at any more are forgotten.
        self.hosts.retain(|_, host| Arc::strong_count(host) > 1);
        for host in self.hosts.values() {
            resize(host, self.bounds.host_connections, bounds.host_connections);
        }
        self.bounds = bounds;
    }

    /// The gate of an account; accounts of the same host and port share its bound.
    pub(super) fn of(&mut self, account: &AccountSettings) -> Gate {
        let key = (account.host.to_ascii_lowercase(), account.port);
        let host = self.hosts.entry(key).or_insert_with(|| semaphore(self.bounds.host_connections));
        Gate { host: host.clone(), all: self.all.clone() }
    }
}

impl Gate {
    /// Waits for a turn. First at the host: who waits for a slow server must not hold what other servers' accounts need.
    pub(super) async fn enter(&self) -> Permit {
        // Never closed.
        let host = self.host.clone().acquire_owned().await.ok();
        let all = self.all.clone().acquire_owned().await.ok();
        Permit { _host: host, _all: all }
    }
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(bounded(permits)))
}

/// A bound of zero would stop everything without a word.
fn bounded(permits: usize) -> usize {
    permits.clamp(1, Semaphore::MAX_PERMITS)
}

fn resize(semaphore: &Arc<Semaphore>, from: usize, to: usize) {
    let (from, to) = (bounded(from), bounded(to));
    semaphore.add_permits(to.saturating_sub(from));
    let surplus = from.saturating_sub(to);
    let owed = surplus - semaphore.forget_permits(surplus);
    if let Ok(owed) = u32::try_from(owed)
        && owed > 0
    {
        let semaphore = semaphore.clone();
        // Those who came before go in, those who come later wait until what is too much has left.
        tokio::spawn(async move {
            if let Ok(permits) = semaphore.acquire_many_owned(owed).await {
                permits.forget();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_host_leaves_the_rest_to_others() {
        let bounds = Bounds { connections: 3, host_connections: 2, ..Bounds::default() };
        let gates = Gates::new(bounds);
        let host = |_: &Gates| semaphore(bounds.host_connections);
        let (slow, quick) =
            (Gate { host: host(&gates), all: gates.all.clone() }, Gate { host: host(&gates), all: gates.all.clone() });
        let held = [slow.enter().await, slow.enter().await];
        let waiting = tokio::spawn({
            let slow = slow.clone();
            async move { slow.enter().await }
        });
        tokio::task::yield_now().await;
        let third = quick.enter().await;
        assert!(!waiting.is_finished());
        drop(held);
        let fourth = waiting.await.expect("its turn");
        let fifth = quick.enter().await;
        assert_eq!(gates.all.available_permits(), 0);
        drop((third, fourth, fifth));
        assert_eq!(gates.all.available_permits(), 3);
    }

    #[tokio::test]
    async fn other_bounds_count_as_soon_as_they_can() {
        let bounds = |connections| Bounds { connections, host_connections: 9, ..Bounds::default() };
        let mut gates = Gates::new(bounds(3));
        let gate = Gate { host: semaphore(9), all: gates.all.clone() };
        let (first, second) = (gate.enter().await, gate.enter().await);
        gates.resize(bounds(1));
        tokio::task::yield_now().await;
        let third = tokio::spawn(async move { gate.enter().await });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!third.is_finished(), "one is inside still");
        drop(second);
        let third = third.await.expect("its turn");
        assert_eq!(gates.all.available_permits(), 0);
        gates.resize(bounds(4));
        assert_eq!(gates.all.available_permits(), 3);
        drop(third);
        assert_eq!(gates.all.available_permits(), 4);
    }

    #[test]
    fn a_bound_of_zero_is_one() {
        assert_eq!(semaphore(0).available_permits(), 1);
        assert_eq!(semaphore(usize::MAX).available_permits(), Semaphore::MAX_PERMITS);
    }
}
