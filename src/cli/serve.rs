//! `tributary serve`.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::app::{self, App};
use crate::config;
use crate::shutdown::StopSignals;

/// Runs until a signal stops it.
pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    let loaded = config::load(file)?;
    app::init_logging(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!(file = %file.display(), "{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let ended = runtime.block_on(async {
        let mut signals = StopSignals::new().context("cannot listen for signals")?;
        let running = App::start(loaded.config).await?;
        let signal = signals.recv().await;
        tracing::info!(signal, "stopping");
        running.stop().await
    });
    // What still runs by now has had its time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}
