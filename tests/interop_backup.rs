//! Backup, restore and compaction by command, with the real service, and what mail clients notice of them: nothing.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::command::tributary;
use support::config::{self, Account};
use support::dovecot::PASSWORD;
use support::imap::Imap;
use support::server::Server;
use support::{have, run, scratch};
use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Pop3d, Settings};

const MESSAGES: u32 = 40;

fn ok(dir: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = tributary(dir, arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out + &err
}

fn fails(dir: &Path, arguments: &[&str], why: &str) {
    let (code, out, err) = tributary(dir, arguments);
    let out = out + &err;
    assert_eq!(code, 1, "{arguments:?}: {out}");
    assert!(out.contains(why), "{arguments:?}: {out}");
}

fn maildrop(runtime: &Runtime) -> Pop3d {
    let settings = Settings { username: "up".to_owned(), password: PASSWORD.to_owned(), ..Settings::default() };
    let server = runtime.block_on(Pop3d::start(settings)).unwrap();
    for n in 1..=MESSAGES {
        let text =
            format!("Subject: {n}\r\nMessage-ID: <{n}@example.org>\r\n\r\n{}\r\n", "words ".repeat(n as usize * 50));
        server.deliver(&format!("id{n}"), text.into_bytes());
    }
    server
}

/// A home of the service; all of them poll the same maildrop.
fn home(parent: &Path, name: &str, maildrop: &Pop3d) -> (PathBuf, String) {
    let dir = parent.join(name);
    std::fs::create_dir(&dir).unwrap();
    let yaml = config::yaml(&dir, &[Account::new("drop", maildrop.address(), "up")]);
    std::fs::write(dir.join("tributary.yaml"), &yaml).unwrap();
    (dir, yaml)
}

fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

/// What a client that knows CONDSTORE keeps of a mailbox.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    uid_validity: u64,
    highest_mod_seq: u64,
    messages: String,
}

fn kept(imap: &mut Imap) -> Kept {
    let status = |imap: &mut Imap, item| imap.status("INBOX", item);
    let (uid_validity, highest_mod_seq) = (status(imap, "UIDVALIDITY"), status(imap, "HIGHESTMODSEQ"));
    imap.ok("SELECT INBOX (CONDSTORE)");
    let messages = imap.ok("UID FETCH 1:* (FLAGS MODSEQ INTERNALDATE RFC822.SIZE)").text();
    Kept { uid_validity, highest_mod_seq, messages }
}

/// A Maildir that mbsync keeps in step, and what is in it.
struct Device(PathBuf);

impl Device {
    fn sync(&self, server: &Server) -> String {
        let config = self.0.join("mbsyncrc");
        let text = format!(
            "IMAPAccount server\nHost 127.0.0.1\nPort {}\nUser {}\nPass {}\nSSLType None\nAuthMechs LOGIN\n\n\
             IMAPStore remote\nAccount server\n\nMaildirStore local\nPath {home}/mail/\nInbox {home}/mail/INBOX\n\
             SubFolders Verbatim\n\nChannel all\nFar :remote:\nNear :local:\nPatterns *\nCreate Both\nExpunge Both\n\
             SyncState *\n",
            server.address("imap").port(),
            config::USER,
            config::PASSWORD,
            home = self.0.display()
        );
        std::fs::create_dir_all(self.0.join("mail")).unwrap();
        std::fs::write(&config, text).unwrap();
        run(Command::new("mbsync").arg("--config").arg(&config).arg("--all").env("HOME", &self.0))
    }

    fn mail(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut found, mut open) = (BTreeMap::new(), vec![self.0.join("mail")]);
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let is_state = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
                if path.is_dir() {
                    open.push(path);
                } else if !is_state {
                    found.insert(path.clone(), std::fs::read(&path).unwrap());
                }
            }
        }
        found
    }
}

