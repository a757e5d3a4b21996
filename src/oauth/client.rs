//! The client as the provider knows it, and the provider's answers in our words.

use std::time::{Duration, SystemTime};

use oauth2::basic::{BasicClient, BasicTokenResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthUrl, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ErrorResponseType, RequestTokenError,
    StandardErrorResponse, TokenResponse, TokenUrl,
};

use super::Settings;
use super::file::Login;
use super::http::{HttpError, endpoint};
use crate::secret::Secret;

/// The longest word of a provider that is shown to people, in characters.
const MAX_SHOWN: usize = 300;

/// No token lives longer than ten years, whatever the provider says.
const MAX_LIFETIME: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// Errors that pass by themselves (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5, and Google's own).
const PASSING: [&str; 5] =
    ["temporarily_unavailable", "server_error", "slow_down", "rate_limit_exceeded", "internal_failure"];

pub(super) type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Why the provider gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It says no.
    Refused {
        /// `invalid_grant`, say.
        code: String,
        /// Code and explanation, for people.
        text: String,
    },
    /// Trouble that may pass.
    Trouble(String),
    /// An answer that is not one of OAuth 2.0.
    Nonsense(String),
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::Trouble(error.to_string())
    }
}

/// Client id and secret go into the body (RFC 6749 section 2.3.1): Google and Microsoft document it so, and public
/// clients have no other way.
pub(super) fn client(settings: &Settings) -> Result<Client, HttpError> {
    let provider = &settings.provider;
    let client = BasicClient::new(ClientId::new(settings.client_id.clone()))
        .set_auth_uri(AuthUrl::from_url(endpoint(&provider.authorization_url)?))
        .set_token_uri(TokenUrl::from_url(endpoint(&provider.token_url)?))
        .set_auth_type(AuthType::RequestBody);
    Ok(match &settings.client_secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
        None => client,
    })
}

/// What was given, at `now`; what the answer leaves out is as it was before, or as it was asked for.
pub(super) fn granted(
    answer: &BasicTokenResponse,
    before: Option<&Login>,
    settings: &Settings,
    now: SystemTime,
) -> Result<Login, Failure> {
    let unusable = |what: &str| Failure::Trouble(format!("the provider's answer has no usable {what}"));
    // A token is printable (RFC 6749 appendix A.12); anything else would break the line it is sent in.
    let printable = |text: &str| !text.is_empty() && text.bytes().all(|octet| (0x20..=0x7e).contains(&octet));
    if *answer.token_type() != BasicTokenType::Bearer {
        return Err(unusable("bearer token"));
    }
    let access = answer.access_token().secret();
    if !printable(access) {
        return Err(unusable("access token"));
    }
    let refresh = match answer.refresh_token() {
        Some(token) if printable(token.secret()) => Some(Secret::new(token.secret().clone())),
        Some(_) => return Err(unusable("refresh token")),
        None => before.and_then(|login| login.refresh.clone()),
    };
    let lifetime = answer.expires_in().map(|lifetime| lifetime.min(MAX_LIFETIME));
    let scopes = match answer.scopes() {
        Some(scopes) => scopes.iter().map(|scope| shown(scope, settings)).collect(),
        None => before.map_or_else(|| settings.provider.scopes.clone(), |login| login.scopes.clone()),
    };
    Ok(Login {
        access: Secret::new(access.clone()),
        refresh,
        expires: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
        lifetime,
        scopes,
    })
}

/// The provider's error in our words.
pub(super) fn failure<T>(error: RequestTokenError<HttpError, StandardErrorResponse<T>>, settings: &Settings) -> Failure
where
    T: ErrorResponseType + AsRef<str> + std::fmt::Display + 'static,
{
    match error {
        RequestTokenError::ServerResponse(answer) => {
            let code = answer.error().as_ref().to_owned();
            let mut text = shown(&code, settings);
            if let Some(description) = answer.error_description() {
                text = format!("{text}: {}", shown(description, settings));
            }
            if PASSING.contains(&code.as_str()) { Failure::Trouble(text) } else { Failure::Refused { code, text } }
        }
        RequestTokenError::Request(error) => error.into(),
        // The answer itself is not shown: it may have tokens in it.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Failure::Nonsense("the provider's answer is not one of OAuth 2.0".to_owned())
        }
    }
}

/// The provider's text for a terminal and a log: one line, bounded, without the client's secret.
pub(super) fn shown(text: &str, settings: &Settings) -> String {
    let text = match &settings.client_secret {
        Some(secret) if !secret.expose().is_empty() => text.replace(secret.expose(), "***"),
        _ => text.to_owned(),
    };
    let mut short: String = text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{Flow, Provider};

    fn settings() -> Settings {
        Settings {
            account: "u/a".to_owned(),
            username: "u@example.com".to_owned(),
            provider: Provider::google(),
            client_id: "id".to_owned(),
            client_secret: Some(Secret::new("hunter2")),
            flow: Flow::Device,
            file: "x".into(),
        }
    }

    fn given(json: &str, before: Option<&Login>) -> Result<Login, Failure> {
        let answer: BasicTokenResponse = serde_json::from_str(json).expect("an answer");
        granted(&answer, before, &settings(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn what_an_answer_leaves_out_stays_as_it_was() {
        let all = r#"{"access_token":"a","token_type":"Bearer","expires_in":60,"refresh_token":"r","scope":"x y"}"#;
        let first = given(all, None).expect("granted");
        assert_eq!(first.scopes, ["x", "y"]);
        let second = given(r#"{"access_token":"b","token_type":"bearer"}"#, Some(&first)).expect("granted");
        assert_eq!(second.access.expose(), "b");
        assert_eq!(second.refresh.expect("kept").expose(), "r");
        assert_eq!((second.expires, second.scopes), (None, first.scopes));
        let asked = given(r#"{"access_token":"b","token_type":"bearer"}"#, None).expect("granted");
        assert_eq!(asked.scopes, Provider::google().scopes);
    }

    #[test]
    fn tokens_that_are_not_one_printable_line_are_refused() {
        for bad in [
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a\r\nb","token_type":"Bearer"}"#,
            r#"{"access_token":"a\u0001","token_type":"Bearer"}"#,
            r#"{"access_token":"a","token_type":"Bearer","refresh_token":"\n"}"#,
            r#"{"access_token":"a","token_type":"mac"}"#,
        ] {
            assert!(matches!(given(bad, None), Err(Failure::Trouble(_))), "{bad}");
        }
    }

    #[test]
    fn an_absurd_lifetime_is_cut() {
        let json = format!(r#"{{"access_token":"a","token_type":"Bearer","expires_in":{}}}"#, u64::MAX);
        let login = given(&json, None).expect("granted");
        assert_eq!(login.expires, Some(SystemTime::UNIX_EPOCH + MAX_LIFETIME));
    }

    #[test]
    fn words_of_a_provider_are_one_short_line_without_our_secret() {
        let settings = settings();
        assert_eq!(shown("a\r\n\x1b[2Jb hunter2", &settings), "a   [2Jb ***");
        assert_eq!(shown(&"x".repeat(MAX_SHOWN), &settings), "x".repeat(MAX_SHOWN));
        assert_eq!(shown(&"x".repeat(MAX_SHOWN + 1), &settings), format!("{}...", "x".repeat(MAX_SHOWN)));
    }
}
