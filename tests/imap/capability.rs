//! What is offered when, and ENABLE.

use std::collections::HashMap;

use tributary::imap::{HiddenCapabilities, Settings};

use crate::harness::{Client, TestServer};

const BEFORE_LOGIN: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS AUTH=PLAIN";

/// The capabilities in the answer to a command.
async fn listed(c: &mut Client) -> Vec<String> {
    let line = c.ok("CAPABILITY").await.remove(0);
    line.strip_prefix("* CAPABILITY ").expect("a list").split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn rule_39_capabilities_change_with_login_and_are_sent_again() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    assert_eq!(c.ok("CAPABILITY").await, [format!("* CAPABILITY {BEFORE_LOGIN}")]);
    let (_, tagged) = c.run("LOGIN alice secret").await;
    let code = tagged.strip_prefix("OK [CAPABILITY ").and_then(|rest| rest.split_once(']')).expect("a code").0;
    let listed = listed(&mut c).await;
    assert_eq!(code.split(' ').collect::<Vec<_>>(), listed);
    for name in ["IMAP4rev1", "IMAP4rev2", "UTF8=ACCEPT", "COMPRESS=DEFLATE", "UNAUTHENTICATE", "IDLE", "ENABLE"] {
        assert!(listed.iter().any(|l| l == name), "{name}: {listed:?}");
    }
    for name in ["STARTTLS", "AUTH=PLAIN", "LOGINDISABLED"] {
        assert!(listed.iter().all(|l| l != name), "{name}: {listed:?}");
    }
    let distinct: std::collections::BTreeSet<_> = listed.iter().collect();
    assert_eq!(distinct.len(), listed.len());
    c.expect("LOGIN alice secret", "BAD Already logged in").await;
    c.expect("SELECT INBOX", "OK [READ-WRITE] *").await;
    c.expect("LOGIN alice secret", "BAD *").await;
    assert_eq!(self::listed(&mut c).await, listed);
}

#[tokio::test]
async fn the_greeting_and_authenticate_list_them_too() {
    let server = TestServer::start().await;
    let mut c = Client::of(&server).await;
    c.s(&format!("* OK [CAPABILITY {BEFORE_LOGIN}] *")).await;
    let (_, tagged) = c.run("AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==").await;
    let listed = listed(&mut c).await.join(" ");
    assert_eq!(tagged, format!("OK [CAPABILITY {listed}] Logged in"));
}

#[tokio::test]
async fn without_tls_no_way_to_send_a_password_is_offered() {
    let mut c = TestServer::with(Settings::default()).await.connect().await;
    assert_eq!(
        c.ok("CAPABILITY").await,
        ["* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED"]
    );
}

#[tokio::test]
async fn what_the_configuration_hides_is_not_shown() {
    let hidden_capabilities = HiddenCapabilities {
        everywhere: vec!["SASL-IR".into()],
        of_users: HashMap::from([(
            "alice".into(),
            vec!["QRESYNC".into(), "IMAP4rev2".into(), "UNAUTHENTICATE".into()],
        )]),
    };
    let server =
        TestServer::with(Settings { allow_cleartext_login: true, hidden_capabilities, ..Settings::default() }).await;
    let mut c = server.connect().await;
    let before = listed(&mut c).await;
    assert_eq!(before.join(" "), BEFORE_LOGIN.replace("SASL-IR ", ""));
    c.ok("LOGIN alice secret").await;
    let after = listed(&mut c).await;
    for name in ["SASL-IR", "QRESYNC", "IMAP4rev2", "UNAUTHENTICATE"] {
        assert!(after.iter().all(|l| l != name), "{name}: {after:?}");
    }
    assert!(after.iter().any(|l| l == "CONDSTORE"));
    // It is not known to ENABLE either.
    assert_eq!(c.ok("ENABLE QRESYNC IMAP4rev2 CONDSTORE").await, ["* ENABLED CONDSTORE"]);
    c.expect("UNAUTHENTICATE", "BAD *").await;
    c.ok("NOOP").await;
    let mut c = server.connect().await;
    c.ok("LOGIN bob secret").await;
    let of_bob = listed(&mut c).await;
    assert!(of_bob.iter().any(|l| l == "QRESYNC") && of_bob.iter().all(|l| l != "SASL-IR"), "{of_bob:?}");
}

/// `* ENABLED` is always sent, with what the command has enabled; unknown names are ignored.
#[tokio::test]
async fn rule_23_enable_always_answers() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    let before = listed(&mut c).await;
    assert_eq!(c.ok("ENABLE CONDSTORE IMAP4REV2").await, ["* ENABLED CONDSTORE IMAP4rev2"]);
    assert_eq!(c.ok("ENABLE X-NOTHING").await, ["* ENABLED"]);
    assert_eq!(c.ok("ENABLE imap4rev2 utf8=accept").await, ["* ENABLED UTF8=ACCEPT"]);
    assert_eq!(c.ok("ENABLE UTF8=ACCEPT MOVE IDLE").await, ["* ENABLED"]);
    assert_eq!(c.ok("ENABLE QRESYNC").await, ["* ENABLED QRESYNC"]);
    // RFC 9051 section 6.3.1: the list does not change.
    assert_eq!(listed(&mut c).await, before);
    c.expect("ENABLE", "BAD *").await;
    // A mailbox may be selected, and CONDSTORE be on by another command.
    let mut c = server.login().await;
    c.ok("SELECT INBOX (CONDSTORE)").await;
    assert_eq!(c.ok("ENABLE CONDSTORE").await, ["* ENABLED CONDSTORE"]);
    server.connect().await.expect("ENABLE CONDSTORE", "BAD Log in first").await;
}

/// ENABLE and what depends on it in one segment.
#[tokio::test]
async fn rule_23_enable_may_be_pipelined() {
    let mut c = TestServer::start().await.connect().await;
    c.raw("a LOGIN alice secret\r\nb ENABLE IMAP4rev2\r\nc CREATE \"Caf\u{e9}\"\r\nd SELECT \"Caf\u{e9}\"\r\n").await;
    c.s("a OK *").await;
    c.s("* ENABLED IMAP4rev2").await;
    c.s("b OK *").await;
    let (_, tagged) = c.finish("c").await;
    assert!(tagged.starts_with("OK"), "{tagged}");
    let (untagged, tagged) = c.finish("d").await;
    assert!(tagged.starts_with("OK"), "{tagged}");
    assert!(untagged.contains(&"* LIST (\\HasNoChildren) \"/\" \"Caf\u{e9}\"".to_owned()), "{untagged:?}");
}
