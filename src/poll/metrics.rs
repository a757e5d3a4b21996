//! The poller's metric families (`tributary_` prefix, label `account`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, core::Collector,
};

use crate::metrics::SECONDS_SLOW;
use crate::status::AccountState;

use super::PollResult;
use super::deliveries::Arrival;
use super::scheduler::Nudged;

/// The labels beside the account where no type has them.
const SKIPPED: [&str; 2] = ["too_large", "refused"];
const DUPLICATE: [&str; 4] = ["unique_id", "content", "header", "merged"];
const DELETES: [&str; 3] = ["ok", "refused", "dry_run"];

/// Why a message was not fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// Longer than `max_message_size`.
    TooLarge,
    /// The server refused RETR.
    Refused,
}

/// All families; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    last_success: GaugeVec,
    last_attempt: GaugeVec,
    next: GaugeVec,
    interval: GaugeVec,
    failures: IntGaugeVec,
    state: IntGaugeVec,
    polls: IntCounterVec,
    duration: HistogramVec,
    fetched: IntCounterVec,
    fetched_bytes: CounterVec,
    skipped: IntCounterVec,
    duplicate: IntCounterVec,
    on_demand: IntCounterVec,
    uidl_resets: IntCounterVec,
    quarantined: IntGaugeVec,
    messages: IntGaugeVec,
    bytes: GaugeVec,
    backlog: IntGaugeVec,
    deletes: IntCounterVec,
    deletes_pending: IntGaugeVec,
    certificate_expiry: GaugeVec,
    token_expiry: GaugeVec,
}

impl Metrics {
    /// Makes the families and registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name, help| add(registry, GaugeVec::new(opts(name, help), &["account"]));
        let int_gauge = |name, help| add(registry, IntGaugeVec::new(opts(name, help), &["account"]));
        let counter = |name, help, label| {
            let labels = ["account", label];
            let labels = if label.is_empty() { &labels[..1] } else { &labels[..] };
            add(registry, IntCounterVec::new(opts(name, help), labels))
        };
        let states = IntGaugeVec::new(opts("account_state", "1 for the account's state."), &["account", "state"]);
        let octets = CounterVec::new(opts("fetched_bytes_total", "Octets of the messages fetched."), &["account"]);
        let duration = HistogramOpts::from(opts("poll_duration_seconds", "Time a poll takes."));
        Ok(Self {
            last_success: gauge("poll_last_success_timestamp_seconds", "End of the last poll that went well.")?,
            last_attempt: gauge("poll_last_attempt_timestamp_seconds", "Start of the last poll.")?,
            next: gauge("poll_next_timestamp_seconds", "When the next poll is due.")?,
            interval: gauge("poll_interval_seconds", "Configured time between two polls.")?,
            failures: int_gauge("poll_consecutive_failures", "Polls that failed in a row.")?,
            state: add(registry, states)?,
            polls: counter("polls_total", "Polls by how they ended.", "result")?,
            duration: add(registry, HistogramVec::new(duration.buckets(SECONDS_SLOW.to_vec()), &["account"]))?,
            fetched: counter("messages_fetched_total", "Messages fetched and stored.", "")?,
            fetched_bytes: add(registry, octets)?,
            skipped: counter("messages_skipped_total", "Messages left where they are.", "reason")?,
            duplicate: counter("messages_duplicate_total", "Messages listed anew that were stored already.", "match")?,
            on_demand: counter(
                "polls_on_demand_total",
                "Wishes of clients for fresh mail, by what came of them.",
                "outcome",
            )?,
            uidl_resets: counter("uidl_resets_total", "Polls that found mail under new unique-ids.", "")?,
            quarantined: int_gauge("messages_quarantined", "Messages that could not be fetched whole.")?,
            messages: int_gauge("upstream_messages", "Messages in the maildrop.")?,
            bytes: gauge("upstream_bytes", "Octets in the maildrop.")?,
            backlog: int_gauge("upstream_backlog_messages", "Listed messages still to be fetched.")?,
            deletes: counter("upstream_deletes_total", "Deletions upstream by how they ended.", "result")?,
            deletes_pending: int_gauge("upstream_deletes_pending", "Stored messages still to be deleted upstream.")?,
            certificate_expiry: gauge(
                "upstream_certificate_expiry_timestamp_seconds",
                "End of the validity of the certificate in the last TLS handshake.",
            )?,
            token_expiry: gauge("oauth_token_expiry_timestamp_seconds", "When the last OAuth access token ends.")?,
        })
    }

    /// The metrics of one account, all of them present from now on but for the ends of certificate and token.
    pub(super) fn account(&self, id: &str, interval: Duration) -> AccountMetrics {
        let one = [id];
        let skipped = SKIPPED.map(|reason| self.skipped.with_label_values(&[id, reason]));
        let duplicate = DUPLICATE.map(|found| self.duplicate.with_label_values(&[id, found]));
        let deletes = DELETES.map(|result| self.deletes.with_label_values(&[id, result]));
        let metrics = AccountMetrics {
            last_success: self.last_success.with_label_values(&one),
            last_attempt: self.last_attempt.with_label_values(&one),
            next: self.next.with_label_values(&one),
            failures: self.failures.with_label_values(&one),
            states: AccountState::ALL.map(|state| (state, self.state.with_label_values(&[id, state.label()]))),
            polls: PollResult::ALL.map(|result| (result, self.polls.with_label_values(&[id, result.label()]))),
            duration: self.duration.with_label_values(&one),
            fetched: self.fetched.with_label_values(&one),
            fetched_bytes: self.fetched_bytes.with_label_values(&one),
            skipped_too_large: skipped[0].clone(),
            skipped_refused: skipped[1].clone(),
            duplicate_unique_id: duplicate[0].clone(),
            duplicate_content: duplicate[1].clone(),
            duplicate_header: duplicate[2].clone(),
            duplicate_merged: duplicate[3].clone(),
            on_demand: Nudged::ALL.map(|what| (what, self.on_demand.with_label_values(&[id, what.label()]))),
            uidl_resets: self.uidl_resets.with_label_values(&one),
            quarantined: self.quarantined.with_label_values(&one),
            messages: self.messages.with_label_values(&one),
            bytes: self.bytes.with_label_values(&one),
            backlog: self.backlog.with_label_values(&one),
            deletes_ok: deletes[0].clone(),
            deletes_refused: deletes[1].clone(),
            deletes_dry_run: deletes[2].clone(),
            deletes_pending: self.deletes_pending.with_label_values(&one),
            certificate_expiry: self.certificate_expiry.clone(),
            token_expiry: self.token_expiry.clone(),
            id: id.to_owned(),
        };
        self.interval.with_label_values(&one).set(interval.as_secs_f64());
        metrics
    }
}

