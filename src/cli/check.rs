//! `tributary check`.

use std::io::Write;
use std::path::Path;

use anyhow::bail;

use super::control::printable;
use super::upkeep::{self, bytes};
use crate::app;
use crate::app::control::protocol::Request;
use crate::app::upkeep::Checked;

/// What to do about what is found.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Rebuild what can be rebuilt from the messages: records, counters, reference counts
    #[arg(long)]
    repair: bool,
}

/// Checks every invariant and the octets of every message; fails when something is wrong.
pub(super) fn run(file: &Path, flags: &Flags) -> anyhow::Result<()> {
    let request = Request::Check { repair: flags.repair };
    let checked: Checked =
        upkeep::run(file, &request, |store, tell| Ok(app::upkeep::check(store, flags.repair, tell)?))?;
    let mut out = std::io::stdout();
    for repaired in &checked.repaired {
        writeln!(out, "rebuilt: {}", printable(repaired))?;
    }
    for problem in &checked.problems {
        writeln!(out, "{}", printable(problem))?;
    }
    writeln!(out, "Looked at {} messages with {}.", checked.messages, bytes(checked.octets))?;
    match checked.problems.len() as u64 {
        0 => writeln!(out, "The store is sound.")?,
        n if checked.repairable == n => bail!("{}, which can be rebuilt: tributary check --repair", problems(n)),
        n => bail!("{}, {} of which can be rebuilt; for the others restore a backup", problems(n), checked.repairable),
    }
    Ok(())
}

fn problems(n: u64) -> String {
    if n == 1 { "1 problem".to_owned() } else { format!("{n} problems") }
}
