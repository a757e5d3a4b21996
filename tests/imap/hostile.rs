//! Mail that was made to break its readers, through the whole server: all of it is stored, BODY[] is what was appended,
//! octet for octet (I7, I9), and every response is IMAP.
//!
//! No time is measured. What is not linear takes minutes with messages like these, and the harness waits for seconds.

use crate::grammar::{self, Item, Structure, Value};
use crate::harness::{Client, TestServer};

/// Appends the message; what is told of it, checked against the grammar.
async fn told(c: &mut Client, message: &[u8]) -> Vec<Item> {
    let head = format!("x APPEND INBOX (\\Seen) {{{}+}}\r\n", message.len());
    c.raw([head.as_bytes(), message, b"\r\n"].concat()).await;
    let (_, tagged) = c.finish("x").await;
    assert!(tagged.starts_with("OK"), "{tagged}");
    c.c("y UID FETCH * (RFC822.SIZE ENVELOPE PREVIEW BODY BODYSTRUCTURE BINARY.SIZE[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] \
         BODY.PEEK[] BINARY.PEEK[])")
        .await;
    let response = c.octets().await.expect("a response");
    let (_, items) = grammar::fetch(&response);
    c.s("y OK *").await;
    let octets = |name: &str| match &find(&items, name) {
        Value::Octets(octets) => octets.clone().unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    // A literal cannot hold NUL; literal8 does (RFC 9051 section 4.3).
    let shown: Vec<u8> = message.iter().map(|b| if *b == 0 { 0x80 } else { *b }).collect();
    assert!(octets("BODY[]") == shown, "BODY[] differs");
    assert!(octets("BINARY[]") == message, "BINARY[] differs");
    assert!([octets("BODY[HEADER]"), octets("BODY[TEXT]")].concat() == shown, "HEADER and TEXT are not the message");
    for size in ["RFC822.SIZE", "BINARY.SIZE[]"] {
        assert_eq!(find(&items, size), Value::Number(message.len() as u64), "{size}");
    }
    let preview = String::from_utf8(octets("PREVIEW")).expect("UTF-8");
    assert!(preview.chars().count() <= 200 && !preview.chars().any(char::is_control), "{preview:?}");
    items
}

fn find(items: &[Item], name: &str) -> Value {
    let found = items.iter().find(|item| item.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).value.clone()
}

fn structure(items: &[Item]) -> Structure {
    let (Value::Structure(body), Value::Structure(extended)) = (find(items, "BODY"), find(items, "BODYSTRUCTURE"))
    else {
        panic!("no structure");
    };
    assert_eq!(body, extended, "BODY and BODYSTRUCTURE differ");
    body
}

fn envelope(items: &[Item]) -> grammar::Envelope {
    let Value::Envelope(envelope) = find(items, "ENVELOPE") else { panic!("no envelope") };
    *envelope
}

#[tokio::test]
async fn rule_38_octets_that_no_string_can_hold() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let every: Vec<u8> = (0..=255).filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let field = |name: &str| [name.as_bytes(), b": ", &every, b"\r\n"].concat();
    let fields =
        ["Subject", "Message-ID", "In-Reply-To", "From", "To", "Content-Description", "Content-ID", "Content-Location"];
    let mut message: Vec<u8> = fields.iter().flat_map(|name| field(name)).collect();
    message.extend_from_slice(b"Content-Type: text/plain; charset=\"");
    message.extend_from_slice(&every);
    message.extend_from_slice(
        b"\"; name*=utf-8''%00%ff\r\nContent-Disposition: attachment; filename=\"a\0\x80\\\"b\"\r\n\r\n",
    );
    message.extend_from_slice(&every);
    let items = told(&mut c, &message).await;
    assert!(envelope(&items).message_id.is_some_and(|id| id.contains(&b'"') && id.contains(&b'\\')));
    assert_eq!(structure(&items).leaves, 1);
    // Alone and where a field has no name, no value, no end.
    for message in [
        b"\0".as_slice(),
        b"\0\0\r\n\r\n\0",
        b"\r\n",
        b"\r\n\r\n",
        b":",
        b"Subject",
        b"Subject:\r\n",
        b": x\r\n\xff\xfe: y\r\n\r\n",
        b"Subject: a\rb\r\n\r\nc\rd",
        b"From: \"unclosed\r\nTo: <a@b\r\nCc: (((\r\nReply-To: ,,;;::\r\nSender: \\\r\nContent-Type: \"\r\n\r\n",
    ] {
        told(&mut c, message).await;
    }
}

