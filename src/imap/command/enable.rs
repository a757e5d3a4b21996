//! ENABLE (RFC 9051 section 6.3.1, RFC 5161, RFC 6855 section 3, RFC 7162 section 3.2.3, RFC 9586 section 3.1).

use crate::imap::conn::Output;
use crate::imap::error::{CommandResult, Done};
use crate::imap::session::{Features, Session};
use crate::mail::Uid;

type Switch = fn(&mut Features);

/// What can be enabled, and what that switches on.
const EXTENSIONS: [(&str, Switch); 5] = [
    ("CONDSTORE", |features| features.condstore = true),
    ("QRESYNC", |features| (features.condstore, features.qresync) = (true, true)),
    ("UIDONLY", |features| features.uid_only = true),
    ("UTF8=ACCEPT", |features| features.utf8 = true),
    ("IMAP4rev2", |features| features.rev2 = true),
];

/// Names that are not known are ignored, and `* ENABLED` is always sent, with what this command and none before it has
/// enabled. What the configuration hides is as good as not known; what is only not shown, as UIDONLY, is known. Allowed in the selected state too: RFC 9051 leaves that open.
pub(in crate::imap) fn enable(session: &mut Session, names: &[String], out: &mut Output) -> CommandResult {
    out.push("* ENABLED");
    for (index, (name, switch)) in EXTENSIONS.into_iter().enumerate() {
        let bit = 1 << index;
        let asked = names.iter().any(|asked| asked.eq_ignore_ascii_case(name));
        if !asked || session.features.named & bit != 0 || session.hides(name) {
            continue;
        }
        session.features.named |= bit;
        switch(&mut session.features);
        out.push(format!(" {name}"));
    }
    out.push("\r\n");
    // IMAP4rev2 knows no \Recent (RFC 9051 appendix E).
    let rev2 = session.features.rev2;
    if let Some(cx) = session.selected().filter(|_| rev2) {
        let recent = std::mem::take(&mut cx.mailbox.recent);
        cx.mailbox.contexts.note(recent.iter().filter_map(Uid::new));
    }
    Done::ok()
}
