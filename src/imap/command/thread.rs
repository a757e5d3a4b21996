//! THREAD and UID THREAD (RFC 5256).

use crate::imap::codec::command::ThreadArgs;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult};
use crate::imap::session::SelectedCx;

pub(in crate::imap) async fn thread(_cx: &mut SelectedCx<'_>, _args: ThreadArgs, _out: &mut Output) -> CommandResult {
    Err(CommandError::Bad("Unknown command"))
}
