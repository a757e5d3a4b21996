//! Rule 7: pipelined commands behave as if one were sent after the other's answer.

use super::device::{Device, Mode, pair};
use super::told::Told::{Exists, Line};
use super::told::{flags, gone, line};
use crate::harness::MESSAGE;

in_every_mode! {
    rule_07_each_command_sees_what_those_before_it_did
    rule_07_two_pipelines_at_once
    rule_07_behind_idle
}

async fn rule_07_each_command_sees_what_those_before_it_did(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 3).await;
    let literal = format!("APPEND INBOX {{{}+}}\r\n{MESSAGE}", MESSAGE.len());
    let commands = [
        "UID STORE 2 +FLAGS (\\Flagged)",
        "UID SEARCH FLAGGED",
        "UID STORE 2 -FLAGS (\\Flagged)",
        "UID SEARCH FLAGGED",
        &literal,
        "UID SEARCH UID 3:*",
        "UID STORE 1,4 +FLAGS (\\Deleted)",
        "EXPUNGE",
        "UID SEARCH ALL",
        "UID COPY 3 INBOX",
        "UID SEARCH ALL",
    ];
    let answers = a.pipeline(&commands.map(str::to_owned)).await;
    for (command, (told, tagged)) in commands.iter().zip(&answers) {
        assert!(tagged.starts_with("OK"), "{command}: {tagged} {told:?}");
    }
    let told = |index: usize| &answers[index].0;
    assert_eq!(told(0)[..], [flags(2, "\\Flagged")]);
    assert_eq!(told(1)[..], [line("SEARCH 2")]);
    assert_eq!(told(2)[..], [flags(2, "")]);
    assert_eq!(told(3)[..], [line("SEARCH")]);
    assert_eq!(told(4)[..], [Exists(4)]);
    assert_eq!(told(5)[..], [line("SEARCH 3 4")]);
    assert_eq!(told(6)[..], [flags(1, "\\Deleted"), flags(4, "\\Deleted")]);
    assert_eq!(told(7)[..], [gone(&[1, 4])]);
    assert_eq!(told(8)[..], [line("SEARCH 2 3")]);
    assert_eq!(told(10)[..], [line("SEARCH 2 3 5")]);
    // The fourth came and went.
    b.next = 5;
    b.agrees(&server).await;
}

/// The answers of each come in the order of its commands, with all that belongs to them, whatever the other does.
async fn rule_07_two_pipelines_at_once(mode: Mode) {
    let (server, a, b) = pair(mode, 4).await;
    let both = [(a, "\\Seen", 1), (b, "\\Flagged", 2)].map(|(mut device, flag, own)| {
        tokio::spawn(async move {
            for _ in 0..10 {
                let commands = [
                    format!("UID STORE {own} +FLAGS ({flag})"),
                    format!("UID SEARCH UID {own} KEYWORD nothing"),
                    format!("UID FETCH {own} (FLAGS)"),
                    format!("UID STORE {own} -FLAGS ({flag})"),
                    format!("UID FETCH {own} (FLAGS)"),
                ];
                let answers = device.pipeline(&commands).await;
                assert!(answers.iter().all(|(_, tagged)| tagged.starts_with("OK")), "{answers:?}");
                for (at, want) in [(0, flag), (2, flag), (3, ""), (4, "")] {
                    assert!(answers[at].0.contains(&flags(own, want)), "{}: {answers:?}", commands[at]);
                }
                assert!(answers[1].0.contains(&Line("SEARCH".to_owned())), "{answers:?}");
            }
            device
        })
    });
    for device in both {
        device.await.unwrap().agrees(&server).await;
    }
}

async fn rule_07_behind_idle(mode: Mode) {
    let (server, mut a, _) = pair(mode, 2).await;
    let mut b = Device::new(&server, mode).await;
    b.expunge(&[1]).await;
    a.c.raw("x IDLE\r\nDONE\r\ny UID FETCH 1:* (UID)\r\nz UID STORE 2 +FLAGS (\\Seen)\r\n").await;
    // The continuation comes first, before what IDLE tells.
    a.c.s("+ *").await;
    let (told, tagged) = a.finish("x").await;
    assert!(told.contains(&gone(&[1])) && tagged.starts_with("OK"), "{told:?} {tagged}");
    assert_eq!(a.finish("y").await.1, "OK UID FETCH completed");
    assert_eq!(a.finish("z").await.0, [flags(2, "\\Seen")]);
    b.tells("NOOP", [flags(2, "\\Seen")]).await;
}
