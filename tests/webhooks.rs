//! Webhooks of the real service: what a receiver gets is checked by the reference library of Standard Webhooks.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::config::Account;
use support::dovecot::PASSWORD;
use support::server::Server;
use support::tls::Certificate;
use support::{DEADLINE, config, scratch, script, wait};
use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Pop3d, Settings};

/// Takes requests; answers 500 while it is told to, else 200.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Value>>>,
    is_down: Arc<AtomicBool>,
}

impl Receiver {
    fn start() -> Self {
        Self::start_as(None)
    }

    /// Over TLS with this certificate, if there is one.
    fn start_as(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (got, is_down) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<AtomicBool>::default());
        let (taken, down) = (Arc::clone(&got), Arc::clone(&is_down));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (taken, down, tls) = (Arc::clone(&taken), Arc::clone(&down), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &taken, &down),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config).unwrap();
                        serve(rustls::StreamOwned::new(connection, stream), &taken, &down);
                    }
                });
            }
        });
        Self { address, got, is_down }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Requests of this type so far.
    fn requests(&self, event: &str) -> Vec<Value> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|request| event_of(request)["type"] == event).cloned().collect()
    }

    /// Waits for more than so many of this type; returns the newest.
    fn after(&self, event: &str, count: usize) -> Value {
        wait::until(&format!("a request of {event}"), DEADLINE, || {
            let requests = self.requests(event);
            (requests.len() > count).then(|| requests.last().cloned()).flatten()
        })
    }
}

fn event_of(request: &Value) -> Value {
    serde_json::from_str(request["body"].as_str().unwrap()).unwrap()
}

fn serve(stream: impl Read + Write, taken: &Mutex<Vec<Value>>, down: &AtomicBool) {
    let mut input = BufReader::new(stream);
    loop {
        let mut headers = serde_json::Map::new();
        let mut line = String::new();
        if input.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        assert_eq!(line, "POST /hook HTTP/1.1\r\n");
        loop {
            line.clear();
            input.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), json!(value));
        }
        let length = headers["content-length"].as_str().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        input.read_exact(&mut body).unwrap();
        taken.lock().unwrap().push(json!({ "headers": headers, "body": String::from_utf8(body).unwrap() }));
        let status = if down.load(Ordering::SeqCst) { "500 Down" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let output = input.get_mut();
        if output.write_all(answer.as_bytes()).and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

fn maildrop(runtime: &Runtime, listen: SocketAddr) -> Pop3d {
    let settings = Settings { listen, username: "up".to_owned(), password: PASSWORD.to_owned(), ..Settings::default() };
    runtime.block_on(Pop3d::start(settings)).unwrap()
}

/// An address that nobody listens on.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn yaml(dir: &Path, accounts: &[Account], webhooks: &str) -> String {
    config::yaml(dir, accounts) + "webhooks:\n" + webhooks
}

fn verify(secret: &str, requests: &[Value]) {
    if script::have_module("standardwebhooks") {
        script::run("webhook_verify", &json!({ "secret": secret, "requests": requests }));
    }
}