impl Metrics {
    /// The account has other settings, perhaps without TLS or OAuth: the ends of certificate and token wait to be seen.
    pub(super) fn forget_expiries(&self, id: &str) {
        for gauge in [&self.certificate_expiry, &self.token_expiry] {
            // What was never there need not go.
            let _ = gauge.remove_label_values(&[id]);
        }
    }

    /// The account is no more: nothing is shown of it.
    pub(super) fn forget(&self, id: &str) {
        self.forget_expiries(id);
        for gauge in [&self.last_success, &self.last_attempt, &self.next, &self.interval, &self.bytes] {
            let _ = gauge.remove_label_values(&[id]);
        }
        for gauge in [&self.failures, &self.quarantined, &self.messages, &self.backlog, &self.deletes_pending] {
            let _ = gauge.remove_label_values(&[id]);
        }
        for counter in [&self.fetched, &self.uidl_resets] {
            let _ = counter.remove_label_values(&[id]);
        }
        let _ = self.fetched_bytes.remove_label_values(&[id]);
        let _ = self.duration.remove_label_values(&[id]);
        for state in AccountState::ALL {
            let _ = self.state.remove_label_values(&[id, state.label()]);
        }
        let polls = PollResult::ALL.iter().map(|result| (&self.polls, result.label()));
        let wishes = Nudged::ALL.iter().map(|what| (&self.on_demand, what.label()));
        let skipped = SKIPPED.iter().map(|reason| (&self.skipped, *reason));
        let duplicates = DUPLICATE.iter().map(|found| (&self.duplicate, *found));
        let deletes = DELETES.iter().map(|result| (&self.deletes, *result));
        for (family, label) in polls.chain(wishes).chain(skipped).chain(duplicates).chain(deletes) {
            let _ = family.remove_label_values(&[id, label]);
        }
    }
}

