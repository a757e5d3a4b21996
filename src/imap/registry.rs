//! Who is connected: limits on sessions, what is shown of them, and a way to end one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use prometheus::IntCounter;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::{DISCONNECTED, DISMISSED, EVICTED};
use super::keepalive::{Memory, SharedPath};
use crate::status::Device;

/// How many sessions may be open (DESIGN 2.8).
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) total: usize,
    pub(super) per_user: usize,
    pub(super) per_user_and_address: usize,
}

/// The sessions of the server.
pub(super) struct Registry {
    caps: Mutex<Caps>,
    started: Instant,
    next_id: AtomicU64,
    sessions: Mutex<HashMap<u64, Entry>>,
    evicted: IntCounter,
    networks: Mutex<Memory>,
    /// Changes whenever what is shown of the sessions does.
    changes: watch::Sender<u64>,
}

struct Entry {
    handle: Handle,
    address: IpAddr,
    user: Option<(String, SystemTime)>,
}

/// One session, as the registry and the session itself see it.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) id: u64,
    /// Cancelled to end the session with BYE.
    pub(super) evicted: CancellationToken,
    /// Why it is told to end, unless it has to make room.
    why: Arc<OnceLock<Why>>,
    /// What is shown of it.
    face: Arc<Mutex<Face>>,
    changes: watch::Sender<u64>,
    /// In IDLE, or waiting for a command.
    resting: Arc<AtomicBool>,
    /// Milliseconds from the start of the server to the last command.
    active: Arc<AtomicU64>,
}

/// Why a session is told to end.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// Somebody wants it to.
    Disconnected,
    /// Its user is one no more.
    Dismissed,
}

