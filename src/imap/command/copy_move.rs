//! COPY and MOVE with their UID forms (RFC 9051 sections 6.4.7 and 6.4.8, RFC 6851, RFC 4315).

use crate::imap::codec::command::CopyArgs;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::SelectedCx;
use crate::mail::UidSet;
use crate::store::Copied;

pub(in crate::imap) async fn copy(cx: &mut SelectedCx<'_>, args: &CopyArgs) -> CommandResult {
    let uids = named(cx, args)?;
    let target = cx.target(&args.mailbox).await?;
    let copied = cx.store.copy(cx.mailbox.id, uids, target.id).await?;
    cx.has_copied(target.id, &copied);
    Ok(Done { code: copy_uid(&copied), ..Done::default() })
}

/// COPYUID comes before the expunges, which the dispatcher announces (RFC 6851 section 4.3). A retry of a UID
/// MOVE already done names nothing and is OK.
pub(in crate::imap) async fn move_messages(
    cx: &mut SelectedCx<'_>,
    args: &CopyArgs,
    out: &mut Output,
) -> CommandResult {
    if cx.mailbox.read_only {
        return Err(CommandError::No(Some("READ-ONLY"), "The mailbox is open read-only"));
    }
    let uids = named(cx, args)?;
    let target = cx.target(&args.mailbox).await?;
    let moved = cx.store.move_messages(cx.mailbox.id, uids, target.id).await?;
    cx.has_copied(target.id, &moved);
    if let Some(code) = copy_uid(&moved) {
        out.line(format!("* OK [{code}] Moved"));
    }
    cx.announce(out, true).await?;
    Done::mod_seq()
}

/// A message that is gone without the client knowing makes the numbered form a NO (RFC 2180 section 4.4).
fn named(cx: &SelectedCx<'_>, args: &CopyArgs) -> Result<UidSet, CommandError> {
    let uids = cx.resolve(&args.set, args.uid)?;
    if !args.uid && cx.mailbox.view.has_ghost(&uids) {
        return Err(CommandError::expunge_issued());
    }
    Ok(uids)
}

/// Source and destination pair position by position (IMAP-RULES 11); nothing copied, no code.
fn copy_uid(copied: &Copied) -> Option<String> {
    if copied.pairs.is_empty() {
        return None;
    }
    let mut code = format!("COPYUID {} ", copied.uid_validity.value()).into_bytes();
    let (from, to): (UidSet, UidSet) = (
        copied.pairs.iter().map(|(source, _)| *source).collect(),
        copied.pairs.iter().map(|(_, destination)| *destination).collect(),
    );
    write::uid_set(&mut code, &from);
    code.push(b' ');
    write::uid_set(&mut code, &to);
    Some(String::from_utf8_lossy(&code).into_owned())
}
