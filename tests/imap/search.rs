//! SEARCH keys and their text semantics.

use std::time::Duration;

use tributary::imap::Settings;

use crate::harness::{Client, MESSAGE, TestServer};

const ENCODED: &str = "From: =?ISO-8859-1?Q?J=F6rg?= <joerg@example.org>\r\nTo: team@example.org\r\nCc: carol@example.org\r\n\
    Subject: =?UTF-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=\r\nDate: Tue, 1 Feb 2022 23:30:00 -0500\r\nX-Empty:\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Stra=DFe und Caf=E9, a line that is broken so=\r\nftly\r\n";

#[tokio::test]
async fn rule_36_text_is_decoded_and_compared_without_case() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Seen) \" 2-Feb-2022 10:00:00 +0000\"", ENCODED).await;
    c.append("INBOX", "(\\Flagged) \" 7-Feb-1994 22:43:04 -0800\"", MESSAGE).await;
    for (keys, want) in [
        ("SUBJECT \"aus k\"", "1"),
        ("SUBJECT greet", "2"),
        ("FROM ann@EXAMPLE", "2"),
        ("CC carol", "1"),
        ("BCC x", ""),
        ("BODY softly", "1"),
        ("BODY \"hello bob\"", "2"),
        ("BODY subject", ""),
        ("TEXT greetings", "2"),
        ("TEXT \"FROM ANN\"", "2"),
        ("HEADER X-Empty \"\"", "1"),
        ("HEADER Message-ID \"\"", "2"),
        ("HEADER Message-ID 1@example", "2"),
        ("NOT FROM ann", "1"),
        ("OR FLAGGED SUBJECT aus", "1 2"),
        ("(SEEN) SMALLER 100000 LARGER 10", "1"),
        ("ON 2-Feb-2022", "1"),
        ("ON 7-Feb-1994", "2"),
        ("BEFORE 8-Feb-1994", "2"),
        ("SINCE 8-Feb-1994", "1"),
        ("SENTON 1-Feb-2022", "1"),
        ("SENTBEFORE 8-Feb-1994", "2"),
        ("SENTSINCE 2-Feb-2022", ""),
        ("UNSEEN", "2"),
        ("UNFLAGGED", "1"),
        ("1:* NOT 2", "1"),
        ("UID 2:9", "2"),
        ("ALL", "1 2"),
        ("CHARSET UTF-8 TEXT softly", "1"),
    ] {
        let got = c.ok(&format!("SEARCH {keys}")).await.pop().unwrap();
        assert_eq!(got, format!("* SEARCH {want}").trim_end(), "{keys}");
    }
    c.expect("SEARCH CHARSET X-NONE TEXT a", "NO [BADCHARSET (US-ASCII UTF-8)] *").await;
    for (text, want) in [("STRASSE", "1"), ("straße", "1"), ("CAFÉ", "1"), ("jörg", ""), ("softly", "1")] {
        c.c(&format!("u UID SEARCH CHARSET UTF-8 BODY {{{}}}", text.len())).await;
        c.s("+ *").await;
        c.raw(format!("{text}\r\n")).await;
        c.s(format!("* SEARCH {want}").trim_end()).await;
        c.s("u OK *").await;
    }
    c.c("u SEARCH CHARSET UTF-8 FROM {5+}").await;
    c.raw("JÖRG\r\n").await;
    c.s("* SEARCH 1").await;
    c.s("u OK *").await;
}

#[tokio::test]
async fn inner_headers_count_for_text_and_not_for_body_and_long_headers_are_searched() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let forwarded = "Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nforwarded words\r\n";
    c.append("INBOX", "", forwarded).await;
    let filler = "X-Filler: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n".repeat(1000);
    c.append("INBOX", "", &format!("{filler}Subject: far away\r\n\r\nshort\r\n")).await;
    for (keys, want) in [
        ("BODY \"forwarded words\"", " 1"),
        ("TEXT inner", " 1"),
        ("BODY inner", ""),
        ("SUBJECT \"far away\"", " 2"),
        ("TEXT \"far away\"", " 2"),
        ("BODY short", " 2"),
        ("HEADER X-Filler 0123", " 2"),
    ] {
        assert_eq!(c.ok(&format!("SEARCH {keys}")).await, [format!("* SEARCH{want}")], "{keys}");
    }
    let line = c.ok("FETCH 2 BODY.PEEK[HEADER.FIELDS (SUBJECT)]").await.remove(0);
    assert!(line.ends_with("Subject: far away\r\n\r\n)"), "{line}");
}

