//! What is searched against what Dovecot finds in the corpus: decoded header fields, search text, the day of Date.

use memchr::memmem;
use tributary::mime::{INNER_HEADERS_FOLLOW, Limits, Scanner, fold, header_text, header_texts};

use crate::messages;

/// What has been reached, so that it cannot be lost. Elsewhere we find more (Dovecot leaves out parts of unknown encoding), look
/// into the field rather than into the ENVELOPE with its fillers, and know dates before 1970.
const FLOOR: usize = 39;

struct Searched {
    header: Vec<u8>,
    text: Vec<u8>,
    sent_day: Option<i32>,
}

#[test]
fn hits_are_those_of_dovecot() {
    let Some(path) = messages::find() else { return };
    let all: Vec<Searched> = messages::load(&path).iter().map(|case| searched(&case.message)).collect();
    let rows = std::fs::read_to_string(path.join("expected-search.jsonl")).expect("searches are readable");
    let (mut compared, mut equal) = (0, 0);
    for row in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(row).expect("a row is JSON");
        let command = row["command"].as_str().expect("a command");
        let Some(key) = command.strip_prefix("UID SEARCH CHARSET UTF-8 ").and_then(Key::parse) else { continue };
        let expected: Vec<u64> =
            row["uids"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64).collect();
        let found: Vec<u64> = (1..).zip(&all).filter(|(_, message)| key.matches(message)).map(|(uid, _)| uid).collect();
        compared += 1;
        if found == expected {
            equal += 1;
        } else {
            let missed: Vec<_> = expected.iter().filter(|uid| !found.contains(uid)).collect();
            let extra: Vec<_> = found.iter().filter(|uid| !expected.contains(uid)).collect();
            println!("{command}: of {} missed {missed:?}, too many {extra:?}", expected.len());
        }
    }
    println!("compared {compared}, equal {equal}");
    assert!(equal >= FLOOR, "{equal} is less than {FLOOR}");
}

fn searched(message: &[u8]) -> Searched {
    let mut text = Vec::new();
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(message, &mut text);
    let structure = scanner.finish(&mut text);
    Searched { header: structure.header, text, sent_day: structure.sent_day }
}

/// The search keys that are about the bytes of a message, one at a time.
enum Key {
    Header(String, String),
    Text(String),
    Body(String),
    SentBefore(i32),
    SentSince(i32),
    SentOn(i32),
}

impl Key {
    fn parse(command: &str) -> Option<Self> {
        let (name, rest) = command.split_once(' ')?;
        let mut strings = rest.split('"').skip(1).step_by(2).map(str::to_owned);
        let words = rest.split('"').count();
        let date = || day_of(rest);
        match (name, words) {
            ("SUBJECT" | "FROM" | "TO" | "CC" | "BCC", 3) => {
                Some(Self::Header(name.to_owned(), fold(&strings.next()?)))
            }
            ("HEADER", 5) => Some(Self::Header(strings.next()?, fold(&strings.next()?))),
            ("TEXT", 3) => Some(Self::Text(fold(&strings.next()?))),
            ("BODY", 3) => Some(Self::Body(fold(&strings.next()?))),
            ("SENTBEFORE", 1) => Some(Self::SentBefore(date()?)),
            ("SENTSINCE", 1) => Some(Self::SentSince(date()?)),
            ("SENTON", 1) => Some(Self::SentOn(date()?)),
            _ => None,
        }
    }

    fn matches(&self, message: &Searched) -> bool {
        let contains = |text: &[u8], what: &str| memmem::find(text, what.as_bytes()).is_some();
        // A message without a usable Date counts as of 1970-01-01, as with Dovecot.
        let day = message.sent_day.unwrap_or(0);
        match self {
            Self::Header(name, what) => {
                header_texts(&message.header, name.as_bytes()).iter().any(|text| text.contains(what.as_str()))
            }
            Self::Text(what) => {
                contains(header_text(&message.header).as_bytes(), what) || contains(&message.text, what)
            }
            Self::Body(what) => {
                let body = message.text.split(|&b| b == INNER_HEADERS_FOLLOW).next().unwrap_or_default();
                contains(body, what)
            }
            Self::SentBefore(limit) => day < *limit,
            Self::SentSince(limit) => day >= *limit,
            Self::SentOn(limit) => day == *limit,
        }
    }
}

/// `d-mon-yyyy` as days since 1970-01-01, read the way a Date header is.
fn day_of(date: &str) -> Option<i32> {
    let message = format!("Date: {} 00:00:00 +0000\r\n\r\n", date.replace('-', " "));
    date.split('-').nth(2).filter(|year| year.len() == 4)?;
    searched(message.as_bytes()).sent_day
}
