//! SORT and UID SORT, with results (ESORT).

use crate::harness::{Client, TestServer};

/// A message with the fields of a header.
pub fn letter(fields: &[(&str, &str)]) -> String {
    let header: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{header}\r\nText\r\n")
}

async fn sorted(c: &mut Client, command: &str) -> String {
    let untagged = c.ok(command).await;
    assert_eq!(untagged.len(), 1, "{command}: {untagged:?}");
    untagged[0].strip_prefix("* SORT").unwrap_or(&untagged[0]).trim_start().to_owned()
}

/// Four messages, each first by some criterion.
async fn fill(c: &mut Client) {
    let messages = [
        (
            " 4-Mar-2024 00:00:00 +0000",
            letter(&[
                ("From", "Zoe <bob@example.org>"),
                ("To", "b@x, a@x"),
                ("Cc", "a@x"),
                ("Subject", "Re: banana"),
                ("Date", "Fri, 1 Mar 2024 10:00:00 +0000"),
            ]),
        ),
        (
            " 3-Mar-2024 00:00:00 +0000",
            letter(&[
                ("From", "alice@example.org"),
                ("To", "=?utf-8?q?=C3=84nne?= <c@x>"),
                ("Subject", "[list] Apple (fwd)"),
                // An hour earlier than the first.
                ("Date", "Fri, 1 Mar 2024 11:00:00 +0200"),
            ]),
        ),
        // No date: INTERNALDATE counts.
        (" 1-Mar-2024 08:00:00 +0000", letter(&[("From", "carl@example.org"), ("Subject", "=?utf-8?q?=C3=84pfel?=")])),
        (
            " 2-Mar-2024 00:00:00 +0000",
            letter(&[
                ("From", "Bob B <BOB@x>"),
                ("To", "friends: z@x;"),
                ("Subject", "banana"),
                ("Date", "Fri, 1 Mar 2024 12:00:00 +0000"),
            ]),
        ),
    ];
    for (date, message) in messages {
        c.append("INBOX", &format!("\"{date}\""), &message).await;
    }
    c.append("INBOX", "\" 5-Mar-2024 00:00:00 +0000\"", &format!("{}{}", letter(&[]), "x".repeat(900))).await;
}

#[tokio::test]
async fn every_criterion() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    assert_eq!(sorted(&mut c, "SORT (DATE) UTF-8 ALL").await, "");
    fill(&mut c).await;
    for (criteria, want) in [
        ("ARRIVAL", "3 4 2 1 5"),
        ("REVERSE ARRIVAL", "5 1 2 4 3"),
        ("DATE", "3 2 1 4 5"),
        ("SUBJECT", "5 2 3 1 4"),
        // What is alike keeps the order of the mailbox.
        ("REVERSE SUBJECT", "1 4 3 2 5"),
        ("SUBJECT REVERSE ARRIVAL", "5 2 3 1 4"),
        ("SUBJECT ARRIVAL", "5 2 3 4 1"),
        ("FROM", "5 2 1 4 3"),
        ("REVERSE FROM DATE", "3 1 4 2 5"),
        ("TO", "3 5 1 2 4"),
        ("CC", "2 3 4 5 1"),
        ("DISPLAYFROM", "5 2 4 3 1"),
        ("DISPLAYTO", "3 5 2 1 4"),
        ("SIZE", "3 4 1 2 5"),
    ] {
        let got = sorted(&mut c, &format!("SORT ({criteria}) UTF-8 ALL")).await;
        assert_eq!(got, want, "{criteria}");
    }
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    c.ok("EXPUNGE").await;
    assert_eq!(sorted(&mut c, "SORT (SUBJECT) UTF-8 NOT SUBJECT apple").await, "4 2 3");
    assert_eq!(sorted(&mut c, "UID SORT (SUBJECT) UTF-8 2:4").await, "5 3 4");
    c.expect("SORT (DATE) X-NONE ALL", "NO [BADCHARSET *] *").await;
    c.expect("SORT (FOO) UTF-8 ALL", "BAD *").await;
}

#[tokio::test]
async fn results_keep_the_order_and_can_be_saved() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    fill(&mut c).await;
    for (command, want) in [
        ("SORT RETURN () (ARRIVAL) UTF-8 ALL", " ALL 3:4,2,1,5"),
        ("SORT RETURN (ALL) (REVERSE ARRIVAL) UTF-8 ALL", " ALL 5,1:2,4,3"),
        ("SORT RETURN (MIN MAX COUNT) (ARRIVAL) UTF-8 2:4", " MIN 3 MAX 2 COUNT 3"),
        ("UID SORT RETURN (MIN) (ARRIVAL) UTF-8 ALL", " UID MIN 3"),
        ("SORT RETURN (MIN COUNT) (ARRIVAL) UTF-8 SUBJECT nowhere", " COUNT 0"),
        ("SORT RETURN (SAVE MIN MAX) (ARRIVAL) UTF-8 ALL", " MIN 3 MAX 5"),
    ] {
        let got = c.ok(command).await;
        assert_eq!(got.len(), 1, "{command}");
        let (start, rest) = got[0].split_once(')').unwrap();
        assert!(start.starts_with("* ESEARCH (TAG \"t"), "{start}");
        assert_eq!(rest, want, "{command}");
    }
    assert_eq!(c.ok("SEARCH $").await, ["* SEARCH 3 5"]);
    assert!(c.ok("SORT RETURN (SAVE) (ARRIVAL) UTF-8 2:3").await.is_empty());
    assert_eq!(c.ok("SEARCH $").await, ["* SEARCH 2 3"]);
    c.expect("SORT RETURN (SAVE) (ARRIVAL) X-NONE 2:3", "NO [BADCHARSET *] *").await;
    assert_eq!(c.ok("SEARCH $").await, ["* SEARCH"]);
}

#[tokio::test]
async fn rule_29_mod_seq_of_sort_is_the_highest_of_the_returned_messages() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    let line = c.ok("SORT (ARRIVAL) UTF-8 MODSEQ 1").await.remove(0);
    let highest = line.strip_prefix("* SORT 1 2 3 (MODSEQ ").unwrap().trim_end_matches(')').to_owned();
    c.ok("STORE 1 +FLAGS.SILENT (\\Flagged)").await;
    assert_eq!(c.ok("SORT (ARRIVAL) UTF-8 2:3 MODSEQ 1").await[0], format!("* SORT 2 3 (MODSEQ {highest})"));
    assert_eq!(c.ok("SORT (ARRIVAL) UTF-8 MODSEQ 1 SUBJECT nowhere").await[0], "* SORT");
}
