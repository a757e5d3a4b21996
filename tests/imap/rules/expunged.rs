//! Rules 5 and 6: FETCH and STORE of a message that another device has expunged, before this one is told.

use super::device::{Device, Mode, pair};
use super::told::Told::{Data, Flags, HeldBack, Highest};
use super::told::{flags, gone};
use crate::harness::{MESSAGE, TestServer};

in_every_mode! {
    rule_05_a_fetch_of_what_is_gone_returns_it_while_it_is_stored
    rule_05_then_no_expungeissued_and_nothing_invented
    rule_05_reading_what_is_gone_marks_only_the_others
    rule_06_a_store_on_what_is_gone_changes_the_others
    rule_06_with_unchangedsince
}

const ITEMS: [&str; 9] = [
    "BODY.PEEK[]",
    "RFC822.HEADER",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
    "BODY.PEEK[TEXT]<2.3>",
    "BINARY.PEEK[1]",
    "BINARY.SIZE[1]",
    "PREVIEW",
    "ENVELOPE",
    "BODYSTRUCTURE",
];

/// Three messages without a common body; the server keeps nothing of what is expunged once it is told to collect.
async fn forgetful(mode: Mode) -> (TestServer, Device, Device) {
    let server = TestServer::forgetful().await;
    for subject in ["one", "two", "six"] {
        server.login().await.append("INBOX", "", &MESSAGE.replace("Greetings", subject)).await;
    }
    let (a, b) = (Device::new(&server, mode).await, Device::new(&server, mode).await);
    (server, a, b)
}

fn of(told: &[super::told::Told]) -> Vec<u32> {
    told.iter().filter_map(|told| if let Data(uid, _) = told { Some(*uid) } else { None }).collect()
}

async fn rule_05_a_fetch_of_what_is_gone_returns_it_while_it_is_stored(mode: Mode) {
    for item in ITEMS {
        let (_server, mut a, mut b) = forgetful(mode).await;
        let command = a.command("FETCH", &[1, 2, 3], item);
        let before = a.ok(&command).await;
        assert_eq!(of(&before), [1, 2, 3]);
        b.expunge(&[2]).await;
        // By number it is still there; the UID form shows it for the last time, and says that it is gone.
        let after = if mode.by_uid() { vec![gone(&[2]), Highest] } else { vec![HeldBack] };
        a.tells(&command, before.into_iter().chain(after)).await;
        a.ok("NOOP").await;
        assert_eq!(a.view, [1, 3]);
    }
}

async fn rule_05_then_no_expungeissued_and_nothing_invented(mode: Mode) {
    for item in ITEMS {
        let (server, mut a, mut b) = forgetful(mode).await;
        let command = a.command("FETCH", &[1, 2, 3], item);
        let before = a.ok(&command).await;
        b.expunge(&[2]).await;
        assert_eq!(server.store.collect().await.unwrap(), 1);
        let (told, tagged) = a.run(&command).await;
        let others = before.into_iter().filter(|told| !matches!(told, Data(2, _)));
        if mode.by_uid() {
            // RFC 9051 section 6.4.9: a UID that names nothing is ignored, and the answer says that it is so.
            assert!(tagged.starts_with("OK"), "{item}: {tagged}");
            assert_eq!(told, others.chain([gone(&[2]), Highest]).collect::<Vec<_>>(), "{item}");
        } else {
            assert!(tagged.starts_with("NO [EXPUNGEISSUED] "), "{item}: {tagged}");
            assert_eq!(told, mode.told(others.chain([HeldBack])), "{mode:?}: {item}");
            // What the session knows by itself it still tells.
            let row = Data(2, format!("RFC822.SIZE {}", MESSAGE.len() - 6));
            a.tells("FETCH 2 (UID RFC822.SIZE)", [row, HeldBack]).await;
        }
        a.ok("NOOP").await;
        let command = a.command("FETCH", &[1, 3], item);
        assert_eq!(of(&a.ok(&command).await), [1, 3]);
    }
    // The UID form in the other modes.
    let (server, mut a, mut b) = forgetful(mode).await;
    b.expunge(&[2]).await;
    server.store.collect().await.unwrap();
    let told = a.ok("UID FETCH 2 BODY.PEEK[]").await;
    assert_eq!(told, mode.told([gone(&[2]), Highest]));
}

