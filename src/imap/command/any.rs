//! CAPABILITY, NOOP, LOGOUT (RFC 9051 section 6.1) and ID (RFC 2971).

use crate::imap::capability::capabilities;
use crate::imap::codec::command::IdPair;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandResult, Done};
use crate::imap::session::Session;

/// How much of a client's ID goes into the log, characters.
const ID_LOGGED: usize = 200;

/// How much of its name and version is shown of a session, characters.
const CLIENT_SHOWN: usize = 80;

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
    session.handle.shows_client(client_of(fields.unwrap_or_default()));
    out.push("* ID (\"name\" \"Tributary\" \"version\" ");
    write::string(out.buf(), env!("CARGO_PKG_VERSION").as_bytes());
    out.line(")");
    Done::ok()
}

/// Name and version, for people: what a client says of itself is shown and never believed.
fn client_of(fields: &[IdPair]) -> String {
    let value = |name: &str| {
        let found = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        let text = String::from_utf8_lossy(found?.1.as_ref()?).into_owned();
        // Neither control characters nor what turns the direction of the text around it.
        let is_plain = |c: &char| {
            !c.is_control()
                && !matches!(*c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let text: String = text.chars().filter(is_plain).take(CLIENT_SHOWN).collect();
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let Some(name) = value("name").or_else(|| value("vendor")) else { return String::new() };
    let whole = value("version").map_or_else(|| name.clone(), |version| format!("{name} {version}"));
    whole.chars().take(CLIENT_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(pairs: &[(&str, Option<&[u8]>)]) -> String {
        let fields: Vec<IdPair> =
            pairs.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.map(<[u8]>::to_vec))).collect();
        client_of(&fields)
    }

    #[test]
    fn clients_have_names_that_people_can_read() {
        assert_eq!(client(&[("Name", Some(b"Thunderbird")), ("version", Some(b"140.1"))]), "Thunderbird 140.1");
        assert_eq!(client(&[("vendor", Some(b"Apple")), ("name", None)]), "Apple");
        assert_eq!(client(&[("os", Some(b"iOS"))]), "");
        assert_eq!(client(&[("name", Some(b"a\x00\x1b[31m\xffb\xe2\x80\xaec"))]), "a[31m\u{fffd}bc");
        let long = |length: usize| client(&[("name", Some("x".repeat(length).as_bytes()))]).len();
        assert_eq!((long(CLIENT_SHOWN), long(CLIENT_SHOWN + 1)), (CLIENT_SHOWN, CLIENT_SHOWN));
    }
}
