//! Rules 21, 25 and 26: mod-sequences, and devices that come back.

use super::device::{Device, Mode, login_in, pair, truth};
use super::told::Told::Highest;
use super::told::{members, number_after};
use crate::harness::{Client, MESSAGE, TestServer};
use tributary::mail::UidSet;

in_every_mode! {
    rule_21_whatever_is_told_a_device_can_come_back
    rule_21_highestmodseq_is_held_back_wherever_it_is_told
    rule_21_a_mod_sequence_of_its_own_is_no_knowledge_of_the_others
    rule_25_what_select_tells_who_comes_back
    rule_25_what_others_expunge_meanwhile
}

/// Commands of all kinds while an expunge is held back or just told: after each of them another device with the same cache,
/// and with the mark that this one would come back with, hears of all that it lacks.
async fn rule_21_whatever_is_told_a_device_can_come_back(mode: Mode) {
    let commands = [
        "FETCH 1:4 (FLAGS)",
        "FETCH 2:3 BODY[TEXT]",
        "STORE 3 +FLAGS (\\Draft)",
        "SEARCH ALL",
        "UID SEARCH 1:2",
        "UID FETCH 1:* (FLAGS)",
        "UID FETCH 4 BODY[TEXT]",
        "UID STORE 4 +FLAGS (\\Draft)",
        "UID SEARCH SEEN",
        "UID SEARCH RETURN (MIN MAX COUNT ALL) UNDELETED",
        "UID COPY 4 INBOX",
        "UID MOVE 4 Archive",
        "EXPUNGE",
        "CHECK",
        "LIST \"\" *",
    ];
    for command in commands {
        let (server, mut a, mut b) = pair(mode, 4).await;
        // A flag before the expunge and one after it, by mod-sequence.
        b.store(&[1], "+FLAGS (\\Flagged)").await;
        b.expunge(&[2]).await;
        b.store(&[3], "+FLAGS (\\Answered)").await;
        a.run(command).await;
        a.could_come_back(&server, command).await;
        b.append("INBOX", "(\\Seen) ").await;
        a.run(command).await;
        a.could_come_back(&server, command).await;
        // What it was told of messages that it has not looked at: their flags it fetches when it is back.
        a.ok("NOOP").await;
        a.could_come_back(&server, command).await;
        assert_eq!(a.view, truth(&server).await.into_keys().collect::<Vec<_>>());
    }
}

async fn rule_21_highestmodseq_is_held_back_wherever_it_is_told(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 3).await;
    let start = a.mark;
    // Without a mailbox, it is told the highest there is.
    let mut watcher = server.login().await;
    b.store(&[2], "+FLAGS (\\Deleted)").await;
    a.ok("NOOP").await;
    let marked = highest(&mut watcher).await;
    assert!(marked > start);
    b.ok("EXPUNGE").await;
    b.store(&[3], "+FLAGS (\\Seen)").await;
    let now = highest(&mut watcher).await;
    assert!(now > marked);
    if !mode.by_uid() {
        // STATUS of the selected mailbox, which comes before the expunge. It enables CONDSTORE: not asked of a plain device.
        let told = a.run("FETCH 1 (UID)").await.0;
        assert_eq!(told.contains(&Highest), mode.has_mod_seqs());
        if mode.has_mod_seqs() {
            assert_eq!(a.mark, marked, "{mode:?}");
        }
    }
    if mode.has_mod_seqs() {
        let tag = a.begin("STATUS INBOX (HIGHESTMODSEQ MESSAGES)").await;
        let line = a.c.s("* STATUS INBOX (*").await;
        let told = number_after(&line, "HIGHESTMODSEQ").unwrap();
        // A device by UID is told of the expunge by that very command, after its answer.
        assert!(told <= now && (mode.by_uid() || told == marked), "{line}");
        assert!(told < now, "{line}");
        a.finish(&tag).await;
        assert!(!a.view.contains(&2));
    }
    a.could_come_back(&server, "STATUS").await;
    // Told of everything it is told the highest.
    if mode.has_mod_seqs() {
        assert_eq!(highest(&mut a.c).await, now);
        let (_, tagged) = a.run("EXPUNGE").await;
        assert_eq!(number_after(&tagged, "[HIGHESTMODSEQ"), Some(now), "{tagged}");
    }
    // SELECT again: what it tells is what the new view has.
    let mut back = login_in(&server, mode).await;
    let lines = back.ok("SELECT INBOX").await;
    assert!(lines.contains(&format!("* OK [HIGHESTMODSEQ {now}] Highest mod-sequence")), "{lines:?}");
}

