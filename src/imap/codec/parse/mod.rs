//! Stage two of the codec: a complete command to a value. One function a rule of the grammar, with the ABNF beside it
//! (RFC 9051 section 9; RFC 3501 section 9 where it says more; the extensions named). Lenient only where real
//! clients need it, and then it says so. Must never panic, nor recurse deeper than a limit of its own.

mod append;
mod auth;
mod date;
mod fetch;
mod flags;
mod input;
mod list;
mod mailbox;
mod metadata;
mod quota;
mod search;
mod section;
mod set;
mod store;
#[cfg(test)]
mod tests;
mod url;

use super::command::{Command, Tagged};
use super::fragment::Piece;
use input::{Input, Parsed};
pub use url::parse_url;

/// The deepest nesting of search keys.
const MAX_DEPTH: usize = 32;

/// Most different items of one FETCH: finding duplicates among them is quadratic, and each costs an answer.
const MAX_FETCH_ITEMS: usize = 1_000;

/// Most patterns of one LIST: each is matched with every mailbox.
const MAX_PATTERNS: usize = 256;

/// Most fields of ID, and the most octets in the name and the value of one (RFC 2971 section 3.3).
const MAX_ID_PAIRS: usize = 30;
const MAX_ID_FIELD: usize = 30;
const MAX_ID_VALUE: usize = 1024;

/// Why a command could not be read; answered `BAD` with the tag if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The tag, if one could be read.
    pub tag: Option<Vec<u8>>,
    /// What is wrong, for a person to read.
    pub message: &'static str,
}

/// Parses a complete command. `utf8`: mailbox names are UTF-8 (after ENABLE UTF8=ACCEPT or IMAP4rev2), else modified UTF-7.
pub fn parse(pieces: &[Piece], utf8: bool) -> Result<Tagged, SyntaxError> {
    parse_input(Input::new(pieces, utf8, false))
}

/// Parses the head of an APPEND or REPLACE up to the message literal that it announces (`Event::AppendLiteral::head`), for
/// early refusal: the last part of the last message is that literal.
pub fn parse_append_head(pieces: &[Piece], utf8: bool) -> Result<Tagged, SyntaxError> {
    parse_input(Input::new(pieces, utf8, true))
}

/// `command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF`
fn parse_input(mut input: Input<'_>) -> Result<Tagged, SyntaxError> {
    let tag = match input.tag() {
        Ok(tag) => tag.to_vec(),
        Err(message) => return Err(SyntaxError { tag: None, message }),
    };
    match command(&mut input) {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(message) => Err(SyntaxError { tag: Some(tag), message }),
    }
}

fn command(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    let name = input.word().to_ascii_uppercase();
    let command = match name.as_slice() {
        b"CAPABILITY" => Command::Capability,
        b"NOOP" => Command::Noop,
        b"LOGOUT" => Command::Logout,
        b"STARTTLS" => Command::StartTls,
        b"NAMESPACE" => Command::Namespace,
        b"IDLE" => Command::Idle,
        b"UNAUTHENTICATE" => Command::Unauthenticate,
        b"COMPRESS" => auth::compress(input)?,
        b"CHECK" => Command::Check,
        b"CLOSE" => Command::Close,
        b"UNSELECT" => Command::Unselect,
        b"EXPUNGE" => Command::Expunge(None),
        b"UID" => uid(input)?,
        b"ID" => auth::id(input)?,
        b"AUTHENTICATE" => auth::authenticate(input)?,
        b"LOGIN" => auth::login(input)?,
        b"ENABLE" => auth::enable(input)?,
        b"SELECT" => Command::Select(mailbox::select(input)?),
        b"EXAMINE" => Command::Examine(mailbox::select(input)?),
        b"CREATE" => mailbox::create(input)?,
        b"DELETE" => mailbox::delete(input)?,
        b"RENAME" => mailbox::rename(input)?,
        b"SUBSCRIBE" => Command::Subscribe(mailbox::argument(input)?),
        b"UNSUBSCRIBE" => Command::Unsubscribe(mailbox::argument(input)?),
        b"STATUS" => mailbox::status(input)?,
        b"LIST" => Command::List(list::list(input)?),
        b"LSUB" => Command::Lsub(list::lsub(input)?),
        b"GETQUOTA" => quota::get_quota(input)?,
        b"GETQUOTAROOT" => quota::get_quota_root(input)?,
        b"SETQUOTA" => quota::set_quota(input)?,
        b"APPEND" => Command::Append(append::append(input)?),
        b"REPLACE" => Command::Replace(append::replace(input, false)?),
        b"GETMETADATA" => Command::GetMetadata(metadata::get(input)?),
        b"SETMETADATA" => Command::SetMetadata(metadata::set(input)?),
        b"SEARCH" => Command::Search(search::search(input, false)?),
        b"SORT" => Command::Sort(search::sort(input, false)?),
        b"THREAD" => Command::Thread(search::thread(input, false)?),
        b"CANCELUPDATE" => search::cancel_update(input)?,
        b"UIDBATCHES" => search::uid_batches(input)?,
        b"FETCH" => Command::Fetch(fetch::fetch(input, false)?),
        b"STORE" => Command::Store(store::store(input, false)?),
        b"COPY" => Command::Copy(store::copy(input, false)?),
        b"MOVE" => Command::Move(store::copy(input, false)?),
        b"" => return Err("missing command"),
        _ => return Err("unknown command"),
    };
    input.end()?;
    Ok(command)
}

/// `uid = "UID" SP (copy / move / fetch / search / store / uid-expunge / sort / thread / replace)`
///
/// `uid-expunge = "UID" SP "EXPUNGE" SP sequence-set`
fn uid(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    let name = input.word().to_ascii_uppercase();
    Ok(match name.as_slice() {
        b"SEARCH" => Command::Search(search::search(input, true)?),
        b"SORT" => Command::Sort(search::sort(input, true)?),
        b"THREAD" => Command::Thread(search::thread(input, true)?),
        b"FETCH" => Command::Fetch(fetch::fetch(input, true)?),
        b"STORE" => Command::Store(store::store(input, true)?),
        b"COPY" => Command::Copy(store::copy(input, true)?),
        b"MOVE" => Command::Move(store::copy(input, true)?),
        b"REPLACE" => Command::Replace(append::replace(input, true)?),
        b"EXPUNGE" => {
            input.sp()?;
            Command::Expunge(Some(set::sequence_set(input)?))
        }
        _ => return Err("unknown UID command"),
    })
}
