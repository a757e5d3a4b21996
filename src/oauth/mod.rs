//! OAuth 2.0 access tokens for upstream accounts (RFC 6749, RFC 8628, RFC 8252).
//!
//! `login` makes a login once, with a person, by `device` or `browser`; `file` keeps it; `tokens` renews it from then on.
//! `program` asks a command instead. A login is saved before it is used, and goes to its own provider only.

mod browser;
mod client;
mod device;
mod file;
mod http;
mod login;
mod program;
mod redirect;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

pub use login::{Grant, LoginError, Options, Prompt, Wait, log_in};
pub use program::Program;
pub use tokens::Tokens;

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
    Command(Arc<Program>),
    /// A login that was made once and is refreshed.
    Login(Arc<Tokens>),
}

/// How an account gets its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Settings {
    fn login_needed(&self, why: &str) -> Error {
        Error::LoginNeeded(format!("{why}: run `tributary oauth {}`", self.account))
    }
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

/// The same way to tokens, whichever was got last.
impl PartialEq for TokenSource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Command(one), Self::Command(other)) => one.source() == other.source(),
            (Self::Login(one), Self::Login(other)) => one.settings() == other.settings(),
            _ => false,
        }
    }
}

impl TokenSource {
    /// Tokens that a program prints: it is run again after five minutes, or when the server refuses what it printed.
    pub fn command(source: SecretSource) -> Self {
        Self::Command(Arc::new(Program::new(source)))
    }

    /// Tokens of a login that `tributary oauth` has made, or is yet to make.
    pub fn login(settings: Settings) -> Self {
        Self::Login(Arc::new(Tokens::new(settings)))
    }

    /// A token that is valid now; `renew`: the last one was refused by the server. Callers at the same time cause one
    /// renewal. A renewal goes on when the future is dropped.
    pub async fn token(&self, renew: bool) -> Result<Token, Error> {
        match self {
            Self::Command(program) => program.token(renew).await,
            Self::Login(tokens) => tokens.token(renew).await,
        }
    }

    /// When the last access token ends, where that is known. It moves on with every renewal; one that stays in the past
    /// means that the login has ended.
    pub fn expiry(&self) -> Option<SystemTime> {
        match self {
            Self::Command(_) => None,
            Self::Login(tokens) => tokens.expiry(),
        }
    }
}
