//! Metrics of the IMAP server (DESIGN 1.4).

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::error::Condition;
use super::spec::{INVALID, NAMES};
use crate::metrics::{Error, Registry, SECONDS_FAST};

/// Handles to the IMAP metric family; clones share the values.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Connections now, by state.
    pub(super) connections: IntGaugeVec,
    /// Connections accepted, by service.
    pub(super) accepted: IntCounterVec,
    /// Sessions closed for a newer one of the same user.
    pub(super) evicted: IntCounter,
    /// Sessions in IDLE.
    pub(super) idle: IntGauge,
    command: HistogramVec,
    /// Octets written.
    pub(super) sent: IntCounter,
    /// Octets read.
    pub(super) received: IntCounter,
    push: Histogram,
}

/// The closed set of the `state` label.
pub(super) const STATES: [&str; 3] = ["not_authenticated", "authenticated", "selected"];
/// The closed set of the `service` label.
pub(super) const SERVICES: [&str; 2] = ["imap", "imaps"];

/// Every command with every way in which it can end. What cannot be parsed is never anything but bad.
fn outcomes() -> impl Iterator<Item = (&'static str, Condition)> {
    let ends = |name| Condition::ALL.map(move |condition| (name, condition));
    NAMES.into_iter().flat_map(ends).filter(|(name, condition)| *name != INVALID || *condition == Condition::Bad)
}

impl Metrics {
    /// Creates the family and registers it; every label value is there from the start.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let connections = registry.int_gauge_vec("imap_connections", "IMAP connections by state.", &["state"])?;
        let accepted =
            registry.counter_vec("imap_connections_total", "IMAP connections accepted, by service.", &["service"])?;
        let command = registry.histogram_vec(
            "imap_command_duration_seconds",
            "From a complete IMAP command to its tagged response.",
            SECONDS_FAST,
            &["command", "result"],
        )?;
        for state in STATES {
            connections.with_label_values(&[state]);
        }
        for service in SERVICES {
            accepted.with_label_values(&[service]);
        }
        for (name, condition) in outcomes() {
            command.with_label_values(&[name, condition.label()]);
        }
        Ok(Self {
            connections,
            accepted,
            command,
            evicted: registry.counter(
                "imap_evicted_total",
                "IMAP sessions closed because a newer one of the same user needed the place.",
            )?,
            idle: registry.int_gauge("imap_idle_sessions", "IMAP sessions in IDLE.")?,
            sent: registry.counter("imap_sent_bytes_total", "Octets sent to IMAP clients.")?,
            received: registry.counter("imap_received_bytes_total", "Octets received from IMAP clients.")?,
            push: registry.histogram(
                "new_mail_push_seconds",
                "From the commit of a new message to the untagged EXISTS written to an idle client.",
                SECONDS_FAST,
            )?,
        })
    }

    /// Counts a command that has ended.
    pub(super) fn observe(&self, command: &'static str, condition: Condition, took: Duration) {
        self.command.with_label_values(&[command, condition.label()]).observe(took.as_secs_f64());
    }

    /// Counts new mail announced to an idle client.
    pub(super) fn pushed(&self, since_commit: Duration) {
        self.push.observe(since_commit.as_secs_f64());
    }
}
