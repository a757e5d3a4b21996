//! `tributary stats`.

use std::io::Write;
use std::path::Path;

use super::control::printable;
use super::upkeep::{self, bytes};
use crate::app::control::protocol::Request;
use crate::store::{Stats, Usage};

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const HEAD: [&str; 6] = ["", "MESSAGES", "LOGICAL", "DEDUPLICATED", "STORED", "INDEX"];

/// Prints what takes how much room.
pub(super) fn run(file: &Path, flags: &Flags) -> anyhow::Result<()> {
    let stats: Stats = upkeep::run(file, &Request::Stats, |store, tell| Ok(store.stats(tell)?))?;
    let text = if flags.json { serde_json::to_string_pretty(&stats)? + "\n" } else { table(&stats) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn table(stats: &Stats) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for user in &stats.users {
        rows.push(row(&printable(&user.name), &user.usage));
        for mailbox in &user.mailboxes {
            rows.push(row(&format!("  {}", printable(&mailbox.name)), &mailbox.usage));
        }
    }
    rows.push(row("all users", &stats.total));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let [name, numbers @ ..] = row;
        text.push_str(&format!("{name}{}", " ".repeat(widths[0] - name.chars().count())));
        for (cell, width) in numbers.iter().zip(&widths[1..]) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text.push('\n');
    }
    let files = stats.meta_file + stats.blobs_file;
    text.push_str(&format!(
        "\nOn disk: {} (meta.redb {}, blobs.redb {}), {} of the messages' octets.\n",
        bytes(files),
        bytes(stats.meta_file),
        bytes(stats.blobs_file),
        ratio(files, stats.total.logical),
    ));
    let rows: u64 = stats.tables.iter().map(|table| table.bytes).sum();
    text.push_str(&format!(
        "Identical messages kept once save {}. Expunged and not yet removed: {}. Free or lost to page ends: {}.\n",
        bytes(stats.total.logical.saturating_sub(stats.total.distinct)),
        bytes(stats.dead),
        bytes(files.saturating_sub(rows)),
    ));
    text
}

fn row(name: &str, usage: &Usage) -> [String; 6] {
    let Usage { messages, logical, distinct, stored, index } = *usage;
    [name.to_owned(), messages.to_string(), bytes(logical), bytes(distinct), bytes(stored), bytes(index)]
}

fn ratio(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.2}", part as f64 / whole as f64) }
}
