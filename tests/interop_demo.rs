//! The demo as a newcomer meets it: it starts with no set-up, its mail arrives, the lines that it prints work when they
//! are pasted, and a taken port is explained.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use support::imap::Imap;
use support::{DEADLINE, have, run, terminate, wait};

/// At least so many sample messages lie in the two maildrops.
const SAMPLES: u64 = 60;

struct Demo {
    child: Child,
    lines: Receiver<String>,
    banner: String,
}

impl Demo {
    fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
        command.args(["demo", "--imap", "127.0.0.1:0", "--imaps", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command
    }

    /// Starts it and reads the banner.
    fn start() -> Self {
        let mut child =
            Self::command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut demo = Self { child, lines, banner: String::new() };
        while !demo.banner.contains("Ctrl-C") {
            let line = demo.lines.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no banner: {}", demo.banner));
            demo.banner.push_str(&(line + "\n"));
        }
        demo
    }

    /// The word after a label of the banner.
    fn word_after(&self, label: &str) -> &str {
        let line = self.banner.lines().find_map(|line| line.trim().strip_prefix(label));
        let word = line.and_then(|rest| rest.split_whitespace().next());
        word.unwrap_or_else(|| panic!("no {label:?} in {}", self.banner))
    }

    /// The lines that start with this program.
    fn suggestions(&self, program: &str) -> Vec<&str> {
        self.banner.lines().map(str::trim).filter(|line| line.starts_with(program)).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn all_samples_arrive_and_the_printed_lines_work() {
    if !have(&["curl", "bash"]) {
        return;
    }
    let mut demo = Demo::start();
    let address: SocketAddr = demo.word_after("IMAP ").parse().unwrap();
    let mut imap = Imap::connect(address);
    imap.ok("LOGIN demo demo");
    wait::until("the sample mail is there", DEADLINE, || (imap.status("INBOX", "MESSAGES") >= SAMPLES).then_some(()));
    let suggestions = demo.suggestions("curl ");
    assert!(suggestions.len() >= 2, "{}", demo.banner);
    for line in suggestions {
        let printed = run(Command::new("bash").args(["-c", &format!("set -o pipefail; {line}")]));
        assert!(!printed.trim().is_empty(), "{line} prints nothing");
    }
    let data = std::path::PathBuf::from(demo.word_after("data "));
    assert!(data.is_dir(), "{}", data.display());
    terminate(&demo.child);
    let status = wait::until("the demo stops", DEADLINE, || demo.child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert!(!data.exists(), "{} is left behind", data.display());
}

#[test]
fn a_taken_port_is_explained_with_the_flag_to_use() {
    for flag in ["--imap", "--imaps", "--http"] {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let mut arguments = vec!["demo"];
        for each in ["--imap", "--imaps", "--http"] {
            arguments.extend([each, if each == flag { &address } else { "127.0.0.1:0" }]);
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_tributary"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut words = String::new();
        child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{words}");
        assert!(words.contains(&address) && words.contains(&format!("{flag} ")), "{flag}: {words}");
    }
}
