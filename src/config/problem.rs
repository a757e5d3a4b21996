//! What is wrong with a configuration, as the operator reads it.

use std::fmt;

/// One thing wrong: where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// Such as `users[0].accounts[1].pop3.port`; empty when it concerns the file as YAML.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl Problem {
    pub(super) fn new(line: usize, path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { line, path: path.into(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "line {}: {}", self.line, self.what)
        } else {
            write!(f, "line {}: {}: {}", self.line, self.path, self.what)
        }
    }
}
