//! CREATE, also with special uses (RFC 9051 section 6.3.4, RFC 6154).

use super::{client_with, without_children};
use crate::harness::TestServer;

#[tokio::test]
async fn rule_33_create_makes_the_levels_above_as_mailboxes() {
    let mut c = client_with(&[], &[]).await;
    c.ok("CREATE a/b/c/").await;
    for name in ["a", "a/b", "a/b/c"] {
        c.expect(&format!("CREATE {name}"), "NO [ALREADYEXISTS] *").await;
        c.ok(&format!("SELECT {name}")).await;
    }
    for name in ["INBOX", "inbox", "INBOX/", "\"iNBOX\""] {
        c.expect(&format!("CREATE {name}"), "NO [ALREADYEXISTS] *").await;
    }
    // Nobody is subscribed unasked.
    assert!(c.ok("LSUB \"\" *").await.is_empty());
}

/// Rule 34: what cannot be a name is refused, and with NO.
#[tokio::test]
async fn rule_34_names_that_cannot_be() {
    let mut c = client_with(&[], &[]).await;
    let (long, deep) = ("x".repeat(1001), vec!["x"; 33].join("/"));
    for name in
        ["\"\"", "/", "/a", "a//b", "a//", "\"a\tb\"", "\"a\u{7f}\"", "&AAo-", "&AIU-", "&ICg-", "&ICk-", &long, &deep]
    {
        c.expect(&format!("CREATE {name}"), "NO [CANNOT] *").await;
        c.expect(&format!("RENAME INBOX {name}"), "NO [CANNOT] *").await;
    }
    assert_eq!(c.ok("LIST \"\" *").await.len(), 1);
    for name in [&long[..1000], &deep[..63], "\"a*b\"", "\"a%b\"", "\"a \\\"b\\\\c\"", ".", "..", "#x", "~y", "nil"] {
        c.ok(&format!("CREATE {name}")).await;
        c.ok(&format!("SELECT {name}")).await;
    }
    // As atoms these are wildcards, not names.
    c.expect("CREATE a*b", "BAD *").await;
    c.expect("CREATE a%b", "BAD *").await;
}

#[tokio::test]
async fn create_with_a_special_use() {
    let mut c = TestServer::start().await.login().await;
    c.ok("CREATE Mine (USE (\\sent))").await;
    // One mailbox has it: RFC 6154 section 3 lets it go over.
    assert_eq!(without_children(c.ok("LIST (SPECIAL-USE) \"\" (Mine Sent)").await), ["* LIST (\\Sent) \"/\" Mine"]);
    c.ok("CREATE Plain (USE ())").await;
    c.ok("CREATE Twice (USE (\\Junk \\Junk))").await;
    for uses in ["\\All", "\\Flagged", "\\Important", "\\Sent \\Drafts", "\\X-Mine"] {
        c.expect(&format!("CREATE Not (USE ({uses}))"), "NO [USEATTR] *").await;
    }
    assert!(c.ok("LIST \"\" Not").await.is_empty());
    c.expect("CREATE Mine (USE (\\Drafts))", "NO [ALREADYEXISTS] *").await;
    c.expect("CREATE INBOX (USE (\\Drafts))", "NO [ALREADYEXISTS] *").await;
    for parameters in ["(X)", "(X (Y))", "()", "(USE \\Sent)", "(USE (Sent))", "USE (\\Sent)"] {
        c.expect(&format!("CREATE Not {parameters}"), "BAD *").await;
    }
    // It goes along with RENAME and goes with DELETE.
    c.ok("RENAME Mine Yours").await;
    assert_eq!(without_children(c.ok("LIST (SPECIAL-USE) \"\" Y*").await), ["* LIST (\\Sent) \"/\" Yours"]);
    c.ok("DELETE Yours").await;
    c.ok("CREATE Yours").await;
    assert!(c.ok("LIST (SPECIAL-USE) \"\" (Yours Sent)").await.is_empty());
}
