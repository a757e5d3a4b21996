//! Word to a user's sessions that something of theirs changed: the contents of a mailbox, a name, a subscription, an
//! annotation. It says of what kind, and carries nothing else: who hears it compares what it has told with what the store
//! holds now. So many commits may be one word, and none can be lost or heard twice.
//!
//! The writer of a back-end publishes after each commit and before it answers the callers (I6).

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::watch;

use super::Store;
use super::notify::lock;
use crate::mail::UserId;

/// How often something of each kind changed while somebody watched; only ever compared for being equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserMarks {
    /// Mailboxes: names and contents.
    pub mailboxes: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Annotations, of mailboxes and of the server.
    pub metadata: u64,
}

/// What a transaction changed of a user.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UserChange {
    pub(super) mailboxes: bool,
    pub(super) subscriptions: bool,
    pub(super) metadata: bool,
}

impl UserChange {
    /// Of what changed nothing is known.
    const ALL: Self = Self { mailboxes: true, subscriptions: true, metadata: true };
}

/// The users that somebody watches.
#[derive(Default)]
pub(super) struct UserWatches(Mutex<HashMap<UserId, watch::Sender<UserMarks>>>);

impl UserWatches {
    fn subscribe(&self, user: UserId) -> UserWatch {
        let mut users = lock(&self.0);
        UserWatch {
            receiver: users.entry(user).or_insert_with(|| watch::Sender::new(UserMarks::default())).subscribe(),
        }
    }

    /// After a commit and before its callers are answered.
    pub(super) fn publish(&self, user: UserId, change: UserChange) {
        let mut users = lock(&self.0);
        let Some(sender) = users.get(&user) else { return };
        if sender.receiver_count() == 0 {
            users.remove(&user);
            return;
        }
        sender.send_modify(|marks| {
            marks.mailboxes += u64::from(change.mailboxes);
            marks.subscriptions += u64::from(change.subscriptions);
            marks.metadata += u64::from(change.metadata);
        });
    }

    /// The outcome of a commit is not known: anything may have changed.
    pub(super) fn publish_all(&self) {
        let users: Vec<UserId> = lock(&self.0).keys().copied().collect();
        users.into_iter().for_each(|user| self.publish(user, UserChange::ALL));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

/// Word of what changes of one user.
#[derive(Debug)]
pub struct UserWatch {
    receiver: watch::Receiver<UserMarks>,
}

impl UserWatch {
    /// The marks now, taken as seen. What is read after it holds at least what they speak of.
    pub fn current(&mut self) -> UserMarks {
        *self.receiver.borrow_and_update()
    }

    /// Completes when there is word newer than the last `current`. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The store is gone: nothing will change.
            std::future::pending::<()>().await;
        }
    }
}

impl Store {
    /// Word of every later change of what is the user's.
    pub fn user_watch(&self, user: UserId) -> UserWatch {
        self.0.shared.user_watches.subscribe(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserId = UserId(1);
    const CONTENTS: UserChange = UserChange { mailboxes: true, subscriptions: false, metadata: false };

    #[tokio::test]
    async fn many_changes_are_one_word_and_those_of_others_none() {
        let watches = UserWatches::default();
        watches.publish(USER, UserChange::ALL);
        let mut watch = watches.subscribe(USER);
        assert_eq!(watch.current(), UserMarks::default());
        watches.publish(UserId(2), UserChange::ALL);
        watches.publish(USER, CONTENTS);
        watches.publish(USER, CONTENTS);
        watch.changed().await;
        assert_eq!(watch.current(), UserMarks { mailboxes: 2, ..UserMarks::default() });
        assert!(!watch.receiver.has_changed().expect("alive"));
        watches.publish_all();
        assert_eq!(watch.current(), UserMarks { mailboxes: 3, subscriptions: 1, metadata: 1 });
    }

    #[test]
    fn a_user_nobody_watches_any_more_is_forgotten() {
        let watches = UserWatches::default();
        let (one, two) = (watches.subscribe(USER), watches.subscribe(USER));
        drop(one);
        watches.publish(USER, CONTENTS);
        assert_eq!(watches.len(), 1);
        drop(two);
        watches.publish(USER, CONTENTS);
        assert_eq!(watches.len(), 0);
    }
}
