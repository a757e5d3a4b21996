//! The selected mailbox (RFC 5465 sections 3.1, 5.1 to 5.3 and 6.1).

use crate::harness::{Client, MESSAGE, TestServer};

const ALL: &str = "NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))";

/// A client with INBOX selected and NOTIFY as given, and another one; so many messages.
async fn pair(count: usize, notify: &str) -> (TestServer, Client, Client) {
    let server = TestServer::start().await;
    server.fill(count).await;
    let (mut watcher, other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    watcher.ok(notify).await;
    (server, watcher, other)
}

#[tokio::test]
async fn selected_tells_arrivals_flags_and_expunges_between_commands() {
    let (_server, mut watcher, mut other) = pair(2, ALL).await;
    other.append("INBOX", "", MESSAGE).await;
    watcher.s("* 3 EXISTS").await;
    watcher.s("* * RECENT").await;
    // Section 5.1: UID and FLAGS.
    other.ok("STORE 2 +FLAGS ($Junk)").await;
    watcher.s("* FLAGS (*$Junk*)").await;
    watcher.s("* OK [PERMANENTFLAGS *").await;
    watcher.s("* 2 FETCH (UID 2 FLAGS (*$Junk))").await;
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    watcher.s("* 1 FETCH (UID 1 FLAGS (\\Deleted*").await;
    other.ok("EXPUNGE").await;
    watcher.s("* 1 EXPUNGE").await;
    assert_eq!(watcher.ok("NOOP").await, Vec::<String>::new());
}

#[tokio::test]
async fn expunges_are_vanished_once_qresync_is_enabled() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut watcher = server.login().await;
    watcher.ok("ENABLE QRESYNC").await;
    watcher.ok("SELECT INBOX").await;
    watcher.ok(ALL).await;
    let mut other = server.selected("INBOX").await;
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    watcher.s("* 1 FETCH (UID 1 FLAGS (\\Deleted*) MODSEQ (*))").await;
    other.ok("EXPUNGE").await;
    watcher.s("* VANISHED 1").await;
}

#[tokio::test]
async fn new_messages_come_with_the_items_asked_for() {
    let (_server, mut watcher, mut other) = pair(
        1,
        "notify set (selected (MessageNew (body.peek[header.fields (from to subject)]) MessageExpunge FlagChange))",
    )
    .await;
    other.append("INBOX", "(\\Flagged)", MESSAGE).await;
    other.append("INBOX", "", MESSAGE).await;
    watcher.s("* 2 EXISTS").await;
    watcher.s("* * RECENT").await;
    let fetch = watcher.s("* 2 FETCH (UID 2 BODY[HEADER.FIELDS (from to subject)] {*").await;
    assert!(fetch.contains("Subject: Greetings\r\n"), "{fetch}");
    watcher.s("* 3 EXISTS").await;
    watcher.s("* * RECENT").await;
    watcher.s("* 3 FETCH (UID 3 BODY[*").await;
    // Section 5.2: none for those that come from this connection.
    watcher.append("INBOX", "", MESSAGE).await;
    watcher.ok("UID COPY 1 INBOX").await;
    let lines = watcher.ok("NOOP").await;
    assert!(!lines.iter().any(|line| line.contains("FETCH")), "{lines:?}");
    // Of those of others that come at the same time there is one.
    other.ok("UID COPY 1 INBOX").await;
    watcher.s("* 6 EXISTS").await;
    watcher.s("* * RECENT").await;
    watcher.s("* 6 FETCH (UID 6 BODY[*").await;
}

#[tokio::test]
async fn items_that_set_seen_set_it() {
    let (_server, mut watcher, mut other) =
        pair(0, "NOTIFY SET (SELECTED (MessageNew (BODY[TEXT]) MessageExpunge))").await;
    other.append("INBOX", "", MESSAGE).await;
    watcher.s("* 1 EXISTS").await;
    watcher.s("* * RECENT").await;
    watcher.s("* 1 FETCH (UID 1 *FLAGS (\\Seen*").await;
    let flags = other.ok("FETCH 1 FLAGS").await;
    assert!(flags.iter().any(|line| line.contains("\\Seen")), "{flags:?}");
}

