//! What was told, and whether it arrived.

use prometheus::IntCounterVec;

use crate::metrics::{Error, Registry};

/// The metrics of incident mail and webhooks.
#[derive(Clone, Debug)]
pub struct Metrics {
    mails: IntCounterVec,
    deliveries: IntCounterVec,
}

/// Which message was put into an INBOX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mail {
    Failure,
    Recovery,
}

/// What came of telling a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It has it.
    Ok,
    /// It is tried again.
    Retried,
    /// Given up after the last try, or since the webhook is gone.
    Failed,
    /// Given up for want of room in the queue.
    Dropped,
}

impl Mail {
    const ALL: [Self; 2] = [Self::Failure, Self::Recovery];

    const fn label(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Recovery => "recovery",
        }
    }
}

impl Delivery {
    const ALL: [Self; 4] = [Self::Ok, Self::Retried, Self::Failed, Self::Dropped];

    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl Metrics {
    /// Registers them, each label at 0.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let mails = registry.counter_vec(
            "incident_mails_total",
            "Messages that told users of accounts that fail, or work again.",
            &["kind"],
        )?;
        let deliveries = registry.counter_vec(
            "webhook_deliveries_total",
            "Requests to webhooks by what came of them.",
            &["result"],
        )?;
        Mail::ALL.iter().for_each(|kind| drop(mails.with_label_values(&[kind.label()])));
        Delivery::ALL.iter().for_each(|result| drop(deliveries.with_label_values(&[result.label()])));
        Ok(Self { mails, deliveries })
    }

    pub(super) fn mailed(&self, kind: Mail) {
        self.mails.with_label_values(&[kind.label()]).inc();
    }

    pub(super) fn delivery(&self, result: Delivery, count: u64) {
        self.deliveries.with_label_values(&[result.label()]).inc_by(count);
    }
}
