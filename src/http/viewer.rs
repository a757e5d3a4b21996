//! What a viewer may see, gathered from the parts; `/api/status` is all of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::Deps;
use super::peer::Peer;
use super::site::Site;
use super::view::{AccountView, DeviceView, EventView, StatusView, Viewer};
use crate::status::AccountStatus;

/// The newest events that are shown.
const EVENTS: usize = 50;

/// Everything that this viewer may see.
pub(super) async fn gather(deps: &Deps, viewer: &Viewer) -> StatusView {
    let sees = |user: &str| viewer.is_admin || user == viewer.user;
    let of_account = |id: &str| id.split_once('/').is_some_and(|(user, _)| sees(user));
    let of = |(id, status): (&String, &AccountStatus)| AccountView::of(id, status);
    let accounts = deps.accounts.borrow().iter().filter(|(id, _)| of_account(id)).map(of).collect();
    let devices = deps.operator.devices();
    let devices = devices.iter().filter(|device| sees(&device.user)).map(DeviceView::of).collect();
    let events = deps.events.after(0);
    let seen = |user: Option<&str>| user.map_or(viewer.is_admin, sees);
    let events = events.iter().rev().filter(|event| seen(event.user.as_deref())).take(EVENTS).map(EventView::of);
    let events = events.collect();
    let whose = (!viewer.is_admin).then(|| viewer.user.clone());
    let mailboxes = deps.operator.storage(whose).await.unwrap_or_else(|error| {
        tracing::warn!(error, "what the mailboxes hold cannot be shown");
        Vec::new()
    });
    let ready = deps.readiness.is_ready();
    StatusView { version: env!("CARGO_PKG_VERSION"), ready, accounts, devices, mailboxes, events }
}

/// `/api/status`.
pub(super) async fn json(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    match site.visitor(peer, &headers).await {
        Ok(visitor) => Json(gather(&site.deps, &site.viewer(&visitor)).await).into_response(),
        Err(refusal) => refusal.json(),
    }
}
