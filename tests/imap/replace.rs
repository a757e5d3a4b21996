//! REPLACE and UID REPLACE (RFC 8508).

use tributary::imap::Settings;

use crate::harness::{MESSAGE, TestServer};

#[tokio::test]
async fn rule_12_the_order_of_the_responses() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    c.c("a REPLACE 2 INBOX (\\Draft) \"17-Jul-1996 02:44:25 -0700\" {6}").await;
    c.s("+ *").await;
    c.raw("n: 4\r\n\r\n").await;
    c.s("* OK [APPENDUID * 4] *").await;
    let (untagged, tagged) = c.finish("a").await;
    assert!(tagged.starts_with("OK "), "{tagged}");
    assert_eq!(untagged, ["* 2 EXPUNGE", "* 3 EXISTS", "* 3 RECENT"]);
    assert_eq!(c.body(4).await, "n: 4\r\n");
    let fetched = c.ok("FETCH 1:3 (UID FLAGS INTERNALDATE)").await;
    assert!(fetched[1].starts_with("* 2 FETCH (UID 3 "), "{fetched:?}");
    // Nothing is inherited (section 3.1).
    assert!(fetched[2].contains("(\\Draft \\Recent) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\""), "{fetched:?}");
    server.settled().await;
}

#[tokio::test]
async fn uid_replace_into_another_mailbox_and_the_last_message() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    let untagged = c.ok("UID REPLACE 1 Drafts {6+}\r\nn: 1\r\n").await;
    assert!(untagged[0].starts_with("* OK [APPENDUID ") && untagged[0].contains(" 1] "), "{untagged:?}");
    assert_eq!(untagged[1..], ["* 1 EXPUNGE"]);
    let untagged = c.ok("REPLACE * INBOX {6+}\r\nn: 2\r\n").await;
    assert_eq!(untagged[1..], ["* 2 EXPUNGE", "* 2 EXISTS", "* 2 RECENT"]);
    assert!(untagged[0].contains(" 4] "), "{untagged:?}");
    let untagged = c.ok("UID REPLACE * INBOX CATENATE (URL \";UID=4\" TEXT {6+}\r\nm: 3\r\n)").await;
    assert!(untagged[0].contains(" 5] "), "{untagged:?}");
    assert_eq!(c.body(5).await, "n: 2\r\nm: 3\r\n");
    c.inbox_has(2).await;
    assert_eq!(c.ok("STATUS Drafts (MESSAGES)").await, ["* STATUS Drafts (MESSAGES 1)"]);
    server.settled().await;
}

#[tokio::test]
async fn with_qresync_it_is_like_a_uid_expunge() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.login().await;
    c.ok("ENABLE QRESYNC").await;
    c.ok("SELECT INBOX").await;
    let (untagged, tagged) = c.run("UID REPLACE 1 INBOX {6+}\r\nn: 3\r\n").await;
    assert!(untagged[0].starts_with("* OK [APPENDUID "), "{untagged:?}");
    assert_eq!(untagged[1..], ["* VANISHED 1", "* 2 EXISTS", "* 2 RECENT"]);
    assert!(tagged.starts_with("OK [HIGHESTMODSEQ "), "{tagged}");
    // One mod-sequence for both.
    let highest =
        tagged.split_once("HIGHESTMODSEQ ").expect("a number").1.split_once(']').expect("an end").0.to_owned();
    let fetched = c.ok("UID FETCH 3 (MODSEQ)").await.remove(0);
    assert!(fetched.contains(&format!("MODSEQ ({highest})")), "{fetched} {highest}");
    // With nothing to be told: the target is another mailbox.
    let (untagged, _) = c.run("UID REPLACE 2 Drafts {6+}\r\nn: 1\r\n").await;
    assert_eq!(untagged[1..], ["* VANISHED 2"]);
}

#[tokio::test]
async fn others_see_both_at_once() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    a.ok("REPLACE 1 INBOX {6+}\r\nn: 3\r\n").await;
    let seen = b.ok("NOOP").await;
    assert_eq!(seen[..2], ["* 1 EXPUNGE", "* 2 EXISTS"]);
}

