//! NOTIFY (RFC 5465): what of a client's mailboxes it is told without asking, and the telling.
//!
//! Three places tell: the end of every command, IDLE, and the wait for the next command. They share [`announce`], for the
//! selected mailbox, and [`tell_others`], for all else.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;

use super::{context, fetch, list, status};
use crate::imap::codec::command::{EventGroup, FetchArgs, MailboxFilter, NotifyArgs, StatusItem};
use crate::imap::codec::write;
use crate::imap::conn::{Conn, Output};
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Authenticated, Comparison, Known, News, Notify, Picture, SelectedCx, Session, State};
use crate::mail::{DELIMITER, MailboxId, MailboxName, ModSeq, SequenceSet, SetNumber, UidSet};
use crate::store::{Mailbox, UserMarks};

/// Every event that there is here: ANNOTATE (RFC 5257) is not offered.
const EVENTS: &str = "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange \
                      ServerMetadataChange";

/// Most event groups of one NOTIFY, and most names in all of them: every change is looked up in each group.
const MAX_GROUPS: usize = 100;
const MAX_NAMES: usize = 10_000;
/// Most annotations that are kept in mind for a session, so as to tell which changed.
const MAX_PRINTS: usize = 20_000;

pub(in crate::imap) async fn notify(session: &mut Session, args: NotifyArgs, out: &mut Output) -> CommandResult {
    let NotifyArgs::Set { status, groups } = args else {
        session.notify = Some(Box::new(Notify::none()));
        return Done::ok();
    };
    if groups.iter().any(|group| group.events.unsupported) {
        return Err(CommandError::NoWith(format!("BADEVENT ({EVENTS})"), "There is no such event here"));
    }
    let names = |group: &EventGroup| match &group.filter {
        MailboxFilter::Subtree(names) | MailboxFilter::Mailboxes(names) => names.len(),
        _ => 0,
    };
    if groups.len() > MAX_GROUPS || groups.iter().map(names).sum::<usize>() > MAX_NAMES {
        return Err(CommandError::No(Some("NOTIFICATIONOVERFLOW"), "That is too much to watch"));
    }
    // What was asked for before is told up to here: the client may build on it without STATUS.
    tell_others(session, out).await?;
    let Some(mut cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    let mut next = Notify::set(groups, cx.store.user_watch(cx.login.id));
    if next.watch.is_some() {
        let now = look(&cx, &mut next).await?;
        let Some((mailboxes, picture)) = now else {
            return Err(CommandError::No(Some("NOTIFICATIONOVERFLOW"), "There are too many annotations to watch"));
        };
        next.told = picture;
        if status {
            statuses(&mut cx, &next, &mailboxes, out).await?;
        }
    }
    // An implicit NOOP: whatever of the selected mailbox has not been told (section 3.1).
    if let Some(mut cx) = session.selected() {
        cx.announce(out, true).await?;
        cx.mailbox.news_from = cx.mailbox.view.snapshot().counts.uid_next;
    }
    session.notify = Some(Box::new(next));
    Done::ok()
}

/// `STATUS` of every mailbox with message events but the selected one (section 3.1).
async fn statuses(
    cx: &mut Authenticated<'_>,
    notify: &Notify,
    mailboxes: &BTreeMap<MailboxId, Mailbox>,
    out: &mut Output,
) -> Result<(), CommandError> {
    let selected = cx.selected_mailbox();
    for (id, mailbox) in mailboxes.iter().filter(|(id, _)| Some(**id) != selected) {
        let events = notify.interests.of(&mailbox.name, notify.told.subscriptions.contains(&mailbox.name));
        if events.message_new && notify.told.mailboxes.contains_key(id) {
            let mut items = vec![StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity];
            if events.flag_change || cx.features.condstore {
                items.push(StatusItem::HighestModSeq);
            }
            status::write_line(cx, mailbox, &items, out).await?;
            out.relieve().await?;
        }
    }
    Ok(())
}

/// The store as it is: the mailboxes, and the picture of them. `None`: there is more to keep in mind than a session may.
async fn look(
    cx: &Authenticated<'_>,
    notify: &mut Notify,
) -> Result<Option<(BTreeMap<MailboxId, Mailbox>, Picture)>, CommandError> {
    let before = notify.marks;
    // The marks first: what comes later is word for the next time.
    notify.marks = notify.watch.as_mut().map(|watch| watch.current()).unwrap_or_default();
    let UserMarks { subscriptions, metadata, .. } = notify.marks;
    let is_first = notify.told.mailboxes.is_empty();
    let user = cx.login.id;
    let mailboxes = cx.store.mailboxes(user).await?;
    let mut picture = Picture {
        mailboxes: mailboxes.iter().map(|mailbox| (mailbox.id, Known::from(mailbox))).collect(),
        ..Picture::default()
    };
    picture.subscriptions = match is_first || subscriptions != before.subscriptions {
        true => cx.store.subscriptions(user).await?.into_iter().collect(),
        false => notify.told.subscriptions.clone(),
    };
    if notify.interests.metadata() {
        picture.prints = match is_first || metadata != before.metadata {
            true => match cx.store.metadata_prints(user, MAX_PRINTS).await? {
                Some(prints) => prints,
                None => return Ok(None),
            },
            false => notify.told.prints.clone(),
        };
    }
    Ok(Some((mailboxes.into_iter().map(|mailbox| (mailbox.id, mailbox)).collect(), picture)))
}

/// Tells what NOTIFY wants to know of all but the messages of the selected mailbox.
pub(in crate::imap) async fn tell_others(session: &mut Session, out: &mut Output) -> Result<(), CommandError> {
    let Some(mut notify) = session.notify.take() else { return Ok(()) };
    let told = match session.authenticated() {
        Some(mut cx) => tell(&mut cx, &mut notify, out).await,
        None => Ok(()),
    };
    notify.own = Default::default();
    session.notify = Some(notify);
    told
}

async fn tell(cx: &mut Authenticated<'_>, notify: &mut Notify, out: &mut Output) -> Result<(), CommandError> {
    let is_behind = std::mem::take(&mut notify.is_behind);
    if notify.watch.as_mut().is_none_or(|watch| watch.current() == notify.marks && !is_behind) {
        return Ok(());
    }
    let Some((mailboxes, picture)) = look(cx, notify).await? else {
        out.line("* OK [NOTIFICATIONOVERFLOW] There are too many annotations to watch");
        *notify = Notify::none();
        return Ok(());
    };
    let quiet = quiet(cx, notify, &picture).await?;
    let (interests, own) = (&notify.interests, &notify.own);
    let news = Comparison { told: &notify.told, next: &picture, interests, own, quiet: &quiet }.news();
    if !news.is_empty() {
        let names: BTreeSet<&str> = mailboxes.values().map(|mailbox| mailbox.name.as_str()).collect();
        let by_name: BTreeMap<&MailboxName, &Mailbox> = mailboxes.values().map(|m| (&m.name, m)).collect();
        for piece in news {
            match piece {
                News::Name { name, old } => {
                    let attributes = attributes(&name, by_name.get(&name).copied(), &picture, &names);
                    let old = old.as_ref().map(MailboxName::as_str);
                    list::name_line(out, *cx.features, &attributes, name.as_str(), old);
                }
                News::Status { id, messages, flags, unseen } => {
                    let Some(mailbox) = mailboxes.get(&id) else { continue };
                    if let Some(items) = status_items(cx, messages, flags, unseen) {
                        status::write_line(cx, mailbox, &items, out).await?;
                    }
                }
                News::Metadata { id, entries } => {
                    let mailbox = id.and_then(|id| mailboxes.get(&id)).map_or("", |mailbox| mailbox.name.as_str());
                    metadata_line(cx, mailbox, &entries, out);
                }
            }
            out.relieve().await?;
        }
    }
    notify.told = picture;
    Ok(())
}

/// The mailboxes of whose messages nothing is told: the selected one, and those where this session alone changed any
/// (section 5).
async fn quiet(
    cx: &Authenticated<'_>,
    notify: &Notify,
    picture: &Picture,
) -> Result<BTreeSet<MailboxId>, CommandError> {
    let mut quiet: BTreeSet<MailboxId> = cx.selected_mailbox().into_iter().collect();
    for (id, known) in &picture.mailboxes {
        if !notify.told.mailboxes.contains_key(id) && notify.own.has_made(&known.name) {
            quiet.insert(*id);
        }
    }
    for (id, own) in &notify.own.messages {
        let since = notify.told.mailboxes.get(id).map_or(ModSeq(0), |known| known.mod_seq);
        if quiet.contains(id) || picture.mailboxes.get(id).is_none_or(|known| known.mod_seq == since) {
            continue;
        }
        // All that changed since the client was told last is what it did itself.
        let delta = cx.store.changes_since(*id, since).await?;
        let changed: UidSet = delta.changed.iter().copied().collect();
        if changed.difference(own).is_empty() && delta.vanished.difference(own).is_empty() {
            quiet.insert(*id);
        }
    }
    Ok(quiet)
}

/// Of a mailbox that is not selected (sections 5.1 to 5.3). Flags alone are told by HIGHESTMODSEQ to those who use it, by
/// UNSEEN to others: then `None` where that is as it was.
fn status_items(cx: &Authenticated<'_>, messages: bool, flags: bool, unseen: bool) -> Option<Vec<StatusItem>> {
    let mut items = Vec::with_capacity(5);
    if messages {
        items.extend([StatusItem::Messages, StatusItem::UidNext]);
    }
    items.push(StatusItem::UidValidity);
    if cx.features.condstore {
        items.push(StatusItem::HighestModSeq);
    }
    if unseen {
        items.push(StatusItem::Unseen);
    }
    (messages || flags && (cx.features.condstore || unseen)).then_some(items)
}

/// All that hold (section 5.5); `\Subscribed` too, since its absence would say something.
fn attributes(
    name: &MailboxName,
    mailbox: Option<&Mailbox>,
    picture: &Picture,
    names: &BTreeSet<&str>,
) -> Vec<&'static str> {
    let below = format!("{name}{DELIMITER}");
    let has_children = names.range(below.as_str()..).next().is_some_and(|next| next.starts_with(&below));
    let mut attributes = Vec::with_capacity(4);
    if mailbox.is_none() {
        attributes.push("\\NonExistent");
    }
    if picture.subscriptions.contains(name) {
        attributes.push("\\Subscribed");
    }
    attributes.push(if has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    attributes.extend(mailbox.and_then(|mailbox| mailbox.special_use).map(|special| special.attribute()));
    attributes
}

/// `metadata-resp = "METADATA" SP mailbox SP entry-list`, `entry-list = entry *(SP entry)` (RFC 5464 section 4.4.2)
fn metadata_line(cx: &Authenticated<'_>, mailbox: &str, entries: &[String], out: &mut Output) {
    out.push("* METADATA ");
    write::mailbox(out.buf(), mailbox, cx.features.utf8_names());
    for entry in entries {
        out.push(" ");
        write::astring(out.buf(), entry.as_bytes());
    }
    out.push("\r\n");
}

/// Tells what changed in the selected mailbox, as far as NOTIFY or the lack of it wants it, and what that means for the
/// results that the client follows (RFC 5267). `expunge`: expunges are allowed at this time.
pub(in crate::imap) async fn announce(
    cx: &mut SelectedCx<'_>,
    out: &mut Output,
    expunge: bool,
) -> Result<(), CommandError> {
    tell_selected(cx, out, expunge).await?;
    context::follow(cx, out).await
}

async fn tell_selected(cx: &mut SelectedCx<'_>, out: &mut Output, expunge: bool) -> Result<(), CommandError> {
    let telling = cx.telling();
    let id = cx.mailbox.id;
    let own = cx.notify.as_mut().and_then(|notify| notify.own.messages.remove(&id)).unwrap_or_default();
    if !telling.messages && own.is_empty() {
        // The client does not want to know of messages, but that there will be none any more it must.
        return match cx.mailbox.watch.current() {
            Some(_) => Ok(()),
            None => Err(CommandError::Bye("The selected mailbox was deleted")),
        };
    }
    let before = cx.mailbox.view.snapshot().counts.highest_mod_seq;
    let delta = cx.sync(out, expunge).await?;
    new_messages(cx, &telling.fetch, &own, out).await?;
    if telling.flags {
        return cx.flags(delta.changed, out).await;
    }
    if !delta.changed.is_empty() {
        cx.mailbox.view.withhold_flags(before);
    }
    Ok(())
}

/// FETCH of the items asked for, for each message that came and was not put there by this session (section 5.2).
async fn new_messages(
    cx: &mut SelectedCx<'_>,
    items: &[crate::imap::codec::command::FetchItem],
    own: &UidSet,
    out: &mut Output,
) -> Result<(), CommandError> {
    // A FETCH that sets \Seen may meet messages that came meanwhile.
    loop {
        let (from, next) = (cx.mailbox.news_from, cx.mailbox.view.snapshot().counts.uid_next);
        cx.mailbox.news_from = next;
        if items.is_empty() || from >= next {
            return Ok(());
        }
        let came = std::iter::once((from, next - 1)).collect::<UidSet>().difference(own);
        let living: UidSet =
            cx.mailbox.view.entries(&came).filter(|entry| !entry.ghost).map(|entry| entry.message.uid).collect();
        let number = |n: u32| std::num::NonZeroU32::new(n).map(SetNumber::Number);
        let ranges = living.ranges().iter().filter_map(|(low, high)| number(*low).zip(number(*high)));
        let set = SequenceSet::Ranges(ranges.collect());
        if living.is_empty() {
            continue;
        }
        let args =
            FetchArgs { uid: true, set, items: items.to_vec(), changed_since: None, vanished: false, partial: None };
        match fetch::fetch(cx, args, out).await {
            // What could not be had is not told: nobody asked for this message.
            Ok(_) | Err(CommandError::No(..) | CommandError::NoWith(..)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// While no command runs: tells all that may be told then.
pub(in crate::imap) async fn tell_unasked(session: &mut Session, conn: &mut Conn) -> Result<(), CommandError> {
    if !session.notifies() {
        return Ok(());
    }
    if let Some(mut cx) = session.selected().filter(|cx| cx.telling().unasked) {
        let expunge = cx.telling().expunge;
        announce(&mut cx, &mut conn.output, expunge).await?;
    }
    tell_others(session, &mut conn.output).await
}

/// Completes when there may be something to tell that was not there before. Cancel-safe.
pub(in crate::imap) async fn changed(session: &mut Session) {
    let wants_messages = session.notify.as_ref().is_none_or(|notify| notify.telling.messages);
    let contents = async {
        match &mut session.state {
            State::Selected(_, mailbox) if wants_messages => mailbox.watch.changed().await,
            _ => pending().await,
        }
    };
    let others = async {
        match session.notify.as_mut().and_then(|notify| notify.watch.as_mut()) {
            Some(watch) => watch.changed().await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = contents => {}
        () = others => {}
    }
}
