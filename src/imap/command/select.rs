//! SELECT and EXAMINE (RFC 9051 sections 6.3.2 and 6.3.3, RFC 3501, RFC 7162 sections 3.1.2 and 3.2.5). An IMAP4rev2 client is
//! told the name of the mailbox, and neither RECENT nor the first unseen message.

use super::{list, resync};
use crate::imap::codec::command::SelectArgs;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{
    Authenticated, Contexts, Features, MailboxView, SelectedMailbox, Session, exists, flags_lines,
};
use crate::mail::UidSet;
use crate::store::{Mailbox, Snapshot};

/// A failed SELECT leaves nothing selected; `[CLOSED]` says that the responses after it are of the new mailbox.
pub(in crate::imap) async fn select(
    session: &mut Session,
    out: &mut Output,
    args: &SelectArgs,
    read_only: bool,
) -> CommandResult {
    if args.qresync.is_some() && !session.features.qresync {
        return Err(CommandError::Bad("QRESYNC needs ENABLE QRESYNC"));
    }
    if session.unselect() {
        out.line("* OK [CLOSED] Previous mailbox closed");
    }
    let Some(cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    let mailbox = cx.mailbox(&args.mailbox).await?;
    cx.features.condstore |= args.condstore;
    let watch = cx.store.watch(mailbox.id).await?;
    let snapshot = watch.current().ok_or(CommandError::No(Some("NONEXISTENT"), "No such mailbox"))?;
    let features = *cx.features;
    let recent = match features.rev2 {
        true => UidSet::default(),
        false => recent(&snapshot, |uid_next| match read_only {
            true => mailbox.counts.recent_from,
            false => cx.store.claim_recent(mailbox.id, uid_next),
        }),
    };
    if features.rev2 {
        name_line(&cx, &mailbox, args.denormalized.as_deref(), out).await?;
    }
    let ids = cx.store.object_ids(cx.login.id);
    let user = cx.login.user.name.clone();
    let mut selected = SelectedMailbox {
        id: mailbox.id,
        name: mailbox.name,
        account: mailbox.view,
        read_only,
        recent,
        view: MailboxView::new(snapshot, ids),
        watch,
        saved: UidSet::default(),
        contexts: Contexts::new(cx.deps.settings.context_octets),
        partial: None,
        keywords_told: 0,
        condstore: features.condstore,
        owes_mod_seq: false,
    };
    describe(&mut selected, features, out);
    let uid_validity = selected.view.snapshot().uid_validity.value();
    // Of another UIDVALIDITY the client learns from the answer: nothing that it knows holds.
    if let Some(client) = args.qresync.as_ref().filter(|client| client.uid_validity.get() == uid_validity) {
        resync::catch_up(cx.store, &selected, features, client, out).await?;
    }
    if selected.is_of_maildrops() {
        (session.deps.nudge)(&user);
    }
    session.select(selected);
    Done::code(if read_only { "READ-ONLY" } else { "READ-WRITE" }.to_owned())
}

/// `* LIST`, with the attributes that hold (RFC 9051 section 6.3.2), and the name that the client gave where it is another
/// spelling of this one (section 6.3.9.7).
async fn name_line(
    cx: &Authenticated<'_>,
    mailbox: &Mailbox,
    denormalized: Option<&str>,
    out: &mut Output,
) -> Result<(), CommandError> {
    let children = cx.store.has_mailboxes_below(cx.login.id, &mailbox.name).await?;
    let children = if children { "\\HasChildren" } else { "\\HasNoChildren" };
    let special = mailbox.special_use.map(|special| special.attribute());
    let attributes: Vec<&str> = [children].into_iter().chain(special).collect();
    list::name_line(out, *cx.features, &attributes, mailbox.name.as_str(), denormalized);
    Ok(())
}

fn describe(selected: &mut SelectedMailbox, features: Features, out: &mut Output) {
    flags_lines(selected, out);
    exists(selected, features, out);
    let snapshot = selected.view.snapshot();
    // A message number, which a client that enabled UIDONLY is never sent (RFC 9586 section 3).
    if let Some(index) = snapshot.first_unseen().filter(|_| !features.rev2 && !features.uid_only) {
        out.push(format!("* OK [UNSEEN {}] First unseen message\r\n", index + 1));
    }
    out.push(format!("* OK [UIDVALIDITY {}] UIDs valid\r\n", snapshot.uid_validity.value()));
    out.push(format!("* OK [UIDNEXT {}] Predicted next UID\r\n", snapshot.counts.uid_next));
    out.push(format!("* OK [MAILBOXID ({})] Identifier of the mailbox\r\n", selected.view.ids().mailbox(selected.id)));
    out.push(format!("* OK [HIGHESTMODSEQ {}] Highest mod-sequence\r\n", snapshot.counts.highest_mod_seq.0));
}

/// The UIDs this session shows as `\Recent`; EXAMINE looks without taking (RFC 3501 section 2.3.2).
fn recent(snapshot: &Snapshot, from: impl FnOnce(u32) -> u32) -> UidSet {
    let uid_next = snapshot.counts.uid_next;
    let from = from(uid_next);
    if from >= uid_next {
        return UidSet::default();
    }
    let first = crate::mail::Uid::new(from).map_or(0, |uid| snapshot.position(uid).unwrap_or_else(|at| at));
    snapshot.iter_range(first..usize::MAX).map(|m| m.uid).collect()
}
