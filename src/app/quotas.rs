//! The quotas of the configuration: told to the store at the start, and watched while the service runs.

use prometheus::GaugeVec;

use crate::config::Config;
use crate::mail::UserId;
use crate::metrics::Registry;
use crate::store::{Quota, Store};

/// Percent of a quota at which the log warns.
const LEVELS: [u8; 2] = [95, 80];

/// So many points below a level, reaching it is news again: one that wavers about it is told of once.
const APART: u8 = 5;

/// The users that have a quota.
pub(super) struct Quotas {
    users: Vec<Limited>,
    /// Of each user by name; not there unless names may be shown.
    used: Option<GaugeVec>,
}

struct Limited {
    name: String,
    id: UserId,
    /// The level that the log has warned of.
    warned: u8,
}

impl Quotas {
    pub(super) async fn set(config: &Config, store: &Store, registry: &Registry) -> anyhow::Result<Self> {
        let mut users = Vec::new();
        for user in config.users.iter().filter(|user| user.quota.is_some()) {
            let id = store.ensure_user(&user.name).await?;
            store.set_quota(id, user.quota).await?;
            users.push(Limited { name: user.name.clone(), id, warned: 0 });
        }
        let gauge = || registry.gauge_vec("user_quota_used_ratio", "Share of the user's quota in use.", &["user"]);
        Ok(Self { users, used: config.http.user_labels.then(gauge).transpose()? })
    }

    /// Shows and tells how full they are now.
    pub(super) fn sample(&mut self, store: &Store) {
        for user in &mut self.users {
            let Some(quota) = store.quota(user.id) else { continue };
            if let Some(used) = &self.used {
                used.with_label_values(&[&user.name]).set(ratio(quota));
            }
            let (warned, is_news) = level(user.warned, percent(quota));
            user.warned = warned;
            if is_news {
                let Quota { used, limit } = quota;
                tracing::warn!(user = user.name, used, limit, "more than {warned} % of the quota are in use");
            }
        }
    }
}

fn ratio(quota: Quota) -> f64 {
    quota.used as f64 / quota.limit.max(1) as f64
}

/// Rounded down; 100 for all that is more.
fn percent(quota: Quota) -> u8 {
    let percent = u128::from(quota.used) * 100 / u128::from(quota.limit.max(1));
    u8::try_from(percent.min(100)).unwrap_or(100)
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
        let quota = |used, limit| Quota { used, limit };
        assert_eq!([percent(quota(799, 1000)), percent(quota(800, 1000)), percent(quota(0, 1))], [79, 80, 0]);
        assert_eq!([percent(quota(u64::MAX, 1)), percent(quota(u64::MAX, u64::MAX))], [100, 100]);
        assert_eq!([ratio(quota(1, 4)), ratio(quota(6, 4))], [0.25, 1.5]);
    }
}
