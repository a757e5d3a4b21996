//! OAuth 2.0 access tokens for upstream accounts (RFC 6749, RFC 8628, RFC 8252).

use std::path::PathBuf;
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

/// How an account gets its tokens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's id, `user/name`: for messages to people.
    pub account: String,
    /// Login name at the server, shown to the provider as a hint.
    pub username: String,
    /// Who gives the tokens.
    pub provider: Provider,
    /// The client's id at the provider.
    pub client_id: String,
    /// The client's secret, where the provider wants one.
    pub client_secret: Option<Secret>,
    /// How a person logs in.
    pub flow: Flow,
    /// Where the tokens are kept, with mode 0600.
    pub file: PathBuf,
}

/// Who gives the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Where a person logs in (RFC 6749 section 3.1).
    pub authorization_url: String,
    /// Where a device asks for a code (RFC 8628 section 3.1).
    pub device_url: Option<String>,
    /// Where tokens are given (RFC 6749 section 3.2).
    pub token_url: String,
    /// What is asked for.
    pub scopes: Vec<String>,
}

/// How a person logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// With a code, on any other device (RFC 8628).
    #[default]
    Device,
    /// In a browser on this machine (RFC 8252).
    Browser,
}

/// The stored login of one account.
#[derive(Debug)]
pub struct Tokens {
    settings: Settings,
}

impl Provider {
    /// Google.
    pub fn google() -> Self {
        Self {
            authorization_url: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
            device_url: Some("https://oauth2.googleapis.com/device/code".to_owned()),
            token_url: "https://oauth2.googleapis.com/token".to_owned(),
            scopes: vec!["https://mail.google.com/".to_owned()],
        }
    }

    /// Microsoft; `tenant` is `common`, `consumers`, `organizations` or the id of one.
    pub fn microsoft(tenant: &str) -> Self {
        let endpoint = |name: &str| format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{name}");
        Self {
            authorization_url: endpoint("authorize"),
            device_url: Some(endpoint("devicecode")),
            token_url: endpoint("token"),
            scopes: ["https://outlook.office.com/POP.AccessAsUser.All", "offline_access"].map(str::to_owned).to_vec(),
        }
    }
}

impl Tokens {
    /// The login of this account; nothing is read before it is asked for.
    pub const fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

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
            Self::Login(tokens) => {
                Err(Error::LoginNeeded(format!("nobody has logged in for {}", tokens.settings.account)))
            }
        }
    }
}
