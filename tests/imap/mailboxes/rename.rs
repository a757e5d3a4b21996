//! RENAME (RFC 9051 section 6.3.6).

use super::{client_with, without_children};
use crate::harness::{MESSAGE, TestServer};

#[tokio::test]
async fn rule_33_rename_takes_the_children_along() {
    let mut c = client_with(&["a/b/c", "ab", "a-b"], &[]).await;
    c.append("a/b", "(\\Seen)", MESSAGE).await;
    let before = c.ok("STATUS a/b (UIDVALIDITY MESSAGES UIDNEXT)").await.remove(0);
    c.ok("RENAME a x/y").await;
    assert_eq!(
        without_children(c.ok("LIST \"\" (x* a*)").await),
        [
            "* LIST () \"/\" a-b",
            "* LIST () \"/\" ab",
            "* LIST () \"/\" x",
            "* LIST () \"/\" x/y",
            "* LIST () \"/\" x/y/b",
            "* LIST () \"/\" x/y/b/c",
        ]
    );
    let after = c.ok("STATUS x/y/b (UIDVALIDITY MESSAGES UIDNEXT)").await.remove(0);
    assert_eq!(after, before.replace("a/b", "x/y/b"));
    c.ok("RENAME x/y x/y2").await;
    c.ok("SELECT x/y2/b/c").await;
}

#[tokio::test]
async fn rule_33_a_level_is_renamed_with_what_is_below_it() {
    let mut c = client_with(&["a/b", "c"], &[]).await;
    c.ok("DELETE a").await;
    c.expect("RENAME a a", "NO [ALREADYEXISTS] *").await;
    c.expect("RENAME a a/d", "NO [CANNOT] *").await;
    c.ok("RENAME a c/d").await;
    assert_eq!(without_children(c.ok("LIST \"\" (c* a*)").await), ["* LIST () \"/\" c", "* LIST () \"/\" c/d/b"]);
    c.expect("SELECT c/d", "NO [NONEXISTENT] *").await;
}

#[tokio::test]
async fn rename_is_refused() {
    let mut c = client_with(&["a/b", "c/b", "d"], &[]).await;
    for (names, answer) in [
        ("nothing x", "NO [NONEXISTENT] *"),
        ("a//b x", "NO [NONEXISTENT] *"),
        ("& x", "NO [NONEXISTENT] *"),
        ("a c", "NO [ALREADYEXISTS] *"),
        ("a a", "NO [ALREADYEXISTS] *"),
        ("d inbox", "NO [ALREADYEXISTS] *"),
        ("INBOX d", "NO [ALREADYEXISTS] *"),
        ("INBOX inbox", "NO [ALREADYEXISTS] *"),
        ("a a/x", "NO [CANNOT] *"),
        ("a a/b/x", "NO [CANNOT] *"),
        ("a /x", "NO [CANNOT] *"),
    ] {
        c.expect(&format!("RENAME {names}"), answer).await;
    }
    // Below a free name lies one that a child would get.
    c.ok("DELETE c").await;
    c.expect("RENAME a c", "NO [ALREADYEXISTS] *").await;
    let deep = vec!["x"; 32].join("/");
    c.expect(&format!("RENAME a {deep}"), "NO [CANNOT] *").await;
    assert_eq!(c.ok("LIST \"\" *").await.len(), 5);
}

#[tokio::test]
async fn rule_33_renaming_inbox_moves_its_messages() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.login().await;
    c.ok("CREATE INBOX/sub").await;
    c.ok("SELECT INBOX").await;
    c.ok("STORE 1 +FLAGS ($x \\Flagged)").await;
    let validity = c.ok("STATUS INBOX (UIDVALIDITY)").await;
    c.ok("RENAME inbox INBOX/old").await;
    assert_eq!(c.ok("STATUS INBOX/old (MESSAGES)").await, ["* STATUS INBOX/old (MESSAGES 2)"]);
    assert_eq!(c.ok("STATUS INBOX (MESSAGES UIDNEXT)").await, ["* STATUS INBOX (MESSAGES 0 UIDNEXT 3)"]);
    assert_eq!(c.ok("STATUS INBOX (UIDVALIDITY)").await, validity);
    assert_eq!(
        without_children(c.ok("LIST \"\" inbox*").await),
        ["* LIST () \"/\" INBOX", "* LIST () \"/\" INBOX/old", "* LIST () \"/\" INBOX/sub"]
    );
    c.ok("SELECT INBOX/old").await;
    let line = c.ok("FETCH 1 (FLAGS)").await.remove(0);
    assert!(line.contains("\\Flagged") && line.contains("$x"), "{line}");
    // Again, into another.
    c.append("INBOX", "", MESSAGE).await;
    c.ok("RENAME INBOX old2").await;
    assert_eq!(c.ok("STATUS old2 (MESSAGES)").await, ["* STATUS old2 (MESSAGES 1)"]);
}

/// Rule 33: the session of a renamed mailbox stays in it.
#[tokio::test]
async fn rule_33_a_renamed_mailbox_stays_selected() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.ok("CREATE box").await;
    let mut other = server.selected("box").await;
    c.ok("RENAME box moved").await;
    c.append("moved", "", MESSAGE).await;
    assert!(other.ok("NOOP").await.contains(&"* 1 EXISTS".to_owned()));
    other.ok("FETCH 1 FLAGS").await;
}

/// RFC 9051 section 6.3.6: the subscription stays with the old name.
#[tokio::test]
async fn rule_33_subscriptions_do_not_follow_rename() {
    let mut c = client_with(&["x"], &["x"]).await;
    c.ok("RENAME x y").await;
    assert_eq!(
        without_children(c.ok("LIST (SUBSCRIBED) \"\" *").await),
        ["* LIST (\\NonExistent \\Subscribed) \"/\" x"]
    );
    c.ok("SUBSCRIBE y").await;
    c.ok("UNSUBSCRIBE x").await;
    assert_eq!(without_children(c.ok("LIST (SUBSCRIBED) \"\" *").await), ["* LIST (\\Subscribed) \"/\" y"]);
}
