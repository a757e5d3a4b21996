//! CONDSTORE (RFC 7162).

use crate::harness::{Client, MESSAGE, TestServer};

async fn highest(client: &mut Client, mailbox: &str) -> u64 {
    let line = client.ok(&format!("STATUS {mailbox} (HIGHESTMODSEQ)")).await.remove(0);
    line.trim_end_matches(')').rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn rule_19_highestmodseq_is_there_from_the_start() {
    let mut c = TestServer::start().await.login().await;
    assert!(highest(&mut c, "INBOX").await >= 1);
    let lines = c.ok("SELECT INBOX (CONDSTORE)").await;
    assert!(lines.iter().any(|l| l.starts_with("* OK [HIGHESTMODSEQ ")), "{lines:?}");
}

#[tokio::test]
async fn rule_20_every_change_raises_it_and_no_change_does_not() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.selected("INBOX").await;
    let start = highest(&mut c, "INBOX").await;
    c.ok("STORE 1 +FLAGS (\\Seen)").await;
    let changed = highest(&mut c, "INBOX").await;
    assert!(changed > start);
    c.ok("STORE 1 +FLAGS (\\Seen)").await;
    assert_eq!(highest(&mut c, "INBOX").await, changed);
    c.ok("FETCH 2 BODY[]").await;
    let read = highest(&mut c, "INBOX").await;
    assert!(read > changed);
    c.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    let deleted = highest(&mut c, "INBOX").await;
    c.expect("EXPUNGE", "OK [HIGHESTMODSEQ *] *").await;
    assert!(highest(&mut c, "INBOX").await > deleted);
}

#[tokio::test]
async fn rule_22_uid_and_modseq_in_every_fetch_after_enabling() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    a.ok("FETCH 1 (MODSEQ)").await;
    b.ok("STORE 1 +FLAGS (\\Seen)").await;
    let line = a.ok("NOOP").await.remove(0);
    assert!(line.starts_with("* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) MODSEQ ("), "{line}");
}

/// RFC 7162 section 3.1 speaks of all FETCH responses, those that were asked for among them.
#[tokio::test]
async fn rule_22_flags_come_with_their_mod_seq_when_asked_for() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.selected("INBOX").await;
    assert_eq!(c.ok("FETCH 1 (FLAGS)").await, ["* 1 FETCH (FLAGS (\\Recent))"]);
    c.ok("ENABLE CONDSTORE").await;
    let line = c.ok("FETCH 1 (FLAGS)").await.remove(0);
    assert!(line.starts_with("* 1 FETCH (FLAGS (\\Recent) MODSEQ ("), "{line}");
    c.ok("ENABLE QRESYNC").await;
    let line = c.ok("FETCH 1 FAST").await.remove(0);
    assert!(line.starts_with("* 1 FETCH (UID 1 FLAGS (\\Recent) ") && line.contains(" MODSEQ ("), "{line}");
    assert_eq!(c.ok("FETCH 1 (RFC822.SIZE)").await.remove(0), format!("* 1 FETCH (RFC822.SIZE {})", MESSAGE.len()));
}

#[tokio::test]
async fn rule_24_unchangedsince_is_per_message() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    let start = highest(&mut c, "INBOX").await;
    c.ok("STORE 2 +FLAGS (\\Flagged)").await;
    let lines = c.expect(&format!("STORE 1:3 (UNCHANGEDSINCE {start}) +FLAGS (\\Seen)"), "OK [MODIFIED 2] *").await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    c.expect("UID STORE 1,3 (UNCHANGEDSINCE 0) +FLAGS (\\Draft)", "OK [MODIFIED 1,3] *").await;
    assert_eq!(c.ok("SEARCH DRAFT").await, ["* SEARCH"]);
}

#[tokio::test]
async fn changedsince_and_search_modseq() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    let start = highest(&mut c, "INBOX").await;
    assert!(c.ok(&format!("FETCH 1:* (FLAGS) (CHANGEDSINCE {start})")).await.is_empty());
    c.ok("STORE 2 +FLAGS (\\Flagged)").await;
    let now = highest(&mut c, "INBOX").await;
    let lines = c.ok(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {start})")).await;
    assert_eq!(lines, [format!("* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ ({now}))")]);
    // Rule 29: the MODSEQ of a SEARCH is the highest found; none without a result.
    assert_eq!(c.ok(&format!("SEARCH MODSEQ {now}")).await, [format!("* SEARCH 2 (MODSEQ {now})")]);
    assert_eq!(c.ok(&format!("SEARCH MODSEQ {}", now + 1)).await, ["* SEARCH"]);
}

