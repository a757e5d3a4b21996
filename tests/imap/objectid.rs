//! OBJECTID (RFC 8474) and SAVEDATE (RFC 8514).

use crate::harness::{Client, MESSAGE, TestServer};

/// What stands between the parentheses after `name`.
fn id(lines: &[String], name: &str) -> String {
    let line = lines.join("\n");
    let (_, after) = line.split_once(&format!("{name} (")).unwrap_or_else(|| panic!("no {name} in {line}"));
    let id = after.split_once(')').expect("a parenthesis").0.to_owned();
    let is_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    assert!((1..=255).contains(&id.len()) && id.bytes().all(is_id), "{id}");
    id
}

async fn create(c: &mut Client, name: &str) -> String {
    let (untagged, tagged) = c.run(&format!("CREATE {name}")).await;
    assert!(untagged.is_empty() && tagged.starts_with("OK [MAILBOXID ("), "{tagged}");
    id(&[tagged], "MAILBOXID")
}

async fn status(c: &mut Client, name: &str) -> String {
    let lines = c.ok(&format!("STATUS {name} (MESSAGES MAILBOXID UIDNEXT)")).await;
    let found = id(&lines, "MAILBOXID");
    assert!(lines[0].ends_with(&format!("MAILBOXID ({found}) UIDNEXT 1)")), "{lines:?}");
    found
}

fn message(id: &str, more: &str) -> String {
    format!("Message-ID: <{id}>\r\nSubject: x\r\n{more}\r\n{id}\r\n")
}

#[tokio::test]
async fn a_mailbox_keeps_its_id_over_rename_and_another_gets_another() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    assert!(c.ok("CAPABILITY").await[0].contains(" OBJECTID"));
    let made = create(&mut c, "box").await;
    assert_eq!(status(&mut c, "box").await, made);
    for command in ["SELECT", "EXAMINE"] {
        let lines = c.ok(&format!("{command} box")).await;
        assert!(lines.iter().any(|line| line.starts_with(&format!("* OK [MAILBOXID ({made})] "))), "{lines:?}");
    }
    c.ok("RENAME box other/box").await;
    assert_eq!(status(&mut c, "other/box").await, made);
    let again = create(&mut c, "box").await;
    assert_ne!(again, made);
    c.ok("DELETE box").await;
    assert_ne!(create(&mut c, "box").await, again);
    // INBOX stays what it is: the new mailbox is another (RFC 8474 section 4).
    let inbox = status(&mut c, "INBOX").await;
    c.ok("RENAME INBOX was").await;
    assert_eq!(status(&mut c, "INBOX").await, inbox);
    assert_ne!(status(&mut c, "was").await, inbox);
    let listed = c.ok("LIST \"\" INBOX RETURN (STATUS (MAILBOXID))").await;
    assert_eq!(listed[1], format!("* STATUS INBOX (MAILBOXID ({inbox}))"));
}