/// What is shown of a session beside what the registry knows itself.
#[derive(Clone, Debug, Default)]
struct Face {
    client: String,
    tls: bool,
    mailbox: Option<String>,
    idle: bool,
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
            caps: Mutex::new(caps),
            started: Instant::now(),
            next_id: AtomicU64::new(1),
            sessions: Mutex::default(),
            evicted,
            networks: Mutex::default(),
            changes: watch::channel(0).0,
        })
    }

    /// Room for one more connection, or `None` at the total limit.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<(Handle, Place)> {
        let mut sessions = self.lock();
        if sessions.len() >= self.caps().total {
            return None;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let handle = Handle {
            id,
            evicted: CancellationToken::new(),
            why: Arc::default(),
            face: Arc::default(),
            changes: self.changes.clone(),
            resting: Arc::new(AtomicBool::new(true)),
            active: Arc::new(AtomicU64::new(self.now())),
        };
        sessions.insert(id, Entry { handle: handle.clone(), address, user: None });
        Some((handle, Place { registry: Arc::clone(self), id }))
    }

    /// Lists a session under its user. Over a limit the user's oldest resting session is evicted: a person with
    /// many devices is normal, and the newest one is the one they look at.
    pub(super) fn join(self: &Arc<Self>, id: u64, user: &str, address: IpAddr) -> Membership {
        let (mut sessions, caps) = (self.lock(), self.caps());
        self.evict_over(&sessions, caps.per_user, |e| e.is_of(user));
        // What connects from this machine is a webmail or a proxy, which speaks for many devices.
        if !address.to_canonical().is_loopback() {
            self.evict_over(&sessions, caps.per_user_and_address, |e| e.is_of(user) && e.address == address);
        }
        if let Some(entry) = sessions.get_mut(&id) {
            entry.user = Some((user.to_owned(), SystemTime::now()));
        }
        drop(sessions);
        self.changed();
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

    /// All sessions of who has logged in, by user and then by the time of their login.
    pub(super) fn devices(&self) -> Vec<Device> {
        let now = SystemTime::now();
        let device = |entry: &Entry| {
            let (user, since) = entry.user.clone()?;
            let Face { client, tls, mailbox, idle } = entry.handle.face().clone();
            let rested = self.now().saturating_sub(entry.handle.active.load(Ordering::Relaxed));
            let active = now.checked_sub(Duration::from_millis(rested)).unwrap_or(now);
            Some(Device {
                id: entry.handle.id,
                user,
                client,
                address: entry.address,
                tls,
                mailbox,
                since,
                active,
                idle,
            })
        };
        let mut devices: Vec<Device> = self.lock().values().filter_map(device).collect();
        devices.sort_by(|one, other| (&one.user, one.since, one.id).cmp(&(&other.user, other.since, other.id)));
        devices
    }

    /// Ends the session of somebody who has logged in, with BYE; its user. `None`: there is no such session.
    pub(super) fn disconnect(&self, id: u64) -> Option<String> {
        let sessions = self.lock();
        let entry = sessions.get(&id)?;
        let (user, _) = entry.user.clone()?;
        entry.handle.end(Why::Disconnected);
        Some(user)
    }

    /// Changes whenever what [`Self::devices`] shows may have.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    /// Takes other limits, from the next connection and login on: who is over them now is not the one who is in the way.
    pub(super) fn limit(&self, caps: Caps) {
        *self.caps.lock().unwrap_or_else(PoisonError::into_inner) = caps;
    }

    /// Ends the sessions of users who are none any more, each at the end of its command.
    pub(super) fn dismiss(&self, is_user: impl Fn(&str) -> bool) {
        for entry in self.lock().values() {
            if entry.user.as_ref().is_some_and(|(user, _)| !is_user(user)) {
                entry.handle.end(Why::Dismissed);
            }
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

    fn caps(&self) -> Caps {
        *self.caps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_of(&self, user: &str) -> bool {
        self.user.as_ref().is_some_and(|(name, _)| name == user)
    }
}

impl Handle {
    /// Why the session is told to end.
    pub(super) fn farewell(&self) -> &'static str {
        match self.why.get() {
            Some(Why::Disconnected) => DISCONNECTED,
            Some(Why::Dismissed) => DISMISSED,
            None => EVICTED,
        }
    }

    /// The same in a word, for the log.
    pub(super) fn reason(&self) -> &'static str {
        match self.why.get() {
            Some(Why::Disconnected) => "disconnected",
            Some(Why::Dismissed) => "dismissed",
            None => "evicted",
        }
    }

    fn end(&self, why: Why) {
        // The first reason is the one that counts.
        let _ = self.why.set(why);
        self.evicted.cancel();
    }

    /// What the client calls itself.
    pub(super) fn shows_client(&self, client: String) {
        self.show(|face| std::mem::replace(&mut face.client, client) != face.client);
    }

    /// Whether the connection is encrypted.
    pub(super) fn shows_tls(&self, tls: bool) {
        self.show(|face| std::mem::replace(&mut face.tls, tls) != tls);
    }

    /// The selected mailbox.
    pub(super) fn shows_mailbox(&self, mailbox: Option<&str>) {
        self.show(|face| {
            let changed = face.mailbox.as_deref() != mailbox;
            face.mailbox = mailbox.map(str::to_owned);
            changed
        });
    }

    /// Whether it waits for news.
    pub(super) fn shows_idle(&self, idle: bool) {
        self.show(|face| std::mem::replace(&mut face.idle, idle) != idle);
    }

    /// `change` says whether there is something new to see.
    fn show(&self, change: impl FnOnce(&mut Face) -> bool) {
        let changed = change(&mut self.face());
        if changed {
            self.changes.send_modify(|version| *version += 1);
        }
    }

    fn face(&self) -> MutexGuard<'_, Face> {
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.registry.changed();
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
    fn other_limits_count_from_the_next_one_on() {
        let registry = registry(Caps { total: 3, per_user: 9, per_user_and_address: 9 });
        let all: Vec<_> = (0..3).filter_map(|_| registry.admit(HERE)).collect();
        let _joined: Vec<_> = all.iter().map(|(handle, _)| registry.join(handle.id, "alice", HERE)).collect();
        registry.limit(Caps { total: 4, per_user: 2, per_user_and_address: 9 });
        let evicted = || all.iter().map(|(handle, _)| handle.evicted.is_cancelled()).collect::<Vec<_>>();
        assert_eq!(evicted(), [false; 3]);
        let fourth = registry.admit(HERE).expect("room");
        let _member = registry.join(fourth.0.id, "alice", HERE);
        assert_eq!(evicted(), [true, true, false]);
        assert!(registry.admit(HERE).is_none());
        assert_eq!(all[0].0.farewell(), EVICTED);
    }

    #[test]
    fn who_is_no_user_is_dismissed() {
        let registry = registry(Caps { total: 9, per_user: 9, per_user_and_address: 9 });
        let all: Vec<_> = (0..3).filter_map(|_| registry.admit(HERE)).collect();
        let _joined = (registry.join(all[0].0.id, "alice", HERE), registry.join(all[1].0.id, "bob", HERE));
        registry.dismiss(|user| user == "alice");
        let dismissed = |n: usize| (all[n].0.evicted.is_cancelled(), all[n].0.farewell());
        assert_eq!([dismissed(0), dismissed(1), dismissed(2)], [(false, EVICTED), (true, DISMISSED), (false, EVICTED)]);
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
