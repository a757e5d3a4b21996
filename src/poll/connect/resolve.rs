//! Host names to addresses, by the system's resolver.

use std::io;
use std::net::SocketAddr;

use tokio::time::{Instant, timeout_at};

use super::Error;

/// What the resolver's texts begin with, in the words of the standard library.
const PREFIX: &str = "failed to lookup address information: ";

/// The host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

/// `host:port`, with brackets where they are needed to tell the two apart.
pub(super) fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The addresses in the order of the resolver (RFC 6724), at least one.
pub(super) async fn addresses<I>(
    host: &str,
    lookup: impl Future<Output = io::Result<I>>,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, Error>
where
    I: Iterator<Item = SocketAddr>,
{
    let failed = |reason: String| Error::Dns { host: host.to_owned(), reason };
    match timeout_at(deadline, lookup).await {
        Ok(Ok(found)) => {
            let found: Vec<_> = found.collect();
            if found.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(found) }
        }
        Ok(Err(error)) => Err(failed(explained(&error))),
        Err(_) => Err(failed("the resolver does not answer in time".to_owned())),
    }
}

/// The resolver's words, and whether it is the name that is wrong or the resolver that does not work. The system tells
/// the two apart by text only: those of glibc and of musl are known.
fn explained(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.strip_prefix(PREFIX).unwrap_or(&text);
    let meaning = match words {
        "Name or service not known" | "Name does not resolve" => "there is no such name",
        "No address associated with hostname" | "Name has no usable address" => "it has no address",
        "Temporary failure in name resolution" | "Try again" => "the resolver cannot answer for now",
        "Non-recoverable failure in name resolution" | "Non-recoverable error" => "the resolver fails",
        _ => return words.to_owned(),
    };
    format!("{meaning} ({words})")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn brackets_come_off_addresses_only() {
        for (host, expected) in
            [("[::1]", "::1"), ("::1", "::1"), ("mail.example", "mail.example"), ("[x", "[x"), ("", "")]
        {
            assert_eq!(bare(host), expected);
        }
        assert_eq!(host_port("::1", 995), "[::1]:995");
        assert_eq!(host_port("mail.example", 995), "mail.example:995");
    }

    #[test]
    fn a_wrong_name_is_told_from_a_resolver_that_does_not_work() {
        let told = |words: &str| explained(&io::Error::other(format!("{PREFIX}{words}")));
        for words in ["Name or service not known", "Name does not resolve"] {
            assert_eq!(told(words), format!("there is no such name ({words})"));
        }
        for words in ["Temporary failure in name resolution", "Try again"] {
            assert_eq!(told(words), format!("the resolver cannot answer for now ({words})"));
        }
        for words in ["No address associated with hostname", "Name has no usable address"] {
            assert_eq!(told(words), format!("it has no address ({words})"));
        }
        assert_eq!(told("Something else"), "Something else");
        assert_eq!(explained(&io::Error::other("odd")), "odd");
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_hangs_is_given_up_at_the_deadline() {
        let started = Instant::now();
        let deadline = started + Duration::from_secs(30);
        let never = std::future::pending::<io::Result<std::vec::IntoIter<SocketAddr>>>();
        let error = addresses("mail.example", never, deadline).await.expect_err("no answer");
        assert_eq!(error.to_string(), "cannot resolve mail.example: the resolver does not answer in time");
        assert_eq!(started.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_no_host() {
        let nothing = std::future::ready(Ok(std::iter::empty()));
        let deadline = Instant::now() + Duration::from_secs(30);
        let error = addresses("mail.example", nothing, deadline).await.expect_err("no address");
        assert_eq!(error.result().label(), "dns");
    }
}
