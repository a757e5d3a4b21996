//! Logging in, once, with a person at hand (`tributary oauth`).

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use super::client::{self, Failure};
use super::file::{self, Login};
use super::http::{Http, HttpError, TIMEOUT};
use super::tokens::{blocking, lock};
use super::{Error, Flow, Settings, browser, device};

/// How long a person may take in the browser.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prompt {
    /// To open the address on any device and type the code.
    Device {
        /// Where.
        url: String,
        /// What to type.
        code: String,
        /// The address with the code in it.
        complete: Option<String>,
        /// How long the code is good.
        expires_in: Duration,
    },
    /// To open the address in a browser on this machine; or elsewhere, and to paste where it leads to.
    Browser {
        /// Where.
        url: String,
    },
    /// A remark.
    Note(String),
}

/// What a login is made with; the default is for a person at a terminal.
pub struct Options {
    /// An answer of the provider that takes longer is given up.
    pub timeout: Duration,
    /// How long a person may take in the browser. A device code says itself how long it is good.
    pub patience: Duration,
    /// Lines that the person pastes: the address that the browser was sent to.
    pub pasted: Option<mpsc::Receiver<String>>,
    /// Waits between two questions whether the person has logged in on the device.
    pub wait: Wait,
}

/// Waits for so long.
pub type Wait = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT,
            patience: PATIENCE,
            pasted: None,
            wait: Arc::new(|time| Box::pin(tokio::time::sleep(time))),
        }
    }
}

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The scopes, as the provider names them.
    pub scopes: Vec<String>,
    /// Those that were asked for and are not among them, other than `offline_access`, which providers do not repeat.
    pub missing: Vec<String>,
    /// When the first access token ends.
    pub expires: Option<SystemTime>,
    /// Whether the login goes on after that.
    pub renewable: bool,
}

/// Why nobody is logged in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The person said no, or the provider on their behalf.
    #[error("the login was denied ({0})")]
    Denied(String),
    /// Nobody logged in in time.
    #[error("nobody has logged in in time; start again")]
    Expired,
    /// The provider does not want this client, flow or scope.
    #[error("the provider refuses: {0}")]
    Refused(String),
    /// Trouble that may pass.
    #[error("{0}")]
    Unavailable(String),
    /// The login went well but cannot be kept.
    #[error("{0}")]
    NotSaved(String),
}

impl From<Failure> for LoginError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { code, text } => match code.as_str() {
                // The second is Microsoft's.
                "access_denied" | "authorization_declined" => Self::Denied(text),
                "expired_token" => Self::Expired,
                _ => Self::Refused(text),
            },
            Failure::Trouble(reason) | Failure::Nonsense(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<HttpError> for LoginError {
    fn from(error: HttpError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Logs in and keeps the login in the account's file, where a running service finds it. A provider that has no device
/// flow for this client or scope is asked again by way of the browser.
pub async fn log_in(
    settings: &Settings,
    mut options: Options,
    say: &(dyn Fn(Prompt) + Send + Sync),
) -> Result<Grant, LoginError> {
    let http = Http::new(options.timeout).await?;
    let by_device = match settings.flow {
        Flow::Device => match device::run(settings, &http, &options, say).await {
            Ok(answer) => Some(answer),
            Err(device::Error::NoDeviceFlow(reason)) => {
                say(Prompt::Note(format!(
                    "the provider gives no device code ({reason}); trying the browser instead: \
                     `flow: browser` in the configuration does so at once"
                )));
                None
            }
            Err(device::Error::Login(error)) => return Err(error),
        },
        Flow::Browser => None,
    };
    let answer = match by_device {
        Some(answer) => answer,
        None => browser::run(settings, &http, &mut options, say).await?,
    };
    let login = client::granted(&answer, None, settings, SystemTime::now())?;
    let grant = grant(&login, settings);
    save(settings, login).await.map_err(|error| LoginError::NotSaved(error.to_string()))?;
    Ok(grant)
}

/// Not while a running service renews the login that was there: it would put its own in the place of this one.
async fn save(settings: &Settings, login: Login) -> Result<(), Error> {
    let _lock = lock(&settings.file).await?;
    let settings = settings.clone();
    blocking(move || file::save(&settings, &login).map(|_| ())).await
}

fn grant(login: &Login, settings: &Settings) -> Grant {
    let missing = |scope: &&String| *scope != "offline_access" && !login.scopes.contains(scope);
    Grant {
        missing: settings.provider.scopes.iter().filter(missing).cloned().collect(),
        scopes: login.scopes.clone(),
        expires: login.expires,
        renewable: login.refresh.is_some(),
    }
}
