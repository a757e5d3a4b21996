//! ENABLE (RFC 5161, RFC 7162 section 3.2.3).

use crate::imap::conn::Output;
use crate::imap::error::{CommandResult, Done};
use crate::imap::session::Authenticated;

/// Names that are not known are ignored, and `* ENABLED` is always sent (IMAP-RULES 23). QRESYNC enables CONDSTORE too.
pub(in crate::imap) fn enable(cx: &mut Authenticated<'_>, names: &[String], out: &mut Output) -> CommandResult {
    let mut enabled = String::new();
    for known in ["CONDSTORE", "QRESYNC"].into_iter().filter(|known| names.iter().any(|name| name == known)) {
        cx.features.condstore = true;
        cx.features.qresync |= known == "QRESYNC";
        enabled.push(' ');
        enabled.push_str(known);
    }
    out.line(format!("* ENABLED{enabled}"));
    Done::ok()
}
