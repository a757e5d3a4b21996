//! A string that never prints and is wiped when dropped.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A password or token. `Debug` shows `***`; the memory is zeroed on drop.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself; never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Where a secret comes from; asked again whenever it is needed, so that a changed one is seen.
#[derive(Clone)]
pub struct SecretSource {
    fetch: Arc<dyn Fn() -> Result<Secret, String> + Send + Sync>,
    runs_program: bool,
    /// Tells one place from another: a path, a program, or the secret itself.
    place: Option<Secret>,
}

/// The same place, whatever lies there; places without a name are the same as themselves.
impl PartialEq for SecretSource {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.fetch, &other.fetch)
            || (self.place.is_some() && (&self.place, self.runs_program) == (&other.place, other.runs_program))
    }
}

impl SecretSource {
    /// `fetch` may block: it reads a file or runs a command. Its error holds no secret.
    pub fn new(fetch: impl Fn() -> Result<Secret, String> + Send + Sync + 'static) -> Self {
        Self { fetch: Arc::new(fetch), runs_program: false, place: None }
    }

    /// Likewise, by running a program: not to be asked more often than needed.
    pub fn program(fetch: impl Fn() -> Result<Secret, String> + Send + Sync + 'static) -> Self {
        Self { fetch: Arc::new(fetch), runs_program: true, place: None }
    }

    /// The same with a name of the place: sources of one name are equal.
    pub fn at(self, place: impl Into<String>) -> Self {
        Self { place: Some(Secret::new(place)), ..self }
    }

    /// Whether asking runs a program.
    pub const fn runs_program(&self) -> bool {
        self.runs_program
    }

    /// Always the same.
    pub fn fixed(secret: Secret) -> Self {
        let place = format!("secret {}", secret.expose());
        Self::new(move || Ok(secret.clone())).at(place)
    }

    /// The secret as it is now. Blocking.
    pub fn fetch(&self) -> Result<Secret, String> {
        (self.fetch)()
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
