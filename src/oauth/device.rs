//! Login with a code on any other device (RFC 8628).

use std::time::Duration;

use oauth2::basic::BasicTokenResponse;
use oauth2::{DeviceAuthorizationUrl, Scope, StandardDeviceAuthorizationResponse};

use super::Settings;
use super::client::{self, Failure, shown};
use super::http::{Http, endpoint};
use super::login::{LoginError, Options, Prompt};

/// The longest time between two questions that a provider may ask for; and the longest that a code may be good.
const MAX_INTERVAL: Duration = Duration::from_secs(5 * 60);
const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// Between two questions while the provider cannot be reached.
const BACK_OFF: Duration = Duration::from_secs(60);

/// Answers that mean: not for this client, or not for this scope. Anything else may be said by the browser's way too.
const NO_DEVICE_FLOW: [&str; 3] = ["unauthorized_client", "unsupported_grant_type", "invalid_scope"];

pub(super) enum Error {
    /// The provider has no device flow for us; that of the browser may do.
    NoDeviceFlow(String),
    Login(LoginError),
}

impl<E: Into<LoginError>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Login(error.into())
    }
}

pub(super) async fn run(
    settings: &Settings,
    http: &Http,
    options: &Options,
    say: &(dyn Fn(Prompt) + Send + Sync),
) -> Result<BasicTokenResponse, Error> {
    let Some(device_url) = &settings.provider.device_url else {
        return Err(Error::NoDeviceFlow("it has no device endpoint".to_owned()));
    };
    let device_url = DeviceAuthorizationUrl::from_url(endpoint(device_url)?);
    let client = client::client(settings)?.set_device_authorization_url(device_url);
    let scopes = settings.provider.scopes.iter().cloned().map(Scope::new);
    let asked = client.exchange_device_code().add_scopes(scopes).request_async(http).await;
    let device: StandardDeviceAuthorizationResponse =
        asked.map_err(|error| match client::failure(error, settings) {
            // Whatever the endpoint refuses, or says that is not OAuth, there is no code to go on with.
            Failure::Refused { text, .. } | Failure::Nonsense(text) => Error::NoDeviceFlow(text),
            trouble @ Failure::Trouble(_) => trouble.into(),
        })?;
    if device.interval() > MAX_INTERVAL {
        return Err(LoginError::Unavailable("the provider wants to be asked too seldom".to_owned()).into());
    }
    let lifetime = device.expires_in().min(MAX_LIFETIME);
    say(Prompt::Device {
        url: shown(device.verification_uri().url().as_str(), settings),
        code: shown(device.user_code().secret(), settings),
        complete: device.verification_uri_complete().map(|url| shown(url.secret(), settings)),
        expires_in: lifetime,
    });
    // The first question is due after one interval as well (RFC 8628 section 3.3).
    (options.wait)(device.interval()).await;
    let answer = client
        .exchange_device_access_token(&device)
        .set_max_backoff_interval(BACK_OFF)
        .request_async(http, |time| (options.wait)(time), Some(lifetime))
        .await;
    answer.map_err(|error| match client::failure(error, settings) {
        Failure::Refused { code, text } if NO_DEVICE_FLOW.contains(&code.as_str()) => Error::NoDeviceFlow(text),
        other => other.into(),
    })
}
