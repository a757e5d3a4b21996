//! HTTP to others: TLS with the system's authorities, no redirects, every answer bounded in time.

use std::error::Error as _;
use std::time::Duration;

use oauth2::url::{Host, Url};
use reqwest::ClientBuilder;
use rustls::ClientConfig;

use crate::tls;

/// Reads the system's authorities anew, so that a change of them is seen. The error is for people.
pub(crate) async fn tls_config() -> Result<ClientConfig, String> {
    let config = tokio::task::spawn_blocking(tls::client_config).await;
    let config = config.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()));
    config.map_err(|reason| format!("cannot set up TLS: {reason}"))
}

/// A client whose requests take at most so long. It follows no redirect: what it sends is for its receiver alone.
pub(crate) fn client(tls: ClientConfig, timeout: Duration) -> ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        .referer(false)
        .user_agent(concat!("tributary/", env!("CARGO_PKG_VERSION")))
}

/// Whether it is on this machine: what is sent there must not leave it by a proxy.
pub(crate) fn is_at_home(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The innermost cause, in which no URL stands: "connection refused" rather than "error sending request".
pub(crate) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    // With no cause it is reqwest's own sentence; its address says nothing more.
    if error.source().is_none() { "the request failed".to_owned() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        let at_home = |url: &str| is_at_home(&Url::parse(url).expect("URL"));
        assert!(["http://localhost/", "http://127.9.9.9:1/", "https://[::1]/"].iter().all(|url| at_home(url)));
        assert!(!["http://localhost.example/", "http://10.0.0.1/", "http://[::2]/"].iter().any(|url| at_home(url)));
    }
}
