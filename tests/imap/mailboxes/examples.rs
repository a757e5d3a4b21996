//! The examples of RFC 5258 section 5, RFC 5819 section 3, RFC 6154 section 5 and RFC 9051 section 6.3.9.8. There are no
//! remote mailboxes and no `\Marked` here, INBOX may have others below it, and `\HasChildren` and `\HasNoChildren` come
//! unasked.

use super::{client_with, without_children};
use crate::harness::Client;

const FRUIT: [&str; 7] =
    ["Fruit", "Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable", "Vegetable/Broccoli", "Vegetable/Corn"];
const EATEN: [&str; 5] = ["INBOX", "Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli"];

/// What the answer is but for the attributes of CHILDREN.
async fn plain(c: &mut Client, command: &str) -> Vec<String> {
    without_children(c.ok(command).await)
}

#[tokio::test]
async fn rfc5258_examples_1_to_3_subscribed_and_children() {
    let mut c = client_with(&FRUIT, &EATEN).await;
    let all = [
        "* LIST () \"/\" INBOX",
        "* LIST () \"/\" Fruit",
        "* LIST () \"/\" Fruit/Apple",
        "* LIST () \"/\" Fruit/Banana",
        "* LIST () \"/\" Tofu",
        "* LIST () \"/\" Vegetable",
        "* LIST () \"/\" Vegetable/Broccoli",
        "* LIST () \"/\" Vegetable/Corn",
    ];
    assert_eq!(plain(&mut c, "LIST \"\" \"*\"").await, all);
    let subscribed = [
        "* LIST (\\Subscribed) \"/\" INBOX",
        "* LIST (\\Subscribed) \"/\" Fruit/Banana",
        "* LIST (\\NonExistent \\Subscribed) \"/\" Fruit/Peach",
        "* LIST (\\Subscribed) \"/\" Vegetable",
        "* LIST (\\Subscribed) \"/\" Vegetable/Broccoli",
    ];
    assert_eq!(plain(&mut c, "LIST (SUBSCRIBED) \"\" \"*\"").await, subscribed);
    let top = [
        "* LIST (\\HasNoChildren) \"/\" INBOX",
        "* LIST (\\HasChildren) \"/\" Fruit",
        "* LIST (\\HasNoChildren) \"/\" Tofu",
        "* LIST (\\HasChildren) \"/\" Vegetable",
    ];
    assert_eq!(c.ok("LIST () \"\" \"%\" RETURN (CHILDREN)").await, top);
    // Examples 4 to 6, but for the mailboxes of the other server.
    assert_eq!(c.ok("LIST (REMOTE) \"\" \"%\" RETURN (CHILDREN)").await, top);
    assert_eq!(plain(&mut c, "LIST (REMOTE SUBSCRIBED) \"\" \"*\"").await, subscribed);
    let with_state: Vec<String> = all
        .iter()
        .map(|line| {
            let name = line.rsplit(' ').next().unwrap();
            if EATEN.contains(&name) { line.replace("()", "(\\Subscribed)") } else { (*line).to_owned() }
        })
        .collect();
    assert_eq!(plain(&mut c, "LIST (REMOTE) \"\" \"*\" RETURN (SUBSCRIBED)").await, with_state);
}

#[tokio::test]
async fn rfc5258_example_7_several_patterns() {
    let sent = ["Sent/March2004", "Sent/December2003", "Sent/August2004", "Drafts", "Other"];
    let mut c = client_with(&sent, &[]).await;
    assert_eq!(
        plain(&mut c, "LIST \"\" (\"INBOX\" \"Drafts\" \"Sent/%\")").await,
        [
            "* LIST () \"/\" INBOX",
            "* LIST () \"/\" Drafts",
            "* LIST () \"/\" Sent/August2004",
            "* LIST () \"/\" Sent/December2003",
            "* LIST () \"/\" Sent/March2004",
        ]
    );
}

