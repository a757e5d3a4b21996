//! docs/rfc-coverage.md is true: every RFC and section that the sources cite has a row, and every file and test that a row
//! names is there. Reads the repository; nothing is compiled.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const TABLE: &str = "docs/rfc-coverage.md";

/// One row: `| RFC | section | yes, partial or no | files | tests | what |`.
#[derive(Debug)]
struct Row {
    line: usize,
    rfc: u32,
    /// Empty: the whole RFC.
    section: String,
    status: String,
    files: Vec<String>,
    tests: Vec<String>,
    note: String,
}

#[test]
fn every_cited_rfc_and_section_has_a_row() {
    let rows = rows(&read(TABLE));
    let mut missing = BTreeSet::new();
    for path in files(Path::new("src"), "rs") {
        for (rfc, section) in citations(&read(&path)) {
            if !rows.iter().any(|row| row.rfc == rfc && covers(&row.section, &section)) {
                missing.insert(format!("RFC {rfc} section {section:?}, cited in {}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{TABLE} has no row for:\n{}", Vec::from_iter(missing).join("\n"));
}

#[test]
fn every_row_names_what_is_there() {
    let tests = test_names();
    let rows = rows(&read(TABLE));
    assert!(rows.len() > 50, "the table was not found");
    let faults: Vec<String> = rows.iter().flat_map(|row| faults(row, &tests)).collect();
    assert!(faults.is_empty(), "{TABLE}:\n{}", faults.join("\n"));
}

/// What is wrong with a row.
fn faults(row: &Row, tests: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut fault = |what: String| found.push(format!("line {}: {what}", row.line));
    match row.status.as_str() {
        "yes" | "partial" if row.tests.is_empty() => fault("no test".to_owned()),
        "yes" | "partial" if row.files.is_empty() => fault("no file".to_owned()),
        "yes" | "partial" | "no" => {}
        other => fault(format!("the status is {other:?}")),
    }
    if row.status != "yes" && row.note.is_empty() {
        fault("it does not say what is missing and why".to_owned());
    }
    for file in &row.files {
        if !root().join(file).exists() {
            fault(format!("there is no file {file}"));
        }
    }
    for test in &row.tests {
        if !tests.contains(test) && !root().join(test).is_file() {
            fault(format!("there is no test {test}"));
        }
    }
    found
}

fn rows(table: &str) -> Vec<Row> {
    let cells = |line: &str| line.trim().trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
    let code = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let row = |(index, line): (usize, &str)| {
        let cells = cells(line);
        let [rfc, section, status, files, tests, note] = cells.as_slice() else { return None };
        Some(Row {
            line: index + 1,
            rfc: rfc.parse().ok()?,
            section: if section == "all" { String::new() } else { section.clone() },
            status: status.clone(),
            files: code(files),
            tests: code(tests),
            note: note.clone(),
        })
    };
    table.lines().enumerate().filter(|(_, line)| line.starts_with("| ")).filter_map(row).collect()
}

/// Whether a row of `section` speaks for `cited`: itself, or what it is part of.
fn covers(section: &str, cited: &str) -> bool {
    let below = || cited.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
    section.is_empty() || cited.is_empty() || cited == section || below()
}

/// `RFC n`, `RFC n section a.b`, `RFC n sections a, b and c` in a text; line ends and comment marks between words count as
/// spaces.
fn citations(text: &str) -> Vec<(u32, String)> {
    let words =
        text.lines().map(|line| line.trim().trim_start_matches('/').trim_start_matches('!')).collect::<Vec<_>>();
    let words = words.join(" ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if !word.ends_with("RFC") {
            continue;
        }
        let Some(rfc) = words.get(at + 1).and_then(|number| bare(number).parse().ok()) else { continue };
        // A word that ends the sentence ends the citation.
        let plain = words[at + 1].ends_with(|c: char| c.is_ascii_digit());
        let is_section = |word: &&&str| matches!(**word, "section" | "sections");
        if !plain || words.get(at + 2).filter(is_section).is_none() {
            found.push((rfc, String::new()));
            continue;
        }
        for word in &words[at + 3..] {
            if matches!(*word, "and" | "to" | "or") {
                continue;
            }
            let section = bare(word);
            let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
            let first = section.split('.').next().unwrap_or_default();
            let letter = first.len() == 1 && first.chars().all(|c| c.is_ascii_uppercase());
            if !(letter || is_number(first)) || !section.split('.').skip(1).all(is_number) {
                break;
            }
            found.push((rfc, section.to_owned()));
            if !word.ends_with(',') && !word.ends_with(|c: char| c.is_ascii_alphanumeric()) {
                break;
            }
        }
    }
    found
}

/// A word without what stands around it.
fn bare(word: &str) -> &str {
    let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(word.len());
    word[..end].trim_end_matches('.')
}

/// The names of all functions marked as tests, with and without a path of modules.
fn test_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files(Path::new("src"), "rs").into_iter().chain(files(Path::new("tests"), "rs")) {
        let text = read(&path);
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "))
                && std::mem::take(&mut is_test)
            {
                names.extend(rest.split('(').next().map(str::to_owned));
            }
        }
    }
    names
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path.as_ref())).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

/// All files below a directory with this extension.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(directory)).unwrap() {
        let path = directory.join(entry.unwrap().file_name());
        if root().join(&path).is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn citations_are_found() {
    let found = |text: &str| citations(text).into_iter().map(|(n, s)| format!("{n}/{s}")).collect::<Vec<_>>().join(" ");
    assert_eq!(found("as RFC 9051 section 6.4.4 says (RFC 3501)."), "9051/6.4.4 3501/");
    assert_eq!(found("/// RFC 7162\n/// sections 3.1, 3.2.6 and 6) more"), "7162/3.1 7162/3.2.6 7162/6");
    assert_eq!(found("(RFC 5258, RFC 5819). RFC 2606 section 3."), "5258/ 5819/ 2606/3");
    assert_eq!(found("RFC 9051 section 9 `tag`; the RFC says"), "9051/9");
    assert_eq!(found("RFC 9051 appendix A, RFC 9051 section A.1"), "9051/ 9051/A.1");
}

#[test]
fn planted_faults_are_found() {
    let table = "| RFC | section | status | file | test | what |\n| 1 | 2.3 | yes | `src/lib.rs` | `gone` | |\n\
                 | 2 | all | no | | | |\n| 3 | 1 | yes | `src/none.rs` | `citations_are_found` | |\n\
                 | 4 | 1 | maybe | | | why |\n| 5 | 1 | partial | `src/lib.rs` | `planted_faults_are_found` | why |\n";
    let (rows, tests) = (rows(table), test_names());
    let count = |n: usize| faults(&rows[n], &tests).len();
    assert_eq!((rows.len(), count(0), count(1), count(2), count(3), count(4)), (5, 1, 1, 1, 1, 0));
    assert!(covers("2.3", "2.3.1") && covers("", "7") && covers("2", "") && !covers("2.3", "2.31"));
    assert!(!covers("2.3", "2"));
}
