//! Metrics of the store (DESIGN 1.4). Each store counts from its opening; the application registers them once.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

use super::error::Error;

const ERROR_KINDS: [&str; 9] =
    ["no_mailbox", "mailbox_exists", "refused", "limit", "over_quota", "no_space", "damaged", "internal", "closed"];

/// Counters and histograms of one store.
#[derive(Clone, Debug)]
pub struct Metrics {
    commit_duration: Histogram,
    commit_operations: Histogram,
    errors: IntCounterVec,
    collected_bodies: IntCounter,
    collected_bytes: IntCounter,
}

impl Metrics {
    pub(super) fn new() -> Result<Self, Error> {
        let invalid = |e: prometheus::Error| Error::Internal(e.to_string());
        let counter = |name: &str, help: &str| {
            IntCounter::with_opts(Opts::new(format!("tributary_{name}"), help)).map_err(invalid)
        };
        let duration = HistogramOpts::new(
            "tributary_store_commit_duration_seconds",
            "Time from the beginning of a transaction of meta.redb until it is durable",
        );
        let seconds = vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let operations =
            HistogramOpts::new("tributary_store_commit_operations", "Operations that one transaction committed");
        let groups = vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
        let errors = Opts::new("tributary_store_errors_total", "Operations that the store failed or refused");
        let errors = IntCounterVec::new(errors, &["kind"]).map_err(invalid)?;
        for kind in ERROR_KINDS {
            errors.with_label_values(&[kind]).reset();
        }
        Ok(Self {
            commit_duration: Histogram::with_opts(duration.buckets(seconds)).map_err(invalid)?,
            commit_operations: Histogram::with_opts(operations.buckets(groups)).map_err(invalid)?,
            errors,
            collected_bodies: counter(
                "store_collected_bodies_total",
                "Bodies that no message had any more, removed by the collector",
            )?,
            collected_bytes: counter(
                "store_collected_bytes_total",
                "Octets of the messages whose bodies the collector removed, before compression",
            )?,
        })
    }

    /// Registers all of them.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.commit_duration.clone()))?;
        registry.register(Box::new(self.commit_operations.clone()))?;
        registry.register(Box::new(self.errors.clone()))?;
        registry.register(Box::new(self.collected_bodies.clone()))?;
        registry.register(Box::new(self.collected_bytes.clone()))
    }

    pub(super) fn committed(&self, duration: Duration, operations: usize) {
        self.commit_duration.observe(duration.as_secs_f64());
        self.commit_operations.observe(operations as f64);
    }

    /// The collector has removed bodies, of messages of so many octets.
    pub(super) fn collected(&self, bodies: usize, octets: u64) {
        self.collected_bodies.inc_by(bodies as u64);
        self.collected_bytes.inc_by(octets);
    }

    #[cfg(test)]
    pub(super) fn commits(&self) -> u64 {
        self.commit_duration.get_sample_count()
    }

    pub(super) fn error(&self, error: &Error) {
        self.errors.with_label_values(&[error.kind()]).inc();
    }
}
