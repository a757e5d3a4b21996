//! `authentications_total{result}`.

use prometheus::IntCounter;

use crate::metrics::{Error, Registry};

/// Counters of the outcomes; every label value exists from the start.
pub(super) struct Metrics {
    pub(super) ok: IntCounter,
    pub(super) failed: IntCounter,
    pub(super) busy: IntCounter,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let results = registry.counter_vec(
            "authentications_total",
            "Authentications by result: ok, failed (wrong user or password), busy (too many at once, not checked).",
            &["result"],
        )?;
        let result = |label| results.with_label_values(&[label]);
        Ok(Self { ok: result("ok"), failed: result("failed"), busy: result("busy") })
    }
}