/// RFC 5258 example 8, RFC 9051 example 7.
#[tokio::test]
async fn rfc5258_example_8_children_and_childinfo() {
    const RECURSIVE: &str = "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\"";
    let mut c = client_with(&["Foo", "Foo/Bar", "Foo/Baz", "Moo"], &["Foo/Baz"]).await;
    assert_eq!(
        c.ok("LIST \"\" \"%\" RETURN (CHILDREN)").await,
        [
            "* LIST (\\HasNoChildren) \"/\" INBOX",
            "* LIST (\\HasChildren) \"/\" Foo",
            "* LIST (\\HasNoChildren) \"/\" Moo"
        ]
    );
    // A
    assert_eq!(plain(&mut c, "LIST (SUBSCRIBED) \"\" \"*\"").await, ["* LIST (\\Subscribed) \"/\" Foo/Baz"]);
    assert!(c.ok("LIST (SUBSCRIBED) \"\" \"%\"").await.is_empty());
    assert_eq!(plain(&mut c, RECURSIVE).await, ["* LIST () \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))"]);
    // A1
    c.ok("SUBSCRIBE Foo").await;
    let own = ["* LIST (\\Subscribed \\HasChildren) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))"];
    assert_eq!(c.ok(RECURSIVE).await, own);
    // C
    c.ok("UNSUBSCRIBE Foo/Baz").await;
    c.ok("SUBSCRIBE Moo").await;
    assert_eq!(
        c.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\" RETURN (CHILDREN)").await,
        ["* LIST (\\Subscribed \\HasChildren) \"/\" Foo", "* LIST (\\Subscribed \\HasNoChildren) \"/\" Moo"]
    );
    // B
    c.ok("UNSUBSCRIBE Foo").await;
    c.ok("UNSUBSCRIBE Moo").await;
    assert!(c.ok(RECURSIVE).await.is_empty());
    // A2
    c.ok("SUBSCRIBE Foo/Baz").await;
    c.ok("DELETE Foo").await;
    assert_eq!(plain(&mut c, RECURSIVE).await, ["* LIST (\\NonExistent) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))"]);
}

/// RFC 5258 example 9, RFC 9051 example 8. In the last answer of the example CHILDINFO that section 3.5 of RFC 5258 says
/// not to send is sent; here it is not.
#[tokio::test]
async fn rfc5258_example_9_childinfo_is_not_redundant() {
    let mailboxes = ["foo2/bar1", "foo2/bar2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2/mamba", "qux2/bar2"];
    let mut c = client_with(&mailboxes, &mailboxes).await;
    c.ok("SUBSCRIBE eps2").await;
    c.ok("DELETE qux2").await;
    let subscribed = [
        "* LIST (\\Subscribed) \"/\" baz2/bar2",
        "* LIST (\\Subscribed) \"/\" baz2/bar22",
        "* LIST (\\Subscribed) \"/\" baz2/bar222",
        "* LIST (\\Subscribed) \"/\" eps2",
        "* LIST (\\Subscribed) \"/\" eps2/mamba",
        "* LIST (\\Subscribed) \"/\" foo2/bar1",
        "* LIST (\\Subscribed) \"/\" foo2/bar2",
        "* LIST (\\Subscribed) \"/\" qux2/bar2",
    ];
    assert_eq!(plain(&mut c, "LIST (SUBSCRIBED) \"\" \"*\"").await, subscribed);
    assert_eq!(
        plain(&mut c, "LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"*2\"").await,
        [
            "* LIST (\\Subscribed) \"/\" baz2/bar2",
            "* LIST (\\Subscribed) \"/\" baz2/bar22",
            "* LIST (\\Subscribed) \"/\" baz2/bar222",
            "* LIST (\\Subscribed) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            "* LIST () \"/\" foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            "* LIST (\\Subscribed) \"/\" foo2/bar2",
            "* LIST (\\Subscribed) \"/\" qux2/bar2",
        ]
    );
    let with_child_info = subscribed.map(|line| {
        let is_parent = line.ends_with(" eps2");
        format!("{line}{}", if is_parent { " (\"CHILDINFO\" (\"SUBSCRIBED\"))" } else { "" })
    });
    assert_eq!(plain(&mut c, "LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"*\"").await, with_child_info);
}

/// RFC 5258 example 10, RFC 9051 example 9.
#[tokio::test]
async fn rfc5258_example_10_childinfo_without_children() {
    let mut c = client_with(&["foo"], &["foo/bar"]).await;
    assert_eq!(plain(&mut c, "LIST \"\" (\"foo\" \"foo/*\")").await, ["* LIST () \"/\" foo"]);
    assert_eq!(
        plain(&mut c, "LIST (SUBSCRIBED) \"\" \"foo/*\"").await,
        ["* LIST (\\NonExistent \\Subscribed) \"/\" foo/bar"]
    );
    assert_eq!(
        c.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" foo RETURN (CHILDREN)").await,
        ["* LIST (\\HasNoChildren) \"/\" foo (\"CHILDINFO\" (\"SUBSCRIBED\"))"]
    );
}

/// RFC 5258 example 11, RFC 9051 example 10.
#[tokio::test]
async fn rfc5258_example_11_missing_levels() {
    let mut c = client_with(&["music/rock"], &[]).await;
    c.ok("DELETE music").await;
    let (inbox, rock) = ("* LIST () \"/\" INBOX", "* LIST () \"/\" music/rock");
    let level = "* LIST (\\NonExistent \\HasChildren) \"/\" music";
    assert_eq!(plain(&mut c, "LIST (REMOTE) \"\" *").await, [inbox, rock]);
    for command in ["LIST () \"\" m%", "LIST (REMOTE) \"\" m%"] {
        assert_eq!(c.ok(command).await, [level]);
    }
    assert_eq!(plain(&mut c, "LIST \"\" (% music/rock)").await, [inbox, rock]);
    // RFC 3501 section 6.3.8, which knows no other attribute.
    assert_eq!(c.ok("LIST \"\" m%").await, ["* LIST (\\Noselect \\HasChildren) \"/\" music"]);
    assert_eq!(plain(&mut c, "LIST \"\" m*").await, [rock]);
}

