//! `tributary confirm-deletes`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{bail, ensure};

use super::control::Service;
use super::poll;
use crate::app::control::protocol::{Held, Polled, Request};

/// Which account, and whether that is sure.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// `user/name`, or `name` where only one user has such an account
    account: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Shows how many deletions are held, asks, has them made, and polls.
pub(super) fn run(file: &Path, flags: Flags) -> anyhow::Result<()> {
    let Flags { account, yes } = flags;
    let service = Service::of(file)?;
    let held: Held = service.ask(&Request::ConfirmDeletes { account: account.clone(), count_only: true })?;
    let account = held.account;
    let mut out = std::io::stdout();
    if held.count == 0 {
        writeln!(out, "{account}: no deletion waits to be confirmed")?;
        return Ok(());
    }
    writeln!(out, "{account}: {} expunged here are still upstream", messages(held.count))?;
    if !yes {
        ensure!(
            std::io::stdin().is_terminal(),
            "nothing is deleted without a terminal to ask at; to go on: tributary confirm-deletes {account} --yes"
        );
        write!(out, "Delete them upstream for good? [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !is_yes(&answer) {
            bail!("nothing is deleted");
        }
    }
    let confirmed: Held = service.ask(&Request::ConfirmDeletes { account: account.clone(), count_only: false })?;
    writeln!(out, "{account}: {} will be deleted upstream", messages(confirmed.count))?;
    let request = Request::Poll { account: Some(account), dry_run: false, force: false };
    let polled: Vec<Polled> = service.ask(&request)?;
    poll::print(&polled)
}

fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_but_yes_is_no() {
        for (answer, yes) in
            [("y\n", true), (" YES \r\n", true), ("\n", false), ("", false), ("yeah", false), ("n", false)]
        {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
