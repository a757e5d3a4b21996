//! `tributary pause` and `tributary resume`.

use std::io::Write;
use std::path::Path;

use super::control::Service;
use crate::app::control::protocol::{Request, Switched};

/// Which account.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// `user/name`, or `name` where only one user has such an account
    account: String,
}

/// Has an account polled no more.
pub(super) fn pause(file: &Path, flags: Flags) -> anyhow::Result<()> {
    let switched = Service::of(file)?.ask(&Request::Pause { account: flags.account })?;
    print(&switched, ["is paused until: tributary resume", "was paused already; to end it: tributary resume"], true)
}

/// Has it polled again.
pub(super) fn resume(file: &Path, flags: Flags) -> anyhow::Result<()> {
    let switched = Service::of(file)?.ask(&Request::Resume { account: flags.account })?;
    print(&switched, ["is polled again", "was not paused"], false)
}

fn print(switched: &Switched, [new, old]: [&str; 2], name_again: bool) -> anyhow::Result<()> {
    let account = &switched.account;
    let words = if switched.changed { new } else { old };
    let again = if name_again { format!(" {account}") } else { String::new() };
    writeln!(std::io::stdout(), "{account} {words}{again}")?;
    Ok(())
}
