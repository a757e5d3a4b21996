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

/// The second time a header comes from memory.
#[tokio::test]
async fn rule_37_headers_are_the_same_each_time() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let no_body = "Subject: all of it\r\n";
    for message in [MULTIPART, "\r\nno header", no_body, "X: a\0b\r\n\r\nnul"] {
        c.append("INBOX", "(\\Seen)", message).await;
    }
    let asked = [
        "BODY.PEEK[HEADER]",
        "BODY.PEEK[HEADER]<2.7>",
        "BODY.PEEK[HEADER]<999.1>",
        "RFC822.HEADER",
        "BODY.PEEK[HEADER.FIELDS (subject x)]",
        "BODY.PEEK[HEADER.FIELDS (SUBJECT)]<3.900>",
        "BODY.PEEK[HEADER.FIELDS.NOT (Subject)]",
        "(ENVELOPE BODY.PEEK[HEADER.FIELDS (FROM)] BODY.PEEK[HEADER])",
        "(BODY.PEEK[HEADER.FIELDS (FROM)] BODY.PEEK[2.HEADER] BODY.PEEK[2.HEADER.FIELDS (FROM)])",
    ];
    let mut first = Vec::new();
    for items in asked {
        first.push(c.ok(&format!("FETCH 1:* {items}")).await);
    }
    assert_eq!(
        first[0][0],
        "* 1 FETCH (BODY[HEADER] {112}\r\nFrom: Ann <ann@example.org>\r\nSubject: parts\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"xx\"\r\n\r\n)"
    );
    assert_eq!(first[0][2], format!("* 3 FETCH (BODY[HEADER] {{20}}\r\n{no_body})"));
    assert_eq!(first[1][0], "* 1 FETCH (BODY[HEADER]<2> {7}\r\nom: Ann)");
    for (items, want) in asked.into_iter().zip(&first) {
        assert_eq!(&c.ok(&format!("FETCH 1:* {items}")).await, want, "{items}");
    }
    assert_eq!(c.ok("SEARCH SUBJECT PARTS").await, ["* SEARCH 1"]);
    assert_eq!(c.ok("SEARCH HEADER Subject \"all of\"").await, ["* SEARCH 3"]);
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

/// A message in a message in a message: each level has a header and a text, and part numbers go on through it.
#[tokio::test]
async fn rule_37_messages_within_messages() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let innermost = "Subject: three\r\n\r\ndeep\r\n";
    let middle = format!("Subject: two\r\nContent-Type: message/rfc822\r\n\r\n{innermost}");
    c.append("INBOX", "(\\Seen)", &format!("Subject: one\r\nContent-Type: message/rfc822\r\n\r\n{middle}")).await;
    let header = "Subject: two\r\nContent-Type: message/rfc822\r\n\r\n";
    let outer = "Subject: one\r\nContent-Type: message/rfc822\r\n\r\n";
    for (section, want) in [
        ("HEADER", outer),
        ("TEXT", &middle),
        ("1", &middle),
        ("1.MIME", outer),
        ("1.HEADER", header),
        ("1.TEXT", innermost),
        ("1.1", innermost),
        ("1.1.MIME", header),
        ("1.1.HEADER", "Subject: three\r\n\r\n"),
        ("1.1.TEXT", "deep\r\n"),
        ("1.1.1", "deep\r\n"),
        ("1.1.1.MIME", "Subject: three\r\n\r\n"),
        ("1.1.HEADER.FIELDS (SUBJECT X)", "Subject: three\r\n\r\n"),
        ("1.HEADER.FIELDS.NOT (SUBJECT)", "Content-Type: message/rfc822\r\n\r\n"),
    ] {
        let line = c.ok(&format!("FETCH 1 BODY.PEEK[{section}]")).await.remove(0);
        assert_eq!(line, format!("* 1 FETCH (BODY[{section}] {{{}}}\r\n{want})", want.len()));
    }
    for absent in ["2", "1.2", "1.1.2", "1.1.1.1", "1.1.1.HEADER", "1.1.1.TEXT", "1.1.1.HEADER.FIELDS (SUBJECT)"] {
        assert_eq!(c.ok(&format!("FETCH 1 BODY.PEEK[{absent}]")).await, [format!("* 1 FETCH (BODY[{absent}] \"\")")]);
    }
}

/// HEADER and TEXT are of messages: a part of another type has neither. MIME is of every part.
#[tokio::test]
async fn rule_37_parts_that_are_no_messages() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Seen)", MULTIPART).await;
    c.append("INBOX", "(\\Seen)", MESSAGE).await;
    for (n, section) in
        [(1, "1.HEADER"), (1, "1.TEXT"), (1, "1.1"), (2, "1.HEADER"), (2, "1.TEXT"), (2, "1.1"), (2, "2")]
    {
        assert_eq!(
            c.ok(&format!("FETCH {n} BODY.PEEK[{section}]")).await,
            [format!("* {n} FETCH (BODY[{section}] \"\")")]
        );
    }
    let header = MESSAGE.split_inclusive("\r\n\r\n").next().unwrap();
    assert_eq!(
        c.ok("FETCH 2 BODY.PEEK[1.MIME]").await,
        [format!("* 2 FETCH (BODY[1.MIME] {{{}}}\r\n{header})", header.len())]
    );
    for refused in
        ["BODY[0]", "BODY[1.0]", "BODY[MIME]", "BODY[HEADER.FIELDS ()]", "BODY[1]<0.0>", "BODY[TEXT.1]", "(ALL)"]
    {
        c.expect(&format!("FETCH 1 {refused}"), "BAD *").await;
    }
}

