//! Parts of results (RFC 9394, RFC 5267 section 4.4) and batches of UIDs (RFC 10022).

use crate::harness::{Client, TestServer};

/// Ten messages; the third and the seventh are gone.
async fn eight() -> (TestServer, Client) {
    let server = TestServer::start().await;
    server.fill(10).await;
    let mut c = server.selected("INBOX").await;
    c.ok("STORE 3,7 +FLAGS.SILENT \\Deleted").await;
    c.ok("EXPUNGE").await;
    (server, c)
}

/// What the ESEARCH answer of a command has after its tag.
async fn esearch(c: &mut Client, command: &str) -> String {
    let untagged = c.ok(command).await;
    assert_eq!(untagged.len(), 1, "{command}: {untagged:?}");
    untagged[0].split_once(") ").expect("ESEARCH").1.to_owned()
}

/// RFC 9394 section 3.1 and RFC 5267 section 4.4: the examples, with eight messages for 23764.
#[tokio::test]
async fn the_examples_of_both_rfcs() {
    let (_server, mut c) = eight().await;
    for (range, want) in [
        ("-1:-3", "-1:-3 8:10"),
        ("6:9", "6:9 8:10"),
        ("1:5", "1:5 1:2,4:6"),
        ("9:12", "9:12 NIL"),
        ("8:8", "8:8 10"),
        ("-9:-12", "-9:-12 NIL"),
        ("-7:-12", "-7:-12 1:2"),
        // "A range 500:400 is the same as 400:500."
        ("4:2", "2:4 2,4:5"),
        ("-3:-1", "-1:-3 8:10"),
        ("1:4294967295", "1:4294967295 1:2,4:6,8:10"),
        ("-4294967295:-4294967295", "-4294967295:-4294967295 NIL"),
    ] {
        let command = format!("UID SEARCH RETURN (PARTIAL {range}) UNDELETED UNKEYWORD $Junk");
        assert_eq!(esearch(&mut c, &command).await, format!("UID PARTIAL ({want})"));
    }
    assert_eq!(esearch(&mut c, "SEARCH RETURN (PARTIAL -1:-2) ALL").await, "PARTIAL (-1:-2 7:8)");
    assert_eq!(esearch(&mut c, "SEARCH RETURN (PARTIAL 1:2) SEEN").await, "PARTIAL (1:2 NIL)");
    let sort = "UID SORT RETURN (PARTIAL 2:4) (REVERSE SIZE) UTF-8 ALL";
    assert_eq!(esearch(&mut c, sort).await, "UID PARTIAL (2:4 2,4:5)");
    let all = "UID SORT RETURN (COUNT MIN PARTIAL -1:-1) (REVERSE ARRIVAL) UTF-8 UID 4,5";
    assert!(esearch(&mut c, all).await.starts_with("UID MIN "), "{all}");
    // As ImapTest writes it.
    assert_eq!(esearch(&mut c, "SORT (SIZE) us-ascii RETURN (PARTIAL 1:1) ALL").await, "PARTIAL (1:1 1)");
    for wrong in [
        "ALL PARTIAL 1:2",
        "PARTIAL 1:2 PARTIAL 3:4",
        "PARTIAL",
        "PARTIAL 1",
        "PARTIAL 1:*",
        "PARTIAL 0:1",
        "PARTIAL -1:2",
        "PARTIAL 1:-2",
        "PARTIAL 1:4294967296",
    ] {
        c.expect(&format!("UID SEARCH RETURN ({wrong}) ALL"), "BAD *").await;
        c.expect(&format!("UID SORT RETURN ({wrong}) (DATE) UTF-8 ALL"), "BAD *").await;
    }
}

