//! CAPABILITY, NOOP, LOGOUT (RFC 9051 section 6.1) and ID (RFC 2971).

use crate::imap::capability::capabilities;
use crate::imap::codec::command::IdPair;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandResult, Done};
use crate::imap::session::Session;

/// How much of a client's ID goes into the log.
const ID_LOGGED: usize = 200;

pub(in crate::imap) fn capability(session: &Session, out: &mut Output) -> CommandResult {
    out.line(format!("* CAPABILITY {}", capabilities(session)));
    Done::ok()
}

/// NOOP is pull to refresh: the dispatcher announces what changed, and stale maildrops are polled.
pub(in crate::imap) fn noop(session: &mut Session) -> CommandResult {
    if let Some(cx) = session.selected().filter(|cx| cx.mailbox.is_of_maildrops()) {
        let user = cx.login.user.name.clone();
        (session.deps.nudge)(&user);
    }
    Done::ok()
}

pub(in crate::imap) fn logout(out: &mut Output) -> CommandResult {
    out.line("* BYE Logging out");
    Done::ok()
}

/// RFC 2971 forbids to change behaviour on what the client says; it is for the log alone.
pub(in crate::imap) fn id(session: &Session, fields: Option<&[IdPair]>, out: &mut Output) -> CommandResult {
    let said: Vec<String> = fields
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, value)| {
            let value = value.as_ref()?;
            Some(format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)))
        })
        .collect();
    let client: String = said.join(" ").chars().filter(|c| !c.is_control()).take(ID_LOGGED).collect();
    tracing::debug!(session = session.id, client, "client identified itself");
    out.push("* ID (\"name\" \"Tributary\" \"version\" ");
    write::string(out.buf(), env!("CARGO_PKG_VERSION").as_bytes());
    out.line(")");
    Done::ok()
}
