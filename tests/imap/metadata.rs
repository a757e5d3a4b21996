//! METADATA (RFC 5464) and LIST-METADATA (RFC 9590).

use crate::harness::{Client, TestServer};

async fn client() -> (TestServer, Client) {
    let server = TestServer::start().await;
    let client = server.login().await;
    (server, client)
}

#[tokio::test]
async fn annotations_of_mailboxes_and_of_the_server() {
    let (server, mut c) = client().await;
    let capability = c.ok("CAPABILITY").await.remove(0);
    assert!(capability.contains(" METADATA") && capability.contains(" LIST-METADATA"), "{capability}");
    assert!(c.ok("SETMETADATA INBOX (/private/comment \"My comment\" /shared/comment {4+}\r\nIt'\r)").await.is_empty());
    assert_eq!(
        c.ok("GETMETADATA inbox (/shared/comment /private/comment /private/none)").await,
        ["* METADATA INBOX (/shared/comment {4}\r\nIt'\r /private/comment \"My comment\" /private/none NIL)"]
    );
    // Names compare without case, and come back as they were asked for.
    assert_eq!(
        c.ok("GETMETADATA INBOX /PRIVATE/Comment").await,
        ["* METADATA INBOX (/PRIVATE/Comment \"My comment\")"]
    );
    c.ok("SETMETADATA INBOX (/Private/COMMENT NIL)").await;
    assert_eq!(c.ok("GETMETADATA INBOX /private/comment").await, ["* METADATA INBOX (/private/comment NIL)"]);
    c.ok("SETMETADATA \"\" (/private/comment \"mine\")").await;
    assert_eq!(
        c.ok("GETMETADATA \"\" (/private/comment /shared/comment /shared/admin)").await,
        ["* METADATA \"\" (/private/comment \"mine\" /shared/comment NIL /shared/admin NIL)"]
    );
    c.expect("SETMETADATA \"\" (/private/a \"x\" /shared/comment \"x\")", "NO [NOPERM] *").await;
    assert_eq!(c.ok("GETMETADATA \"\" /private/a").await, ["* METADATA \"\" (/private/a NIL)"]);
    let mut bob = server.connect().await;
    bob.expect("GETMETADATA \"\" /private/comment", "BAD *").await;
    bob.ok("LOGIN bob secret").await;
    assert_eq!(bob.ok("GETMETADATA \"\" /private/comment").await, ["* METADATA \"\" (/private/comment NIL)"]);
    assert_eq!(bob.ok("GETMETADATA INBOX /shared/comment").await, ["* METADATA INBOX (/shared/comment NIL)"]);
    assert_eq!(server.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test]
async fn values_come_back_octet_for_octet() {
    let (_server, mut c) = client().await;
    for (sent, told) in [
        ("\"\"", "\"\""),
        ("\"a \\\"b\\\\\"", "\"a \\\"b\\\\\""),
        ("{4+}\r\na\r\nb", "{4}\r\na\r\nb"),
        ("~{3+}\r\na\0b", "~{3}\r\na\0b"),
        ("{2+}\r\n\u{e9}", "{2}\r\n\u{e9}"),
        ("\"NIL\"", "\"NIL\""),
    ] {
        c.ok(&format!("SETMETADATA INBOX (/private/vendor/x/y {sent})")).await;
        let lines = c.ok("GETMETADATA INBOX /private/vendor/x/y").await;
        assert_eq!(lines, [format!("* METADATA INBOX (/private/vendor/x/y {told})")]);
    }
    c.expect("SETMETADATA INBOX (/private/a {3+}\r\na\0b)", "BAD *").await;
    // A name with a space or a bracket is quoted.
    c.ok("SETMETADATA INBOX (\"/private/a b]\" \"x\")").await;
    assert_eq!(c.ok("GETMETADATA INBOX \"/private/a b]\"").await, ["* METADATA INBOX (\"/private/a b]\" \"x\")"]);
}

#[tokio::test]
async fn options_choose_by_depth_and_size() {
    let (_server, mut c) = client().await;
    c.ok("SETMETADATA INBOX (/private/f \"0\" /private/f/a \"11\" /private/f/a/b \"222\" /private/fa \"3\")").await;
    let want = |rows: &str| [format!("* METADATA INBOX ({rows})")];
    assert_eq!(c.ok("GETMETADATA (DEPTH 1) INBOX (/private/f)").await, want("/private/f \"0\" /private/f/a \"11\""));
    assert_eq!(
        c.ok("GETMETADATA (DEPTH 1) INBOX (/private/f/a)").await,
        want("/private/f/a \"11\" /private/f/a/b \"222\"")
    );
    let all = "/private/f \"0\" /private/f/a \"11\" /private/f/a/b \"222\"";
    assert_eq!(c.ok("GETMETADATA (DEPTH infinity) INBOX (/private/f)").await, want(all));
    assert_eq!(c.ok("GETMETADATA INBOX (DEPTH infinity) (/private/f)").await, want(all));
    assert_eq!(c.ok("GETMETADATA (DEPTH infinity) INBOX /private").await, want(&format!("{all} /private/fa \"3\"")));
    assert!(c.ok("GETMETADATA (DEPTH infinity) INBOX /shared").await.is_empty());
    let long =
        c.expect("GETMETADATA (MAXSIZE 1 DEPTH infinity) INBOX /private/f", "OK [METADATA LONGENTRIES 3] *").await;
    assert_eq!(long, want("/private/f \"0\""));
    assert_eq!(
        c.expect("GETMETADATA (MAXSIZE 2) INBOX (/private/f/a /private/no)", "OK GETMETADATA *").await,
        want("/private/f/a \"11\" /private/no NIL")
    );
    assert!(c.expect("GETMETADATA (MAXSIZE 0) INBOX /private/f", "OK [METADATA LONGENTRIES 1] *").await.is_empty());
}

#[tokio::test]
async fn what_is_no_entry_or_no_mailbox_is_refused() {
    let (_server, mut c) = client().await;
    for entry in
        ["/private/a/", "/private//a", "\"/private/*\"", "\"/private/%\"", "/other/a", "comment", "/privatea", "\"\""]
    {
        c.expect(&format!("GETMETADATA INBOX {entry}"), "BAD *").await;
        c.expect(&format!("SETMETADATA INBOX ({entry} \"x\")"), "BAD *").await;
    }
    c.expect("SETMETADATA INBOX (/private \"x\")", "BAD *").await;
    c.expect("SETMETADATA INBOX (/private/a \"x\" /private/b* \"x\")", "BAD *").await;
    assert_eq!(c.ok("GETMETADATA INBOX /private/a").await, ["* METADATA INBOX (/private/a NIL)"]);
    c.expect("GETMETADATA nothing /private/a", "NO [NONEXISTENT] *").await;
    c.expect("SETMETADATA nothing (/private/a \"x\")", "NO [NONEXISTENT] *").await;
    c.expect("GETMETADATA a&b /private/a", "NO [NONEXISTENT] *").await;
}

#[tokio::test]
async fn limits_of_annotations_are_told() {
    let (_server, mut c) = client().await;
    let value = |len: usize| format!("SETMETADATA INBOX (/private/a {{{len}+}}\r\n{})", "x".repeat(len));
    c.ok(&value(64 << 10)).await;
    c.expect(&value((64 << 10) + 1), "NO [METADATA MAXSIZE 65536] *").await;
    for from in (1..1000).step_by(100) {
        let rows: Vec<String> = (from..(from + 100).min(1000)).map(|n| format!("/private/b/{n} \"x\"")).collect();
        c.ok(&format!("SETMETADATA INBOX ({})", rows.join(" "))).await;
    }
    c.expect("SETMETADATA INBOX (/private/c \"x\")", "NO [METADATA TOOMANY] *").await;
    c.ok("SETMETADATA INBOX (/private/c \"x\" /private/b/1 NIL)").await;
    c.ok("SETMETADATA Archive (/private/c \"x\")").await;
}

#[tokio::test]
async fn annotations_follow_their_mailbox() {
    let (server, mut c) = client().await;
    c.ok("CREATE \"a &AOk-\"").await;
    c.ok("SETMETADATA \"a &AOk-\" (/shared/vendor/x/color \"red\")").await;
    c.ok("RENAME \"a &AOk-\" box").await;
    assert_eq!(
        c.ok("GETMETADATA box /shared/vendor/x/color").await,
        ["* METADATA box (/shared/vendor/x/color \"red\")"]
    );
    c.ok("DELETE box").await;
    c.ok("CREATE box").await;
    assert_eq!(c.ok("GETMETADATA box /shared/vendor/x/color").await, ["* METADATA box (/shared/vendor/x/color NIL)"]);
    assert_eq!(server.store.check().expect("check"), Vec::<String>::new());
}

#[tokio::test]
async fn the_special_use_is_an_annotation_that_is_not_set() {
    let (_server, mut c) = client().await;
    assert_eq!(
        c.ok("GETMETADATA Sent /private/specialuse").await,
        ["* METADATA Sent (/private/specialuse \"\\\\Sent\")"]
    );
    assert_eq!(c.ok("GETMETADATA INBOX /private/specialuse").await, ["* METADATA INBOX (/private/specialuse NIL)"]);
    c.expect("SETMETADATA INBOX (/private/SpecialUse \"\\\\Junk\")", "NO [NOPERM] *").await;
}

/// What Delta Chat asks for at each login, and what it keeps.
#[tokio::test]
async fn a_chat_client_finds_what_it_asks_for() {
    let (_server, mut c) = client().await;
    assert_eq!(
        c.ok("GETMETADATA \"\" (/shared/comment /shared/admin /shared/vendor/deltachat/irohrelay /shared/vendor/deltachat/turn)").await,
        ["* METADATA \"\" (/shared/comment NIL /shared/admin NIL /shared/vendor/deltachat/irohrelay NIL /shared/vendor/deltachat/turn NIL)"]
    );
    c.ok("SETMETADATA \"INBOX\" (/private/devicetoken \"fcm-x:y\")").await;
    assert_eq!(
        c.ok("GETMETADATA \"INBOX\" (/private/devicetoken)").await,
        ["* METADATA INBOX (/private/devicetoken \"fcm-x:y\")"]
    );
}

#[tokio::test]
async fn list_returns_annotations_after_each_mailbox() {
    let (_server, mut c) = client().await;
    c.ok("CREATE a/b").await;
    c.ok("DELETE a").await;
    c.ok("SETMETADATA a/b (/shared/vendor/cmu/cyrus-imapd/color \"#b71c1c\")").await;
    let color = "\"/shared/vendor/cmu/cyrus-imapd/color\"";
    assert_eq!(
        c.ok(&format!("LIST \"\" (a a/b INBOX) RETURN (METADATA ({color}) STATUS (MESSAGES))")).await,
        [
            "* LIST (\\HasNoChildren) \"/\" INBOX",
            "* STATUS INBOX (MESSAGES 0)",
            "* METADATA INBOX (/shared/vendor/cmu/cyrus-imapd/color NIL)",
            "* LIST (\\HasNoChildren) \"/\" a/b",
            "* STATUS a/b (MESSAGES 0)",
            "* METADATA a/b (/shared/vendor/cmu/cyrus-imapd/color \"#b71c1c\")",
        ]
    );
    let two = c.ok("LIST \"\" INBOX RETURN (METADATA (/private/a /private/b))").await;
    assert_eq!(two[1], "* METADATA INBOX (/private/a NIL /private/b NIL)");
    c.expect("LIST \"\" * RETURN (METADATA (\"/private/*\"))", "BAD *").await;
    c.expect("LIST \"\" * RETURN (METADATA ())", "BAD *").await;
    c.expect("LIST \"\" * RETURN (METADATA)", "BAD *").await;
}