#[test]
fn a_receiver_hears_of_failure_recovery_and_new_mail_and_can_check_it() {
    let (dir, runtime, receiver) = (scratch(), Runtime::new().unwrap(), Receiver::start());
    let address = closed();
    let hooks =
        format!("  - url: {url}\n  - url: {url}\n    events: [new_mail]\n    secret: any text\n", url = receiver.url());
    receiver.is_down.store(true, Ordering::SeqCst);
    let server = Server::start(dir.path(), &yaml(dir.path(), &[Account::new("isp", address, "up")], &hooks));
    // It fails for some polls; the receiver is down, and then the service is killed.
    let told = receiver.after("failure", 0);
    let failure = event_of(&told);
    assert_eq!((&failure["data"]["user"], &failure["data"]["account"]), (&json!("robin"), &json!("robin/isp")));
    assert_eq!((&failure["data"]["result"], &failure["data"]["host"]), (&json!("connect"), &json!("127.0.0.1")));
    assert!(failure["data"]["failures"].as_u64().unwrap() >= 3, "{failure}");
    let server = server.restart_after_kill();
    receiver.is_down.store(false, Ordering::SeqCst);
    let before = receiver.requests("failure").len();
    let again = if before > 1 { receiver.requests("failure").remove(1) } else { receiver.after("failure", 1) };
    assert_eq!(again["headers"]["webhook-id"], told["headers"]["webhook-id"], "the same, told again");
    assert_eq!(again["body"], told["body"]);
    // The maildrop is back, with two messages.
    let pop3d = maildrop(&runtime, address);
    for id in ["a", "b"] {
        pop3d.deliver(id, format!("Subject: private {id}\r\nFrom: somebody@example.org\r\n\r\nhello\r\n").into_bytes());
    }
    let recovery = event_of(&receiver.after("recovery", 0));
    assert_eq!(recovery["data"]["since"], failure["data"]["since"]);
    assert!(recovery["data"]["seconds"].as_u64().unwrap() > 0, "{recovery}");
    receiver.after("new_mail", 1);
    let mails = receiver.requests("new_mail");
    let fetched: u64 = mails.iter().map(|mail| event_of(mail)["data"]["messages"].as_u64().unwrap()).sum();
    assert!(fetched >= 2, "each webhook hears of both: {mails:?}");
    let got = receiver.got.lock().unwrap().clone();
    for secret in ["private", "somebody", PASSWORD] {
        assert!(!json!(got).to_string().contains(secret), "{secret}");
    }
    wait::until("every request is counted", DEADLINE, || {
        let sum = |result| server.metrics().sum("tributary_webhook_deliveries_total", &[("result", result)]);
        (sum("ok") >= 3.0 && sum("failed") + sum("dropped") == 0.0).then_some(())
    });
    // The first has the secret that was made, the second its own.
    let file = dir.path().join("data/webhook.secret");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let made = std::fs::read_to_string(file).unwrap().trim().to_owned();
    let signed_by_own = |request: &Value| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"any text");
        let header = |name: &str| request["headers"][name].as_str().unwrap().to_owned();
        let text =
            format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), request["body"].as_str().unwrap());
        let tag = ring::hmac::sign(&key, text.as_bytes());
        use base64::Engine as _;
        header("webhook-signature") == format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag))
    };
    let (own, by_made): (Vec<Value>, Vec<Value>) = got.into_iter().partition(signed_by_own);
    assert!(own.iter().all(|request| event_of(request)["type"] == "new_mail"));
    verify(&made, &by_made);
    verify("any text", &own);
    assert!(server.stop().success());
    assert!(!dir.path().join("data/webhooks").read_dir().unwrap().any(|_| true), "nothing is left to be told");
}

#[test]
fn a_receiver_behind_tls_is_told_only_if_its_certificate_is_trusted() {
    let (dir, runtime, certificate) = (scratch(), Runtime::new().unwrap(), Certificate::new());
    let (trusted, stranger) =
        (Receiver::start_as(Some(certificate.config.clone())), Receiver::start_as(Some(Certificate::new().config)));
    let authorities = dir.path().join("authorities.pem");
    std::fs::write(&authorities, &certificate.pem).unwrap();
    let pop3d = maildrop(&runtime, "127.0.0.1:0".parse().unwrap());
    pop3d.deliver("a", b"Subject: a\r\n\r\nhello\r\n".to_vec());
    let hook = |receiver: &Receiver| {
        format!("  - {{ url: \"https://{}/hook\", events: [new_mail], secret: any text }}\n", receiver.address)
    };
    let config = yaml(dir.path(), &[Account::new("isp", pop3d.address(), "up")], &(hook(&trusted) + &hook(&stranger)));
    let server = Server::start_trusting(dir.path(), &config, &authorities);
    verify("any text", &[trusted.after("new_mail", 0)]);
    wait::until("the other was tried", DEADLINE, || {
        let retried = server.metrics().sum("tributary_webhook_deliveries_total", &[("result", "retried")]);
        (retried >= 1.0).then_some(())
    });
    assert!(stranger.got.lock().unwrap().is_empty(), "told before it was known who it is");
}