#[tokio::test]
async fn selected_delayed_holds_expunges_for_a_command_that_allows_them() {
    let (_server, mut watcher, mut other) =
        pair(3, "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))").await;
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    watcher.s("* 1 FETCH (UID 1 FLAGS (\\Deleted*").await;
    other.ok("EXPUNGE").await;
    other.append("INBOX", "", MESSAGE).await;
    // The expunged message still counts.
    watcher.s("* 4 EXISTS").await;
    watcher.s("* * RECENT").await;
    for command in ["FETCH 2 (UID)", "STORE 2 +FLAGS.SILENT (\\Seen)", "SEARCH ALL"] {
        let lines = watcher.ok(command).await;
        assert!(!lines.iter().any(|line| line.contains("EXPUNGE")), "{command}: {lines:?}");
    }
    assert_eq!(watcher.ok("NOOP").await, ["* 1 EXPUNGE"]);
    // In IDLE they come at once.
    watcher.c("i IDLE").await;
    watcher.s("+ *").await;
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    watcher.s("* 1 FETCH (UID 2 *").await;
    other.ok("EXPUNGE").await;
    watcher.s("* 1 EXPUNGE").await;
    watcher.c("DONE").await;
    watcher.s("i OK *").await;
}

#[tokio::test]
async fn rule_01_selected_alone_lets_expunges_come_during_any_command() {
    let (server, mut watcher, mut other) = pair(3, ALL).await;
    // Before the first NOTIFY, and after one without SELECTED: not even while no command runs.
    let mut plain = server.selected("INBOX").await;
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    watcher.s("* 1 FETCH *").await;
    other.ok("EXPUNGE").await;
    watcher.s("* 1 EXPUNGE").await;
    let lines = plain.ok("FETCH 2 (UID)").await;
    assert_eq!(lines.first().map(String::as_str), Some("* 2 FETCH (UID 2)"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("EXPUNGE")), "{lines:?}");
    // What happens while a command of the watcher is on its way is told with it at the latest, in order.
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    let lines = watcher.ok("UID FETCH 3 (UID)").await;
    let expunge = lines.iter().position(|line| line == "* 1 EXPUNGE").expect("the expunge");
    assert!(lines[..expunge].iter().all(|line| !line.starts_with("* 1 FETCH (UID 3")), "{lines:?}");
}

#[tokio::test]
async fn without_selected_nothing_is_told_of_the_selected_mailbox() {
    for notify in ["NOTIFY SET (SELECTED NONE)", "NOTIFY NONE", "NOTIFY SET (PERSONAL (MessageNew MessageExpunge))"] {
        let (_server, mut watcher, mut other) = pair(2, notify).await;
        other.append("INBOX", "", MESSAGE).await;
        other.ok("STORE 1 +FLAGS (\\Deleted)").await;
        other.ok("EXPUNGE").await;
        assert_eq!(watcher.ok("NOOP").await, Vec::<String>::new(), "{notify}");
        assert_eq!(watcher.ok("FETCH 1:2 (UID)").await, ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)"], "{notify}");
        // What the client does itself is answered, and brings the picture up to date (rule 12).
        watcher.append("INBOX", "", MESSAGE).await;
        let lines = watcher.ok("NOOP").await;
        assert_eq!(lines, Vec::<String>::new(), "{notify}");
        assert_eq!(watcher.ok("SEARCH UID 1:*").await, ["* SEARCH 1 2 3"], "{notify}");
        // Section 3.1: NOTIFY SET tells what has gathered.
        other.append("INBOX", "", MESSAGE).await;
        let lines = watcher.ok(ALL).await;
        assert_eq!(lines, ["* 4 EXISTS", "* 2 RECENT"].map(str::to_owned), "{notify}");
    }
}

#[tokio::test]
async fn rule_12_an_append_of_the_client_itself_is_told_without_selected_too() {
    let (_server, mut watcher, _other) = pair(1, "NOTIFY NONE").await;
    watcher.c(&format!("a APPEND INBOX {{{}}}", MESSAGE.len())).await;
    watcher.s("+ *").await;
    watcher.raw(format!("{MESSAGE}\r\n")).await;
    watcher.s("* 2 EXISTS").await;
    watcher.s("* * RECENT").await;
    watcher.s("a OK [APPENDUID *").await;
    watcher.ok("STORE 1 +FLAGS (\\Deleted)").await;
    assert_eq!(watcher.ok("EXPUNGE").await, ["* 1 EXPUNGE"]);
}

