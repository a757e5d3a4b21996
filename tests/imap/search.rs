//! SEARCH keys and their text semantics.

use crate::harness::{MESSAGE, TestServer};

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
