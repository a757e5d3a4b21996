//! ENABLE (RFC 5161).

use crate::imap::conn::Output;
use crate::imap::error::{CommandResult, Done};
use crate::imap::session::Authenticated;

/// Names that are not known are ignored, and `* ENABLED` is always sent (IMAP-RULES 23).
pub(in crate::imap) fn enable(cx: &mut Authenticated<'_>, names: &[String], out: &mut Output) -> CommandResult {
    let mut enabled = String::new();
    if names.iter().any(|name| name == "CONDSTORE") {
        cx.features.condstore = true;
        enabled.push_str(" CONDSTORE");
    }
    out.line(format!("* ENABLED{enabled}"));
    Done::ok()
}