/// The list is echoed as it came, in its order, and the answer ends in a blank line even where no field is there.
#[tokio::test]
async fn rule_37_header_fields() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let header = "X-Long: a\r\n b\r\n\tc\r\nSubject: one\r\nnonsense\r\nsubject : two\r\nFrom: a@b\r\n";
    c.append("INBOX", "(\\Seen)", &format!("{header}\r\nbody\r\n")).await;
    for (list, want) in [
        ("HEADER.FIELDS (X)", "\r\n"),
        ("HEADER.FIELDS (SUBJECT x-long)", "X-Long: a\r\n b\r\n\tc\r\nSubject: one\r\nsubject : two\r\n\r\n"),
        ("HEADER.FIELDS.NOT (x-LONG \"from\")", "Subject: one\r\nnonsense\r\nsubject : two\r\n\r\n"),
        ("HEADER.FIELDS (From From)", "From: a@b\r\n\r\n"),
        ("HEADER.FIELDS (\"a b\" {4}\r\nFrom)", "From: a@b\r\n\r\n"),
    ] {
        // A name that is an atom is shown as one.
        let echo = list.replace("\"from\"", "from").replace("{4}\r\n", "");
        let line = match list.contains('{') {
            false => c.ok(&format!("FETCH 1 BODY.PEEK[{list}]")).await.remove(0),
            true => c.ok(&format!("FETCH 1 BODY.PEEK[{}]", list.replace("{4}", "{4+}"))).await.remove(0),
        };
        assert_eq!(line, format!("* 1 FETCH (BODY[{echo}] {{{}}}\r\n{want})", want.len()));
    }
    assert_eq!(
        c.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (FROM)]<0.5>").await,
        ["* 1 FETCH (BODY[HEADER.FIELDS (FROM)]<0> {5}\r\nFrom:)"]
    );
    assert_eq!(
        c.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (FROM)]<500.5>").await,
        ["* 1 FETCH (BODY[HEADER.FIELDS (FROM)]<500> \"\")"]
    );
}

/// UID first, bodies last, whatever the order they are asked in; what is asked twice is told once.
#[tokio::test]
async fn rule_37_order_of_items() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Seen)", MESSAGE).await;
    let line = c
        .ok("FETCH 1 (BODY.PEEK[TEXT] PREVIEW BINARY.PEEK[1] BODY ENVELOPE RFC822.SIZE BINARY.SIZE[1] FLAGS UID BODY.PEEK[TEXT])")
        .await
        .remove(0);
    let places: Vec<_> = [
        "UID 1",
        "FLAGS (",
        "RFC822.SIZE ",
        "BINARY.SIZE[1] ",
        "PREVIEW ",
        "ENVELOPE (",
        "BODY (",
        "BODY[TEXT] {",
        "BINARY[1] {",
    ]
    .iter()
    .map(|item| line.find(item).unwrap_or_else(|| panic!("no {item} in {line}")))
    .collect();
    assert!(places.is_sorted(), "{places:?} {line}");
    assert_eq!(line.matches("BODY[TEXT]").count(), 1);
}

/// What an expunged message shows: its data while it is stored, then NO [EXPUNGEISSUED], and never an empty body.
#[tokio::test]
async fn rule_05_expunged_elsewhere() {
    let server = TestServer::forgetful().await;
    // Equal messages would share their bytes.
    for subject in ["one", "two", "six"] {
        server.login().await.append("INBOX", "", &MESSAGE.replace("Greetings", subject)).await;
    }
    let (mut a, mut b) = (server.selected("INBOX").await, server.selected("INBOX").await);
    b.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    b.ok("EXPUNGE").await;
    let items = [
        "BODY.PEEK[]",
        "BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
        "BINARY.PEEK[1]",
        "BINARY.SIZE[1]",
        "PREVIEW",
        "ENVELOPE",
    ];
    for item in items {
        let lines = a.ok(&format!("FETCH 2 {item}")).await;
        assert!(lines[0].starts_with("* 2 FETCH (") && !lines[0].contains("\"\""), "{item}: {lines:?}");
    }
    assert_eq!(server.store.collect().await.expect("collected"), 1);
    for item in items {
        let lines = a.expect(&format!("FETCH 1:3 {item}"), "NO [EXPUNGEISSUED] *").await;
        let numbers: Vec<_> = lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(numbers, ["1", "3"], "{item}");
    }
    // What the session knows by itself it still tells.
    assert_eq!(
        a.ok("FETCH 2 (UID RFC822.SIZE)").await,
        [format!("* 2 FETCH (UID 2 RFC822.SIZE {})", MESSAGE.len() - 6)]
    );
    a.ok("NOOP").await;
    assert_eq!(a.ok("FETCH 1:* BODY.PEEK[]").await.len(), 2);
}

/// Body, ENVELOPE, BODYSTRUCTURE, size and INTERNALDATE are the same in every session, mailbox and fetch.
#[tokio::test]
async fn rule_13_what_never_changes() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Flagged) \"17-Jul-1996 02:44:25 -0700\"", MULTIPART).await;
    let asked =
        "FETCH 1 (INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[2] BODY.PEEK[2.HEADER])";
    let before = c.ok(asked).await;
    c.ok("STORE 1 +FLAGS (x)").await;
    assert_eq!(c.ok(asked).await, before);
    c.ok("COPY 1 Archive").await;
    c.ok("MOVE 1 Trash").await;
    for mailbox in ["Archive", "Trash"] {
        let mut other = server.selected(mailbox).await;
        assert_eq!(other.ok(asked).await, before);
        let flags = other.ok("FETCH 1 FLAGS").await.remove(0);
        assert!(flags.contains("\\Flagged") && flags.contains(" x)"), "{mailbox}: {flags}");
    }
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
