//! The layers of the house (ARCHITECTURE.md): imports point downward only. Reads the sources; nothing is compiled.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The layer of each module. `imap::codec` is the one submodule with a layer of its own.
const LAYERS: &[(&str, u8)] = &[
    ("mail", 0),
    ("secret", 0),
    ("mime", 1),
    ("pop3", 1),
    ("imap::codec", 1),
    ("auth", 2),
    ("metrics", 2),
    ("oauth", 2),
    ("outbound", 2),
    ("shutdown", 2),
    ("status", 2),
    ("store", 2),
    ("tls", 2),
    ("ingest", 3),
    ("http", 4),
    ("imap", 4),
    ("notifier", 4),
    ("poll", 4),
    ("app", 5),
    ("cli", 5),
    ("config", 5),
    ("demo", 5),
    ("main", 5),
];

/// They meet in `store` only.
const STRANGERS: &[(&str, &str)] = &[
    ("poll", "imap"),
    ("imap", "poll"),
    ("http", "imap"),
    ("http", "poll"),
    ("notifier", "imap"),
    ("notifier", "poll"),
    ("notifier", "http"),
    ("imap", "notifier"),
    ("poll", "notifier"),
    ("http", "notifier"),
];

/// Crates that a pure layer must not name, and the modules that alone may name a crate.
const IMPURE: &[&str] = &["tokio", "redb", "tracing"];
/// Higher up, but as pure.
const PURE: &[&[&str]] = &[&["imap", "keepalive"], &["imap", "session", "view"]];
const OWNED: &[(&str, &[&str])] = &[("redb", &["store", "redb"])];

const MAX_LINES: usize = 800;

#[test]
fn imports_point_downward() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 20, "the sources were not found");
    let violations: Vec<String> = sources.iter().flat_map(|(file, text)| check(file, text)).collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// All violations of one file; `file` is its path below `src`.
fn check(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{file}: {lines} lines, more than {MAX_LINES}"));
    }
    let own_path = module_path(file);
    // lib.rs declares the modules and is in no layer.
    let Some((own, layer)) = own_path.first().and_then(|_| layer_of(&own_path)) else {
        if file != "lib.rs" {
            found.push(format!("{file}: in no layer; give its module one"));
        }
        return found;
    };
    let code = without_comments_and_strings(text);
    let tokens = tokens(&code);
    for path in paths(&tokens, &own_path) {
        match path.split_first() {
            Some((first, rest)) if first == "crate" => {
                let Some((target, target_layer)) = layer_of(rest) else {
                    if !rest.is_empty() {
                        found.push(format!("{file}: crate::{} is in no layer", rest.join("::")));
                    }
                    continue;
                };
                let strangers = STRANGERS.contains(&(top(own), top(target))) && target != "imap::codec";
                if target_layer > layer || strangers {
                    found.push(format!("{file}: {own} (layer {layer}) uses {target} (layer {target_layer})"));
                }
            }
            Some((first, _)) => {
                if (layer <= 1
                    || PURE.iter().any(|module| {
                        own_path.len() >= module.len() && own_path.iter().zip(*module).all(|(part, name)| part == name)
                    }))
                    && IMPURE.contains(&first.as_str())
                {
                    found.push(format!("{file}: {own} is pure (layer {layer}) but names {first}"));
                }
                for (name, owner) in OWNED {
                    if first == name
                        && !owner.iter().enumerate().all(|(at, part)| own_path.get(at).is_some_and(|p| p == part))
                    {
                        found.push(format!("{file}: only {} may name {name}", owner.join("::")));
                    }
                }
            }
            None => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

/// The entry of the longest module name that the path starts with.
fn layer_of(path: &[String]) -> Option<(&'static str, u8)> {
    let starts =
        |module: &str| module.split("::").enumerate().all(|(at, part)| path.get(at).is_some_and(|p| p == part));
    LAYERS.iter().filter(|(module, _)| starts(module)).max_by_key(|(module, _)| module.len()).copied()
}

/// `imap/codec/parse/mod.rs` is `imap::codec::parse`.
fn module_path(file: &str) -> Vec<String> {
    let parts = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect::<Vec<_>>();
    match parts.split_last() {
        Some((last, rest)) if last == "mod" || (rest.is_empty() && last == "lib") => rest.to_vec(),
        _ => parts,
    }
}

/// Paths in `use` declarations (groups taken apart) and in expressions and types, as `crate::...` where they start with
/// `crate` or climb out of the module by `super`, else from their first word, if followed by `::`.
fn paths(tokens: &[String], own: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    // `mod tests { .. }` inside a file makes `super` one level deeper; what it names lies in the file's own module then.
    while at < tokens.len() {
        let starts_path = at == 0 || tokens[at - 1] != "::";
        let goes_on = tokens.get(at + 1).is_some_and(|token| token == "::");
        if starts_path && goes_on && is_word(&tokens[at]) {
            let mut flat = Vec::new();
            expand(tokens, &mut at, &mut Vec::new(), &mut flat);
            found.extend(flat.into_iter().map(|path| absolute(path, own)));
        } else {
            at += 1;
        }
    }
    found
}

/// Reads `a::b::{c, d::e}` at `at` and adds each path in it.
fn expand(tokens: &[String], at: &mut usize, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let length = prefix.len();
    loop {
        match tokens.get(*at).map(String::as_str) {
            Some("{") => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    let before = *at;
                    expand(tokens, at, prefix, found);
                    // `as name`, commas and what else stands in a group.
                    while tokens.get(*at).is_some_and(|token| token != "," && token != "}") {
                        *at += 1;
                    }
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                    assert!(*at > before, "no progress");
                }
                *at += 1;
                break;
            }
            Some(word) if is_word(word) => {
                prefix.push(word.to_owned());
                *at += 1;
                if tokens.get(*at).is_none_or(|token| token != "::") {
                    found.push(prefix.clone());
                    break;
                }
                *at += 1;
            }
            // `*` or a turbofish.
            _ => {
                *at += 1;
                found.push(prefix.clone());
                break;
            }
        }
    }
    prefix.truncate(length);
}

