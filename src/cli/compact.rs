//! `tributary compact`.

use std::io::Write;
use std::path::Path;

use super::upkeep::{self, bytes};
use crate::app;
use crate::app::control::protocol::Request;
use crate::store::CompactReport;

/// Gives unused room back to the disk and prints how much it was.
pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    let report: CompactReport =
        upkeep::run(file, &Request::Compact, |store, tell| Ok(app::upkeep::compact(store, tell)?))?;
    let CompactReport { meta_before, meta_after, blobs_before, blobs_after, waited } = report;
    let mut out = std::io::stdout();
    for (name, before, after) in [("meta.redb", meta_before, meta_after), ("blobs.redb", blobs_before, blobs_after)] {
        writeln!(out, "{name}: {} before, {} after", bytes(before), bytes(after))?;
    }
    writeln!(out, "Writes waited for {} ms at most.", waited.as_millis())?;
    Ok(())
}