/// The whole way: sync, backup of the running service, loss, restore elsewhere, sync again.
#[test]
fn after_a_restore_no_client_downloads_again() {
    if !have(&["mbsync"]) {
        return;
    }
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let maildrop = maildrop(&runtime);
    let (first, yaml) = home(dir.path(), "first", &maildrop);
    let backup = dir.path().join("backup");
    let server = Server::start(&first, &yaml);
    server.wait_for_polls(&["drop"], 1);
    let mut imap = server.imap();
    imap.ok("SELECT INBOX");
    imap.ok("UID STORE 1:5 +FLAGS (\\Seen Work)");
    imap.ok("UID MOVE 6:8 Archive");
    imap.ok("UID STORE 9:12 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    let device = Device(dir.path().join("device"));
    std::fs::create_dir(&device.0).unwrap();
    device.sync(&server);
    let mail = device.mail();
    let before = kept(&mut imap);
    let uid_next = imap.status("INBOX", "UIDNEXT");
    // Those that INBOX still has are in the view of their account as well.
    assert_eq!(mail.len(), (MESSAGES as usize - 4) + (MESSAGES as usize - 4 - 3));
    let told = ok(&first, &["backup", path(&backup)]);
    assert!(told.contains("The copy is sound."), "{told}");
    let told = ok(&first, &["backup", path(&backup)]);
    assert!(told.contains("0 copied now"), "{told}");
    drop(imap);
    assert!(server.stop().success());
    std::fs::remove_dir_all(&first).unwrap();

    let (second, yaml) = home(dir.path(), "second", &maildrop);
    let told = ok(&second, &["restore", path(&backup)]);
    assert!(told.contains("The store is sound."), "{told}");
    let server = Server::start(&second, &yaml);
    server.wait_for_polls(&["drop"], 1);
    assert_eq!(server.metrics().sum("tributary_messages_fetched_total", &[]), 0.0, "nothing is fetched again");
    let mut imap = server.imap();
    assert_eq!(kept(&mut imap), before);
    let changed = imap.ok(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {})", before.highest_mod_seq)).text();
    assert_eq!(changed, "", "a client that knows the backup's state sees no change");
    let told = device.sync(&server);
    assert_eq!(device.mail(), mail, "mbsync changes nothing: {told}");
    assert_eq!(kept(&mut imap), before, "and uploads nothing: {told}");
    assert!(imap.status("INBOX", "UIDNEXT") >= uid_next + 100_000);
    assert!(ok(&second, &["check"]).contains("The store is sound."));

    maildrop.deliver("new", b"Subject: new\r\n\r\nnew\r\n".to_vec());
    server.wait_for_polls(&["drop"], 4);
    device.sync(&server);
    assert_eq!(device.mail().len(), mail.len() + 2, "new mail arrives as ever, in INBOX and in the view");
    assert!(server.stop().success());
}

#[test]
fn what_cannot_be_done_is_refused_with_what_to_do() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let maildrop = maildrop(&runtime);
    let (first, yaml) = home(dir.path(), "first", &maildrop);
    let backup = dir.path().join("backup");
    fails(&first, &["backup", path(&backup)], "there is no store");
    fails(&first, &["compact"], "there is no store");
    fails(&first, &["restore", path(&backup)], "no backup that was finished");
    let server = Server::start(&first, &yaml);
    server.wait_for_polls(&["drop"], 1);
    fails(&first, &["backup", path(&first.join("data/backup"))], "data directory itself");
    fails(&first, &["backup", path(&first.join("tributary.yaml"))], "it is a file");
    fails(&first, &["backup", path(dir.path())], "other things");
    ok(&first, &["backup", path(&backup)]);
    fails(&first, &["restore", path(&backup)], "a service is running");
    assert!(server.stop().success());
    fails(&first, &["restore", path(&backup)], "holds a store already");
    // The same without a service.
    assert!(ok(&first, &["backup", path(&backup)]).contains("0 copied now"));
    assert!(ok(&first, &["compact"]).contains("Writes waited"));
    let (other, yaml) = home(dir.path(), "other", &maildrop);
    assert!(Server::start(&other, &yaml).stop().success());
    fails(&other, &["backup", path(&backup)], "another store");
}

/// Sessions that read and write all the while are not dropped, and nothing is lost.
#[test]
fn sessions_live_through_compactions_and_backups() {
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let maildrop = maildrop(&runtime);
    let (first, yaml) = home(dir.path(), "first", &maildrop);
    let backup = dir.path().join("backup");
    let server = Server::start(&first, &yaml);
    server.wait_for_polls(&["drop"], 1);
    let stop = Arc::new(AtomicBool::new(false));
    let sessions: Vec<_> = (0..3)
        .map(|session| {
            let (mut imap, stop) = (server.imap(), Arc::clone(&stop));
            std::thread::spawn(move || {
                imap.ok(&format!("CREATE s{session}"));
                imap.ok("SELECT INBOX");
                let mut rounds = 0;
                while !stop.load(Ordering::Relaxed) {
                    rounds += 1;
                    imap.ok(&format!("UID STORE {} +FLAGS (round{})", 1 + rounds % MESSAGES, rounds % 7));
                    imap.ok(&format!("UID COPY 1:5 s{session}"));
                    let answer = imap.ok(&format!("UID FETCH {} (FLAGS BODY.PEEK[])", 1 + rounds % MESSAGES));
                    assert!(answer.text().contains("words words"), "round {rounds}");
                }
                assert_eq!(imap.status(&format!("s{session}"), "MESSAGES"), u64::from(rounds) * 5);
                rounds
            })
        })
        .collect();
    for _ in 0..4 {
        assert!(ok(&first, &["compact"]).contains("Writes waited"));
        assert!(ok(&first, &["backup", path(&backup)]).contains("The copy is sound."));
    }
    stop.store(true, Ordering::Relaxed);
    for session in sessions {
        assert!(session.join().unwrap() > 0);
    }
    assert!(ok(&first, &["check"]).contains("The store is sound."));
    assert!(server.stop().success());
}
