//! What is shown of the sessions of a user, and ending one.

use super::harness::*;

#[tokio::test]
async fn a_session_is_shown_as_it_is() {
    let server = TestServer::start().await;
    let shown = || server.server.devices();
    let mut c = server.connect().await;
    c.ok("ID (\"name\" \"Mail\" \"version\" \"1\")").await;
    assert_eq!(shown(), [], "who has not logged in is nobody's device");
    let mut changes = server.server.changes();
    c.ok("LOGIN alice secret").await;
    assert!(changes.has_changed().unwrap());
    let device = shown().remove(0);
    assert_eq!((device.user.as_str(), device.client.as_str(), device.tls), ("alice", "Mail 1", false));
    assert_eq!((device.mailbox.as_deref(), device.idle), (None, false));
    for (command, mailbox) in [
        ("SELECT INBOX", Some("INBOX")),
        ("EXAMINE Trash", Some("Trash")),
        ("UNSELECT", None),
        ("SELECT Sent", Some("Sent")),
    ] {
        changes.borrow_and_update();
        c.ok(command).await;
        assert_eq!(shown()[0].mailbox.as_deref(), mailbox, "{command}");
        assert!(changes.has_changed().unwrap(), "{command}");
    }
    c.c("i IDLE").await;
    c.s("+ *").await;
    assert!(shown()[0].idle);
    c.c("DONE").await;
    c.s("i OK *").await;
    assert!(!shown()[0].idle);
    c.ok("UNAUTHENTICATE").await;
    assert_eq!(shown(), []);
    c.ok("LOGIN bob secret").await;
    assert_eq!(shown()[0].user, "bob");
    c.ok("LOGOUT").await;
    c.end().await;
}

#[tokio::test]
async fn a_session_is_ended_at_rest_and_in_idle_and_no_other() {
    let server = TestServer::start().await;
    for command in ["NOOP", "IDLE"] {
        let (mut one, mut other) = (server.login().await, server.login().await);
        if command == "IDLE" {
            one.c("i IDLE").await;
            one.s("+ *").await;
        }
        let id = server.server.devices().iter().map(|device| device.id).min().unwrap();
        assert_eq!(server.server.disconnect(id).as_deref(), Some("alice"));
        one.s("* BYE [UNAVAILABLE] This connection was ended *").await;
        one.end().await;
        other.ok("NOOP").await;
        other.ok("LOGOUT").await;
    }
    let stranger = server.connect().await;
    assert_eq!(server.server.disconnect(u64::MAX), None);
    // Who has not logged in has an id as well, which is nobody's to end.
    assert!((0..100).all(|id| server.server.disconnect(id).is_none()));
    drop(stranger);
}
