//! Tags, pipelining, splitting, literals, and malformed commands.

use crate::harness::TestServer;

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

#[tokio::test]
async fn starttls_upgrades_and_forgets_what_came_before() {
    let server = TestServer::start().await;
    let mut c = server.connect().await;
    // The NOOP in the same segment is an injection attempt: it must not be answered in clear or after.
    c.raw("a STARTTLS\r\nb NOOP\r\n").await;
    c.s("a OK *").await;
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