#[tokio::test]
async fn rule_38_envelopes_that_have_killed_clients() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let some = |text: &str| Some(text.as_bytes().to_vec());
    let message = "From: \"Ann \\\"The Quote\\\" O'Hara\" <ann@example.org>\r\nSubject: say \"hi\" \\ {5}\r\n\
        To: friends: a@example.org, \"b, c\" <b@example.org>;, undisclosed-recipients:;\r\n\
        Message-ID: <a\"b\\c@example.org>\r\nSender:\r\nReply-To: \r\nCc: ()\r\n\r\nx\r\n";
    let envelope = envelope(&told(&mut c, message.as_bytes()).await);
    assert_eq!(envelope.subject, some("say \"hi\" \\ {5}"));
    assert_eq!(envelope.message_id, some("<a\"b\\c@example.org>"));
    let ann = [some("Ann \"The Quote\" O'Hara"), None, some("ann"), some("example.org")];
    let [from, sender, reply_to, to, cc, bcc] = &envelope.addresses;
    for list in [from, sender, reply_to] {
        assert_eq!(list, std::slice::from_ref(&ann));
    }
    // RFC 9051 section 7.5.2: a group begins and ends with an address without a host.
    let end = [None, None, None, None];
    assert_eq!(
        to,
        &[
            [None, None, some("friends"), None],
            [None, None, some("a"), some("example.org")],
            [some("b, c"), None, some("b"), some("example.org")],
            end.clone(),
            [None, None, some("undisclosed-recipients"), None],
            end,
        ]
    );
    assert!(cc.is_empty() && bcc.is_empty(), "NIL, never ()");
    let nothing = told(&mut c, b"\r\nno header\r\n").await;
    assert_eq!(self::envelope(&nothing), grammar::Envelope::default());
}

#[tokio::test]
async fn rule_38_parameters_without_values() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    for value in [
        "multipart/mixed; boundary",
        "multipart/mixed; boundary=",
        "multipart/mixed; boundary=\"\"",
        "multipart/mixed",
        "multipart/; boundary=x",
        "text/plain; charset",
        "text/plain; =x; ; ;name=",
        "text/plain; name*0=a; name*2=c; name*1*=%zz; name*=''",
        "message/rfc822; x",
        "message/rfc822",
        "message/global",
        "text",
        "/",
        ";",
        "",
        "\"",
    ] {
        for encoding in [
            "",
            "\r\nContent-Transfer-Encoding: base64",
            "\r\nContent-Transfer-Encoding: \"",
            "\r\nContent-Language: ,,\r\nContent-Disposition: ;",
        ] {
            for content in ["", "\r\n--x\r\n\r\na\r\n--x--\r\n", "--\r\n\r\n----\r\n"] {
                told(&mut c, format!("Content-Type: {value}{encoding}\r\n\r\n{content}").as_bytes()).await;
            }
        }
    }
}

#[tokio::test]
async fn ten_thousand_parts_and_more() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let message = |parts: usize| {
        let parts = "--x\r\nContent-Type: image/png\r\n\r\nx\r\n".repeat(parts);
        format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{parts}--x--\r\n")
    };
    // With the message itself 10,000, and one past it.
    let limit = tributary::mime::Limits::default().parts;
    for (parts, want) in [(limit - 1, limit - 1), (limit, limit - 1), (2 * limit, limit - 1)] {
        let items = told(&mut c, message(parts).as_bytes()).await;
        assert_eq!(structure(&items).leaves, want);
    }
    assert_eq!(c.ok("UID FETCH 1 BODY.PEEK[9999]").await, ["* 1 FETCH (UID 1 BODY[9999] {1}\r\nx)"]);
    assert_eq!(c.ok("UID FETCH 1 BODY.PEEK[10000]").await, ["* 1 FETCH (UID 1 BODY[10000] \"\")"]);
}

