//! Rules 1 to 3: when expunges are told, and what sequence numbers mean then.

use super::device::{Device, Mode, pair};
use super::told::Told::{Data, Exists, HeldBack, Highest};
use super::told::{flags, gone, line};
use crate::harness::MESSAGE;

in_every_mode! {
    rule_01_no_expunge_while_numbers_are_in_use
    rule_01_nor_behind_another_command
    rule_01_uid_forms_may_tell_expunges
    rule_01_noop_check_and_idle_must_tell_them
    rule_01_nothing_while_no_command_is_running
    rule_02_exists_never_shrinks
    rule_02_what_came_and_went_is_never_counted
    rule_03_numbers_shift_after_each_expunge
    rule_03_numbers_mean_the_same_to_both_afterwards
}

/// Commands by number, and sets of numbers within UID commands.
const BY_NUMBER: [&str; 8] = [
    "FETCH 1:3 (RFC822.SIZE)",
    "FETCH 1 BODY.PEEK[TEXT]",
    "STORE 2 +FLAGS (\\Seen)",
    "SEARCH ALL",
    "SORT (SIZE) UTF-8 ALL",
    "THREAD ORDEREDSUBJECT UTF-8 ALL",
    "UID SEARCH 1:3",
    "UID SORT (SIZE) UTF-8 1:3",
];

async fn rule_01_no_expunge_while_numbers_are_in_use(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 3).await;
    b.expunge(&[1]).await;
    for command in BY_NUMBER {
        let (told, tagged) = a.run(command).await;
        assert_eq!(a.view, [1, 2, 3], "{command}");
        // Held back or not, what it was told is enough to come back with.
        a.could_come_back(&server, command).await;
        if mode.by_uid() {
            // RFC 9586: no number is in use, but FETCH, STORE and SEARCH are what they are.
            assert!(tagged.starts_with("BAD [UIDREQUIRED]"), "{command}: {tagged}");
        } else {
            assert!(tagged.starts_with("OK"), "{command}: {tagged}");
            assert_eq!(told.last() == Some(&Highest), mode.has_mod_seqs(), "{command}: {told:?}");
        }
    }
    // New mail may be told at any time, and is numbered after what is held back.
    b.append("INBOX", "").await;
    a.run("SEARCH UNSEEN").await;
    assert_eq!(a.view, [1, 2, 3, 4]);
    a.tells("NOOP", [gone(&[1]), Highest]).await;
    a.agrees(&server).await;
}

async fn rule_01_nor_behind_another_command(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 3).await;
    b.expunge(&[2]).await;
    // Whatever runs before or after: in the answers to these nothing is told, and at NOOP everything.
    let commands = ["FETCH 3 (UID)", "SEARCH ALL", "FETCH 3 (UID)", "STORE 3 +FLAGS (\\Seen)", "NOOP", "FETCH 2 (UID)"];
    let answers = a.pipeline(&commands.map(str::to_owned)).await;
    for (answer, command) in answers.iter().zip(commands) {
        let tells = answer.0.iter().any(|told| matches!(told, super::told::Told::Gone(_)));
        assert_eq!(tells, command == "NOOP", "{mode:?}: {command}: {answer:?}");
    }
    assert_eq!(a.view, [1, 3]);
    a.agrees(&server).await;
}

async fn rule_01_uid_forms_may_tell_expunges(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 7).await;
    // A third session is there to make COPY and MOVE count.
    let commands = [
        "UID FETCH 7 (UID)",
        "UID STORE 7 +FLAGS (\\Seen)",
        "UID SEARCH UNSEEN UID 1:9",
        "UID SORT (SIZE) UTF-8 DELETED",
        "UID COPY 7 Archive",
        "UID THREAD ORDEREDSUBJECT UTF-8 DELETED",
    ];
    for (command, uid) in commands.into_iter().zip(1..) {
        b.expunge(&[uid]).await;
        let told = a.ok(command).await;
        assert!(told.contains(&gone(&[uid])), "{mode:?}: {command}: {told:?}");
        a.could_come_back(&server, command).await;
    }
    assert_eq!(a.view, [7]);
}

async fn rule_01_noop_check_and_idle_must_tell_them(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 6).await;
    for (command, uids) in [("NOOP", [1, 4]), ("CHECK", [3, 6])] {
        b.expunge(&uids).await;
        a.tells(command, [gone(&uids), Highest]).await;
    }
    // What happened before IDLE, and what happens within it.
    b.expunge(&[2]).await;
    let tag = a.begin("IDLE").await;
    a.c.s("+ *").await;
    assert_eq!(a.hears().await, [gone(&[2])]);
    b.expunge(&[5]).await;
    a.hears_of_end(5).await;
    a.c.raw("DONE\r\n").await;
    let (told, tagged) = a.finish(&tag).await;
    assert!(tagged.starts_with("OK"), "{tagged}");
    assert_eq!(told, mode.told([Highest]));
    a.agrees(&server).await;
}