async fn rule_05_reading_what_is_gone_marks_only_the_others(mode: Mode) {
    let (server, mut a, mut b) = forgetful(mode).await;
    b.expunge(&[2]).await;
    let command = a.command("FETCH", &[1, 2], "BODY[TEXT]");
    let told = a.ok(&command).await;
    assert_eq!(of(&told), [1, 2]);
    let marked = told.iter().filter(|told| matches!(told, Flags(..))).cloned().collect::<Vec<_>>();
    assert_eq!(marked, [flags(1, "\\Seen")]);
    b.tells("NOOP", [flags(1, "\\Seen")]).await;
    a.agrees(&server).await;
}

async fn rule_06_a_store_on_what_is_gone_changes_the_others(mode: Mode) {
    for (op, want) in [
        ("+FLAGS (\\Flagged)", vec![flags(1, "\\Flagged"), flags(3, "\\Flagged")]),
        ("+FLAGS.SILENT (\\Flagged)", vec![super::told::Told::ModSeq(1), super::told::Told::ModSeq(3)]),
        ("FLAGS (\\Flagged)", vec![flags(1, "\\Flagged"), flags(3, "\\Flagged")]),
    ] {
        let (server, mut a, mut b) = pair(mode, 3).await;
        let mut third = Device::new(&server, mode).await;
        b.expunge(&[2]).await;
        let command = a.command("STORE", &[1, 2, 3], op);
        let (told, tagged) = a.run(&command).await;
        let (answer, last) =
            if mode.by_uid() { ("OK", vec![gone(&[2])]) } else { ("NO [EXPUNGEISSUED] ", vec![HeldBack]) };
        assert!(tagged.starts_with(answer), "{mode:?}: {command}: {tagged}");
        let want = match mode.by_uid() {
            true => [last, want, vec![Highest]].concat(),
            false => [want, last].concat(),
        };
        assert_eq!(told, mode.told(want), "{mode:?}: {command}");
        third.tells("NOOP", [gone(&[2]), flags(1, "\\Flagged"), flags(3, "\\Flagged"), Highest]).await;
        b.tells("NOOP", [flags(1, "\\Flagged"), flags(3, "\\Flagged")]).await;
        if !mode.by_uid() {
            // Of it alone nothing is left to do.
            assert_eq!(a.refused("STORE 2 +FLAGS (\\Seen)", "NO [EXPUNGEISSUED] ").await, mode.told([HeldBack]));
        }
        // The UID form ignores what is not there (RFC 9051 section 6.4.9).
        let told = a.ok("UID STORE 2 +FLAGS (\\Seen)").await;
        assert_eq!(told, mode.told(if mode.by_uid() { vec![] } else { vec![gone(&[2]), Highest] }), "{mode:?}");
        third.agrees(&server).await;
    }
}

/// RFC 7162 section 3.1.3: what was refused is named in MODIFIED, what is gone is not.
async fn rule_06_with_unchangedsince(mode: Mode) {
    if !mode.has_mod_seqs() {
        // The modifier enables CONDSTORE: this is no plain client any more.
        return;
    }
    let (server, mut a, mut b) = pair(mode, 4).await;
    let mark = a.mark;
    b.store(&[3], "+FLAGS (\\Answered)").await;
    b.expunge(&[2]).await;
    let command = a.command("STORE", &[1, 2, 3], &format!("(UNCHANGEDSINCE {mark}) +FLAGS (\\Flagged)"));
    let (told, tagged) = a.run(&command).await;
    assert!(tagged.starts_with("OK [MODIFIED 3] "), "{tagged}");
    assert!(told.contains(&flags(1, "\\Flagged")) && told.contains(&flags(3, "\\Answered")), "{told:?}");
    let mut third = Device::new(&server, mode).await;
    third.agrees(&server).await;
    assert_eq!(third.cache[&3], "\\Answered");
    a.agrees(&server).await;
}