#[tokio::test]
async fn a_thousand_parts_deep() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let multiparts: String =
        (0..1_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")).collect();
    let items = told(&mut c, format!("{multiparts}\r\ntext\r\n").as_bytes()).await;
    // The innermost part that is told apart is a leaf.
    let limit = tributary::mime::Limits::default().depth - 1;
    assert_eq!(structure(&items).depth, limit);
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
    let items = told(&mut c, format!("{messages}Subject: inside\r\n\r\ntext\r\n").as_bytes()).await;
    assert_eq!(structure(&items).envelopes, limit);
    // Both in turn, and all of one boundary.
    let mixed =
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n".repeat(500);
    told(&mut c, mixed.as_bytes()).await;
    let path = vec!["1"; 1_000].join(".");
    let deep = c.ok(&format!("UID FETCH * BODY.PEEK[{path}]")).await.remove(0);
    assert!(deep.ends_with(" \"\")"), "{deep}");
}

#[tokio::test]
async fn headers_without_measure() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    for name in ["Subject", "X", "To", "Content-Type", "Message-ID"] {
        let line = format!("{name}: {}\r\n\r\nbody\r\n", "x".repeat(1 << 20));
        told(&mut c, line.as_bytes()).await;
    }
    let folded = format!("Subject: {}end\r\n\r\nbody\r\n", "a\r\n ".repeat(200_000));
    told(&mut c, folded.as_bytes()).await;
    let fields: String = (0..100_000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let items = told(&mut c, format!("{fields}Subject: last\r\n\r\nbody\r\n").as_bytes()).await;
    drop(envelope(&items));
    let received = "Received: by a; Mon, 7 Feb 1994 21:52:25 -0800\r\n".repeat(20_000);
    told(&mut c, format!("{received}\r\nbody\r\n").as_bytes()).await;
    let some = c.ok("UID FETCH * BODY.PEEK[HEADER.FIELDS (RECEIVED)]").await.remove(0);
    assert!(some.len() > received.len(), "{}", some.len());
}

#[tokio::test]
async fn addresses_without_measure() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    for (one, count) in [
        ("a@b, ", 100_000),
        ("a@b ", 100_000),
        ("g:", 100_000),
        ("g:;", 100_000),
        ("(", 200_000),
        ("<", 200_000),
        ("\"", 200_000),
        ("\\", 200_000),
        ("@a,", 100_000),
        ("<@a:", 100_000),
        ("=?utf-8?q?a?= ", 50_000),
        (",", 500_000),
    ] {
        told(&mut c, format!("To: {}\r\nFrom: {}\r\n\r\nx\r\n", one.repeat(count), one.repeat(9)).as_bytes()).await;
    }
}

#[tokio::test]
async fn boundaries_without_end() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    let boundary = "x".repeat(70);
    for line in [
        format!("--{}\r\n", &boundary[1..]),
        format!("--{boundary}y\r\n"),
        format!("--{boundary} y\r\n"),
        format!("-- {boundary}\r\n"),
        "--\r\n".to_owned(),
        "-".repeat(100),
        format!("--{boundary}--\r\n"),
        format!("--{boundary}"),
        format!("--{boundary}\r"),
    ] {
        let head = format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n");
        told(&mut c, format!("{head}{}", line.repeat(20_000)).as_bytes()).await;
    }
    // A hundred boundaries open, and lines that begin like all of them.
    let open: String = (0..60)
        .map(|n| format!("Content-Type: multipart/mixed; boundary={}\r\n\r\n--{0}\r\n", "x".repeat(n + 1)))
        .collect();
    let line = format!("--{}y\r\n", "x".repeat(60));
    told(&mut c, format!("{open}\r\n{}", line.repeat(20_000)).as_bytes()).await;
}

#[tokio::test]
async fn broken_encodings_are_shown_as_they_are() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    for (encoding, content) in [
        ("base64", "!!!!".repeat(10_000)),
        ("base64", "=".repeat(100_000)),
        ("base64", "A".repeat(100_001)),
        ("quoted-printable", "=".repeat(100_000)),
        ("quoted-printable", "=4".repeat(50_000)),
        ("quoted-printable", " ".repeat(100_000)),
        ("x-nothing", "x".repeat(1_000)),
    ] {
        let message = format!("MIME-Version: 1.0\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{content}");
        told(&mut c, message.as_bytes()).await;
        let (lines, tagged) = c.run("UID FETCH * BINARY.PEEK[1]").await;
        let refused = tagged.starts_with("NO [UNKNOWN-CTE]");
        assert!(refused == lines.is_empty() && (refused || content.starts_with(' ')), "{encoding}: {tagged}");
    }
}