/// The metrics of one account.
#[derive(Clone)]
pub(super) struct AccountMetrics {
    last_success: Gauge,
    last_attempt: Gauge,
    next: Gauge,
    failures: IntGauge,
    states: [(AccountState, IntGauge); AccountState::ALL.len()],
    polls: [(PollResult, IntCounter); PollResult::ALL.len()],
    duration: Histogram,
    pub(super) fetched: IntCounter,
    pub(super) fetched_bytes: Counter,
    skipped_too_large: IntCounter,
    skipped_refused: IntCounter,
    duplicate_unique_id: IntCounter,
    duplicate_content: IntCounter,
    duplicate_header: IntCounter,
    duplicate_merged: IntCounter,
    on_demand: [(Nudged, IntCounter); Nudged::ALL.len()],
    pub(super) uidl_resets: IntCounter,
    pub(super) quarantined: IntGauge,
    pub(super) messages: IntGauge,
    pub(super) bytes: Gauge,
    pub(super) backlog: IntGauge,
    pub(super) deletes_ok: IntCounter,
    pub(super) deletes_refused: IntCounter,
    pub(super) deletes_dry_run: IntCounter,
    pub(super) deletes_pending: IntGauge,
    certificate_expiry: GaugeVec,
    /// Shown only for accounts whose tokens have a known end.
    token_expiry: GaugeVec,
    id: String,
}

impl AccountMetrics {
    /// What an earlier run of the service has left: alerts about silence must not begin anew with each start.
    pub(super) fn restored(&self, last_attempt: Option<SystemTime>, last_success: Option<SystemTime>, failures: u32) {
        for (gauge, at) in [(&self.last_attempt, last_attempt), (&self.last_success, last_success)] {
            if let Some(at) = at {
                // The task may begin anew while the service runs: what was seen since is newer.
                gauge.set(seconds(at).max(gauge.get()));
            }
        }
        self.failures.set(i64::from(failures));
    }

    /// A poll begins.
    pub(super) fn started(&self, at: SystemTime) {
        self.last_attempt.set(seconds(at));
    }

    /// A poll has ended.
    pub(super) fn finished(&self, at: SystemTime, result: PollResult, took: Duration, failures: u32) {
        self.duration.observe(took.as_secs_f64());
        self.failures.set(i64::from(failures));
        if result == PollResult::Ok {
            self.last_success.set(seconds(at));
        }
        self.polls.iter().filter(|(r, _)| *r == result).for_each(|(_, counter)| counter.inc());
    }

    /// The account is in this state, and its next poll is due then.
    pub(super) fn state(&self, state: AccountState, next: Option<SystemTime>) {
        self.next.set(next.map_or(0.0, seconds));
        self.states.iter().for_each(|(s, gauge)| gauge.set(i64::from(*s == state)));
    }

    /// A handshake was made with a certificate that is valid until then. Without TLS there is no sample: 0 would look
    /// like a certificate that expired long ago.
    pub(super) fn certificate(&self, expiry: Option<SystemTime>) {
        if let Some(at) = expiry {
            self.certificate_expiry.with_label_values(&[&self.id]).set(seconds(at));
        }
    }

    /// The end of the last access token.
    pub(super) fn token_expires(&self, at: Option<SystemTime>) {
        if let Some(at) = at {
            self.token_expiry.with_label_values(&[&self.id]).set(seconds(at));
        }
    }

    /// A client would like fresh mail.
    pub(super) fn nudged(&self, what: Nudged) {
        self.on_demand.iter().filter(|(w, _)| *w == what).for_each(|(_, counter)| counter.inc());
    }

    pub(super) fn skipped(&self, reason: Skipped, count: u64) {
        match reason {
            Skipped::TooLarge => self.skipped_too_large.inc_by(count),
            Skipped::Refused => self.skipped_refused.inc_by(count),
        }
    }

    /// Messages recognised under new unique-ids by their headers, without being fetched.
    pub(super) fn adopted(&self, count: u64) {
        self.duplicate_header.inc_by(count);
    }

    pub(super) fn duplicate(&self, arrival: Arrival) {
        match arrival {
            Arrival::Stored => {}
            Arrival::KnownUniqueId => self.duplicate_unique_id.inc(),
            Arrival::KnownContent => self.duplicate_content.inc(),
            Arrival::KnownHeader => self.duplicate_header.inc(),
            Arrival::Merged => self.duplicate_merged.inc(),
        }
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("tributary")
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> prometheus::Result<C> {
    let collector = made?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_forgotten_account() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("registered");
        let samples = || registry.gather().iter().map(|family| family.get_metric().len()).sum::<usize>();
        let account = metrics.account("u/a", Duration::from_secs(1));
        account.certificate(Some(UNIX_EPOCH));
        account.token_expires(Some(UNIX_EPOCH));
        let one = samples();
        assert!(one > 20);
        metrics.account("u/b", Duration::from_secs(1));
        metrics.forget("u/a");
        // The other one has no TLS and no tokens.
        assert_eq!(samples(), one - 2);
        metrics.forget("u/b");
        assert_eq!(samples(), 0);
    }
}
