//! The disk of the store is full: new work is refused in so many words, reading goes on, nothing that was acknowledged
//! is lost, nothing is deleted upstream, and once there is room all goes on without a restart.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::process::Command;
use std::time::Duration;

use support::config::{self, Account, PASSWORD, USER};
use support::imap::{Answer, Imap};
use support::metrics::get;
use support::server::Server;
use support::small_disk::SmallDisk;
use support::{DEADLINE, scratch, wait};
use tributary::demo::pop3d::{Pop3d, Settings};
use tributary::store::{self, Store};

/// Room for the files of a new store and some mail.
const DISK: u64 = 12 << 20;
/// Small messages, commands and mailboxes, far more than fit into the pages that the files have free.
const MANY: usize = 2000;

fn small_disk(dir: &tempfile::TempDir) -> Option<SmallDisk> {
    let disk = SmallDisk::new(dir.path(), DISK);
    if disk.is_none() {
        eprintln!("SKIPPED: this process may mount nothing (neither `unshare -rm` nor `unshare -m` works)");
    }
    disk
}

/// The service with its data on the small disk.
fn configuration(disk: &SmallDisk, accounts: &[Account]) -> String {
    config::yaml(disk.path(), accounts)
}

fn octets(n: usize, lines: usize) -> String {
    let mut state = support::mail::Random::new(n as u64);
    let lines: String = (0..lines).map(|_| format!("{:016x} {:016x}\r\n", state.next(), state.next())).collect();
    format!("Subject: {n}\r\n\r\n{lines}")
}

fn append(imap: &mut Imap, mailbox: &str, text: &str) -> Answer {
    imap.command(&format!("APPEND {mailbox} {{{}+}}\r\n{text}", text.len()))
}

fn assert_refused(answer: &Answer) {
    assert!(answer.tagged.starts_with("NO [OVERQUOTA] The disk"), "{}", answer.tagged);
}

/// Repeats something until it is refused; how often it was done.
fn until_refused(what: &str, mut run: impl FnMut(usize) -> Answer) -> usize {
    for n in 0..MANY {
        let answer = run(n);
        if !answer.tagged.starts_with("OK") {
            assert_refused(&answer);
            println!("{what}: refused after {n}");
            return n;
        }
    }
    panic!("{what}: {MANY} times on a full disk");
}

fn body(imap: &mut Imap, uid: usize) -> String {
    let text = imap.ok(&format!("UID FETCH {uid} (BODY.PEEK[])")).text();
    let (size, rest) = text.split_once('{').and_then(|(_, rest)| rest.split_once("}\r\n")).unwrap_or_default();
    let size = size.parse().unwrap_or_else(|_| panic!("UID {uid} cannot be read: {text}"));
    rest[..size].to_owned()
}

fn maildrop(runtime: &tokio::runtime::Runtime) -> (Pop3d, Account) {
    let server = runtime.block_on(Pop3d::start(Settings::default())).unwrap();
    let account = Account {
        password: "demo".to_owned(),
        leave_on_server: "never",
        ..Account::new("one", server.address(), "demo")
    };
    (server, account)
}

