//! What lies in `data_dir` is not what was left there: the service says in one line what is wrong and what to do, ends with
//! code 1, and leaves the damaged file as it is. It never panics, and never goes on as if there had been no mail.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;
#[path = "kill9_load/wire.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod wire;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use redb::TableDefinition;
use support::mail::Random;
use support::metrics::get;
use support::server::Server;
use support::small_disk::SmallDisk;
use support::{DEADLINE, config, mail, scratch, wait};
use tempfile::TempDir;
use wire::Wire;

const META: &str = "meta.redb";
const BLOBS: &str = "blobs.redb";
const MESSAGES: usize = 40;

/// Words one of which tells what to do.
const ADVICE: [&str; 6] = [
    "restore a backup",
    "put the missing file back",
    "stop the other",
    "run the newer",
    "let the user",
    "move it away",
];

/// The data of a service that has stored some mail and has stopped.
fn sound() -> TempDir {
    let dir = scratch();
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &[]));
    let mut imap = server.imap();
    for n in 0..MESSAGES {
        let text = message(n);
        imap.ok(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len()));
    }
    drop(imap);
    assert!(server.stop().success());
    dir
}

fn message(n: usize) -> String {
    String::from_utf8_lossy(&mail::message(5, n)).replace('\n', "\r\n")
}

fn configuration(dir: &Path) -> String {
    config::yaml(dir, &[]).replace("level: info", "level: error")
}

/// A copy of the data, and the configuration that names it.
fn copy(of: &Path) -> (TempDir, PathBuf) {
    let dir = scratch();
    copy_dir(&of.join("data"), &dir.path().join("data"));
    let file = dir.path().join("tributary.yaml");
    std::fs::write(&file, configuration(dir.path())).unwrap();
    (dir, file)
}

fn copy_dir(from: &Path, to: &Path) {
    support::run(Command::new("cp").arg("-a").arg(from).arg(to));
}

/// Every file in the directory.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

/// Starts the service, which must refuse; the line in which it says why.
fn refusal(file: &Path) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["serve", "-c"])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = wait::until("the service refuses to start", DEADLINE, || child.try_wait().unwrap());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(ended.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("tributary: ") && !said.contains("panicked"), "{said}");
    assert!(ADVICE.iter().any(|words| said.contains(words)), "no advice: {said}");
    said
}

