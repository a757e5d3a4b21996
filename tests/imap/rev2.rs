//! IMAP4rev2 (RFC 9051): what changes with ENABLE IMAP4rev2, and what does not.

use crate::harness::{Client, MESSAGE, TestServer};

async fn rev2(server: &TestServer) -> Client {
    let mut c = server.login().await;
    assert_eq!(c.ok("ENABLE IMAP4rev2").await, ["* ENABLED IMAP4rev2"]);
    c
}

/// RFC 9051 section 6.3.2: LIST is there, RECENT and UNSEEN are not.
#[tokio::test]
async fn select_describes_the_mailbox_in_the_words_of_rev2() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = rev2(&server).await;
    for command in ["SELECT inbox", "EXAMINE INBOX"] {
        let untagged = c.ok(command).await;
        assert!(untagged.contains(&"* LIST (\\HasNoChildren) \"/\" INBOX".to_owned()), "{untagged:?}");
        assert!(untagged.contains(&"* 2 EXISTS".to_owned()));
        for word in ["FLAGS (", "[PERMANENTFLAGS (", "[UIDVALIDITY ", "[UIDNEXT 3]"] {
            assert!(untagged.iter().any(|line| line.contains(word)), "{word}: {untagged:?}");
        }
        for word in ["RECENT", "Recent", "UNSEEN"] {
            assert!(untagged.iter().all(|line| !line.contains(word)), "{word}: {untagged:?}");
        }
    }
    c.ok("CREATE Lists/Rust").await;
    let untagged = c.ok("SELECT Lists").await;
    assert_eq!(untagged[0], "* OK [CLOSED] Previous mailbox closed");
    assert!(untagged.contains(&"* LIST (\\HasChildren) \"/\" Lists".to_owned()), "{untagged:?}");
    let untagged = c.ok("SELECT Sent").await;
    assert!(untagged.contains(&"* LIST (\\HasNoChildren \\Sent) \"/\" Sent".to_owned()), "{untagged:?}");
    // Without ENABLE everything is as it was.
    let untagged = server.selected("INBOX").await.ok("SELECT INBOX").await;
    assert!(untagged.iter().any(|line| line.ends_with(" RECENT")), "{untagged:?}");
    assert!(untagged.iter().all(|line| !line.starts_with("* LIST")), "{untagged:?}");
}

/// A name in another normal form is told beside the one that the mailbox has (RFC 9051 sections 6.3.2 and 6.3.9.7).
#[tokio::test]
async fn rule_34_another_spelling_of_a_name_is_its_old_name() {
    let server = TestServer::start().await;
    let mut c = rev2(&server).await;
    c.ok("CREATE \"Caf\u{e9}\"").await;
    let untagged = c.ok("SELECT \"Cafe\u{301}\"").await;
    let want = "* LIST (\\HasNoChildren) \"/\" \"Caf\u{e9}\" (\"OLDNAME\" (\"Cafe\u{301}\"))".to_owned();
    assert!(untagged.contains(&want), "{untagged:?}");
    let untagged = c.ok("SELECT \"Caf\u{e9}\"").await;
    assert!(untagged.iter().all(|line| !line.contains("OLDNAME")), "{untagged:?}");
}

#[tokio::test]
async fn rule_18_nothing_is_recent_after_enable() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = rev2(&server).await;
    c.ok("SELECT INBOX").await;
    assert_eq!(c.ok("FETCH 1 FLAGS").await, ["* 1 FETCH (FLAGS ())"]);
    server.fill(1).await;
    assert_eq!(c.ok("NOOP").await, ["* 2 EXISTS"]);
    c.c("i IDLE").await;
    c.s("+ *").await;
    server.fill(1).await;
    c.s("* 3 EXISTS").await;
    c.c("DONE").await;
    c.s("i OK *").await;
    assert_eq!(c.ok("UID FETCH 1:* FLAGS").await.len(), 3);
    // The deprecated words are understood, and say that nothing is.
    let status = c.ok("STATUS INBOX (MESSAGES RECENT DELETED)").await;
    assert_eq!(status, ["* STATUS INBOX (MESSAGES 3 RECENT 0 DELETED 0)"]);
    for command in ["CHECK", "LSUB \"\" *", "FETCH 1 (RFC822.HEADER RFC822.TEXT)", "FETCH 1 RFC822"] {
        c.ok(command).await;
    }
    // In the selected state too.
    let mut c = server.login().await;
    let untagged = c.ok("SELECT INBOX").await;
    assert!(untagged.contains(&"* 3 RECENT".to_owned()), "rev2 sessions take nothing: {untagged:?}");
    c.ok("ENABLE IMAP4rev2").await;
    let untagged = c.ok("FETCH 1:* FLAGS").await;
    assert!(untagged.iter().all(|line| !line.contains("Recent")), "{untagged:?}");
}

/// RFC 9051 section 7.5.2: a FETCH response that nobody asked for has the UID.
#[tokio::test]
async fn unsolicited_fetch_responses_have_the_uid() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = rev2(&server).await;
    c.ok("SELECT INBOX").await;
    let mut other = server.selected("INBOX").await;
    other.ok("STORE 2 +FLAGS.SILENT (\\Flagged)").await;
    assert_eq!(c.ok("NOOP").await, ["* 2 FETCH (UID 2 FLAGS (\\Flagged))"]);
    c.c("i IDLE").await;
    c.s("+ *").await;
    other.ok("STORE 3 +FLAGS.SILENT (\\Answered)").await;
    c.s("* 3 FETCH (UID 3 FLAGS (\\Answered))").await;
    c.c("DONE").await;
    c.s("i OK *").await;
}

