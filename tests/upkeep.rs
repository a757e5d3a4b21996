//! `tributary check` and `tributary stats`, with the real binary, on the files and by a running service.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::path::Path;

use redb::{Database, TableDefinition};
use support::command::tributary;
use support::server::Server;
use support::{config, scratch};

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("env");
const BODIES: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("tail");

/// A store with three messages, of which two are the same.
fn filled(dir: &Path) -> Server {
    let server = Server::start(dir, &config::yaml(dir, &[]));
    let mut imap = server.imap();
    for text in ["one", "two", "two"] {
        let message = format!("Subject: {text}\r\n\r\n{}\r\n", text.repeat(500));
        imap.ok(&format!("APPEND INBOX {{{}+}}\r\n{message}", message.len()));
    }
    server
}

fn envelope(server: &Server) -> String {
    let mut imap = server.imap();
    imap.ok("EXAMINE INBOX");
    imap.ok("FETCH 1 ENVELOPE").text()
}

/// Takes the first row of a table away.
fn lose<K: redb::Key + 'static>(file: &Path, table: TableDefinition<'_, K, &[u8]>) {
    let write = Database::open(file).unwrap().begin_write().unwrap();
    write.open_table(table).unwrap().pop_first().unwrap().unwrap();
    write.commit().unwrap();
}

#[test]
fn a_store_is_checked_while_it_is_served_and_while_it_is_not() {
    let dir = scratch();
    let mut server = Some(filled(dir.path()));
    for is_running in [true, false] {
        if !is_running {
            assert!(server.take().unwrap().stop().success());
        }
        let (code, out, err) = tributary(dir.path(), &["check"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("Looked at 3 messages") && out.ends_with("The store is sound.\n"), "{out}");
        let (code, out, err) = tributary(dir.path(), &["stats", "--json"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let stats: serde_json::Value = serde_json::from_str(&out).unwrap();
        let total = &stats["total"];
        assert_eq!(total["messages"], 3);
        let (logical, distinct) = (total["logical"].as_u64().unwrap(), total["distinct"].as_u64().unwrap());
        assert!(distinct < logical && logical < 3 * 1600 && total["stored"].as_u64().unwrap() < distinct, "{out}");
        assert_eq!(stats["users"][0]["mailboxes"][0]["name"], "INBOX");
        let (_, out, _) = tributary(dir.path(), &["stats"]);
        assert!(out.contains("  INBOX") && out.contains("all users") && out.contains("On disk: "), "{out}");
    }
}

#[test]
fn what_can_be_rebuilt_is_rebuilt() {
    let dir = scratch();
    for is_running in [false, true] {
        let server = if dir.path().join("tributary.yaml").exists() {
            Server::start(dir.path(), &config::yaml(dir.path(), &[]))
        } else {
            filled(dir.path())
        };
        let before = envelope(&server);
        assert!(server.stop().success());
        lose(&dir.path().join("data/meta.redb"), RECORDS);
        let running = is_running.then(|| Server::start(dir.path(), &config::yaml(dir.path(), &[])));
        let (code, out, err) = tributary(dir.path(), &["check"]);
        assert_eq!(code, 1, "{out}");
        assert!(out.contains("body 1 has no record"), "{out}");
        assert_eq!(err, "tributary: 1 problem, which can be rebuilt: tributary check --repair\n");
        let (code, out, err) = tributary(dir.path(), &["check", "--repair"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("rebuilt: body 1 has no record") && out.contains("sound"), "{out}");
        let server = running.unwrap_or_else(|| Server::start(dir.path(), &config::yaml(dir.path(), &[])));
        assert_eq!(envelope(&server), before);
        assert!(server.stop().success());
    }
}

#[test]
fn what_is_lost_is_told() {
    let dir = scratch();
    assert!(filled(dir.path()).stop().success());
    lose(&dir.path().join("data/blobs.redb"), BODIES);
    let (code, out, err) = tributary(dir.path(), &["check", "--repair"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("body 1 has no octets"), "{out}");
    assert!(err.contains("restore a backup"), "{err}");
}

#[test]
fn looking_makes_no_store() {
    let dir = scratch();
    std::fs::write(dir.path().join("tributary.yaml"), config::yaml(dir.path(), &[])).unwrap();
    for command in ["check", "stats"] {
        let (code, out, err) = tributary(dir.path(), &[command]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains("there is no store in data_dir"), "{err}");
    }
    assert!(!dir.path().join("data/meta.redb").exists());
}
