//! LIST, basic and extended, and NAMESPACE.

use super::{client_with, without_children};
use crate::harness::{MESSAGE, TestServer};

#[tokio::test]
async fn rule_31_list_knows_inbox_delimiter_and_special_uses() {
    let mut c = TestServer::start().await.login().await;
    assert_eq!(c.ok("LIST \"\" \"\"").await, ["* LIST (\\Noselect) \"/\" \"\""]);
    assert_eq!(c.ok("LIST Archive \"\"").await, ["* LIST (\\Noselect) \"/\" \"\""]);
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
    assert_eq!(c.ok("LIST iNbOx \"\" RETURN (CHILDREN)").await.len(), 0);
    c.ok("CREATE inbox/child/deep").await;
    assert_eq!(c.ok("LIST inbox/ %").await, ["* LIST (\\HasChildren) \"/\" INBOX/child"]);
    assert_eq!(c.ok("LIST \"\" Inbox/%/%").await, ["* LIST (\\HasNoChildren) \"/\" INBOX/child/deep"]);
    assert_eq!(c.ok("LIST \"\" INBOX*").await.len(), 3);
    assert_eq!(c.ok("LIST \"\" %").await.len(), 6);
    assert_eq!(c.ok("LIST \"\" %/%").await.len(), 1);
    assert_eq!(c.ok("NAMESPACE").await, ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
}

/// RFC 9051 section 6.3.9: in the extended form an empty pattern is none.
#[tokio::test]
async fn an_empty_pattern_of_the_extended_form_is_not_there() {
    let mut c = client_with(&["a"], &[]).await;
    for command in ["LIST () \"\" \"\"", "LIST \"\" (\"\")", "LIST \"\" \"\" RETURN ()", "LIST a (\"\")"] {
        assert!(c.ok(command).await.is_empty(), "{command}");
    }
    assert_eq!(c.ok("LIST a (\"\" \"\" \"%\")").await.len(), 1);
}

#[tokio::test]
async fn options_are_known_or_refused() {
    let mut c = client_with(&["a", "a/b"], &["a/b"]).await;
    for command in [
        "LIST (imaptest) \"\" *",
        "LIST (RECURSIVEMATCH) \"\" *",
        "LIST (RECURSIVEMATCH REMOTE) \"\" *",
        "LIST \"\" * RETURN (imaptest)",
        "LIST \"\" * RETURN",
        "LIST \"\" * RETURN (STATUS ())",
        "LIST \"\" * RETURN (STATUS (IMAPTEST))",
        "LIST \"\" ()",
        "LIST (SUBSCRIBED)\"\" *",
        "LSUB \"\" (*)",
        "LSUB \"\" * RETURN (CHILDREN)",
    ] {
        c.expect(command, "BAD *").await;
    }
    // Twice is once, and the order does not matter.
    let twice = "LIST (RECURSIVEMATCH SUBSCRIBED SUBSCRIBED) \"\" (% %) RETURN (CHILDREN CHILDREN SUBSCRIBED)";
    assert_eq!(c.ok(twice).await, ["* LIST (\\HasChildren) \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))"]);
}

/// What Dovecot's imaptest expects of LIST-EXTENDED.
#[tokio::test]
async fn childinfo_and_levels_as_imaptest_expects_them() {
    let mailboxes =
        ["test1", "test2", "test2/test1", "test3", "test4/test5", "test6", "test7/test7", "test8/test8", "test8/test9"];
    let subscriptions = ["test1", "test2/test1", "test6", "test7/test7", "test8/test8", "test8/test9"];
    let mut c = client_with(&mailboxes, &subscriptions).await;
    c.ok("DELETE test6").await;
    c.ok("DELETE test7").await;
    let six = without_children(c.ok("LIST (SUBSCRIBED) \"\" test6*").await);
    assert_eq!(six, ["* LIST (\\NonExistent \\Subscribed) \"/\" test6"]);
    let seven = without_children(c.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" *test7").await);
    assert_eq!(seven, ["* LIST (\\Subscribed) \"/\" test7/test7"]);
    let eight = without_children(c.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" *test8").await);
    assert_eq!(
        eight,
        ["* LIST () \"/\" test8 (\"CHILDINFO\" (\"SUBSCRIBED\"))", "* LIST (\\Subscribed) \"/\" test8/test8"]
    );
    let both = without_children(c.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (test2 test2/test1)").await);
    assert_eq!(both, ["* LIST (\\Subscribed) \"/\" test2/test1"]);
    let level = without_children(c.ok("LIST \"\" (test7 test7/test7)").await);
    assert_eq!(level, ["* LIST () \"/\" test7/test7"]);
    assert_eq!(without_children(c.ok("LIST \"\" (test7)").await), ["* LIST (\\NonExistent) \"/\" test7"]);
    assert_eq!(without_children(c.ok("LIST \"\" test7").await), ["* LIST (\\Noselect) \"/\" test7"]);
}

