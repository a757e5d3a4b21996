//! A server's processes: starting ours, and what they use (Linux).

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Of `/proc/PID/stat`: times are in hundredths of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The service as a process of its own; ends when dropped.
pub struct Service {
    child: Child,
    pub address: SocketAddr,
}

impl Service {
    /// With users u1 to `users`.
    pub fn start(dir: &Path, users: usize) -> Self {
        let mut config = format!(
            "data_dir: {}\nlog: {{ level: info, format: json }}\nimap:\n  listen: [\"127.0.0.1:0\"]\n  \
             listen_tls: []\n  allow_cleartext_login: true\nusers:\n",
            dir.join("data").display()
        );
        for n in 1..=users {
            writeln!(config, "  - {{ name: u{n}, password: pw, accounts: [] }}").expect("text");
        }
        let file = dir.join("tributary.yaml");
        std::fs::write(&file, config).expect("a configuration");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
        command.arg("serve").arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the service");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let address = log.find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            let fields = &line["fields"];
            let wanted = fields["message"] == "listening" && fields["service"] == "imap";
            if wanted { fields["address"].as_str()?.parse().ok() } else { None }
        });
        std::thread::spawn(move || log.for_each(drop));
        Self { child, address: address.expect("the service listens") }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Octets of memory of a process and its descendants, each page shared by several divided among them.
pub fn memory(root: u32) -> u64 {
    let of = |pid: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
    };
    tree(root).iter().map(of).sum()
}

/// Processor time of a process and its descendants, ended ones included.
pub fn processor(root: u32) -> Duration {
    let of =
        |pid: &u32| stat(*pid).map_or(0, |fields| fields[11..15].iter().filter_map(|t| t.parse::<u32>().ok()).sum());
    TICK * tree(root).iter().map(of).sum()
}

fn tree(root: u32) -> Vec<u32> {
    let all: Vec<u32> = std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let parents: Vec<(u32, u32)> = all.into_iter().filter_map(|pid| Some((pid, stat(pid)?[1].parse().ok()?))).collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

/// The fields after the name, which may have spaces.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}
