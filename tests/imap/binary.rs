//! BINARY and BINARY.SIZE (RFC 3516, RFC 9051 section 6.4.5).

use crate::harness::{MESSAGE, TestServer};

fn part(encoding: &str, content: &str) -> String {
    format!(
        "--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{content}\r\n"
    )
}

/// One part of each encoding.
fn encoded() -> String {
    let parts = [
        part("base64", "aGVsbG8g\r\nd29ybGQ="),
        part("quoted-printable", "caf=C3=A9 =\r\nau lait  \r\nend"),
        part("7bit", "plain\r\ntext"),
        part("base64", "AAECAwo="),
        part("x-uuencode", "begin 644 x"),
        part("base64", "not!base64"),
        part("base64", ""),
        "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk=\r\n".to_owned(),
        "--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\none\r\n--y--\r\n".to_owned(),
    ];
    format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n{}--x--\r\n", parts.concat())
}

#[tokio::test]
async fn parts_are_decoded_and_their_sizes_told() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Seen)", &encoded()).await;
    for (number, want) in [
        ("1", "hello world"),
        ("2", "caf\u{e9} au lait\r\nend"),
        ("3", "plain\r\ntext"),
        ("8", "Subject: inner\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk="),
        ("8.1", "Hi"),
        ("8.TEXT", "Hi"),
        ("8.HEADER.FIELDS (SUBJECT)", "Subject: inner\r\n\r\n"),
        ("1.MIME", "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
        // The line end after the last boundary of the inner multipart is that boundary's own.
        ("9", "--y\r\n\r\none\r\n--y--\r\n"),
        ("9.1", "one"),
    ] {
        let size = want.len();
        assert_eq!(
            c.ok(&format!("FETCH 1 (BINARY.PEEK[{number}] BINARY.SIZE[{number}])")).await,
            [format!("* 1 FETCH (BINARY.SIZE[{number}] {size} BINARY[{number}] {{{size}}}\r\n{want})")]
        );
    }
    // What has a NUL goes out as literal8, and only that.
    assert_eq!(c.ok("FETCH 1 BINARY.PEEK[4]").await, ["* 1 FETCH (BINARY[4] ~{5}\r\n\0\x01\x02\x03\n)"]);
    assert_eq!(c.ok("FETCH 1 BINARY.PEEK[4]<1.3>").await, ["* 1 FETCH (BINARY[4]<1> {3}\r\n\x01\x02\x03)"]);
    for empty in ["7", "10", "1.1"] {
        assert_eq!(
            c.ok(&format!("FETCH 1 (BINARY.PEEK[{empty}] BINARY.SIZE[{empty}])")).await,
            [format!("* 1 FETCH (BINARY.SIZE[{empty}] 0 BINARY[{empty}] \"\")")]
        );
    }
    let whole = encoded();
    let size = whole.len();
    assert_eq!(
        c.ok("FETCH 1 (BINARY.PEEK[] BINARY.SIZE[])").await,
        [format!("* 1 FETCH (BINARY.SIZE[] {size} BINARY[] {{{size}}}\r\n{whole})")]
    );
}

#[tokio::test]
async fn partials_are_of_the_decoded_octets() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Seen)", &encoded()).await;
    for (partial, offset, want) in [
        ("0.5", 0, "hello"),
        ("6.5", 6, "world"),
        ("6.500", 6, "world"),
        ("10.1", 10, "d"),
        ("4", 4, "o world"),
        ("11.1", 11, ""),
        ("4000000000.9000000000", 4_000_000_000_u64, ""),
    ] {
        let want = if want.is_empty() { "\"\"".to_owned() } else { format!("{{{}}}\r\n{want}", want.len()) };
        assert_eq!(
            c.ok(&format!("FETCH 1 BINARY.PEEK[1]<{partial}>")).await,
            [format!("* 1 FETCH (BINARY[1]<{offset}> {want})")]
        );
    }
}

