//! Every recorded SEARCH, SORT and THREAD over the whole corpus, asked of the server as it was asked of Dovecot and Cyrus.

use std::path::Path;

use serde_json::Value as Json;
use tributary::ingest::Intake;
use tributary::mail::{FlagList, InternalDate, MailboxName};
use tributary::store::NewMessage;

use crate::harness::{Client, TestServer};
use crate::messages;

#[tokio::test(flavor = "multi_thread")]
async fn every_search_sort_and_thread_is_answered_as_recorded_or_differs_for_a_reason() {
    let Some(path) = messages::find() else { return };
    let server = TestServer::start().await;
    load(&server, &path).await;
    let mut client = server.selected("INBOX").await;
    for row in rows(&path, "expected-search.jsonl") {
        let command = row["command"].as_str().expect("a command");
        let got = ask(&mut client, command).await;
        let want: Vec<u32> = match row["uids"].as_array() {
            Some(u) => u.iter().map(|u| u.as_u64().unwrap() as u32).collect(),
            None => vec![],
        };
        if row["kind"] == "thread" {
            let w = row["answer"].as_str().unwrap();
            println!("THREAD {command}: {}\n  ours {got}\n  want {w}", got == w);
            continue;
        }
        let got: Vec<u32> = got.split_whitespace().map(|n| n.parse().unwrap()).collect();
        if got != want {
            let missed: Vec<_> = want.iter().filter(|uid| !got.contains(uid)).collect();
            let extra: Vec<_> = got.iter().filter(|uid| !want.contains(uid)).collect();
            println!("{command}: of {} missed {missed:?}, too many {extra:?}", want.len());
            if row["kind"] == "sort" {
                println!("ours {got:?}\nwant {want:?}");
            }
        }
    }
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
async fn load(server: &TestServer, path: &Path) {
    let user = server.store.ensure_user("alice").await.expect("a user");
    let inbox = server.store.mailbox(user, &MailboxName::inbox()).await.expect("mailboxes").expect("INBOX").id;
    let mut new = Vec::new();
    for case in messages::load(path) {
        let mut intake = Intake::begin(&server.store).await.expect("a message begins");
        intake.write(&case.message).await.expect("it is taken");
        let body = intake.finish().await.expect("it is taken").body;
        let internal_date = internal_date(case.expected["internaldate"].as_str().expect("a date"));
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
