//! The quotas of the configuration: told to the store, and watched while the service runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::GaugeVec;

use crate::config::Config;
use crate::mail::UserId;
use crate::metrics::Registry;
use crate::store::{Quota, QuotaLimit, Share, Store};

/// Percent of a quota at which the log warns.
const LEVELS: [u8; 2] = [95, 80];

/// So many points below a level, reaching it is news again: one that wavers about it is told of once.
const APART: u8 = 5;

/// The users that have a quota. Cheap to clone: every clone is the same.
#[derive(Clone)]
pub(super) struct Quotas(Arc<Mutex<State>>);

struct State {
    registry: Registry,
    users: Vec<Limited>,
    /// Of each user by name; made when names may be shown first.
    used: Option<GaugeVec>,
    names_shown: bool,
}

struct Limited {
    name: String,
    id: UserId,
    /// The level that the log has warned of.
    warned: u8,
}

impl Quotas {
    pub(super) fn new(registry: &Registry) -> Self {
        let state = State { registry: registry.clone(), users: Vec::new(), used: None, names_shown: false };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Tells the store what the configuration has, in place of what it had before.
    pub(super) async fn set(&self, config: &Config, store: &Store) -> anyhow::Result<()> {
        let before: HashMap<UserId, u8> = self.lock().users.iter().map(|user| (user.id, user.warned)).collect();
        let mut users = Vec::new();
        for user in &config.users {
            let limit = QuotaLimit { octets: user.quota, messages: user.quota_messages };
            if limit == QuotaLimit::default() {
                continue;
            }
            let id = store.ensure_user(&user.name).await?;
            store.set_quota(id, limit).await?;
            users.push(Limited { name: user.name.clone(), id, warned: before.get(&id).copied().unwrap_or_default() });
        }
        for gone in before.into_keys().filter(|id| !users.iter().any(|user| user.id == *id)) {
            store.set_quota(gone, QuotaLimit::default()).await?;
        }
        self.lock().show(users, config.http.user_labels)
    }

    /// Shows and tells how full they are now.
    pub(super) fn sample(&self, store: &Store) {
        let mut state = self.lock();
        let State { users, used, names_shown, .. } = &mut *state;
        for user in users {
            let Some(quota) = store.quota(user.id) else { continue };
            if let Some(used) = used.as_ref().filter(|_| *names_shown) {
                used.with_label_values(&[&user.name]).set(ratio(quota));
            }
            let (warned, is_news) = level(user.warned, percent(quota));
            user.warned = warned;
            if is_news {
                let Some(Share { used, limit }) = fullest(quota) else { continue };
                tracing::warn!(user = user.name, used, limit, "more than {warned} % of the quota are in use");
            }
        }
    }

    /// Whoever panicked left it whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn show(&mut self, users: Vec<Limited>, names_shown: bool) -> anyhow::Result<()> {
        (self.users, self.names_shown) = (users, names_shown);
        match &self.used {
            // Those that are no more must not stay; the others come back with the next sample.
            Some(used) => used.reset(),
            None if names_shown => {
                let help = "Share of the user's quota in use.";
                self.used = Some(self.registry.gauge_vec("user_quota_used_ratio", help, &["user"])?);
            }
            None => {}
        }
        Ok(())
    }
}

/// Of octets and messages the one of which less is left.
fn fullest(quota: Quota) -> Option<Share> {
    let shares = quota.storage.into_iter().chain(quota.messages);
    shares.max_by(|one, other| share_used(*one).total_cmp(&share_used(*other)))
}

fn share_used(share: Share) -> f64 {
    share.used as f64 / share.limit.max(1) as f64
}

fn ratio(quota: Quota) -> f64 {
    fullest(quota).map_or(0.0, share_used)
}

/// Rounded down; 100 for all that is more.
fn percent(quota: Quota) -> u8 {
    let Some(Share { used, limit }) = fullest(quota) else { return 0 };
    u8::try_from((u128::from(used) * 100 / u128::from(limit.max(1))).min(100)).unwrap_or(100)
}

/// The level that has been warned of from now on, and whether it is to be warned of now.
fn level(warned: u8, percent: u8) -> (u8, bool) {
    let reached = LEVELS.into_iter().find(|level| percent >= *level).unwrap_or(0);
    if reached > warned {
        (reached, true)
    } else if percent + APART <= warned {
        (reached, false)
    } else {
        (warned, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_told_once() {
        let mut warned = 0;
        for (percent, want) in [
            (0, None),
            (79, None),
            (80, Some(80)),
            (94, None),
            (95, Some(95)),
            (100, None),
            (91, None),
            (96, None),
            (90, None),
            (95, Some(95)),
            (76, None),
            (80, Some(80)),
            (76, None),
            (80, None),
            (75, None),
            (80, Some(80)),
            (10, None),
            (100, Some(95)),
        ] {
            let (now, is_news) = level(warned, percent);
            assert_eq!(is_news.then_some(now), want, "{percent} after {warned}");
            warned = now;
        }
    }

    #[test]
    fn shares_of_a_quota() {
        let quota = |used, limit| Quota { storage: Some(Share { used, limit }), messages: None };
        assert_eq!([percent(quota(799, 1000)), percent(quota(800, 1000)), percent(quota(0, 1))], [79, 80, 0]);
        assert_eq!([percent(quota(u64::MAX, 1)), percent(quota(u64::MAX, u64::MAX))], [100, 100]);
        assert_eq!([ratio(quota(1, 4)), ratio(quota(6, 4))], [0.25, 1.5]);
        // The fuller one counts.
        let both = |used| Quota { messages: Some(Share { used, limit: 100 }), ..quota(50, 100) };
        assert_eq!([percent(both(49)), percent(both(51))], [50, 51]);
        assert_eq!(ratio(Quota { storage: None, ..both(51) }), 0.51);
    }
}
