//! Who has logged in to the status page. In memory: a restart of the service ends all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio_util::sync::CancellationToken;

use super::page::Notice;

/// Sessions in all.
const MOST: usize = 1_000;

/// Sessions of one user.
const MOST_OF_USER: usize = 32;

/// Without a request.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(12 * 3600);

/// From the login.
const LIFE_TIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Octets of an id, and of a form's token.
const RANDOM: usize = 32;

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<Key, Entry>>);

/// A session as it is kept: the hash of the id that its browser has, so that no look into memory gives one away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// A session that is alive.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) key: Key,
    pub(super) user: String,
    /// What the forms of its pages have.
    pub(super) token: String,
    /// Cancelled when it ends.
    pub(super) ended: CancellationToken,
}

struct Entry {
    session: Session,
    /// What the user's password was known by: another one ends the session.
    stamp: [u8; 32],
    began: Instant,
    seen: Instant,
    notice: Option<Notice>,
}

impl Sessions {
    /// A new session; the id is for the browser alone. Over a limit the one that was not used for longest ends.
    pub(super) fn begin(&self, user: &str, stamp: [u8; 32], now: Instant) -> String {
        let (id, token) = (random(), random());
        let key = Key::of(&id);
        let session = Session { key, user: user.to_owned(), token, ended: CancellationToken::new() };
        let mut all = self.lock();
        all.retain(|_, entry| entry.is_alive(now));
        make_room(&mut all, MOST_OF_USER, |entry| entry.session.user == user);
        make_room(&mut all, MOST, |_| true);
        all.insert(key, Entry { session, stamp, began: now, seen: now, notice: None });
        id
    }

    /// The session of this id, if it is alive and `stamp` is still what its user's password is known by.
    pub(super) fn find(&self, id: &str, now: Instant, stamp: impl Fn(&str) -> Option<[u8; 32]>) -> Option<Session> {
        let mut all = self.lock();
        let key = Key::of(id);
        let entry = all.get_mut(&key)?;
        if !entry.is_alive(now) || stamp(&entry.session.user) != Some(entry.stamp) {
            all.remove(&key);
            return None;
        }
        entry.seen = now;
        Some(entry.session.clone())
    }

    /// Whether the session is one still; unlike a request this does not keep it alive.
    pub(super) fn is_alive(&self, key: Key, now: Instant, stamp: impl Fn(&str) -> Option<[u8; 32]>) -> bool {
        self.lock()
            .get(&key)
            .is_some_and(|entry| entry.is_alive(now) && stamp(&entry.session.user) == Some(entry.stamp))
    }

    /// Ends it.
    pub(super) fn end(&self, key: Key) {
        self.lock().remove(&key);
    }

    /// To be said on its next page.
    pub(super) fn leave(&self, key: Key, notice: Notice) {
        if let Some(entry) = self.lock().get_mut(&key) {
            entry.notice = Some(notice);
        }
    }

    /// What is to be said, once.
    pub(super) fn take(&self, key: Key) -> Option<Notice> {
        self.lock().get_mut(&key)?.notice.take()
    }

    /// Whoever panicked left it whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_alive(&self, now: Instant) -> bool {
        now.duration_since(self.seen) < IDLE_TIME && now.duration_since(self.began) < LIFE_TIME
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.session.ended.cancel();
    }
}

impl Key {
    fn of(id: &str) -> Self {
        Self(*blake3::hash(id.as_bytes()).as_bytes())
    }
}

/// Leaves room for one more.
fn make_room(all: &mut HashMap<Key, Entry>, most: usize, counts: impl Fn(&Entry) -> bool) {
    let mut counted: Vec<(Instant, Key)> =
        all.iter().filter(|(_, entry)| counts(entry)).map(|(key, entry)| (entry.seen, *key)).collect();
    if counted.len() < most {
        return;
    }
    counted.sort_by_key(|(seen, _)| *seen);
    for (_, key) in counted.iter().take(counted.len() + 1 - most) {
        all.remove(key);
    }
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; RANDOM]>())
}

/// Compared in a time that does not tell how much of it is right.
pub(super) fn is_token(session: &Session, token: &str) -> bool {
    // Hashes of what is compared: how far they agree says nothing about it.
    blake3::hash(session.token.as_bytes()) == blake3::hash(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: [u8; 32] = [7; 32];

    fn known(_: &str) -> Option<[u8; 32]> {
        Some(STAMP)
    }

    #[test]
    fn a_session_lives_as_long_as_it_is_used_and_no_longer_than_a_week() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let id = sessions.begin("ann", STAMP, start);
        assert_eq!(id.len(), 43);
        let session = sessions.find(&id, start, known).expect("alive");
        assert_eq!(session.user, "ann");
        assert!(is_token(&session, &session.token) && !is_token(&session, "") && !is_token(&session, &id));
        assert!(sessions.find("", start, known).is_none() && sessions.find(&session.token, start, known).is_none());
        let almost = IDLE_TIME - Duration::from_secs(1);
        assert!(sessions.find(&id, start + almost, known).is_some());
        assert!(sessions.find(&id, start + 2 * almost, known).is_some(), "it was used");
        assert!(!sessions.is_alive(session.key, start + 3 * IDLE_TIME, known));
        assert!(sessions.find(&id, start + 2 * almost + IDLE_TIME, known).is_none());
        assert!(session.ended.is_cancelled());
        let id = sessions.begin("ann", STAMP, start);
        let mut now = start;
        while sessions.find(&id, now, known).is_some() {
            now += almost;
        }
        assert!((LIFE_TIME..LIFE_TIME + IDLE_TIME).contains(&(now - start)), "{:?}", now - start);
    }

    #[test]
    fn another_password_and_a_removed_user_end_it() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        for stamp in [Some([8; 32]), None] {
            let id = sessions.begin("ann", STAMP, now);
            let session = sessions.find(&id, now, known).expect("alive");
            assert!(!sessions.is_alive(session.key, now, |_| stamp));
            assert!(sessions.find(&id, now, |_| stamp).is_none());
            assert!(session.ended.is_cancelled() && sessions.find(&id, now, known).is_none());
        }
    }

    #[test]
    fn over_a_limit_the_oldest_ends() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let at = |n: usize| start + Duration::from_secs(n as u64);
        let ids: Vec<String> = (0..MOST_OF_USER).map(|n| sessions.begin("ann", STAMP, at(n))).collect();
        let other = sessions.begin("bob", STAMP, at(0));
        assert!(sessions.find(&ids[0], at(100), known).is_some(), "at the limit; and it was used now");
        sessions.begin("ann", STAMP, at(101));
        let alive = |id: &String| sessions.lock().contains_key(&Key::of(id));
        assert!(alive(&ids[0]) && !alive(&ids[1]) && alive(&ids[2]) && alive(&other));
        let count = sessions.lock().len();
        for n in count..MOST {
            sessions.begin(&format!("u{n}"), STAMP, at(200));
        }
        assert!(sessions.lock().len() == MOST && alive(&other));
        sessions.begin("last", STAMP, at(300));
        assert!(sessions.lock().len() == MOST && !alive(&other));
    }

    #[test]
    fn a_notice_is_said_once() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let id = sessions.begin("ann", STAMP, now);
        let key = sessions.find(&id, now, known).expect("alive").key;
        sessions.leave(key, Notice { is_error: false, text: "done".to_owned() });
        assert_eq!(sessions.take(key).map(|notice| notice.text).as_deref(), Some("done"));
        assert!(sessions.take(key).is_none());
        sessions.end(key);
        sessions.leave(key, Notice { is_error: false, text: String::new() });
        assert!(sessions.take(key).is_none());
    }
}
