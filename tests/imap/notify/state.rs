//! The command itself, what the client does itself, and what holds over time (RFC 5465 sections 3.1, 4 and 5).

use tributary::imap::Settings;

use crate::harness::{MESSAGE, TestServer};

const EVERYTHING: &str = "NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange)) \
                          (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange \
                          MailboxMetadataChange ServerMetadataChange))";

#[tokio::test]
async fn the_command_needs_a_login_and_its_grammar() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.expect("NOTIFY NONE", "BAD *").await;
    c.ok("LOGIN alice secret").await;
    let lines = c.ok("CAPABILITY").await;
    assert!(lines[0].split(' ').any(|name| name == "NOTIFY"), "{lines:?}");
    c.ok("NOTIFY NONE").await;
    c.ok(EVERYTHING).await;
    c.ok("SELECT INBOX").await;
    c.ok(EVERYTHING).await;
    c.expect("NOTIFY", "BAD *").await;
    c.expect("NOTIFY SET", "BAD *").await;
    c.expect("NOTIFY SET (SELECTED (MessageNew))", "BAD *").await;
}

#[tokio::test]
async fn events_that_there_are_not_here_are_no_with_those_that_there_are() {
    let server = TestServer::start().await;
    let (mut c, mut other) = (server.login().await, server.login().await);
    c.ok("NOTIFY SET (PERSONAL (MailboxName))").await;
    let bad = "NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange \
               MailboxMetadataChange ServerMetadataChange)] *";
    c.expect("NOTIFY SET (SELECTED (MessageNew MessageExpunge AnnotationChange))", bad).await;
    c.expect("NOTIFY SET (PERSONAL (SomeVendorEvent))", bad).await;
    // What was asked for before stays.
    other.ok("CREATE box").await;
    c.s("* LIST (\\HasNoChildren) \"/\" box").await;
}

#[tokio::test]
async fn so_many_groups_and_names_and_no_more() {
    let mut c = TestServer::start().await.login().await;
    let groups = |count: usize| format!("NOTIFY SET{}", " (PERSONAL NONE)".repeat(count));
    c.ok(&groups(100)).await;
    c.expect(&groups(101), "NO [NOTIFICATIONOVERFLOW] *").await;
    let names = |count: usize| format!("NOTIFY SET (MAILBOXES ({}) NONE)", vec!["a"; count].join(" "));
    c.ok(&names(10_000)).await;
    c.expect(&names(10_001), "NO [NOTIFICATIONOVERFLOW] *").await;
}

