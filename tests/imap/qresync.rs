//! QRESYNC (RFC 7162 section 3.2).

use crate::harness::{Client, MESSAGE, TestServer};

/// The number in the response code `[NAME n]` of one of the lines.
fn code(lines: &[String], name: &str) -> u64 {
    let line = lines.iter().find_map(|line| line.split_once(&format!("[{name} "))?.1.split_once(']'));
    line.unwrap_or_else(|| panic!("no {name} in {lines:?}")).0.parse().unwrap()
}

fn mod_seq(fetch: &str) -> u64 {
    fetch.split_once("MODSEQ (").unwrap().1.split_once(')').unwrap().0.parse().unwrap()
}

/// What SELECT tells beside what it always tells.
fn news(lines: &[String]) -> Vec<String> {
    let is_news = |line: &&String| line.contains("VANISHED") || line.contains(" FETCH ");
    let news: Vec<_> = lines.iter().filter(is_news).cloned().collect();
    assert_eq!(news, lines[lines.len() - news.len()..], "what is news comes last");
    news.iter().map(|line| line.split(" MODSEQ").next().unwrap().to_owned()).collect()
}

async fn enabled(server: &TestServer) -> Client {
    let mut client = server.login().await;
    assert_eq!(client.ok("ENABLE QRESYNC").await, ["* ENABLED QRESYNC"]);
    client
}

async fn enabled_in(server: &TestServer, mailbox: &str) -> (Client, u64, u64) {
    let mut client = enabled(server).await;
    let lines = client.ok(&format!("SELECT {mailbox}")).await;
    (client, code(&lines, "UIDVALIDITY"), code(&lines, "HIGHESTMODSEQ"))
}

#[tokio::test]
async fn rule_23_qresync_is_advertised_and_enabled() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.login().await;
    assert!(c.ok("CAPABILITY").await[0].contains(" CONDSTORE QRESYNC"));
    assert_eq!(c.ok("ENABLE qresync X-Y condstore").await, ["* ENABLED CONDSTORE QRESYNC"]);
    c.ok("SELECT INBOX").await;
    server.selected("INBOX").await.ok("STORE 1 +FLAGS (\\Seen)").await;
    let line = c.ok("NOOP").await.remove(0);
    assert!(line.starts_with("* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) MODSEQ ("), "{line}");
}

/// Ten messages; while the client is away 3, 7 and one that it never saw are expunged, and 5 is flagged.
async fn away() -> (TestServer, u64, u64) {
    let server = TestServer::start().await;
    server.fill(10).await;
    let (_, v, m) = enabled_in(&server, "INBOX").await;
    let mut other = server.selected("INBOX").await;
    other.append("INBOX", "(\\Deleted)", MESSAGE).await;
    other.ok("UID STORE 3,7 +FLAGS (\\Deleted)").await;
    other.ok("UID STORE 5 +FLAGS (\\Flagged)").await;
    other.ok("EXPUNGE").await;
    (server, v, m)
}

#[tokio::test]
async fn rule_25_select_tells_what_was_missed() {
    let (server, v, m) = away().await;
    let mut c = enabled(&server).await;
    let flagged = "* 4 FETCH (UID 5 FLAGS (\\Flagged)".to_owned();
    for (known, vanished, fetched) in [
        ("", Some("3,7,11"), true),
        (" 1:10", Some("3,7"), true),
        (" 1:4294967295", Some("3,7,11"), true),
        (" 4:6", None, true),
        (" 10:6", Some("7"), false),
        (" 1:2,3,8:10", Some("3"), false),
        (" 12:20", None, false),
        // Message sequence match data: message 2 is UID 2, 5 is 6, 6 is 8, and 7 is not 10.
        (" (2 2)", Some("3,7,11"), true),
        (" 1:10 (2,5 2,6)", Some("7"), true),
        (" 1:10 (2,5:6 2,6,8)", None, true),
        (" 1:10 (2:3,7 2:3,7)", Some("3,7"), true),
        (" 1:10 (1:4294967295 1:4294967295)", Some("3,7"), true),
    ] {
        let lines = c.ok(&format!("EXAMINE INBOX (QRESYNC ({v} {m}{known}))")).await;
        let vanished = vanished.map(|uids| format!("* VANISHED (EARLIER) {uids}"));
        let want: Vec<_> = vanished.into_iter().chain(fetched.then(|| flagged.clone())).collect();
        assert_eq!(news(&lines), want, "known:{known}");
        assert!(lines.contains(&"* 8 EXISTS".to_owned()), "{lines:?}");
    }
    let now = code(&c.ok("SELECT INBOX").await, "HIGHESTMODSEQ");
    assert!(news(&c.ok(&format!("SELECT INBOX (QRESYNC ({v} {now}))")).await).is_empty(), "nothing was missed");
    assert!(news(&c.ok(&format!("SELECT INBOX (CONDSTORE QRESYNC ({} {m}))", v + 1)).await).is_empty());
    assert!(news(&c.ok(&format!("SELECT Sent (QRESYNC ({v} {m} 1:10))")).await).is_empty());
}

