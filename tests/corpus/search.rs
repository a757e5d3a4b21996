//! Every recorded SEARCH, SORT and THREAD over the whole corpus, asked of the server as it was asked of Dovecot. Answers are
//! equal but for the messages in the table below, of which `docs/imap-choices.md` says the same.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;
use tributary::ingest::Intake;
use tributary::mail::{FlagList, InternalDate, MailboxName};
use tributary::mime::{Limits, Scanner};
use tributary::store::NewMessage;

use crate::harness::{Client, TestServer};
use crate::messages::{self, Case};

/// Why an answer differs from that of Dovecot, and for which messages.
struct Choice {
    reason: &'static str,
    uids: &'static [u32],
}

const CHOICES: [Choice; 11] = [
    Choice {
        reason: "a date before 1970 is a date, for Dovecot and Cyrus one of far away",
        uids: &[240, 245, 636, 661, 662, 663],
    },
    Choice { reason: "the year 3609 is one, for Dovecot and Cyrus 32 bits of it", uids: &[225] },
    Choice { reason: "midnight of 1970-01-01 is a time, for Dovecot that of a message without Date", uids: &[695] },
    Choice {
        reason: "a day without a time that can be read begins at midnight (RFC 5256 section 2.2); Cyrus agrees",
        uids: &[168],
    },
    Choice { reason: "seconds may have a fraction; Cyrus agrees", uids: &[281] },
    Choice {
        reason: "of two fields the one that ENVELOPE shows counts; Cyrus agrees for subjects",
        uids: &[29, 201, 204],
    },
    Choice {
        reason: "8-bit octets without a charset, and iso-8859-8-i, are text; Cyrus keeps X for them",
        uids: &[185, 453, 485, 515],
    },
    Choice {
        reason: "the same in bodies: 8-bit octets of us-ascii that are no UTF-8 are Latin-1",
        uids: &[87, 88, 89, 301, 379, 380, 519, 563],
    },
    Choice {
        reason: "a part whose Content-Type cannot be read is text (RFC 2045 section 5.2), and shown as such",
        uids: &[27, 64, 110, 128, 312, 351, 352, 373, 381, 382, 468, 480, 561],
    },
    Choice { reason: "message/global is a message (RFC 9051 section 7.5.2)", uids: &[445] },
    Choice { reason: "stands in the text that BODYSTRUCTURE shows; Cyrus agrees", uids: &[483] },
];

/// Messages without a Date that can be read count for SENTBEFORE, SENTON and SENTSINCE as of INTERNALDATE, which is what
/// RFC 5256 section 2.2 calls their sent date, and so does Cyrus; for Dovecot they are of 1970-01-01.
const DATELESS_KEYS: [&str; 2] = ["SENTBEFORE", "SENTSINCE"];

/// REFS is no algorithm of an RFC and is not offered.
const NOT_OFFERED: &str = "UID THREAD REFS ";

#[tokio::test(flavor = "multi_thread")]
async fn every_search_sort_and_thread_is_answered_as_recorded_or_differs_for_a_reason() {
    let Some(path) = messages::find() else { return };
    let cases = messages::load(&path);
    let dateless: BTreeSet<u32> = (1..).zip(&cases).filter(|(_, case)| is_dateless(case)).map(|(uid, _)| uid).collect();
    let server = TestServer::start().await;
    load(&server, &cases).await;
    let mut client = server.selected("INBOX").await;
    let mut used = BTreeSet::new();
    let (mut compared, mut equal, mut chosen) = (0, 0, 0);
    for row in rows(&path, "expected-search.jsonl") {
        let command = row["command"].as_str().expect("a command");
        let got = ask(&mut client, command).await;
        if command.starts_with(NOT_OFFERED) {
            assert!(got.starts_with("BAD"), "{command}: {got}");
            continue;
        }
        compared += 1;
        let mut allowed: BTreeSet<u32> = CHOICES.iter().flat_map(|choice| choice.uids).copied().collect();
        if DATELESS_KEYS.iter().any(|key| command.contains(key)) {
            allowed.extend(&dateless);
        }
        let (ours, theirs) = match row["kind"].as_str() {
            Some("thread") => (threads(&got), threads(row["answer"].as_str().expect("an answer"))),
            _ => (numbers(&got), row["uids"].as_array().into_iter().flatten().map(uid).map(|uid| vec![uid]).collect()),
        };
        if ours == theirs {
            equal += 1;
            continue;
        }
        chosen += 1;
        // A thread differs as a whole where one of its messages does.
        let apart: Vec<u32> = ours
            .iter()
            .chain(&theirs)
            .filter(|line| line.iter().any(|uid| allowed.contains(uid)))
            .flatten()
            .copied()
            .collect();
        allowed.extend(apart.into_iter().filter(|uid| *uid < SHAPES));
        // Without the messages for which there is a reason both answers are the same.
        let differ = |answer: &[Vec<u32>]| -> Vec<Vec<u32>> {
            answer.iter().filter(|line| line.iter().all(|uid| !allowed.contains(uid))).cloned().collect()
        };
        assert_eq!(differ(&ours), differ(&theirs), "{command}");
        used.extend(misplaced(&ours, &theirs));
    }
    println!("compared {compared}, equal {equal}, different for a reason {chosen}");
    for Choice { reason, uids } in &CHOICES {
        assert!(uids.iter().any(|uid| used.contains(uid)), "no answer differs any more because {reason}");
    }
    assert!(compared == 108 && equal >= 79, "of {compared} only {equal} are equal");
}

