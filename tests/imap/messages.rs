//! APPEND, COPY, MOVE, EXPUNGE, CLOSE, and when expunges may be announced.

use crate::harness::{MESSAGE, TestServer};

#[tokio::test]
async fn rule_12_append_to_the_selected_mailbox_is_announced_before_its_ok() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.c(&format!("a APPEND INBOX (\\Seen $Work) \"17-Jul-1996 02:44:25 -0700\" {{{}}}", MESSAGE.len())).await;
    c.s("+ *").await;
    c.raw(format!("{MESSAGE}\r\n")).await;
    c.s("* FLAGS (*$Work)").await;
    c.s("* OK [PERMANENTFLAGS *").await;
    c.s("* 1 EXISTS").await;
    c.s("* 1 RECENT").await;
    c.s("a OK [APPENDUID * 1] *").await;
    let line = c.ok("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])").await.remove(0);
    let size = MESSAGE.len();
    assert_eq!(
        line,
        format!(
            "* 1 FETCH (FLAGS (\\Seen \\Recent $Work) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" \
             RFC822.SIZE {size} BODY[] {{{size}}}\r\n{MESSAGE})"
        )
    );
}

#[tokio::test]
async fn rule_12_append_is_refused_before_the_literal() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.expect("APPEND nothing {10}", "NO [TRYCREATE] *").await;
    c.expect(&format!("APPEND INBOX {{{}}}", (64 << 20) + 1), "NO [TOOBIG] *").await;
    c.expect("APPEND INBOX {0}", "NO [CANNOT] *").await;
    // Without a continuation the octets come anyway: they are thrown away, and the session goes on.
    c.expect("APPEND nothing {10+}\r\n0123456789", "NO [TRYCREATE] *").await;
    c.ok("NOOP").await;
    let mut c = server.connect().await;
    c.expect("APPEND INBOX {10+}\r\n0123456789", "BAD *").await;
    c.ok("NOOP").await;
}

#[tokio::test]
async fn append_with_literal_plus_and_bare_line_feeds() {
    let mut c = TestServer::start().await.selected("INBOX").await;
    c.expect("APPEND INBOX {6+}\r\na: b\n\n", "OK [APPENDUID *").await;
    assert_eq!(c.ok("FETCH 1 BODY.PEEK[]").await, ["* 1 FETCH (BODY[] {8}\r\na: b\r\n\r\n)"]);
}

#[tokio::test]
async fn rule_11_copy_keeps_everything_and_pairs_uids() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    c.ok("STORE 2 +FLAGS (\\Flagged $Work)").await;
    c.expect("COPY 2:3 Archive", "OK [COPYUID * 2:3 1:2] *").await;
    c.expect("COPY 1 nothing", "NO [TRYCREATE] *").await;
    c.expect("UID COPY 99 Archive", "OK UID COPY completed").await;
    c.ok("SELECT Archive").await;
    let lines = c.ok("FETCH 1:* (UID FLAGS)").await;
    assert_eq!(lines[0], "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent $Work))");
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn rule_30_move_is_copyuid_then_expunge() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    let mut other = server.selected("INBOX").await;
    let lines = c.ok("MOVE 1:2 Archive").await;
    assert!(lines[0].starts_with("* OK [COPYUID ") && lines[0].ends_with(" 1:2 1:2] Moved"), "{lines:?}");
    assert_eq!(lines[1..], ["* 2 EXPUNGE", "* 1 EXPUNGE"]);
    assert_eq!(other.ok("NOOP").await, ["* 2 EXPUNGE", "* 1 EXPUNGE"]);
    // Done already: names nothing, and is OK.
    assert!(c.ok("UID MOVE 1:2 Archive").await.is_empty());
    c.expect("UID MOVE 3 nothing", "NO [TRYCREATE] *").await;
    assert_eq!(c.ok("STATUS Archive (MESSAGES)").await, ["* STATUS Archive (MESSAGES 2)"]);
}

