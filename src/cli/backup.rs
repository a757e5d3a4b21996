//! `tributary backup` and `tributary restore`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::control::{Service, printable};
use super::upkeep::{self, bytes};
use crate::app;
use crate::app::control::protocol::Request;
use crate::config;
use crate::store::{BackupReport, RestoreReport};

/// Which backup.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// The directory of the backup
    directory: PathBuf,
}

/// Copies the store into the directory; fails when something is wrong with the copy.
pub(super) fn backup(file: &Path, flags: &Flags) -> anyhow::Result<()> {
    // The service may run elsewhere.
    let target = std::path::absolute(&flags.directory).context("the directory's name")?;
    let request = Request::Backup { target: target.clone() };
    let report: BackupReport =
        upkeep::run(file, &request, |store, tell| Ok(app::upkeep::backup(store, &target, tell)?))?;
    let BackupReport { messages, bodies, copied, copied_bytes, removed, problems } = report;
    let mut out = std::io::stdout();
    let same = bodies.saturating_sub(copied);
    writeln!(out, "{messages} messages in {}: {bodies} bodies,", printable(&target.display().to_string()))?;
    writeln!(out, "{copied} copied now ({}), {same} there already, {removed} removed.", bytes(copied_bytes))?;
    told(&problems)?;
    match problems.len() {
        0 => writeln!(out, "The copy is sound.")?,
        n => bail!("the backup is made, but {n} problems are in it: see tributary check"),
    }
    Ok(())
}

/// Makes the store of the configuration from the backup in the directory.
pub(super) fn restore(file: &Path, flags: &Flags) -> anyhow::Result<()> {
    let config = config::load(file)?.config;
    let data_dir = config.data_dir.display();
    if Service::at(&config.data_dir, file).is_running()? {
        bail!("a service is running on data_dir {data_dir}: stop it, and move its meta.redb and blobs.redb away");
    }
    let settings = app::store_settings(&config);
    let report: RestoreReport =
        upkeep::with_progress(|tell| Ok(app::upkeep::restore(&settings, &flags.directory, tell)?))?;
    let RestoreReport { messages, bodies, bytes: len, problems } = report;
    let mut out = std::io::stdout();
    writeln!(out, "{messages} messages in {data_dir}: {bodies} bodies, {}.", bytes(len))?;
    told(&problems)?;
    match problems.len() {
        0 => writeln!(out, "The store is sound. Start it with: tributary serve -c {}", file.display())?,
        n => bail!("the store is restored, but {n} problems were in the backup: see tributary check --repair"),
    }
    Ok(())
}

fn told(problems: &[String]) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    for problem in problems {
        writeln!(out, "{}", printable(problem))?;
    }
    Ok(())
}
