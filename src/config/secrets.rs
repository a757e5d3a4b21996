//! Secrets in the configuration: where they come from, and fetching them. A secret's text appears in no problem, warning or
//! printed configuration.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::section::Item;
use super::yaml::Value;
use crate::auth;
use crate::secret::{Secret, SecretSource};

/// The longest secret: OAuth tokens are a few kilobytes.
const MAX_SECRET: u64 = 16 * 1024;

/// A command that takes longer is given up.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// Likewise one that prints a token: it may have to ask the provider for it.
const TOKEN_COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks at whether a command that prints no more has ended.
const EXIT_CHECK: Duration = Duration::from_millis(10);

/// Where a secret was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// `{ file: PATH }`.
    File(PathBuf),
    /// `{ env: NAME }`.
    Env(String),
    /// `{ command: [prog, arg] }`.
    Command(Vec<String>),
    /// `{ hash: ... }`.
    Hash,
    /// A plain string.
    Plain,
}

/// A secret and where it came from; prints the latter only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sourced {
    /// Where it was written.
    pub source: Source,
    /// The password, or for [`Source::Hash`] the hash line.
    pub secret: Secret,
}

impl Sourced {
    /// Where to ask for it again, for it may change while the service runs.
    pub fn source(&self) -> SecretSource {
        match &self.source {
            Source::File(path) => {
                let (path, place) = (path.clone(), format!("file {}", path.display()));
                SecretSource::new(move || from_file(&path).and_then(check)).at(place)
            }
            Source::Env(name) => {
                let (name, place) = (name.clone(), format!("env {name}"));
                SecretSource::new(move || from_env(&name).and_then(check)).at(place)
            }
            Source::Command(words) => from_program(words, COMMAND_TIMEOUT),
            Source::Hash | Source::Plain => SecretSource::fixed(self.secret.clone()),
        }
    }
}

/// Tokens that this program with these arguments prints. It is not run before one is needed.
pub fn token_source(words: &[String]) -> SecretSource {
    from_program(words, TOKEN_COMMAND_TIMEOUT)
}

fn from_program(words: &[String], patience: Duration) -> SecretSource {
    let (words, place) = (words.to_vec(), format!("command {words:?}"));
    SecretSource::program(move || from_command(&words, patience).and_then(check)).at(place)
}

impl Serialize for Sourced {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = match &self.source {
            Source::Plain => return serializer.serialize_str(MASK),
            Source::File(path) => ("file", path.display().to_string()),
            Source::Env(name) => ("env", name.clone()),
            Source::Hash => ("hash", MASK.to_owned()),
            Source::Command(words) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("command", words)?;
                return map.end();
            }
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(key, &value)?;
        map.end()
    }
}

/// What is printed in place of a secret.
const MASK: &str = "***";

const FORMS: &str = "write { file: PATH }, { env: NAME } or { command: [program, argument] }";

/// Reads and fetches a secret; `hash_allowed` for passwords of users.
pub(super) fn read(item: &Item<'_>, hash_allowed: bool) -> Option<Sourced> {
    let entries = match &item.node.value {
        Value::Text(text) => return plain(item, text, hash_allowed),
        Value::Map(entries) => entries,
        other => {
            item.problem(format!("{} where a secret is expected; {FORMS}", other.kind()));
            return None;
        }
    };
    let [entry] = entries.as_slice() else {
        item.problem(format!("a secret has exactly one source; {FORMS}"));
        return None;
    };
    let inner = Item { cx: item.cx, node: &entry.value, path: format!("{}.{}", item.path, entry.key) };
    let (source, fetched) = match entry.key.as_str() {
        "file" => {
            let path = item.cx.resolve(inner.text()?);
            let fetched = from_file(&path);
            (Source::File(path), fetched)
        }
        "env" => {
            let name = inner.text()?.to_owned();
            let fetched = from_env(&name);
            (Source::Env(name), fetched)
        }
        "command" => {
            let words = inner.command()?;
            let fetched = from_command(&words, COMMAND_TIMEOUT);
            (Source::Command(words), fetched)
        }
        "hash" if hash_allowed => {
            let line = inner.text()?;
            auth::check_hash(line)
                .map_err(|e| inner.problem(format!("{e}; write what `tributary hash-password` prints")))
                .ok()?;
            return Some(Sourced { source: Source::Hash, secret: Secret::new(line) });
        }
        "hash" => {
            inner.problem(format!(
                "the server at the other end needs the password itself, a hash is of no use; {FORMS}"
            ));
            return None;
        }
        key => {
            inner.cx.problem(entry.line, &inner.path, format!("unknown source of a secret: {key}; {FORMS}"));
            return None;
        }
    };
    let secret = fetched.and_then(check).map_err(|what| inner.problem(what)).ok()?;
    Some(Sourced { source, secret })
}

fn plain(item: &Item<'_>, text: &str, hash_allowed: bool) -> Option<Sourced> {
    if hash_allowed && text.starts_with("$argon2") {
        item.problem("a hash where a password is expected; write { hash: \"...\" }");
        return None;
    }
    let secret = check(text.to_owned()).map_err(|what| item.problem(what)).ok()?;
    let instead = if hash_allowed { "write { hash: ... } with what `tributary hash-password` prints" } else { FORMS };
    item.cx.warning(item.node.line, &item.path, format!("a secret in plain sight; {instead}"));
    Some(Sourced { source: Source::Plain, secret })
}

/// One line of text. One line end after it does not belong to it: editors and `echo` add one.
fn check(text: String) -> Result<Secret, String> {
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    if line.chars().any(|c| matches!(c, '\0' | '\r' | '\n')) {
        return Err("the secret has more than one line; it must be a single line".to_owned());
    }
    Ok(Secret::new(line))
}

