//! DELETE (RFC 9051 section 6.3.5).

use super::{client_with, without_children};
use crate::harness::{MESSAGE, TestServer};

/// A mailbox with children can be deleted; the name stays as a level of the hierarchy, and can be created again.
#[tokio::test]
async fn rule_33_delete_with_children_keeps_the_children() {
    let mut c = client_with(&["a/b"], &[]).await;
    c.append("a", "", MESSAGE).await;
    c.ok("DELETE a").await;
    assert_eq!(without_children(c.ok("LIST \"\" a*").await), ["* LIST () \"/\" a/b"]);
    assert_eq!(c.ok("LIST \"\" a").await, ["* LIST (\\Noselect \\HasChildren) \"/\" a"]);
    c.expect("SELECT a", "NO [NONEXISTENT] *").await;
    c.expect("STATUS a (MESSAGES)", "NO [NONEXISTENT] *").await;
    c.expect("DELETE a", "NO [HASCHILDREN] *").await;
    c.ok("CREATE a").await;
    assert_eq!(c.ok("STATUS a (MESSAGES)").await, ["* STATUS a (MESSAGES 0)"]);
    c.ok("SELECT a").await;
}

#[tokio::test]
async fn delete_is_refused() {
    let mut c = client_with(&["a"], &[]).await;
    for (name, answer) in [
        ("INBOX", "NO [CANNOT] *"),
        ("inbox/", "NO [CANNOT] *"),
        ("nothing", "NO [NONEXISTENT] *"),
        ("a/b", "NO [NONEXISTENT] *"),
        ("A", "NO [NONEXISTENT] *"),
        ("a//b", "NO [NONEXISTENT] *"),
        ("&", "NO [NONEXISTENT] *"),
    ] {
        c.expect(&format!("DELETE {name}"), answer).await;
    }
    c.ok("DELETE a/").await;
}

/// Rule 10: DELETE and CREATE again gives a larger UIDVALIDITY; so does the old name of a renamed one.
#[tokio::test]
async fn rule_10_uidvalidity_grows_when_made_anew() {
    let mut c = TestServer::start().await.login().await;
    let mut last = 0;
    for n in 0..4 {
        c.ok("CREATE box").await;
        let value = super::status::number(&c.ok("STATUS box (UIDVALIDITY)").await.remove(0));
        assert!(value > last && value < 1 << 31);
        last = value;
        if n % 2 == 0 {
            c.ok("DELETE box").await;
        } else {
            c.ok(&format!("RENAME box box{n}")).await;
            let kept = super::status::number(&c.ok(&format!("STATUS box{n} (UIDVALIDITY)")).await.remove(0));
            assert_eq!(kept, value);
        }
    }
}

/// Rule 33: the session that deletes its own mailbox goes on; another one ends with BYE.
#[tokio::test]
async fn rule_40_deletion_of_the_selected_mailbox() {
    let server = TestServer::start().await;
    server.login().await.ok("CREATE box").await;
    let (mut own, mut other, mut idle) =
        (server.selected("box").await, server.selected("box").await, server.selected("box").await);
    idle.c("i IDLE").await;
    idle.s("+ *").await;
    assert_eq!(own.ok("DELETE box").await, ["* OK [CLOSED] The selected mailbox was deleted"]);
    own.expect("FETCH 1 FLAGS", "BAD *").await;
    own.ok("SELECT INBOX").await;
    other.c("a NOOP").await;
    other.s("* BYE *").await;
    other.end().await;
    idle.s("* BYE *").await;
    idle.end().await;
}

/// Made again at once it is another mailbox, and nobody is left in the old one.
#[tokio::test]
async fn rule_40_deleted_and_made_again() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.ok("CREATE box").await;
    let mut other = server.selected("box").await;
    c.ok("DELETE box").await;
    c.ok("CREATE box").await;
    other.c("a NOOP").await;
    other.s("* BYE *").await;
    other.end().await;
}
