//! What an account wants of a message: fetched or not, and deleted upstream or not. Pure.

use std::collections::{HashMap, HashSet};

use super::settings::{FirstPoll, LeaveOnServer};
use crate::store::{LedgerRow, LedgerState, Place};

/// Messages that may be deleted at once because they were expunged here.
const BRAKE: usize = 50;
/// Seconds between two looks at what cannot be had: a message in quarantine, a deletion that the server ignores.
pub(super) const DAY: i64 = 24 * 3600;

/// What an account wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy<'a> {
    pub(super) leave_on_server: LeaveOnServer,
    pub(super) delete_larger_than: Option<u64>,
    pub(super) max_message_size: u64,
    /// What is fetched of messages that are not known; `None`: all, `first_poll` has been applied.
    pub(super) first_poll: Option<FirstPoll>,
    /// What was skipped is fetched after all.
    pub(super) fetch_skipped: bool,
    /// Unique-ids of messages that turned out to be too long.
    pub(super) too_long: &'a HashSet<Vec<u8>>,
    /// When messages were looked at that the server lists although it deleted them.
    pub(super) undead: &'a HashMap<Vec<u8>, i64>,
    /// Seconds since 1970.
    pub(super) now: i64,
}

/// Why a message is deleted upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Never,
    Age,
    Expunged,
    Larger,
}

impl Reason {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Age => "age",
            Self::Expunged => "expunged",
            Self::Larger => "larger",
        }
    }
}

/// That the policy wants a message deleted upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) reason: Reason,
    /// The brake does not hold it.
    pub(super) confirmed: bool,
}

/// What `first_poll` says of a message that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Fetch,
    Skip,
    /// If it is older than this, in seconds since 1970.
    SkipBefore(i64),
}

impl Policy<'_> {
    pub(super) fn sight(self, index: usize, count: usize) -> Sight {
        match self.first_poll {
            None | Some(FirstPoll::All) => Sight::Fetch,
            Some(FirstPoll::New) => Sight::Skip,
            Some(FirstPoll::Newest(wanted)) => {
                let from_end = u64::try_from(count - index).unwrap_or(u64::MAX);
                if from_end <= wanted { Sight::Fetch } else { Sight::Skip }
            }
            Some(FirstPoll::Since(age)) => {
                Sight::SkipBefore(self.now.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX)))
            }
        }
    }

    /// Whether a message of this row, listed with this size, is to be deleted upstream.
    pub(super) fn wish(self, row: &LedgerRow, size: Option<u64>) -> Option<Wish> {
        if row.state == LedgerState::Skipped {
            return None;
        }
        let sure = |reason| Some(Wish { reason, confirmed: true });
        if let Some(wish) = self.fresh_wish(size.unwrap_or(row.listed_size)) {
            return Some(wish);
        }
        match self.leave_on_server {
            LeaveOnServer::Forever | LeaveOnServer::Never => None,
            LeaveOnServer::For(age) => {
                let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
                (self.now.saturating_sub(row.stored_at) >= age).then(|| sure(Reason::Age)).flatten()
            }
            LeaveOnServer::UntilExpunged if row.place != Place::Nowhere => None,
            LeaveOnServer::UntilExpunged => {
                Some(Wish { reason: Reason::Expunged, confirmed: row.state != LedgerState::Stored })
            }
        }
    }

    /// Whether a message of this size is to be deleted upstream as soon as it is stored.
    pub(super) fn fresh_wish(self, size: u64) -> Option<Wish> {
        let sure = |reason| Some(Wish { reason, confirmed: true });
        match self.leave_on_server {
            LeaveOnServer::Never => sure(Reason::Never),
            _ if self.delete_larger_than.is_some_and(|limit| size > limit) => sure(Reason::Larger),
            _ => None,
        }
    }
}

/// More deletions than this at once, of so many messages, wait for a person.
pub(super) fn is_braked(unconfirmed: usize, listed: usize) -> bool {
    unconfirmed > BRAKE && unconfirmed * 2 > listed
}
