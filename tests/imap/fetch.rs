//! FETCH of every item, sections, partials, \Seen.

use crate::harness::{MESSAGE, TestServer};

const MULTIPART: &str = "From: Ann <ann@example.org>\r\nSubject: parts\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"xx\"\r\n\r\npreamble\r\n--xx\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    first\r\n--xx\r\nContent-Type: message/rfc822\r\n\r\nFrom: inner@example.org\r\nSubject: inside\r\n\r\ninner text\r\n\
    --xx--\r\n";

#[tokio::test]
async fn every_small_item_and_the_order_in_which_they_come() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Seen) \" 7-Feb-1994 22:43:04 -0800\"", MESSAGE).await;
    let size = MESSAGE.len();
    let envelope = "ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\" \"Greetings\" \
        ((\"Ann\" NIL \"ann\" \"example.org\")) ((\"Ann\" NIL \"ann\" \"example.org\")) ((\"Ann\" NIL \"ann\" \"example.org\")) \
        ((NIL NIL \"bob\" \"example.org\")) NIL NIL NIL \"<1@example.org>\")";
    let body = "BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 21 2)";
    let date = "INTERNALDATE \" 7-Feb-1994 22:43:04 -0800\"";
    assert_eq!(
        c.ok("FETCH 1 FULL").await,
        [format!("* 1 FETCH (FLAGS (\\Seen \\Recent) {date} RFC822.SIZE {size} {envelope} {body})")]
    );
    assert_eq!(c.ok("FETCH 1 (ENVELOPE UID)").await, [format!("* 1 FETCH (UID 1 {envelope})")]);
    let structure = c.ok("UID FETCH 1 BODYSTRUCTURE").await.remove(0);
    assert!(structure.starts_with("* 1 FETCH (UID 1 BODYSTRUCTURE (\"text\" \"plain\""), "{structure}");
}

#[tokio::test]
async fn rule_37_sections() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Seen)", MULTIPART).await;
    for (section, want) in [
        ("1", "first"),
        ("1.MIME", "Content-Type: text/plain; charset=utf-8\r\n\r\n"),
        ("2.HEADER", "From: inner@example.org\r\nSubject: inside\r\n\r\n"),
        ("2.TEXT", "inner text"),
        ("2.1", "inner text"),
        ("HEADER.FIELDS (SUBJECT)", "Subject: parts\r\n\r\n"),
        ("2.HEADER.FIELDS (subject)", "Subject: inside\r\n\r\n"),
        ("2.HEADER.FIELDS.NOT (subject)", "From: inner@example.org\r\n\r\n"),
    ] {
        let line = c.ok(&format!("FETCH 1 BODY.PEEK[{section}]")).await.remove(0);
        assert_eq!(line, format!("* 1 FETCH (BODY[{section}] {{{}}}\r\n{want})", want.len()));
    }
    for absent in ["3", "1.1.1", "2.2"] {
        assert_eq!(c.ok(&format!("FETCH 1 BODY.PEEK[{absent}]")).await, [format!("* 1 FETCH (BODY[{absent}] \"\")")]);
    }
    c.expect("FETCH 1 BODY.PEEK[MIME]", "BAD *").await;
}

#[tokio::test]
async fn rule_37_partials() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "", MESSAGE).await;
    assert_eq!(c.ok("FETCH 1 BODY.PEEK[]<0.4>").await, ["* 1 FETCH (BODY[]<0> {4}\r\nFrom)"]);
    assert_eq!(c.ok("FETCH 1 BODY.PEEK[TEXT]<17.500>").await, ["* 1 FETCH (BODY[TEXT]<17> {4}\r\nnn\r\n)"]);
    assert_eq!(c.ok("FETCH 1 BODY.PEEK[]<9999.5>").await, ["* 1 FETCH (BODY[]<9999> \"\")"]);
    let whole = c.ok("FETCH 1 BODY.PEEK[1]<0.393216>").await.remove(0);
    assert_eq!(whole, "* 1 FETCH (BODY[1]<0> {21}\r\nHello Bob\r\nfrom Ann\r\n)");
}

