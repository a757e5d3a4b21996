//! Who is connected: limits on sessions, and a way to end one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus::IntCounter;
use tokio_util::sync::CancellationToken;

use super::keepalive::{Memory, SharedPath};

/// How many sessions may be open (DESIGN 2.8).
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) total: usize,
    pub(super) per_user: usize,
    pub(super) per_user_and_address: usize,
}

/// The sessions of the server.
pub(super) struct Registry {
    caps: Caps,
    started: Instant,
    next_id: AtomicU64,
    sessions: Mutex<HashMap<u64, Entry>>,
    evicted: IntCounter,
    networks: Mutex<Memory>,
}

struct Entry {
    handle: Handle,
    address: IpAddr,
    user: Option<String>,
}

/// One session, as the registry and the session itself see it.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) id: u64,
    /// Cancelled to end the session with BYE.
    pub(super) evicted: CancellationToken,
    /// In IDLE, or waiting for a command.
    resting: Arc<AtomicBool>,
    /// Milliseconds from the start of the server to the last command.
    active: Arc<AtomicU64>,
}

/// A place among the sessions; given back on drop.
pub(super) struct Place {
    registry: Arc<Registry>,
    id: u64,
}

/// A session's place under its user; given back on drop.
pub(super) struct Membership {
    registry: Arc<Registry>,
    id: u64,
}

impl Registry {
    pub(super) fn new(caps: Caps, evicted: IntCounter) -> Arc<Self> {
        Arc::new(Self {
            caps,
            started: Instant::now(),
            next_id: AtomicU64::new(1),
            sessions: Mutex::default(),
            evicted,
            networks: Mutex::default(),
        })
    }

    /// Room for one more connection, or `None` at the total limit.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<(Handle, Place)> {
        let mut sessions = self.lock();
        if sessions.len() >= self.caps.total {
            return None;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let handle = Handle {
            id,
            evicted: CancellationToken::new(),
            resting: Arc::new(AtomicBool::new(true)),
            active: Arc::new(AtomicU64::new(self.now())),
        };
        sessions.insert(id, Entry { handle: handle.clone(), address, user: None });
        Some((handle, Place { registry: Arc::clone(self), id }))
    }

    /// Lists a session under its user. Over a limit the user's oldest resting session is evicted: a person with
    /// many devices is normal, and the newest one is the one they look at.
    pub(super) fn join(self: &Arc<Self>, id: u64, user: &str, address: IpAddr) -> Membership {
        let mut sessions = self.lock();
        self.evict_over(&sessions, self.caps.per_user, |e| e.user.as_deref() == Some(user));
        // What connects from this machine is a webmail or a proxy, which speaks for many devices.
        if !address.to_canonical().is_loopback() {
            self.evict_over(&sessions, self.caps.per_user_and_address, |e| {
                e.user.as_deref() == Some(user) && e.address == address
            });
        }
        if let Some(entry) = sessions.get_mut(&id) {
            entry.user = Some(user.to_owned());
        }
        Membership { registry: Arc::clone(self), id }
    }

    fn evict_over(&self, sessions: &HashMap<u64, Entry>, cap: usize, of: impl Fn(&Entry) -> bool) {
        let mut mine: Vec<_> = sessions.values().filter(|e| of(e) && !e.handle.evicted.is_cancelled()).collect();
        if mine.len() < cap {
            return;
        }
        let age = |e: &&Entry| {
            (!e.handle.resting.load(Ordering::Relaxed), e.handle.active.load(Ordering::Relaxed), e.handle.id)
        };
        mine.sort_by_key(age);
        for entry in mine.iter().take(mine.len() + 1 - cap) {
            entry.handle.evicted.cancel();
            self.evicted.inc();
        }
    }

    /// What is known of the network that a user logs in from.
    pub(super) fn path(&self, user: &str, address: IpAddr) -> SharedPath {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner).path(user, address)
    }

    /// Notes that the session has begun or ended a command.
    pub(super) fn touch(&self, handle: &Handle, resting: bool) {
        handle.resting.store(resting, Ordering::Relaxed);
        handle.active.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.id);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(entry) = self.registry.lock().get_mut(&self.id) {
            entry.user = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn registry(caps: Caps) -> Arc<Registry> {
        Registry::new(caps, IntCounter::new("evicted", "Evicted.").expect("a counter"))
    }

    #[test]
    fn the_total_is_a_wall() {
        let registry = registry(Caps { total: 2, per_user: 9, per_user_and_address: 9 });
        let first = registry.admit(HERE);
        let second = registry.admit(HERE);
        assert!(first.is_some() && second.is_some() && registry.admit(HERE).is_none());
        drop(first);
        assert!(registry.admit(HERE).is_some());
    }

    #[test]
    fn over_the_user_limit_the_oldest_resting_session_goes() {
        let registry = registry(Caps { total: 99, per_user: 3, per_user_and_address: 9 });
        let all: Vec<_> = (0..4).filter_map(|_| registry.admit(HERE)).collect();
        let join = |n: usize| registry.join(all[n].0.id, "alice", HERE);
        let _three = (join(0), join(1), join(2));
        registry.touch(&all[0].0, false);
        let _fourth = join(3);
        let evicted: Vec<_> = all.iter().map(|(handle, _)| handle.evicted.is_cancelled()).collect();
        assert_eq!(evicted, [false, true, false, false]);
    }
    #[test]
    fn the_limit_of_an_address_is_not_for_this_machine() {
        let evicted = |address: IpAddr| {
            let registry = registry(Caps { total: 99, per_user: 9, per_user_and_address: 1 });
            let all: Vec<_> = (0..2).filter_map(|_| registry.admit(address)).collect();
            let _joined: Vec<_> = all.iter().map(|(handle, _)| registry.join(handle.id, "alice", address)).collect();
            all.iter().filter(|(handle, _)| handle.evicted.is_cancelled()).count()
        };
        assert_eq!(evicted(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), 1);
        assert_eq!(evicted(HERE), 0);
        assert_eq!(evicted(IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped())), 0);
    }
}
