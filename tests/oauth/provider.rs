//! The provider, and an account at it.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use oauth2::url::form_urlencoded;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tributary::oauth::{Flow, Grant, LoginError, Options, Prompt, Settings, TokenSource, Tokens, log_in};
use tributary::secret::Secret;

pub(crate) const CLIENT_SECRET: &str = "client-hunter2";

/// What the provider does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Status and body.
    Say(u16, String),
    /// Another content type.
    Page(u16, &'static str),
    /// Elsewhere.
    Redirect(String),
    /// Nothing, ever.
    Hang,
    /// Says so when the semaphore has a permit.
    After(Arc<Semaphore>, String),
}

pub(crate) fn error(status: u16, code: &str) -> Answer {
    Answer::Say(status, serde_json::json!({ "error": code, "error_description": format!("about {code}") }).to_string())
}

/// Tokens `access-N` and `refresh-N` for so many seconds.
pub(crate) fn tokens(number: u32, seconds: u64) -> String {
    serde_json::json!({
        "access_token": format!("access-{number}"), "refresh_token": format!("refresh-{number}"),
        "token_type": "Bearer", "expires_in": seconds, "scope": "mail.read",
    })
    .to_string()
}

pub(crate) fn granted(number: u32, seconds: u64) -> Answer {
    Answer::Say(200, tokens(number, seconds))
}

pub(crate) type Form = HashMap<String, String>;

#[derive(Default)]
struct Script {
    answers: HashMap<String, VecDeque<Answer>>,
    asked: Vec<(String, Form)>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    asked: Notify,
}

