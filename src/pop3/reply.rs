//! Status lines (RFC 1939 section 3), response codes (RFC 2449 section 8, RFC 3206) and what a refusal means.

use std::fmt;

use super::words;

/// The longest server text that is kept, in bytes.
const MAX_TEXT: usize = 200;

/// A status line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status<'a> {
    /// `+OK`, with what follows it.
    Ok(&'a [u8]),
    /// `-ERR`, with what follows it.
    Err(&'a [u8]),
    /// `+`: the server waits for the next line of an AUTH exchange (RFC 5034 section 4), with its challenge.
    Continue(&'a [u8]),
}

/// Reads a status line; the text may be missing altogether. `None`: it is none.
pub(super) fn parse(line: &[u8]) -> Option<Status<'_>> {
    let after = |indicator: &[u8]| {
        let (head, rest) = line.split_at_checked(indicator.len())?;
        let ends = rest.first().is_none_or(|b| !b.is_ascii_alphanumeric());
        (head.eq_ignore_ascii_case(indicator) && ends).then(|| rest.trim_ascii())
    };
    if let Some(text) = after(b"+OK") {
        return Some(Status::Ok(text));
    }
    if let Some(text) = after(b"-ERR") {
        return Some(Status::Err(text));
    }
    let challenge = line.strip_prefix(b"+")?;
    (challenge.is_empty() || challenge.starts_with(b" ")).then(|| Status::Continue(challenge.trim_ascii()))
}

/// A decimal number: digits only, no sign, no wrap.
pub(super) fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Response codes that decide what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// `[IN-USE]`: another session holds the maildrop.
    InUse,
    /// `[LOGIN-DELAY]`: too soon after the last login.
    LoginDelay,
    /// `[AUTH]`: the credentials.
    Auth,
    /// `[SYS/TEMP]`: trouble that will pass.
    SysTemp,
    /// `[SYS/PERM]`: trouble that needs a person.
    SysPerm,
}

impl ResponseCode {
    const ALL: [(&'static str, Self); 5] = [
        ("IN-USE", Self::InUse),
        ("LOGIN-DELAY", Self::LoginDelay),
        ("AUTH", Self::Auth),
        ("SYS/TEMP", Self::SysTemp),
        ("SYS/PERM", Self::SysPerm),
    ];

    fn parse(text: &[u8]) -> Option<Self> {
        let inner = text.strip_prefix(b"[")?;
        let code = inner.get(..memchr::memchr(b']', inner)?)?;
        // RFC 2449 section 8: hierarchical, parts after a slash refine; an unknown refinement keeps its meaning.
        let matches = |name: &str| {
            let (head, rest) = code.split_at_checked(name.len())?;
            (head.eq_ignore_ascii_case(name.as_bytes()) && rest.first().is_none_or(|b| *b == b'/')).then_some(())
        };
        Self::ALL.iter().find(|(name, _)| matches(name).is_some()).map(|(_, code)| *code)
    }
}

/// What a refusal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Other credentials, or a person at the provider.
    Credentials,
    /// Silence until the lock is gone.
    Locked,
    /// Fewer logins.
    Throttled,
    /// Nothing known.
    Other,
}

/// `-ERR` with its code and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The response code, if it is one that matters.
    pub code: Option<ResponseCode>,
    /// The server's words: printable ASCII, cut, without the password.
    pub text: String,
}

impl Refusal {
    /// From what follows `-ERR`; `secrets` are blotted out wherever the server repeats them.
    pub(super) fn new(text: &[u8], secrets: &[&str]) -> Self {
        let code = ResponseCode::parse(text);
        let mut words = String::from_utf8_lossy(text).into_owned();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            words = words.replace(secret, "***");
        }
        let text =
            words.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(MAX_TEXT).collect();
        Self { code, text }
    }

    /// What it asks for: by the code, else by the words that servers without codes use.
    pub fn kind(&self) -> RefusalKind {
        match self.code {
            Some(ResponseCode::InUse) => return RefusalKind::Locked,
            Some(ResponseCode::LoginDelay | ResponseCode::SysTemp) => return RefusalKind::Throttled,
            Some(ResponseCode::Auth | ResponseCode::SysPerm) => return RefusalKind::Credentials,
            None => {}
        }
        words::kind(&self.text)
    }

    /// Whether the server says that it leaves, whatever command it answers.
    pub(super) fn is_goodbye(&self) -> bool {
        words::is_goodbye(&self.text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "(no reason given)" } else { &self.text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        for (line, want) in [
            ("+OK", Some(Status::Ok(b"".as_slice()))),
            ("+OK ", Some(Status::Ok(b""))),
            ("+ok hello", Some(Status::Ok(b"hello"))),
            ("-ERR", Some(Status::Err(b""))),
            ("-ERR\tno", Some(Status::Err(b"no"))),
            ("+", Some(Status::Continue(b""))),
            ("+ ", Some(Status::Continue(b""))),
            ("+ UGFzcw==", Some(Status::Continue(b"UGFzcw=="))),
            ("+OKAY", None),
            ("-ERROR", None),
            ("", None),
            ("OK", None),
            ("* OK ready", None),
            ("+XX", None),
        ] {
            assert_eq!(parse(line.as_bytes()), want, "{line:?}");
        }
    }

    #[test]
    fn numbers_are_digits_and_checked() {
        assert_eq!(number::<u32>(b"4294967295"), Some(u32::MAX));
        for bad in ["4294967296", "", "+1", "-1", " 1", "1 ", "0x1", "1\0"] {
            assert_eq!(number::<u32>(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (text, kind) in [
            ("[IN-USE] busy", RefusalKind::Locked),
            ("[in-use/x] busy", RefusalKind::Locked),
            ("[LOGIN-DELAY] wait", RefusalKind::Throttled),
            ("[SYS/TEMP] later", RefusalKind::Throttled),
            ("[SYS/PERM] ask", RefusalKind::Credentials),
            ("[AUTH] no", RefusalKind::Credentials),
            ("[AUTHX] no", RefusalKind::Other),
            ("[AUTH] maildrop already locked", RefusalKind::Credentials),
            ("maildrop already locked", RefusalKind::Locked),
            ("invalid password", RefusalKind::Other),
            ("", RefusalKind::Other),
        ] {
            assert_eq!(Refusal::new(text.as_bytes(), &["pw"]).kind(), kind, "{text:?}");
        }
    }

    #[test]
    fn refusal_text_is_printable_bounded_and_without_the_password() {
        let refusal = Refusal::new(b"unknown command PASS hunter2\x1b[2J\xff", &["", "hunter2"]);
        assert_eq!(refusal.text, "unknown command PASS ***?[2J?");
        assert_eq!(Refusal::new(&[b'x'; 5000], &[]).text.len(), MAX_TEXT);
    }
}
