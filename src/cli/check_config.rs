//! `tributary check-config`.

use std::io::Write;
use std::path::Path;

use crate::config;

/// Prints the effective configuration; warnings go to stderr.
pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    let loaded = config::load(file)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let text = loaded.config.to_yaml()?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