/// RFC 9051 section 7.5.1: "MUST NOT be sent when no command is in progress".
async fn rule_01_nothing_while_no_command_is_running(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 4).await;
    let mut witness = Device::new(&server, mode).await;
    witness.begin("IDLE").await;
    witness.c.s("+ *").await;
    b.expunge(&[2]).await;
    witness.hears_of_end(2).await;
    assert!(a.c.is_quiet(), "{mode:?}");
    b.store(&[3], "+FLAGS (\\Flagged)").await;
    b.expunge(&[4]).await;
    witness.hears_of_end(4).await;
    assert!(a.c.is_quiet(), "{mode:?}");
    a.tells("NOOP", [gone(&[2, 4]), flags(3, "\\Flagged"), Highest]).await;
}

async fn rule_02_exists_never_shrinks(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 3).await;
    b.expunge(&[1, 2]).await;
    // One message came and two went: what is told by number grows by one. The device itself fails where EXISTS shrinks.
    b.append("INBOX", "").await;
    let (told, _) = a.run("FETCH 3 (UID)").await;
    assert_eq!(told, mode.told([Exists(4), if mode.by_uid() { Highest } else { HeldBack }]), "{mode:?}");
    assert_eq!(a.view, [1, 2, 3, 4]);
    // In one answer the expunges come first, so that EXISTS counts what is left and what is new.
    b.append("INBOX", "").await;
    a.tells("NOOP", [gone(&[1, 2]), Exists(3), Highest]).await;
    // APPEND and COPY to the mailbox itself, with an expunge by another before.
    b.ok("NOOP").await;
    b.expunge(&[3]).await;
    assert_eq!(a.append("INBOX", "").await, mode.told([gone(&[3]), Exists(3), Highest]));
    b.ok("NOOP").await;
    b.expunge(&[4]).await;
    a.tells("UID COPY 5:6 INBOX", [gone(&[4]), Exists(4), Highest]).await;
    assert_eq!(a.view, [5, 6, 7, 8]);
    a.agrees(&server).await;
    b.agrees(&server).await;
}

async fn rule_02_what_came_and_went_is_never_counted(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 1).await;
    b.append("INBOX", "(\\Deleted) ").await;
    b.ok("EXPUNGE").await;
    assert_eq!(a.ok("NOOP").await, []);
    // Shown, it is told of.
    (a.next, b.next) = (3, 3);
    b.append("INBOX", "").await;
    assert_eq!(a.ok("NOOP").await, [Exists(2)]);
    b.expunge(&[3]).await;
    a.tells("NOOP", [gone(&[3]), Highest]).await;
    a.agrees(&server).await;
}

/// The device takes each EXPUNGE from what the ones before it left: wrong numbers are wrong messages.
async fn rule_03_numbers_shift_after_each_expunge(mode: Mode) {
    for uids in [&[1, 2][..], &[2, 1], &[7, 8], &[1, 3, 5, 7], &[1, 2, 3, 4, 5, 6, 7, 8], &[4], &[2, 3, 4, 6]] {
        let (server, mut a, mut b) = pair(mode, 8).await;
        let mut sorted = uids.to_vec();
        sorted.sort_unstable();
        // One at a time as well as all at once.
        if uids == [2, 1] {
            b.expunge(&[2]).await;
            b.expunge(&[1]).await;
        } else {
            b.expunge(uids).await;
        }
        a.tells("NOOP", [gone(&sorted), Highest]).await;
        a.agrees(&server).await;
        b.agrees(&server).await;
    }
}

async fn rule_03_numbers_mean_the_same_to_both_afterwards(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 9).await;
    b.expunge(&[2, 3, 8]).await;
    let (told, tagged) = b.run("UID MOVE 5:6 Archive").await;
    assert!(tagged.starts_with("OK"), "{told:?} {tagged}");
    a.ok("NOOP").await;
    assert_eq!(a.view, [1, 4, 7, 9]);
    for device in [&mut a, &mut b] {
        for uid in [1, 4, 7, 9] {
            let command = device.command("FETCH", &[uid], "(UID RFC822.SIZE)");
            let told = device.ok(&command).await;
            assert_eq!(told, [Data(uid, format!("RFC822.SIZE {}", MESSAGE.len()))], "{command}");
        }
    }
    // Numbers past the end are out of range for both (UIDs are not).
    let (past_the_end, answer) = if mode.by_uid() { ("UID FETCH 5 (UID)", "OK") } else { ("FETCH 5 (UID)", "BAD") };
    assert_eq!(a.refused(past_the_end, answer).await, []);
    let searched = if mode.by_uid() { "UID SEARCH ALL" } else { "SEARCH ALL" };
    let want = if mode.by_uid() { "SEARCH 1 4 7 9" } else { "SEARCH 1 2 3 4" };
    assert_eq!(a.ok(searched).await, [line(want)]);
    a.agrees(&server).await;
}
