//! `tributary poll`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::bail;

use super::control::{Service, printable};
use crate::app::control::protocol::{Polled, Request};

/// What to poll, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// `user/name`, or `name` where only one user has such an account [default: all accounts]
    account: Option<String>,
    /// Log in and list only: say what would be fetched and deleted
    #[arg(long)]
    dry_run: bool,
    /// Also during a lock, a throttle, the server's login delay or a pause
    #[arg(long)]
    force: bool,
}

/// Has the accounts polled and prints how it went.
pub(super) fn run(file: &Path, flags: Flags) -> anyhow::Result<()> {
    let Flags { account, dry_run, force } = flags;
    let one = account.is_some();
    let polled: Vec<Polled> = Service::of(file)?.ask(&Request::Poll { account, dry_run, force })?;
    print(&polled)?;
    let failed = polled.iter().filter(|polled| !(is_ok(polled) || polled.at_rest && !one)).count();
    match (failed, polled.len()) {
        (0, _) => Ok(()),
        (_, 1) => bail!("the account was not polled, or not with success"),
        (failed, all) => bail!("{failed} of {all} accounts were not polled, or not with success"),
    }
}

/// A line an account.
pub(super) fn print(polled: &[Polled]) -> anyhow::Result<()> {
    let text: String = polled.iter().map(|polled| printable(&words(polled)) + "\n").collect();
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn is_ok(polled: &Polled) -> bool {
    polled.result.as_deref() == Some("ok")
}

/// How it went, without the end of the line.
pub(super) fn words(polled: &Polled) -> String {
    let account = &polled.account;
    let error = polled.error.as_deref().unwrap_or("no reason given");
    if polled.result.is_none() {
        let mut text = format!("{account}: not polled: {error}");
        if let Some(wait) = polled.wait {
            let wait = humantime::format_duration(std::time::Duration::from_secs(wait));
            // Writing to a String cannot fail.
            let _ = write!(text, "; it will be in {wait}, or now with --force");
        }
        return text;
    }
    let what = if is_ok(polled) { "ok".to_owned() } else { format!("failed: {error}") };
    let pending = polled.deletes_pending.saturating_sub(polled.deletes_held);
    if polled.dry_run {
        let mut text = format!(
            "{account}: {what}; {} listed, would fetch {} and delete {}",
            polled.listed, polled.backlog, pending
        );
        if polled.deletes_held > 0 {
            let _ = write!(text, ", {} more deletions wait to be confirmed", polled.deletes_held);
        }
        return text;
    }
    let mut text = format!("{account}: {what}; {} listed, {} fetched", polled.listed, polled.fetched);
    for (number, words) in [
        (polled.deleted, "deleted upstream"),
        (polled.duplicates, "known already"),
        (polled.adopted, "known under another unique-id"),
        (polled.skipped, "left alone"),
        (polled.backlog, "still to fetch"),
        (pending, "still to delete"),
        (polled.deletes_held, "deletions to be confirmed"),
    ] {
        if number > 0 {
            let _ = write!(text, ", {number} {words}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_it_went() {
        let base = || Polled { account: "a/b".to_owned(), ..Polled::default() };
        let ok = || Polled { result: Some("ok".to_owned()), listed: 7, ..base() };
        for (polled, want) in [
            (ok(), "a/b: ok; 7 listed, 0 fetched"),
            (
                Polled { fetched: 3, deleted: 2, backlog: 1, ..ok() },
                "a/b: ok; 7 listed, 3 fetched, 2 deleted upstream, 1 still to fetch",
            ),
            (
                Polled { dry_run: true, backlog: 3, deletes_pending: 62, deletes_held: 60, ..ok() },
                "a/b: ok; 7 listed, would fetch 3 and delete 2, 60 more deletions wait to be confirmed",
            ),
            (
                Polled { result: Some("auth".to_owned()), error: Some("refused".to_owned()), ..base() },
                "a/b: failed: refused; 0 listed, 0 fetched",
            ),
            (
                Polled { error: Some("the server wants no login yet".to_owned()), wait: Some(750), ..base() },
                "a/b: not polled: the server wants no login yet; it will be in 12m 30s, or now with --force",
            ),
            (
                Polled { error: Some("the account is paused".to_owned()), at_rest: true, ..base() },
                "a/b: not polled: the account is paused",
            ),
        ] {
            assert_eq!(words(&polled), want);
        }
    }
}