/// The MODSEQ of a device's own change is higher than that of an expunge that it has not heard of.
async fn rule_21_a_mod_sequence_of_its_own_is_no_knowledge_of_the_others(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 4).await;
    b.expunge(&[1]).await;
    a.store(&[3], "+FLAGS (\\Flagged)").await;
    a.could_come_back(&server, "its own STORE").await;
    b.expunge(&[2]).await;
    a.store(&[4], "+FLAGS.SILENT (\\Flagged)").await;
    a.could_come_back(&server, "its own silent STORE").await;
    if mode.has_mod_seqs() {
        let command = a.command("STORE", &[4], &format!("(UNCHANGEDSINCE {}) +FLAGS (\\Seen)", i64::MAX));
        a.ok(&command).await;
        a.could_come_back(&server, "its own conditional STORE").await;
        for search in
            ["UID SEARCH MODSEQ 1", "UID SEARCH RETURN (MAX) MODSEQ 1", "UID SEARCH RETURN (ALL) MODSEQ 1 1:*"]
        {
            b.ok("NOOP").await;
            b.append("INBOX", "").await;
            a.ok("NOOP").await;
            let last = *b.view.last().unwrap();
            b.expunge(&[last]).await;
            a.run(search).await;
            a.could_come_back(&server, search).await;
        }
    }
}

async fn highest(c: &mut Client) -> u64 {
    let line = c.ok("STATUS INBOX (HIGHESTMODSEQ)").await.remove(0);
    number_after(&line, "HIGHESTMODSEQ").unwrap()
}

/// What SELECT tells beside what it always tells: what vanished, and whose flags, by UID.
fn news(lines: &[String], mode: Mode) -> (Vec<u32>, Vec<u32>) {
    let (mut vanished, mut fetched) = (Vec::new(), Vec::new());
    for line in lines {
        if let Some(uids) = line.strip_prefix("* VANISHED (EARLIER) ") {
            assert!(fetched.is_empty(), "VANISHED comes first: {lines:?}");
            vanished.extend(members(uids));
        } else if line.contains("FETCH (") {
            let uid = if mode.by_uid() { number_after(line, "*") } else { number_after(line, "(UID") };
            assert_eq!(line.contains(" UIDFETCH ("), mode.by_uid(), "{line}");
            assert!(line.contains("FLAGS (") && line.contains("MODSEQ ("), "{line}");
            fetched.push(uid.unwrap() as u32);
        } else {
            assert!(vanished.is_empty() && fetched.is_empty(), "what is news comes last: {lines:?}");
        }
    }
    (vanished, fetched)
}

