//! SUBSCRIBE, UNSUBSCRIBE and LSUB (RFC 9051 sections 6.3.7 and 6.3.8, RFC 3501 section 6.3.9).

use super::{client_with, without_children};

#[tokio::test]
async fn rule_33_subscriptions_outlive_the_mailbox() {
    let mut c = client_with(&["Lists/Rust"], &["Lists/Rust"]).await;
    assert_eq!(c.ok("LSUB \"\" Lists/%").await, ["* LSUB (\\HasNoChildren) \"/\" Lists/Rust"]);
    assert_eq!(c.ok("LSUB \"\" L%").await, ["* LSUB (\\Noselect \\HasChildren) \"/\" Lists"]);
    assert!(c.ok("LSUB \"\" Lists").await.is_empty());
    c.ok("DELETE Lists/Rust").await;
    assert_eq!(c.ok("LSUB \"\" Lists/*").await, ["* LSUB (\\Noselect \\HasNoChildren) \"/\" Lists/Rust"]);
    c.ok("CREATE Lists/Rust").await;
    assert_eq!(c.ok("LSUB \"\" Lists/*").await, ["* LSUB (\\HasNoChildren) \"/\" Lists/Rust"]);
    c.ok("UNSUBSCRIBE Lists/Rust").await;
    assert!(c.ok("LSUB \"\" Lists/*").await.is_empty());
}

#[tokio::test]
async fn names_without_a_mailbox_can_be_subscribed_to() {
    let mut c = client_with(&[], &[]).await;
    for command in ["SUBSCRIBE later", "SUBSCRIBE later/", "SUBSCRIBE inBox", "UNSUBSCRIBE never"] {
        c.ok(command).await;
    }
    assert_eq!(
        without_children(c.ok("LSUB \"\" *").await),
        ["* LSUB () \"/\" INBOX", "* LSUB (\\Noselect) \"/\" later"]
    );
    c.expect("SUBSCRIBE a//b", "NO [CANNOT] *").await;
    c.expect("UNSUBSCRIBE &", "NO [CANNOT] *").await;
    c.expect("SUBSCRIBE", "BAD *").await;
    c.ok("UNSUBSCRIBE INBOX").await;
    c.ok("UNSUBSCRIBE INBOX").await;
    assert_eq!(c.ok("LSUB \"\" *").await.len(), 1);
}

/// What Dovecot's imaptest expects.
#[tokio::test]
async fn rule_31_lsub_shows_levels_for_a_percent_sign() {
    let mut c =
        client_with(&["m/test", "m/test2/test", "m/test3/test3"], &["m/test", "m/test2/test", "m/test3/test3"]).await;
    assert_eq!(
        without_children(c.ok("LSUB \"\" m/%").await),
        ["* LSUB () \"/\" m/test", "* LSUB (\\Noselect) \"/\" m/test2", "* LSUB (\\Noselect) \"/\" m/test3"]
    );
    assert_eq!(
        without_children(c.ok("LSUB \"\" *test").await),
        ["* LSUB () \"/\" m/test", "* LSUB () \"/\" m/test2/test"]
    );
    c.ok("UNSUBSCRIBE m/test3/test3").await;
    assert_eq!(c.ok("LSUB m/ %").await.len(), 2);
}
