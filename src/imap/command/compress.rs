//! COMPRESS (RFC 4978).

use crate::imap::conn::Conn;
use crate::imap::error::{CommandError, CommandResult, Done};

/// The connection begins to compress after the tagged response.
pub(in crate::imap) fn compress(conn: &Conn, mechanism: &str) -> CommandResult {
    if mechanism != "DEFLATE" {
        return Err(CommandError::Bad("Unknown compression mechanism"));
    }
    if conn.is_compressed() {
        return Err(CommandError::No(Some("COMPRESSIONACTIVE"), "DEFLATE is active already"));
    }
    Done::text("DEFLATE active")
}