/// RFC 7162 section 3.1: the first command that enables CONDSTORE while a mailbox is selected tells HIGHESTMODSEQ.
#[tokio::test]
async fn enabling_condstore_in_a_selected_mailbox_tells_highestmodseq() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let now = highest(&mut server.login().await, "INBOX").await;
    for command in ["ENABLE CONDSTORE", "ENABLE QRESYNC", "FETCH 1 (MODSEQ)", "STATUS Sent (HIGHESTMODSEQ)"] {
        let mut c = server.selected("INBOX").await;
        let lines = c.ok(command).await;
        assert_eq!(lines.last().unwrap(), &format!("* OK [HIGHESTMODSEQ {now}] Highest mod-sequence"), "{command}");
        let again = c.ok(command).await;
        assert!(!again.iter().any(|line| line.contains("[HIGHESTMODSEQ")), "{command}: {again:?}");
    }
}

/// Rule 21: what a client is told never covers an expunge that is held back from it.
#[tokio::test]
async fn rule_21_held_back_expunges_hold_the_mod_sequence() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    a.ok("ENABLE CONDSTORE").await;
    b.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    a.ok("NOOP").await;
    b.ok("EXPUNGE").await;
    assert!(!a.ok("FETCH 2 (UID)").await.concat().contains("EXPUNGE"));
    a.append("Archive", "", MESSAGE).await;
    assert!(a.ok("NOOP").await.is_empty(), "APPEND may announce the expunge");
}

/// RFC 7162 section 3.1.3: after UNCHANGEDSINCE the MODSEQ of each message that passed is told, `.SILENT` or not.
#[tokio::test]
async fn unchangedsince_always_tells_the_mod_sequence() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.selected("INBOX").await;
    let lines = c.ok("STORE 1 (UNCHANGEDSINCE 999) +FLAGS.SILENT (\\Seen)").await;
    assert!(lines[0].starts_with("* 1 FETCH (UID 1 MODSEQ ("), "{lines:?}");
    assert_eq!(c.ok("STORE 1 (UNCHANGEDSINCE 999) +FLAGS.SILENT (\\Seen)").await, lines[..1]);
    assert!(c.ok("STORE 1 +FLAGS.SILENT (\\Seen)").await.is_empty());
}

/// RFC 7162 section 3.1: the command enables CONDSTORE, also after EXAMINE, where it is refused.
#[tokio::test]
async fn a_refused_unchangedsince_enables_condstore() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let (mut a, mut b) = (server.login().await, server.selected("INBOX").await);
    a.ok("EXAMINE INBOX").await;
    a.expect("STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)", "NO [READ-ONLY] *").await;
    b.ok("STORE 1 +FLAGS (\\Seen)").await;
    assert!(a.ok("NOOP").await[0].contains(" MODSEQ ("));
}

/// RFC 7162 section 3.1.3, example 11: of a message that is gone and one that was changed, the answer is NO [MODIFIED]; the
/// UID form ignores what is gone. The rest is done.
#[tokio::test]
async fn rule_24_unchangedsince_of_what_is_gone_and_what_was_changed() {
    let server = TestServer::start().await;
    server.fill(4).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    a.ok("ENABLE CONDSTORE").await;
    let start = highest(&mut b, "INBOX").await;
    b.ok("STORE 3 +FLAGS (\\Flagged)").await;
    b.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    b.ok("EXPUNGE").await;
    let lines = a.expect(&format!("STORE 1:4 (UNCHANGEDSINCE {start}) +FLAGS (one)"), "NO [MODIFIED 3] *").await;
    assert!(!lines.iter().any(|line| line.contains("EXPUNGE")), "{lines:?}");
    let done = |line: &&String| line.contains(" FETCH ") && line.contains(" one)");
    assert_eq!(lines.iter().filter(done).count(), 2, "{lines:?}");
    b.ok("NOOP").await;
    assert_eq!(b.ok("UID SEARCH KEYWORD one").await, ["* SEARCH 2 4"]);
    a.expect(&format!("UID STORE 1:3 (UNCHANGEDSINCE {start}) +FLAGS.SILENT (two)"), "OK [MODIFIED 2:3] *").await;
}

