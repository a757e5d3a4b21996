//! SELECT, EXAMINE, UNSELECT and CLOSE (RFC 9051 sections 6.3.2, 6.3.3, 6.4.1 and 6.4.2).

use crate::harness::{MESSAGE, TestServer};

#[tokio::test]
async fn rule_33_a_failed_select_leaves_nothing_selected() {
    let mut c = TestServer::start().await.selected("INBOX").await;
    let untagged = c.expect("SELECT nothing", "NO [NONEXISTENT] *").await;
    assert_eq!(untagged, ["* OK [CLOSED] Previous mailbox closed"]);
    c.expect("FETCH 1 FLAGS", "BAD Select a mailbox first").await;
}

#[tokio::test]
async fn select_describes_the_mailbox() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.login().await;
    c.append("INBOX", "(\\Seen)", MESSAGE).await;
    let lines = c.expect("SELECT INBOX", "OK [READ-WRITE] *").await;
    for wanted in [
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
        "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags permitted",
        "* 4 EXISTS",
        "* 4 RECENT",
        "* OK [UNSEEN 1] First unseen message",
        "* OK [UIDNEXT 5] Predicted next UID",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{wanted} is missing from {lines:?}");
    }
    let lines = c.expect("EXAMINE INBOX", "OK [READ-ONLY] *").await;
    assert!(lines.contains(&"* OK [PERMANENTFLAGS ()] Read-only mailbox".to_owned()), "{lines:?}");
    c.expect("STORE 1 +FLAGS (\\Seen)", "NO [READ-ONLY] *").await;
    c.expect("EXPUNGE", "NO [READ-ONLY] *").await;
    c.ok("UNSELECT").await;
    c.expect("CLOSE", "BAD *").await;
}

#[tokio::test]
async fn one_user_sees_nothing_of_another() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut alice = server.login().await;
    alice.ok("CREATE private").await;
    let mut bob = server.connect().await;
    bob.ok("LOGIN bob secret").await;
    assert_eq!(bob.ok("STATUS INBOX (MESSAGES)").await, ["* STATUS INBOX (MESSAGES 0)"]);
    assert!(bob.ok("LIST \"\" private").await.is_empty());
    bob.expect("SELECT private", "NO [NONEXISTENT] No such mailbox").await;
}

/// Rules 28 and 33: what ends the selected state, and what it says.
#[tokio::test]
async fn rule_33_closed_is_said_once_and_only_by_select() {
    const CLOSED: &str = "* OK [CLOSED] Previous mailbox closed";
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.login().await;
    let closed = |lines: Vec<String>| lines.iter().filter(|line| line.contains("[CLOSED]")).count();
    assert_eq!(closed(c.ok("SELECT INBOX").await), 0);
    let again = c.ok("SELECT INBOX").await;
    assert_eq!((again.first().map(String::as_str), closed(again.clone())), (Some(CLOSED), 1));
    assert_eq!(closed(c.ok("EXAMINE Sent").await), 1);
    assert_eq!(c.expect("EXAMINE nothing", "NO [NONEXISTENT] *").await, [CLOSED]);
    assert!(c.expect("EXAMINE nothing", "NO [NONEXISTENT] *").await.is_empty());
    c.ok("SELECT INBOX").await;
    assert!(c.ok("UNSELECT").await.is_empty());
    assert_eq!(closed(c.ok("SELECT INBOX").await), 0);
    assert!(c.ok("CLOSE").await.is_empty());
    for command in ["UNSELECT", "CLOSE", "CHECK", "EXPUNGE"] {
        c.expect(command, "BAD *").await;
    }
    // What is not a SELECT at all closes nothing.
    c.ok("SELECT INBOX").await;
    c.expect("SELECT Sent (FOO)", "BAD *").await;
    c.expect("SELECT", "BAD *").await;
    c.ok("FETCH 1 FLAGS").await;
}
