//! SORT and UID SORT (RFC 5256, RFC 5267 section 3, RFC 5957).

use crate::imap::codec::command::SortArgs;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult};
use crate::imap::session::SelectedCx;

pub(in crate::imap) async fn sort(_cx: &mut SelectedCx<'_>, _args: SortArgs, _out: &mut Output) -> CommandResult {
    Err(CommandError::Bad("Unknown command"))
}
