//! The stored login of one account: kept in memory, renewed before it ends, saved before it is used.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Slot, PoisonError};
use std::time::{Duration, SystemTime};

use oauth2::RefreshToken;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::{self, Failure};
use super::file::{self, Found, Lock, Login, Stamp};
use super::http::{Http, TIMEOUT};
use super::{Error, Settings, Token};

/// A token is renewed when it has no more than this left, or a tenth of its life if that is less.
const MARGIN: Duration = Duration::from_secs(60);

/// A login that the provider has ended is not tried again for so long, unless a new one is made.
const REFUSAL_HOLDS: Duration = Duration::from_secs(3600);

/// Longest wait for another process that renews the same login; twice what an answer may take.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// The stored login of one account.
#[derive(Debug)]
pub struct Tokens {
    settings: Settings,
    timeout: Duration,
    state: Mutex<State>,
    /// Renewals so far: tells a caller who waited for one that it need not ask for another.
    renewals: AtomicU64,
    expiry: Slot<Option<SystemTime>>,
}

#[derive(Debug, Default)]
struct State {
    /// The file's content that `login` is, or follows from.
    stamp: Option<Stamp>,
    login: Option<Login>,
    /// Renewed, but not saved: a provider may already have ended the login that is in the file.
    unsaved: bool,
    refused: Option<(Instant, Error)>,
}

impl Tokens {
    /// The login of this account; nothing is read before it is asked for.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            timeout: TIMEOUT,
            state: Mutex::default(),
            renewals: AtomicU64::new(0),
            expiry: Slot::new(None),
        }
    }

    /// Gives up an answer of the provider after this time instead of 30 seconds.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How the account gets its tokens.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// When the access token ends that was given out last, or is in the file.
    pub fn expiry(&self) -> Option<SystemTime> {
        *self.expiry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn token(self: &Arc<Self>, renew: bool) -> Result<Token, Error> {
        let seen = self.renewals.load(Ordering::Acquire);
        let this = Arc::clone(self);
        // Goes on when the caller gives up: a renewal that is under way must be saved, or the login may be lost.
        let fetched = tokio::spawn(async move { this.fetch(renew, seen).await }).await;
        fetched.map_err(|error| Error::Unavailable(error.to_string()))?
    }

    async fn fetch(&self, renew: bool, seen: u64) -> Result<Token, Error> {
        let mut state = self.state.lock().await;
        let refused = if renew { state.login.as_ref().map(|login| login.access.clone()) } else { None };
        self.reload(&mut state).await?;
        if state.unsaved {
            self.save(&mut state).await?;
        }
        let waited = self.renewals.load(Ordering::Acquire) != seen;
        let renew_now = |login: &Login| {
            let changed = refused.as_ref().is_some_and(|refused| *refused != login.access);
            !(login.is_fresh(SystemTime::now()) && (!renew || waited || changed))
        };
        let login = state.login.clone().ok_or_else(|| self.settings.login_needed("nobody has logged in yet"))?;
        if !renew_now(&login) {
            return Ok(login.token());
        }
        if login.refresh.is_none() {
            return self.without_refresh(&login, renew && !waited);
        }
        if let Some((since, error)) = &state.refused
            && since.elapsed() < REFUSAL_HOLDS
        {
            return Err(error.clone());
        }
        let lock = self.lock().await?;
        // Another process may have renewed it.
        self.reload(&mut state).await?;
        let login = state.login.clone().unwrap_or(login);
        if !renew_now(&login) {
            return Ok(login.token());
        }
        let renewed = match self.renew(&login).await {
            Ok(renewed) => renewed,
            Err(Failure::Refused { code, text }) => {
                let error = self.settings.login_needed(&match code.as_str() {
                    "invalid_grant" => format!("the login has ended ({text})"),
                    "invalid_client" | "unauthorized_client" => {
                        format!("the provider refuses the client: check client_id and client_secret ({text})")
                    }
                    _ => format!("the provider does not renew the login ({text})"),
                });
                state.refused = Some((Instant::now(), error.clone()));
                return Err(error);
            }
            // The last seconds of the old one may do.
            Err(_) if !renew && login.is_valid(SystemTime::now()) => return Ok(login.token()),
            Err(Failure::Trouble(reason) | Failure::Nonsense(reason)) => return Err(Error::Unavailable(reason)),
        };
        let token = renewed.token();
        state.login = Some(renewed);
        state.unsaved = true;
        self.save(&mut state).await?;
        self.renewals.fetch_add(1, Ordering::Release);
        drop(lock);
        Ok(token)
    }

    /// An access token alone serves until it ends.
    fn without_refresh(&self, login: &Login, was_refused: bool) -> Result<Token, Error> {
        if was_refused {
            Err(self.settings.login_needed("the server refuses the token, and the login cannot be renewed"))
        } else if login.is_valid(SystemTime::now()) {
            Ok(login.token())
        } else {
            Err(self.settings.login_needed("the token has ended, and the login cannot be renewed"))
        }
    }

    async fn renew(&self, login: &Login) -> Result<Login, Failure> {
        let settings = &self.settings;
        let Some(refresh) = &login.refresh else { return Err(Failure::Trouble("no refresh token".to_owned())) };
        let client = client::client(settings)?;
        let http = Http::new(self.timeout).await?;
        let refresh = RefreshToken::new(refresh.expose().to_owned());
        let now = SystemTime::now();
        let answer = client.exchange_refresh_token(&refresh).request_async(&http).await;
        let answer = answer.map_err(|error| client::failure(error, settings))?;
        client::granted(&answer, Some(login), settings, now)
    }

    /// Reads the file if it is not the one that was read or written last; then a person has logged in anew, or another
    /// process has renewed the login.
    async fn reload(&self, state: &mut State) -> Result<(), Error> {
        let (settings, known) = (self.settings.clone(), state.stamp);
        match blocking(move || file::load(&settings, known)).await {
            Ok(Found::Same) => Ok(()),
            Ok(Found::New(stamp, login)) => {
                self.show(&login);
                *state = State { stamp: Some(stamp), login: Some(login), unsaved: false, refused: None };
                Ok(())
            }
            Err(error) => {
                // Whoever takes the file away ends the login; one that cannot be read for now does not.
                if matches!(error, Error::LoginNeeded(_)) {
                    *state = State::default();
                }
                Err(error)
            }
        }
    }

    async fn save(&self, state: &mut State) -> Result<(), Error> {
        let Some(login) = state.login.clone() else { return Ok(()) };
        let settings = self.settings.clone();
        let saved = login.clone();
        state.stamp = Some(blocking(move || file::save(&settings, &saved)).await?);
        (state.unsaved, state.refused) = (false, None);
        self.show(&login);
        Ok(())
    }

    fn show(&self, login: &Login) {
        *self.expiry.lock().unwrap_or_else(PoisonError::into_inner) = login.expires;
    }

    async fn lock(&self) -> Result<Lock, Error> {
        lock(&self.settings.file).await
    }
}

