//! The users and the one question asked of them: is this their password?

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, TryAcquireError};

use super::metrics::Metrics;
use super::password::{self, Digest, HashError, Key};
use super::throttle::{self, Throttle};
use crate::metrics::Registry;
use crate::secret::Secret;

/// Who may log in and how checks are bounded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The users; names are distinct.
    pub users: Vec<UserSettings>,
    /// Checks that may wait for their turn; beyond it an attempt is answered [`Denied::Busy`].
    pub queue: usize,
    /// Checks of one address that may wait or run. What logs in from this machine is a webmail or a proxy, which speaks for
    /// many: it is not bounded by this.
    pub queue_per_address: usize,
    /// Successes remembered, and for how long.
    pub cache_entries: usize,
    /// How long a success is remembered.
    pub cache_time: Duration,
    /// Slowing guessers down.
    pub throttle: throttle::Settings,
}

/// One user.
#[derive(Clone, Debug)]
pub struct UserSettings {
    /// Compared exactly.
    pub name: String,
    /// What to check against.
    pub password: Password,
}

/// How a user's password is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// An argon2id hash line.
    Hash(String),
    /// The password itself.
    Plain(Secret),
}

/// A user who has proved to be one.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The configured name.
    pub name: String,
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Wrong user or password: `NO [AUTHENTICATIONFAILED]`.
    #[error("wrong user name or password")]
    WrongCredentials,
    /// Too many checks are waiting, nothing was checked: `NO [UNAVAILABLE]`.
    #[error("too many logins at once, try again")]
    Busy,
}

/// argon2 checks that run at once: each takes tens of milliseconds of a core and 19 MiB or more.
const CHECKS_AT_ONCE: usize = 2;

impl Default for Settings {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            queue: 1_024,
            queue_per_address: 32,
            cache_entries: 4096,
            cache_time: Duration::from_secs(3600),
            throttle: throttle::Settings::default(),
        }
    }
}

/// All users, shared by every connection.
pub struct Users {
    settings: Limits,
    /// Replaced under the lock of `state`, so that nothing is remembered of users that are no more.
    known: ArcSwap<Known>,
    key: Key,
    /// One permit a running check.
    running: Arc<Semaphore>,
    /// One permit a check that runs or waits.
    waiting: Semaphore,
    state: Mutex<State>,
    metrics: Metrics,
}

/// The users of a configuration, checked: see [`Users::replace`].
pub struct Known {
    by_name: HashMap<String, (Arc<User>, Password)>,
    /// Checked when there is nothing to check, so that it takes as long.
    decoy: String,
}

struct Limits {
    queue_per_address: usize,
    cache_entries: usize,
    cache_time: Duration,
}

struct State {
    /// Successes and when they expire.
    cache: HashMap<Digest, (Arc<User>, Instant)>,
    throttle: Throttle,
    /// Checks that wait or run, by address.
    pending: HashMap<IpAddr, usize>,
}

/// Why [`Users`] cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A user's hash cannot be checked.
    #[error("user {user}: {source}")]
    Hash {
        /// Whose.
        user: String,
        /// Why.
        source: HashError,
    },
    /// Registering the metrics failed.
    #[error(transparent)]
    Metrics(#[from] crate::metrics::Error),
}

impl Known {
    /// Checks the hashes; takes one hash computation (tens of milliseconds).
    pub fn new(users: Vec<UserSettings>) -> Result<Self, Error> {
        let hash_of = |user: &UserSettings| match &user.password {
            Password::Hash(line) => Some((user.name.clone(), line.clone())),
            Password::Plain(_) => None,
        };
        for (user, line) in users.iter().filter_map(hash_of) {
            password::check_hash(&line).map_err(|source| Error::Hash { user, source })?;
        }
        let model = users.iter().find_map(hash_of);
        let decoy = password::decoy(model.as_ref().map(|(_, line)| line.as_str()))
            .map_err(|source| Error::Hash { user: "(none)".to_owned(), source })?;
        let named = |user: UserSettings| (user.name.clone(), (Arc::new(User { name: user.name }), user.password));
        Ok(Self { by_name: users.into_iter().map(named).collect(), decoy })
    }
}

impl Users {
    /// Takes the users; takes one hash computation (tens of milliseconds).
    pub fn new(settings: Settings, registry: &Registry) -> Result<Self, Error> {
        let known = Known::new(settings.users)?;
        Ok(Self {
            settings: Limits {
                queue_per_address: settings.queue_per_address.max(1),
                cache_entries: settings.cache_entries,
                cache_time: settings.cache_time,
            },
            known: ArcSwap::from_pointee(known),
            key: Key::random(),
            running: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            waiting: Semaphore::new(settings.queue.saturating_add(CHECKS_AT_ONCE)),
            state: Mutex::new(State {
                cache: HashMap::new(),
                throttle: Throttle::new(settings.throttle),
                pending: HashMap::new(),
            }),
            metrics: Metrics::register(registry)?,
        })
    }

    /// From now on these are the users. What was remembered of who is none any more, or has another password, is forgotten.
    pub fn replace(&self, known: Known) {
        let mut state = self.state();
        let before = self.known.load();
        let same = |user: &Arc<User>| {
            let password = |known: &Known| known.by_name.get(&user.name).map(|(_, password)| password.clone());
            password(&known) == password(&before)
        };
        state.cache.retain(|_, (user, _)| known.by_name.contains_key(&user.name) && same(user));
        self.known.store(Arc::new(known));
    }

    /// Whether there is a user of this name now.
    pub fn has(&self, user: &str) -> bool {
        self.known.load().by_name.contains_key(user)
    }

