//! CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 9051 sections 6.3.4 to 6.3.8, RFC 6154).

use super::list::old_name;
use crate::imap::codec::command::{CreateArgs, Name, Use};
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Authenticated, Session, State};
use crate::mail::MailboxName;

fn valid(name: &Name) -> Result<&MailboxName, CommandError> {
    match name {
        Name::Valid(name) => Ok(name),
        Name::Impossible => Err(CommandError::No(Some("CANNOT"), "No mailbox can have this name")),
    }
}

/// A name that a mailbox is to get: without the separators of lines and paragraphs (RFC 6855 section 3), which no
/// mailbox was kept from having before.
fn valid_new(name: &Name) -> Result<&MailboxName, CommandError> {
    let name = valid(name)?;
    if name.as_str().contains(['\u{2028}', '\u{2029}']) {
        return Err(CommandError::No(Some("CANNOT"), "No mailbox can have this name"));
    }
    Ok(name)
}

pub(in crate::imap) async fn create(cx: &Authenticated<'_>, args: &CreateArgs, out: &mut Output) -> CommandResult {
    let name = valid_new(&args.mailbox)?;
    cx.check_not_kept(name).await?;
    let special_use = match args.special_use {
        Use::None => None,
        // RFC 6154 section 3: the mailbox is then not made.
        Use::Unsupported => return Err(CommandError::No(Some("USEATTR"), "This special use is not supported")),
        Use::One(special_use) => Some(special_use),
    };
    let mailbox = cx.store.create_mailbox(cx.login.id, name, special_use).await?;
    if let Some(supplied) = &args.supplied {
        old_name(out, *cx.features, &[], name.as_str(), supplied);
    }
    Done::code(format!("MAILBOXID ({})", cx.store.object_ids(cx.login.id).mailbox(mailbox)))
}

/// A session that deletes its own selected mailbox is back in the authenticated state.
pub(in crate::imap) async fn delete(
    session: &mut Session,
    out: &mut Output,
    name: &Name,
    supplied: Option<&str>,
) -> CommandResult {
    let Some(cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    let mailbox = match cx.mailbox(name).await {
        Err(CommandError::No(..)) if is_level(&cx, name).await? => {
            // RFC 9051 section 6.3.5: it is an error to delete a mere level that others are below.
            return Err(CommandError::No(Some("HASCHILDREN"), "There are mailboxes below this name"));
        }
        found => found?,
    };
    cx.store.delete_mailbox(cx.login.id, &mailbox.name).await?;
    if let Some(supplied) = supplied {
        old_name(out, *cx.features, &["\\NonExistent"], mailbox.name.as_str(), supplied);
    }
    if matches!(&session.state, State::Selected(_, selected) if selected.id == mailbox.id) {
        session.unselect();
        out.line("* OK [CLOSED] The selected mailbox was deleted");
    }
    Done::ok()
}

/// Whether there are mailboxes below the name.
async fn is_level(cx: &Authenticated<'_>, name: &Name) -> Result<bool, CommandError> {
    let Name::Valid(name) = name else { return Ok(false) };
    Ok(cx.store.has_mailboxes_below(cx.login.id, name).await?)
}

pub(in crate::imap) async fn rename(
    cx: &Authenticated<'_>,
    from: &Name,
    to: &Name,
    supplied: Option<&str>,
    out: &mut Output,
) -> CommandResult {
    // A name that no mailbox can have is that of none.
    let Name::Valid(from) = from else { return Err(CommandError::No(Some("NONEXISTENT"), "No such mailbox")) };
    let to = valid_new(to)?;
    cx.check_not_kept(to).await?;
    cx.store.rename_mailbox(cx.login.id, from, to).await?;
    if let Some(supplied) = supplied {
        old_name(out, *cx.features, &[], to.as_str(), supplied);
    }
    Done::ok()
}

/// Any name, whether or not a mailbox has it: several clients subscribe to what they are about to create, and put back
/// saved subscriptions (RFC 9051 section 6.3.7 leaves it to the server).
pub(in crate::imap) async fn subscribe(cx: &Authenticated<'_>, name: &Name, subscribe: bool) -> CommandResult {
    cx.store.set_subscribed(cx.login.id, valid(name)?, subscribe).await?;
    Done::ok()
}