/// The untagged line of a command that has one.
async fn line(c: &mut Client, command: &str) -> String {
    let untagged = c.ok(command).await;
    assert_eq!(untagged.len(), 1, "{command}: {untagged:?}");
    untagged[0].clone()
}

/// What ESEARCH says after its correlator.
async fn results(c: &mut Client, command: &str) -> String {
    let line = line(c, command).await;
    let (start, rest) = line.split_once(')').unwrap();
    assert!(start.starts_with("* ESEARCH (TAG \"t"), "{line}");
    rest.trim_start().to_owned()
}

#[tokio::test]
async fn rule_35_results_of_search() {
    let server = TestServer::start().await;
    server.fill(6).await;
    let mut c = server.selected("INBOX").await;
    c.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    c.ok("EXPUNGE").await;
    c.ok("STORE 1,2,4 +FLAGS.SILENT (\\Flagged)").await;
    for (command, want) in [
        ("SEARCH RETURN () FLAGGED", "ALL 1:2,4"),
        ("SEARCH RETURN (ALL) FLAGGED", "ALL 1:2,4"),
        ("SEARCH RETURN (MIN) FLAGGED", "MIN 1"),
        ("SEARCH RETURN (COUNT MAX MIN) FLAGGED", "MIN 1 MAX 4 COUNT 3"),
        ("SEARCH RETURN (MIN MAX ALL COUNT) ANSWERED", "COUNT 0"),
        ("SEARCH RETURN () ANSWERED", ""),
        ("SEARCH RETURN (MIN) ANSWERED", ""),
        ("UID SEARCH RETURN () FLAGGED", "UID ALL 1,3,5"),
        ("UID SEARCH RETURN (MIN MAX) FLAGGED", "UID MIN 1 MAX 5"),
        ("UID SEARCH RETURN () ANSWERED", "UID"),
        // Sequence sets stay sequence numbers.
        ("UID SEARCH RETURN () 2:3", "UID ALL 3:4"),
        ("UID SEARCH RETURN (COUNT) UID 2:3", "UID COUNT 1"),
    ] {
        assert_eq!(results(&mut c, command).await, want, "{command}");
    }
    c.c("a-1] SEARCH RETURN (COUNT) ALL").await;
    c.s("* ESEARCH (TAG \"a-1]\") COUNT 5").await;
    c.s("a-1] OK *").await;
    c.expect("SEARCH RETURN (FOO) ALL", "BAD *").await;
}

#[tokio::test]
async fn rule_35_search_of_rev2_answers_esearch() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let mut c = server.selected("INBOX").await;
    assert_eq!(line(&mut c, "SEARCH ALL").await, "* SEARCH 1 2");
    // Where the server does not offer it yet, the name is ignored.
    if !c.ok("ENABLE IMAP4rev2").await.contains(&"* ENABLED IMAP4rev2".to_owned()) {
        return;
    }
    assert_eq!(results(&mut c, "SEARCH ALL").await, "ALL 1:2");
    assert_eq!(results(&mut c, "UID SEARCH SEEN").await, "UID");
    assert_eq!(results(&mut c, "SEARCH CHARSET UTF-8 ALL").await, "ALL 1:2");
}

