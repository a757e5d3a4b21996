//! REPLACE and UID REPLACE (RFC 8508).

use crate::imap::codec::command::ReplaceArgs;
use crate::imap::conn::Conn;
use crate::imap::error::{CommandError, CommandResult};
use crate::imap::session::Session;

pub(in crate::imap) async fn replace(_session: &mut Session, _conn: &mut Conn, _args: ReplaceArgs) -> CommandResult {
    Err(CommandError::Bad("Unknown command"))
}
