//! One request to a webhook.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};

use super::super::incident::unix;
use super::message::Message;
use super::sign::Key;
use crate::outbound;

/// From the connection to the last octet of the answer that is read.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Octets of the answer that are read, so that the connection can be used again; what they say does not matter.
const MAX_BODY: usize = 16 * 1024;

/// The longest silence that a receiver can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it.
    Done,
    /// The receiver never wants to hear anything again: 410.
    Gone,
    /// It is to be sent again, after such a time if the receiver has said so.
    Failed { why: String, after: Option<Duration> },
}

/// A client for this URL.
pub(super) async fn client(url: &Url) -> Result<Client, String> {
    let builder = outbound::client(outbound::tls_config().await?, TIMEOUT).pool_max_idle_per_host(1);
    let builder = if outbound::is_at_home(url) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| outbound::reason(&error))
}

/// Sends it, signed now.
pub(super) async fn send(client: &Client, url: Url, key: &Key, message: Message) -> Outcome {
    let now = SystemTime::now();
    let timestamp = unix(now);
    let signature = key.sign(&message.id, timestamp, &message.body);
    let request = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", message.id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signature)
        .body(message.body);
    match request.send().await {
        Ok(response) => outcome(response, now).await,
        Err(error) => Outcome::Failed { why: outbound::reason(&error), after: None },
    }
}

async fn outcome(mut response: Response, now: SystemTime) -> Outcome {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_BODY {
            break;
        }
    }
    if status.is_success() {
        return Outcome::Done;
    }
    match status {
        StatusCode::GONE => Outcome::Gone,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Outcome::Failed { why: status.to_string(), after: after.and_then(|after| retry_after(&after, now)) }
        }
        status => Outcome::Failed { why: status.to_string(), after: None },
    }
}

/// Seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
            SystemTime::from(at.timestamp()).duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn silence_is_asked_for_in_seconds_or_until_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("86400", Some(86_400)),
            ("86401", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:47:37 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", None),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let want = if text.contains("2094") { Some(MAX_RETRY_AFTER) } else { seconds.map(Duration::from_secs) };
            // A date with a wrong day of the week is none.
            let found = retry_after(&text.replace("Sun, 06 Nov 2094", "06 Nov 2094"), now);
            assert_eq!(found, want, "{text}");
        }
    }
}
