//! REPLACE and UID REPLACE (RFC 8508): an APPEND and the expunge of one message as one transaction.

use super::append;
use crate::imap::codec::command::ReplaceArgs;
use crate::imap::conn::Conn;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::Session;
use crate::mail::{MailboxId, SequenceSet, Uid};
use crate::store::Stored;

/// The message to be replaced.
pub(super) struct Replaced {
    mailbox: MailboxId,
    uid: Uid,
    size: u64,
}

impl Replaced {
    /// What goes with it.
    pub(super) const fn stored(&self) -> Stored {
        Stored { octets: self.size, messages: 1 }
    }
}

/// APPENDUID comes in an untagged OK before the expunge (RFC 8508 section 4.3), which is told as that of a UID EXPUNGE, with
/// HIGHESTMODSEQ (section 4.5).
pub(in crate::imap) async fn replace(session: &mut Session, conn: &mut Conn, args: ReplaceArgs) -> CommandResult {
    let upload = session.upload.take().unwrap_or_default();
    let old = named(session, &args)?;
    let Some(mut cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    let target = cx.target(&args.append.mailbox).await?;
    let mut messages = append::complete(&cx, args.append.messages, upload, old.stored()).await?;
    let new = messages.pop().ok_or(CommandError::Bad("REPLACE needs a message"))?;
    let appended = cx.store.replace(old.mailbox, old.uid, target.id, new).await?;
    let appended = appended.ok_or_else(CommandError::expunge_issued)?;
    cx.has_appended(target.id, &appended);
    conn.output.line(format!("* OK [{}] Replacement message ready", append::append_uid(&appended)));
    if let Some(mut cx) = session.selected() {
        cx.announce(&mut conn.output, true).await?;
    }
    Done::mod_seq()
}

/// What the command replaces, or why it cannot.
pub(super) fn named(session: &mut Session, args: &ReplaceArgs) -> Result<Replaced, CommandError> {
    let Some(cx) = session.selected() else { return Err(CommandError::Bad("Select a mailbox first")) };
    if cx.mailbox.read_only {
        return Err(CommandError::No(Some("READ-ONLY"), "The mailbox is open read-only"));
    }
    let uids = cx.resolve(&SequenceSet::Ranges(vec![(args.message, args.message)]), args.uid)?;
    match cx.mailbox.view.entries(&uids).next() {
        None => Err(CommandError::No(None, "No such message")),
        Some(entry) if entry.ghost => Err(CommandError::expunge_issued()),
        Some(entry) => Ok(Replaced { mailbox: cx.mailbox.id, uid: entry.message.uid, size: entry.message.size.into() }),
    }
}
