//! Work on the whole store, the same for a running service and for a command that opens the store itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ingest;
use crate::store::{BackupReport, CompactReport, Problem, RestoreReport, Result, Settings, Store, Tell, Upkept};

/// Directories beside the store that a backup has: the certificate that clients know, and the tokens of accounts.
const BESIDE: [&str; 2] = ["tls", "oauth"];

/// Copies the store, and what lies beside it, into the directory.
pub(crate) fn backup(store: &Store, target: &Path, tell: Tell<'_>) -> Result<BackupReport> {
    let report = store.backup(target, &BESIDE, tell)?;
    if report.problems.is_empty() {
        store.note_upkeep(Upkept::Backup)?;
    }
    Ok(report)
}

/// Gives room that nothing uses any more back to the disk.
pub(crate) fn compact(store: &Store, tell: Tell<'_>) -> Result<CompactReport> {
    let report = store.compact(tell)?;
    store.note_upkeep(Upkept::Compaction)?;
    Ok(report)
}

/// Makes the data directory from a backup.
pub(crate) fn restore(settings: &Settings, from: &Path, tell: Tell<'_>) -> Result<RestoreReport> {
    Store::restore(settings, from, &BESIDE, tell)
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checked {
    /// What was looked at.
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    /// What is wrong, one line each; after a repair, what is still wrong.
    pub(crate) problems: Vec<String>,
    /// How many of the problems a repair would rebuild.
    pub(crate) repairable: u64,
    /// What was wrong and has been rebuilt.
    pub(crate) repaired: Vec<String>,
}

/// Checks every invariant and the octets of every body; rebuilds what can be rebuilt if told so.
pub(crate) fn check(store: &Store, repair: bool, tell: Tell<'_>) -> Result<Checked> {
    let before = if repair {
        store.repair(&|| Box::new(ingest::Derivation::new(store.parse_limits())), tell)?
    } else {
        Vec::new()
    };
    let mut problems = store.examine()?;
    problems.extend(store.examine_octets(tell)?);
    let (messages, octets) = store.extent()?;
    Ok(Checked {
        messages,
        octets,
        repairable: problems.iter().filter(|problem| problem.fix.is_some()).count() as u64,
        repaired: lines(before.iter().filter(|problem| !problems.contains(problem))),
        problems: lines(problems.iter()),
    })
}

fn lines<'p>(problems: impl Iterator<Item = &'p Problem>) -> Vec<String> {
    problems.map(ToString::to_string).collect()
}