/// RFC 5819 section 3, RFC 9051 example 11.
#[tokio::test]
async fn rfc5819_examples_list_with_status() {
    let mut c = client_with(&["foo", "bar/baz", "foo/x"], &["INBOX", "foo/x"]).await;
    c.ok("DELETE bar").await;
    assert_eq!(
        plain(&mut c, "LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))").await,
        [
            "* LIST () \"/\" INBOX",
            "* STATUS INBOX (MESSAGES 0 UNSEEN 0)",
            "* LIST (\\NonExistent) \"/\" bar",
            "* LIST () \"/\" foo",
            "* STATUS foo (MESSAGES 0 UNSEEN 0)",
        ]
    );
    assert_eq!(
        plain(&mut c, "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (STATUS (MESSAGES))").await,
        [
            "* LIST (\\Subscribed) \"/\" INBOX",
            "* STATUS INBOX (MESSAGES 0)",
            "* LIST () \"/\" foo (\"CHILDINFO\" (\"SUBSCRIBED\"))",
        ]
    );
}

/// RFC 6154 sections 5.1 to 5.3, but for two uses of one mailbox.
#[tokio::test]
async fn rfc6154_examples_special_uses() {
    let mut c = client_with(&["ToDo", "Projects", "Projects/Foo"], &[]).await;
    for (name, special_use) in [("SentMail", "\\Sent"), ("MyDrafts", "\\Drafts"), ("Trash", "\\Trash")] {
        c.ok(&format!("CREATE {name} (USE ({special_use}))")).await;
    }
    let special = [
        "* LIST (\\HasNoChildren \\Drafts) \"/\" MyDrafts",
        "* LIST (\\HasNoChildren \\Sent) \"/\" SentMail",
        "* LIST (\\HasNoChildren \\Trash) \"/\" Trash",
    ];
    let mut all = vec!["* LIST (\\HasNoChildren) \"/\" INBOX", special[0], "* LIST (\\HasChildren) \"/\" Projects"];
    all.extend([special[1], "* LIST (\\HasNoChildren) \"/\" ToDo", special[2]]);
    assert_eq!(c.ok("LIST \"\" \"%\"").await, all);
    assert_eq!(c.ok("LIST \"\" \"%\" RETURN (SPECIAL-USE)").await, all);
    assert_eq!(c.ok("LIST (SPECIAL-USE) \"\" \"*\"").await, special);
    c.expect("CREATE Everything (USE (\\All))", "NO [USEATTR] *").await;
    assert!(c.ok("LIST \"\" Everything").await.is_empty());
}

/// RFC 9051 section 6.3.5, both examples: mailboxes below a deleted one stay, and it stays as a level.
#[tokio::test]
async fn rfc9051_examples_delete() {
    let mut c = client_with(&["blurdybloop", "foo", "foo/bar"], &[]).await;
    c.ok("DELETE blurdybloop").await;
    c.ok("DELETE foo").await;
    assert_eq!(plain(&mut c, "LIST \"\" f*").await, ["* LIST () \"/\" foo/bar"]);
    assert_eq!(plain(&mut c, "LIST \"\" f%").await, ["* LIST (\\Noselect) \"/\" foo"]);
    c.expect("DELETE foo", "NO [HASCHILDREN] *").await;
    c.ok("DELETE foo/bar").await;
    assert!(c.ok("LIST \"\" f%").await.is_empty());
    c.expect("DELETE foo", "NO [NONEXISTENT] *").await;
}

/// RFC 9051 section 6.3.6, both examples.
#[tokio::test]
async fn rfc9051_examples_rename() {
    let mut c = client_with(&["blurdybloop", "foo", "foo/bar", "INBOX/bar"], &[]).await;
    c.ok("DELETE foo").await;
    c.ok("RENAME blurdybloop sarasoop").await;
    c.ok("RENAME foo zowie").await;
    assert_eq!(
        plain(&mut c, "LIST \"\" (* %)").await,
        ["* LIST () \"/\" INBOX", "* LIST () \"/\" INBOX/bar", "* LIST () \"/\" sarasoop", "* LIST () \"/\" zowie/bar"]
    );
    assert_eq!(plain(&mut c, "LIST \"\" z%").await, ["* LIST (\\Noselect) \"/\" zowie"]);
    c.ok("RENAME INBOX old-mail").await;
    assert_eq!(
        plain(&mut c, "LIST \"\" (INBOX* o*)").await,
        ["* LIST () \"/\" INBOX", "* LIST () \"/\" INBOX/bar", "* LIST () \"/\" old-mail"]
    );
}
