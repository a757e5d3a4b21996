//! The capability list: one constant, and what of it holds in which state.

use std::borrow::Cow;
use std::collections::HashMap;

use super::session::{Session, State};

/// When a capability is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// In every state.
    Always,
    /// After login.
    LoggedIn,
    /// After login, where the configuration shows it.
    OnRequest,
    /// Before login, while the connection has no TLS.
    CanStartTls,
    /// Before login, where a password may travel.
    CanLogIn,
    /// Before login, where none may.
    NoLogin,
}

/// Every capability, in the order shown. IDLE is shown before login too: one Outlook looks for it only then.
const CAPABILITIES: &[(&str, Shown)] = &[
    ("IMAP4rev1", Shown::Always),
    ("IMAP4rev2", Shown::Always),
    ("LITERAL+", Shown::Always),
    ("SASL-IR", Shown::Always),
    ("ID", Shown::Always),
    ("ENABLE", Shown::Always),
    ("IDLE", Shown::Always),
    ("STARTTLS", Shown::CanStartTls),
    ("AUTH=PLAIN", Shown::CanLogIn),
    ("LOGINDISABLED", Shown::NoLogin),
    ("UTF8=ACCEPT", Shown::LoggedIn),
    ("COMPRESS=DEFLATE", Shown::LoggedIn),
    ("UNAUTHENTICATE", Shown::LoggedIn),
    ("NAMESPACE", Shown::LoggedIn),
    ("CHILDREN", Shown::LoggedIn),
    ("UNSELECT", Shown::LoggedIn),
    ("UIDPLUS", Shown::LoggedIn),
    ("MOVE", Shown::LoggedIn),
    ("SPECIAL-USE", Shown::LoggedIn),
    ("CREATE-SPECIAL-USE", Shown::LoggedIn),
    ("LIST-EXTENDED", Shown::LoggedIn),
    ("LIST-STATUS", Shown::LoggedIn),
    ("STATUS=SIZE", Shown::LoggedIn),
    ("CONDSTORE", Shown::LoggedIn),
    ("QRESYNC", Shown::LoggedIn),
    ("BINARY", Shown::LoggedIn),
    ("PREVIEW", Shown::LoggedIn),
    ("OBJECTID", Shown::LoggedIn),
    ("SAVEDATE", Shown::LoggedIn),
    ("METADATA", Shown::LoggedIn),
    ("LIST-METADATA", Shown::LoggedIn),
    ("QUOTA", Shown::LoggedIn),
    ("QUOTA=RES-STORAGE", Shown::LoggedIn),
    ("QUOTA=RES-MESSAGE", Shown::LoggedIn),
    ("ESEARCH", Shown::LoggedIn),
    ("SEARCHRES", Shown::LoggedIn),
    ("WITHIN", Shown::LoggedIn),
    ("SORT", Shown::LoggedIn),
    ("SORT=DISPLAY", Shown::LoggedIn),
    ("ESORT", Shown::LoggedIn),
    ("CONTEXT=SEARCH", Shown::LoggedIn),
    ("CONTEXT=SORT", Shown::LoggedIn),
    ("PARTIAL", Shown::LoggedIn),
    ("UIDBATCHES", Shown::LoggedIn),
    ("THREAD=ORDEREDSUBJECT", Shown::LoggedIn),
    ("THREAD=REFERENCES", Shown::LoggedIn),
    ("I18NLEVEL=1", Shown::LoggedIn),
    ("INPROGRESS", Shown::LoggedIn),
    ("UIDONLY", Shown::OnRequest),
    ("MULTIAPPEND", Shown::LoggedIn),
    ("CATENATE", Shown::LoggedIn),
    ("REPLACE", Shown::LoggedIn),
    (APPEND_LIMIT, Shown::LoggedIn),
];

/// Shown with its value (RFC 7889 section 2).
const APPEND_LIMIT: &str = "APPENDLIMIT";

/// The capability list of the present state.
pub(super) fn capabilities(session: &Session) -> String {
    let logged_in = !matches!(session.state, State::NotAuthenticated);
    let listed = |name: &str| session.deps.settings.shown_capabilities.iter().any(|shown| shown == name);
    let shown = |name: &str, when: Shown| match when {
        Shown::Always => true,
        Shown::LoggedIn => logged_in,
        Shown::OnRequest => logged_in && listed(name),
        Shown::CanStartTls => !logged_in && !session.tls,
        Shown::CanLogIn => !logged_in && session.may_log_in(),
        Shown::NoLogin => !logged_in && !session.may_log_in(),
    };
    let valued = |name| match name {
        APPEND_LIMIT => format!("{name}={}", session.deps.settings.append_limit()).into(),
        _ => Cow::Borrowed(name),
    };
    let offered = CAPABILITIES.iter().filter(|(name, when)| shown(name, *when)).map(|(name, _)| *name);
    let names: Vec<Cow<'_, str>> = offered.filter(|name| !session.hides(name)).map(valued).collect();
    names.join(" ")
}

/// What must be told: the protocol itself, and how a password may travel.
const NEVER_HIDDEN: [&str; 3] = ["IMAP4rev1", "STARTTLS", "LOGINDISABLED"];

/// Every capability that may be hidden.
pub fn hideable_capabilities() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().map(|(name, _)| *name).filter(|name| !NEVER_HIDDEN.contains(name))
}

/// Every capability that is shown only where the configuration says so: what is experimental (RFC 9586). Whoever asks for it
/// unasked has it all the same, unless it is hidden.
pub fn showable_capabilities() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().filter(|(_, when)| *when == Shown::OnRequest).map(|(name, _)| *name)
}

/// Capabilities that are not shown, for a client that cannot bear them. Commands of theirs still work, but for ENABLE, which
/// takes no notice of the name, and UNAUTHENTICATE, which there must be a way to refuse (RFC 8437 section 8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HiddenCapabilities {
    /// In every session, before login too.
    pub everywhere: Vec<String>,
    /// In the sessions of a user, by name.
    pub of_users: HashMap<String, Vec<String>>,
}

impl HiddenCapabilities {
    pub(super) fn hides(&self, capability: &str, user: Option<&str>) -> bool {
        let of_user = user.and_then(|user| self.of_users.get(user));
        let mut hidden = self.everywhere.iter().chain(of_user.into_iter().flatten());
        hidden.any(|name| name.eq_ignore_ascii_case(capability))
    }
}
