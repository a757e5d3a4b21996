//! Reading a mapping key by key: collects every problem with its line and key path, knows which keys were asked for, and so
//! can name the ones nobody knows.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::yaml::{Entry, Node, Value};

/// What all sections of one file share.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Relative paths are relative to the directory of the file.
    pub(super) directory: PathBuf,
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) warnings: RefCell<Vec<Problem>>,
}

impl Context {
    pub(super) fn problem(&self, line: usize, path: impl Into<String>, what: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(line, path, what));
    }

    pub(super) fn warning(&self, line: usize, path: impl Into<String>, what: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem::new(line, path, what));
    }

    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }
}

/// One mapping being read.
pub(super) struct Section<'a> {
    pub(super) cx: &'a Context,
    pub(super) line: usize,
    path: String,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
}

/// One value with its key path.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) cx: &'a Context,
    pub(super) node: &'a Node,
    pub(super) path: String,
}

impl<'a> Item<'a> {
    pub(super) fn problem(&self, what: impl Into<String>) {
        self.cx.problem(self.node.line, &self.path, what);
    }

    /// As a mapping; nothing at all counts as an empty one.
    pub(super) fn section(self) -> Option<Section<'a>> {
        let entries: &[Entry] = match &self.node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            other => {
                self.problem(format!("{} where a mapping is expected; write key: value lines", other.kind()));
                return None;
            }
        };
        Some(Section { cx: self.cx, line: self.node.line, path: self.path, entries, asked: Vec::new() })
    }

    /// As a list; nothing at all counts as an empty one.
    pub(super) fn list(&self) -> Option<Vec<Self>> {
        match &self.node.value {
            Value::List(nodes) => {
                let item = |(index, node)| Item { cx: self.cx, node, path: format!("{}[{index}]", self.path) };
                Some(nodes.iter().enumerate().map(item).collect())
            }
            Value::Null => Some(Vec::new()),
            other => {
                self.problem(format!(
                    "{} where a list is expected; write [..] or lines that start with -",
                    other.kind()
                ));
                None
            }
        }
    }

    /// As a list, of which one single value may stand alone.
    pub(super) fn one_or_list(&self) -> Option<Vec<Self>> {
        match &self.node.value {
            Value::Text(_) => Some(vec![self.clone()]),
            _ => self.list(),
        }
    }

    /// As a mapping with keys of the user's own.
    pub(super) fn fields(&self) -> Option<Vec<(String, Self)>> {
        let Value::Map(entries) = &self.node.value else {
            self.problem(format!("{} where a mapping is expected; write name: value", self.node.value.kind()));
            return None;
        };
        let field = |entry: &'a Entry| {
            let path = format!("{}.{}", self.path, entry.key);
            (entry.key.clone(), Item { cx: self.cx, node: &entry.value, path })
        };
        Some(entries.iter().map(field).collect())
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            other => {
                self.problem(format!("{} where a single value is expected", other.kind()));
                None
            }
        }
    }

    /// As a program and its arguments.
    pub(super) fn command(&self) -> Option<Vec<String>> {
        let words = self.list()?;
        let word = |item: &Self| {
            item.value(|text| match text {
                _ if text.contains('\0') => Err("has a NUL in it; leave it out".to_owned()),
                _ => Ok(text.to_owned()),
            })
        };
        // All are read before any failure counts.
        let read: Vec<Option<String>> = words.iter().map(word).collect();
        let read: Vec<String> = read.into_iter().collect::<Option<_>>()?;
        if read.first().is_none_or(String::is_empty) {
            self.problem("no command; write [program, argument, ...]");
            return None;
        }
        Some(read)
    }

    /// As a single value read by `read`, whose error says what is wrong and what to write instead.
    pub(super) fn value<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        read(self.text()?).map_err(|what| self.problem(what)).ok()
    }
}

impl<'a> Section<'a> {
    /// The value of this key, if it is given and not null.
    pub(super) fn item(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (entry.value.value != Value::Null).then(|| Item { cx: self.cx, node: &entry.value, path: self.path_of(key) })
    }

    /// As [`Self::item`], a problem when it is missing.
    pub(super) fn required(&mut self, key: &'static str, example: &str) -> Option<Item<'a>> {
        let item = self.item(key);
        if item.is_none() {
            self.cx.problem(self.line, self.path_of(key), format!("is required; write {key}: {example}"));
        }
        item
    }

    /// The sub-mapping of this key; an empty one when it is not given.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        match self.item(key) {
            Some(item) => item.section(),
            None => {
                Some(Self { cx: self.cx, line: self.line, path: self.path_of(key), entries: &[], asked: Vec::new() })
            }
        }
    }

    /// A single value, or `default` when it is not given or wrong (which is reported).
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.item(key).and_then(|item| item.value(read)).unwrap_or(default)
    }

    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let item = self.item(key)?;
        let cx = self.cx;
        item.value(|text| Ok(cx.resolve(text)))
    }

    /// Reports the keys that nobody asked for. Call last.
    pub(super) fn finish(self) {
        for entry in self.entries.iter().filter(|e| !e.key.is_empty() && !self.asked.contains(&e.key.as_str())) {
            let mut near: Vec<_> = self.asked.iter().map(|key| (distance(key, &entry.key), *key)).collect();
            near.sort();
            let instead = match near.first() {
                Some((distance, key)) if *distance <= 2 => format!("write {key} instead"),
                _ => format!("the keys here are {}", self.asked.join(", ")),
            };
            self.cx.problem(entry.line, self.path_of(&entry.key), format!("unknown key; {instead}"));
        }
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// The whole file as a section.
pub(super) fn root<'a>(cx: &'a Context, node: &'a Node) -> Option<Section<'a>> {
    Item { cx, node, path: String::new() }.section()
}

/// The directory that holds the file, for relative paths.
pub(super) fn directory_of(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Levenshtein distance; keys are short, and anything long is simply far.
pub(super) fn distance(a: &str, b: &str) -> usize {
    if b.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or_default();
            let cost = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            if let Some(cell) = row.get_mut(j) {
                *cell = left;
            }
            left = cost;
        }
        if let Some(cell) = row.last_mut() {
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("port", "port", 0),
            ("port", "prot", 2),
            ("host", "hots", 2),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }
}
