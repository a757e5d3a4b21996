//! STORE and what other sessions see of it.

use crate::harness::TestServer;

async fn pair(messages: usize) -> (TestServer, crate::harness::Client, crate::harness::Client) {
    let server = TestServer::start().await;
    server.fill(messages).await;
    let a = server.selected("INBOX").await;
    let b = server.selected("INBOX").await;
    (server, a, b)
}

#[tokio::test]
async fn rule_14_changes_of_two_sessions_add_up() {
    let (_server, mut a, mut b) = pair(1).await;
    assert_eq!(a.ok("STORE 1 +FLAGS (\\Seen)").await, ["* 1 FETCH (FLAGS (\\Seen \\Recent))"]);
    assert_eq!(b.ok("STORE 1 +FLAGS (\\Flagged)").await, ["* 1 FETCH (FLAGS (\\Flagged \\Seen))"]);
    assert_eq!(a.ok("NOOP").await, ["* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))"]);
    assert_eq!(a.ok("STORE 1 -FLAGS (\\Seen)").await, ["* 1 FETCH (FLAGS (\\Flagged \\Recent))"]);
    assert_eq!(a.ok("STORE 1 FLAGS (\\Draft)").await, ["* 1 FETCH (FLAGS (\\Draft \\Recent))"]);
    assert_eq!(b.ok("NOOP").await, ["* 1 FETCH (FLAGS (\\Draft))"]);
}

#[tokio::test]
async fn rule_15_silent_hides_only_ones_own_change() {
    let (_server, mut a, mut b) = pair(2).await;
    assert!(a.ok("STORE 1:2 +FLAGS.SILENT (\\Seen)").await.is_empty());
    b.ok("STORE 1 +FLAGS.SILENT (\\Flagged)").await;
    let seen = a.ok("STORE 1:2 +FLAGS.SILENT (\\Answered)").await;
    assert_eq!(seen, ["* 1 FETCH (FLAGS (\\Answered \\Flagged \\Seen \\Recent))"]);
    a.ok("ENABLE CONDSTORE").await;
    let seen = a.ok("UID STORE 2 +FLAGS.SILENT (\\Draft)").await;
    assert!(seen[0].starts_with("* 2 FETCH (UID 2 MODSEQ ("), "{seen:?}");
}

#[tokio::test]
async fn rule_16_a_new_keyword_is_announced_before_it_is_used() {
    let (_server, mut a, mut b) = pair(1).await;
    let lines = a.ok("STORE 1 +FLAGS ($Forwarded todo)").await;
    assert_eq!(lines[0], "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded todo)");
    assert!(
        lines[1]
            .starts_with("* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded todo \\*)]")
    );
    assert_eq!(lines[2], "* 1 FETCH (FLAGS (\\Recent $Forwarded todo))");
    let lines = b.ok("NOOP").await;
    assert!(lines[0].starts_with("* FLAGS ("), "{lines:?}");
    assert_eq!(lines[2], "* 1 FETCH (FLAGS ($Forwarded todo))");
    // Compared without case, kept in the first spelling.
    assert_eq!(b.ok("STORE 1 -FLAGS (TODO)").await, ["* 1 FETCH (FLAGS ($Forwarded))"]);
    assert_eq!(b.ok("STORE 1 +FLAGS (ToDo)").await, ["* 1 FETCH (FLAGS ($Forwarded todo))"]);
    assert_eq!(b.ok("SEARCH KEYWORD TODO").await, ["* SEARCH 1"]);
    assert_eq!(b.ok("SEARCH UNKEYWORD nothing").await, ["* SEARCH 1"]);
}

#[tokio::test]
async fn rule_18_recent_belongs_to_one_session() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut watcher = server.login().await;
    assert!(watcher.ok("EXAMINE INBOX").await.contains(&"* 2 RECENT".to_owned()));
    let mut first = server.login().await;
    assert!(first.ok("SELECT INBOX").await.contains(&"* 2 RECENT".to_owned()));
    let mut second = server.login().await;
    assert!(second.ok("SELECT INBOX").await.contains(&"* 0 RECENT".to_owned()));
    assert_eq!(second.ok("SEARCH RECENT").await, ["* SEARCH"]);
    assert_eq!(first.ok("SEARCH NEW").await, ["* SEARCH 1 2"]);
    assert!(watcher.ok("EXAMINE INBOX").await.contains(&"* 0 RECENT".to_owned()));
    first.ok("STORE 1 FLAGS (\\Recent)").await;
    assert_eq!(first.ok("SEARCH RECENT").await, ["* SEARCH 1 2"]);
}

#[tokio::test]
async fn rule_04_numbers_out_of_range_are_bad_and_uids_are_not() {
    let (_server, mut a, _b) = pair(3).await;
    a.expect("STORE 4 +FLAGS (\\Seen)", "BAD *").await;
    a.expect("FETCH 1:4 (FLAGS)", "BAD *").await;
    a.expect("FETCH 0 (FLAGS)", "BAD *").await;
    a.expect("UID STORE 99 +FLAGS (\\Seen)", "OK *").await;
    assert!(a.ok("UID FETCH 99:100 (FLAGS)").await.is_empty());
    assert_eq!(a.ok("FETCH * (UID)").await, ["* 3 FETCH (UID 3)"]);
    assert_eq!(a.ok("UID FETCH 99:* (UID)").await, ["* 3 FETCH (UID 3)"]);
    assert_eq!(a.ok("SEARCH 2:*").await, ["* SEARCH 2 3"]);
}

#[tokio::test]
async fn rule_04_uid_star_on_an_empty_mailbox_is_ok() {
    let mut c = TestServer::start().await.selected("INBOX").await;
    assert!(c.ok("UID FETCH 1:* (FLAGS)").await.is_empty());
    assert!(c.ok("UID STORE 1:* +FLAGS (\\Seen)").await.is_empty());
    assert_eq!(c.ok("UID SEARCH UID 1:*").await, ["* SEARCH"]);
    c.expect("FETCH 1:* (FLAGS)", "BAD *").await;
}

/// The table of keywords is full with 128: the next is refused, and PERMANENTFLAGS no longer promises more.
#[tokio::test]
async fn the_128th_keyword_fits_and_the_129th_does_not() {
    let (_server, mut a, mut b) = pair(2).await;
    let names = |range: std::ops::Range<usize>| range.map(|n| format!("k{n}")).collect::<Vec<_>>().join(" ");
    let lines = a.ok(&format!("STORE 1 FLAGS ({})", names(0..127))).await;
    assert!(lines[1].contains(" k126 \\*)]"), "{lines:?}");
    a.expect("STORE 1 +FLAGS (k127 k128)", "NO [LIMIT] *").await;
    let lines = a.ok("STORE 2 +FLAGS (k127)").await;
    assert!(lines[1].contains(" k127)]"), "{lines:?}");
    a.expect("STORE 1 +FLAGS (k128)", "NO [LIMIT] *").await;
    a.expect("APPEND INBOX (k128) {6+}\r\na: b\r\n", "NO [LIMIT] *").await;
    a.ok("STORE 1 +FLAGS.SILENT (K127)").await;
    let lines = b.ok("NOOP").await;
    assert!(lines[1].contains(" k127)]") && lines[2].ends_with(" k127))"), "{lines:?}");
}