/// A client that knows nothing yet, and one whose mod-sequence this store has never given (it was set back).
#[tokio::test]
async fn rule_25_no_mod_sequence_and_one_from_the_future() {
    let (server, v, _) = away().await;
    let mut c = enabled(&server).await;
    for m in [0, i64::MAX as u64] {
        let lines = c.ok(&format!("SELECT INBOX (QRESYNC ({v} {m} 1:20))")).await;
        let news = news(&lines);
        assert_eq!(news.len(), 9);
        assert_eq!(news[0], "* VANISHED (EARLIER) 3,7,11");
        let lines = c.ok(&format!("UID FETCH 1:20 (FLAGS) (CHANGEDSINCE {m} VANISHED)")).await;
        assert_eq!((lines.len(), lines[0].as_str()), (9, "* VANISHED (EARLIER) 3,7,11"));
    }
    server.login().await.ok("CREATE empty").await;
    let lines = c.ok("SELECT empty").await;
    let v = code(&lines, "UIDVALIDITY");
    assert!(news(&c.ok(&format!("SELECT empty (QRESYNC ({v} 0 1:9 (1 1)))")).await).is_empty());
}

#[tokio::test]
async fn qresync_before_enable_is_bad_and_changes_nothing() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.selected("INBOX").await;
    let none: [String; 0] = [];
    assert_eq!(c.expect("SELECT Sent (QRESYNC (1 1))", "BAD *").await, none);
    assert_eq!(c.expect("EXAMINE Sent (QRESYNC (1 1))", "BAD *").await, none);
    assert_eq!(c.expect("UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)", "BAD *").await, none);
    // The mailbox is still selected, and CONDSTORE was not enabled by the way.
    c.ok("ENABLE CONDSTORE").await;
    c.expect("SELECT Sent (QRESYNC (1 1))", "BAD *").await;
    c.ok("FETCH 1 (FLAGS)").await;
    c.ok("ENABLE QRESYNC").await;
    c.expect("FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)", "BAD *").await;
    c.expect("UID FETCH 1 (FLAGS) (VANISHED)", "BAD *").await;
    c.expect("SELECT Sent (QRESYNC (1 1 1:*))", "BAD *").await;
    c.ok("UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)").await;
}

