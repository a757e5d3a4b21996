//! What happened lately that a person or a webhook may want to know, in the order in which it happened.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

/// How many are kept; older ones are in the log alone.
const KEPT: usize = 1_000;

/// Something that happened. Shown to its user and to administrators only (I10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Ascends by one with each, from 1 at the start of the service.
    pub id: u64,
    /// When.
    pub at: SystemTime,
    /// Whose affair it is; `None`: the administrators' alone.
    pub user: Option<String>,
    /// The account, `user/name`, where it is about one.
    pub account: Option<String>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A poll has brought so many messages.
    NewMail {
        /// How many; at least one.
        messages: u64,
    },
    /// A poll failed after one that went well, or in another way than the one before.
    PollFailed {
        /// The `result` label of `tributary_polls_total`.
        result: &'static str,
        /// In words, without secrets.
        error: String,
    },
    /// A poll went well after one or more that failed.
    Recovered {
        /// How many had failed in a row.
        failures: u32,
    },
    /// The server had given stored messages new unique-ids, which were adopted.
    UniqueIdsChanged {
        /// Of how many messages.
        messages: u64,
    },
    /// Messages could not be fetched whole, several times.
    Quarantined {
        /// How many more than before.
        messages: u64,
    },
    /// Deletions upstream wait to be confirmed.
    DeletesHeld {
        /// How many.
        messages: u64,
    },
    /// Held deletions were confirmed.
    DeletesConfirmed {
        /// How many.
        messages: u64,
    },
    /// Somebody ended the session of a mail program.
    Disconnected {
        /// What it calls itself; may be empty.
        client: String,
    },
    /// The account was told to pause.
    Paused,
    /// The account was told to go on.
    Resumed,
    /// The configuration was read again and is in use.
    Reloaded {
        /// What differs, by key path.
        changes: Vec<String>,
    },
    /// The configuration was read again and is not in use.
    ReloadRefused {
        /// What is wrong with it, without secrets; at least one.
        problems: Vec<String>,
    },
}

/// All that happened lately. Cheap to clone: every clone is the same list.
#[derive(Clone, Debug)]
pub struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kept: Mutex<VecDeque<Event>>,
    /// Id of the newest.
    newest: watch::Sender<u64>,
}

impl Default for Events {
    fn default() -> Self {
        Self(Arc::new(Inner { kept: Mutex::default(), newest: watch::channel(0).0 }))
    }
}

impl Events {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what happened to an account; `id` is `user/name`, and the user's name has no `/`.
    pub fn of_account(&self, id: &str, kind: EventKind) {
        let user = id.split_once('/').map(|(user, _)| user.to_owned());
        self.note(user, Some(id.to_owned()), kind);
    }

    /// Notes what happened to a user, or with `None` to the service.
    pub fn of_user(&self, user: Option<&str>, kind: EventKind) {
        self.note(user.map(str::to_owned), None, kind);
    }

    /// What happened after the event `id`, oldest first: all that is kept of it.
    pub fn after(&self, id: u64) -> Vec<Event> {
        self.lock().iter().filter(|event| event.id > id).cloned().collect()
    }

    /// The id of the newest event; changes with each.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    fn note(&self, user: Option<String>, account: Option<String>, kind: EventKind) {
        let mut kept = self.lock();
        let id = *self.0.newest.borrow() + 1;
        kept.push_back(Event { id, at: SystemTime::now(), user, account, kind });
        if kept.len() > KEPT {
            kept.pop_front();
        }
        // While the list is locked, so that ids ascend with their places.
        self.0.newest.send_replace(id);
    }

    /// Whoever panicked left it whole.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_order() {
        let events = Events::new();
        let mut seen = events.subscribe();
        for messages in 1..=KEPT as u64 + 1 {
            events.of_account("ann/isp", EventKind::NewMail { messages });
        }
        assert!(seen.has_changed().expect("alive"));
        assert_eq!(*seen.borrow_and_update(), KEPT as u64 + 1);
        let all = events.after(0);
        assert_eq!((all.len(), all[0].id, all[KEPT - 1].id), (KEPT, 2, KEPT as u64 + 1));
        assert_eq!((all[0].user.as_deref(), all[0].account.as_deref()), (Some("ann"), Some("ann/isp")));
        assert_eq!(events.after(KEPT as u64).len(), 1);
        assert_eq!(events.after(KEPT as u64 + 1), []);
        events.of_user(None, EventKind::Paused);
        assert_eq!(events.after(KEPT as u64 + 1)[0].user, None);
    }
}