/// RFC 7162 section 7: a mod-sequence has 63 bits; what may be zero may, and what is larger is no number.
#[tokio::test]
async fn rule_19_mod_sequences_of_63_bits() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.selected("INBOX").await;
    let most = i64::MAX as u64;
    for command in ["FETCH 1 (FLAGS) (CHANGEDSINCE @)", "SEARCH MODSEQ @", "STORE 1 (UNCHANGEDSINCE @) +FLAGS (x)"] {
        c.ok(&command.replace('@', &most.to_string())).await;
        c.expect(&command.replace('@', &(most + 1).to_string()), "BAD *").await;
        c.expect(&command.replace('@', "99999999999999999999"), "BAD *").await;
        c.expect(&command.replace('@', "-1"), "BAD *").await;
    }
    assert_eq!(c.ok("SEARCH MODSEQ 0").await.len(), 1);
    c.expect("STORE 1 (UNCHANGEDSINCE 0) +FLAGS (y)", "OK [MODIFIED 1] *").await;
    c.ok("ENABLE QRESYNC").await;
    c.ok(&format!("SELECT INBOX (QRESYNC (1 {most}))")).await;
    c.expect(&format!("SELECT INBOX (QRESYNC (1 {}))", most + 1), "BAD *").await;
}

/// RFC 7162 section 3.1: each of these makes the session one that is told mod-sequences, whatever caused the FETCH.
#[tokio::test]
async fn rule_22_every_enabling_command_enables() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut other = server.selected("INBOX").await;
    for (round, command) in [
        "SELECT INBOX (CONDSTORE)",
        "EXAMINE INBOX (CONDSTORE)",
        "STATUS INBOX (HIGHESTMODSEQ)",
        "LIST \"\" INBOX RETURN (STATUS (HIGHESTMODSEQ))",
        "FETCH 1 (MODSEQ)",
        "FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
        "STORE 1 (UNCHANGEDSINCE 1) +FLAGS ()",
        "SEARCH MODSEQ 1",
        "SORT (ARRIVAL) UTF-8 MODSEQ 1",
        "ENABLE CONDSTORE",
        "ENABLE QRESYNC",
    ]
    .into_iter()
    .enumerate()
    {
        let mut c = server.selected("INBOX").await;
        c.ok(command).await;
        // By another session, by the session itself, and by \Seen.
        other.ok(&format!("STORE 1 FLAGS (k{round})")).await;
        let lines = c.ok("NOOP").await;
        let fetch = lines.iter().find(|line| line.contains(" FETCH ")).unwrap();
        assert!(fetch.contains("UID 1 ") && fetch.contains("MODSEQ ("), "{command}: {fetch}");
        if !command.starts_with("EXAMINE") {
            let own = c.ok("STORE 2 FLAGS (\\Draft)").await.concat();
            assert!(own.contains("UID 2 ") && own.contains("MODSEQ ("), "{command}: {own}");
            let seen = c.ok("FETCH 2 (RFC822.TEXT)").await.concat();
            assert!(seen.contains("UID 2 ") && seen.contains("MODSEQ ("), "{command}: {seen}");
        }
        other.ok("STORE 2 FLAGS ()").await;
    }
}

/// RFC 7162 section 3.2.8: the client has not heard what CLOSE expunged, and so must not hear how far it would be.
#[tokio::test]
async fn rule_28_close_tells_no_mod_sequence() {
    let server = TestServer::start().await;
    server.fill(2).await;
    for enable in ["NOOP", "ENABLE CONDSTORE", "ENABLE QRESYNC"] {
        let mut c = server.selected("INBOX").await;
        c.ok(enable).await;
        c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
        c.ok("UNSELECT").await;
        assert_eq!(c.ok("STATUS INBOX (DELETED)").await, ["* STATUS INBOX (DELETED 1)"], "UNSELECT expunges nothing");
        c.ok("SELECT INBOX").await;
        assert!(c.expect("CLOSE", "OK CLOSE completed").await.is_empty(), "{enable}");
        c.append("INBOX", "", MESSAGE).await;
    }
}

/// CONDSTORE is for good: it outlives the mailbox (RFC 7162 section 3.1), and so does a SELECT without the parameter.
#[tokio::test]
async fn rule_22_condstore_outlives_the_mailbox() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    a.ok("FETCH 1 (MODSEQ)").await;
    for command in ["UNSELECT", "SELECT Sent", "SELECT INBOX"] {
        let lines = a.ok(command).await;
        assert!(!lines.concat().contains("NOMODSEQ"));
    }
    b.ok("STORE 1 +FLAGS (\\Flagged)").await;
    assert!(a.ok("NOOP").await.concat().contains("MODSEQ ("));
}