#[test]
fn work_is_refused_and_reading_goes_on_until_there_is_room_again() {
    let dir = scratch();
    let Some(disk) = small_disk(&dir) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (upstream, account) = maildrop(&runtime);
    for n in 0..3 {
        upstream.deliver(&format!("early-{n}"), octets(n, 100).into_bytes());
    }
    let config = configuration(&disk, &[account]);
    let server = Server::start(dir.path(), &config);
    wait::until("the early mail is fetched", DEADLINE, || upstream.unique_ids().is_empty().then_some(()));
    let mut imap = server.imap();
    for n in 0..5 {
        assert!(append(&mut imap, "Archive", &octets(n, 500)).tagged.starts_with("OK"));
    }

    disk.fill(0);
    for n in 0..3 {
        upstream.deliver(&format!("late-{n}"), octets(100 + n, 20_000).into_bytes());
    }
    assert_refused(&append(&mut imap, "Archive", &octets(1000, 20_000)));
    imap.ok("SELECT Archive");
    let kept = until_refused("APPEND", |n| append(&mut imap, "Archive", &octets(2000 + n, 5)));
    server.wait_for_metrics("a poll that the store refused", DEADLINE, |metrics| {
        metrics.sum("tributary_polls_total", &[("result", "store")]) >= 1.0
    });
    let created = until_refused("CREATE", |n| imap.command(&format!("CREATE Made/{n}")));
    // A change in place may fit into free pages for ever; if not, it is refused in the same words.
    let stored = imap.command("UID STORE 1:3 +FLAGS (\\Flagged)");
    let is_stored = stored.tagged.starts_with("OK");
    if !is_stored {
        assert_refused(&stored);
    }
    println!("STORE on a full disk: {}", stored.tagged);

    // Reading goes on, in old connections and new ones, and the service answers for itself.
    for imap in [&mut imap, &mut server.imap()] {
        imap.ok("SELECT Archive");
        assert_eq!(imap.status("Archive", "MESSAGES"), 5 + kept as u64);
        for uid in 1..=5 {
            assert_eq!(body(imap, uid), octets(uid - 1, 500));
        }
        for n in 0..kept {
            assert_eq!(body(imap, 6 + n), octets(2000 + n, 5));
        }
        let flagged = imap.ok("UID SEARCH FLAGGED").text();
        assert_eq!(flagged.trim_end() == "* SEARCH 1 2 3", is_stored, "{flagged}");
        imap.ok("LIST \"\" \"*\"");
    }
    assert_eq!(get(server.address("http"), "/healthz").0, 200);
    assert_eq!(get(server.address("http"), "/readyz").0, 200);
    assert_eq!(upstream.unique_ids().len(), 3, "deleted upstream although nothing was stored");
    assert!(server.metrics().sum("tributary_store_errors_total", &[("kind", "no_space")]) >= 1.0);

    disk.make_room();
    wait::until("the late mail is fetched", DEADLINE, || upstream.unique_ids().is_empty().then_some(()));
    assert_eq!(imap.status("INBOX", "MESSAGES"), 6);
    assert!(append(&mut imap, "Archive", &octets(1000, 20_000)).tagged.starts_with("OK"));
    imap.ok("UID STORE 4 +FLAGS (\\Flagged)");
    imap.ok("CREATE After");
    let end = (6 + kept, created);
    drop(imap);
    let server = server.restart_after_kill();
    let mut imap = server.imap();
    imap.ok("SELECT Archive");
    assert_eq!(body(&mut imap, end.0), octets(1000, 20_000));
    let made = imap.ok("LIST \"\" \"Made/%\"").untagged.len();
    assert_eq!(made, end.1);
    imap.ok("SELECT INBOX");
    assert_eq!(imap.uids_with_field("INBOX", "Subject").len(), 6);
    drop(imap);
    assert!(server.stop().success());
    assert_clean(&disk);
}

/// Every invariant, and every body against its BLAKE3.
fn assert_clean(disk: &SmallDisk) {
    let data_dir = disk.path().join("data");
    let settings = store::Settings { data_dir, cache_bytes: 8 << 20, gc_grace: Duration::ZERO };
    let store = Store::open(&settings).unwrap();
    assert_eq!(store.check().unwrap(), [] as [String; 0]);
    assert_eq!(store.check_octets().unwrap(), [] as [String; 0]);
}

#[test]
fn room_that_comes_and_goes_loses_nothing() {
    let dir = scratch();
    let Some(disk) = small_disk(&dir) else { return };
    let server = Server::start(dir.path(), &configuration(&disk, &[]));
    let mut imap = server.imap();
    let mut kept = Vec::new();
    for turn in 0..12 {
        // Some pages are left, another number in each turn, so that it is now this write that fails and now that one.
        disk.fill(turn * 3 * 4096);
        for n in 0..40 {
            let number = turn as usize * 100 + n;
            let text = octets(number, 10 + 20 * (n % 7));
            let answer = append(&mut imap, "Archive", &text);
            match answer.tagged.starts_with("OK") {
                true => kept.push(text),
                false => assert_refused(&answer),
            }
            let flags = imap.ok("SELECT Archive").text();
            assert!(flags.contains(&format!("* {} EXISTS", kept.len())), "{flags}");
        }
        disk.make_room();
        let text = octets(turn as usize * 100 + 99, 300);
        let answer = append(&mut imap, "Archive", &text);
        assert!(answer.tagged.starts_with("OK"), "with room again: {}", answer.tagged);
        kept.push(text);
    }
    drop(imap);
    let server = server.restart_after_kill();
    let mut imap = server.imap();
    imap.ok("SELECT Archive");
    for (n, text) in kept.iter().enumerate() {
        assert_eq!(body(&mut imap, n + 1), *text);
    }
    println!("{} messages kept", kept.len());
    drop(imap);
    assert!(server.stop().success());
    assert_clean(&disk);
}

#[test]
fn a_start_on_a_full_disk_fails_with_one_line() {
    let dir = scratch();
    let Some(disk) = small_disk(&dir) else { return };
    disk.fill(0);
    let file = dir.path().join("tributary.yaml");
    std::fs::write(&file, configuration(&disk, &[])).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_tributary")).arg("serve").arg("-c").arg(&file).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    let last = error.lines().last().unwrap_or_default();
    assert_eq!(done.status.code(), Some(1), "{error}");
    assert!(last.contains("No space left") || last.contains("no space left"), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    // With room the same directory serves.
    disk.make_room();
    let server = Server::start_on(file);
    let mut imap = Imap::connect(server.address("imap"));
    imap.ok(&format!("LOGIN {USER} {PASSWORD}"));
    assert_eq!(imap.status("INBOX", "MESSAGES"), 0);
}