    /// What the user's password is known by now, in a form that says nothing of it: whoever logged in by another one is to log
    /// in again. `None`: there is no such user.
    pub fn stamp(&self, user: &str) -> Option<[u8; 32]> {
        let known = self.known.load();
        let (_, password) = known.by_name.get(user)?;
        let text = match password {
            Password::Hash(line) => Secret::new(line),
            Password::Plain(secret) => secret.clone(),
        };
        Some(self.key.digest(user, &text).octets())
    }

    /// Whether this is the password of this user. The answer is late when the address failed often before.
    pub async fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Arc<User>, Denied> {
        let answer = self.answer(user, password, from).await;
        match &answer {
            Ok(_) => self.metrics.ok.inc(),
            Err(Denied::WrongCredentials) => {
                self.metrics.failed.inc();
                // A name that nobody has may be a password typed into the wrong field.
                let user = if self.has(user) { user } else { "(unknown)" };
                tracing::info!(user, address = %from, "authentication failed");
            }
            Err(Denied::Busy) => self.metrics.busy.inc(),
        }
        answer
    }

    async fn answer(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Arc<User>, Denied> {
        let _pending = Pending::enter(self, from)?;
        // Delayed before the check and whatever its outcome: else no quick answer would mean a wrong guess.
        let delay = self.state().throttle.delay(from, Instant::now());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let digest = self.key.digest(user, password);
        if let Some(user) = self.remembered(&digest) {
            return Ok(user);
        }
        let _turn = self.waiting.try_acquire().map_err(|_: TryAcquireError| Denied::Busy)?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Denied::Busy)?;
        // The same pair may have been checked while this one waited: a client that opens ten connections costs one hash.
        if let Some(user) = self.remembered(&digest) {
            return Ok(user);
        }
        let mut permit = permit;
        loop {
            let users = self.known.load_full();
            let known = users.by_name.get(user);
            let check = Check::of(known, &users.decoy, &self.key, &digest);
            let password = password.clone();
            // The permit goes along: a caller who gives up does not stop the hash it started.
            let right = tokio::task::spawn_blocking(move || (check.run(&password), permit));
            let (right, returned) = right.await.map_err(|_| Denied::Busy)?;
            permit = returned;
            // Checked against users that were replaced meanwhile, it says nothing.
            if let Some(answer) = self.conclude(&users, known.filter(|_| right), digest, from) {
                return answer;
            }
        }
    }

    /// Remembers how a check against these users went, and says so; `None` if they are the users no more.
    fn conclude(
        &self,
        users: &Arc<Known>,
        proved: Option<&(Arc<User>, Password)>,
        digest: Digest,
        from: IpAddr,
    ) -> Option<Result<Arc<User>, Denied>> {
        let mut state = self.state();
        if !Arc::ptr_eq(&self.known.load(), users) {
            return None;
        }
        Some(match proved {
            Some((user, _)) => {
                self.remember(&mut state, digest, user);
                Ok(Arc::clone(user))
            }
            None => {
                state.throttle.failed(from, digest.short(), Instant::now());
                Err(Denied::WrongCredentials)
            }
        })
    }

    fn remembered(&self, digest: &Digest) -> Option<Arc<User>> {
        let state = self.state();
        let (user, expires) = state.cache.get(digest)?;
        (Instant::now() < *expires).then(|| Arc::clone(user))
    }

    fn remember(&self, state: &mut State, digest: Digest, user: &Arc<User>) {
        let Limits { cache_entries, cache_time, .. } = self.settings;
        if cache_entries == 0 || cache_time.is_zero() {
            return;
        }
        let now = Instant::now();
        if state.cache.len() >= cache_entries && !state.cache.contains_key(&digest) {
            state.cache.retain(|_, (_, expires)| now < *expires);
            if state.cache.len() >= cache_entries {
                let oldest = state.cache.iter().min_by_key(|(_, (_, expires))| *expires).map(|(digest, _)| *digest);
                oldest.and_then(|oldest| state.cache.remove(&oldest));
            }
        }
        state.cache.insert(digest, (Arc::clone(user), now + cache_time));
    }

    /// No code panics while it holds this lock half changed, so a poisoned one is as good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("users", &self.known.load().by_name.len()).finish_non_exhaustive()
    }
}

/// What is computed off the async threads; always one argon2 run unless a plain password is right.
struct Check {
    line: String,
    plain_is_right: bool,
    hash_counts: bool,
}

impl Check {
    fn of(known: Option<&(Arc<User>, Password)>, decoy: &str, key: &Key, attempted: &Digest) -> Self {
        match known {
            Some((_, Password::Hash(line))) => Self { line: line.clone(), plain_is_right: false, hash_counts: true },
            // A wrong plain password costs a run too, or it could be told from an unknown user.
            Some((user, Password::Plain(secret))) => Self {
                line: decoy.to_owned(),
                plain_is_right: !secret.expose().is_empty() && key.digest(&user.name, secret) == *attempted,
                hash_counts: false,
            },
            None => Self { line: decoy.to_owned(), plain_is_right: false, hash_counts: false },
        }
    }

    fn run(&self, password: &Secret) -> bool {
        self.plain_is_right || (password::matches(&self.line, password) && self.hash_counts)
    }
}

/// Counts a check of an address while it waits or runs.
struct Pending<'a> {
    users: &'a Users,
    network: IpAddr,
}

impl<'a> Pending<'a> {
    fn enter(users: &'a Users, from: IpAddr) -> Result<Self, Denied> {
        let network = throttle::network(from);
        let mut state = users.state();
        let count = state.pending.entry(network).or_default();
        if *count >= users.settings.queue_per_address && !from.to_canonical().is_loopback() {
            return Err(Denied::Busy);
        }
        *count += 1;
        Ok(Self { users, network })
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut state = self.users.state();
        if let Some(count) = state.pending.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.pending.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests;