/// Ten messages. While the device is away, 3, 7 and one that it never saw are expunged by one device, and 5 is flagged by
/// another.
async fn rule_25_what_select_tells_who_comes_back(mode: Mode) {
    let (server, a, mut b) = pair(mode, 10).await;
    let (v, m) = (a.uid_validity, a.mark);
    drop(a);
    let mut c = Device::new(&server, mode).await;
    b.append("INBOX", "(\\Deleted) ").await;
    b.expunge(&[3, 7, 11]).await;
    c.ok("NOOP").await;
    c.store(&[5], "+FLAGS (\\Flagged)").await;
    let mut back = login_in(&server, mode).await;
    if !mode.has_vanished() {
        // Without ENABLE QRESYNC the parameter is BAD and selects nothing; such a device asks by CHANGEDSINCE or for all.
        back.expect(&format!("SELECT INBOX (QRESYNC ({v} {m}))"), "BAD *").await;
        back.expect("UID FETCH 1 (FLAGS)", "BAD *").await;
        back.ok("SELECT INBOX").await;
        assert_eq!(back.ok("UID SEARCH ALL").await, ["* SEARCH 1 2 4 5 6 8 9 10"]);
        if mode.has_mod_seqs() {
            let lines = back.ok(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {m})")).await;
            assert_eq!(lines.len(), 1);
            assert!(lines[0].starts_with("* 4 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ ("), "{lines:?}");
        }
        return;
    }
    for (known, vanished, fetched) in [
        ("", &[3, 7, 11][..], &[5][..]),
        (" 1:10", &[3, 7], &[5]),
        (" 1:4294967295", &[3, 7, 11], &[5]),
        (" 1:4,6:9", &[3, 7], &[]),
        (" 4:6", &[], &[5]),
        (" 12:20", &[], &[]),
        (" 12:4294967295", &[], &[]),
    ] {
        let lines = back.ok(&format!("SELECT INBOX (QRESYNC ({v} {m}{known}))")).await;
        assert_eq!(news(&lines, mode), (vanished.to_vec(), fetched.to_vec()), "known:{known}");
        // EARLIER leaves EXISTS alone.
        assert!(lines.contains(&"* 8 EXISTS".to_owned()), "{lines:?}");
        assert!(!lines.concat().contains(" EXPUNGE"), "{lines:?}");
    }
    // Message sequence match data, by which the server tells less: refused where there are no numbers.
    let matched = format!("SELECT INBOX (QRESYNC ({v} {m} 1:10 (2,5 2,6)))");
    if mode.by_uid() {
        back.expect(&matched, "BAD [UIDREQUIRED] *").await;
    } else {
        assert_eq!(news(&back.ok(&matched).await, mode), (vec![7], vec![5]));
    }
    // Another UIDVALIDITY is a plain SELECT, and so is a mark at which nothing was missed.
    let now = highest(&mut back).await;
    for parameters in [format!("{} {m} 1:10", v + 1), format!("{v} {now} 1:10")] {
        let lines = back.ok(&format!("SELECT INBOX (QRESYNC ({parameters}))")).await;
        assert_eq!(news(&lines, mode), (vec![], vec![]), "{parameters}");
        assert!(lines.contains(&"* 8 EXISTS".to_owned()));
    }
    // 0, which clients send, and a mark of the future: everything is told.
    for mark in [0, now + 1, i64::MAX as u64] {
        let lines = back.ok(&format!("SELECT INBOX (QRESYNC ({v} {mark} 1:20))")).await;
        assert_eq!(news(&lines, mode), (vec![3, 7, 11], vec![1, 2, 4, 5, 6, 8, 9, 10]), "{mark}");
    }
    // The same while it is selected, and with a mailbox where nothing ever was.
    let lines = back.ok(&format!("UID FETCH 1:10 (UID FLAGS) (CHANGEDSINCE {m} VANISHED)")).await;
    assert_eq!(news(&lines, mode), (vec![3, 7], vec![5]));
    let lines = back.ok("SELECT Sent").await;
    let v = lines.iter().find_map(|line| number_after(line, "[UIDVALIDITY")).unwrap();
    assert_eq!(news(&back.ok(&format!("SELECT Sent (QRESYNC ({v} 0 1:9))")).await, mode), (vec![], vec![]));
}

