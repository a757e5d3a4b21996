//! ID, AUTHENTICATE, LOGIN, ENABLE and COMPRESS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::input::{Input, Parsed};
use super::{MAX_ID_FIELD, MAX_ID_PAIRS, MAX_ID_VALUE};
use crate::imap::codec::command::Command;
use crate::secret::Secret;

/// `id = "ID" SP id-params-list`, `id-params-list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil` (RFC 2971
/// section 4)
pub(super) fn id(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    if input.eat_word(b"NIL") {
        return Ok(Command::Id(None));
    }
    let pair = |input: &mut Input<'_>| {
        let field = input.string()?.into_owned();
        input.sp()?;
        let value = input.nstring()?.map(|value| value.into_owned());
        if field.len() > MAX_ID_FIELD || value.as_ref().is_some_and(|value| value.len() > MAX_ID_VALUE) {
            return Err("an ID field is too long");
        }
        Ok((field, value))
    };
    let pairs = input.list(true, pair)?;
    if pairs.len() > MAX_ID_PAIRS { Err("too many ID fields") } else { Ok(Command::Id(Some(pairs))) }
}

/// `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] *(CRLF base64)`, `auth-type = atom`,
/// `initial-resp = (base64 / "=")`
pub(super) fn authenticate(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    let mechanism = upper(input.atom()?);
    if !input.has_argument() {
        return Ok(Command::Authenticate { mechanism, initial: None });
    }
    input.sp()?;
    let initial = match input.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')) {
        b"=" => Vec::new(),
        b"" => return Err("expected base64"),
        text => STANDARD.decode(text).map_err(|_| "wrong base64")?,
    };
    Ok(Command::Authenticate { mechanism, initial: Some(initial) })
}

/// `login = "LOGIN" SP userid SP password`, `userid = astring`, `password = astring`
///
/// A password that is not UTF-8 gets a NUL, which no password has: it is then nobody's.
pub(super) fn login(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    let user = input.astring()?.into_owned();
    input.sp()?;
    let password = input.astring()?;
    let password = std::str::from_utf8(&password).map_or_else(|_| Secret::new("\0"), Secret::new);
    Ok(Command::Login { user, password })
}

/// `enable = "ENABLE" 1*(SP capability)`, `capability = ("AUTH=" auth-type) / atom`
pub(super) fn enable(input: &mut Input<'_>) -> Parsed<Command> {
    let mut names = Vec::new();
    while names.is_empty() || input.has_argument() {
        input.sp()?;
        names.push(upper(input.atom()?));
    }
    Ok(Command::Enable(names))
}

/// `compress = "COMPRESS" SP algorithm` (RFC 4978 section 5); algorithm names are atoms
pub(super) fn compress(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    Ok(Command::Compress(upper(input.atom()?)))
}

/// An atom in upper case.
fn upper(atom: &[u8]) -> String {
    String::from_utf8_lossy(atom).to_ascii_uppercase()
}
