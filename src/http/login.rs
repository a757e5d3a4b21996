//! `/`, `/login` and `/logout`.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Form;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::peer::{self, Peer};
use super::sessions::is_token;
use super::site::{Refusal, Site, Visitor, set_cookie};
use super::{page, viewer};
use crate::secret::Secret;

/// What the login form says. Not `Debug`: it holds a password.
#[derive(Deserialize)]
pub(super) struct Credentials {
    user: String,
    password: String,
}

/// What every form of a page says.
#[derive(Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    pub(super) token: String,
}

/// The status page of who has logged in, else the login page.
pub(super) async fn index(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let Some(session) = site.session(&headers) else { return page::login(None).into_response() };
    let notice = site.sessions.take(session.key);
    let viewer = site.viewer(&Visitor::Session(session));
    let view = viewer::gather(&site.deps, &viewer).await;
    page::status(&viewer, &view, notice.as_ref(), SystemTime::now()).into_response()
}

pub(super) async fn login(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Response {
    let refused = |refusal: &Refusal| (refusal.status(), page::login(Some(refusal.words()))).into_response();
    // Logging somebody in under a name of the attacker's choice is an attack as well.
    if !peer::is_own_page(&headers) {
        return refused(&Refusal::Foreign);
    }
    let password = Secret::new(&credentials.password);
    let user = match site.check(peer, &headers, credentials.user.trim(), &password).await {
        Ok(user) => user,
        Err(refusal) => return refused(&refusal),
    };
    // It may have been removed since.
    let Some(stamp) = site.deps.users.stamp(&user) else { return refused(&Refusal::Unknown) };
    if let Some(old) = site.session(&headers) {
        site.sessions.end(old.key);
    }
    let id = site.sessions.begin(&user, stamp, Instant::now());
    tracing::info!(user, address = %peer.client(&headers), "login to the status page");
    ([(header::SET_COOKIE, set_cookie(Some(&id), peer.is_tls(&headers)))], Redirect::to("/")).into_response()
}

pub(super) async fn logout(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(Token { token }): Form<Token>,
) -> Response {
    if let Some(session) = site.session(&headers) {
        if !peer::is_own_page(&headers) || !is_token(&session, &token) {
            return StatusCode::FORBIDDEN.into_response();
        }
        site.sessions.end(session.key);
    }
    ([(header::SET_COOKIE, set_cookie(None, peer.is_tls(&headers)))], Redirect::to("/")).into_response()
}