/// Others go on while a device comes back: what it counts is told by VANISHED or EXPUNGE later, and by EARLIER never.
async fn rule_25_what_others_expunge_meanwhile(mode: Mode) {
    let (server, mut a, mut b) = pair(mode, 20).await;
    let (v, m) = (a.uid_validity, a.mark);
    let known = a.cache.clone();
    let busy = tokio::spawn(async move {
        for uid in 1..=15 {
            b.expunge(&[uid]).await;
            b.store(&[20], &format!("{}FLAGS (\\Flagged)", if uid % 2 == 0 { "-" } else { "+" })).await;
        }
    });
    while !busy.is_finished() {
        let mut back = Device::new(&server, mode).await;
        if mode.has_vanished() {
            // The device fails at an EARLIER of what it still counts, and at a VANISHED of what it does not.
            back.cache = known.clone();
            let lines = back.c.ok(&format!("EXAMINE INBOX (QRESYNC ({v} {m} 1:20))")).await;
            let exists =
                lines.iter().find_map(|line| number_after(line, "*").filter(|_| line.ends_with(" EXISTS"))).unwrap();
            let vanished = earlier(&lines);
            assert_eq!(vanished.len() as u64 + exists, 20, "{lines:?}");
            back.view = (1..=20).filter(|uid| !vanished.contains(uid)).collect();
            back.cache.clear();
        }
        back.ok("NOOP").await;
    }
    busy.await.unwrap();
    a.ok("NOOP").await;
    assert_eq!(a.view, [16, 17, 18, 19, 20]);
    a.could_come_back(&server, "much").await;
    a.agrees(&server).await;
}

/// 10,000 expunges are kept one by one; what is older is kept together. A device from before that hears of all that it lacks.
#[tokio::test]
async fn rule_26_an_older_device_hears_of_more_never_of_less() {
    const OLD: u32 = 10_050;
    let server = TestServer::on_disk().await;
    let mut c = server.login().await;
    c.append("INBOX", "", MESSAGE).await;
    c.ok("SELECT INBOX").await;
    for have in std::iter::successors(Some(1), |have| Some(have * 2)).take_while(|have| *have < OLD + 9) {
        c.ok(&format!("UID COPY 1:{} INBOX", have.min(OLD + 9 - have))).await;
    }
    c.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)").await;
    c.ok("UNSELECT").await;
    let before = highest(&mut c).await;
    // One row of the log each, as by so many clients at once. The first goes alone: a mark lies behind it.
    let inbox = server.inbox().await;
    let expunge = |uid: u32| {
        let store = server.store.clone();
        async move { store.expunge(inbox, Some(std::iter::once((uid, uid)).collect::<UidSet>())).await.unwrap() }
    };
    expunge(1).await;
    let after_the_first = highest(&mut c).await;
    let mut running = tokio::task::JoinSet::new();
    for uid in 2..OLD {
        running.spawn(expunge(uid));
    }
    running.join_all().await;
    let before_the_last = highest(&mut c).await;
    expunge(OLD).await;
    server.store.collect().await.unwrap();

    for mode in [Mode::Qresync, Mode::UidOnly] {
        let mut back = login_in(&server, mode).await;
        let lines = back.ok("SELECT INBOX").await;
        let v = lines.iter().find_map(|line| number_after(line, "[UIDVALIDITY")).unwrap();
        for (mark, first_missing, is_exact) in
            [(before, 1, true), (after_the_first, 2, false), (before_the_last, OLD, true)]
        {
            for known in [format!(" 1:{}", OLD + 9), String::new()] {
                let lines = back.ok(&format!("SELECT INBOX (QRESYNC ({v} {mark}{known}))")).await;
                let (vanished, fetched) = news(&lines, mode);
                let must = (first_missing..=OLD).collect::<Vec<_>>();
                assert!(vanished.ends_with(&must), "{mark}: of {} only {}", must.len(), vanished.len());
                // Kept together with others, the first is told again, which does no harm.
                assert_eq!(vanished.len() == must.len(), is_exact, "{mark}: {}", vanished.len());
                assert_eq!(fetched, [0; 0], "nothing else changed");
                assert!(lines.contains(&"* 9 EXISTS".to_owned()));
            }
        }
        let lines = back.ok(&format!("UID FETCH 1:* (UID) (CHANGEDSINCE {after_the_first} VANISHED)")).await;
        assert!(earlier(&lines).ends_with(&(2..=OLD).collect::<Vec<_>>()));
        // No UID that is there.
        assert_eq!(earlier(&lines).last(), Some(&OLD));
    }
}

fn earlier(lines: &[String]) -> Vec<u32> {
    lines.iter().filter_map(|line| line.strip_prefix("* VANISHED (EARLIER) ")).flat_map(members).collect()
}
