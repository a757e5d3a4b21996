//! docs/pop3-servers.md: every row names tests that exist, and every fault that the client can name is in it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

/// The text of all Rust sources below these directories.
fn sources(directories: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending: Vec<_> = directories.iter().map(|directory| root.join(directory)).collect();
    let mut text = String::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    text
}

fn document() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pop3-servers.md")).unwrap()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The last cells of the tables whose last column is "test".
fn test_cells(document: &str) -> Vec<(&str, &str)> {
    let mut cells = Vec::new();
    let mut is_table_of_tests = false;
    for line in document.lines() {
        let Some(row) = line.strip_prefix('|') else {
            is_table_of_tests = false;
            continue;
        };
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        match last {
            "test" => is_table_of_tests = true,
            _ if is_table_of_tests && !last.starts_with("---") => cells.push((line, last)),
            _ => {}
        }
    }
    cells
}

/// The names of the functions that are marked as tests.
fn tests(sources: &str) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    let mut marked = false;
    for line in sources.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if let Some((_, function)) = line.split_once("fn ").filter(|_| marked) {
            tests.extend(function.split('(').next());
            marked = false;
        }
    }
    tests
}

#[test]
fn only_what_is_marked_is_a_test() {
    let sources = "#[test]\nfn a() {}\nfn b() {}\n#[tokio::test(start_paused = true)]\n#[cfg(unix)]\nasync fn c() {}\n";
    assert_eq!(tests(sources), BTreeSet::from(["a", "c"]));
}

#[test]
fn every_row_names_tests_that_exist() {
    let (document, sources) = (document(), sources(&["src", "tests"]));
    let tests = tests(&sources);
    let cells = test_cells(&document);
    assert!(cells.len() > 30, "the tables were not found: {}", cells.len());
    for (line, cell) in cells {
        let names: Vec<_> = quoted(cell).collect();
        assert!(!names.is_empty(), "a row without a test: {line}");
        for name in names {
            assert!(tests.contains(name), "there is no test {name}: {line}");
        }
    }
}

#[test]
fn every_fault_has_a_row() {
    let document = document();
    let known: BTreeSet<&str> = quoted(&document).collect();
    let missing: Vec<_> = tributary::poll::fault_labels().filter(|label| !known.contains(label)).collect();
    assert!(missing.is_empty(), "docs/pop3-servers.md lacks {missing:?}");
}
