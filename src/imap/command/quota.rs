//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208). A user with a quota has one root, which governs every mailbox, and on it
//! limits of storage, of messages or of both; a user without a limit has no root.

use crate::imap::codec::command::Name;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::Authenticated;
use crate::store::Quota;

/// The name of every user's root, which other servers have made known.
const ROOT: &str = "User quota";

/// The unit of STORAGE (RFC 9208 section 5.1).
const UNIT: u64 = 1024;

pub(in crate::imap) fn get_quota(cx: &Authenticated<'_>, root: &[u8], out: &mut Output) -> CommandResult {
    quota_line(find(cx, root)?, out);
    Done::ok()
}

/// The mailbox need not exist: clients ask what governs one that they are about to create (RFC 9208 section 4.1.2).
pub(in crate::imap) fn get_quota_root(cx: &Authenticated<'_>, name: &Name, out: &mut Output) -> CommandResult {
    let Name::Valid(name) = name else {
        return Err(CommandError::No(Some("CANNOT"), "No mailbox can have this name"));
    };
    let quota = cx.store.quota(cx.login.id);
    out.push("* QUOTAROOT ");
    write::mailbox(out.buf(), name.as_str(), cx.features.utf8_names());
    if quota.is_some() {
        out.push(" ");
        write::string(out.buf(), ROOT.as_bytes());
    }
    out.push("\r\n");
    quota.into_iter().for_each(|quota| quota_line(quota, out));
    Done::ok()
}

/// Limits are the configuration's: QUOTASET is not offered.
pub(in crate::imap) fn set_quota(cx: &Authenticated<'_>, root: &[u8]) -> CommandResult {
    find(cx, root)?;
    Err(CommandError::No(Some("NOPERM"), "Quotas are set by the configuration of the server"))
}

fn find(cx: &Authenticated<'_>, root: &[u8]) -> Result<Quota, CommandError> {
    let quota = cx.store.quota(cx.login.id).filter(|_| root == ROOT.as_bytes());
    quota.ok_or(CommandError::No(Some("NONEXISTENT"), "No such quota root"))
}

/// Both figures of STORAGE are rounded up, so that what is full looks full.
fn quota_line(quota: Quota, out: &mut Output) {
    out.push("* QUOTA ");
    write::string(out.buf(), ROOT.as_bytes());
    let storage =
        quota.storage.map(|share| format!("STORAGE {} {}", share.used.div_ceil(UNIT), share.limit.div_ceil(UNIT)));
    let messages = quota.messages.map(|share| format!("MESSAGE {} {}", share.used, share.limit));
    let resources: Vec<String> = storage.into_iter().chain(messages).collect();
    out.line(format!(" ({})", resources.join(" ")));
}
