//! The HTTP listener, for operators and their tools. No authentication: it listens on loopback unless told otherwise.
//!
//! | path | answers |
//! |---|---|
//! | `/metrics` | all metrics in the Prometheus text format |
//! | `/healthz` | 200 as long as the process serves |
//! | `/readyz` | 200 once every component is ready, else 503 with a line for each |
//! | `/` | status page |
//! | `/api/status` | the same view in JSON |
//!
//! Only GET and HEAD. `/metrics`, `/healthz` and `/readyz` show no mail address, subject or client address.

mod health;
mod page;
mod server;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

pub use health::{Component, Readiness};
pub use server::serve;
pub use view::{AccountView, TooLarge, relative};

use crate::metrics::{self, Registry};
use crate::status;

/// What the pages show.
#[derive(Clone)]
pub struct Deps {
    /// For `/metrics`.
    pub registry: Registry,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// The state of every account now.
    pub accounts: watch::Receiver<status::Accounts>,
}

/// A handler that takes longer is given up.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);

/// No endpoint takes a body; one that is announced longer than this is not waited for.
const MAX_BODY: u64 = 16 * 1024;

/// All endpoints.
pub fn router(deps: Deps) -> Router {
    Router::new()
        .route("/", get(page::html))
        .route("/api/status", get(page::json))
        .route("/metrics", get(scrape))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .layer(middleware::from_fn(bounded))
        .with_state(Arc::new(deps))
}

async fn scrape(State(deps): State<Arc<Deps>>) -> Response {
    match deps.registry.render() {
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
    let mut response = if announced.unwrap_or(0_u64) > MAX_BODY {
        StatusCode::PAYLOAD_TOO_LARGE.into_response()
    } else {
        let answer = tokio::time::timeout(HANDLER_TIMEOUT, next.run(request)).await;
        answer.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