#[tokio::test]
async fn rule_17_reading_sets_seen_and_says_so() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    for peeking in ["BODY.PEEK[]", "RFC822.HEADER", "BODY.PEEK[HEADER]", "BODYSTRUCTURE", "RFC822.SIZE"] {
        assert!(!c.ok(&format!("FETCH 1 {peeking}")).await.concat().contains("FLAGS"), "{peeking}");
    }
    assert_eq!(c.ok("SEARCH SEEN").await, ["* SEARCH"]);
    let line = c.ok("FETCH 1 BODY[TEXT]").await.remove(0);
    assert!(line.ends_with(" FLAGS (\\Seen \\Recent))"), "{line}");
    assert!(!c.ok("FETCH 1 BODY[TEXT]").await[0].contains("FLAGS"));
    c.ok("ENABLE CONDSTORE").await;
    let line = c.ok("FETCH 2 (FLAGS RFC822)").await.remove(0);
    assert!(line.starts_with("* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent) MODSEQ ("), "{line}");
    c.ok("EXAMINE INBOX").await;
    assert!(!c.ok("FETCH 3 RFC822.TEXT").await[0].contains("FLAGS"));
    assert_eq!(c.ok("SEARCH SEEN").await, ["* SEARCH 1 2"]);
}

#[tokio::test]
async fn a_large_message_streams_whole_and_in_part() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    let message = format!("Subject: large\r\n\r\n{}", line.repeat(50_000));
    c.append("INBOX", "(\\Seen)", &message).await;
    let got = c.ok("FETCH 1 BODY.PEEK[]").await.remove(0);
    assert!(got == format!("* 1 FETCH (BODY[] {{{}}}\r\n{message})", message.len()), "the octets differ");
    // In pieces, one after the other, backwards, and past the end.
    for offset in [0, 700_000, 1_400_000, 1_399_000, 3_199_990, 5_000_000, 12] {
        let piece = message.get(offset..(offset + 700_000).min(message.len())).unwrap_or_default();
        let got = c.ok(&format!("FETCH 1 BODY.PEEK[]<{offset}.700000>")).await.remove(0);
        let want = if piece.is_empty() { "\"\"".to_owned() } else { format!("{{{}}}\r\n{piece}", piece.len()) };
        assert!(got == format!("* 1 FETCH (BODY[]<{offset}> {want})"), "the octets from {offset} differ");
    }
    let got = c.ok("FETCH 1 BODY.PEEK[TEXT]<3000000.7>").await.remove(0);
    assert_eq!(got, format!("* 1 FETCH (BODY[TEXT]<3000000> {{7}}\r\n{})", &line.repeat(50_000)[3_000_000..3_000_007]));
}

#[tokio::test]
async fn fetch_of_many_messages_in_any_number_of_batches() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "", MESSAGE).await;
    for _ in 0..11 {
        c.ok("COPY 1:* INBOX").await;
    }
    let lines = c.ok("FETCH 1:* (UID)").await;
    assert_eq!(lines.len(), 2048);
    assert_eq!(lines[2047], "* 2048 FETCH (UID 2048)");
    let lines = c.ok("FETCH 100:1999 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await;
    assert_eq!(lines.len(), 1900);
    assert!(lines[1899].starts_with("* 1999 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {"));
}

/// A field name may be a literal of any octets; the answer repeats it octet for octet.
#[tokio::test]
async fn header_field_names_of_any_octets_are_echoed() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.selected("INBOX").await;
    c.raw(b"a FETCH 1 BODY.PEEK[HEADER.FIELDS ({2+}\r\n\xff\xfe Subject)]\r\n").await;
    let line = c.s("* 1 FETCH (BODY[HEADER.FIELDS ({2}\r\n*").await;
    assert!(line.ends_with(" Subject)] {22}\r\nSubject: Greetings\r\n\r\n)"), "{line}");
    c.s("a OK *").await;
}
