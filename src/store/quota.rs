//! How much each user may store. The limits come from the configuration at each start and are kept in memory; what is
//! stored is a counter of the user's row, which commits with the messages it counts (I2).

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::watch;

use super::error::{Error, Result};
use super::notify::lock;
use super::types::{Quota, Stored};
use super::{Reader, Store};
use crate::mail::UserId;

/// The users that have a limit, with what they have stored as of the last commit.
#[derive(Default)]
pub(super) struct Quotas(Mutex<HashMap<UserId, watch::Sender<Quota>>>);

impl Quotas {
    /// Whether an operation may add so many octets to the `used` ones. To be asked before anything is written.
    pub(super) fn check(&self, user: UserId, used: u64, octets: u64) -> Result<()> {
        let Some(Quota { limit, .. }) = self.get(user) else { return Ok(()) };
        let quota = Quota { used, limit };
        if quota.fits(octets) { Ok(()) } else { Err(Error::OverQuota { quota, octets }) }
    }

    /// After a commit and before its callers are answered: what the user has stored now.
    pub(super) fn publish(&self, user: UserId, usage: Stored) {
        if let Some(quota) = lock(&self.0).get(&user) {
            quota.send_if_modified(|quota| std::mem::replace(&mut quota.used, usage.octets) != usage.octets);
        }
    }

    /// Reads again what every user has stored: the outcome of a commit is not known.
    pub(super) fn reload(&self, read: impl Fn(UserId) -> Result<Stored>) {
        let quotas = lock(&self.0);
        for (user, quota) in quotas.iter() {
            // What cannot be read stays as it was known.
            if let Ok(usage) = read(*user) {
                quota.send_modify(|quota| quota.used = usage.octets);
            }
        }
    }

    /// The users that have a limit.
    pub(super) fn limited(&self) -> Vec<UserId> {
        lock(&self.0).keys().copied().collect()
    }

    fn get(&self, user: UserId) -> Option<Quota> {
        lock(&self.0).get(&user).map(|quota| *quota.borrow())
    }

    /// `read` runs under the lock that [`Self::publish`] takes: it sees either a commit itself or the word of it.
    fn set(&self, user: UserId, limit: Option<u64>, read: impl FnOnce() -> Result<Stored>) -> Result<()> {
        let mut quotas = lock(&self.0);
        let Some(limit) = limit else {
            quotas.remove(&user);
            return Ok(());
        };
        let quota = Quota { used: read()?.octets, limit };
        match quotas.get(&user) {
            Some(known) => drop(known.send_replace(quota)),
            None => drop(quotas.insert(user, watch::Sender::new(quota))),
        }
        Ok(())
    }
}

/// Quotas.
impl Store {
    /// Limits what the user may store, or takes the limit away. Not kept: to be said at each start.
    pub async fn set_quota(&self, user: UserId, limit: Option<u64>) -> Result<()> {
        let shared = std::sync::Arc::clone(&self.0.shared);
        let inner = std::sync::Arc::clone(&self.0);
        let read = move || Reader::begin(&inner)?.meta.usage(user);
        let set = tokio::task::spawn_blocking(move || shared.quotas.set(user, limit, read));
        set.await.map_err(|e| Error::Internal(format!("a quota was not set: {e}")))?
    }

    /// The user's limit and what is stored of it; `None` without a limit.
    pub fn quota(&self, user: UserId) -> Option<Quota> {
        self.0.shared.quotas.get(user)
    }

    /// Completes once the user may store so many octets more. Cancel-safe.
    pub async fn room_for(&self, user: UserId, octets: u64) {
        let watch = lock(&self.0.shared.quotas.0).get(&user).map(watch::Sender::subscribe);
        if let Some(mut watch) = watch {
            // An error says that the limit was taken away.
            drop(watch.wait_for(|quota| quota.fits(octets)).await);
        }
    }

    /// What the user has stored.
    pub async fn usage(&self, user: UserId) -> Result<Stored> {
        self.read(move |reader| reader.meta.usage(user)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserId = UserId(1);

    fn stored(octets: u64) -> Stored {
        Stored { octets, messages: 1 }
    }

    #[test]
    fn what_fits_exactly_fits() {
        let quota = Quota { used: 90, limit: 100 };
        assert!(quota.fits(10) && !quota.fits(11) && !quota.fits(u64::MAX));
        let over = Quota { used: 101, limit: 100 };
        assert!(!over.fits(0), "a limit that was lowered");
    }

    #[test]
    fn users_without_a_limit_store_what_they_want() {
        let quotas = Quotas::default();
        assert!(quotas.check(USER, u64::MAX, u64::MAX).is_ok());
        quotas.publish(USER, stored(7));
        assert_eq!(quotas.get(USER), None);
        quotas.set(USER, Some(10), || Ok(stored(4))).expect("set");
        assert_eq!(quotas.get(USER), Some(Quota { used: 4, limit: 10 }));
        assert!(quotas.check(USER, 9, 1).is_ok());
        let refused = quotas.check(USER, 9, 2);
        let quota = Quota { used: 9, limit: 10 };
        assert!(matches!(refused, Err(Error::OverQuota { quota: q, octets: 2 }) if q == quota), "{refused:?}");
        quotas.set(USER, None, || Err(Error::Closed)).expect("nothing is read");
        assert_eq!(quotas.get(USER), None);
    }

    #[test]
    fn a_watcher_wakes_for_a_change_alone() {
        let quotas = Quotas::default();
        quotas.set(USER, Some(10), || Ok(stored(4))).expect("set");
        let watch = lock(&quotas.0)[&USER].subscribe();
        quotas.publish(USER, stored(4));
        assert!(!watch.has_changed().expect("alive"));
        quotas.publish(USER, stored(5));
        assert!(watch.has_changed().expect("alive"));
        quotas.reload(|_| Err(Error::Closed));
        assert_eq!(watch.borrow().used, 5);
        quotas.reload(|_| Ok(stored(6)));
        quotas.set(USER, Some(20), || Ok(stored(6))).expect("set");
        assert_eq!(*watch.borrow(), Quota { used: 6, limit: 20 });
        quotas.set(USER, None, || Ok(stored(6))).expect("set");
        assert!(watch.has_changed().is_err(), "gone");
    }
}
