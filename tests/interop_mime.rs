//! Broken mail that nobody has met: seeded mutants of the mail corpus, as this server and a live Dovecot describe them.
//! `TRIBUTARY_MUTANTS` is how many, `TRIBUTARY_MUTANTS_SEED` which.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "corpus/answer.rs"]
#[allow(dead_code)]
mod answer;
#[path = "corpus/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "interop_mime/compare.rs"]
mod compare;
#[path = "interop_mime/invent.rs"]
mod invent;
#[path = "corpus/messages.rs"]
#[allow(dead_code, reason = "shared with the tests of the corpus")]
mod messages;
#[path = "interop_mime/mutate.rs"]
mod mutate;
mod support;
#[path = "interop_mime/words.rs"]
mod words;

use answer::Value;
use client::Client;
use support::dovecot::{self, Dovecot, Maildrop};
use support::{have, scratch, skip};
use tributary::imap::codec::write;
use tributary::mime::{Limits, PartTable, Scanner, Structure, Want};

const MUTANTS: usize = 500;
/// Larger messages are not mutated.
const LARGEST: usize = 12_000;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[tokio::test]
async fn mutants_are_what_dovecot_says() {
    let Some(corpus) = messages::find() else { return };
    if !have(dovecot::PROGRAMS) {
        return;
    }
    let dir = scratch();
    let server = Dovecot::start(dir.path(), &[Maildrop { user: "u1", seed: 1, count: 0 }]);
    let Some(address) = server.imap else { return skip("Dovecot has no IMAP") };
    let cases: Vec<_> = messages::load(&corpus).into_iter().filter(|case| case.message.len() <= LARGEST).collect();
    let (count, seed) = (number("TRIBUTARY_MUTANTS", MUTANTS), number("TRIBUTARY_MUTANTS_SEED", 1));
    let mut client = Client::login(address, "u1", dovecot::PASSWORD).await;
    let mut random = mutate::Random::new(seed as u64);
    let mut mutants = Vec::new();
    for _ in 0..count {
        // One of three breaks a message that was made up.
        let invented = random.below(3) == 0;
        let case = &cases[random.below(cases.len())];
        let (path, message) = match invented {
            true => ("made up", invent::invent(&mut random)),
            false => (case.path.as_str(), case.message.clone()),
        };
        let mutant = mutate::mutate(&message, &mut random);
        // Dovecot decodes binary parts as it stores them.
        if mutant.contains(&0) && mutant.to_ascii_lowercase().windows(6).any(|word| word == b"binary") {
            continue;
        }
        let tagged = client.append("INBOX", "01-Jan-2024 00:00:00 +0000", &mutant).await;
        assert!(tagged.starts_with("t OK"), "{tagged}");
        mutants.push((path.to_owned(), messages::with_crlf(&mutant)));
    }
    client.ok("EXAMINE INBOX").await;
    let (mut fields, mut chosen) = (0, 0);
    let mut report = String::new();
    for (index, (path, mutant)) in mutants.iter().enumerate() {
        let structure = scan(mutant);
        let ours = answers(mutant, &structure);
        let items: Vec<_> = ours.iter().map(|(name, _)| name.replace("BODY[", "BODY.PEEK[")).collect();
        let theirs = client.fetch(index as u32 + 1, &format!("UID {}", items.join(" "))).await;
        let their = |name: &str| theirs.iter().find(|(item, _)| item == name).map(|(_, value)| value).unwrap();
        let structure = ours.iter().any(|(name, ours)| name == "BODYSTRUCTURE" && ours == their(name));
        for (name, ours) in &ours {
            let theirs = their(name);
            fields += 1;
            match compare::compare(name, theirs, ours, structure) {
                compare::Outcome::Equal => {}
                compare::Outcome::Chosen => chosen += 1,
                compare::Outcome::Different(how) => {
                    report.push_str(&format!("{index} {path} {name}\n  {how}\n"));
                    if let Some(dir) = std::env::var_os("TRIBUTARY_MUTANTS_DIR") {
                        std::fs::write(std::path::Path::new(&dir).join(format!("{index}.eml")), mutant).unwrap();
                    }
                }
            }
        }
    }
    println!("{count} mutants, {fields} fields compared, {chosen} of them differ as chosen");
    if let Some(dir) = std::env::var_os("TRIBUTARY_MUTANTS_DIR") {
        std::fs::write(std::path::Path::new(&dir).join("report"), &report).unwrap();
    }
    assert!(report.is_empty(), "{}", report.chars().take(4000).collect::<String>());
}

fn scan(message: &[u8]) -> Structure {
    let mut scanner = Scanner::without_text(Limits::default());
    scanner.feed(message, &mut Vec::new());
    scanner.finish(&mut Vec::new())
}

/// FETCH items and what this server answers for them.
fn answers(message: &[u8], structure: &Structure) -> Vec<(String, Value)> {
    let mut rendered = Vec::new();
    let mut parsed = |write: &dyn Fn(&mut Vec<u8>)| {
        rendered.clear();
        write(&mut rendered);
        Value::parse(&rendered)
    };
    let mut answers = vec![
        ("ENVELOPE".to_owned(), parsed(&|out| write::envelope(out, &structure.envelope))),
        ("BODY".to_owned(), parsed(&|out| write::body_structure(out, &structure.root, false))),
        ("BODYSTRUCTURE".to_owned(), parsed(&|out| write::body_structure(out, &structure.root, true))),
    ];
    let table = PartTable::of(&structure.root);
    let section = |answers: &mut Vec<(String, Value)>, name: String, path: &[u32], want| {
        let span = table.section(path, want).unwrap_or_default();
        let mut octets = message[span.start as usize..span.end as usize].to_vec();
        write::replace_nul(&mut octets);
        answers.push((name, Value::Text(octets)));
    };
    section(&mut answers, "BODY[HEADER]".to_owned(), &[], Want::Header);
    section(&mut answers, "BODY[TEXT]".to_owned(), &[], Want::Text);
    let mut paths = vec![vec![]];
    // Numbers past the last part of a level are asked for as well.
    for depth in 0..4 {
        for path in paths.clone().into_iter().filter(|path: &Vec<u32>| path.len() == depth) {
            for number in 1.. {
                let part = [path.as_slice(), &[number]].concat();
                let name: Vec<_> = part.iter().map(u32::to_string).collect();
                let name = name.join(".");
                section(&mut answers, format!("BODY[{name}]"), &part, Want::Whole);
                if table.section(&part, Want::Whole).is_none() || number > 20 {
                    if number == 1 {
                        // Dovecot takes BODY[n.1] of a part without parts for BODY[n].
                        answers.pop();
                    }
                    break;
                }
                section(&mut answers, format!("BODY[{name}.MIME]"), &part, Want::Mime);
                section(&mut answers, format!("BODY[{name}.HEADER]"), &part, Want::Header);
                section(&mut answers, format!("BODY[{name}.TEXT]"), &part, Want::Text);
                paths.push(part);
            }
        }
    }
    answers
}
