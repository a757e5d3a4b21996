//! `tributary hash-password`.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail, ensure};
use zeroize::Zeroizing;

use crate::auth;
use crate::secret::Secret;

/// A client cannot send a longer one: literals before login are bounded.
const MAX_PASSWORD: usize = 1024;

/// Prints the hash line of the password that is typed or piped in.
pub(super) fn run() -> anyhow::Result<()> {
    let password = if std::io::stdin().is_terminal() { ask()? } else { read_line(std::io::stdin().lock())? };
    let line = auth::hash_password(&password)?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn ask() -> anyhow::Result<Secret> {
    let prompt = |text| rpassword::prompt_password(text).map(Zeroizing::new).context("cannot read from the terminal");
    let first = prompt("Password: ")?;
    let second = prompt("Once more: ")?;
    ensure!(*first == *second, "the two are not the same");
    check(&first)
}

fn read_line(from: impl BufRead) -> anyhow::Result<Secret> {
    let mut line = Zeroizing::new(String::new());
    from.take(MAX_PASSWORD as u64 + 3).read_line(&mut line).context("cannot read standard input")?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    check(text.strip_suffix('\r').unwrap_or(text))
}

fn check(password: &str) -> anyhow::Result<Secret> {
    if password.is_empty() {
        bail!("the password is empty");
    }
    ensure!(password.len() <= MAX_PASSWORD, "the password is longer than {MAX_PASSWORD} bytes");
    ensure!(!password.contains('\0'), "the password has a NUL character in it");
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_line() {
        for (text, want) in [("a b\n", "a b"), ("a\r\n", "a"), ("a", "a"), (" a \nrest", " a ")] {
            assert_eq!(read_line(text.as_bytes()).expect("password").expose(), want);
        }
        assert!(read_line("".as_bytes()).is_err());
        assert!(read_line("\n".as_bytes()).is_err());
        let most = "p".repeat(MAX_PASSWORD);
        assert!(read_line(format!("{most}\r\n").as_bytes()).is_ok());
        assert!(read_line(format!("{most}p\n").as_bytes()).is_err());
    }
}