/// RFC 9394 section 3.2, table 1.
#[tokio::test]
async fn rule_35_what_save_keeps_of_a_part() {
    let (_server, mut c) = eight().await;
    for (options, answer, saved) in [
        ("PARTIAL 2:3", "UID PARTIAL (2:3 2,4)", "2,4"),
        ("PARTIAL 2:3 MIN", "UID MIN 1 PARTIAL (2:3 2,4)", "1:2,4"),
        ("MAX PARTIAL -2:-3", "UID MAX 10 PARTIAL (-2:-3 8:9)", "8:10"),
        ("PARTIAL 2:3 MIN MAX", "UID MIN 1 MAX 10 PARTIAL (2:3 2,4)", "1:2,4,10"),
        ("PARTIAL 2:3 COUNT", "UID COUNT 8 PARTIAL (2:3 2,4)", "1:2,4:6,8:10"),
        ("PARTIAL 2:3 COUNT MIN", "UID MIN 1 COUNT 8 PARTIAL (2:3 2,4)", "1:2,4:6,8:10"),
        ("PARTIAL 20:30", "UID PARTIAL (20:30 NIL)", ""),
        ("PARTIAL 20:30 MIN", "UID MIN 1 PARTIAL (20:30 NIL)", "1"),
    ] {
        assert_eq!(esearch(&mut c, &format!("UID SEARCH RETURN (SAVE {options}) ALL")).await, answer);
        let all = if saved.is_empty() { String::new() } else { format!(" ALL {saved}") };
        assert_eq!(c.ok("UID SEARCH RETURN (ALL) $").await[0].split_once("UID").unwrap().1, all, "{options}");
    }
    // With an error it is what it was.
    c.expect("UID SEARCH RETURN (SAVE ALL PARTIAL 1:2) ALL", "BAD *").await;
    assert_eq!(esearch(&mut c, "UID SEARCH RETURN (ALL) $").await, "UID ALL 1");
    // RFC 7162 section 3.1.10: the MODSEQ is that of what is returned.
    c.ok("UID STORE 9 +FLAGS.SILENT \\Seen").await;
    c.ok("UID SEARCH MODSEQ 1").await;
    let part = esearch(&mut c, "UID SEARCH RETURN (PARTIAL 1:2) MODSEQ 1").await;
    let last = esearch(&mut c, "UID SEARCH RETURN (PARTIAL -1:-2) MODSEQ 1").await;
    let mod_seq = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(mod_seq(&part) < mod_seq(&last), "{part} {last}");
}

/// RFC 9394 sections 3.3 and 3.4.
#[tokio::test]
async fn uid_fetch_of_a_part_of_what_is_named() {
    let (server, mut c) = eight().await;
    let uids = |lines: Vec<String>| -> Vec<String> {
        lines
            .iter()
            .map(|line| line.split_once("UID ").unwrap().1.split([' ', ')']).next().unwrap().to_owned())
            .collect()
    };
    for (set, range, want) in [
        ("2:9", "-1:-3", &["6", "8", "9"][..]),
        ("2:9", "1:3", &["2", "4", "5"]),
        ("2:9", "3:1", &["2", "4", "5"]),
        ("1:*", "8:100", &["10"]),
        ("1:*", "9:100", &[]),
        ("1:*", "-8:-9", &["1"]),
        ("100:200", "1:3", &[]),
        ("*", "-1:-1", &["10"]),
    ] {
        assert_eq!(uids(c.ok(&format!("UID FETCH {set} (UID FLAGS) (PARTIAL {range})")).await), want, "{set} {range}");
    }
    c.ok("UID SEARCH RETURN (SAVE) UID 4:8").await;
    assert_eq!(uids(c.ok("UID FETCH $ FLAGS (PARTIAL -1:-2)").await), ["6", "8"]);
    // Only what is answered is read.
    let lines = c.ok("UID FETCH 1:* BODY[] (PARTIAL 1:1)").await;
    assert_eq!(uids(lines), ["1"]);
    assert_eq!(esearch(&mut c, "UID SEARCH RETURN (ALL) SEEN").await, "UID ALL 1");
    // The last three first, and of these what changed.
    let mut q = server.login().await;
    q.ok("ENABLE QRESYNC").await;
    let selected = q.ok("SELECT INBOX").await;
    let highest = selected.iter().find_map(|line| line.strip_prefix("* OK [HIGHESTMODSEQ ")).unwrap();
    let highest = highest.split(']').next().unwrap().to_owned();
    c.ok("UID STORE 2,9 +FLAGS.SILENT \\Flagged").await;
    c.ok("UID STORE 8 +FLAGS.SILENT \\Deleted").await;
    c.ok("EXPUNGE").await;
    q.ok("NOOP").await;
    for modifiers in ["PARTIAL -1:-3 CHANGEDSINCE", "VANISHED PARTIAL -1:-3 CHANGEDSINCE"] {
        let lines = q.ok(&format!("UID FETCH 1:* (UID FLAGS) ({modifiers} {highest})")).await;
        let (fetches, vanished): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.contains("FETCH"));
        assert_eq!(uids(fetches), ["9"], "{modifiers}");
        assert_eq!(vanished, if modifiers.starts_with("V") { vec!["* VANISHED (EARLIER) 8"] } else { vec![] });
    }
    let first = q.ok(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {highest} PARTIAL 1:1)")).await;
    assert_eq!(first, [""; 0]);
    for wrong in [
        "FETCH 1:* FLAGS (PARTIAL 1:2)",
        "UID FETCH 1:* FLAGS (PARTIAL 1)",
        "UID FETCH 1:* FLAGS (PARTIAL 1:*)",
        "UID FETCH 1:* FLAGS (PARTIAL 1:2 PARTIAL 1:2)",
        "UID FETCH 1:* FLAGS (PARTIAL -1:2)",
    ] {
        c.expect(wrong, "BAD *").await;
    }
}

