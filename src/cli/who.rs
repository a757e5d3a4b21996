//! `tributary who` and `tributary kick`.

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use super::control::{Service, printable};
use crate::app::control::protocol::{Devices, Kicked, Request};
use crate::http::{DeviceView, relative};

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct WhoFlags {
    /// Print JSON, the same as /api/status shows of the devices
    #[arg(long)]
    json: bool,
}

/// Whom to disconnect.
#[derive(Debug, clap::Args)]
pub(super) struct KickFlags {
    /// The ID that `tributary who` shows, or a user's name for all sessions of theirs
    who: String,
}

const HEAD: [&str; 8] = ["ID", "USER", "CLIENT", "ADDRESS", "TLS", "MAILBOX", "SINCE", "ACTIVE"];

/// Prints who is connected.
pub(super) fn who(file: &Path, flags: &WhoFlags) -> anyhow::Result<()> {
    let Devices { devices } = Service::of(file)?.ask(&Request::Who)?;
    let text = if flags.json {
        let mut json = serde_json::to_string_pretty(&devices)?;
        json.push('\n');
        json
    } else {
        table(&devices, SystemTime::now())
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Ends sessions.
pub(super) fn kick(file: &Path, flags: KickFlags) -> anyhow::Result<()> {
    let Kicked { sessions } = Service::of(file)?.ask(&Request::Kick { who: flags.who })?;
    let words = if sessions == 1 { "1 session is".to_owned() } else { format!("{sessions} sessions are") };
    writeln!(std::io::stdout(), "{words} ended")?;
    Ok(())
}

fn table(devices: &[DeviceView], now: SystemTime) -> String {
    if devices.is_empty() {
        return "Nobody is connected.\n".to_owned();
    }
    let rows: Vec<[String; 8]> =
        [HEAD.map(str::to_owned)].into_iter().chain(devices.iter().map(|device| row(device, now))).collect();
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(device: &DeviceView, now: SystemTime) -> [String; 8] {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { printable(text) };
    [
        device.id.to_string(),
        printable(&device.user),
        or_dash(&device.client),
        device.address.clone(),
        if device.tls { "yes" } else { "no" }.to_owned(),
        or_dash(device.mailbox.as_deref().unwrap_or_default()),
        relative(device.since, now),
        if device.idle { "waits for news".to_owned() } else { relative(device.active, now) },
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_table_is_aligned_and_nothing_in_it_moves_the_cursor() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let phone = DeviceView {
            id: 7,
            user: "alice".to_owned(),
            client: "Mail\u{1b}[2J 1".to_owned(),
            address: "192.0.2.1".to_owned(),
            tls: true,
            mailbox: Some("INBOX".to_owned()),
            since: Some(now - Duration::from_secs(600)),
            active: Some(now),
            idle: true,
        };
        let other =
            DeviceView { id: 12, idle: false, client: String::new(), mailbox: None, tls: false, ..phone.clone() };
        assert_eq!(
            table(&[phone, other], now),
            "ID  USER   CLIENT      ADDRESS    TLS  MAILBOX  SINCE       ACTIVE\n\
             7   alice  Mail?[2J 1  192.0.2.1  yes  INBOX    10 min ago  waits for news\n\
             12  alice  -           192.0.2.1  no   -        10 min ago  now\n"
        );
        assert_eq!(table(&[], now), "Nobody is connected.\n");
    }
}
