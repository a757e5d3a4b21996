//! UIDONLY (RFC 9586).

use std::collections::HashMap;

use tributary::imap::{HiddenCapabilities, Settings};

use crate::harness::{Client, MESSAGE, TestServer};

async fn enabled(server: &TestServer) -> Client {
    let mut client = server.login().await;
    assert_eq!(client.ok("ENABLE UIDONLY").await, ["* ENABLED UIDONLY"]);
    client
}

async fn is_shown(c: &mut Client) -> bool {
    c.ok("CAPABILITY").await[0].split(' ').any(|name| name == "UIDONLY")
}

/// UIDs begin to differ from numbers: 2, 4 and 5 are left of five.
async fn gaps() -> TestServer {
    let server = TestServer::start().await;
    server.fill(5).await;
    let mut c = server.selected("INBOX").await;
    c.ok("UID STORE 1,3 +FLAGS.SILENT (\\Deleted)").await;
    c.ok("EXPUNGE").await;
    server
}

#[tokio::test]
async fn it_is_there_for_who_asks_but_shown_only_on_request() {
    let settings = || Settings { allow_cleartext_login: true, ..Settings::default() };
    let asked = ["ENABLE uidonly X-Y condstore", "ENABLE UIDONLY"];
    let mut c = TestServer::with(settings()).await.login().await;
    assert!(!is_shown(&mut c).await);
    assert_eq!(c.ok(asked[0]).await, ["* ENABLED CONDSTORE UIDONLY"]);
    assert_eq!(c.ok(asked[1]).await, ["* ENABLED"]);
    assert!(!is_shown(&mut c).await);

    let shown_capabilities = vec!["UIDONLY".to_owned()];
    let server = TestServer::with(Settings { shown_capabilities: shown_capabilities.clone(), ..settings() }).await;
    let mut c = server.connect().await;
    assert!(!is_shown(&mut c).await, "before login");
    c.ok("LOGIN alice secret").await;
    assert!(is_shown(&mut c).await);
    assert_eq!(c.ok(asked[1]).await, ["* ENABLED UIDONLY"]);
    // UNAUTHENTICATE switches off what is enabled (RFC 8437 section 4).
    c.ok("UNAUTHENTICATE").await;
    c.ok("LOGIN bob secret").await;
    c.ok("SELECT INBOX").await;
    assert_eq!(c.ok("SEARCH ALL").await, ["* SEARCH"]);

    // Hidden is refused, shown or not.
    let hidden_capabilities = HiddenCapabilities {
        everywhere: Vec::new(),
        of_users: HashMap::from([("alice".to_owned(), shown_capabilities.clone())]),
    };
    let server = TestServer::with(Settings { shown_capabilities, hidden_capabilities, ..settings() }).await;
    let mut c = server.login().await;
    assert!(!is_shown(&mut c).await);
    assert_eq!(c.ok(asked[0]).await, ["* ENABLED CONDSTORE"]);
    c.ok("SELECT INBOX").await;
    c.ok("SEARCH ALL").await;
}

#[tokio::test]
async fn commands_by_number_are_refused_and_change_nothing() {
    let server = gaps().await;
    let mut c = enabled(&server).await;
    // A wrong state is still called that.
    c.expect("FETCH 1 (FLAGS)", "BAD Select a mailbox first").await;
    let lines = c.ok("SELECT INBOX").await;
    assert!(!lines.concat().contains("[UNSEEN "), "a number: {lines:?}");
    c.ok("UID SEARCH RETURN (SAVE) UID 4").await;
    for command in [
        "FETCH 1 (FLAGS)",
        "FETCH $ (FLAGS)",
        "FETCH 1 BODY[]",
        "STORE 1 +FLAGS (\\Seen)",
        "STORE 1 (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Seen)",
        "COPY 1 Archive",
        "COPY 99 nowhere",
        "MOVE * Archive",
        "SEARCH ALL",
        "SEARCH UID 2",
        "SEARCH RETURN (SAVE) ALL",
        "SORT (SUBJECT) UTF-8 ALL",
        "SORT RETURN (SAVE) (SUBJECT) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "UID SEARCH 1",
        "UID SEARCH RETURN (SAVE) 1:*",
        "UID SEARCH NOT (OR SEEN (DELETED *))",
        "UID SORT (SUBJECT) UTF-8 2:4",
        "UID THREAD ORDEREDSUBJECT UTF-8 UNSEEN 2:4",
    ] {
        let lines = c.expect(command, "BAD [UIDREQUIRED] *").await;
        assert_eq!(lines, [""; 0], "{command}");
    }
    // REPLACE is refused before its literal.
    c.expect("REPLACE 1 INBOX {6}", "BAD [UIDREQUIRED] *").await;
    c.expect("REPLACE 1 INBOX {6+}\r\nn: 1\r\n", "BAD [UIDREQUIRED] *").await;
    // `$` is what it was before the BAD (RFC 5182 section 2.1), CONDSTORE is not enabled, and nothing is changed.
    assert_eq!(c.ok("UID FETCH $ (FLAGS)").await, ["* 4 UIDFETCH (FLAGS ())"]);
    assert_eq!(c.ok("STATUS INBOX (MESSAGES UNSEEN)").await, ["* STATUS INBOX (MESSAGES 3 UNSEEN 3)"]);
    // It is no error of syntax: such a client is not thrown out.
    for _ in 0..30 {
        c.expect("FETCH 1 (FLAGS)", "BAD [UIDREQUIRED] *").await;
    }
}

