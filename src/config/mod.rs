//! The configuration: YAML text to a validated [`Config`], once, with every problem found at once.
//!
//! The text becomes a tree that knows its lines (`yaml`), the tree is read key by key (`read`), secrets are fetched (`secrets`),
//! files that are named are looked at. Unknown keys are errors. Nothing here starts anything.

mod diff;
mod limits;
mod maildrop;
mod operate;
mod policy;
mod problem;
mod read;
mod rules;
mod secrets;
mod section;
mod types;
mod value;
mod yaml;

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use limits::{ImapLimits, Limits, MimeLimits, Pop3Limits};
pub use maildrop::{Credential, OAuth2, OAuthProvider, Pop3, Pop3Tls, Route, Socks5, Trust};
pub use operate::{Webhook, WebhookEvent};
pub use problem::Problem;
pub use rules::Rule;
pub use secrets::{Source, Sourced, token_source};
pub use types::{Account, Certificate, Config, Duplicates, Http, Imap, Log, LogFormat, LogLevel, User, UserImap};

/// A configuration that can be run, and what is unwise in it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What works but should be written otherwise.
    pub warnings: Vec<Problem>,
}

/// Why there is no configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// All that is wrong in it, by line.
    Invalid {
        /// Which.
        file: PathBuf,
        /// At least one, ordered by line.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, reason } => write!(f, "{}: {reason}", file.display()),
            Self::Invalid { file, problems } => {
                write!(f, "{}: {} wrong:", file.display(), count(problems.len()))?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for Error {}

fn count(problems: usize) -> String {
    if problems == 1 { "one thing is".to_owned() } else { format!("{problems} things are") }
}

/// Reads and checks the file, and fetches its secrets. Blocking.
pub fn load(file: &Path) -> Result<Loaded, Error> {
    let unreadable = |reason: String| Error::Unreadable { file: file.to_owned(), reason };
    let opened = std::fs::File::open(file).map_err(|e| unreadable(format!("cannot open: {e}")))?;
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that the excess is seen.
    opened
        .take(yaml::MAX_SIZE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(format!("cannot read: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8 text".to_owned()))?;
    parse(&text, &section::directory_of(file)).map_err(|problems| Error::Invalid { file: file.to_owned(), problems })
}

/// Checks a configuration; relative paths in it are relative to `directory`. Blocking: fetches secrets, looks at files.
pub fn parse(text: &str, directory: &Path) -> Result<Loaded, Vec<Problem>> {
    let (tree, mut problems) = yaml::parse(text)?;
    let cx = section::Context { directory: directory.to_owned(), ..section::Context::default() };
    let config = section::root(&cx, &tree).and_then(read::config);
    problems.extend(cx.problems.into_inner());
    problems.sort_by_key(|problem| problem.line);
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, warnings: cx.warnings.into_inner() }),
        _ => Err(problems),
    }
}

impl Config {
    /// The effective configuration as YAML, with every default filled in and secrets masked.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        serde_yaml::to_string(self)
    }
}

#[cfg(test)]
mod operate_tests;
#[cfg(test)]
mod tests;