#[tokio::test]
async fn rule_35_the_saved_result_is_named_by_a_dollar() {
    let server = TestServer::start().await;
    server.fill(6).await;
    let mut c = server.selected("INBOX").await;
    // Nothing has been saved: nothing is named, and that is no error.
    assert_eq!(line(&mut c, "SEARCH $").await, "* SEARCH");
    for command in ["FETCH $ FLAGS", "UID FETCH $ FLAGS", "STORE $ +FLAGS (\\Seen)", "COPY $ Trash", "UID MOVE $ Trash"]
    {
        assert!(c.ok(command).await.is_empty(), "{command}");
    }
    assert!(c.ok("UID SEARCH RETURN (SAVE) 2:4").await.is_empty());
    assert_eq!(c.ok("FETCH $ UID").await, ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)"]);
    assert_eq!(c.ok("UID FETCH $ UID").await.len(), 3);
    assert_eq!(line(&mut c, "SEARCH NOT $").await, "* SEARCH 1 5 6");
    assert_eq!(line(&mut c, "SEARCH UID $ 1:3").await, "* SEARCH 2 3");
    assert_eq!(results(&mut c, "SEARCH RETURN (SAVE COUNT) $ NOT 2").await, "COUNT 2");
    assert_eq!(line(&mut c, "SEARCH $").await, "* SEARCH 3 4");
    assert_eq!(c.ok("STORE $ +FLAGS (\\Deleted)").await.len(), 2);
    c.ok("COPY $ Trash").await;
    // What is expunged leaves it; numbers shift, messages stay.
    c.ok("SEARCH RETURN (SAVE) 2:5").await;
    c.ok("UID EXPUNGE 3").await;
    assert_eq!(c.ok("FETCH $ UID").await, ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 4)", "* 4 FETCH (UID 5)"]);
    c.ok("UID EXPUNGE $").await;
    assert_eq!(line(&mut c, "UID SEARCH $").await, "* SEARCH 2 5");
    c.ok("UID MOVE $ Trash").await;
    assert_eq!(line(&mut c, "UID SEARCH $").await, "* SEARCH");
    assert_eq!(line(&mut c, "UID SEARCH ALL").await, "* SEARCH 1 6");
}

#[tokio::test]
async fn rule_35_what_is_saved_and_when_it_is_lost() {
    let server = TestServer::start().await;
    server.fill(5).await;
    let mut c = server.selected("INBOX").await;
    // RFC 5182 section 2.4.
    for (options, saved) in [
        ("SAVE", " 2 3 4"),
        ("SAVE ALL", " 2 3 4"),
        ("SAVE COUNT", " 2 3 4"),
        ("SAVE MIN", " 2"),
        ("MAX SAVE", " 4"),
        ("SAVE MIN MAX", " 2 4"),
        ("SAVE MIN ALL", " 2 3 4"),
        ("SAVE MAX COUNT", " 2 3 4"),
    ] {
        c.ok(&format!("SEARCH RETURN ({options}) 2:4")).await;
        assert_eq!(line(&mut c, "SEARCH $").await, format!("* SEARCH{saved}"), "{options}");
    }
    // A search that saves nothing, a failed one that does not save, and a BAD one leave it.
    c.ok("SEARCH RETURN (COUNT) 1").await;
    c.ok("SEARCH 1").await;
    c.expect("SEARCH CHARSET X-NONE TEXT a", "NO *").await;
    c.expect("SEARCH RETURN (SAVE) FOO", "BAD *").await;
    c.expect("SELECT", "BAD *").await;
    assert_eq!(line(&mut c, "SEARCH $").await, "* SEARCH 2 3 4");
    // A NO empties it.
    c.expect("SEARCH RETURN (SAVE) CHARSET X-NONE TEXT a", "NO [BADCHARSET *] *").await;
    assert_eq!(line(&mut c, "SEARCH $").await, "* SEARCH");
    // So does whatever selects anew; nothing found is an empty result.
    for command in ["SELECT INBOX", "EXAMINE INBOX", "CLOSE", "UNSELECT", "SEARCH RETURN (SAVE) ANSWERED"] {
        c.ok("SELECT INBOX").await;
        c.ok("SEARCH RETURN (SAVE) ALL").await;
        c.ok(command).await;
        if matches!(command, "CLOSE" | "UNSELECT") {
            c.ok("SELECT INBOX").await;
        }
        assert_eq!(line(&mut c, "SEARCH $").await, "* SEARCH", "{command}");
    }
}

#[tokio::test]
async fn rule_35_pipelined_commands_see_the_result_of_the_search_before_them() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    c.raw("a SEARCH RETURN (SAVE) 2:3\r\nb STORE $ +FLAGS.SILENT (\\Flagged)\r\nc SEARCH RETURN (SAVE MAX) $\r\nd UID SEARCH $\r\n")
        .await;
    c.s("a OK *").await;
    c.s("b OK *").await;
    c.s("* ESEARCH (TAG \"c\") MAX 3").await;
    c.s("c OK *").await;
    c.s("* SEARCH 3").await;
    c.s("d OK *").await;
    assert_eq!(line(&mut c, "SEARCH FLAGGED").await, "* SEARCH 2 3");
}

