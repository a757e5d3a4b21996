//! `tributary status`.

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use super::control::{Service, printable};
use crate::app::control::protocol::{Request, Status};
use crate::http::{AccountView, relative};

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Print JSON, the same as /api/status shows of the accounts
    #[arg(long)]
    json: bool,
}

const HEAD: [&str; 8] =
    ["ACCOUNT", "STATE", "LAST SUCCESS", "NEXT POLL", "UPSTREAM", "TO FETCH", "FETCHED", "TO DELETE"];

/// Columns of numbers, from here on.
const NUMBERS: usize = 4;

/// Prints how every account is.
pub(super) fn run(file: &Path, flags: &Flags) -> anyhow::Result<()> {
    let status: Status = Service::of(file)?.ask(&Request::Status)?;
    let text = if flags.json {
        let mut json = serde_json::to_string_pretty(&status)?;
        json.push('\n');
        json
    } else {
        table(&status.accounts, SystemTime::now())
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// A line an account, and behind it what else there is to say, in plain words.
fn table(accounts: &[AccountView], now: SystemTime) -> String {
    if accounts.is_empty() {
        return "The configuration has no accounts.\n".to_owned();
    }
    let rows: Vec<[String; 8]> = accounts.iter().map(|account| row(account, now)).collect();
    let head = HEAD.map(str::to_owned);
    let mut widths = [0; 8];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in [&head].into_iter().chain(&rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let gap = " ".repeat(width - cell.chars().count());
            let (left, right) = if column < NUMBERS { ("", gap.as_str()) } else { (gap.as_str(), "") };
            line.push_str(&format!("{left}{cell}{right}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for account in accounts {
        for note in account.notes() {
            text.push_str(&printable(&format!("{}: {note}", account.account)));
            text.push('\n');
        }
    }
    text
}

fn row(account: &AccountView, now: SystemTime) -> [String; 8] {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let next = if account.next_poll.is_none() { "-".to_owned() } else { relative(account.next_poll, now) };
    [
        printable(&account.account),
        account.words().to_owned(),
        relative(account.last_success, now),
        next,
        number(account.listed),
        number(account.backlog),
        account.fetched.to_string(),
        account.deletes_pending.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::status::AccountState;

    #[test]
    fn the_table_is_aligned_and_says_what_is_wrong() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let well = AccountView {
            account: "alice/isp".to_owned(),
            last_success: Some(now - Duration::from_secs(65)),
            next_poll: Some(now + Duration::from_secs(240)),
            listed: Some(1200),
            backlog: Some(0),
            fetched: 12,
            ..AccountView::default()
        };
        let bad = AccountView {
            account: "b/x".to_owned(),
            state: AccountState::AuthFailed,
            last_error: Some("the server said \u{1b}[31mno".to_owned()),
            deletes_pending: 60,
            deletes_held: 60,
            confirm_with: Some("tributary confirm-deletes b/x".to_owned()),
            ..AccountView::default()
        };
        let want = "\
ACCOUNT    STATE          LAST SUCCESS  NEXT POLL  UPSTREAM  TO FETCH  FETCHED  TO DELETE
alice/isp  ok             65 s ago      in 4 min       1200         0       12          0
b/x        login refused  never         -                 -         -        0         60
b/x: the server said ?[31mno
b/x: 60 deletions wait to be confirmed: tributary confirm-deletes b/x
";
        assert_eq!(table(&[well, bad], now), want);
        assert!(table(&[], now).contains("no accounts"));
    }
}