/// Roundcube takes the answer for a sign to read BODY instead. Nothing is half sent, and other messages are answered.
#[tokio::test]
async fn what_cannot_be_decoded_is_unknown_cte() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "(\\Seen)", MESSAGE).await;
    c.append("INBOX", "(\\Seen)", &encoded()).await;
    c.append("INBOX", "(\\Seen)", MESSAGE).await;
    for broken in
        ["BINARY.PEEK[5]", "BINARY.SIZE[5]", "BINARY.PEEK[6]", "BINARY.SIZE[6]", "(UID BODY.PEEK[1] BINARY[6])"]
    {
        assert_eq!(c.expect(&format!("FETCH 2 {broken}"), "NO [UNKNOWN-CTE] *").await, [""; 0], "{broken}");
    }
    let answered = c.expect("FETCH 1:3 (UID BINARY.SIZE[5] BINARY.SIZE[1])", "NO [UNKNOWN-CTE] *").await;
    assert_eq!(answered, [1, 3].map(|n| format!("* {n} FETCH (UID {n} BINARY.SIZE[5] 0 BINARY.SIZE[1] 21)")));
    // The bytes themselves can be had.
    assert_eq!(c.ok("FETCH 2 BODY.PEEK[6]").await, ["* 2 FETCH (BODY[6] {10}\r\nnot!base64)"]);
}

#[tokio::test]
async fn rule_17_binary_sets_seen_and_its_peek_and_size_do_not() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "", &encoded()).await;
    c.append("INBOX", "", &encoded()).await;
    for peeking in ["BINARY.PEEK[1]", "BINARY.PEEK[]", "BINARY.SIZE[1]", "PREVIEW", "PREVIEW (LAZY)"] {
        assert!(!c.ok(&format!("FETCH 1 {peeking}")).await.concat().contains("FLAGS"), "{peeking}");
    }
    assert_eq!(c.ok("SEARCH SEEN").await, ["* SEARCH"]);
    assert_eq!(c.ok("FETCH 1 BINARY[1]").await, ["* 1 FETCH (BINARY[1] {11}\r\nhello world FLAGS (\\Seen \\Recent))"]);
    // A part that cannot be decoded is not shown; that its message is \Seen now is.
    assert_eq!(
        c.expect("UID FETCH 2 BINARY[5]", "NO [UNKNOWN-CTE] *").await,
        ["* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))"]
    );
    c.append("INBOX", "", &encoded()).await;
    c.ok("EXAMINE INBOX").await;
    assert!(!c.ok("FETCH 3 BINARY[1]").await.concat().contains("FLAGS"));
}

/// Larger than what is kept from the first decoding: it is decoded again while it is sent.
#[tokio::test]
async fn a_large_part_streams_whole_and_in_part() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    // 64 octets a line: "0123456789abcdef..." in base64 would hide mistakes of order, so each line differs.
    let lines = 30_000;
    let raw: String = (0..lines).map(|n| format!("line {n:08} of the large part, {:>24}\r\n", n * 7)).collect();
    let quoted = raw.replace("line", "=6Cine");
    let message =
        format!("Subject: large\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}");
    c.append("INBOX", "(\\Seen)", &message).await;
    let size = raw.len();
    let got = c.ok("FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])").await.remove(0);
    assert!(got == format!("* 1 FETCH (BINARY.SIZE[1] {size} BINARY[1] {{{size}}}\r\n{raw})"), "the octets differ");
    for offset in [0, 700_000, 1_000_001] {
        let piece = &raw[offset..(offset + 700_000).min(size)];
        let got = c.ok(&format!("FETCH 1 BINARY.PEEK[1]<{offset}.700000>")).await.remove(0);
        assert!(
            got == format!("* 1 FETCH (BINARY[1]<{offset}> {{{}}}\r\n{piece})", piece.len()),
            "the octets from {offset} differ"
        );
    }
    // Broken in its last line: found before anything is sent.
    c.append("INBOX", "(\\Seen)", &format!("{message}=ZZ\r\n")).await;
    assert_eq!(c.expect("FETCH 2 (UID BINARY.PEEK[1])", "NO [UNKNOWN-CTE] *").await, [""; 0]);
    let start = &raw[..9];
    assert_eq!(c.ok("FETCH 2 BINARY.PEEK[1]<0.9>").await, [format!("* 2 FETCH (BINARY[1]<0> {{9}}\r\n{start})")]);
}
