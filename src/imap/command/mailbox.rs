//! CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 9051 sections 6.3.4 to 6.3.8, RFC 6154).

use crate::imap::codec::command::Name;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Authenticated, Session, State};
use crate::mail::{MailboxName, SpecialUse};

fn valid(name: &Name) -> Result<&MailboxName, CommandError> {
    match name {
        Name::Valid(name) => Ok(name),
        Name::Impossible => Err(CommandError::No(Some("CANNOT"), "No mailbox can have this name")),
    }
}

pub(in crate::imap) async fn create(
    cx: &Authenticated<'_>,
    name: &Name,
    special_use: Option<SpecialUse>,
) -> CommandResult {
    let mailbox = cx.store.create_mailbox(cx.login.id, valid(name)?, special_use).await?;
    Done::code(format!("MAILBOXID ({})", cx.store.object_ids(cx.login.id).mailbox(mailbox)))
}

/// A session that deletes its own selected mailbox is back in the authenticated state.
pub(in crate::imap) async fn delete(session: &mut Session, out: &mut Output, name: &Name) -> CommandResult {
    let Some(cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    let mailbox = cx.mailbox(name).await?;
    cx.store.delete_mailbox(cx.login.id, &mailbox.name).await?;
    if matches!(&session.state, State::Selected(_, selected) if selected.id == mailbox.id) {
        session.unselect();
        out.line("* OK [CLOSED] The selected mailbox was deleted");
    }
    Done::ok()
}

pub(in crate::imap) async fn rename(cx: &Authenticated<'_>, from: &Name, to: &Name) -> CommandResult {
    let (from, to) = (valid(from)?, valid(to)?);
    cx.store.rename_mailbox(cx.login.id, from, to).await?;
    Done::ok()
}

/// Subscriptions outlive the mailbox, but begin with one that exists (RFC 9051 section 6.3.7).
pub(in crate::imap) async fn subscribe(cx: &Authenticated<'_>, name: &Name, subscribe: bool) -> CommandResult {
    if subscribe {
        cx.mailbox(name).await?;
    }
    cx.store.set_subscribed(cx.login.id, valid(name)?, subscribe).await?;
    Done::ok()
}