/// A message that is expunged and not yet announced keeps its place.
#[tokio::test]
async fn places_are_those_of_the_messages_that_the_client_knows() {
    let (server, mut c) = eight().await;
    let mut other = server.selected("INBOX").await;
    c.ok("NOOP").await;
    other.ok("UID STORE 10 +FLAGS.SILENT \\Deleted").await;
    other.ok("EXPUNGE").await;
    c.c("a UID FETCH 1:* UID (PARTIAL -2:-3)\r\nb UID SEARCH RETURN (PARTIAL -1:-1) ALL").await;
    assert_eq!(c.finish("a").await.0[..2], ["* 6 FETCH (UID 8)", "* 7 FETCH (UID 9)"]);
    assert_eq!(c.finish("b").await.0[0], "* ESEARCH (TAG \"b\") UID PARTIAL (-1:-1 9)");
}

/// RFC 10022.
#[tokio::test]
async fn batches_of_uids() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.c("b1 UIDBATCHES 1000").await;
    assert_eq!(c.finish("b1").await.0, ["* UIDBATCHES (TAG \"b1\")"]);
    server.fill(501).await;
    c.ok("NOOP").await;
    for (arguments, want) in [
        ("500", " 501:2,1:1"),
        ("501", " 501:1"),
        ("4294967295", " 501:1"),
        ("500 1:1", " 501:2"),
        ("500 2:2", " 1:1"),
        ("500 2:100000", " 1:1"),
        ("500 3:3", ""),
        ("500 50:60", ""),
    ] {
        c.c(&format!("b2 UIDBATCHES {arguments}")).await;
        assert_eq!(
            c.finish("b2").await,
            (vec![format!("* UIDBATCHES (TAG \"b2\"){want}")], "OK UIDBATCHES completed".into())
        );
    }
    c.expect("UIDBATCHES 499", "NO [TOOFEW] *").await;
    for wrong in ["", " 0", " abc", " 500 10", " 500 0:1", " 500 4:1", " 500 1:2 3", " 4294967296"] {
        c.expect(&format!("UIDBATCHES{wrong}"), "BAD *").await;
    }
    // `$` is not touched.
    c.ok("SEARCH RETURN (SAVE) 7").await;
    c.ok("UIDBATCHES 500").await;
    assert_eq!(esearch(&mut c, "UID SEARCH RETURN (ALL) $").await, "UID ALL 7");
    c.ok("UNSELECT").await;
    c.expect("UIDBATCHES 500", "BAD Select a mailbox first").await;
}
