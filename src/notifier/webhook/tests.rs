//! Webhooks against an HTTP server of the tests' own.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::super::{Metrics, Webhook};
use super::*;
use crate::metrics::Registry;

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    head: String,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> String {
        let line = |line: &str| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        self.head.lines().find_map(line).unwrap_or_default()
    }
}

/// Answers each request with the next of its answers, and with the last one from then on.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Request>>>,
    news: Arc<Notify>,
    answers: Arc<Mutex<Vec<&'static str>>>,
}

impl Receiver {
    async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}/hook?secret", listener.local_addr().expect("address"));
        let this = Self {
            url,
            got: Arc::default(),
            news: Arc::default(),
            answers: Arc::new(Mutex::new(answers.iter().rev().copied().collect())),
        };
        let (got, news, answers) = (Arc::clone(&this.got), Arc::clone(&this.news), Arc::clone(&this.answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&got), Arc::clone(&news), Arc::clone(&answers)));
            }
        });
        this
    }

    /// Waits for the nth request, counted from 1.
    async fn request(&self, nth: usize) -> Request {
        let wait = async {
            loop {
                let news = self.news.notified();
                if let Some(request) = self.got.lock().expect("got").get(nth - 1) {
                    return request.clone();
                }
                news.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("a request")
    }

    fn count(&self) -> usize {
        self.got.lock().expect("got").len()
    }
}

async fn serve(
    mut stream: TcpStream,
    got: Arc<Mutex<Vec<Request>>>,
    news: Arc<Notify>,
    answers: Arc<Mutex<Vec<&'static str>>>,
) {
    let mut octets = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut octets).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&octets[..end]).into_owned();
        let mut request = Request { head, body: String::new() };
        let length: usize = request.header("content-length").parse().expect("a length");
        while octets.len() < end + length {
            assert!(stream.read_buf(&mut octets).await.expect("octets") > 0);
        }
        let rest = octets.split_off(end + length);
        request.body = String::from_utf8(octets.split_off(end)).expect("UTF-8");
        octets = rest;
        let answer = {
            let mut answers = answers.lock().expect("answers");
            if answers.len() > 1 { answers.pop() } else { answers.last().copied() }
        };
        got.lock().expect("got").push(request);
        news.notify_one();
        match answer.expect("an answer") {
            "hang" => std::future::pending().await,
            "cut" => return,
            answer => {
                let answer = format!("HTTP/1.1 {answer}\r\n");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

const OK: &str = "204 No Content\r\n";
const DOWN: &str = "500 Down\r\nContent-Length: 0\r\n";

/// A try, and another at once.
const IMPATIENT: [Duration; 3] = [Duration::from_millis(1); 3];

struct World {
    home: tempfile::TempDir,
    registry: Registry,
    metrics: Metrics,
    hooks: Hooks,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("directory");
        let registry = Registry::new().expect("registry");
        let metrics = Metrics::register(&registry).expect("metrics");
        let hooks = Hooks { waits: &IMPATIENT, ..Hooks::new(home.path().to_owned(), metrics.clone()) };
        Self { home, registry, metrics, hooks }
    }

    fn restart(&mut self) {
        self.hooks = Hooks { waits: &IMPATIENT, ..Hooks::new(self.home.path().to_owned(), self.metrics.clone()) };
    }

    fn counted(&self, result: &str) -> String {
        let text = String::from_utf8(self.registry.render().expect("metrics")).expect("text");
        let name = format!("tributary_webhook_deliveries_total{{result=\"{result}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).expect("there from the start").to_owned()
    }

    /// Waits until so much is counted.
    async fn until(&self, result: &str, count: &str) {
        let waited = Self::wait_for(|| self.counted(result) == count).await;
        assert!(waited, "{result}: {}, not {count}", self.counted(result));
    }

    /// Waits until the disk holds nothing to be told: it is written after the count.
    async fn until_nothing_is_kept(&self) {
        let waited = Self::wait_for(|| self.spooled() == 0).await;
        assert!(waited, "{} files", self.spooled());
    }

    /// Whether it has come to be so within a minute.
    async fn wait_for(is_so: impl Fn() -> bool) -> bool {
        let wait = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok()
    }

    fn spooled(&self) -> usize {
        std::fs::read_dir(self.home.path().join(SPOOL)).map_or(0, Iterator::count)
    }
}

fn webhook(receiver: &Receiver) -> Webhook {
    let secret = Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    Webhook { url: receiver.url.clone(), new_mail: true, failure: true, recovery: true, secret }
}

fn message(id: &str, kind: Kind, account: &str) -> Message {
    Message { id: id.to_owned(), kind, account: account.to_owned(), body: format!("{{\"id\":\"{id}\"}}") }
}

#[tokio::test]
async fn requests_are_signed_and_say_what_they_are() {
    let receiver = Receiver::start(&[OK]).await;
    let mut world = World::new();
    world.hooks.apply(&[webhook(&receiver)]).await;
    world.hooks.tell(vec![message("1", Kind::Failure, "a")]).await;
    let request = receiver.request(1).await;
    assert!(request.head.starts_with("POST /hook?secret HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(
        (request.body.as_str(), request.header("content-type").as_str()),
        ("{\"id\":\"1\"}", "application/json")
    );
    assert!(request.header("user-agent").starts_with("tributary/"));
    let timestamp: i64 = request.header("webhook-timestamp").parse().expect("seconds");
    let now = super::super::incident::unix(SystemTime::now());
    assert!((now - 60..=now).contains(&timestamp), "{timestamp}");
    let key = Key::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert_eq!(request.header("webhook-signature"), key.sign("1", timestamp, &request.body));
    world.until("ok", "1").await;
}

#[tokio::test]
async fn what_does_not_arrive_is_sent_again_under_the_same_id() {
    let redirect = "302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n";
    let receiver = Receiver::start(&[DOWN, "cut", redirect, OK]).await;
    let mut world = World::new();
    world.hooks.apply(&[webhook(&receiver)]).await;
    world.hooks.tell(vec![message("1", Kind::NewMail, "a"), message("2", Kind::Failure, "a")]).await;
    let ids = [
        receiver.request(1).await,
        receiver.request(2).await,
        receiver.request(3).await,
        receiver.request(4).await,
        receiver.request(5).await,
    ]
    .map(|request| request.header("webhook-id"));
    assert_eq!(ids, ["1", "1", "1", "1", "2"]);
    world.until("ok", "2").await;
    assert_eq!((world.counted("retried").as_str(), world.counted("failed").as_str()), ("3", "0"));
}

#[tokio::test]
async fn after_the_last_try_it_is_given_up() {
    let receiver = Receiver::start(&[DOWN]).await;
    let mut world = World::new();
    world.hooks.apply(&[webhook(&receiver)]).await;
    world.hooks.tell(vec![message("1", Kind::Failure, "a")]).await;
    world.until("failed", "1").await;
    assert_eq!((receiver.count(), world.counted("retried").as_str()), (IMPATIENT.len() + 1, "3"));
    world.until_nothing_is_kept().await;
}

#[tokio::test]
async fn gone_is_gone_until_a_restart() {
    let receiver = Receiver::start(&["410 Gone\r\nContent-Length: 0\r\n"]).await;
    let mut world = World::new();
    world.hooks.apply(&[webhook(&receiver)]).await;
    world.hooks.tell(vec![message("1", Kind::Failure, "a"), message("2", Kind::Failure, "b")]).await;
    world.until("failed", "2").await;
    world.hooks.tell(vec![message("3", Kind::Failure, "c")]).await;
    world.until("failed", "3").await;
    assert_eq!((receiver.count(), world.spooled()), (1, 0));
    world.restart();
    world.hooks.apply(&[webhook(&receiver)]).await;
    world.hooks.tell(vec![message("4", Kind::Failure, "c")]).await;
    assert_eq!(receiver.request(2).await.header("webhook-id"), "4");
}

#[tokio::test]
async fn a_slow_one_delays_no_other_and_each_hears_what_it_wants() {
    let (slow, quick) = (Receiver::start(&["hang"]).await, Receiver::start(&[OK]).await);
    let mut world = World::new();
    let failures = Webhook { new_mail: false, recovery: false, ..webhook(&quick) };
    world.hooks.apply(&[webhook(&slow), failures]).await;
    for id in ["1", "2", "3"] {
        world.hooks.tell(vec![message(id, Kind::Failure, "a"), message("mail", Kind::NewMail, "a")]).await;
    }
    let ids = [quick.request(1).await, quick.request(2).await, quick.request(3).await];
    assert_eq!(ids.map(|request| request.header("webhook-id")), ["1", "2", "3"]);
    slow.request(1).await;
    assert_eq!(slow.count(), 1);
}

#[tokio::test]
async fn failures_and_recoveries_outlive_a_restart() {
    let receiver = Receiver::start(&["hang", "hang", OK]).await;
    let mut world = World::new();
    let all =
        [message("1", Kind::Failure, "a"), message("mail", Kind::NewMail, "b"), message("2", Kind::Recovery, "a")];
    world.hooks.apply(&[webhook(&receiver)]).await;
    world.hooks.tell(all.to_vec()).await;
    receiver.request(1).await;
    world.restart();
    world.hooks.apply(&[webhook(&receiver)]).await;
    receiver.request(2).await;
    // Told once more, since the word that it was told was lost: it is not doubled.
    world.hooks.tell(vec![message("1", Kind::Failure, "a")]).await;
    world.restart();
    world.hooks.apply(&[webhook(&receiver)]).await;
    world.until("ok", "2").await;
    let ids = [receiver.request(2).await, receiver.request(3).await, receiver.request(4).await];
    assert_eq!(ids.map(|request| request.header("webhook-id")), ["1", "1", "2"]);
    assert_eq!(receiver.count(), 4);
    // One that is no longer configured leaves nothing behind.
    world.hooks.apply(&[]).await;
    assert_eq!(world.spooled(), 0);
}

#[tokio::test]
async fn settings_change_while_it_runs() {
    let receiver = Receiver::start(&[OK]).await;
    let mut world = World::new();
    world.hooks.apply(&[webhook(&receiver)]).await;
    world.hooks.tell(vec![message("1", Kind::Failure, "a")]).await;
    receiver.request(1).await;
    // Another secret, the one of the data directory, and failures no more.
    world.hooks.apply(&[Webhook { failure: false, secret: None, ..webhook(&receiver) }]).await;
    world.hooks.tell(vec![message("2", Kind::Failure, "a"), message("3", Kind::Recovery, "a")]).await;
    let request = receiver.request(2).await;
    let own = std::fs::read_to_string(world.home.path().join(SECRET)).expect("made");
    let timestamp = request.header("webhook-timestamp").parse().expect("seconds");
    assert_eq!(
        request.header("webhook-signature"),
        Key::new(&Secret::new(own.trim())).sign("3", timestamp, &request.body)
    );
    // The same URL twice is two webhooks.
    world.hooks.apply(&[webhook(&receiver), webhook(&receiver)]).await;
    world.hooks.tell(vec![message("4", Kind::Failure, "a")]).await;
    assert_eq!(receiver.request(4).await.header("webhook-id"), "4");
}
