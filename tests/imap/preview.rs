//! PREVIEW (RFC 8970).

use crate::harness::{MESSAGE, TestServer};

/// The preview of one message, as the value of the response.
async fn preview(message: &str) -> String {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.append("INBOX", "", message).await;
    let line = c.ok("FETCH 1 PREVIEW").await.remove(0);
    let lazy = c.ok("FETCH 1 (PREVIEW (LAZY))").await.remove(0);
    assert_eq!(line, lazy, "it costs little: LAZY gets it too");
    let value = line.strip_prefix("* 1 FETCH (PREVIEW ").and_then(|rest| rest.strip_suffix(')'));
    value.unwrap_or_else(|| panic!("{line}")).to_owned()
}

fn multipart(subtype: &str, parts: &[(&str, &str)]) -> String {
    let parts: String = parts.iter().map(|(header, content)| format!("--x\r\n{header}\r\n\r\n{content}\r\n")).collect();
    format!("Content-Type: multipart/{subtype}; boundary=x\r\n\r\n{parts}--x--\r\n")
}

#[tokio::test]
async fn the_first_words_of_the_text() {
    assert_eq!(preview(MESSAGE).await, "\"Hello Bob from Ann\"");
    assert_eq!(preview("Subject: none\r\n\r\n").await, "\"\"");
    assert_eq!(preview("Subject: a quote\r\n\r\nsay \"hi\" \\ bye").await, "\"say \\\"hi\\\" \\\\ bye\"");
    let text = preview("Content-Type: text/plain; charset=utf-8\r\n\r\ncaf\u{e9}\r\n").await;
    assert_eq!(text, "{5}\r\ncaf\u{e9}", "UTF-8 stands in a literal");
    assert_eq!(preview(&format!("Subject: long\r\n\r\n{}", "x".repeat(5_000))).await.len(), 202);
}

#[tokio::test]
async fn the_part_that_is_shown() {
    let (plain, html) = ("Content-Type: text/plain", "Content-Type: text/html");
    let png = ("Content-Type: image/png\r\nContent-Transfer-Encoding: base64", "AAAA");
    let attached = ("Content-Type: text/plain\r\nContent-Disposition: attachment", "attached");
    for (message, want) in [
        (multipart("alternative", &[(plain, "the text"), (html, "<p>the page</p>")]), "\"the text\""),
        (multipart("alternative", &[(html, "<p>the page</p>"), (plain, "the text")]), "\"the text\""),
        (multipart("mixed", &[(html, "<p>the page</p>"), (plain, "a footer")]), "\"the page\""),
        (multipart("alternative", &[(plain, " \r\n"), (html, "<style>x</style><p>the&#32;page</p>")]), "\"the page\""),
        (multipart("mixed", &[png, attached, (plain, "the text")]), "\"the text\""),
        (multipart("mixed", &[png, attached]), "\"\""),
        (multipart("mixed", &[("Content-Type: message/rfc822", "Subject: x\r\n\r\ninner text")]), "\"inner text\""),
        (multipart("encrypted", &[("Content-Type: application/pgp-encrypted", "Version: 1"), png]), "\"\""),
        ("Content-Type: application/pkcs7-mime\r\n\r\nMIAG".to_owned(), "\"\""),
    ] {
        assert_eq!(preview(&message).await, want, "{message}");
    }
}

#[tokio::test]
async fn no_octets_that_a_string_cannot_hold() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    // Every octet, in every encoding and under several charsets.
    for encoding in ["8bit", "base64", "quoted-printable"] {
        for charset in ["us-ascii", "utf-8", "iso-2022-jp", "utf-16", "x-unknown"] {
            let header =
                format!("Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
            let mut message = header.into_bytes();
            message.extend((0..=255).filter(|b| !matches!(b, 0 | b'\r' | b'\n')));
            message.extend_from_slice(b"=00=01=0D=FF AAECA/8= end\r\n");
            c.raw(format!("x APPEND INBOX {{{}+}}\r\n", message.len())).await;
            c.raw(&message).await;
            c.c("").await;
            let (_, tagged) = c.finish("x").await;
            assert!(tagged.starts_with("OK"), "{tagged}");
        }
    }
    for line in c.ok("FETCH 1:* PREVIEW").await {
        let at = line.find(" FETCH (PREVIEW ").unwrap_or_else(|| panic!("{line}"));
        let value = &line[at + " FETCH (PREVIEW ".len()..];
        let text = value.split_once("}\r\n").map_or(value, |(_, text)| text);
        assert!(!text.chars().any(char::is_control), "{line:?}");
    }
}

#[tokio::test]
async fn among_other_items_and_of_many_messages() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    let lines = c.ok("UID FETCH 1:* (FLAGS PREVIEW (LAZY) BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await;
    let want = |n| {
        format!(
            "* {n} FETCH (UID {n} FLAGS (\\Recent) PREVIEW \"Hello Bob from Ann\" \
             BODY[HEADER.FIELDS (SUBJECT)] {{22}}\r\nSubject: Greetings\r\n\r\n)"
        )
    };
    assert_eq!(lines, [want(1), want(2), want(3)]);
    let capabilities = c.ok("CAPABILITY").await.concat();
    assert!(capabilities.contains(" BINARY") && capabilities.contains(" PREVIEW"), "{capabilities}");
}
