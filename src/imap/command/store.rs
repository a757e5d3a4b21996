//! STORE and UID STORE (RFC 9051 section 6.4.6, RFC 7162 section 3.1.3).

use std::collections::HashMap;
use std::sync::Arc;

use crate::imap::codec::command::StoreArgs;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Entry, FlagEcho, SelectedCx, fetch_flags, fetch_head, flags_line, mod_seq_item};
use crate::mail::{Uid, UidSet};
use crate::store::{FlagChange, Snapshot};

pub(in crate::imap) async fn store(cx: &mut SelectedCx<'_>, args: &StoreArgs, out: &mut Output) -> CommandResult {
    // RFC 7162 section 3.1: the command enables CONDSTORE also where it fails.
    cx.features.condstore |= args.unchanged_since.is_some();
    if cx.mailbox.read_only {
        return Err(CommandError::No(Some("READ-ONLY"), "The mailbox is open read-only"));
    }
    let uids = cx.resolve(&args.set, args.uid)?;
    let before = Arc::clone(cx.mailbox.view.snapshot());
    let change = FlagChange { op: args.op, list: args.list.clone(), unchanged_since: args.unchanged_since };
    let stored = cx.store.set_flags(cx.mailbox.id, uids.clone(), change).await?;
    let delta = cx.sync(out, args.uid).await?;
    let echo = FlagEcho { uids: &stored.applied, op: args.op, list: &args.list, silent: args.silent, uid: args.uid };
    answer(cx, &before, delta.changed, &echo, args.unchanged_since.is_some(), out).await?;
    outcome(cx, args, &uids, &stored.modified)
}

/// The untagged FETCHes: every message named gets one unless the change was silent, and then still one that
/// another session changed as well (IMAP-RULES 15); with CONDSTORE the new MODSEQ is always sent, and that of every
/// message after UNCHANGEDSINCE (`conditional`; RFC 7162 section 3.1.3).
async fn answer(
    cx: &SelectedCx<'_>,
    before: &Snapshot,
    changed: Vec<Uid>,
    echo: &FlagEcho<'_>,
    conditional: bool,
    out: &mut Output,
) -> Result<(), CommandError> {
    let mut others: HashMap<Uid, bool> = HashMap::new();
    for uid in changed {
        others.insert(uid, false);
        if !echo.uids.contains_uid(uid) {
            fetch_flags(cx.mailbox, *cx.features, out, uid.value(), echo.uid);
            out.relieve().await?;
        }
    }
    let view = &cx.mailbox.view;
    for entry in view.entries(echo.uids) {
        let Entry { message, ghost, .. } = entry;
        let known = before.find(message.uid);
        // A message that arrived after this client's last update was not named by it.
        let (Some(old), false) = (known, ghost) else { continue };
        let own = echo.explains(old, message, &view.snapshot().keywords);
        if !echo.silent || !own {
            flags_line(cx.mailbox, *cx.features, out, entry, echo.uid);
        } else if cx.features.condstore && (conditional || others.contains_key(&message.uid)) {
            mod_seq_only(out, cx.features.uid_only, entry);
        }
        out.relieve().await?;
    }
    Ok(())
}

/// Only sent with CONDSTORE, and so with the UID (RFC 7162 section 3.2.4).
fn mod_seq_only(out: &mut Output, uid_only: bool, entry: Entry<'_>) {
    let uid = entry.message.uid;
    fetch_head(out.buf(), uid_only, entry.seq, uid);
    if !uid_only {
        out.push(format!("UID {} ", uid.value()));
    }
    mod_seq_item(out.buf(), entry.message);
    out.push(")\r\n");
}

/// MODIFIED names what UNCHANGEDSINCE refused, UIDs for UID STORE, sequence numbers otherwise. A message expunged
/// meanwhile makes STORE by number a NO (RFC 2180 section 4.2), the others are changed all the same.
fn outcome(cx: &SelectedCx<'_>, args: &StoreArgs, uids: &UidSet, modified: &UidSet) -> CommandResult {
    let view = &cx.mailbox.view;
    let gone = !args.uid && view.has_ghost(uids);
    if modified.is_empty() {
        return if gone { Err(CommandError::expunge_issued()) } else { Done::ok() };
    }
    let numbers: UidSet = match args.uid {
        true => modified.clone(),
        false => view.entries(modified).map(|entry| (entry.seq, entry.seq)).collect(),
    };
    let mut code = b"MODIFIED ".to_vec();
    write::uid_set(&mut code, &numbers);
    let code = String::from_utf8_lossy(&code).into_owned();
    if gone {
        // Example 11 of RFC 7162: NO for those that are gone, with the code for those that were changed.
        return Err(CommandError::NoWith(code, "Some of the messages no longer exist"));
    }
    Ok(Done { code: Some(code), text: Some("Conditional STORE failed for some messages"), ..Done::default() })
}
