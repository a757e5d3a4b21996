//! Rule 40: IDLE, and the end of the selected mailbox.

use super::device::{Device, Mode, login_in, pair};
use super::told::Told::{Exists, Highest};
use super::told::{flags, gone};

in_every_mode! {
    rule_40_nothing_is_lost_between_the_last_reply_and_idle
    rule_40_whatever_happens_when_idle_begins_and_ends
    rule_40_idle_without_a_selected_mailbox
    rule_40_done_in_any_case
    rule_40_the_end_of_the_selected_mailbox
    rule_40_a_mailbox_that_is_renamed_goes_on
}

async fn rule_40_nothing_is_lost_between_the_last_reply_and_idle(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 3).await;
    a.ok("NOOP").await;
    b.store(&[1], "+FLAGS (\\Flagged)").await;
    b.expunge(&[2]).await;
    b.append("INBOX", "").await;
    let tag = a.begin("IDLE").await;
    a.c.s("+ *").await;
    assert_eq!(a.hears().await, [gone(&[2])]);
    assert_eq!(a.hears().await, [Exists(3)]);
    assert_eq!(a.hears().await, [flags(1, "\\Flagged")]);
    // And between two idles.
    a.c.raw("DONE\r\n").await;
    assert_eq!(a.finish(&tag).await.0, mode.told([Highest]));
    b.store(&[3], "+FLAGS (\\Seen)").await;
    let tag = a.begin("IDLE").await;
    a.c.s("+ *").await;
    assert_eq!(a.hears().await, [flags(3, "\\Seen")]);
    a.c.raw("DONE\r\n").await;
    assert_eq!(a.finish(&tag).await, (vec![], "OK IDLE completed".to_owned()));
    a.agrees(&server).await;
}

/// One device goes in and out of IDLE while the other changes things all the time.
async fn rule_40_whatever_happens_when_idle_begins_and_ends(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 12).await;
    let busy = tokio::spawn(async move {
        for uid in 1..=10 {
            b.store(&[uid], "+FLAGS (\\Flagged)").await;
            b.append("INBOX", "").await;
            b.expunge(&[uid]).await;
        }
        b
    });
    while !busy.is_finished() {
        let tag = a.begin("IDLE").await;
        a.c.s("+ *").await;
        a.c.raw("DONE\r\n").await;
        a.finish(&tag).await;
    }
    let mut b = busy.await.unwrap();
    let tag = a.begin("IDLE").await;
    a.c.s("+ *").await;
    a.c.raw("DONE\r\n").await;
    a.finish(&tag).await;
    assert_eq!(a.view, (11..=22).collect::<Vec<_>>());
    // Nothing is left for NOOP.
    assert_eq!(a.ok("NOOP").await, []);
    a.agrees(&server).await;
    b.agrees(&server).await;
}

async fn rule_40_idle_without_a_selected_mailbox(mode: Mode) {
    let server = crate::harness::TestServer::start().await;
    let mut c = login_in(&server, mode).await;
    for _ in 0..2 {
        c.c("i IDLE").await;
        c.s("+ *").await;
        server.fill(1).await;
        c.c("DONE").await;
        c.s("i OK *").await;
    }
    c.ok("SELECT INBOX").await;
    c.ok("UNSELECT").await;
    c.c("i IDLE").await;
    c.s("+ *").await;
    c.c("DONE").await;
    c.s("i OK *").await;
}

async fn rule_40_done_in_any_case(mode: Mode) {
    let (_server, mut a, _) = pair(mode, 1).await;
    for done in ["DONE", "done", "DoNe"] {
        let tag = a.begin("IDLE").await;
        a.c.s("+ *").await;
        a.c.raw(format!("{done}\r\n")).await;
        assert_eq!(a.finish(&tag).await.1, "OK IDLE completed");
    }
}

/// A clean BYE: nothing that could be told about its messages would be true.
async fn rule_40_the_end_of_the_selected_mailbox(mode: Mode) {
    let server = crate::harness::TestServer::start().await;
    let mut own = login_in(&server, mode).await;
    own.ok("CREATE box").await;
    own.append("box", "", crate::harness::MESSAGE).await;
    own.ok("SELECT box").await;
    let mut others = Vec::new();
    for command in ["NOOP", "UID FETCH 1:* (FLAGS)", "UID STORE 1 +FLAGS (\\Seen)", "IDLE"] {
        let mut other = Device::in_mailbox(&server, mode, "box").await;
        if command == "IDLE" {
            other.c.c("i IDLE").await;
            other.c.s("+ *").await;
        }
        others.push((command, other));
    }
    // Who deletes it itself goes on without.
    assert_eq!(own.ok("DELETE box").await, ["* OK [CLOSED] The selected mailbox was deleted"]);
    own.expect("UID FETCH 1 (FLAGS)", "BAD Select a mailbox first").await;
    own.ok("SELECT INBOX").await;
    for (command, mut other) in others {
        if command != "IDLE" {
            other.c.c(&format!("x {command}")).await;
        }
        loop {
            let line = other.c.response().await.unwrap_or_else(|| panic!("{command}: no BYE"));
            if line.starts_with("* BYE ") {
                break;
            }
            assert!(!line.starts_with("x OK"), "{command}: {line}");
        }
        other.c.end().await;
    }
    // Made again it is another mailbox, with a larger UIDVALIDITY.
    own.ok("CREATE box").await;
    own.ok("SELECT box").await;
}

async fn rule_40_a_mailbox_that_is_renamed_goes_on(mode: Mode) {
    let server = crate::harness::TestServer::start().await;
    let mut c = login_in(&server, mode).await;
    c.ok("CREATE box").await;
    let mut a = Device::in_mailbox(&server, mode, "box").await;
    let tag = a.begin("IDLE").await;
    a.c.s("+ *").await;
    c.ok("RENAME box other").await;
    c.append("other", "", crate::harness::MESSAGE).await;
    assert_eq!(a.hears().await, [Exists(1)]);
    a.c.raw("DONE\r\n").await;
    assert!(a.finish(&tag).await.1.starts_with("OK"));
    assert_eq!(a.store(&[1], "+FLAGS (\\Seen)").await, [flags(1, "\\Seen")]);
}
