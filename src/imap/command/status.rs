//! STATUS (RFC 9051 section 6.3.11, RFC 3501 for RECENT, RFC 7162, RFC 7889, RFC 8438, RFC 9208).

use crate::imap::codec::command::{Name, StatusItem};
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::Authenticated;
use crate::mail::{Flags, Uid};
use crate::store::Mailbox;

pub(in crate::imap) async fn status(
    cx: &mut Authenticated<'_>,
    name: &Name,
    items: &[StatusItem],
    out: &mut Output,
) -> CommandResult {
    let mailbox = cx.mailbox(name).await?;
    line(cx, &mailbox, items, out).await?;
    Done::ok()
}

/// One `* STATUS` line; asking for HIGHESTMODSEQ enables CONDSTORE (RFC 7162 section 3.1).
pub(in crate::imap) async fn line(
    cx: &mut Authenticated<'_>,
    mailbox: &Mailbox,
    items: &[StatusItem],
    out: &mut Output,
) -> Result<(), CommandError> {
    cx.features.condstore |= items.contains(&StatusItem::HighestModSeq);
    write_line(cx, mailbox, items, out).await
}

/// The same for a client that did not ask.
pub(in crate::imap) async fn write_line(
    cx: &Authenticated<'_>,
    mailbox: &Mailbox,
    items: &[StatusItem],
    out: &mut Output,
) -> Result<(), CommandError> {
    out.push("* STATUS ");
    write::mailbox(out.buf(), mailbox.name.as_str(), cx.features.utf8_names());
    out.push(" (");
    let counts = &mailbox.counts;
    for (index, item) in items.iter().enumerate() {
        let (word, value) = match item {
            StatusItem::Messages => ("MESSAGES", u64::from(counts.exists)),
            StatusItem::Recent => ("RECENT", recent(cx, mailbox).await?),
            StatusItem::UidNext => ("UIDNEXT", u64::from(counts.uid_next)),
            StatusItem::UidValidity => ("UIDVALIDITY", u64::from(mailbox.uid_validity.value())),
            StatusItem::Unseen => ("UNSEEN", u64::from(counts.unseen)),
            StatusItem::Deleted => ("DELETED", u64::from(counts.deleted)),
            StatusItem::Size => ("SIZE", counts.size),
            StatusItem::AppendLimit => ("APPENDLIMIT", cx.deps.settings.append_limit()),
            StatusItem::MailboxId => {
                let id = cx.store.object_ids(cx.login.id).mailbox(mailbox.id);
                out.push(if index > 0 { " " } else { "" });
                out.push(format!("MAILBOXID ({id})"));
                continue;
            }
            StatusItem::DeletedStorage => ("DELETED-STORAGE", deleted_storage(cx, mailbox).await?),
            StatusItem::HighestModSeq => ("HIGHESTMODSEQ", cx.told(mailbox).0),
        };
        out.push(if index > 0 { " " } else { "" });
        out.push(format!("{word} {value}"));
    }
    out.push(")\r\n");
    Ok(())
}

/// How many messages no session has been shown as `\Recent`: none for an IMAP4rev2 session, which does not know the word
/// (RFC 9051 appendix E), but may run a client that does.
async fn recent(cx: &Authenticated<'_>, mailbox: &Mailbox) -> Result<u64, CommandError> {
    if cx.features.rev2 {
        return Ok(0);
    }
    let counts = &mailbox.counts;
    let Some(from) = Uid::new(counts.recent_from).filter(|uid| uid.value() < counts.uid_next) else { return Ok(0) };
    // LIST may ask of every mailbox: most are told without being read.
    if counts.exists == 0 || from == Uid::FIRST {
        return Ok(counts.exists.into());
    }
    let Some(snapshot) = cx.store.watch(mailbox.id).await?.current() else { return Ok(0) };
    let first = snapshot.position(from).unwrap_or_else(|at| at);
    Ok((snapshot.len() - first) as u64)
}

/// What EXPUNGE would give back, in octets (RFC 9208 section 4.1.4).
async fn deleted_storage(cx: &Authenticated<'_>, mailbox: &Mailbox) -> Result<u64, CommandError> {
    if mailbox.counts.deleted == 0 {
        return Ok(0);
    }
    let Some(snapshot) = cx.store.watch(mailbox.id).await?.current() else { return Ok(0) };
    Ok(snapshot.iter().filter(|m| m.flags.contains(Flags::DELETED)).map(|m| u64::from(m.size)).sum())
}
