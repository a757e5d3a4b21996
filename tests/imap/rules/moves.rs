//! Rule 30: MOVE as others see it.

use super::device::{Device, Mode, pair};
use super::told::Told::{Exists, Highest, Line};
use super::told::{Told, flags, gone, set};

in_every_mode! {
    rule_30_move_is_copyuid_then_expunge_and_one_step_for_others
    rule_30_move_within_the_mailbox
    rule_30_a_move_that_is_done_already
    rule_30_two_moves_of_one_message
    rule_30_no_target_and_what_is_gone
}

/// `OK [COPYUID v from to]`
fn is_copy_uid(told: &Told, from: &str, to: &str) -> bool {
    matches!(told, Line(line) if line.starts_with("OK [COPYUID ") && line.contains(&format!(" {from} {to}] ")))
}

async fn rule_30_move_is_copyuid_then_expunge_and_one_step_for_others(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 4).await;
    let mut target = Device::in_mailbox(&server, mode, "Archive").await;
    b.store(&[2], "+FLAGS (\\Flagged)").await;
    let command = a.command("MOVE", &[2, 3], "Archive");
    let (told, tagged) = a.run(&command).await;
    assert!(is_copy_uid(&told[0], "2:3", "1:2"), "{told:?}");
    assert_eq!(told[1..], [gone(&[2, 3])], "{mode:?}");
    // HIGHESTMODSEQ is the code of the tagged OK (RFC 7162 section 3.2.9).
    let code = if mode.has_mod_seqs() { "OK [HIGHESTMODSEQ " } else { "OK MOVE" };
    assert!(tagged.starts_with(code) || tagged.starts_with("OK UID MOVE"), "{tagged}");
    assert_eq!(tagged.contains("HIGHESTMODSEQ"), mode.has_mod_seqs());
    b.tells("NOOP", [gone(&[2, 3]), Highest]).await;
    assert_eq!(target.ok("NOOP").await, [Exists(2)]);
    target.ok("UID FETCH 1:* (UID FLAGS)").await;
    assert_eq!(target.cache[&1], "\\Flagged");
    a.agrees(&server).await;
    a.could_come_back(&server, "MOVE").await;
}

async fn rule_30_move_within_the_mailbox(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 3).await;
    let command = a.command("MOVE", &[1], "INBOX");
    let told = a.ok(&command).await;
    assert!(is_copy_uid(&told[0], "1", "4"), "{told:?}");
    assert_eq!(told[1..], [gone(&[1]), Exists(3)], "{mode:?}");
    b.tells("NOOP", [gone(&[1]), Exists(3), Highest]).await;
    assert_eq!((&a.view, &b.view), (&vec![2, 3, 4], &vec![2, 3, 4]));
    a.agrees(&server).await;
    b.agrees(&server).await;
}

async fn rule_30_a_move_that_is_done_already(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 2).await;
    a.ok("UID MOVE 1 Archive").await;
    assert_eq!(a.ok("UID MOVE 1 Archive").await, []);
    // The other one has not heard of it, and hears it instead.
    b.tells("UID MOVE 1 Archive", [gone(&[1])]).await;
    let mut target = Device::in_mailbox(&server, mode, "Archive").await;
    assert_eq!(target.view, [1]);
    assert_eq!(target.ok("NOOP").await, []);
    a.agrees(&server).await;
    b.agrees(&server).await;
}

/// Whoever comes first; the message is then in exactly one place.
async fn rule_30_two_moves_of_one_message(mode: Mode) {
    let (server, a, b) = pair(mode, 6).await;
    let racing = [(a, "Archive"), (b, "Trash")].map(|(mut device, mailbox)| {
        tokio::spawn(async move {
            let commands = (1..=6).map(|uid| format!("UID MOVE {uid} {mailbox}")).collect::<Vec<_>>();
            let mut moved = Vec::new();
            for ((told, tagged), uid) in device.pipeline(&commands).await.into_iter().zip(1..=6) {
                assert!(tagged.starts_with("OK"), "{tagged}");
                let copied = told.iter().any(|told| matches!(told, Line(line) if line.contains("[COPYUID ")));
                moved.extend(copied.then_some(uid));
            }
            assert!(device.view.is_empty(), "{:?}", device.view);
            moved
        })
    });
    let mut all = Vec::new();
    for (task, mailbox) in racing.into_iter().zip(["Archive", "Trash"]) {
        let moved = task.await.unwrap();
        let there = Device::in_mailbox(&server, mode, mailbox).await;
        assert_eq!(there.view.len(), moved.len(), "{mailbox}");
        all.extend(moved);
    }
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4, 5, 6]);
}

async fn rule_30_no_target_and_what_is_gone(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 4).await;
    let command = a.command("MOVE", &[1], "nowhere");
    assert_eq!(a.refused(&command, "NO [TRYCREATE] ").await, []);
    b.expunge(&[2]).await;
    // By number all or nothing: NO, and the expunge may be told; by UID what is there is moved.
    let command = a.command("MOVE", &[1, 2], "Archive");
    if mode.by_uid() {
        let told = a.ok(&command).await;
        assert!(is_copy_uid(&told[0], "1", "1"), "{told:?}");
        assert_eq!(told[1..], [gone(&[1, 2])]);
    } else {
        let (told, tagged) = a.run("FETCH 1 (UID)").await;
        assert!(tagged.starts_with("OK") && a.view.len() == 4, "{told:?}");
        let told = a.refused(&command, "NO [EXPUNGEISSUED] ").await;
        assert_eq!(told, mode.told([gone(&[2]), Highest]));
        assert_eq!(a.view, [1, 3, 4]);
    }
    b.store(&[3], "+FLAGS (\\Seen)").await;
    let told = a.ok(&format!("UID MOVE {} Archive", set(&[2, 3]))).await;
    assert!(told.contains(&gone(&[3])), "{told:?}");
    assert!(!told.contains(&flags(3, "\\Seen")), "not any more: {told:?}");
    a.agrees(&server).await;
    b.agrees(&server).await;
}