#[tokio::test]
async fn rule_12_replace_is_refused_before_the_literal() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.selected("INBOX").await;
    for (command, answer) in [
        ("REPLACE 3 INBOX {6}", "BAD *"),
        ("UID REPLACE 3 INBOX {6}", "NO *"),
        ("REPLACE 1 nothing {6}", "NO [TRYCREATE] *"),
        ("REPLACE 1 INBOX {0}", "NO [CANNOT] *"),
        ("REPLACE 1 INBOX {67108865}", "NO [TOOBIG] *"),
        ("REPLACE 1 INBOX CATENATE (URL x TEXT {6}", "NO [BADURL x] *"),
        ("REPLACE 1 INBOX CATENATE (URL /INBOX/;UID=1) {6}", "BAD *"),
        ("UID REPLACE 3 INBOX CATENATE (URL /INBOX/;UID=1)", "NO *"),
        ("REPLACE 1 INBOX {6+}\r\nn: 1\r\n {6}", "BAD *"),
        ("REPLACE 1 INBOX {6+}\r\nn: 1\r\n {6+}\r\nn: 2\r\n", "BAD *"),
        ("REPLACE 1 nothing {6+}\r\nn: 1\r\n", "NO [TRYCREATE] *"),
    ] {
        c.expect(command, answer).await;
        c.inbox_has(2).await;
    }
    c.ok("EXAMINE INBOX").await;
    c.expect("REPLACE 1 INBOX {6}", "NO [READ-ONLY] *").await;
    c.expect("UID REPLACE 1 Drafts {6+}\r\nn: 1\r\n", "NO [READ-ONLY] *").await;
    c.expect("UID REPLACE 1 Drafts CATENATE (URL ;UID=1)", "NO [READ-ONLY] *").await;
    c.inbox_has(2).await;
    assert_eq!(c.ok("STATUS Drafts (MESSAGES)").await, ["* STATUS Drafts (MESSAGES 0)"]);
    server.settled().await;
}

/// A message that another session expunged: before this one was told, and while the new one is under way.
#[tokio::test]
async fn a_message_that_is_gone_is_not_replaced() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    b.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)").await;
    b.ok("UID EXPUNGE 1").await;
    // The view of `a` still has it as message 1.
    a.ok("FETCH 3 (UID)").await;
    a.expect("REPLACE 1 INBOX {6}", "NO [EXPUNGEISSUED] *").await;
    a.ok("NOOP").await;
    a.c("a UID REPLACE 2 INBOX {6}").await;
    a.s("+ *").await;
    b.ok("EXPUNGE").await;
    a.raw("n: 4\r\n\r\n").await;
    let (untagged, tagged) = a.finish("a").await;
    assert!(tagged.starts_with("NO [EXPUNGEISSUED] "), "{tagged}");
    assert_eq!(untagged, ["* 1 EXPUNGE"]);
    a.inbox_has(1).await;
    server.settled().await;
}

#[tokio::test]
async fn the_quota_counts_what_goes() {
    let size = MESSAGE.len() as u64;
    let server = TestServer::with(Settings { allow_cleartext_login: true, ..Settings::default() }).await;
    server.fill(2).await;
    let user = server.store.ensure_user("alice").await.expect("a user");
    server.store.set_quota(user, Some(2 * size)).await.expect("a quota");
    let mut c = server.selected("INBOX").await;
    c.expect("APPEND INBOX {6}", "NO [OVERQUOTA] *").await;
    c.expect(&format!("REPLACE 1 INBOX {{{}}}", size + 1), "NO [OVERQUOTA] *").await;
    c.ok(&format!("REPLACE 1 INBOX {{{size}+}}\r\n{MESSAGE}")).await;
    assert_eq!(server.store.usage(user).await.expect("usage").octets, 2 * size);
    // Stored it is larger than announced.
    let bare = format!("{}\n\n", &MESSAGE[..MESSAGE.len() - 4]);
    c.expect(&format!("REPLACE 1 INBOX {{{}+}}\r\n{bare}", bare.len()), "OK *").await;
    let bare = format!("{}\n\n\n", &MESSAGE[..MESSAGE.len() - 4]);
    c.expect(&format!("REPLACE 1 INBOX {{{}+}}\r\n{bare}", bare.len()), "NO [OVERQUOTA] *").await;
    c.inbox_has(2).await;
    server.settled().await;
}