#[tokio::test]
async fn a_message_is_known_again_wherever_it_is_copied_or_moved_to() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.append("INBOX", "", MESSAGE).await;
    c.append("INBOX", "", &message("2@x", "")).await;
    c.append("Archive", "", MESSAGE).await;
    c.ok("SELECT INBOX").await;
    let one = id(&c.ok("FETCH 1 (EMAILID)").await, "EMAILID");
    let two = id(&c.ok("FETCH 2 EMAILID").await, "EMAILID");
    assert_ne!(one, two);
    assert_eq!(c.ok("UID FETCH 1 (EMAILID UID)").await, [format!("* 1 FETCH (UID 1 EMAILID ({one}))")]);
    c.ok("COPY 1 INBOX").await;
    assert_eq!(c.ok("FETCH 3 (EMAILID)").await, [format!("* 3 FETCH (EMAILID ({one}))")]);
    c.ok("MOVE 2 Archive").await;
    assert_eq!(c.ok(&format!("SEARCH EMAILID {one}")).await, ["* SEARCH 1 2"]);
    assert_eq!(c.ok(&format!("SEARCH NOT EMAILID {one}")).await, ["* SEARCH"]);
    c.ok("SELECT Archive").await;
    assert_eq!(id(&c.ok("FETCH 1 (EMAILID)").await, "EMAILID"), one);
    assert_eq!(c.ok(&format!("SEARCH EMAILID {two}")).await, ["* SEARCH 2"]);
    assert_eq!(c.ok("SEARCH OR EMAILID Mnothing EMAILID M-_").await, ["* SEARCH"]);
    c.expect("SEARCH EMAILID", "BAD *").await;
    c.expect("SEARCH EMAILID \"a b\"", "BAD *").await;
    c.expect(&format!("SEARCH EMAILID {}", "a".repeat(256)), "BAD *").await;
    c.ok(&format!("SEARCH EMAILID {}", "a".repeat(255))).await;
    // Another user's copy of it has another name (I10).
    let mut bob = server.connect().await;
    bob.ok("LOGIN bob secret").await;
    bob.append("INBOX", "", MESSAGE).await;
    bob.ok("SELECT INBOX").await;
    let his = bob.ok("FETCH 1 (EMAILID THREADID)").await;
    assert_ne!(id(&his, "EMAILID"), one);
    assert_eq!(bob.ok(&format!("SEARCH EMAILID {one}")).await, ["* SEARCH"]);
}

#[tokio::test]
async fn answers_are_in_the_conversation_of_what_they_answer() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.append("INBOX", "", &message("a@x", "")).await;
    c.append("INBOX", "", &message("b@x", "In-Reply-To: <a@x>\r\n")).await;
    c.append("INBOX", "", &message("c@x", "References: <z@x>\r\n <b@x>\r\n")).await;
    c.append("INBOX", "", &message("d@x", "Subject: x\r\n")).await;
    c.append("INBOX", "", "Subject: no id\r\n\r\nx\r\n").await;
    c.ok("SELECT INBOX").await;
    let mut threads = Vec::new();
    for n in 1..=5 {
        threads.push(id(&c.ok(&format!("FETCH {n} (THREADID)")).await, "THREADID"));
    }
    assert!(threads[0] == threads[1] && threads[1] == threads[2], "{threads:?}");
    assert!(threads[0] != threads[3] && threads[3] != threads[4] && threads[0] != threads[4], "{threads:?}");
    assert_eq!(c.ok(&format!("SEARCH THREADID {}", threads[0])).await, ["* SEARCH 1 2 3"]);
    assert_eq!(c.ok(&format!("UID SEARCH NOT THREADID {} ALL", threads[0])).await, ["* SEARCH 4 5"]);
    c.expect("SEARCH THREADID", "BAD *").await;
    c.ok("COPY 2 Archive").await;
    c.ok("SELECT Archive").await;
    assert_eq!(id(&c.ok("FETCH 1 (THREADID)").await, "THREADID"), threads[0]);
}

#[tokio::test]
async fn saved_dates_are_those_of_the_mailbox() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.append("INBOX", "\"17-Jul-1996 02:44:25 -0700\"", MESSAGE).await;
    c.ok("SELECT INBOX").await;
    let lines = c.ok("FETCH 1 (SAVEDATE INTERNALDATE)").await;
    assert!(lines[0].starts_with("* 1 FETCH (INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" SAVEDATE \""), "{lines:?}");
    assert!(lines[0].ends_with(" +0000\")"), "{lines:?}");
    assert!(!lines[0].contains("SAVEDATE \"17-Jul-1996"), "{lines:?}");
    assert!(c.ok("CAPABILITY").await[0].contains(" SAVEDATE"));
    assert_eq!(c.ok("SEARCH SAVEDSINCE 1-Jan-2020 BEFORE 1-Jan-1997").await, ["* SEARCH 1"]);
    c.ok("MOVE 1 Archive").await;
    c.ok("SELECT Archive").await;
    assert!(c.ok("FETCH 1 SAVEDATE").await[0].starts_with("* 1 FETCH (SAVEDATE \""));
}
