//! What the networks of the users bear: remembered over connections, never over a restart, and bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Path;

/// Networks remembered; then the one whose last login is the longest ago is forgotten.
const NETWORKS: usize = 10_000;

/// What is known of a network, shared by the connections from there.
#[derive(Clone, Debug, Default)]
pub(in crate::imap) struct SharedPath(Arc<Mutex<Path>>);

impl SharedPath {
    pub(in crate::imap) fn lock(&self) -> MutexGuard<'_, Path> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A user and a network: the /24 or /64 of the address.
type Key = (String, IpAddr);

/// All of them.
#[derive(Debug)]
pub(in crate::imap) struct Memory {
    most: usize,
    /// With the number of the last login from there.
    networks: HashMap<Key, (u64, SharedPath)>,
    logins: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(NETWORKS)
    }
}

impl Memory {
    fn new(most: usize) -> Self {
        Self { most, networks: HashMap::new(), logins: 0 }
    }

    /// The network that the user logs in from.
    pub(in crate::imap) fn path(&mut self, user: &str, address: IpAddr) -> SharedPath {
        self.logins += 1;
        let key = (user.to_owned(), network(address));
        if self.networks.len() >= self.most && !self.networks.contains_key(&key) {
            let oldest = self.networks.iter().min_by_key(|(_, (login, _))| *login).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.networks.remove(&oldest);
            }
        }
        let entry = self.networks.entry(key).or_default();
        entry.0 = self.logins;
        entry.1.clone()
    }
}

/// Addresses that share what lies between: those that a home or a mobile network gives to one client after the other.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::imap::keepalive::Keepalive;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_is_a_24_or_a_64() {
        for (a, b, same) in [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("::ffff:192.0.2.1", "192.0.2.9", true),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            assert_eq!(network(ip(a)) == network(ip(b)), same, "{a} {b}");
        }
    }

    #[test]
    fn the_next_connection_of_the_user_from_there_knows_what_the_last_one_learnt() {
        let mut memory = Memory::default();
        let bounds = Keepalive::default();
        memory.path("alice", ip("192.0.2.1")).lock().survive(Duration::from_secs(600), &bounds);
        let known = |memory: &mut Memory, user: &str, from: &str| memory.path(user, ip(from)).lock().survived.as_secs();
        assert_eq!(known(&mut memory, "alice", "192.0.2.77"), 600);
        assert_eq!(known(&mut memory, "bob", "192.0.2.77"), 0);
        assert_eq!(known(&mut memory, "alice", "198.51.100.1"), 0);
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_least_used() {
        let mut memory = Memory::new(3);
        let bounds = Keepalive::default();
        for n in 1..=3_u8 {
            memory.path("alice", IpAddr::from([10, 0, n, 1])).lock().survive(Duration::from_secs(600), &bounds);
        }
        let _used_again = memory.path("alice", ip("10.0.1.1"));
        let _one_past_the_limit = memory.path("alice", ip("10.0.4.1"));
        assert_eq!(memory.networks.len(), 3);
        assert!(!memory.path("alice", ip("10.0.1.1")).lock().survived.is_zero());
        assert!(!memory.path("alice", ip("10.0.3.1")).lock().survived.is_zero());
        assert!(memory.path("alice", ip("10.0.2.1")).lock().survived.is_zero());
    }
}