#[tokio::test]
async fn criteria_together() {
    let mut c = client_with(&["box"], &["Old/Sent", "box"]).await;
    c.ok("CREATE Old/Sent (USE (\\Sent))").await;
    c.ok("CREATE Old/Bin (USE (\\Trash))").await;
    let sent = "* LIST (\\Subscribed \\Sent) \"/\" Old/Sent";
    assert_eq!(without_children(c.ok("LIST (SUBSCRIBED SPECIAL-USE) \"\" *").await), [sent]);
    assert_eq!(
        without_children(c.ok("LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) \"\" %").await),
        ["* LIST () \"/\" Old (\"CHILDINFO\" (\"SUBSCRIBED\" \"SPECIAL-USE\"))"]
    );
    assert_eq!(
        without_children(c.ok("LIST (RECURSIVEMATCH SPECIAL-USE) \"\" (% */Bin)").await),
        ["* LIST () \"/\" Old (\"CHILDINFO\" (\"SPECIAL-USE\"))", "* LIST (\\Trash) \"/\" Old/Bin"]
    );
}

#[tokio::test]
async fn rule_32_each_status_comes_right_after_its_list() {
    let mut c = client_with(&["a", "b/c"], &["a", "gone", "b/c"]).await;
    c.ok("DELETE b").await;
    c.append("a", "", MESSAGE).await;
    let items = "RETURN (STATUS (MESSAGES UIDNEXT UNSEEN SIZE DELETED RECENT))";
    let size = MESSAGE.len();
    let a = format!("* STATUS a (MESSAGES 1 UIDNEXT 2 UNSEEN 1 SIZE {size} DELETED 0 RECENT 1)");
    let empty = "(MESSAGES 0 UIDNEXT 1 UNSEEN 0 SIZE 0 DELETED 0 RECENT 0)";
    assert_eq!(
        without_children(c.ok(&format!("LIST \"\" (*) {items}")).await),
        [
            "* LIST () \"/\" INBOX",
            &format!("* STATUS INBOX {empty}"),
            "* LIST () \"/\" a",
            &a,
            "* LIST () \"/\" b/c",
            &format!("* STATUS b/c {empty}"),
        ]
    );
    assert_eq!(
        without_children(c.ok(&format!("LIST (SUBSCRIBED) \"\" (a gone) {items}")).await),
        ["* LIST (\\Subscribed) \"/\" a", &a, "* LIST (\\NonExistent \\Subscribed) \"/\" gone"]
    );
    assert_eq!(without_children(c.ok(&format!("LIST \"\" b {items}")).await), ["* LIST (\\NonExistent) \"/\" b"]);
    // The selected mailbox is no exception.
    c.ok("SELECT a").await;
    let selected = c.ok("LIST \"\" a RETURN (STATUS (MESSAGES))").await;
    assert_eq!(selected, ["* LIST (\\HasNoChildren) \"/\" a", "* STATUS a (MESSAGES 1)"]);
}
