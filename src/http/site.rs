//! What all handlers share, and who asks.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cookie::{Cookie, SameSite};
use serde_json::json;

use super::Deps;
use super::live::Streams;
use super::peer::{self, Peer};
use super::sessions::{Session, Sessions, is_token};
use super::view::Viewer;
use crate::auth::Denied;
use crate::secret::Secret;

/// The cookie of a session.
const COOKIE: &str = "tributary";

/// The longest user name and password that are looked at, octets.
const MAX_CREDENTIAL: usize = 1_024;

/// The state of the router.
pub(super) struct Site {
    pub(super) deps: Deps,
    pub(super) sessions: Sessions,
    pub(super) streams: Streams,
}

/// Who asks.
pub(super) enum Visitor {
    /// A browser that has logged in.
    Session(Session),
    /// A program that sends name and password with each request.
    Program(String),
}

/// Why a visitor may not.
pub(super) enum Refusal {
    /// Has not logged in, or not rightly.
    Unknown,
    /// Too many checks of passwords at once.
    Busy,
    /// The password would travel in the open.
    Cleartext,
    /// The request may come from a page of somebody else's.
    Foreign,
}

impl Visitor {
    /// Their name.
    pub(super) fn user(&self) -> &str {
        match self {
            Self::Session(session) => &session.user,
            Self::Program(user) => user,
        }
    }
}

impl Site {
    pub(super) fn new(deps: Deps) -> Arc<Self> {
        Arc::new(Self { deps, sessions: Sessions::default(), streams: Streams::default() })
    }

    /// What this visitor may see.
    pub(super) fn viewer(&self, visitor: &Visitor) -> Viewer {
        let user = visitor.user().to_owned();
        let token = match visitor {
            Visitor::Session(session) => session.token.clone(),
            Visitor::Program(_) => String::new(),
        };
        Viewer { is_admin: self.deps.operator.is_admin(&user), user, token }
    }

    /// The session of the request's cookie.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let fields = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = fields.flat_map(|text| Cookie::split_parse(text.to_owned()).flatten());
        // A browser may send several of one name, of other paths; only ours finds a session.
        cookies
            .filter(|cookie| cookie.name() == COOKIE)
            .take(8)
            .find_map(|cookie| self.sessions.find(cookie.value(), Instant::now(), |user| self.deps.users.stamp(user)))
    }

    /// Whether a session is one still.
    pub(super) fn is_alive(&self, session: &Session) -> bool {
        self.sessions.is_alive(session.key, Instant::now(), |user| self.deps.users.stamp(user))
    }

    /// Who asks, by cookie or by HTTP Basic (RFC 7617).
    pub(super) async fn visitor(&self, peer: Peer, headers: &HeaderMap) -> Result<Visitor, Refusal> {
        if let Some(session) = self.session(headers) {
            return Ok(Visitor::Session(session));
        }
        let (user, password) = basic(headers).ok_or(Refusal::Unknown)?;
        self.check(peer, headers, &user, &password).await.map(Visitor::Program)
    }

    /// Who asks for something to be done: a browser proves that it is a page of ours that does.
    pub(super) async fn actor(&self, peer: Peer, headers: &HeaderMap, token: Option<&str>) -> Result<Visitor, Refusal> {
        if !peer::is_own_page(headers) {
            return Err(Refusal::Foreign);
        }
        let visitor = self.visitor(peer, headers).await?;
        let is_meant = match &visitor {
            Visitor::Session(session) => token.is_some_and(|token| is_token(session, token)),
            // Browsers remember such passwords as well, but no page of another origin can make them send this field.
            Visitor::Program(_) => headers.contains_key("x-requested-with"),
        };
        if is_meant { Ok(visitor) } else { Err(Refusal::Foreign) }
    }

    /// Whether this is the password of this user; the name as it is configured.
    pub(super) async fn check(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        user: &str,
        password: &Secret,
    ) -> Result<String, Refusal> {
        if !peer.is_private(headers) && !self.deps.operator.allows_cleartext() {
            return Err(Refusal::Cleartext);
        }
        if user.len() > MAX_CREDENTIAL || password.expose().len() > MAX_CREDENTIAL {
            return Err(Refusal::Unknown);
        }
        match self.deps.users.verify(user, password, peer.client(headers)).await {
            Ok(user) => Ok(user.name.clone()),
            Err(Denied::WrongCredentials) => Err(Refusal::Unknown),
            Err(Denied::Busy) => Err(Refusal::Busy),
        }
    }
}

/// The cookie that begins a session, or with no id the one that ends it.
pub(super) fn set_cookie(id: Option<&str>, is_tls: bool) -> HeaderValue {
    let base = Cookie::build((COOKIE, id.unwrap_or_default().to_owned()));
    let cookie = base.path("/").http_only(true).same_site(SameSite::Strict).secure(is_tls);
    let cookie = if id.is_none() { cookie.max_age(cookie::time::Duration::ZERO) } else { cookie };
    // Letters and digits all of it.
    HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn basic(headers: &HeaderMap) -> Option<(String, Secret)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

impl Refusal {
    /// For people.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Unknown => "Wrong user name or password.",
            Self::Busy => "Too many logins at once. Try again in a moment.",
            Self::Cleartext => {
                "Passwords are not taken over a connection that others can read. Use https by a proxy, or set \
                 http.allow_cleartext_login."
            }
            Self::Foreign => {
                "This page was too old, or the request came from elsewhere. Load the page again and repeat it."
            }
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Cleartext | Self::Foreign => StatusCode::FORBIDDEN,
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Response {
        let text = match self {
            Self::Unknown => "log in as an IMAP user, by HTTP Basic or by the cookie of the status page",
            other => other.words(),
        };
        let mut response = (self.status(), axum::Json(json!({ "ok": false, "text": text }))).into_response();
        if matches!(self, Self::Unknown) {
            let challenge = HeaderValue::from_static("Basic realm=\"Tributary\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