/// Answers each path with what was scripted for it, in order; 500 when there is nothing left.
pub(crate) struct Provider {
    pub(crate) url: String,
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let running = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared, running }
    }

    pub(crate) fn will(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.shared.script.lock().unwrap().answers.entry(path.to_owned()).or_default().extend(answers);
    }

    /// The forms that were sent to this path.
    pub(crate) fn asked(&self, path: &str) -> Vec<Form> {
        let script = self.shared.script.lock().unwrap();
        script.asked.iter().filter(|(asked, _)| asked == path).map(|(_, form)| form.clone()).collect()
    }

    /// Waits until so many requests have come to this path.
    pub(crate) async fn until_asked(&self, path: &str, count: usize) {
        loop {
            let notified = self.shared.asked.notified();
            if self.asked(path).len() >= count {
                return;
            }
            notified.await;
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<String> {
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let form = form_urlencoded::parse(&body).into_owned().collect();
    let answer = {
        let mut script = shared.script.lock().unwrap();
        script.asked.push((path.clone(), form));
        script.answers.get_mut(&path).and_then(VecDeque::pop_front)
    };
    shared.asked.notify_waiters();
    let response = |status: u16, kind: &str, body: String| {
        let status = StatusCode::from_u16(status).unwrap();
        Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(body).unwrap()
    };
    match answer {
        Some(Answer::Say(status, body)) => response(status, "application/json", body),
        Some(Answer::Page(status, body)) => response(status, "text/html", body.to_owned()),
        Some(Answer::Redirect(to)) => {
            Response::builder().status(307).header(header::LOCATION, to).body(String::new()).unwrap()
        }
        Some(Answer::Hang) => std::future::pending().await,
        Some(Answer::After(gate, body)) => {
            gate.acquire().await.unwrap().forget();
            response(200, "application/json", body)
        }
        None => response(500, "text/plain", "nothing is scripted".to_owned()),
    }
}

/// An account at the provider, with a file of its own.
pub(crate) struct Account {
    pub(crate) provider: Provider,
    pub(crate) settings: Settings,
    pub(crate) dir: TempDir,
}

impl Account {
    pub(crate) async fn new(flow: Flow) -> Self {
        let provider = Provider::start().await;
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            account: "u/work".to_owned(),
            username: "u@example.com".to_owned(),
            provider: tributary::oauth::Provider {
                authorization_url: format!("{}/auth", provider.url),
                device_url: Some(format!("{}/device", provider.url)),
                token_url: format!("{}/token", provider.url),
                scopes: ["mail.read", "offline_access"].map(str::to_owned).to_vec(),
            },
            client_id: "client-1".to_owned(),
            client_secret: Some(Secret::new(CLIENT_SECRET)),
            flow,
            file: dir.path().join("oauth/u-work.json"),
        };
        Self { provider, settings, dir }
    }

    /// With a login already made: `access-1` and `refresh-1`.
    pub(crate) async fn logged_in(seconds: u64) -> Self {
        let account = Self::new(Flow::Device).await;
        account.log_in_again(1, seconds).await;
        account
    }

    pub(crate) async fn log_in_again(&self, number: u32, seconds: u64) {
        let before = self.provider.asked("/token").len();
        self.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 0, 900))]);
        self.provider.will("/token", [granted(number, seconds)]);
        self.log_in().await.0.unwrap();
        assert_eq!(self.provider.asked("/token").len(), before + 1);
        self.provider.shared.script.lock().unwrap().asked.clear();
    }

    /// Logs in with waits that take no time; what was waited for, in seconds, and what was said.
    pub(crate) async fn log_in(&self) -> (Result<Grant, LoginError>, Vec<u64>, Vec<Prompt>) {
        let (waits, prompts) = (Arc::new(Mutex::new(Vec::new())), Mutex::new(Vec::new()));
        let noted = Arc::clone(&waits);
        let options = Options {
            wait: Arc::new(move |time: Duration| {
                noted.lock().unwrap().push(time.as_secs());
                Box::pin(tokio::task::yield_now())
            }),
            ..Options::default()
        };
        let result = log_in(&self.settings, options, &|prompt| prompts.lock().unwrap().push(prompt)).await;
        let waits = waits.lock().unwrap().clone();
        (result, waits, prompts.into_inner().unwrap())
    }

    /// A login by the browser that has come to where it waits for the redirect.
    pub(crate) async fn browsing(&self, options: Options) -> Browsing {
        let (sender, mut prompts) = mpsc::unbounded_channel();
        let settings = self.settings.clone();
        let login =
            tokio::spawn(async move { log_in(&settings, options, &|prompt| sender.send(prompt).unwrap()).await });
        let mut notes = Vec::new();
        let url = loop {
            match prompts.recv().await.unwrap() {
                Prompt::Browser { url } => break url,
                other => notes.push(other),
            }
        };
        Browsing { url: oauth2::url::Url::parse(&url).unwrap(), notes, prompts, login }
    }

    pub(crate) fn source(&self) -> TokenSource {
        TokenSource::login(self.settings.clone())
    }

    pub(crate) fn impatient_source(&self) -> TokenSource {
        TokenSource::Login(Arc::new(Tokens::new(self.settings.clone()).with_timeout(Duration::from_millis(100))))
    }

    /// What the file holds.
    pub(crate) fn kept(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(&self.settings.file).unwrap()).unwrap()
    }

    /// Replaces the file, as every writer does: the new one is told from the old one by more than its time.
    pub(crate) fn keep(&self, content: &str) {
        let new = self.settings.file.with_extension("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, &self.settings.file).unwrap();
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.settings.file.parent().unwrap().to_owned()
    }
}

/// A login that waits for the browser.
pub(crate) struct Browsing {
    pub(crate) url: oauth2::url::Url,
    /// What was said before.
    pub(crate) notes: Vec<Prompt>,
    pub(crate) prompts: mpsc::UnboundedReceiver<Prompt>,
    pub(crate) login: JoinHandle<Result<Grant, LoginError>>,
}

impl Browsing {
    /// A parameter of the address that the person opens.
    pub(crate) fn parameter(&self, name: &str) -> String {
        let found = self.url.query_pairs().find(|(found, _)| found == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.url)).1.into_owned()
    }
}

pub(crate) fn device_code(address_field: &str, interval: u64, expires_in: u64) -> String {
    serde_json::json!({
        "device_code": "device-secret", "user_code": "ABCD-EFGH", "expires_in": expires_in, "interval": interval,
        address_field: "https://login.example/device",
    })
    .to_string()
}
