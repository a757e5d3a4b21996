//! IDLE: word of every change at once, and nothing lost on the way in or out.

use crate::harness::{MESSAGE, TestServer};

#[tokio::test]
async fn idle_hears_arrivals_flags_and_expunges() {
    let server = TestServer::start().await;
    server.fill(2).await;
    let (mut idler, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    idler.c("i IDLE").await;
    idler.s("+ *").await;
    other.append("INBOX", "", MESSAGE).await;
    idler.s("* 3 EXISTS").await;
    idler.s("* * RECENT").await;
    other.ok("STORE 1 +FLAGS (\\Flagged)").await;
    idler.s("* 1 FETCH (FLAGS (\\Flagged*").await;
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    idler.s("* 1 FETCH (FLAGS (\\Flagged \\Deleted*").await;
    other.ok("EXPUNGE").await;
    idler.s("* 1 EXPUNGE").await;
    // Rule 8: DONE, in any case, and the next command in one segment.
    idler.raw("done\r\nn NOOP\r\n").await;
    idler.s("i OK *").await;
    idler.s("n OK *").await;
}

#[tokio::test]
async fn rule_40_nothing_is_lost_between_the_last_response_and_idle() {
    let server = TestServer::start().await;
    let (mut idler, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    other.append("INBOX", "", MESSAGE).await;
    idler.c("i IDLE").await;
    idler.s("+ *").await;
    idler.s("* 1 EXISTS").await;
    idler.s("* * RECENT").await;
    idler.c("DONE").await;
    idler.s("i OK *").await;
}

#[tokio::test]
async fn rule_40_idle_without_a_selected_mailbox_and_at_its_deletion() {
    let server = TestServer::start().await;
    let mut c = server.login().await;
    c.c("i IDLE").await;
    c.s("+ *").await;
    c.c("DONE").await;
    c.s("i OK *").await;
    c.ok("CREATE box").await;
    let mut idler = server.selected("box").await;
    idler.c("i IDLE").await;
    idler.s("+ *").await;
    c.ok("DELETE box").await;
    idler.s("* BYE *").await;
    idler.end().await;
}

#[tokio::test]
async fn something_else_than_done_ends_idle_with_bad() {
    let mut c = TestServer::start().await.selected("INBOX").await;
    c.c("i IDLE").await;
    c.s("+ *").await;
    c.c("x NOOP").await;
    c.s("i BAD *").await;
    c.ok("NOOP").await;
}

#[tokio::test]
async fn idle_clients_of_many_devices_all_hear() {
    let server = TestServer::start().await;
    let mut idlers = Vec::new();
    for n in 0..20 {
        let mut idler = server.selected("INBOX").await;
        idler.c(&format!("i{n} IDLE")).await;
        idler.s("+ *").await;
        idlers.push(idler);
    }
    server.fill(1).await;
    for idler in &mut idlers {
        idler.s("* 1 EXISTS").await;
    }
}

#[tokio::test]
async fn only_mail_that_finds_the_client_idle_counts_as_pushed() {
    const PUSHES: &str = "tributary_new_mail_push_seconds_count";
    let server = TestServer::start().await;
    let (mut idler, mut other) = (server.selected("INBOX").await, server.selected("INBOX").await);
    // Thunderbird pauses for two seconds between DONE and the next IDLE; that is no delay of ours.
    other.append("INBOX", "", MESSAGE).await;
    idler.c("i IDLE").await;
    idler.s("+ *").await;
    idler.s("* 1 EXISTS").await;
    idler.s("* * RECENT").await;
    idler.c("DONE").await;
    idler.s("i OK *").await;
    assert_eq!(server.metric(PUSHES), "0");
    idler.c("j IDLE").await;
    idler.s("+ *").await;
    other.append("INBOX", "", MESSAGE).await;
    idler.s("* 2 EXISTS").await;
    idler.s("* * RECENT").await;
    idler.c("DONE").await;
    idler.s("j OK *").await;
    assert_eq!(server.metric(PUSHES), "1");
}
