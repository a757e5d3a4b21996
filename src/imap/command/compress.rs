//! COMPRESS (RFC 4978).

use crate::imap::error::{CommandError, CommandResult};
use crate::imap::session::Session;

pub(in crate::imap) fn compress(_session: &Session, _mechanism: &str) -> CommandResult {
    Err(CommandError::Bad("Unknown command"))
}
