//! Rules 14 and 15: flags from several devices.

use super::device::{Device, Mode, pair};
use super::told::Told::ModSeq;
use super::told::flags;

in_every_mode! {
    rule_14_changes_of_two_sessions_add_up
    rule_14_nothing_is_lost_when_they_come_at_once
    rule_15_silent_hides_ones_own_change_and_no_other
    rule_15_silent_that_changes_nothing
}

async fn rule_14_changes_of_two_sessions_add_up(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 2).await;
    assert_eq!(a.store(&[1], "+FLAGS (\\Seen)").await, [flags(1, "\\Seen")]);
    // The other one has not heard of it, and does not undo it; the answer shows both.
    assert_eq!(b.store(&[1], "+FLAGS (\\Flagged)").await, [flags(1, "\\Flagged \\Seen")]);
    assert_eq!(b.store(&[1], "-FLAGS (\\Answered)").await, [flags(1, "\\Flagged \\Seen")]);
    assert_eq!(a.ok("NOOP").await, [flags(1, "\\Flagged \\Seen")]);
    assert_eq!(a.store(&[1], "-FLAGS (\\Seen)").await, [flags(1, "\\Flagged")]);
    assert_eq!(b.store(&[1, 2], "+FLAGS (\\Draft)").await, [flags(1, "\\Draft \\Flagged"), flags(2, "\\Draft")]);
    // FLAGS replaces, whatever was there.
    assert_eq!(a.store(&[1], "FLAGS (\\Answered)").await, [flags(2, "\\Draft"), flags(1, "\\Answered")]);
    b.store(&[1], "+FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(a.ok("NOOP").await, [flags(1, "\\Answered \\Deleted")]);
    a.agrees(&server).await;
    b.agrees(&server).await;
}

/// Each device sets and takes away flags of its own, as fast as it can.
async fn rule_14_nothing_is_lost_when_they_come_at_once(mode: Mode) {
    let (server, a, b) = pair(mode, 3).await;
    let c = Device::new(&server, mode).await;
    let all = [(a, "\\Seen", "one"), (b, "\\Flagged", "two"), (c, "\\Answered", "three")];
    let work = all.map(|(mut device, flag, keyword)| {
        tokio::spawn(async move {
            for round in 0..8 {
                let silent = if round % 2 == 0 { "" } else { ".SILENT" };
                let store = |uids: &[u32], op: &str, name: &str| {
                    device.command("STORE", uids, &format!("{op}FLAGS{silent} ({name})"))
                };
                let commands = [
                    store(&[1, 2, 3], "+", flag),
                    store(&[1, 2, 3], "+", keyword),
                    store(&[1], "-", flag),
                    store(&[2], "-", keyword),
                ];
                for (_, tagged) in device.pipeline(&commands).await {
                    assert!(tagged.starts_with("OK"), "{tagged}");
                }
            }
            device
        })
    });
    let mut devices = Vec::new();
    for device in work {
        devices.push(device.await.unwrap());
    }
    let want = [
        (1, "one three two".to_owned()),
        (2, "\\Answered \\Flagged \\Seen".to_owned()),
        (3, "\\Answered \\Flagged \\Seen one three two".to_owned()),
    ];
    assert_eq!(super::device::truth(&server).await, want.into());
    for mut device in devices {
        // What it was not told since its own silent changes, it is told now.
        device.ok("NOOP").await;
        device.could_come_back(&server, "all at once").await;
    }
}

async fn rule_15_silent_hides_ones_own_change_and_no_other(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 4).await;
    // With CONDSTORE the mod-sequence is told all the same (RFC 7162 section 3.1.3).
    let told = a.store(&[1, 2], "+FLAGS.SILENT (\\Seen)").await;
    assert_eq!(told, mode.told([ModSeq(1), ModSeq(2)]));
    b.tells("NOOP", [flags(1, "\\Seen"), flags(2, "\\Seen")]).await;
    // Another device changed one of them, and one that is not named: both are told, and the rest is not.
    b.store(&[1, 4], "+FLAGS.SILENT (\\Flagged)").await;
    let told = a.store(&[1, 2, 3], "+FLAGS.SILENT (\\Answered)").await;
    let want = [flags(4, "\\Flagged"), flags(1, "\\Answered \\Flagged \\Seen"), ModSeq(2), ModSeq(3)];
    assert_eq!(told, mode.told(want));
    // What the other takes away as well.
    b.store(&[2], "-FLAGS.SILENT (\\Seen)").await;
    let told = a.store(&[2], "+FLAGS.SILENT (\\Draft)").await;
    assert_eq!(told, [flags(2, "\\Answered \\Draft")]);
    // FLAGS.SILENT settles what is there: nothing of the other's is left to tell.
    b.store(&[3], "+FLAGS.SILENT (\\Flagged)").await;
    let told = a.store(&[3], "FLAGS.SILENT (\\Seen)").await;
    assert_eq!(told, mode.told([ModSeq(3)]));
    // Between the silent change and the next command the other's is not lost.
    a.store(&[3], "+FLAGS.SILENT (\\Draft)").await;
    b.store(&[3], "+FLAGS.SILENT (\\Answered)").await;
    a.tells("NOOP", [flags(3, "\\Answered \\Draft \\Seen")]).await;
    a.agrees(&server).await;
    b.agrees(&server).await;
    a.could_come_back(&server, "silent changes").await;
}

async fn rule_15_silent_that_changes_nothing(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 2).await;
    a.store(&[1], "+FLAGS.SILENT (\\Seen)").await;
    b.ok("NOOP").await;
    // Nothing changed, and there is nothing to tell.
    assert_eq!(a.store(&[1], "+FLAGS.SILENT (\\Seen)").await, []);
    assert_eq!(b.ok("NOOP").await, []);
    // The other did just what is asked for: the device has it so, and with CONDSTORE hears of the mod-sequence.
    b.store(&[2], "+FLAGS.SILENT (\\Flagged)").await;
    let told = a.store(&[2], "+FLAGS.SILENT (\\Flagged)").await;
    assert_eq!(told, mode.told([ModSeq(2)]));
    // Loud, it is told again although nothing changed.
    assert_eq!(a.store(&[2], "+FLAGS (\\Flagged)").await, [flags(2, "\\Flagged")]);
    a.agrees(&server).await;
    a.could_come_back(&server, "silent changes of nothing").await;
}