#[tokio::test]
async fn rule_33_closed_once_and_before_the_new_mailbox() {
    let server = TestServer::start().await;
    let (mut c, v, m) = enabled_in(&server, "INBOX").await;
    for command in [format!("SELECT INBOX (QRESYNC ({v} {m}))"), "EXAMINE Sent".into()] {
        let lines = c.ok(&command).await;
        assert!(lines[0].starts_with("* OK [CLOSED]"), "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.contains("[CLOSED]")).count(), 1);
    }
    assert!(c.expect("SELECT nowhere", "NO [NONEXISTENT] *").await[0].starts_with("* OK [CLOSED]"));
    assert!(!c.ok("SELECT INBOX").await.concat().contains("[CLOSED]"));
    assert!(c.ok("CLOSE").await.is_empty());
    assert!(!c.ok("SELECT INBOX").await.concat().contains("[CLOSED]"));
}

#[tokio::test]
async fn rule_28_vanished_instead_of_expunge_everywhere() {
    let server = TestServer::start().await;
    server.fill(9).await;
    let (mut c, v, m) = enabled_in(&server, "INBOX").await;
    let (mut idler, ..) = enabled_in(&server, "INBOX").await;
    let (mut plain, mut other) = (server.selected("INBOX").await, enabled_in(&server, "INBOX").await.0);
    idler.c("i IDLE").await;
    idler.s("+ *").await;
    c.ok("STORE 1,3,5:6 +FLAGS.SILENT (\\Deleted)").await;
    // Only what is both named and marked; UIDs and numbers begin to differ.
    let (lines, tagged) = c.run("UID EXPUNGE 1:3").await;
    assert_eq!(lines, ["* VANISHED 1,3"]);
    let first = code(&[tagged], "HIGHESTMODSEQ");
    assert!(first > m);
    let (lines, tagged) = c.run("EXPUNGE").await;
    assert_eq!(lines, ["* VANISHED 5:6"]);
    let second = code(&[tagged], "HIGHESTMODSEQ");
    assert!(second > first);
    let (lines, tagged) = c.run("MOVE 1 Archive").await;
    assert!(lines[0].starts_with("* OK [COPYUID "), "{lines:?}");
    assert_eq!(lines[1..], ["* VANISHED 2"]);
    let third = code(&[tagged], "HIGHESTMODSEQ");
    assert!(third > second);
    let (lines, tagged) = c.run("UID MOVE 9 Archive").await;
    assert_eq!((lines.len(), lines[1].as_str()), (2, "* VANISHED 9"));
    let fourth = code(&[tagged], "HIGHESTMODSEQ");
    assert_eq!(c.expect("EXPUNGE", "OK [HIGHESTMODSEQ *] *").await.len(), 0);

    let want = ["* VANISHED 1:3,5:6,9".to_owned(), format!("* OK [HIGHESTMODSEQ {fourth}] Highest mod-sequence")];
    assert_eq!(other.ok("NOOP").await, want);
    assert!(other.ok("NOOP").await.is_empty());
    let mut heard = Vec::new();
    while heard.len() < 6 {
        let line = idler.s("* *").await;
        let uids = line.strip_prefix("* VANISHED ").filter(|uids| !uids.contains('('));
        heard.extend(uids.into_iter().flat_map(|uids| uids.split([',', ':'])).map(str::to_owned));
    }
    assert_eq!(heard.concat(), "135629");
    idler.c("DONE").await;
    idler.s(&want[1]).await;
    idler.s("i OK *").await;
    assert!(plain.ok("NOOP").await.concat().contains("EXPUNGE"), "others are told as ever");

    // CLOSE is silent, and must not tell HIGHESTMODSEQ; what it did is found by the next SELECT.
    c.ok("STORE 1 +FLAGS (\\Deleted)").await;
    let (lines, tagged) = c.run("CLOSE").await;
    assert!(lines.is_empty() && !tagged.contains('['), "{lines:?} {tagged}");
    let lines = c.ok(&format!("SELECT INBOX (QRESYNC ({v} {m} 1:9))")).await;
    assert_eq!(news(&lines), ["* VANISHED (EARLIER) 1:6,9"]);
}

/// Rule 21, and the example of RFC 7162 section 6: a client counts on the highest MODSEQ it saw, so it is told the true
/// mark while an expunge with a lower one is held back from it.
#[tokio::test]
async fn rule_21_highestmodseq_is_told_while_expunges_are_held_back() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let (mut c, v, _) = enabled_in(&server, "INBOX").await;
    let mut other = server.selected("INBOX").await;
    other.ok("STORE 2 +FLAGS (\\Deleted)").await;
    let marked = mod_seq(&c.ok("NOOP").await[0]);
    other.ok("EXPUNGE").await;
    other.ok("STORE 2 +FLAGS (\\Seen)").await;
    for command in ["FETCH 1 (UID)", "STORE 1 +FLAGS.SILENT (\\Seen)", "SEARCH 1:3", "UID SEARCH 1:3"] {
        let lines = c.ok(command).await;
        assert!(!lines.concat().contains("VANISHED"), "{command}: {lines:?}");
        assert_eq!(code(&lines, "HIGHESTMODSEQ"), marked, "{command}");
    }
    // Whoever comes back with that mark hears of the expunge.
    let mut back = enabled(&server).await;
    let lines = back.ok(&format!("EXAMINE INBOX (QRESYNC ({v} {marked} 1:3))")).await;
    assert_eq!(news(&lines)[0], "* VANISHED (EARLIER) 2");
    // STATUS of the selected mailbox tells no more than that either.
    let lines = c.ok("STATUS INBOX (HIGHESTMODSEQ)").await;
    assert_eq!(lines[0], format!("* STATUS INBOX (HIGHESTMODSEQ {marked})"));
    assert_eq!(lines[1], "* VANISHED 2");
    assert!(code(&lines, "HIGHESTMODSEQ") > marked);
}

