//! STATUS (RFC 9051 section 6.3.11, RFC 3501 section 6.3.10, RFC 7162, RFC 8438).

use super::client_with;
use crate::harness::{MESSAGE, TestServer};

/// The last number of a line.
pub(super) fn number(line: &str) -> u64 {
    line.trim_end_matches(')').rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn status_of_every_item() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.login().await;
    let size = MESSAGE.len();
    let line = c.ok("STATUS inBox (MESSAGES RECENT UIDNEXT UNSEEN DELETED SIZE)").await;
    assert_eq!(line, [format!("* STATUS INBOX (MESSAGES 3 RECENT 3 UIDNEXT 4 UNSEEN 3 DELETED 0 SIZE {})", 3 * size)]);
    let line = c.ok("STATUS INBOX (HIGHESTMODSEQ UIDVALIDITY HIGHESTMODSEQ)").await.remove(0);
    assert!(line.starts_with("* STATUS INBOX (HIGHESTMODSEQ ") && number(&line) > 0, "{line}");
    c.ok("SELECT INBOX").await;
    c.ok("STORE 1 +FLAGS.SILENT (\\Seen \\Deleted)").await;
    // Also of the selected mailbox.
    let line = c.ok("STATUS INBOX (MESSAGES RECENT UNSEEN DELETED SIZE)").await;
    assert_eq!(line, [format!("* STATUS INBOX (MESSAGES 3 RECENT 0 UNSEEN 2 DELETED 1 SIZE {})", 3 * size)]);
    c.ok("EXPUNGE").await;
    let line = c.ok("STATUS INBOX (MESSAGES UIDNEXT DELETED SIZE)").await;
    assert_eq!(line, [format!("* STATUS INBOX (MESSAGES 2 UIDNEXT 4 DELETED 0 SIZE {})", 2 * size)]);
}

#[tokio::test]
async fn status_is_refused() {
    let mut c = client_with(&["a/b"], &["gone"]).await;
    c.ok("DELETE a").await;
    for name in ["nothing", "a", "gone", "&", "a//b"] {
        c.expect(&format!("STATUS {name} (MESSAGES)"), "NO [NONEXISTENT] *").await;
    }
    for arguments in ["a/b", "a/b ()", "a/b MESSAGES", "a/b (FOO)", "(MESSAGES)"] {
        c.expect(&format!("STATUS {arguments}"), "BAD *").await;
    }
    c.ok("STATUS a/b/ (messages)").await;
}

/// Rule 18: STATUS takes no `\Recent` away.
#[tokio::test]
async fn rule_18_status_leaves_recent_messages_to_others() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.login().await;
    for _ in 0..2 {
        assert_eq!(c.ok("STATUS INBOX (RECENT)").await, ["* STATUS INBOX (RECENT 2)"]);
    }
    c.ok("EXAMINE INBOX").await;
    assert_eq!(c.ok("STATUS INBOX (RECENT)").await, ["* STATUS INBOX (RECENT 2)"]);
    assert!(c.ok("SELECT INBOX").await.contains(&"* 2 RECENT".to_owned()));
}