fn overwrite(path: &Path, bytes: &[u8], at: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

fn truncate(path: &Path, len: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn noise(len: usize) -> Vec<u8> {
    let mut random = Random::new(3);
    (0..len).map(|_| random.below(256) as u8).collect()
}

#[test]
fn a_file_that_is_not_what_it_was_is_refused_and_left_alone() {
    let sound = sound();
    type Damage = fn(&Path);
    let ways: [(&str, Damage); 8] = [
        ("another magic number", |file| overwrite(file, b"REDB", 0)),
        ("a header of noise", |file| overwrite(file, &noise(311), 9)),
        ("cut off in the header", |file| truncate(file, 100)),
        ("cut off in the middle", |file| truncate(file, std::fs::metadata(file).unwrap().len() / 2)),
        ("empty", |file| truncate(file, 0)),
        ("noise", |file| std::fs::write(file, noise(100_000)).unwrap()),
        ("text", |file| std::fs::write(file, "Hello.\n").unwrap()),
        ("missing", |file| std::fs::remove_file(file).unwrap()),
    ];
    for name in [META, BLOBS] {
        for (way, damage) in ways {
            let (dir, file) = copy(sound.path());
            let data = dir.path().join("data");
            damage(&data.join(name));
            let before = contents(&data);
            let said = refusal(&file);
            println!("{name}, {way}: {said}");
            assert!(said.contains(name), "{said}");
            let after = contents(&data);
            // The other one was opened and closed as at any start and end.
            assert!(before.keys().eq(after.keys()), "{name}, {way}: {:?}, {:?}", before.keys(), after.keys());
            assert!(before.get(name) == after.get(name), "{name}, {way}: the file was changed");
            assert_eq!(refusal(&file), said, "the second start says the same");
            std::fs::copy(sound.path().join("data").join(name), data.join(name)).unwrap();
            std::fs::write(&file, config::yaml(dir.path(), &[])).unwrap();
            let server = Server::start_on(file);
            assert_eq!(server.imap().status("INBOX", "MESSAGES"), MESSAGES as u64, "with the file put back");
        }
    }
}

/// Damage behind the header may not show at the start. What cannot be read is then refused, and the service lives.
#[test]
fn noise_in_the_middle_is_refused_or_cannot_be_read() {
    let sound = sound();
    for name in [META, BLOBS] {
        for part in 1..6 {
            let (dir, file) = copy(sound.path());
            let path = dir.path().join("data").join(name);
            let len = std::fs::metadata(&path).unwrap().len();
            overwrite(&path, &noise(4096), len / 6 * part);
            std::fs::write(&file, config::yaml(dir.path(), &[])).unwrap();
            let Some(server) = Server::try_start_on(file.clone()) else {
                std::fs::write(&file, configuration(dir.path())).unwrap();
                println!("{name}, noise in part {part}: {}", refusal(&file));
                continue;
            };
            let (right, refused) = read_messages(&server);
            println!("{name}, noise in part {part}: {right} messages are right, {refused} cannot be read");
            assert_eq!(get(server.address("http"), "/healthz").0, 200);
        }
    }
}

/// How many messages are as they were, and how many are refused; each by a client of its own, as the server may hang up
/// when a message turns out to be damaged behind its first octets.
fn read_messages(server: &Server) -> (usize, usize) {
    let mut right = 0;
    for n in 0..MESSAGES {
        let Ok(mut wire) = Wire::connect(server.address("imap")) else { continue };
        if !wire.command("EXAMINE INBOX").is_ok_and(|answer| answer.tagged.starts_with("OK")) {
            continue;
        }
        let Ok(answer) = wire.command(&format!("UID FETCH {} (BODY.PEEK[])", n + 1)) else { continue };
        if answer.tagged.starts_with("OK") {
            let line = answer.untagged.first().unwrap_or_else(|| panic!("message {n} has vanished"));
            let line = String::from_utf8_lossy(line);
            let octets = line.split_once("}\r\n").map(|(_, octets)| octets);
            assert!(octets.is_some_and(|octets| octets.starts_with(&message(n))), "message {n} has other octets");
            right += 1;
        }
    }
    (right, MESSAGES - right)
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = sound();
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &[]));
    let second = dir.path().join("second.yaml");
    std::fs::write(&second, configuration(dir.path())).unwrap();
    let said = refusal(&second);
    println!("{said}");
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(server.imap().status("INBOX", "MESSAGES"), MESSAGES as u64);
}

#[test]
fn a_data_dir_that_is_a_file_is_refused() {
    let dir = scratch();
    std::fs::write(dir.path().join("data"), "a file").unwrap();
    let file = dir.path().join("tributary.yaml");
    std::fs::write(&file, configuration(dir.path())).unwrap();
    println!("{}", refusal(&file));
    assert_eq!(std::fs::read(dir.path().join("data")).unwrap(), b"a file");
}

#[test]
fn a_read_only_disk_is_refused() {
    let dir = scratch();
    let Some(disk) = SmallDisk::new(dir.path(), 12 << 20) else {
        eprintln!("SKIPPED: this process may mount nothing (neither `unshare -rm` nor `unshare -m` works)");
        return;
    };
    copy_dir(&sound().path().join("data"), &disk.path().join("data"));
    let file = dir.path().join("tributary.yaml");
    std::fs::write(&file, configuration(disk.path())).unwrap();
    disk.set_read_only(true);
    let said = refusal(&file);
    println!("{said}");
    assert!(said.contains("Read-only"), "{said}");
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let (dir, file) = copy(sound().path());
    let data = dir.path().join("data");
    let meta = redb::Database::open(data.join(META)).unwrap();
    let write = meta.begin_write().unwrap();
    let table: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("global");
    write.open_table(table).unwrap().insert("schema_version", 99u64.to_le_bytes().as_slice()).unwrap();
    write.commit().unwrap();
    drop(meta);
    let said = refusal(&file);
    println!("{said}");
    assert!(said.contains("schema version 99"), "{said}");
    assert_eq!(refusal(&file), said);
}