#[tokio::test]
async fn what_the_client_does_itself_is_not_told() {
    let server = TestServer::start().await;
    let (mut c, mut other) = (server.login().await, server.login().await);
    c.append("INBOX", "", MESSAGE).await;
    c.append("INBOX", "", MESSAGE).await;
    c.ok("SELECT INBOX").await;
    c.ok(EVERYTHING).await;
    for command in [
        "CREATE box/below",
        "SUBSCRIBE box",
        "UNSUBSCRIBE INBOX",
        "SETMETADATA box (/private/comment \"x\")",
        "SETMETADATA \"\" (/private/comment \"x\")",
        "COPY 1 box",
        "RENAME box chest",
        "COPY 1 chest/below",
        "RENAME chest/below chest/a/b",
        "DELETE chest/a",
        "SETMETADATA chest (/private/comment NIL)",
    ] {
        assert_eq!(c.ok(command).await, Vec::<String>::new(), "{command}");
    }
    let lines = c.ok("MOVE 1 chest").await;
    assert!(lines.iter().all(|line| !line.contains("STATUS")), "{lines:?}");
    let appended = c.append("chest", "", MESSAGE).await;
    assert!(appended.starts_with("OK"), "{appended}");
    // RFC 3501 section 6.4.2: CLOSE is silent, and what it expunges this session's doing.
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(c.ok("CLOSE").await, Vec::<String>::new());
    assert_eq!(c.ok("RENAME INBOX older").await, Vec::<String>::new());
    assert_eq!(c.ok("NOOP").await, Vec::<String>::new());
    // What another does in the same mailbox is, in exact numbers.
    other.append("chest", "", MESSAGE).await;
    c.s("* STATUS chest (MESSAGES 4 UIDNEXT 5*").await;
    other.ok("CREATE chest/a").await;
    c.s("* LIST (\\HasChildren) \"/\" chest/a").await;
    c.s("* LIST (\\HasChildren) \"/\" chest").await;
    assert_eq!(c.ok("NOOP").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_mailbox_that_is_left_goes_on_from_what_was_told_of_it() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let (mut c, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    c.ok("NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange)) (PERSONAL (MessageNew MessageExpunge FlagChange))").await;
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    c.s("* 1 FETCH *").await;
    other.ok("EXPUNGE").await;
    // The expunge is held back, and told by STATUS once the mailbox is another.
    c.ok("FETCH 1 (UID)").await;
    let lines = c.ok("UNSELECT").await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("* STATUS INBOX (MESSAGES 0 UIDNEXT 2"), "{lines:?}");
    c.ok("SELECT INBOX").await;
    other.append("INBOX", "", MESSAGE).await;
    c.s("* 1 EXISTS").await;
    c.s("* * RECENT").await;
    assert_eq!(c.ok("UNSELECT").await, Vec::<String>::new());
}

#[tokio::test]
async fn idle_tells_the_same() {
    let server = TestServer::start().await;
    let (mut c, mut other) = (server.login().await, server.login().await);
    c.ok(EVERYTHING).await;
    for selected in [false, true] {
        if selected {
            c.ok("SELECT INBOX").await;
        }
        c.c("i IDLE").await;
        c.s("+ *").await;
        other.ok(&format!("CREATE box{selected}")).await;
        c.s("* LIST (\\HasNoChildren) \"/\" box*").await;
        other.append(&format!("box{selected}"), "", MESSAGE).await;
        c.s("* STATUS box*").await;
        other.append("INBOX", "", MESSAGE).await;
        c.s(if selected { "* 2 EXISTS" } else { "* STATUS INBOX (*" }).await;
        if selected {
            c.s("* * RECENT").await;
        }
        c.c("DONE").await;
        c.s("i OK *").await;
    }
}

#[tokio::test]
async fn many_changes_are_told_as_one_and_none_twice() {
    let server = TestServer::start().await;
    let (mut c, mut other) = (server.login().await, server.login().await);
    c.ok(EVERYTHING).await;
    // Within a command nothing is told.
    c.raw("n NO").await;
    for _ in 0..20 {
        other.append("Sent", "", MESSAGE).await;
    }
    c.c("OP").await;
    let (lines, _) = c.finish("n").await;
    // The first may have been told before the command began.
    assert!(lines.len() <= 2, "{lines:?}");
    assert!(lines.last().is_some_and(|line| line.starts_with("* STATUS Sent (MESSAGES 20 UIDNEXT 21")), "{lines:?}");
    assert_eq!(c.ok("NOOP").await, Vec::<String>::new());
}

#[tokio::test]
async fn none_and_unauthenticate_end_it() {
    let server = TestServer::start().await;
    let (mut c, mut other) = (server.login().await, server.login().await);
    c.ok(EVERYTHING).await;
    c.ok("NOTIFY NONE").await;
    other.ok("CREATE one").await;
    assert_eq!(c.ok("NOOP").await, Vec::<String>::new());
    c.ok(EVERYTHING).await;
    c.ok("UNAUTHENTICATE").await;
    c.ok("LOGIN alice secret").await;
    other.ok("CREATE two").await;
    assert_eq!(c.ok("NOOP").await, Vec::<String>::new());
    // As before the first NOTIFY: the selected mailbox is told of at the end of commands.
    c.ok("SELECT INBOX").await;
    other.append("INBOX", "", MESSAGE).await;
    assert_eq!(c.ok("NOOP").await, ["* 1 EXISTS", "* 1 RECENT"]);
}

#[tokio::test]
async fn other_users_are_not_told() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.ok(EVERYTHING).await;
    let mut bob = server.connect().await;
    bob.ok("LOGIN bob secret").await;
    bob.ok("CREATE box").await;
    bob.append("INBOX", "", MESSAGE).await;
    assert_eq!(c.ok("NOOP").await, Vec::<String>::new());
}

#[tokio::test]
async fn too_many_annotations_end_notifications() {
    let server = TestServer::start().await;
    let (mut c, mut other) = (server.login().await, server.login().await);
    let user = server.store.ensure_user("alice").await.expect("a user");
    let mailboxes = server.store.mailboxes(user).await.expect("mailboxes");
    let mut annotated = 0;
    let fill = |count: usize| (0..count).map(|n| (format!("/private/{n}"), Some(b"x".to_vec()))).collect::<Vec<_>>();
    let mut ids: Vec<_> = mailboxes.iter().map(|mailbox| mailbox.id).collect();
    for n in ids.len()..20 {
        other.ok(&format!("CREATE box{n}")).await;
    }
    ids = server.store.mailboxes(user).await.expect("mailboxes").iter().map(|mailbox| mailbox.id).collect();
    for id in ids.iter().take(20) {
        server.store.set_metadata(user, Some(*id), fill(1_000)).await.expect("annotations");
        annotated += 1_000;
    }
    assert_eq!(annotated, 20_000);
    c.ok(EVERYTHING).await;
    other.ok("SETMETADATA \"\" (/private/one \"more\")").await;
    c.s("* OK [NOTIFICATIONOVERFLOW] *").await;
    other.ok("CREATE untold").await;
    assert_eq!(c.ok("NOOP").await, Vec::<String>::new());
    c.expect(EVERYTHING, "NO [NOTIFICATIONOVERFLOW] *").await;
    c.ok("NOTIFY SET (PERSONAL (MailboxName))").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_the_truth_once_when_it_reads() {
    let server = TestServer::with(Settings { allow_cleartext_login: true, ..Settings::default() }).await;
    let (mut c, mut other) = (server.login().await, server.login().await);
    c.ok(EVERYTHING).await;
    for _ in 0..200 {
        other.append("Sent", "", MESSAGE).await;
    }
    let mut last = String::new();
    while !last.starts_with("* STATUS Sent (MESSAGES 200 ") {
        last = c.s("* STATUS Sent (*").await;
    }
    assert_eq!(c.ok("NOOP").await, Vec::<String>::new());
}