/// The messages that stand in one answer alone, or whose neighbours are others.
fn misplaced(ours: &[Vec<u32>], theirs: &[Vec<u32>]) -> BTreeSet<u32> {
    let after = |answer: &[Vec<u32>]| -> BTreeSet<(Vec<u32>, Vec<u32>)> {
        answer.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    let all = |answer: &[Vec<u32>]| -> BTreeSet<Vec<u32>> { answer.iter().cloned().collect() };
    let pairs: Vec<_> = after(ours).symmetric_difference(&after(theirs)).cloned().collect();
    let lines: Vec<_> = all(ours).symmetric_difference(&all(theirs)).cloned().collect();
    pairs.into_iter().flat_map(|(a, b)| [a, b]).chain(lines).flatten().collect()
}

fn is_dateless(case: &Case) -> bool {
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(&case.message, &mut Vec::new());
    scanner.finish(&mut Vec::new()).sent_day.is_none()
}

fn uid(value: &Json) -> u32 {
    value.as_u64().and_then(|uid| u32::try_from(uid).ok()).expect("a UID")
}

/// Numbers, each a line of its own.
fn numbers(answer: &str) -> Vec<Vec<u32>> {
    answer.split_whitespace().map(|number| vec![number.parse().expect(answer)]).collect()
}

/// No message has this number or a higher one.
const SHAPES: u32 = u32::MAX - 1;

/// The threads, each with its parentheses, so that the shapes are compared too.
fn threads(answer: &str) -> Vec<Vec<u32>> {
    let (mut all, mut depth) = (Vec::new(), 0);
    let spaced = answer.replace('(', " ( ").replace(')', " ) ");
    for word in spaced.split_whitespace() {
        if depth == 0 {
            all.push(Vec::new());
        }
        match word {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        let shape = if word == "(" { SHAPES } else { SHAPES + 1 };
        all.last_mut().expect("a thread").push(word.parse().unwrap_or(shape));
    }
    all
}

/// The untagged data of a command, without its name.
async fn ask(client: &mut Client, command: &str) -> String {
    let mut wire = String::new();
    for (index, piece) in command.split('"').enumerate() {
        match index % 2 {
            0 => wire.push_str(piece),
            _ if piece.is_ascii() => wire.push_str(&format!("\"{piece}\"")),
            _ => wire.push_str(&format!("{{{}+}}\r\n{piece}", piece.len())),
        }
    }
    let (untagged, tagged) = client.run(&wire).await;
    if !tagged.starts_with("OK") {
        return tagged;
    }
    let line = untagged.first().expect("an answer");
    line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()
}

/// The corpus into INBOX of alice, in its order.
async fn load(server: &TestServer, cases: &[Case]) {
    let user = server.store.ensure_user("alice").await.expect("a user");
    let inbox = server.store.mailbox(user, &MailboxName::inbox()).await.expect("mailboxes").expect("INBOX").id;
    let mut new = Vec::new();
    for case in cases {
        let mut intake = Intake::begin(&server.store).await.expect("a message begins");
        intake.write(&case.message).await.expect("it is taken");
        let body = intake.finish().await.expect("it is taken").body;
        let internal_date = internal_date(&case.internal_date);
        new.push(NewMessage { body, flags: FlagList::default(), internal_date, account: None });
    }
    server.store.append(inbox, new).await.expect("all are appended");
}

/// `d-Mon-2024 hh:mm:ss +0000` of March to May 2024.
fn internal_date(text: &str) -> InternalDate {
    let parts: Vec<&str> = text.split([' ', '-', ':']).filter(|part| !part.is_empty()).collect();
    let [day, month, "2024", hour, minute, second, "+0000"] = parts[..] else { panic!("{text}") };
    let before = ["Mar", "Apr", "May"].iter().zip([0, 31, 61]).find(|(name, _)| **name == month).expect(text).1;
    let number = |digits: &str| digits.parse::<i64>().expect(text);
    // 2024-03-01 is the day 19783.
    let days = 19_782 + before + number(day);
    let unix = ((days * 24 + number(hour)) * 60 + number(minute)) * 60 + number(second);
    InternalDate { unix, offset_minutes: 0 }
}

fn rows(path: &Path, file: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(path.join(file)).expect("searches are readable");
    text.lines().map(|row| serde_json::from_str(row).expect("a row is JSON")).collect()
}
