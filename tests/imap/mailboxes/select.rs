//! LIST, LSUB, CREATE, DELETE, RENAME, SUBSCRIBE, STATUS, SELECT.

use crate::harness::{MESSAGE, TestServer};

#[tokio::test]
async fn rule_31_list_knows_inbox_delimiter_and_special_uses() {
    let mut c = TestServer::start().await.login().await;
    assert_eq!(c.ok("LIST \"\" \"\"").await, ["* LIST (\\Noselect) \"/\" \"\""]);
    // A pattern that is no modified UTF-7 matches nothing, and is not the empty one.
    assert!(c.ok("LIST \"\" &").await.is_empty());
    assert!(c.ok("LSUB \"\" &").await.is_empty());
    let all = [
        "* LIST (\\HasNoChildren) \"/\" INBOX",
        "* LIST (\\HasNoChildren \\Archive) \"/\" Archive",
        "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts",
        "* LIST (\\HasNoChildren \\Junk) \"/\" Junk",
        "* LIST (\\HasNoChildren \\Sent) \"/\" Sent",
        "* LIST (\\HasNoChildren \\Trash) \"/\" Trash",
    ];
    assert_eq!(c.ok("LIST \"\" *").await, all);
    assert_eq!(c.ok("LSUB \"\" *").await, all.map(|line| line.replace("LIST", "LSUB")));
    assert_eq!(c.ok("LIST \"\" inbox").await, all[..1]);
    c.ok("CREATE inbox/child/deep").await;
    assert_eq!(c.ok("LIST inbox/ %").await, ["* LIST (\\HasChildren) \"/\" INBOX/child"]);
    assert_eq!(c.ok("LIST \"\" INBOX*").await.len(), 3);
}

#[tokio::test]
async fn create_delete_rename_with_children() {
    let mut c = TestServer::start().await.login().await;
    c.ok("CREATE a/b/c").await;
    c.expect("CREATE a/b", "NO [ALREADYEXISTS] *").await;
    c.expect("CREATE INBOX", "NO [ALREADYEXISTS] *").await;
    c.expect("DELETE INBOX", "NO *").await;
    c.expect("DELETE nothing", "NO [NONEXISTENT] *").await;
    c.expect("RENAME nothing x", "NO [NONEXISTENT] *").await;
    c.ok("RENAME a x/y").await;
    let names = c.ok("LIST \"\" x*").await;
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[3], "* LIST (\\HasNoChildren) \"/\" x/y/b/c");
    c.expect("CREATE a//b", "NO [CANNOT] *").await;
    c.ok("DELETE x/y/b/c").await;
    c.expect("SELECT x/y/b/c", "NO [NONEXISTENT] *").await;
}

/// Rule 33: a mailbox with children can be deleted; the name stays as a level of the hierarchy.
#[tokio::test]
async fn rule_33_delete_with_children_keeps_the_children() {
    let mut c = TestServer::start().await.login().await;
    c.ok("CREATE a/b").await;
    c.ok("DELETE a").await;
    assert_eq!(
        c.ok("LIST \"\" a*").await,
        ["* LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" a", "* LIST (\\HasNoChildren) \"/\" a/b"]
    );
    c.expect("SELECT a", "NO [NONEXISTENT] *").await;
    c.ok("CREATE a").await;
    c.ok("SELECT a").await;
}

#[tokio::test]
async fn rule_33_renaming_inbox_moves_its_messages() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.login().await;
    c.ok("RENAME INBOX old").await;
    assert_eq!(c.ok("STATUS old (MESSAGES)").await, ["* STATUS old (MESSAGES 2)"]);
    assert_eq!(c.ok("STATUS INBOX (MESSAGES)").await, ["* STATUS INBOX (MESSAGES 0)"]);
}

#[tokio::test]
async fn rule_33_subscriptions_outlive_the_mailbox() {
    let mut c = TestServer::start().await.login().await;
    c.ok("CREATE Lists/Rust").await;
    c.ok("SUBSCRIBE Lists/Rust").await;
    c.expect("SUBSCRIBE nothing", "NO *").await;
    assert_eq!(c.ok("LSUB \"\" Lists/%").await, ["* LSUB (\\HasNoChildren) \"/\" Lists/Rust"]);
    assert_eq!(c.ok("LSUB \"\" L%").await, ["* LSUB (\\Noselect \\HasChildren) \"/\" Lists"]);
    c.ok("DELETE Lists/Rust").await;
    assert_eq!(c.ok("LSUB \"\" Lists/*").await.len(), 1);
    c.ok("UNSUBSCRIBE Lists/Rust").await;
    assert!(c.ok("LSUB \"\" Lists/*").await.is_empty());
}

/// Rule 34: modified UTF-7 on the wire; names that can be quoted are not sent as literals.
#[tokio::test]
async fn rule_34_names_in_modified_utf7() {
    let mut c = TestServer::start().await.login().await;
    c.ok("CREATE Entw&APw-rfe").await;
    c.ok("CREATE \"with space &- more\"").await.len();
    let names = c.ok("LIST \"\" *w*").await;
    assert!(names.iter().any(|n| n.ends_with("Entw&APw-rfe")), "{names:?}");
    assert!(names.iter().any(|n| n.ends_with("\"with space &- more\"")), "{names:?}");
    c.expect("CREATE \"not canonical & more\"", "NO [CANNOT] *").await;
}

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
async fn status_of_every_item() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.login().await;
    let line = c.ok("STATUS INBOX (MESSAGES RECENT UIDNEXT UNSEEN)").await;
    assert_eq!(line, ["* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UNSEEN 2)"]);
    c.expect("STATUS nothing (MESSAGES)", "NO [NONEXISTENT] *").await;
}

/// Rule 10: DELETE and CREATE again gives a larger UIDVALIDITY.
#[tokio::test]
async fn rule_10_uidvalidity_grows_when_made_anew() {
    let mut c = TestServer::start().await.login().await;
    let mut last = 0;
    for _ in 0..3 {
        c.ok("CREATE box").await;
        let line = c.ok("STATUS box (UIDVALIDITY)").await.remove(0);
        let number = line.trim_end_matches(')').rsplit(' ').next().unwrap();
        let value: u32 = number.parse().unwrap();
        assert!(value > last && value < 1 << 31);
        last = value;
        c.ok("DELETE box").await;
    }
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

/// Rule 33: the session that deletes its own mailbox goes on; another one ends with BYE.
#[tokio::test]
async fn rule_40_deletion_of_the_selected_mailbox() {
    let server = TestServer::start().await;
    server.login().await.ok("CREATE box").await;
    let (mut own, mut other) = (server.selected("box").await, server.selected("box").await);
    assert_eq!(own.ok("DELETE box").await, ["* OK [CLOSED] The selected mailbox was deleted"]);
    own.expect("FETCH 1 FLAGS", "BAD *").await;
    other.c("a NOOP").await;
    other.s("* BYE *").await;
    other.end().await;
}
