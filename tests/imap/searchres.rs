//! The saved result `$` (RFC 5182) while the mailbox changes under it.

use crate::harness::{Client, MESSAGE, TestServer};

/// What `$` names, by UID.
async fn saved(c: &mut Client) -> String {
    let untagged = c.ok("UID SEARCH RETURN (ALL) $").await;
    let line = untagged.iter().find(|line| line.starts_with("* ESEARCH")).expect("ESEARCH");
    line.split_once("UID").expect("by UID").1.trim_start().trim_start_matches("ALL ").to_owned()
}

async fn two(messages: usize) -> (TestServer, Client, Client) {
    let server = TestServer::start().await;
    server.fill(messages).await;
    let (c, other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    (server, c, other)
}

#[tokio::test]
async fn rule_35_arrivals_and_flags_leave_the_saved_result_alone() {
    let (_server, mut c, mut other) = two(4).await;
    c.ok("SEARCH RETURN (SAVE) UNSEEN").await;
    other.append("INBOX", "", MESSAGE).await;
    other.ok("STORE 1:2 +FLAGS.SILENT (\\Seen)").await;
    c.ok("NOOP").await;
    assert_eq!(saved(&mut c).await, "1:4");
    c.ok("SEARCH RETURN (SAVE) $ UNSEEN").await;
    assert_eq!(saved(&mut c).await, "3:4");
    // Each session has its own.
    assert_eq!(saved(&mut other).await, "");
    other.ok("SEARCH RETURN (SAVE) 1").await;
    assert_eq!((saved(&mut c).await, saved(&mut other).await), ("3:4".into(), "1".into()));
    // ENABLE changes nothing of it, IDLE neither.
    c.ok("ENABLE QRESYNC").await;
    c.c("i IDLE").await;
    c.s("+ idling").await;
    other.append("INBOX", "", MESSAGE).await;
    c.s("* 6 EXISTS").await;
    c.c("DONE").await;
    c.finish("i").await;
    assert_eq!(saved(&mut c).await, "3:4");
}

/// What is expunged elsewhere is named until the client is told, as it is by number; then it is gone for good.
#[tokio::test]
async fn rule_35_expunges_by_others_before_and_after_they_are_announced() {
    for qresync in [false, true] {
        let (_server, mut c, mut other) = two(6).await;
        if qresync {
            c.ok("ENABLE QRESYNC").await;
        }
        c.ok("SEARCH RETURN (SAVE) 2:5").await;
        other.ok("STORE 3 +FLAGS.SILENT (\\Deleted)").await;
        other.ok("EXPUNGE").await;
        // RFC 7162 section 6 has HIGHESTMODSEQ follow while the expunge is held back.
        let fetched = |lines: Vec<String>| lines.iter().filter(|line| line.contains(" FETCH (UID ")).count();
        assert_eq!(fetched(c.ok("FETCH $ (UID)").await), 4);
        let (lines, tagged) = c.run("STORE $ +FLAGS.SILENT (\\Flagged)").await;
        assert!(tagged.starts_with("NO [EXPUNGEISSUED]"), "{tagged}");
        assert!(!lines.iter().any(|line| line.contains("EXPUNGE") || line.contains("VANISHED")), "{lines:?}");
        c.expect("COPY $ Trash", "NO [EXPUNGEISSUED] *").await;
        // COPY may announce it.
        assert_eq!(saved(&mut c).await, "2,4:5");
        let (_, tagged) = c.run("STORE $ -FLAGS.SILENT (\\Flagged)").await;
        assert!(tagged.starts_with("OK"), "{tagged}");
        c.ok("COPY $ Trash").await;
        // The UID forms name what there is.
        other.ok("UID STORE 4 +FLAGS.SILENT (\\Deleted)").await;
        other.ok("EXPUNGE").await;
        let (_, tagged) = c.run("UID COPY $ Trash").await;
        assert!(tagged.starts_with("OK [COPYUID ") && tagged.contains(" 2,5 "), "{tagged}");
        assert_eq!(saved(&mut c).await, "2,5");
        // Another client moves one away, this one expunges the other.
        other.ok("UID MOVE 2 Trash").await;
        c.ok("UID STORE $ +FLAGS.SILENT (\\Deleted)").await;
        assert_eq!(saved(&mut c).await, "5");
        c.ok("UID EXPUNGE $").await;
        assert_eq!(saved(&mut c).await, "");
        assert_eq!(c.ok("UID FETCH $ FLAGS").await, [""; 0]);
        assert_eq!(c.ok("UID SEARCH RETURN (ALL) ALL").await[0].split_once("UID ").unwrap().1, "ALL 1,6");
    }
}

/// RFC 5182 section 2.1: a search that is refused leaves it or empties it, and another mailbox has none.
#[tokio::test]
async fn rule_35_failures_and_other_mailboxes() {
    let (_server, mut c, _other) = two(3).await;
    c.ok("CREATE Elsewhere").await;
    c.ok("SORT RETURN (SAVE) (ARRIVAL) UTF-8 1:2").await;
    for refused in [
        "SEARCH RETURN (SAVE PARTIAL 1:1 ALL) ALL",
        "SEARCH RETURN (SAVE) NOSUCHKEY",
        "SORT RETURN (SAVE) (NOSUCHKEY) UTF-8 ALL",
        "UIDBATCHES 0",
        "SELECT Elsewhere (NOSUCHPARAMETER",
    ] {
        c.expect(refused, "BAD *").await;
        assert_eq!(saved(&mut c).await, "1:2", "{refused}");
    }
    // Refused for its tag, which is in use.
    c.c("u SEARCH RETURN (UPDATE) ALL").await;
    c.finish("u").await;
    c.c("u SEARCH RETURN (SAVE UPDATE) 3").await;
    assert_eq!(c.finish("u").await.1, "BAD Tag reuse");
    assert_eq!(saved(&mut c).await, "1:2");
    c.expect("SORT RETURN (SAVE) (ARRIVAL) X-NONE TEXT a", "NO [BADCHARSET *] *").await;
    assert_eq!(saved(&mut c).await, "");
    for leave in ["SELECT Elsewhere", "EXAMINE INBOX", "SELECT Missing", "UNSELECT", "CLOSE"] {
        c.ok("SELECT INBOX").await;
        c.ok("SEARCH RETURN (SAVE) ALL").await;
        c.run(leave).await;
        c.ok("SELECT INBOX").await;
        assert_eq!(saved(&mut c).await, "", "{leave}");
    }
}

/// In every command that takes a set, one after the other without waiting.
#[tokio::test]
async fn rule_35_every_command_takes_it_pipelined() {
    let (_server, mut c, mut other) = two(8).await;
    other.ok("STORE 2,4,6,8 +FLAGS.SILENT (\\Flagged)").await;
    c.ok("NOOP").await;
    let commands = [
        ("a", "SEARCH RETURN (SAVE) FLAGGED"),
        ("b", "SORT RETURN (ALL) (REVERSE SIZE) UTF-8 $"),
        ("c", "UID THREAD ORDEREDSUBJECT UTF-8 $ UID 2"),
        ("d", "UID SORT RETURN (SAVE MAX) (ARRIVAL) UTF-8 $ NOT UID 8"),
        ("e", "UID STORE $ +FLAGS.SILENT (\\Deleted)"),
        ("f", "UID SEARCH RETURN (SAVE COUNT) FLAGGED UNDELETED"),
        ("g", "UID MOVE $ Trash"),
        ("h", "FETCH $ UID"),
        ("i", "UID SEARCH RETURN (SAVE MIN MAX) ALL"),
        ("j", "FETCH $ UID"),
        ("k", "UID SEARCH RETURN (SAVE PARTIAL 2:3) ALL"),
        ("l", "UID FETCH $ (UID) (PARTIAL -1:-1)"),
        ("m", "UID EXPUNGE 6"),
        ("n", "UID SEARCH RETURN (ALL) $"),
    ];
    let lines: String = commands.iter().map(|(tag, command)| format!("{tag} {command}\r\n")).collect();
    c.raw(lines).await;
    let mut answers = std::collections::HashMap::new();
    for (tag, command) in commands {
        let (untagged, tagged) = c.finish(tag).await;
        assert!(tagged.starts_with("OK"), "{command}: {tagged}");
        answers.insert(tag, untagged);
    }
    let wanted: [(&str, &[&str]); 10] = [
        ("a", &[]),
        ("b", &["* ESEARCH (TAG \"b\") ALL 2,4,6,8"]),
        ("c", &["* THREAD (2)"]),
        ("d", &["* ESEARCH (TAG \"d\") UID MAX 6"]),
        ("e", &[]),
        ("f", &["* ESEARCH (TAG \"f\") UID COUNT 3"]),
        ("h", &[]),
        ("j", &["* 1 FETCH (UID 1)", "* 5 FETCH (UID 7)"]),
        ("l", &["* 3 FETCH (UID 5)"]),
        ("n", &["* ESEARCH (TAG \"n\") UID ALL 3,5"]),
    ];
    for (tag, want) in wanted {
        assert_eq!(answers[tag], want, "{tag}");
    }
}
