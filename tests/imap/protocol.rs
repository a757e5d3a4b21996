//! Tags, pipelining, splitting, literals, and malformed commands.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::harness::{DEADLINE, TestServer};

#[tokio::test]
async fn a_malformed_command_gets_bad_with_its_tag() {
    let mut c = TestServer::start().await.selected("INBOX").await;
    for wrong in
        ["FETCH", "FETCH 1", "FETCH x FLAGS", "STORE 1 FLAGS", "SEARCH", "FOO bar", "SELECT", "UID NOOP", "APPEND"]
    {
        c.expect(wrong, "BAD *").await;
    }
    c.c("").await;
    c.s("* BAD *").await;
    c.ok("NOOP").await;
}

#[tokio::test]
async fn rule_07_pipelined_commands_are_answered_in_order() {
    let server = TestServer::start().await;
    server.fill(3).await;
    let mut c = server.selected("INBOX").await;
    c.raw("a STORE 1 +FLAGS (\\Deleted)\r\nb EXPUNGE\r\nc FETCH 1 (UID)\r\nd NOOP\r\n").await;
    c.s("* 1 FETCH (FLAGS (\\Deleted *").await;
    c.s("a OK *").await;
    c.s("* 1 EXPUNGE").await;
    c.s("b OK *").await;
    c.s("* 1 FETCH (UID 2)").await;
    c.s("c OK *").await;
    c.s("d OK *").await;
}

#[tokio::test]
async fn rule_08_input_split_at_every_byte() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    for byte in b"a LOGIN {5+}\r\nalice \"secret\"\r\nb SELECT inbox\r\n" {
        c.raw([*byte]).await;
    }
    c.s("a OK *").await;
    for _ in 0..7 {
        c.response().await.unwrap();
    }
    c.c("z NOOP").await;
    let (_, tagged) = c.finish("z").await;
    assert!(tagged.starts_with("OK"));
}

#[tokio::test]
async fn rule_39_literals_too_large_are_refused_before_their_octets() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.expect("LOGIN {1025}", "BAD *").await;
    c.c("a LOGIN {1024}").await;
    c.s("+ *").await;
    c.raw(format!("{} x\r\n", "u".repeat(1024))).await;
    c.s("a NO [AUTHENTICATIONFAILED] *").await;
    c.expect(&format!("LOGIN {{1025+}}\r\n{} x", "u".repeat(1025)), "BAD *").await;
    c.ok("LOGIN alice secret").await;
    c.expect("SELECT {131073}", "BAD *").await;
    c.ok("NOOP").await;
}

#[tokio::test]
async fn rule_39_lines_of_64_kib_work_after_login() {
    let mut c = TestServer::start().await.selected("INBOX").await;
    let set: Vec<String> = (1..11_000).map(|n| n.to_string()).collect();
    let command = format!("UID FETCH {} (FLAGS)", set.join(","));
    assert!(command.len() > 50_000);
    c.ok(&command).await;
    c.expect(&format!("NOOP{}", " ".repeat(70_000)), "BAD *").await;
}

/// What comes with STARTTLS in one segment may be an injection: it is answered neither in clear nor under TLS.
#[tokio::test]
async fn rule_39_nothing_sent_before_tls_survives_starttls() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.raw("a STARTTLS\r\nb NOOP\r\nc LOGIN alice secret\r\nd APPEND INBOX {5+}\r\n").await;
    c.s("a OK *").await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(server.roots.clone())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, c.into_stream());
    let mut stream = BufReader::new(timeout(DEADLINE, connected).await.expect("in time").expect("a handshake"));
    for (sent, answers) in [
        ("e CAPABILITY", &["* CAPABILITY ", "e OK "][..]),
        ("f STARTTLS", &["f BAD "]),
        ("g SELECT INBOX", &["g BAD "]),
        ("h LOGIN alice secret", &["h OK [CAPABILITY "]),
        ("i STATUS INBOX (MESSAGES)", &["* STATUS INBOX (MESSAGES 0)", "i OK "]),
    ] {
        stream.write_all(format!("{sent}\r\n").as_bytes()).await.expect("send");
        for answer in answers {
            let mut line = String::new();
            timeout(DEADLINE, stream.read_line(&mut line)).await.expect("in time").expect("read");
            assert!(line.starts_with(answer) && !line.contains(" STARTTLS"), "{sent}: {line}");
        }
    }
}