#[tokio::test]
async fn rule_34_mailbox_names_are_utf8_after_enable() {
    let server = TestServer::start().await;
    let mut c = rev2(&server).await;
    c.ok("CREATE \"R&D \u{65e5}\u{672c}\"").await;
    c.ok("CREATE {6+}\r\nx\u{e9}y\u{e9}").await;
    let list = c.ok("LIST \"\" \"R*\"").await;
    assert_eq!(list, ["* LIST (\\HasNoChildren) \"/\" \"R&D \u{65e5}\u{672c}\""]);
    assert_eq!(
        c.ok("STATUS \"R&D \u{65e5}\u{672c}\" (MESSAGES)").await,
        ["* STATUS \"R&D \u{65e5}\u{672c}\" (MESSAGES 0)"]
    );
    let mut old = server.login().await;
    assert_eq!(old.ok("LIST \"\" R*").await, ["* LIST (\\HasNoChildren) \"/\" \"R&-D &ZeVnLA-\""]);
    assert_eq!(old.ok("LIST \"\" x*").await, ["* LIST (\\HasNoChildren) \"/\" x&AOk-y&AOk-"]);
    // Octets that are not UTF-8 are no name (RFC 6855 section 3).
    c.raw(b"z SELECT \"a\xff\"\r\n").await;
    c.s("z BAD *").await;
}

/// A session of a client of rev2 from end to end, as the examples of RFC 9051 go.
#[tokio::test]
async fn the_closing_of_mailboxes_is_told() {
    let server = TestServer::start().await;
    let mut c = rev2(&server).await;
    c.append("INBOX", "(\\Deleted)", MESSAGE).await;
    c.ok("SELECT INBOX").await;
    assert_eq!(c.ok("UNSELECT").await, Vec::<String>::new());
    c.ok("SELECT INBOX").await;
    let (untagged, tagged) = c.run("SELECT Nowhere").await;
    assert_eq!((untagged.len(), tagged.starts_with("NO [NONEXISTENT]")), (1, true), "{untagged:?} {tagged}");
    assert_eq!(untagged[0], "* OK [CLOSED] Previous mailbox closed");
    c.expect("FETCH 1 FLAGS", "BAD *").await;
    c.ok("SELECT INBOX").await;
    c.ok("CLOSE").await;
    assert_eq!(c.ok("STATUS INBOX (MESSAGES DELETED SIZE)").await, ["* STATUS INBOX (MESSAGES 0 DELETED 0 SIZE 0)"]);
}

/// What RFC 9051 appendix E folds in, each asked of once.
#[tokio::test]
async fn the_required_parts_are_there() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.connect().await;
    c.expect("AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", "OK [CAPABILITY *").await;
    c.ok("ENABLE IMAP4rev2").await;
    assert_eq!(c.ok("NAMESPACE").await, ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
    c.ok("SUBSCRIBE INBOX").await;
    let list =
        c.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" INBOX RETURN (CHILDREN STATUS (MESSAGES DELETED SIZE))").await;
    assert!(list[0].starts_with("* LIST (") && list[0].contains("\\Subscribed"), "{list:?}");
    assert!(list[1].starts_with("* STATUS INBOX (MESSAGES 3 DELETED 0 SIZE "), "{list:?}");
    let list = c.ok("LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE)").await;
    assert!(list.iter().any(|line| line.contains("\\Sent")), "{list:?}");
    c.ok("SELECT INBOX").await;
    for (command, answer) in [
        ("q SEARCH ALL", "* ESEARCH (TAG \"q\") ALL 1:3"),
        ("q UID SEARCH 2:*", "* ESEARCH (TAG \"q\") UID ALL 2:3"),
        ("q SEARCH RETURN (MIN COUNT) ALL", "* ESEARCH (TAG \"q\") MIN 1 COUNT 3"),
        ("q SEARCH SUBJECT nothing", "* ESEARCH (TAG \"q\")"),
    ] {
        c.c(command).await;
        c.s(answer).await;
        c.s("q OK *").await;
    }
    c.ok("SEARCH RETURN (SAVE) 2:3").await;
    assert_eq!(c.ok("FETCH $ UID").await, ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"]);
    let binary = c.ok("FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])").await;
    assert!(binary[0].contains("BINARY.SIZE[1] ") && binary[0].contains("BINARY[1] "), "{binary:?}");
    c.expect("COPY 1 Archive", "OK [COPYUID * 1 1] *").await;
    let moved = c.ok("UID MOVE 1 Trash").await;
    assert!(moved[0].starts_with("* OK [COPYUID ") && moved.contains(&"* 1 EXPUNGE".to_owned()), "{moved:?}");
    c.expect("COPY 1 Nowhere", "NO [TRYCREATE] *").await;
    c.ok("UID STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(c.ok("UID EXPUNGE 2").await, ["* 1 EXPUNGE"]);
    c.c("i IDLE").await;
    c.s("+ *").await;
    c.c("DONE").await;
    c.s("i OK *").await;
    c.ok("UNSELECT").await;
    c.ok("STATUS {5+}\r\nINBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE)").await;
}
