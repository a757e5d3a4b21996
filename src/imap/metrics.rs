//! Metrics of the IMAP server (DESIGN 1.4).

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::error::Condition;
use super::spec::NAMES;

/// Handles to the IMAP metric family; clones share the values.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Connections now, by state.
    pub(super) connections: IntGaugeVec,
    /// Connections accepted, by service.
    pub(super) accepted: IntCounterVec,
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

impl Metrics {
    /// Creates the family and registers it; every label value is there from the start.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let connections =
            IntGaugeVec::new(Opts::new("tributary_imap_connections", "IMAP connections by state"), &["state"])?;
        let accepted = IntCounterVec::new(
            Opts::new("tributary_imap_connections_total", "IMAP connections accepted by service"),
            &["service"],
        )?;
        let idle = IntGauge::new("tributary_imap_idle_sessions", "IMAP sessions in IDLE")?;
        let command = HistogramVec::new(
            HistogramOpts::new(
                "tributary_imap_command_duration_seconds",
                "From a complete IMAP command to its tagged response written",
            )
            .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]),
            &["command", "result"],
        )?;
        let sent = IntCounter::new("tributary_imap_sent_bytes_total", "Octets sent to IMAP clients")?;
        let received = IntCounter::new("tributary_imap_received_bytes_total", "Octets received from IMAP clients")?;
        let push = Histogram::with_opts(
            HistogramOpts::new(
                "tributary_new_mail_push_seconds",
                "From the commit of a new message to the untagged EXISTS written to an idle client",
            )
            .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0]),
        )?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(accepted.clone()))?;
        registry.register(Box::new(idle.clone()))?;
        registry.register(Box::new(command.clone()))?;
        registry.register(Box::new(sent.clone()))?;
        registry.register(Box::new(received.clone()))?;
        registry.register(Box::new(push.clone()))?;
        for state in STATES {
            connections.with_label_values(&[state]);
        }
        for service in SERVICES {
            accepted.with_label_values(&[service]);
        }
        for name in NAMES {
            for condition in Condition::ALL {
                command.with_label_values(&[name, condition.label()]);
            }
        }
        Ok(Self { connections, accepted, idle, command, sent, received, push })
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
