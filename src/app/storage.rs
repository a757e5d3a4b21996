//! Metrics of what the store holds, how much room is left, and how long the certificate of IMAP is valid. They are sampled:
//! they cost a read, which must not be paid by each scrape.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use prometheus::{IntGauge, IntGaugeVec};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::quotas::Quotas;
use crate::metrics::{Error, Registry};
use crate::store::Store;
use crate::tls;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(10);

/// The gauges `store_*` and `tls_certificate_expiry_timestamp_seconds`, and those of quotas.
pub(super) struct Storage {
    store: Store,
    data_dir: PathBuf,
    messages: IntGauge,
    size: IntGaugeVec,
    dead_bodies: IntGauge,
    last_backup: IntGauge,
    last_compaction: IntGauge,
    disk_free: IntGauge,
    disk_size: IntGauge,
    certificate_expiry: IntGauge,
    tls: tls::Loaded,
    quotas: Quotas,
}

impl Storage {
    /// `tls`: shows the certificate that clients get now, also after it was read again.
    pub(super) fn new(
        store: Store,
        data_dir: PathBuf,
        tls: tls::Loaded,
        quotas: Quotas,
        registry: &Registry,
    ) -> Result<Self, Error> {
        Ok(Self {
            store,
            data_dir,
            messages: registry.int_gauge("store_messages", "Messages in all mailboxes.")?,
            size: registry.int_gauge_vec("store_size_bytes", "Size of each file of the store.", &["file"])?,
            dead_bodies: registry.int_gauge(
                "store_dead_bodies",
                "Message bodies that no message has any more and that the collector has not removed yet.",
            )?,
            last_backup: registry.int_gauge(
                "store_last_backup_timestamp_seconds",
                "End of the last backup without problems; 0 when there was none.",
            )?,
            last_compaction: registry.int_gauge(
                "store_last_compaction_timestamp_seconds",
                "End of the last compaction; 0 when there was none.",
            )?,
            disk_free: registry
                .int_gauge("store_disk_free_bytes", "Room left for the service on the disk of the store.")?,
            disk_size: registry.int_gauge("store_disk_size_bytes", "Size of the disk of the store.")?,
            certificate_expiry: registry.int_gauge(
                "tls_certificate_expiry_timestamp_seconds",
                "End of the validity of the certificate that IMAP clients are shown.",
            )?,
            tls,
            quotas,
        })
    }

    /// Samples at once and then regularly until `shutdown`.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => self.sample().await,
            }
        }
    }

    async fn sample(&self) {
        self.quotas.sample(&self.store);
        let expiry = self.tls.not_after().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        self.certificate_expiry.set(expiry.map_or(0, |since| gauge(since.as_secs())));
        match self.store.sizes().await {
            Ok(sizes) => {
                self.messages.set(gauge(sizes.messages));
                self.size.with_label_values(&["meta"]).set(gauge(sizes.meta));
                self.size.with_label_values(&["blobs"]).set(gauge(sizes.blobs));
                self.dead_bodies.set(gauge(sizes.dead_bodies));
                self.last_backup.set(sizes.last_backup.unwrap_or(0));
                self.last_compaction.set(sizes.last_compaction.unwrap_or(0));
            }
            Err(error) => tracing::debug!(%error, "the size of the store"),
        }
        match rustix::fs::statvfs(&self.data_dir) {
            Ok(disk) => {
                self.disk_free.set(gauge(disk.f_bavail.saturating_mul(disk.f_frsize)));
                self.disk_size.set(gauge(disk.f_blocks.saturating_mul(disk.f_frsize)));
            }
            Err(error) => tracing::debug!(%error, "the room left on the disk"),
        }
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