#[tokio::test]
async fn a_uid_search_without_numbers_may_tell_expunges() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let (mut c, ..) = enabled_in(&server, "INBOX").await;
    let mut other = server.selected("INBOX").await;
    for (uid, command) in [(1, "UID SEARCH UID 1:9"), (2, "UID SEARCH NOT (OR SEEN DELETED)")] {
        other.ok(&format!("UID STORE {uid} +FLAGS (\\Deleted)")).await;
        other.ok("EXPUNGE").await;
        assert!(c.ok(command).await.contains(&format!("* VANISHED {uid}")), "{command}");
    }
    other.ok("UID STORE 3 +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    assert!(!c.ok("UID SEARCH NOT (OR SEEN 1)").await.concat().contains("VANISHED"));
}

#[tokio::test]
async fn rule_27_uid_fetch_tells_what_vanished_before_it_answers() {
    let (server, _, m) = away().await;
    let (mut c, _, now) = enabled_in(&server, "INBOX").await;
    let fetch = |set: &str, since: u64| format!("UID FETCH {set} (FLAGS) (CHANGEDSINCE {since} VANISHED)");
    let lines = c.ok(&fetch("1:10", m)).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], "* VANISHED (EARLIER) 3,7");
    assert!(lines[1].starts_with("* 4 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ ("), "{lines:?}");
    assert_eq!(c.ok(&fetch("1:*", m)).await[0], "* VANISHED (EARLIER) 3,7,11");
    assert_eq!(c.ok(&fetch("8:4294967295", m)).await, ["* VANISHED (EARLIER) 11"]);
    assert!(c.ok(&fetch("1,2,4", m)).await.is_empty());
    assert!(c.ok(&fetch("1:*", now)).await.is_empty());
    // What is expunged but still shown to this client is told as such first; arrivals and flags as well.
    let mut other = server.selected("INBOX").await;
    other.ok("UID STORE 9 +FLAGS (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    other.append("INBOX", "", MESSAGE).await;
    other.ok("UID STORE 1 +FLAGS (\\Seen)").await;
    let lines = c.ok(&fetch("3:4", m)).await;
    assert_eq!(lines[..3], ["* VANISHED 9", "* 8 EXISTS", "* 0 RECENT"]);
    assert_eq!(lines[3], "* VANISHED (EARLIER) 3");
    assert!(lines[4].starts_with("* 1 FETCH (UID 1 FLAGS (\\Seen)"), "{lines:?}");
    assert!(lines[5].starts_with("* OK [HIGHESTMODSEQ "), "{lines:?}");
    assert_eq!(lines.len(), 6);
}

/// RFC 7162 section 3.2.10.2: every UID in a VANISHED was counted by an EXISTS.
#[tokio::test]
async fn what_came_and_went_unseen_is_not_told() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let (mut c, ..) = enabled_in(&server, "INBOX").await;
    let mut other = server.selected("INBOX").await;
    other.append("INBOX", "(\\Deleted)", MESSAGE).await;
    other.ok("EXPUNGE").await;
    assert!(c.ok("NOOP").await.is_empty());
}

/// CHANGEDSINCE chooses before `\Seen` is set: what is not returned is not marked as read.
#[tokio::test]
async fn changedsince_marks_only_what_it_returns() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    let line = c.ok("STORE 2 (UNCHANGEDSINCE 999) +FLAGS (\\Flagged)").await.remove(0);
    let lines = c.ok(&format!("FETCH 1:3 BODY[TEXT] (CHANGEDSINCE {})", mod_seq(&line) - 1)).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("* 2 FETCH (UID 2 MODSEQ ("), "{lines:?}");
    assert_eq!(c.ok("SEARCH SEEN").await, ["* SEARCH 2"]);
}

/// Clients have limits on the length of a line.
#[tokio::test]
async fn many_vanished_are_told_on_several_lines() {
    let server = TestServer::start().await;
    server.fill(11).await;
    let (mut c, v, m) = enabled_in(&server, "INBOX").await;
    for _ in 0..6 {
        c.ok("COPY 1:* INBOX").await;
    }
    let every_second: Vec<_> = (1..=704).step_by(2).map(|uid: u32| uid.to_string()).collect();
    c.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", every_second.join(","))).await;
    let lines = c.expect("EXPUNGE", "OK [HIGHESTMODSEQ *] *").await;
    let now = c.ok(&format!("SELECT INBOX (QRESYNC ({v} {m}))")).await;
    let earlier: Vec<_> = now.iter().filter(|line| line.contains("VANISHED")).collect();
    for (lines, start) in [(lines.iter().collect(), "* VANISHED "), (earlier, "* VANISHED (EARLIER) ")] {
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.len() < 8_192));
        let uids: Vec<_> = lines.iter().flat_map(|line| line.strip_prefix(start).unwrap().split(',')).collect();
        assert_eq!(uids, every_second);
    }
}
