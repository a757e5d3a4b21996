//! What a visitor tells the service: accounts to poll, pause and resume, devices to disconnect.
//!
//! Everybody acts on what is theirs, administrators on everything. What is not theirs is answered like what is not there (I10).

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::login::Token;
use super::page::Notice;
use super::peer::Peer;
use super::site::{Refusal, Site, Visitor};

/// How it went, for people.
struct Done {
    is_error: bool,
    text: String,
}

pub(super) async fn account(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    Path((user, name, action)): Path<(String, String, String)>,
    headers: HeaderMap,
    form: Result<Form<Token>, FormRejection>,
) -> Result<Response, Response> {
    let visitor = actor(&site, peer, &headers, form).await?;
    let viewer = site.viewer(&visitor);
    let id = format!("{user}/{name}");
    let is_there = site.deps.accounts.borrow().contains_key(&id);
    if !is_there || !(viewer.is_admin || viewer.user == user) {
        return Err(StatusCode::NOT_FOUND.into_response());
    }
    let operator = &site.deps.operator;
    let done = match action.as_str() {
        "poll" => poll(&site, id).await,
        "pause" => told(operator.pause(id.clone()).await, format!("{id} is paused.")),
        "resume" => told(operator.resume(id.clone()).await, format!("{id} is polled again.")),
        _ => return Err(StatusCode::NOT_FOUND.into_response()),
    };
    Ok(answer(&site, &visitor, &headers, done))
}

pub(super) async fn disconnect(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    form: Result<Form<Token>, FormRejection>,
) -> Result<Response, Response> {
    let visitor = actor(&site, peer, &headers, form).await?;
    let viewer = site.viewer(&visitor);
    let found = site.deps.operator.devices().into_iter().find(|device| device.id == id);
    match found.filter(|device| viewer.is_admin || viewer.user == device.user) {
        Some(device) if site.deps.operator.disconnect(id) => {
            let client = if device.client.is_empty() { "The device".to_owned() } else { device.client };
            let done = Done { is_error: false, text: format!("{client} is disconnected.") };
            Ok(answer(&site, &visitor, &headers, done))
        }
        _ => Err(StatusCode::NOT_FOUND.into_response()),
    }
}

/// A poll may take hours: it goes on by itself, and the page shows how. What is refused is refused at once.
async fn poll(site: &Arc<Site>, id: String) -> Done {
    let mut polled = tokio::spawn(site.deps.operator.poll(id.clone()));
    let at_once = tokio::time::timeout(POLL_PATIENCE, &mut polled).await;
    match at_once {
        Err(_) => Done { is_error: false, text: format!("{id} is being polled.") },
        Ok(Ok(outcome)) => told(outcome, format!("{id} was polled.")),
        Ok(Err(_)) => Done { is_error: true, text: format!("{id}: the poll broke off.") },
    }
}

/// Most polls end within it.
const POLL_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

fn told(outcome: Result<(), String>, text: String) -> Done {
    match outcome {
        Ok(()) => Done { is_error: false, text },
        Err(text) => Done { is_error: true, text },
    }
}

/// Who asks for it, or the answer to who may not.
async fn actor(
    site: &Site,
    peer: Peer,
    headers: &HeaderMap,
    form: Result<Form<Token>, FormRejection>,
) -> Result<Visitor, Response> {
    // A program sends none.
    let token = form.ok().map(|Form(Token { token })| token);
    site.actor(peer, headers, token.as_deref()).await.map_err(|refusal| refused(headers, &refusal))
}

/// Programs and the script of the page want JSON, forms a page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    headers.contains_key("x-requested-with") || accepts.is_some_and(|types| types.contains("application/json"))
}

fn refused(headers: &HeaderMap, refusal: &Refusal) -> Response {
    match (refusal, wants_json(headers)) {
        (_, true) => refusal.json(),
        // Whose session has ended logs in again.
        (Refusal::Unknown, false) => Redirect::to("/").into_response(),
        (_, false) => (refusal.status(), refusal.words()).into_response(),
    }
}

fn answer(site: &Site, visitor: &Visitor, headers: &HeaderMap, done: Done) -> Response {
    let Done { is_error, text } = done;
    if wants_json(headers) {
        let status = if is_error { StatusCode::CONFLICT } else { StatusCode::OK };
        return (status, axum::Json(json!({ "ok": !is_error, "text": text }))).into_response();
    }
    if let Visitor::Session(session) = visitor {
        site.sessions.leave(session.key, Notice { is_error, text });
    }
    Redirect::to("/").into_response()
}