#[tokio::test]
async fn uid_forms_answer_by_uid_alone() {
    let server = gaps().await;
    let mut c = enabled(&server).await;
    c.ok("SELECT INBOX").await;
    assert_eq!(c.ok("UID FETCH 3:4 (FLAGS)").await, ["* 4 UIDFETCH (FLAGS ())"]);
    // The item is sent where it is asked for.
    assert_eq!(
        c.ok("UID FETCH 4:* (FLAGS UID)").await,
        ["* 4 UIDFETCH (UID 4 FLAGS ())", "* 5 UIDFETCH (UID 5 FLAGS ())"]
    );
    let size = MESSAGE.len();
    let whole = format!("* 4 UIDFETCH (BODY[] {{{size}}}\r\n{MESSAGE} FLAGS (\\Seen))");
    assert_eq!(c.ok("UID FETCH 4 BODY[]").await, [whole]);
    assert!(c.ok("UID FETCH 2 (ENVELOPE)").await[0].starts_with("* 2 UIDFETCH (ENVELOPE ("));
    assert_eq!(c.ok("UID STORE 2 +FLAGS (\\Flagged)").await, ["* 2 UIDFETCH (FLAGS (\\Flagged))"]);
    assert!(c.ok("UID STORE 2 +FLAGS.SILENT (\\Draft)").await.is_empty());
    assert_eq!(c.ok("UID SEARCH ALL").await, ["* SEARCH 2 4 5"]);
    assert_eq!(c.ok("UID SEARCH RETURN (SAVE) UID 4:5").await, [""; 0]);
    assert_eq!(c.ok("UID SEARCH $ SEEN").await, ["* SEARCH 4"]);
    assert_eq!(c.ok("UID SORT (REVERSE SIZE) UTF-8 UID 2:4").await, ["* SORT 2 4"]);
    assert_eq!(c.ok("UID THREAD ORDEREDSUBJECT UTF-8 UNDELETED").await, ["* THREAD (2 (4)(5))"]);
    c.expect("UID COPY 4:5 Archive", "OK [COPYUID * 4:5 1:2] *").await;
    let lines = c.ok("UID MOVE 4 Archive").await;
    assert!(lines[0].starts_with("* OK [COPYUID ") && lines[0].ends_with(" 4 3] Moved"), "{lines:?}");
    assert_eq!(lines[1..], ["* VANISHED 4"]);
    let lines = c.ok("UID REPLACE 5 INBOX {6+}\r\nn: 1\r\n").await;
    assert!(lines[0].starts_with("* OK [APPENDUID ") && lines[0].contains(" 6] "), "{lines:?}");
    assert_eq!(lines[1..], ["* VANISHED 5", "* 2 EXISTS", "* 1 RECENT"]);
    c.ok("UID STORE 2,6 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(c.ok("UID EXPUNGE 3:9").await, ["* VANISHED 6"]);
    // Without CONDSTORE no mod-sequence is told.
    let (lines, tagged) = c.run("EXPUNGE").await;
    assert_eq!(lines, ["* VANISHED 2"]);
    assert!(tagged.starts_with("OK EXPUNGE"), "{tagged}");
}

#[tokio::test]
async fn what_others_do_is_told_by_uid() {
    let server = gaps().await;
    let (mut c, mut other) = (enabled(&server).await, server.selected("INBOX").await);
    c.ok("SELECT INBOX").await;
    other.ok("UID STORE 4 +FLAGS (\\Flagged $Work)").await;
    let lines = c.ok("NOOP").await;
    assert!(lines[0].starts_with("* FLAGS ("), "{lines:?}");
    assert_eq!(lines[2..], ["* 4 UIDFETCH (FLAGS (\\Flagged $Work))"]);
    other.append("INBOX", "", MESSAGE).await;
    other.ok("UID STORE 2,5 +FLAGS.SILENT (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    // No number is in use, and so no UID command holds expunges back.
    assert_eq!(c.ok("UID SEARCH FLAGGED").await, ["* SEARCH 4", "* VANISHED 2,5", "* 2 EXISTS", "* 0 RECENT"]);
    c.c("i IDLE").await;
    c.s("+ *").await;
    other.ok("UID STORE 4 -FLAGS (\\Flagged)").await;
    c.s("* 4 UIDFETCH (FLAGS ($Work))").await;
    other.ok("UID MOVE 4 Archive").await;
    c.s("* VANISHED 4").await;
    c.c("DONE").await;
    c.s("i OK *").await;
}

#[tokio::test]
async fn enabled_in_a_selected_mailbox_it_holds_from_its_answer_on() {
    let server = gaps().await;
    let (mut c, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    other.ok("UID STORE 2 +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    other.ok("UID STORE 5 +FLAGS (\\Flagged)").await;
    assert_eq!(c.ok("FETCH 1:3 (UID)").await[0], "* 1 FETCH (UID 2)");
    other.ok("UID STORE 4 +FLAGS (\\Seen)").await;
    let want = ["* ENABLED UIDONLY", "* VANISHED 2", "* 4 UIDFETCH (FLAGS (\\Seen))"];
    assert_eq!(c.ok("ENABLE UIDONLY").await, want);
    c.expect("FETCH 1 (UID)", "BAD [UIDREQUIRED] *").await;
    assert_eq!(c.ok("UID FETCH 1:* (UID)").await, ["* 4 UIDFETCH (UID 4)", "* 5 UIDFETCH (UID 5)"]);
}

#[tokio::test]
async fn condstore_and_qresync_go_with_it() {
    let server = gaps().await;
    let mut c = enabled(&server).await;
    c.ok("SELECT INBOX (CONDSTORE)").await;
    let mut other = server.selected("INBOX").await;
    other.ok("UID STORE 4 +FLAGS (\\Seen)").await;
    let line = c.ok("NOOP").await.remove(0);
    assert!(line.starts_with("* 4 UIDFETCH (FLAGS (\\Seen) MODSEQ ("), "{line}");
    let line = c.ok("UID STORE 4 +FLAGS.SILENT (\\Flagged)").await.remove(0);
    assert!(line.starts_with("* 4 UIDFETCH (MODSEQ ("), "{line}");
    let line = c.ok("UID FETCH 4 (FLAGS)").await.remove(0);
    assert!(line.starts_with("* 4 UIDFETCH (FLAGS (\\Flagged \\Seen) MODSEQ ("), "{line}");
    let line = c.ok("UID FETCH 5 BODY[1]").await.remove(0);
    assert!(line.starts_with("* 5 UIDFETCH (MODSEQ (") && line.contains(" FLAGS (\\Seen)"), "{line}");
    c.expect("UID STORE 2,4 (UNCHANGEDSINCE 1) +FLAGS (\\Draft)", "OK [MODIFIED 2,4] *").await;

    assert_eq!(c.ok("ENABLE QRESYNC").await, ["* ENABLED QRESYNC"]);
    let lines = c.ok("SELECT INBOX").await;
    let code = |name: &str| {
        let line = lines.iter().find_map(|line| line.split_once(&format!("[{name} "))?.1.split_once(']'));
        line.unwrap().0.parse::<u64>().unwrap()
    };
    let (v, m) = (code("UIDVALIDITY"), code("HIGHESTMODSEQ"));
    // Message sequence match data is refused, and the mailbox stays selected.
    let refused = format!("SELECT Sent (QRESYNC ({v} {m} 1:5 (1 2)))");
    assert_eq!(c.expect(&refused, "BAD [UIDREQUIRED] *").await, [""; 0]);
    c.expect(&refused.replace("SELECT", "EXAMINE").replace(" 1:5", ""), "BAD [UIDREQUIRED] *").await;
    assert_eq!(c.ok("UID SEARCH ALL").await, ["* SEARCH 2 4 5"]);
    other.ok("UID STORE 4 +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    other.ok("UID STORE 2 FLAGS (\\Draft)").await;
    let lines = c.ok(&format!("SELECT INBOX (QRESYNC ({v} {m} 1:5))")).await;
    let [.., vanished, fetched] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(vanished, "* VANISHED (EARLIER) 4");
    assert!(fetched.starts_with("* 2 UIDFETCH (FLAGS (\\Draft) MODSEQ ("), "{fetched}");
    let lines = c.ok(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {m} VANISHED)")).await;
    assert_eq!((lines.len(), &lines[0]), (2, vanished));
    assert_eq!(lines[1], *fetched);
}

/// RFC 9586 section 1: with IMAP4rev2 too.
#[tokio::test]
async fn with_imap4rev2_as_well() {
    let server = gaps().await;
    let mut c = enabled(&server).await;
    c.ok("ENABLE IMAP4rev2").await;
    c.ok("SELECT INBOX").await;
    server.selected("INBOX").await.ok("UID STORE 4 +FLAGS (\\Seen)").await;
    assert_eq!(c.ok("NOOP").await, ["* 4 UIDFETCH (FLAGS (\\Seen))"]);
    let lines = c.ok("UID SEARCH ALL").await;
    assert!(lines[0].starts_with("* ESEARCH (TAG \"") && lines[0].ends_with("\") UID ALL 2,4:5"), "{lines:?}");
    c.expect("SEARCH ALL", "BAD [UIDREQUIRED] *").await;
}
