//! The HTTP listener, for operators and their tools, and for users who want to see how their mail is.
//!
//! | path | answers |
//! |---|---|
//! | `/metrics` | all metrics in the Prometheus text format |
//! | `/healthz` | 200 as long as the process serves |
//! | `/readyz` | 200 once every component is ready, else 503 with a line for each |
//! | `/` | status page, or the login to it |
//! | `/login`, `/logout` | POST: begin and end a session |
//! | `/live` | the sections of the page as server-sent events |
//! | `/api/status` | the same view in JSON |
//! | `/accounts/USER/NAME/ACTION` | POST: `poll`, `pause` or `resume` an account |
//! | `/devices/ID/disconnect` | POST: end a session of a mail program |
//! | `/assets/FILE` | style and script of the page |
//!
//! `/metrics`, `/healthz` and `/readyz` need no login and show no mail address, subject or client address. Everything else is of
//! who has logged in as an IMAP user: their own accounts, devices and mailboxes, or with `admins` those of all.

mod act;
mod assets;
mod health;
mod live;
mod login;
mod operator;
mod page;
mod peer;
mod server;
mod sessions;
mod site;
mod view;
mod viewer;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use health::{Component, Readiness};
pub use operator::{Answer, Operator, Told};
pub use server::serve;
pub use view::{AccountView, DeviceView, EventView, MailboxView, TooLarge, relative};

use crate::auth::Users;
use crate::metrics::{self, Registry};
use crate::status;
use site::Site;

/// What the pages show.
#[derive(Clone)]
pub struct Deps {
    /// For `/metrics`.
    pub registry: Registry,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// The state of every account now.
    pub accounts: watch::Receiver<status::Accounts>,
    /// What happened lately.
    pub events: status::Events,
    /// Asked and told on behalf of who has logged in.
    pub operator: Arc<dyn Operator>,
    /// Who may log in.
    pub users: Arc<Users>,
    /// Cancelled when the service stops: pages that follow it are let go.
    pub stopping: CancellationToken,
}

/// A handler that takes longer is given up. A login waits for a guesser's delay and for its turn.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest body; forms are short.
const MAX_BODY: usize = 16 * 1024;

/// A page holds nothing that does not come from here, runs nothing that stands in it, and is in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// All endpoints.
pub fn router(deps: Deps) -> Router {
    Router::new()
        .route("/", get(login::index))
        .route("/login", post(login::login))
        .route("/logout", post(login::logout))
        .route("/live", get(live::live))
        .route("/api/status", get(viewer::json))
        .route("/accounts/{user}/{name}/{action}", post(act::account))
        .route("/devices/{id}/disconnect", post(act::disconnect))
        .route("/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(|| async { axum::response::Redirect::permanent(&assets::asset_url("icon.svg")) }))
        .route("/metrics", get(scrape))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(bounded))
        .with_state(Site::new(deps))
}

async fn scrape(State(site): State<Arc<Site>>) -> Response {
    match site.deps.registry.render() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(e) => {
            tracing::error!(error = %e, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The bounds and headers of every answer.
async fn bounded(request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut response = if announced.unwrap_or(0_u64) > MAX_BODY as u64 {
        StatusCode::PAYLOAD_TOO_LARGE.into_response()
    } else {
        let answer = tokio::time::timeout(HANDLER_TIMEOUT, next.run(request)).await;
        answer.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
    };
    let headers = response.headers_mut();
    // What an answer says itself stays.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