#[tokio::test]
async fn rule_35_what_another_session_expunges_leaves_the_saved_result() {
    let server = TestServer::start().await;
    server.fill(4).await;
    let (mut c, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    c.ok("SEARCH RETURN (SAVE) ALL").await;
    other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    // The first command still answers for what the client has been shown; then the message is gone, though not announced.
    c.ok("SEARCH ALL").await;
    assert_eq!(results(&mut c, "SEARCH RETURN (COUNT) $").await, "COUNT 3");
    c.ok("NOOP").await;
    assert_eq!(c.ok("FETCH $ UID").await, ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)", "* 3 FETCH (UID 4)"]);
}

#[tokio::test]
async fn rule_29_mod_seq_of_esearch_is_that_of_what_is_returned() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    let mut mod_seqs = Vec::new();
    for number in [2, 3, 1] {
        let line = c.ok(&format!("STORE {number} (UNCHANGEDSINCE 99999) +FLAGS.SILENT (\\Flagged)")).await.remove(0);
        mod_seqs.push(line.split("MODSEQ (").nth(1).unwrap().trim_end_matches(')').to_owned());
    }
    let [second, third, first] = [&mod_seqs[0], &mod_seqs[1], &mod_seqs[2]];
    for (options, numbers, want) in [
        ("MIN", "1:3", format!("MIN 1 MODSEQ {first}")),
        ("MAX", "1:3", format!("MAX 3 MODSEQ {third}")),
        ("MIN MAX", "1:3", format!("MIN 1 MAX 3 MODSEQ {first}")),
        ("MIN MAX", "2:3", format!("MIN 2 MAX 3 MODSEQ {third}")),
        ("MIN COUNT", "2:3", format!("MIN 2 COUNT 2 MODSEQ {third}")),
        ("", "2", format!("ALL 2 MODSEQ {second}")),
        ("COUNT", "1:3", format!("COUNT 3 MODSEQ {first}")),
        ("COUNT", "ANSWERED", "COUNT 0".to_owned()),
    ] {
        assert_eq!(results(&mut c, &format!("SEARCH RETURN ({options}) {numbers} MODSEQ 1")).await, want);
    }
    assert_eq!(line(&mut c, "SEARCH 2:3 MODSEQ 1").await, format!("* SEARCH 2 3 (MODSEQ {third})"));
    assert_eq!(line(&mut c, "SEARCH ANSWERED MODSEQ 1").await, "* SEARCH");
}

#[tokio::test]
async fn rule_04_numbers_in_search_keys() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    assert_eq!(line(&mut c, "SEARCH UID *").await, "* SEARCH");
    assert_eq!(line(&mut c, "SEARCH UID 1:*").await, "* SEARCH");
    server.fill(3).await;
    c.ok("NOOP").await;
    for (keys, want) in [("*", " 3"), ("*:2", " 2 3"), ("UID 9:*", " 3"), ("UID 9", ""), ("UID 2,1:1", " 1 2")] {
        assert_eq!(line(&mut c, &format!("SEARCH {keys}")).await, format!("* SEARCH{want}"), "{keys}");
    }
}

#[tokio::test]
async fn charsets() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "", ENCODED).await;
    let japanese = "Subject: =?iso-2022-jp?B?GyRCJDMbKEI=?=\r\n\r\n\r\n";
    c.append("INBOX", "", japanese).await;
    let needles: [(&str, &[u8], &str, &str); 6] = [
        ("ISO-8859-1", b"J\xd6RG", "FROM", " 1"),
        ("windows-1252", b"caf\xe9", "BODY", " 1"),
        ("UTF-8", "gr\u{fc}\u{df}e".as_bytes(), "SUBJECT", " 1"),
        ("US-ASCII", b"softly", "TEXT", " 1"),
        ("Shift_JIS", b"\x82\xb1", "SUBJECT", " 2"),
        ("\"ISO-2022-JP\"", b"\x1b$B$3\x1b(B", "SUBJECT", " 2"),
    ];
    for (charset, octets, key, want) in needles {
        c.c(&format!("x SEARCH CHARSET {charset} NOT NOT {key} {{{}}}", octets.len())).await;
        c.s("+ *").await;
        c.raw([octets, b"\r\n"].concat()).await;
        c.s(&format!("* SEARCH{want}")).await;
        c.s("x OK *").await;
    }
    c.expect("SEARCH CHARSET ISO-2022-CN ALL", "NO [BADCHARSET (US-ASCII UTF-8)] *").await;
    c.expect("SEARCH CHARSET \"\" ALL", "NO [BADCHARSET *] *").await;
    // RFC 6855 section 3, once the server offers it.
    if c.ok("ENABLE UTF8=ACCEPT").await.contains(&"* ENABLED UTF8=ACCEPT".to_owned()) {
        c.expect("SEARCH CHARSET UTF-8 ALL", "BAD *").await;
        c.ok("SORT (DATE) UTF-8 ALL").await;
    }
}