/// Waits for the file's lock.
pub(super) async fn lock(path: &Path) -> Result<Lock, Error> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        let path = path.to_owned();
        if let Some(lock) = blocking(move || Ok(file::try_lock(&path))).await? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            return Err(Error::Unavailable("another process is renewing the login and does not end".to_owned()));
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Unavailable(error.to_string()))?
}

impl Login {
    /// Long enough for a session to begin with it.
    fn is_fresh(&self, now: SystemTime) -> bool {
        let margin = self.lifetime.map_or(MARGIN, |lifetime| MARGIN.min(lifetime / 10));
        self.expires.is_none_or(|expires| expires.duration_since(now).is_ok_and(|left| left > margin))
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    fn token(&self) -> Token {
        Token { secret: self.access.clone(), expires: self.expires }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_token_is_renewed_a_minute_or_a_tenth_of_its_life_before_it_ends() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let login = |lifetime: Option<u64>, left: u64| Login {
            access: Secret::new("a"),
            refresh: None,
            expires: Some(now + Duration::from_secs(left)),
            lifetime: lifetime.map(Duration::from_secs),
            scopes: Vec::new(),
        };
        for (lifetime, left, fresh) in [
            (Some(3600), 61, true),
            (Some(3600), 60, false),
            (Some(100), 11, true),
            (Some(100), 10, false),
            (None, 61, true),
            (None, 60, false),
            (Some(0), 0, false),
        ] {
            assert_eq!(login(lifetime, left).is_fresh(now), fresh, "{lifetime:?} {left}");
        }
        assert!(login(Some(3600), 1).is_valid(now) && !login(Some(3600), 0).is_valid(now));
        assert!(!login(Some(3600), 100).is_fresh(now + Duration::from_secs(200)), "long ended");
        let endless = Login { expires: None, ..login(None, 0) };
        assert!(endless.is_fresh(now) && endless.is_valid(now));
    }
}
