//! HTTP to the provider: TLS with the system's authorities, no redirects, every answer bounded in time and length.

use std::pin::Pin;
use std::time::Duration;

use oauth2::http::StatusCode;
use oauth2::url::Url;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::outbound;

/// The longest answer, in octets: tokens are a few kilobytes.
const MAX_BODY: usize = 64 * 1024;

/// An answer that takes longer is given up.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer to go by. Holds no secret: these stand in bodies and headers, never in addresses.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The address is not one that secrets may be sent to.
    #[error("{0}")]
    Endpoint(String),
    /// No connection, no trust, or no answer in time.
    #[error("cannot reach {host}: {reason}")]
    Transport {
        /// Whom.
        host: String,
        /// Why.
        reason: String,
    },
    /// The server is in trouble.
    #[error("{host} answered {status}")]
    Trouble {
        /// Who.
        host: String,
        /// 5xx; or 3xx, since a request with secrets in it is not sent on to somewhere else.
        status: StatusCode,
    },
    /// Longer than any real one.
    #[error("the answer of {0} is longer than {MAX_BODY} octets")]
    TooLong(String),
}

/// The address, if secrets may be sent to it: https, or http to this machine itself.
pub(super) fn endpoint(text: &str) -> Result<Url, HttpError> {
    let bad = |why: &str| HttpError::Endpoint(format!("{text}: {why}"));
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not repeated: it has a password in it.
        return Err(HttpError::Endpoint("the address of a provider has a login in it".to_owned()));
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some(_)) if outbound::is_at_home(&url) => Ok(url),
        _ => Err(bad("must begin with https:// (http:// only for this machine itself)")),
    }
}

/// A client for a few requests; connections are not kept, since the next is due in an hour.
#[derive(Clone)]
pub(super) struct Http {
    /// By way of the environment's proxy, if it names one.
    abroad: reqwest::Client,
    /// For requests to this machine itself, which must not leave it.
    at_home: reqwest::Client,
}

impl Http {
    /// Reads the system's authorities each time, so that a change of them is seen.
    pub(super) async fn new(timeout: Duration) -> Result<Self, HttpError> {
        let config = outbound::tls_config().await.map_err(HttpError::Endpoint)?;
        let client = || outbound::client(config.clone(), timeout).pool_max_idle_per_host(0);
        let failed = |error: reqwest::Error| HttpError::Endpoint(format!("cannot set up TLS: {error}"));
        Ok(Self { abroad: client().build().map_err(failed)?, at_home: client().no_proxy().build().map_err(failed)? })
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = endpoint(&request.uri().to_string())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let failed =
            |error: reqwest::Error| HttpError::Transport { host: host.clone(), reason: outbound::reason(&error) };
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let client = if url.scheme() == "https" { &self.abroad } else { &self.at_home };
        let mut response = client.execute(request).await.map_err(failed)?;
        let status = response.status();
        if status.is_server_error() || status.is_redirection() {
            return Err(HttpError::Trouble { host, status });
        }
        let content_type = response.headers().get(oauth2::http::header::CONTENT_TYPE).cloned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(HttpError::TooLong(host));
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = HttpResponse::new(if status.is_success() { body } else { with_error(body) });
        *answer.status_mut() = status;
        if let Some(content_type) = content_type {
            answer.headers_mut().insert(oauth2::http::header::CONTENT_TYPE, content_type);
        }
        Ok(answer)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Google's device endpoint names some errors in `error_code` instead of `error` (RFC 6749 section 5.2).
fn with_error(body: Vec<u8>) -> Vec<u8> {
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_slice(&body) else { return body };
    match fields.get("error_code") {
        Some(code @ serde_json::Value::String(_)) if !fields.contains_key("error") => {
            let code = code.clone();
            fields.insert("error".to_owned(), code);
            serde_json::to_vec(&fields).unwrap_or(body)
        }
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_https_or_to_this_machine() {
        for good in [
            "https://login.example/token",
            "https://127.0.0.1/token",
            "http://localhost:1/token",
            "http://127.0.0.1:1/",
            "http://127.9.9.9/",
            "http://[::1]:1/",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "token",
            "http://login.example/token",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "http://10.0.0.1/",
            "http://[::2]/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "https://user@login.example/",
            "https://user:hunter2@login.example/",
        ] {
            let error = endpoint(bad).expect_err(bad).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn error_codes_of_google_are_errors() {
        let fixed = with_error(br#"{"error_code":"rate_limit_exceeded"}"#.to_vec());
        let fixed: serde_json::Value = serde_json::from_slice(&fixed).expect("JSON");
        assert_eq!(fixed["error"], "rate_limit_exceeded");
        for same in [r#"{"error":"a","error_code":"b"}"#, r#"{"error_code":1}"#, "[]", "<html>", ""] {
            assert_eq!(with_error(same.as_bytes().to_vec()), same.as_bytes());
        }
    }
}