#[tokio::test]
async fn addresses_are_those_of_the_envelope() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let fields = "From: Ann (Comment) <ann . lee@example . org>, \"Doe, John\" <jd@x>\r\nTo: Friends: =?utf-8?q?B=C3=B6b?= <b@x>;\r\n\
        Bcc: nobody\r\nReply-To: reply@example.org\r\n\r\n";
    c.append("INBOX", "", fields).await;
    for (keys, found) in [
        ("FROM \"ann <ann.lee@example.org>\"", true),
        ("FROM \"doe, john\"", true),
        ("FROM comment", false),
        ("FROM reply", false),
        ("FROM \"\"", true),
        ("TO friends", true),
        ("TO b@x", true),
        ("CC \"\"", false),
        ("BCC nobody@", true),
        ("HEADER From comment", true),
        ("HEADER Cc \"\"", false),
    ] {
        let want = if found { "* SEARCH 1" } else { "* SEARCH" };
        assert_eq!(line(&mut c, &format!("SEARCH {keys}")).await, want, "{keys}");
    }
}

#[tokio::test]
async fn searches_within_seconds_and_by_save_date() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "\" 1-Jan-2001 00:00:00 +0000\"", MESSAGE).await;
    c.append("INBOX", "", MESSAGE).await;
    for (keys, want) in [
        ("OLDER 86400", " 1"),
        ("YOUNGER 86400", " 2"),
        ("OLDER 4294967295", ""),
        ("YOUNGER 4294967295", " 1 2"),
        ("NOT OLDER 86400", " 2"),
        ("SAVEDATESUPPORTED", " 1 2"),
        ("SAVEDSINCE 1-Jan-2020", " 1 2"),
        ("SAVEDBEFORE 1-Jan-2020", ""),
        ("SAVEDON 1-Jan-2001", ""),
        ("SINCE 1-Jan-2020", " 2"),
    ] {
        assert_eq!(line(&mut c, &format!("SEARCH {keys}")).await, format!("* SEARCH{want}"), "{keys}");
    }
    c.expect("SEARCH OLDER 0", "BAD *").await;
}

#[tokio::test]
async fn long_commands_tell_their_progress() {
    let settings = Settings { allow_cleartext_login: true, progress: Duration::ZERO, ..Settings::default() };
    let server = TestServer::with(settings).await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    for (command, goal) in
        [("SEARCH BODY hello", 3), ("UID SORT (SUBJECT) UTF-8 ALL", 6), ("THREAD REFERENCES UTF-8 BODY hello", 6)]
    {
        let mut untagged = c.ok(command).await;
        let answer = untagged.pop().unwrap();
        assert!(
            answer.starts_with(&format!("* {}", command.trim_start_matches("UID ").split(' ').next().unwrap())),
            "{answer}"
        );
        assert!(!untagged.is_empty(), "{command}");
        let mut last = 0;
        for line in untagged {
            let inside = line.strip_prefix("* OK [INPROGRESS (\"t").unwrap().split_once(")]").unwrap().0;
            let numbers: Vec<u32> = inside.split(' ').skip(1).map(|n| n.parse().unwrap()).collect();
            assert!(numbers[0] >= last && numbers[0] < numbers[1] && numbers[1] == goal, "{line}");
            last = numbers[0];
        }
    }
    // What the rows decide takes no time.
    assert_eq!(c.ok("SEARCH ALL").await, ["* SEARCH 1 2 3"]);
}
