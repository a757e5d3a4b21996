//! The units, judged by systemd itself, and what the service says to its supervisor.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::imap::Imap;
use support::{DEADLINE, config, have, run, scratch, terminate, wait};

fn units() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd")
}

#[test]
fn systemd_accepts_the_units() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let dir = scratch();
    // It looks whether what they run is there.
    let binary = env!("CARGO_BIN_EXE_tributary");
    for entry in std::fs::read_dir(units()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap().replace("/usr/bin/tributary", binary);
        let without_pages: String =
            text.lines().filter(|line| !line.starts_with("Documentation=")).map(|line| format!("{line}\n")).collect();
        std::fs::write(dir.path().join(name), without_pages).unwrap();
    }
    let all: Vec<PathBuf> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let wanted: Vec<&PathBuf> = all
        .iter()
        .filter(|path| ["service", "socket", "timer"].iter().any(|kind| path.extension().is_some_and(|it| it == *kind)))
        .collect();
    assert_eq!(wanted.len(), 6, "{all:?}");
    let judged = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(wanted).output().unwrap();
    let words = String::from_utf8_lossy(&judged.stderr).into_owned();
    let ours: Vec<&str> = words.lines().filter(|line| line.contains("tributary")).collect();
    assert!(judged.status.success() && ours.is_empty(), "{words}");
    let service = dir.path().join("tributary.service");
    run(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(service));
}

/// Reads what the service tells until one of the messages has this line.
fn until(socket: &UnixDatagram, wanted: &str) -> String {
    let mut buffer = [0; 4096];
    loop {
        let count = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
        let message = String::from_utf8_lossy(&buffer[..count]).into_owned();
        if message.lines().any(|line| line == wanted) {
            return message;
        }
    }
}

#[test]
fn the_supervisor_is_told_when_it_is_ready_alive_reloading_and_stopping() {
    let dir = scratch();
    let file = dir.path().join("tributary.yaml");
    std::fs::write(&file, config::yaml(dir.path(), &[])).unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    // The shell knows its number, which stays that of the service.
    let script = "WATCHDOG_PID=$$ exec \"$0\" serve -c \"$1\"";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_tributary")])
        .arg(&file)
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "100000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(until(&socket, "READY=1").contains("STATUS=Polling maildrops and serving IMAP"));
    until(&socket, "WATCHDOG=1");
    until(&socket, "WATCHDOG=1");
    run(Command::new("kill").args(["-HUP", &child.id().to_string()]));
    assert!(until(&socket, "RELOADING=1").contains("MONOTONIC_USEC="));
    until(&socket, "READY=1");
    terminate(&child);
    until(&socket, "STOPPING=1");
    assert!(wait::until("the service ends", DEADLINE, || child.try_wait().unwrap()).success());
}

#[test]
fn sockets_of_the_supervisor_take_the_place_of_the_configured_ones() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let dir = scratch();
    let file = dir.path().join("tributary.yaml");
    std::fs::write(&file, config::yaml(dir.path(), &[])).unwrap();
    let start = |name: &str| {
        // It takes no port 0: one that is free now.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("systemd-socket-activate")
            .args(["--listen", &address.to_string(), "--fdname", name, env!("CARGO_BIN_EXE_tributary"), "serve", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait::until("the socket is bound", DEADLINE, || std::net::TcpStream::connect(address).ok());
        (address, child)
    };
    let (address, mut child) = start("imap");
    let mut imap = Imap::connect(address);
    imap.ok(&format!("LOGIN {} {}", config::USER, config::PASSWORD));
    terminate(&child);
    let status = wait::until("the service ends", DEADLINE, || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    let (_, child) = start("other");
    let refused = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && words.contains("FileDescriptorName= must be one of imap, imaps, http"),
        "{words}"
    );
}
