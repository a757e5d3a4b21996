//! The facts about each command, in one exhaustive match: its name, the states that allow it, and whether
//! expunges may be announced while it is answered.

use super::codec::command::{Command, SearchKey, SelectArgs};

/// When a command is allowed (RFC 9051 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// In every state.
    Any,
    /// Only before login.
    NotAuthenticated,
    /// After login, whether or not a mailbox is selected.
    Authenticated,
    /// With a mailbox selected.
    Selected,
}

/// What holds for one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    /// Metric label and log name.
    pub(super) name: &'static str,
    pub(super) allowed: Allowed,
    /// Whether EXPUNGE may be sent before its tagged response. RFC 9051 section 7.5.1: never while answering
    /// FETCH, STORE or SEARCH; the UID forms may, but for a search with sequence numbers (RFC 7162 section 3.2.10.2).
    pub(super) may_expunge: bool,
    /// It uses message sequence numbers, or is one of the commands that answer with them: not after ENABLE UIDONLY
    /// (RFC 9586 sections 3.2, 3.5, 3.7 and 3.8).
    pub(super) by_number: bool,
}

/// Stands for a command that could not be parsed.
pub(super) const INVALID: &str = "invalid";

/// Every name that [`spec`] gives, and [`INVALID`].
pub(super) const NAMES: [&str; 53] = [
    "append",
    "authenticate",
    "cancelupdate",
    "capability",
    "check",
    "close",
    "compress",
    "copy",
    "create",
    "delete",
    "enable",
    "examine",
    "expunge",
    "fetch",
    "getmetadata",
    "getquota",
    "getquotaroot",
    "id",
    "idle",
    INVALID,
    "list",
    "login",
    "logout",
    "lsub",
    "move",
    "namespace",
    "noop",
    "notify",
    "rename",
    "replace",
    "search",
    "select",
    "setmetadata",
    "setquota",
    "sort",
    "starttls",
    "status",
    "store",
    "subscribe",
    "thread",
    "uid_copy",
    "uid_expunge",
    "uid_fetch",
    "uid_move",
    "uid_replace",
    "uid_search",
    "uid_sort",
    "uid_store",
    "uid_thread",
    "uidbatches",
    "unauthenticate",
    "unselect",
    "unsubscribe",
];

const fn any(name: &'static str) -> Spec {
    Spec { name, allowed: Allowed::Any, may_expunge: true, by_number: false }
}

const fn before_login(name: &'static str) -> Spec {
    Spec { name, allowed: Allowed::NotAuthenticated, may_expunge: true, by_number: false }
}

const fn authenticated(name: &'static str) -> Spec {
    Spec { name, allowed: Allowed::Authenticated, may_expunge: true, by_number: false }
}

/// What is expunged while the mailbox is described is told by the next command: clients take in the description when it
/// is complete.
fn selecting(name: &'static str, args: &SelectArgs) -> Spec {
    let by_number = args.qresync.as_ref().is_some_and(|client| client.matches.is_some());
    Spec { name, allowed: Allowed::Authenticated, may_expunge: false, by_number }
}

const fn selected(name: &'static str, may_expunge: bool) -> Spec {
    Spec { name, allowed: Allowed::Selected, may_expunge, by_number: false }
}

/// A command that has a UID form.
const fn numbered(uid: bool, names: [&'static str; 2], may_expunge: bool) -> Spec {
    let [name, uid_name] = names;
    let name = if uid { uid_name } else { name };
    Spec { name, allowed: Allowed::Selected, may_expunge, by_number: !uid }
}

/// SEARCH and what begins as it does: within the UID form too, a set among the keys is of sequence numbers.
fn searching(uid: bool, names: [&'static str; 2], key: &SearchKey) -> Spec {
    let by_number = !uid || key.uses_numbers();
    Spec { by_number, ..numbered(uid, names, !by_number) }
}

/// The facts about `command`.
pub(super) fn spec(command: &Command) -> Spec {
    match command {
        Command::Capability => any("capability"),
        Command::Noop => any("noop"),
        Command::Logout => any("logout"),
        Command::Id(_) => any("id"),
        Command::StartTls => before_login("starttls"),
        Command::Authenticate { .. } => before_login("authenticate"),
        Command::Login { .. } => before_login("login"),
        Command::Enable(_) => authenticated("enable"),
        Command::Unauthenticate => authenticated("unauthenticate"),
        Command::Compress(_) => authenticated("compress"),
        Command::Select(args) => selecting("select", args),
        Command::Examine(args) => selecting("examine", args),
        Command::Create(..) => authenticated("create"),
        Command::Delete(..) => authenticated("delete"),
        Command::Rename(..) => authenticated("rename"),
        Command::Subscribe(_) => authenticated("subscribe"),
        Command::Unsubscribe(_) => authenticated("unsubscribe"),
        Command::List(_) => authenticated("list"),
        Command::Lsub(_) => authenticated("lsub"),
        Command::Namespace => authenticated("namespace"),
        Command::Status(..) => authenticated("status"),
        Command::GetQuota(_) => authenticated("getquota"),
        Command::GetQuotaRoot(_) => authenticated("getquotaroot"),
        Command::SetQuota(_) => authenticated("setquota"),
        Command::GetMetadata(_) => authenticated("getmetadata"),
        Command::SetMetadata(_) => authenticated("setmetadata"),
        Command::Notify(_) => authenticated("notify"),
        Command::Append(_) => authenticated("append"),
        Command::Idle => authenticated("idle"),
        Command::Check => selected("check", true),
        Command::Close => selected("close", false),
        Command::Unselect => selected("unselect", false),
        Command::Expunge(None) => selected("expunge", true),
        Command::Expunge(Some(_)) => selected("uid_expunge", true),
        Command::Search(a) => searching(a.uid, ["search", "uid_search"], &a.key),
        Command::Sort(a) => searching(a.uid, ["sort", "uid_sort"], &a.key),
        Command::Thread(a) => searching(a.uid, ["thread", "uid_thread"], &a.key),
        Command::CancelUpdate(_) => selected("cancelupdate", true),
        Command::UidBatches(..) => selected("uidbatches", true),
        Command::Replace(a) => numbered(a.uid, ["replace", "uid_replace"], true),
        Command::Fetch(a) => numbered(a.uid, ["fetch", "uid_fetch"], a.uid),
        Command::Store(a) => numbered(a.uid, ["store", "uid_store"], a.uid),
        Command::Copy(a) => numbered(a.uid, ["copy", "uid_copy"], true),
        Command::Move(a) => numbered(a.uid, ["move", "uid_move"], true),
    }
}