/// A client that errs now and then is not a flood of nonsense: only errors one after the other are counted.
#[tokio::test]
async fn bad_commands_between_good_ones_do_not_end_the_session() {
    let mut c = TestServer::start().await.selected("INBOX").await;
    for _ in 0..30 {
        c.expect("FETCH 1 (NONSENSE)", "BAD *").await;
        c.ok("NOOP").await;
    }
}

#[tokio::test]
async fn spaces_within_parentheses_are_overlooked() {
    let server = TestServer::start().await;
    server.fill(1).await;
    let mut c = server.selected("INBOX").await;
    c.ok("ID ( \"name\" \"x\" )").await;
    assert_eq!(c.ok("FETCH 1 ( UID  FLAGS )").await, ["* 1 FETCH (UID 1 FLAGS (\\Recent))"]);
    c.ok("STORE 1 +FLAGS.SILENT ( )").await;
    c.expect("FETCH 1 (UID FLAGS", "BAD *").await;
}

#[tokio::test]
async fn rule_08_done_and_the_next_command_in_one_segment_or_octet_by_octet() {
    let mut c = TestServer::start().await.selected("INBOX").await;
    for done in ["DONE", "done", "Done"] {
        c.raw("i IDLE\r\n").await;
        c.s("+ *").await;
        c.raw(format!("{done}\r\nn NOOP\r\ns SEARCH {{3+}}\r\nALL\r\nj IDLE\r\n")).await;
        c.s("i OK *").await;
        c.s("n OK *").await;
        c.s("s BAD *").await;
        c.s("+ *").await;
        for octet in format!("{done}\r\nn NOOP\r\n").bytes() {
            c.raw([octet]).await;
        }
        c.s("j OK *").await;
        c.s("n OK *").await;
    }
}

#[tokio::test]
async fn rule_08_literals_split_anywhere() {
    let server = TestServer::start().await;
    let wire = b"a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\nb STATUS {5+}\r\nINBOX (MESSAGES)\r\n";
    for at in 1..wire.len() {
        let mut c = server.connect().await;
        c.raw(&wire[..at]).await;
        c.raw(&wire[at..]).await;
        c.s("a OK *").await;
        c.s("* STATUS INBOX (MESSAGES 0)").await;
        c.s("b OK *").await;
    }
}

/// A line without a tag gets an untagged BAD, any other one its tag back.
#[tokio::test]
async fn every_line_that_is_no_command_is_answered() {
    let mut c = TestServer::start().await.login().await;
    let long = "t".repeat(60_000);
    for (line, answer) in [
        ("", "* BAD *"),
        (" ", "* BAD *"),
        ("* NOOP", "* BAD *"),
        ("+ NOOP", "* BAD *"),
        ("\u{feff}a NOOP", "* BAD *"),
        ("A1", "A1 BAD *"),
        ("A1 ", "A1 BAD *"),
        ("A1  NOOP", "A1 BAD *"),
        ("A1 BLURDYBLOOP", "A1 BAD *"),
        ("A1 XATOM x y z", "A1 BAD *"),
        ("A1 DONE", "A1 BAD *"),
        ("A1 UID", "A1 BAD *"),
        (&format!("{long} FOO"), &format!("{long} BAD *")),
        (&format!("{long} NOOP"), &format!("{long} OK *")),
    ] {
        c.c(line).await;
        c.s(answer).await;
    }
    // A bare LF ends a line too.
    c.raw("x NOOP\n").await;
    c.s("x OK *").await;
}