#[tokio::test]
async fn notify_set_tells_first_what_has_gathered() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let (mut watcher, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    other.ok("STORE 1:2 +FLAGS (\\Deleted)").await;
    other.ok("UID EXPUNGE 1").await;
    other.append("INBOX", "", MESSAGE).await;
    let lines = watcher.ok("NOTIFY SET (PERSONAL NONE)").await;
    assert_eq!(&lines[..2], ["* 1 EXPUNGE", "* 2 EXISTS"], "{lines:?}");
    assert!(lines[2..].iter().any(|line| line.starts_with("* 1 FETCH (FLAGS (\\Deleted")), "{lines:?}");
}

#[tokio::test]
async fn rule_21_flags_not_asked_for_are_not_told_and_hold_highestmodseq_back() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let (mut watcher, mut other) = (server.login().await, server.selected("INBOX").await);
    watcher.ok("ENABLE CONDSTORE").await;
    let lines = watcher.ok("SELECT INBOX").await;
    let told = |lines: &[String]| {
        let line = lines.iter().rev().find(|line| line.contains("[HIGHESTMODSEQ ")).expect("HIGHESTMODSEQ");
        line.split("[HIGHESTMODSEQ ")
            .nth(1)
            .and_then(|rest| rest.split(']').next()?.parse::<u64>().ok())
            .expect("a number")
    };
    let before = told(&lines);
    watcher.ok("NOTIFY SET (SELECTED (MessageNew MessageExpunge))").await;
    other.ok("STORE 1 +FLAGS (\\Flagged)").await;
    other.append("INBOX", "", MESSAGE).await;
    watcher.s("* 3 EXISTS").await;
    watcher.s("* * RECENT").await;
    let lines = watcher.ok("NOOP").await;
    assert!(!lines.iter().any(|line| line.contains("FETCH")), "{lines:?}");
    assert_eq!(told(&lines), before, "{lines:?}");
    // Asked for again, they are told at once.
    let lines = watcher.ok(ALL).await;
    assert!(lines.iter().any(|line| line.starts_with("* 1 FETCH (UID 1 FLAGS (\\Flagged")), "{lines:?}");
    other.ok("STORE 2 +FLAGS (\\Flagged)").await;
    watcher.s("* 2 FETCH (UID 2 FLAGS (\\Flagged*").await;
}

#[tokio::test]
async fn the_effect_lasts_over_select_close_and_unselect() {
    let (server, mut watcher, mut other) = pair(0, ALL).await;
    server.login().await.ok("CREATE box").await;
    watcher.ok("SELECT box").await;
    other.append("box", "", MESSAGE).await;
    watcher.s("* 1 EXISTS").await;
    watcher.s("* * RECENT").await;
    for leave in ["CLOSE", "UNSELECT"] {
        watcher.ok(leave).await;
        other.append("box", "", MESSAGE).await;
        let lines = watcher.ok("EXAMINE box").await;
        assert!(lines.iter().any(|line| line.ends_with(" EXISTS")), "{lines:?}");
        other.append("box", "", MESSAGE).await;
        watcher.s("* * EXISTS").await;
        watcher.s("* * RECENT").await;
    }
}

#[tokio::test]
async fn rule_40_a_session_whose_mailbox_is_deleted_ends_with_bye() {
    for notify in [ALL, "NOTIFY NONE"] {
        let server = TestServer::start().await;
        let mut other = server.login().await;
        other.ok("CREATE box").await;
        let mut watcher = server.selected("box").await;
        watcher.ok(notify).await;
        other.ok("DELETE box").await;
        if notify == "NOTIFY NONE" {
            watcher.c("n NOOP").await;
        }
        watcher.s("* BYE *").await;
        watcher.end().await;
    }
}

#[tokio::test]
async fn nothing_is_told_in_the_middle_of_a_command() {
    let (_server, mut watcher, mut other) = pair(0, ALL).await;
    watcher.raw("a APPEND INBOX {").await;
    other.append("INBOX", "", MESSAGE).await;
    watcher.raw(format!("{}}}\r\n", MESSAGE.len())).await;
    // The server may have told before the first octets came; not after.
    loop {
        let line = watcher.response().await.expect("a response");
        if line.starts_with('+') {
            break;
        }
        assert!(line.ends_with("EXISTS") || line.ends_with("RECENT"), "{line}");
    }
    other.append("INBOX", "", MESSAGE).await;
    watcher.raw(format!("{MESSAGE}\r\n")).await;
    let (lines, tagged) = watcher.finish("a").await;
    assert!(tagged.starts_with("OK [APPENDUID"), "{tagged}");
    assert!(lines.iter().any(|line| line == "* 3 EXISTS"), "{lines:?}");
}
