//! `/healthz` and `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;

use super::site::Site;

/// What has to be ready before the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The store is open.
    Store,
    /// All IMAP listeners are bound.
    Imap,
    /// All HTTP listeners are bound.
    Http,
}

const COMPONENTS: [(Component, &str); 3] =
    [(Component::Store, "store"), (Component::Imap, "imap"), (Component::Http, "http")];

/// One latch a component; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<[AtomicBool; COMPONENTS.len()]>);

impl Readiness {
    /// Nothing is ready yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A component has become ready.
    pub fn ready(&self, component: Component) {
        self.set(component, true);
    }

    /// The service stops: nothing is ready any more, so that no new clients are sent here.
    pub fn stopping(&self) {
        COMPONENTS.iter().for_each(|(component, _)| self.set(*component, false));
    }

    /// Whether everything is.
    pub fn is_ready(&self) -> bool {
        self.0.iter().all(|latch| latch.load(Ordering::Acquire))
    }

    fn set(&self, component: Component, ready: bool) {
        for ((this, _), latch) in COMPONENTS.iter().zip(self.0.iter()) {
            if *this == component {
                latch.store(ready, Ordering::Release);
            }
        }
    }

    fn report(&self) -> String {
        let line = |((_, name), latch): (&(Component, &str), &AtomicBool)| {
            let state = if latch.load(Ordering::Acquire) { "ready" } else { "not ready" };
            format!("{name}: {state}\n")
        };
        COMPONENTS.iter().zip(self.0.iter()).map(line).collect()
    }
}

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(site): State<Arc<Site>>) -> (StatusCode, String) {
    let status = if site.deps.readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, site.deps.readiness.report())
}