fn from_env(name: &str) -> Result<String, String> {
    std::env::var(name)
        .map_err(|_| format!("the environment variable {name} is not set; set it, or write another source"))
}

fn from_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    read_bounded(file).map_err(|e| format!("cannot read {shown}: {e}"))
}

fn read_bounded(from: impl Read) -> Result<String, String> {
    let mut text = String::new();
    from.take(MAX_SECRET + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    if text.len() as u64 > MAX_SECRET { Err("longer than 16 KiB".to_owned()) } else { Ok(text) }
}

/// Runs the command without a shell and takes what it prints. It ends, or is ended, within `patience`.
fn from_command(words: &[String], patience: Duration) -> Result<String, String> {
    let deadline = Instant::now() + patience;
    let [program, arguments @ ..] = words else {
        return Err("no command; write [program, argument, ...]".to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    let Some(output) = child.stdout.take() else { return Err(format!("cannot read what {program} prints")) };
    let (send, receive) = mpsc::sync_channel(1);
    std::thread::spawn(move || send.send(read_bounded(output)));
    let printed = receive.recv_timeout(patience);
    // If it did not print all, it may be waiting for ever, or for a reader of the rest of its output.
    let wait_until = if matches!(printed, Ok(Ok(_))) { deadline } else { Instant::now() };
    let status = end(&mut child, wait_until).map_err(|e| format!("cannot wait for {program}: {e}"))?;
    match (printed, status) {
        (Ok(Err(e)), _) => Err(format!("what {program} printed is no secret: {e}")),
        (Err(_), _) | (_, None) => Err(format!("{program} did not end within {patience:?}")),
        (Ok(Ok(_)), Some(status)) if !status.success() => Err(format!("{program} failed ({status})")),
        (Ok(Ok(text)), Some(_)) => Ok(text),
    }
}

/// Waits for the end until `deadline`, then makes it: `None`.
fn end(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(EXIT_CHECK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn one_line_end_is_dropped() {
        for text in ["s", "s\n", "s\r\n"] {
            assert_eq!(check(text.to_owned()).expect("secret").expose(), "s");
        }
        assert_eq!(check(" s ".to_owned()).expect("secret").expose(), " s ");
        for text in ["", "\n", "a\nb", "a\n\n", "a\0", "a\rb"] {
            assert!(check(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn length_is_bounded() {
        let most = usize::try_from(MAX_SECRET).expect("fits");
        assert!(read_bounded("s".repeat(most).as_bytes()).is_ok());
        assert!(read_bounded("s".repeat(most + 1).as_bytes()).is_err());
    }

    #[test]
    fn commands_run_without_a_shell() {
        let run = |words: &[&str]| from_command(&owned(words), COMMAND_TIMEOUT);
        assert_eq!(run(&["printf", "%s", "a b; $HOME"]), Ok("a b; $HOME".to_owned()));
        assert!(run(&["false"]).expect_err("status").contains("false failed"));
        assert!(run(&["/no/such/program"]).expect_err("missing").contains("cannot run"));
        assert!(run(&[]).is_err());
    }

    #[test]
    fn commands_that_do_not_end_are_ended() {
        let run = |script: &str| from_command(&owned(&["sh", "-c", script]), Duration::from_millis(50));
        for script in ["exec sleep 1000", "echo s3cret; exec >&-; exec sleep 1000"] {
            assert_eq!(run(script), Err("sh did not end within 50ms".to_owned()), "{script}");
        }
        // What is too long is refused at once, without waiting for the rest.
        let endless = from_command(&owned(&["sh", "-c", "exec yes"]), COMMAND_TIMEOUT);
        assert_eq!(endless, Err("what sh printed is no secret: longer than 16 KiB".to_owned()));
    }

    #[test]
    fn a_source_sees_what_has_changed() {
        let home = tempfile::tempdir().expect("directory");
        let path = home.path().join("secret");
        let fetch = |source: &SecretSource| source.fetch().map(|secret| secret.expose().to_owned());
        std::fs::write(&path, "one\n").expect("written");
        let show = owned(&["cat", path.to_str().expect("UTF-8")]);
        let sourced = |source| Sourced { source, secret: Secret::new("one") };
        let file = sourced(Source::File(path.clone())).source();
        let command = sourced(Source::Command(show.clone())).source();
        let token = token_source(&show);
        assert!(!file.runs_program() && command.runs_program() && token.runs_program());
        for want in ["one", "two"] {
            std::fs::write(&path, want).expect("written");
            for source in [&file, &command, &token] {
                assert_eq!(fetch(source), Ok(want.to_owned()));
            }
        }
        std::fs::write(&path, "three\nlines").expect("written");
        for source in [&file, &command, &token] {
            assert_eq!(fetch(source), Err("the secret has more than one line; it must be a single line".to_owned()));
        }
        assert_eq!(fetch(&sourced(Source::Plain).source()), Ok("one".to_owned()));
        let path_variable = std::env::var("PATH").expect("set");
        assert_eq!(fetch(&sourced(Source::Env("PATH".to_owned())).source()), Ok(path_variable));
        let unset = sourced(Source::Env("TRIBUTARY_TEST_NO_SUCH_VARIABLE".to_owned())).source();
        assert!(fetch(&unset).expect_err("unset").contains("is not set"));
    }

    #[test]
    fn tokens_of_16_kib_are_taken() {
        let print = |length: &str| token_source(&owned(&["sh", "-c", "printf %0*d \"$1\" 0", "sh", length])).fetch();
        assert_eq!(print("16384").map(|token| token.expose().len()), Ok(16_384));
        assert!(print("16385").expect_err("too long").contains("longer than 16 KiB"));
    }
}