fn absolute(path: Vec<String>, own: &[String]) -> Vec<String> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    if ups == 0 {
        return path;
    }
    let base = own.iter().take(own.len().saturating_sub(ups)).cloned();
    let inside: Vec<String> = base.chain(path.into_iter().skip(ups)).collect();
    // Climbing to the root of the crate from a module, or staying inside it.
    std::iter::once("crate".to_owned()).chain(inside).collect()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if c.is_ascii_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        if !token.trim().is_empty() {
            tokens.push(token.to_owned());
        }
        rest = tail;
    }
    tokens
}

/// The code with comments, string and character literals blanked.
fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if rest.starts_with('"') {
            quoted(rest, '"')
        } else if rest.starts_with('\'') && is_char_literal(rest) {
            quoted(rest, '\'')
        } else {
            0
        };
        if skipped > 0 {
            code.push(' ');
            at += skipped;
        } else {
            let c = rest.chars().next().unwrap_or(' ');
            code.push(c);
            at += c.len_utf8();
        }
    }
    code
}

/// Length of the raw string that starts here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Not a lifetime: `'x'` or an escape.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

fn sources(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The checker sees what it is there for.
#[test]
fn planted_violations_are_found() {
    for (file, text, needle) in [
        ("store/mod.rs", "use crate::imap::Server;", "store (layer 2) uses imap (layer 4)"),
        ("store/mod.rs", "use crate::{mail::Uid, ingest::{self, Intake}};", "store (layer 2) uses ingest (layer 3)"),
        ("store/mod.rs", "fn f() -> crate::config::Config { loop {} }", "store (layer 2) uses config (layer 5)"),
        ("store/row.rs", "use super::super::http;", "store (layer 2) uses http (layer 4)"),
        ("imap/codec/write.rs", "use super::super::Server;", "imap::codec (layer 1) uses imap (layer 4)"),
        ("imap/codec/write.rs", "use crate::store;", "imap::codec (layer 1) uses store (layer 2)"),
        ("imap/conn.rs", "use crate::poll::Poller as P;", "imap (layer 4) uses poll (layer 4)"),
        ("poll/mod.rs", "use crate::imap::Server;", "poll (layer 4) uses imap (layer 4)"),
        ("poll/mod.rs", "let x = crate::app::start();", "poll (layer 4) uses app (layer 5)"),
        ("pop3/session.rs", "use std::io;\nuse tokio::net::TcpStream;", "pop3 is pure (layer 1) but names tokio"),
        ("mail/mod.rs", "fn f() { tracing::info!(\"x\") }", "mail is pure (layer 0) but names tracing"),
        ("imap/server.rs", "fn f(db: redb::Database) {}", "only store::redb may name redb"),
        ("store/mod.rs", "use redb::Database;", "only store::redb may name redb"),
        ("novel.rs", "", "in no layer"),
        ("http/mod.rs", "use crate::novel::X;", "crate::novel::X is in no layer"),
    ] {
        let found = check(file, text);
        assert_eq!(found.len(), 1, "{file}: {text}: {found:?}");
        assert!(found[0].contains(needle), "{found:?}");
    }
    let long = "\n".repeat(MAX_LINES + 1);
    assert_eq!(check("mail/mod.rs", &long).len(), 1);
    assert_eq!(check("mail/mod.rs", &"\n".repeat(MAX_LINES)), Vec::<String>::new());
}

#[test]
fn what_is_allowed_is_not_reported() {
    for (file, text) in [
        ("app/mod.rs", "use crate::{http, imap, poll, store};"),
        ("imap/conn.rs", "use crate::imap::codec::Write; use super::server; use crate::{auth, ingest, mime, store};"),
        ("poll/mod.rs", "// use crate::imap::Server;\n/* crate::app::x */ const X: &str = \"crate::imap::y\";"),
        (
            "pop3/mod.rs",
            "const X: &str = r#\"tokio::net \" redb::x\"#; fn f<'a>(x: &'a u8, c: char) -> bool { c == '\"' }",
        ),
        ("store/redb/writer.rs", "use redb::Database; use tokio::sync::mpsc; use super::row::{self, Row as R};"),
        ("auth/users.rs", "use super::throttle; use crate::metrics::Registry; mod tests { use super::*; }"),
        ("lib.rs", "pub mod mail;"),
        ("main.rs", "fn main() { tributary::cli::run() }"),
    ] {
        assert_eq!(check(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}
