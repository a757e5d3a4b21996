//! Metrics of what the store holds and how much room is left, sampled: they cost a read and must not be paid by each scrape.

use std::path::PathBuf;
use std::time::Duration;

use prometheus::{IntGauge, IntGaugeVec};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::quotas::Quotas;
use crate::metrics::{Error, Registry};
use crate::store::Store;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(10);

/// The gauges `store_messages`, `store_size_bytes`, `store_disk_free_bytes` and those of quotas.
pub(super) struct Storage {
    store: Store,
    data_dir: PathBuf,
    messages: IntGauge,
    size: IntGaugeVec,
    free: IntGauge,
    quotas: Quotas,
}

impl Storage {
    pub(super) fn new(store: Store, data_dir: PathBuf, quotas: Quotas, registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            store,
            data_dir,
            messages: registry.int_gauge("store_messages", "Messages in all mailboxes.")?,
            size: registry.int_gauge_vec("store_size_bytes", "Size of each file of the store.", &["file"])?,
            free: registry.int_gauge("store_disk_free_bytes", "Room left for the service on the disk of the store.")?,
            quotas,
        })
    }

    /// Samples at once and then regularly until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => self.sample().await,
            }
        }
    }

    async fn sample(&mut self) {
        self.quotas.sample(&self.store);
        match self.store.sizes().await {
            Ok(sizes) => {
                self.messages.set(gauge(sizes.messages));
                self.size.with_label_values(&["meta"]).set(gauge(sizes.meta));
                self.size.with_label_values(&["blobs"]).set(gauge(sizes.blobs));
            }
            Err(error) => tracing::debug!(%error, "the size of the store"),
        }
        match rustix::fs::statvfs(&self.data_dir) {
            Ok(disk) => self.free.set(gauge(disk.f_bavail.saturating_mul(disk.f_frsize))),
            Err(error) => tracing::debug!(%error, "the room left on the disk"),
        }
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
