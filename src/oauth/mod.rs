//! OAuth 2.0 access tokens for upstream accounts (RFC 6749, RFC 8628, RFC 8252).

use std::sync::Arc;
use std::time::SystemTime;

use crate::secret::{Secret, SecretSource};

/// An access token.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub secret: Secret,
    /// When it ends, where that is known.
    pub expires: Option<SystemTime>,
}

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody has logged in yet, or the login has ended: a person must run `tributary oauth`.
    #[error("{0}")]
    LoginNeeded(String),
    /// Trouble that may pass.
    #[error("{0}")]
    Unavailable(String),
}

/// Where the access tokens of one account come from. Cheap to clone.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// A program that prints one.
    Command(SecretSource),
    /// A login that was made once and is refreshed.
    Login(Arc<Tokens>),
}

/// The stored login of one account.
#[derive(Debug)]
pub struct Tokens;

impl TokenSource {
    /// A token that is valid now; `renew`: the last one was refused by the server.
    pub async fn token(&self, renew: bool) -> Result<Token, Error> {
        let _ = renew;
        match self {
            Self::Command(source) => {
                let source = source.clone();
                let fetched = tokio::task::spawn_blocking(move || source.fetch()).await;
                let fetched = fetched.map_err(|error| Error::Unavailable(error.to_string()))?;
                Ok(Token { secret: fetched.map_err(Error::Unavailable)?, expires: None })
            }
            Self::Login(_) => Err(Error::LoginNeeded("nobody has logged in".to_owned())),
        }
    }
}
