//! Login in a browser on this machine (RFC 8252), with PKCE (RFC 7636).

use std::net::Ipv4Addr;

use oauth2::basic::BasicTokenResponse;
use oauth2::{AuthorizationCode, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope};
use tokio::net::TcpListener;

use super::client;
use super::http::Http;
use super::login::{LoginError, Options, Prompt};
use super::redirect::{self, Redirect};
use super::{Settings, client::shown};

pub(super) async fn run(
    settings: &Settings,
    http: &Http,
    options: &mut Options,
    say: &(dyn Fn(Prompt) + Send + Sync),
) -> Result<BasicTokenResponse, LoginError> {
    let client = client::client(settings)?;
    let cannot = |error: std::io::Error| LoginError::Unavailable(format!("cannot listen on 127.0.0.1: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(cannot)?;
    let port = listener.local_addr().map_err(cannot)?.port();
    let redirect = RedirectUrl::new(format!("http://{}:{port}", redirect_host(settings)));
    let redirect = redirect.map_err(|error| LoginError::Unavailable(error.to_string()))?;
    let client = client.set_redirect_uri(redirect);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client
        .authorize_url(CsrfToken::new_random)
        .add_scopes(settings.provider.scopes.iter().cloned().map(Scope::new))
        .set_pkce_challenge(challenge)
        .add_extra_param("login_hint", settings.username.as_str());
    if is_at(settings, "accounts.google.com") {
        // Without these Google gives no refresh token, or only at the first login.
        request = request.add_extra_param("access_type", "offline").add_extra_param("prompt", "consent");
    }
    let (url, state) = request.url();
    say(Prompt::Browser { url: url.to_string() });
    let waiting = redirect::wait(&listener, state.secret(), &mut options.pasted, say);
    let redirected = tokio::time::timeout(options.patience, waiting).await.map_err(|_| LoginError::Expired)?;
    drop(listener);
    let code = match redirected {
        Redirect::Code(code) => AuthorizationCode::new(code),
        Redirect::Error { code, description } => {
            let text = shown(&format!("{code}: {description}"), settings);
            let text = text.trim_end_matches([':', ' ']).to_owned();
            let denied = code == "access_denied";
            return Err(if denied { LoginError::Denied(text) } else { LoginError::Refused(text) });
        }
    };
    let answer = client.exchange_code(code).set_pkce_verifier(verifier).request_async(http).await;
    Ok(answer.map_err(|error| client::failure(error, settings))?)
}

/// RFC 8252 section 8.3 prefers the address, as Google does; Microsoft takes any port of `localhost` only.
fn redirect_host(settings: &Settings) -> &'static str {
    if is_at(settings, "login.microsoftonline.com") { "localhost" } else { "127.0.0.1" }
}

fn is_at(settings: &Settings, host: &str) -> bool {
    let url = oauth2::url::Url::parse(&settings.provider.authorization_url);
    url.is_ok_and(|url| url.host_str() == Some(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{Flow, Provider};

    #[test]
    fn the_host_of_the_redirect_is_what_the_provider_registers() {
        let settings = |provider: Provider| Settings {
            account: "u/a".to_owned(),
            username: "u@example.com".to_owned(),
            provider,
            client_id: "id".to_owned(),
            client_secret: None,
            flow: Flow::Browser,
            file: "x".into(),
        };
        assert_eq!(redirect_host(&settings(Provider::google())), "127.0.0.1");
        assert_eq!(redirect_host(&settings(Provider::microsoft("consumers"))), "localhost");
    }
}
