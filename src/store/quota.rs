//! How much each user may store. The limits come from the configuration at each start and are kept in memory; what is
//! stored is a counter of the user's row, which commits with the messages it counts (I2).

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::watch;

use super::error::{Error, Result};
use super::notify::lock;
use super::types::{Quota, QuotaLimit, Stored};
use super::{Reader, Store};
use crate::mail::UserId;

/// The users that have a limit, with what they have stored as of the last commit.
#[derive(Default)]
pub(super) struct Quotas(Mutex<HashMap<UserId, watch::Sender<Quota>>>);

impl Quotas {
    /// Whether an operation may add so much to what is `used`. To be asked before anything is written.
    pub(super) fn check(&self, user: UserId, used: Stored, more: Stored) -> Result<()> {
        let Some(mut quota) = self.get(user) else { return Ok(()) };
        use_now(&mut quota, used);
        if quota.fits_all(more) { Ok(()) } else { Err(Error::OverQuota { quota, octets: more.octets }) }
    }

    /// After a commit and before its callers are answered: what the user has stored now.
    pub(super) fn publish(&self, user: UserId, usage: Stored) {
        if let Some(quota) = lock(&self.0).get(&user) {
            quota.send_if_modified(|quota| {
                let before = *quota;
                use_now(quota, usage);
                *quota != before
            });
        }
    }

    /// Reads again what every user has stored: the outcome of a commit is not known.
    pub(super) fn reload(&self, read: impl Fn(UserId) -> Result<Stored>) {
        let quotas = lock(&self.0);
        for (user, quota) in quotas.iter() {
            // What cannot be read stays as it was known.
            if let Ok(usage) = read(*user) {
                quota.send_modify(|quota| use_now(quota, usage));
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
    fn set(&self, user: UserId, limit: QuotaLimit, read: impl FnOnce() -> Result<Stored>) -> Result<()> {
        let mut quotas = lock(&self.0);
        if limit == QuotaLimit::default() {
            quotas.remove(&user);
            return Ok(());
        }
        let Some(quota) = limit.quota(read()?) else { return Ok(()) };
        match quotas.get(&user) {
            Some(known) => drop(known.send_replace(quota)),
            None => drop(quotas.insert(user, watch::Sender::new(quota))),
        }
        Ok(())
    }
}

fn use_now(quota: &mut Quota, usage: Stored) {
    quota.storage.iter_mut().for_each(|share| share.used = usage.octets);
    quota.messages.iter_mut().for_each(|share| share.used = usage.messages);
}

/// Quotas.
impl Store {
    /// Limits what the user may store, or takes the limit away. Not kept: to be said at each start.
    pub async fn set_quota(&self, user: UserId, limit: impl Into<QuotaLimit>) -> Result<()> {
        let limit = limit.into();
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

    /// Completes once the user may store one more message of so many octets. Cancel-safe.
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
    use super::super::types::Share;
    use super::*;

    const USER: UserId = UserId(1);

    fn stored(octets: u64) -> Stored {
        Stored { octets, messages: 1 }
    }

    fn storage(used: u64, limit: u64) -> Quota {
        Quota { storage: Some(Share { used, limit }), messages: None }
    }

    #[test]
    fn what_fits_exactly_fits() {
        let quota = storage(90, 100);
        assert!(quota.fits(10) && !quota.fits(11) && !quota.fits(u64::MAX));
        assert!(!storage(101, 100).fits(0), "a limit that was lowered");
        let both = Quota { messages: Some(Share { used: 8, limit: 10 }), ..quota };
        let fits = |octets, messages| both.fits_all(Stored { octets, messages });
        assert!(both.fits(10) && !both.fits(11) && fits(10, 2) && !fits(10, 3) && !fits(0, u64::MAX));
        let full = Quota { storage: None, messages: Some(Share { used: 10, limit: 10 }) };
        assert!(!full.fits(0) && full.fits_all(Stored { octets: u64::MAX, messages: 0 }));
    }

    #[test]
    fn users_without_a_limit_store_what_they_want() {
        let quotas = Quotas::default();
        let limit = |octets| QuotaLimit { octets: Some(octets), messages: None };
        assert!(quotas.check(USER, stored(u64::MAX), stored(u64::MAX)).is_ok());
        quotas.publish(USER, stored(7));
        assert_eq!(quotas.get(USER), None);
        quotas.set(USER, limit(10), || Ok(stored(4))).expect("set");
        assert_eq!(quotas.get(USER), Some(storage(4, 10)));
        assert!(quotas.check(USER, stored(9), stored(1)).is_ok());
        let refused = quotas.check(USER, stored(9), stored(2));
        assert!(
            matches!(refused, Err(Error::OverQuota { quota, octets: 2 }) if quota == storage(9, 10)),
            "{refused:?}"
        );
        let messages = QuotaLimit { octets: None, messages: Some(2) };
        quotas.set(USER, messages, || Ok(stored(4))).expect("set");
        assert!(quotas.check(USER, stored(9), stored(u64::MAX)).is_ok());
        assert!(quotas.check(USER, stored(9), Stored { octets: 0, messages: 2 }).is_err());
        quotas.set(USER, QuotaLimit::default(), || Err(Error::Closed)).expect("nothing is read");
        assert_eq!(quotas.get(USER), None);
    }

    #[test]
    fn a_watcher_wakes_for_a_change_alone() {
        let quotas = Quotas::default();
        let limit = |octets| QuotaLimit { octets: Some(octets), messages: None };
        quotas.set(USER, limit(10), || Ok(stored(4))).expect("set");
        let watch = lock(&quotas.0)[&USER].subscribe();
        quotas.publish(USER, Stored { octets: 4, messages: 2 });
        assert!(!watch.has_changed().expect("alive"), "messages have no limit");
        quotas.publish(USER, stored(5));
        assert!(watch.has_changed().expect("alive"));
        quotas.reload(|_| Err(Error::Closed));
        assert_eq!(*watch.borrow(), storage(5, 10));
        quotas.reload(|_| Ok(stored(6)));
        quotas.set(USER, limit(20), || Ok(stored(6))).expect("set");
        assert_eq!(*watch.borrow(), storage(6, 20));
        quotas.set(USER, QuotaLimit::default(), || Ok(stored(6))).expect("set");
        assert!(watch.has_changed().is_err(), "gone");
    }
}
