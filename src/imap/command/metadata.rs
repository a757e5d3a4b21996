//! GETMETADATA and SETMETADATA (RFC 5464).

use crate::imap::codec::command::{GetMetadataArgs, SetMetadataArgs};
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult};
use crate::imap::session::Authenticated;

pub(in crate::imap) async fn get(_cx: &Authenticated<'_>, _args: &GetMetadataArgs, _out: &mut Output) -> CommandResult {
    Err(CommandError::Bad("Unknown command"))
}

pub(in crate::imap) async fn set(_cx: &Authenticated<'_>, _args: SetMetadataArgs) -> CommandResult {
    Err(CommandError::Bad("Unknown command"))
}