#[tokio::test]
async fn rule_03_numbers_shift_after_each_expunge() {
    let server = TestServer::start().await;
    server.fill(5).await;
    let mut c = server.selected("INBOX").await;
    c.ok("STORE 1:2,4 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(c.ok("EXPUNGE").await, ["* 4 EXPUNGE", "* 2 EXPUNGE", "* 1 EXPUNGE"]);
    assert_eq!(c.ok("FETCH 1:* (UID)").await, ["* 1 FETCH (UID 3)", "* 2 FETCH (UID 5)"]);
    c.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(c.ok("UID EXPUNGE 4:9").await, ["* 2 EXPUNGE"]);
}

#[tokio::test]
async fn rule_02_exists_never_shrinks() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    b.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)").await;
    b.ok("EXPUNGE").await;
    // One message arrived and two went: what the other session has grows by one until it hears of the two.
    b.append("INBOX", "", MESSAGE).await;
    let lines = a.ok("FETCH 3 (UID)").await;
    assert_eq!(lines[..2], ["* 3 FETCH (UID 3)", "* 4 EXISTS"]);
    assert!(lines.iter().all(|line| !line.contains("EXPUNGE")), "{lines:?}");
    // In one answer EXPUNGE comes first, so that EXISTS counts what is left and what is new.
    b.append("INBOX", "", MESSAGE).await;
    let lines = a.ok("NOOP").await;
    let told: Vec<_> = lines.iter().filter(|line| line.ends_with(" EXPUNGE") || line.ends_with(" EXISTS")).collect();
    assert_eq!(told, ["* 2 EXPUNGE", "* 1 EXPUNGE", "* 3 EXISTS"]);
}

#[tokio::test]
async fn rule_01_no_expunge_while_numbers_are_in_use() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    b.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    b.ok("EXPUNGE").await;
    // Numbers still mean what they meant; the expunged message can be read as long as its bytes are there (rule 5).
    assert_eq!(a.ok("FETCH 1:3 (UID)").await, ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"]);
    assert!(a.ok("FETCH 1 (BODY.PEEK[])").await[0].contains("Hello Bob"));
    assert_eq!(a.ok("SEARCH ALL").await, ["* SEARCH 2 3"]);
    assert_eq!(a.ok("STORE 2 +FLAGS (\\Seen)").await, ["* 2 FETCH (FLAGS (\\Seen \\Recent))"]);
    // New mail may be announced at any time, and EXISTS does not shrink (rule 2).
    b.append("INBOX", "", MESSAGE).await;
    let lines = a.ok("SEARCH UNSEEN").await;
    assert_eq!(lines, ["* SEARCH 3", "* 4 EXISTS", "* 3 RECENT"]);
    // The UID form may say it.
    assert_eq!(a.ok("UID FETCH 2 (FLAGS)").await, ["* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))", "* 1 EXPUNGE"]);
    assert_eq!(a.ok("FETCH 1 (UID)").await, ["* 1 FETCH (UID 2)"]);
}

#[tokio::test]
async fn rule_06_store_on_an_expunged_message_is_no_expungeissued() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    b.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    b.ok("EXPUNGE").await;
    let lines = a.expect("STORE 1:2 +FLAGS (\\Flagged)", "NO [EXPUNGEISSUED] *").await;
    assert_eq!(lines, ["* 2 FETCH (FLAGS (\\Flagged \\Recent))"]);
    a.expect("COPY 1 Archive", "NO [EXPUNGEISSUED] *").await.len();
    assert_eq!(b.ok("NOOP").await, ["* 1 FETCH (FLAGS (\\Flagged))"]);
}

#[tokio::test]
async fn rule_28_close_is_silent_and_unselect_expunges_nothing() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.selected("INBOX").await;
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    c.ok("UNSELECT").await;
    c.ok("EXAMINE INBOX").await;
    c.ok("CLOSE").await;
    assert_eq!(c.ok("STATUS INBOX (MESSAGES)").await, ["* STATUS INBOX (MESSAGES 2)"]);
    c.ok("SELECT INBOX").await;
    assert!(c.ok("CLOSE").await.is_empty());
    assert_eq!(c.ok("STATUS INBOX (MESSAGES UIDNEXT)").await, ["* STATUS INBOX (MESSAGES 1 UIDNEXT 3)"]);
}

/// Rule 9: a UID is never used again.
#[tokio::test]
async fn rule_09_uids_ascend_also_after_expunge() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.selected("INBOX").await;
    c.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)").await;
    c.ok("EXPUNGE").await;
    let tagged = c.append("INBOX", "", MESSAGE).await;
    assert!(tagged.contains(" 3] "), "{tagged}");
}
