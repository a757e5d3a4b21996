//! UTF8=ACCEPT (RFC 6855).

use crate::harness::TestServer;

#[tokio::test]
async fn rule_34_quoted_strings_may_be_utf8_after_enable_and_not_before() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    // Before: modified UTF-7 only; 8-bit octets are no name.
    c.expect("CREATE \"Entw\u{fc}rfe\"", "NO [CANNOT] *").await;
    c.ok("CREATE Entw&APw-rfe").await;
    assert_eq!(c.ok("LIST \"\" Entw*").await, ["* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe"]);
    assert_eq!(c.ok("ENABLE UTF8=ACCEPT").await, ["* ENABLED UTF8=ACCEPT"]);
    assert_eq!(c.ok("LIST \"\" \"Entw\u{fc}*\"").await, ["* LIST (\\HasNoChildren) \"/\" \"Entw\u{fc}rfe\""]);
    c.ok("SUBSCRIBE \"Entw\u{fc}rfe\"").await;
    assert_eq!(c.ok("LSUB \"\" Entw*").await, ["* LSUB (\\HasNoChildren) \"/\" \"Entw\u{fc}rfe\""]);
    c.ok("SELECT \"Entw\u{fc}rfe\"").await;
    c.ok("SELECT {9+}\r\nEntw\u{fc}rfe").await;
    // `&` is a letter like others now.
    c.expect("SELECT Entw&APw-rfe", "NO [NONEXISTENT] *").await;
    c.ok("CREATE R&D").await;
    assert_eq!(c.ok("LIST \"\" R&D").await, ["* LIST (\\HasNoChildren) \"/\" R&D"]);
    // \Recent and the rest of IMAP4rev1 stay.
    let untagged = c.ok("SELECT R&D").await;
    assert!(untagged.contains(&"* 0 RECENT".to_owned()), "{untagged:?}");
    assert_eq!(server.login().await.ok("LIST \"\" R*").await, ["* LIST (\\HasNoChildren) \"/\" R&-D"]);
}

/// RFC 6855 section 3: BAD for octets that are not UTF-8, in any string.
#[tokio::test]
async fn what_is_not_utf8_is_refused() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.ok("ENABLE UTF8=ACCEPT").await;
    for wrong in [&b"a\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xe9", b"\xf5\x80\x80\x80"] {
        c.raw([b"z SELECT \"", wrong, b"\"\r\n"].concat()).await;
        c.s("z BAD *").await;
    }
    c.ok("SELECT INBOX").await;
    c.raw(b"z SEARCH SUBJECT \"\xff\"\r\n").await;
    c.s("z BAD *").await;
    c.ok("SEARCH SUBJECT \"\u{65e5}\u{672c}\"").await;
    // No name may hold controls, not even those above ASCII.
    c.expect("CREATE \"a\u{85}b\"", "NO [CANNOT] *").await;
}

#[tokio::test]
async fn login_takes_utf8() {
    let mut c = TestServer::start().await.connect().await;
    c.expect("LOGIN \"J\u{fc}rgen\" \"p\u{e4}ss\"", "NO [AUTHENTICATIONFAILED] *").await;
    c.expect("LOGIN {7+}\r\nJ\u{fc}rgen \"x\"", "NO [AUTHENTICATIONFAILED] *").await;
    c.raw(b"z LOGIN \"\xff\" x\r\n").await;
    c.s("z NO [AUTHENTICATIONFAILED] *").await;
}
