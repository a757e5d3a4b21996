//! `tributary check`.

use std::io::Write;
use std::path::Path;

use anyhow::bail;

use super::control::printable;
use super::upkeep;
use crate::app;
use crate::app::control::protocol::Request;
use crate::app::upkeep::Checked;

/// What to do about what is found.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Rebuild what can be rebuilt from the messages: records, text for SEARCH, counters, reference counts
    #[arg(long)]
    repair: bool,
}

/// Checks every invariant and the octets of every message; fails when something is wrong.
pub(super) fn run(file: &Path, flags: &Flags) -> anyhow::Result<()> {
    let request = Request::Check { repair: flags.repair };
    let checked: Checked =
        upkeep::run(file, &request, |store, tell| Ok(app::upkeep::check(store, flags.repair, tell)?))?;
    let mut out = std::io::stdout();
    for problem in &checked.problems {
        writeln!(out, "{}", printable(problem))?;
    }
    match checked.problems.len() {
        0 => writeln!(out, "The store is sound.")?,
        n => bail!("{n} problems"),
    }
    Ok(())
}
