//! `tributary serve`.

use std::path::Path;

use anyhow::Context;

use crate::app::{self, App, Baseline, FileWatch, systemd};
use crate::config;
use crate::shutdown::{Hangups, StopSignals};

/// What `systemctl status` shows.
const READY: &str = "Polling maildrops and serving IMAP";

/// Runs until a signal stops it.
pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    let before = Baseline::of(file);
    let loaded = config::load(file)?;
    let before = before.with(&loaded.config);
    app::init_logging(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!(file = %file.display(), "{warning}");
    }
    let inherited = systemd::Inherited::take()?;
    super::block_on(async {
        let mut signals = StopSignals::new().context("cannot listen for signals")?;
        let mut hangups = Hangups::new().context("cannot listen for signals")?;
        let mut running = App::start_on(loaded.config, inherited).await?;
        systemd::ready(READY);
        let mut files = FileWatch::new(before, running.config());
        let signal = loop {
            tokio::select! {
                signal = signals.recv() => break signal,
                () = hangups.recv() => tracing::info!("SIGHUP: reading the configuration again"),
                () = files.changed() => tracing::info!("a file has changed: reading the configuration again"),
            }
            let reload = async {
                systemd::reloading();
                files.note().await;
                running.reload(file).await;
                systemd::ready(READY);
            };
            // Secrets may take their time; who asks to stop does not wait for them.
            tokio::select! {
                signal = signals.recv() => break signal,
                () = reload => {}
            }
        };
        tracing::info!(signal, "stopping");
        systemd::stopping();
        running.stop().await
    })
}
