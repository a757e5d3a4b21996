//! EXPUNGE, UID EXPUNGE and CLOSE (RFC 9051 sections 6.4.3 and 6.4.1, RFC 4315, RFC 7162 sections 3.2.7
//! to 3.2.9).

use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{SelectedCx, Session};
use crate::mail::SequenceSet;

pub(in crate::imap) async fn expunge(
    cx: &mut SelectedCx<'_>,
    set: Option<&SequenceSet>,
    out: &mut Output,
) -> CommandResult {
    if cx.mailbox.read_only {
        return Err(CommandError::No(Some("READ-ONLY"), "The mailbox is open read-only"));
    }
    let only = set.map(|set| cx.resolve(set, true)).transpose()?;
    cx.store.expunge(cx.mailbox.id, only).await?;
    cx.announce(out, true).await?;
    Done::mod_seq()
}

/// CLOSE expunges in silence, and nothing at all after EXAMINE. It must not tell HIGHESTMODSEQ, since the client has not
/// heard what is gone.
pub(in crate::imap) async fn close(session: &mut Session) -> CommandResult {
    let Some(cx) = session.selected() else { return Err(CommandError::Bad("Select a mailbox first")) };
    if !cx.mailbox.read_only {
        let gone = cx.store.expunge(cx.mailbox.id, None).await?;
        if let Some(notify) = cx.notify {
            notify.has_changed_messages(cx.mailbox.id, gone.ranges().iter().copied());
        }
    }
    session.unselect();
    Done::ok()
}
