//! `tributary serve`.

use std::path::Path;

use anyhow::Context;

use crate::app::{self, App};
use crate::config;
use crate::shutdown::{Hangups, StopSignals};

/// Runs until a signal stops it.
pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    let loaded = config::load(file)?;
    app::init_logging(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!(file = %file.display(), "{warning}");
    }
    super::block_on(async {
        let mut signals = StopSignals::new().context("cannot listen for signals")?;
        let mut hangups = Hangups::new().context("cannot listen for signals")?;
        let mut running = App::start(loaded.config).await?;
        let signal = loop {
            tokio::select! {
                signal = signals.recv() => break signal,
                () = hangups.recv() => running.reload().await,
            }
        };
        tracing::info!(signal, "stopping");
        running.stop().await
    })
}
