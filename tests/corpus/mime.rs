//! What the scanner makes of the corpus against what Dovecot answers: byte ranges of every section, ENVELOPE, BODY and
//! BODYSTRUCTURE.

use std::fmt::Write;
use std::ops::Range;

use serde_json::Value as Json;
use tributary::imap::codec::write;
use tributary::mime::{Limits, PartTable, Scanner, Structure, Want, filter_header};

use crate::answer::{self, Value};
use crate::messages::{self, Case};

/// What has been reached, so that it cannot be lost. Three messages differ on purpose: one nests deeper than our limit, one
/// has a message/global (RFC 9051 shows it as a message), one has garbage in a list of addresses, after which we go on.
const FLOOR: Score = Score { ranges: 697, body_structure: 697, body: 697, envelope: 698, all: 696 };

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Score {
    ranges: usize,
    body_structure: usize,
    body: usize,
    envelope: usize,
    all: usize,
}

#[test]
fn sections_and_structures_are_those_of_dovecot() {
    let Some(path) = messages::find() else { return };
    let cases = messages::load(&path);
    let mut score = Score::default();
    let mut report = String::new();
    for (index, case) in cases.iter().enumerate() {
        let structure = scan(&case.message, index as u64);
        let mut faults = String::new();
        score.ranges += usize::from(ranges_match(case, &structure, &mut faults));
        let text = |name: &str| Value::parse(&answer::latin1(case.expected[name].as_str().expect("text")));
        let mut rendered = Vec::new();
        write::envelope(&mut rendered, &structure.envelope);
        score.envelope += same("envelope", &text("envelope"), &rendered, &mut faults);
        rendered.clear();
        write::body_structure(&mut rendered, &structure.root, true);
        score.body_structure += same("bodystructure", &text("bodystructure"), &rendered, &mut faults);
        rendered.clear();
        write::body_structure(&mut rendered, &structure.root, false);
        score.body += same("body", &text("body"), &rendered, &mut faults);
        score.all += usize::from(faults.is_empty());
        if !faults.is_empty() {
            let _ = writeln!(report, "{}\n{faults}", case.path);
        }
    }
    println!("{report}compared {}, equal {score:?}", cases.len());
    let floor = [FLOOR.ranges, FLOOR.body_structure, FLOOR.body, FLOOR.envelope, FLOOR.all];
    let reached = [score.ranges, score.body_structure, score.body, score.envelope, score.all];
    assert!(reached.iter().zip(floor).all(|(reached, floor)| *reached >= floor), "{score:?} is less than {FLOOR:?}");
}

/// Scans in pieces of sizes that differ from message to message.
fn scan(message: &[u8], seed: u64) -> Structure {
    let mut scanner = Scanner::new(Limits::default());
    let mut text = Vec::new();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut rest = message;
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let longest = [3, 80, 5000][seed as usize % 3];
        let (piece, after) = rest.split_at((1 + state as usize % longest).min(rest.len()));
        scanner.feed(piece, &mut text);
        rest = after;
    }
    let structure = scanner.finish(&mut text);
    assert!(std::str::from_utf8(&text).is_ok(), "search text is UTF-8");
    structure
}

fn ranges_match(case: &Case, structure: &Structure, faults: &mut String) -> bool {
    let before = faults.len();
    let table = PartTable::of(&structure.root);
    let mut check = |name: &str, expected: &Json, got: Option<Range<u64>>| {
        let span = got.unwrap_or_default();
        compare(name, expected, case.message.get(span.start as usize..span.end as usize).unwrap_or_default(), faults);
    };
    check("whole", &case.expected["whole"], table.section(&[], Want::Whole));
    check("header", &case.expected["header"], table.section(&[], Want::Header));
    check("text", &case.expected["text"], table.section(&[], Want::Text));
    let mut unwanted = Vec::new();
    for part in case.expected["parts"].as_array().into_iter().flatten() {
        let name = part["part"].as_str().expect("a part has a number");
        let path: Vec<u32> = name.split('.').map(|n| n.parse().expect("a number")).collect();
        let wants = [("body", Want::Whole), ("mime", Want::Mime), ("header", Want::Header), ("text", Want::Text)];
        for (field, want) in wants {
            match part.get(field) {
                Some(expected) => check(&format!("{name}.{field}"), expected, table.section(&path, want)),
                None if table.section(&path, want).is_some() => unwanted.push(format!("{name}.{field}")),
                None => {}
            }
        }
    }
    let absent: Vec<u32> = case.expected["absent_part"]["part"]
        .as_str()
        .expect("text")
        .split('.')
        .map(|n| n.parse().expect("a number"))
        .collect();
    if table.section(&absent, Want::Whole).is_some() {
        unwanted.push(format!("{absent:?}"));
    }
    if !unwanted.is_empty() {
        let _ = writeln!(faults, "  not absent: {unwanted:?}");
    }
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
    let shown = names(&["Subject", "From", "Date", "Message-ID", "References"]);
    let hidden = names(&["Received", "To", "Subject"]);
    let fields = &case.expected["header_fields_subject_from_date_messageid_references"];
    compare("header.fields", fields, &filter_header(&structure.header, &shown, true), faults);
    let fields = &case.expected["header_fields_not_received_to_subject"];
    compare("header.fields.not", fields, &filter_header(&structure.header, &hidden, false), faults);
    faults.len() == before
}

/// The corpus gives size and digest of what was received; NUL came as 0x80.
fn compare(name: &str, expected: &Json, got: &[u8], faults: &mut String) {
    let mut got = got.to_vec();
    write::replace_nul(&mut got);
    if expected["size"] != got.len() {
        let _ = writeln!(faults, "  {name}: {} octets, not {}", got.len(), expected["size"]);
    } else if expected["sha256"] != answer::sha256(&got) {
        let _ = writeln!(faults, "  {name}: other octets");
    }
}

fn same(name: &str, expected: &Value, rendered: &[u8], faults: &mut String) -> usize {
    let got = Value::parse(rendered);
    if *expected == got {
        return 1;
    }
    let _ = writeln!(faults, "  {name}: {}", first_difference(expected, &got, String::new()));
    0
}

fn first_difference(expected: &Value, got: &Value, at: String) -> String {
    if let (Value::List(a), Value::List(b)) = (expected, got) {
        for (index, (a, b)) in a.iter().zip(b).enumerate() {
            if a != b {
                return first_difference(a, b, format!("{at}/{index}"));
            }
        }
        if a.len() != b.len() {
            return format!("{at}: {} items, not {}: {}", b.len(), a.len(), shown(got));
        }
    }
    format!("{at}: got {}, expected {}", shown(got), shown(expected))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "NIL".to_owned(),
        Value::Number(n) => n.to_string(),
        Value::Text(text) => format!("\"{}\"", text.escape_ascii()),
        Value::List(list) => format!("({})", list.iter().map(shown).collect::<Vec<_>>().join(" ")),
    }
}
