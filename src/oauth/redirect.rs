//! The end of the browser's way: a listener on loopback for one redirect, or the same address pasted by hand.
//!
//! Anything on this machine can connect, and any page can make the browser do so: only a redirect with the state of this
//! login counts, everything else is answered and forgotten.

use std::collections::HashMap;
use std::time::Duration;

use oauth2::url::{Url, form_urlencoded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::login::Prompt;

/// The longest request, in octets, and the longest line that is pasted.
const MAX_REQUEST: usize = 8 * 1024;

/// A browser opens some in advance and leaves them idle.
const MAX_CONNECTIONS: usize = 16;

/// A connection that takes longer to ask is closed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the provider sent the browser back with (RFC 6749 section 4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// To be exchanged for tokens.
    Code(String),
    /// The login has failed.
    Error {
        /// `access_denied`, say.
        code: String,
        /// May be empty.
        description: String,
    },
}

/// Waits for the redirect with this state. Cancel-safe in that dropping it closes all connections.
pub(super) async fn wait(
    listener: &TcpListener,
    state: &str,
    pasted: &mut Option<mpsc::Receiver<String>>,
    say: &(dyn Fn(Prompt) + Send + Sync),
) -> Redirect {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let state = state.to_owned();
                    connections.spawn(async move { serve(stream, &state).await });
                }
                // No descriptors left, or the peer has gone: not in a tight loop.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(served) = connections.join_next() => if let Ok(Some(redirect)) = served {
                return redirect;
            },
            line = next_line(pasted) => match line {
                None => *pasted = None,
                Some(line) if line.trim().is_empty() => {}
                Some(line) => match from_pasted(line.trim(), state) {
                    Some(redirect) => return redirect,
                    None => say(Prompt::Note(
                        "this is not the address that this login leads to: paste the whole address that the browser \
                         shows after you have agreed, it begins with http://"
                            .to_owned(),
                    )),
                },
            },
        }
    }
}

/// Never, once there is nothing more to be pasted.
async fn next_line(pasted: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match pasted {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

fn from_pasted(line: &str, state: &str) -> Option<Redirect> {
    if line.len() > MAX_REQUEST {
        return None;
    }
    from_query(Url::parse(line).ok()?.query()?, state)
}

/// The redirect in a query, if it is one of this login. A parameter that stands there twice is an error (RFC 6749
/// section 3.1).
fn from_query(query: &str, state: &str) -> Option<Redirect> {
    let mut found = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if found.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    if found.get("state").map(String::as_str) != Some(state) {
        return None;
    }
    match (found.remove("code"), found.remove("error")) {
        (Some(code), None) if !code.is_empty() => Some(Redirect::Code(code)),
        (None, Some(code)) => {
            Some(Redirect::Error { code, description: found.remove("error_description").unwrap_or_default() })
        }
        _ => None,
    }
}

/// Answers one request and closes the connection.
async fn serve(mut stream: TcpStream, state: &str) -> Option<Redirect> {
    let head = timeout(PATIENCE, read_head(&mut stream)).await.ok()?;
    let (redirect, status, page) = match head {
        Head::Whole(head) => match asked(&head, state) {
            Some(redirect @ Redirect::Code(_)) => (Some(redirect), "200 OK", "You can close this window."),
            Some(redirect) => (Some(redirect), "200 OK", "The login has failed. You can close this window."),
            None => (None, "404 Not Found", "Not found."),
        },
        Head::TooLong => (None, "431 Request Header Fields Too Large", "Too long."),
        Head::Gone => return None,
    };
    let page = format!("<!doctype html><meta charset=utf-8><title>Tributary</title><p>{page}</p>\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    // A browser that does not listen changes nothing about the login.
    let _ = timeout(PATIENCE, async {
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
        if redirect.is_none() {
            // What is unread at the end would make the answer be dropped on its way.
            let _ = tokio::io::copy(&mut stream.take(MAX_REQUEST as u64 * 8), &mut tokio::io::sink()).await;
        }
    })
    .await;
    redirect
}

enum Head {
    Whole(Vec<u8>),
    TooLong,
    Gone,
}

async fn read_head(stream: &mut TcpStream) -> Head {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => head.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            _ => return Head::Gone,
        }
        let end = head.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        match end {
            Some(end) if end <= MAX_REQUEST => {
                head.truncate(end);
                return Head::Whole(head);
            }
            None if head.len() < MAX_REQUEST => {}
            _ => return Head::TooLong,
        }
    }
}

/// The redirect that `GET /?... HTTP/1.1` brings.
fn asked(head: &[u8], state: &str) -> Option<Redirect> {
    let line = head.split(|octet| *octet == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (Some("GET"), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return None;
    };
    let query = target.strip_prefix("/?")?;
    if version.starts_with("HTTP/1.") { from_query(query, state) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_redirect_of_this_login_counts() {
        let code = Some(Redirect::Code("c/1".to_owned()));
        assert_eq!(from_query("code=c%2F1&state=s", "s"), code);
        assert_eq!(from_query("state=s&scope=a+b&code=c%2F1&iss=x", "s"), code);
        for other in [
            "",
            "code=c",
            "code=c&state=t",
            "state=s",
            "code=&state=s",
            "code=c&code=d&state=s",
            "code=c&error=e&state=s",
        ] {
            assert_eq!(from_query(other, "s"), None, "{other}");
        }
        let denied = Redirect::Error { code: "access_denied".to_owned(), description: "no way".to_owned() };
        assert_eq!(from_query("error=access_denied&error_description=no+way&state=s", "s"), Some(denied));
        assert_eq!(from_query("error=access_denied&state=t", "s"), None);
    }

    #[test]
    fn only_a_get_of_the_root_is_a_redirect() {
        let asked = |line: &str| asked(format!("{line}\r\nHost: x\r\n\r\n").as_bytes(), "s");
        assert!(asked("GET /?code=c&state=s HTTP/1.1").is_some());
        for other in [
            "POST /?code=c&state=s HTTP/1.1",
            "GET /x?code=c&state=s HTTP/1.1",
            "GET /favicon.ico HTTP/1.1",
            "GET /?code=c&state=s",
            "GET /?code=c&state=s HTTP/2",
            "GET /?code=c&state=s HTTP/1.1 x",
            "",
        ] {
            assert_eq!(asked(other), None, "{other}");
        }
    }

    #[test]
    fn a_pasted_address_may_begin_with_anything_but_must_be_one() {
        let code = Some(Redirect::Code("c".to_owned()));
        assert_eq!(from_pasted("http://127.0.0.1:1234/?code=c&state=s", "s"), code);
        assert_eq!(from_pasted("http://localhost:1234?state=s&code=c#", "s"), code);
        assert_eq!(from_pasted("c", "s"), None);
        let long = |length: usize| {
            let start = "http://127.0.0.1:1/?code=c&state=s&x=";
            format!("{start}{}", "x".repeat(length - start.len()))
        };
        assert_eq!(from_pasted(&long(MAX_REQUEST), "s"), code);
        assert_eq!(from_pasted(&long(MAX_REQUEST + 1), "s"), None);
    }
}