/// What a browser can be made to send (a request whose body is a command) ends before its body.
#[tokio::test]
async fn http_requests_are_cut_at_their_headers() {
    let server = TestServer::start().await;
    for request in [
        "GET / HTTP/1.1\r\nHost: mail\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: mail\r\nContent-Length: 30\r\nOrigin: http://x\r\n\r\na LOGIN alice secret\r\n",
    ] {
        let mut c = server.connect().await;
        c.raw(request).await;
        let mut lines = Vec::new();
        while let Some(line) = c.response().await {
            lines.push(line);
        }
        assert!(lines.iter().all(|line| line.contains(" BAD ") || line.starts_with("* BYE ")), "{lines:?}");
        assert!(lines.last().is_some_and(|line| line.starts_with("* BYE ")), "{lines:?}");
        assert!(lines.len() <= 4, "{lines:?}");
    }
}

#[tokio::test]
async fn nothing_comes_after_bye_but_the_answer_to_logout() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    c.raw("a LOGOUT\r\nb NOOP\r\nc FETCH 1 FLAGS\r\n").await;
    c.s("* BYE *").await;
    c.s("a OK *").await;
    c.end().await;
    let mut c = server.connect().await;
    c.expect("LOGOUT now", "BAD *").await;
    c.c("a logout").await;
    c.s("* BYE *").await;
    c.s("a OK *").await;
    c.end().await;
}

/// Whatever the session does when the server stops: idle, waiting, in the middle of a SASL exchange.
#[tokio::test]
async fn a_server_that_stops_says_bye() {
    let server = TestServer::start().await;
    let (mut resting, mut idle, mut login) =
        (server.login().await, server.selected("INBOX").await, server.connect().await);
    idle.c("i IDLE").await;
    idle.s("+ *").await;
    login.c("a AUTHENTICATE PLAIN").await;
    login.s("+ ").await;
    server.stop();
    for c in [&mut resting, &mut idle, &mut login] {
        c.s("* BYE [UNAVAILABLE] *").await;
        c.end().await;
    }
}

#[tokio::test]
async fn id_takes_as_much_as_its_rfc_allows() {
    let mut c = TestServer::start().await.login().await;
    let pairs = |n: usize| (0..n).map(|i| format!("\"k{i}\" \"v\"")).collect::<Vec<_>>().join(" ");
    assert_eq!(c.ok("ID NIL").await.len(), 1);
    c.ok("ID ()").await;
    c.ok(&format!("ID ({})", pairs(30))).await;
    c.expect(&format!("ID ({})", pairs(31)), "BAD *").await;
    c.ok(&format!("ID (\"{}\" \"{}\")", "k".repeat(30), "v".repeat(1024))).await;
    c.expect(&format!("ID (\"{}\" \"v\")", "k".repeat(31)), "BAD *").await;
    c.expect(&format!("ID (\"k\" \"{}\")", "v".repeat(1025)), "BAD *").await;
    c.expect("ID", "BAD *").await;
}

#[tokio::test]
async fn sasl_exchanges_and_what_follows_them_in_one_segment() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    c.raw("a AUTHENTICATE PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\nb STATUS INBOX (MESSAGES)\r\n").await;
    c.s("+ ").await;
    c.s("a OK *").await;
    c.s("* STATUS INBOX (MESSAGES 0)").await;
    c.s("b OK *").await;
    let mut c = server.connect().await;
    // Cancelled, empty, no base64, the end of base64 missing: the exchange ends, the session does not.
    for (response, answer) in [
        ("*", "a BAD *"),
        ("", "a BAD *"),
        ("=", "a BAD *"),
        ("A", "a BAD *"),
        ("AGFsaWNl!", "a BAD *"),
        ("AA=A", "a BAD *"),
    ] {
        c.raw(format!("a AUTHENTICATE PLAIN\r\n{response}\r\nn NOOP\r\n")).await;
        c.s("+ ").await;
        c.s(answer).await;
        c.s("n OK *").await;
    }
    // At the limit of a line before login, and one octet past it.
    let fits = "A".repeat(8192);
    for (response, answer) in
        [(fits.clone(), "a BAD Malformed *"), (format!("{fits}A"), "a BAD The response is too long")]
    {
        c.c("a AUTHENTICATE PLAIN").await;
        c.s("+ ").await;
        c.c(&response).await;
        c.s(answer).await;
        c.ok("NOOP").await;
    }
    c.expect("AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA= x", "BAD *").await;
}
