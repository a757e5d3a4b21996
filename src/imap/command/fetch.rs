//! FETCH and UID FETCH (RFC 9051 section 6.4.5, RFC 3501 for the RFC822 items, RFC 7162 sections 3.1.4 and 3.2.6).
//!
//! This file decides what to send; `fetch_render` turns stored rows into bytes on a blocking thread.

use std::sync::Arc;

use super::fetch_render::{Job, Missed, Plan, Renderer};
use super::resync;
use crate::imap::codec::command::{FetchArgs, FetchItem, PartialRange};
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Features, MailboxView, SelectedCx, fetch_flags};
use crate::mail::{FlagList, FlagOp, Flags, UidSet};
use crate::store::{BodyCursor, FlagChange};

/// Messages rendered from one list of jobs: bounds the memory of a FETCH of a whole mailbox.
const BATCH: usize = 512;

pub(in crate::imap) async fn fetch(cx: &mut SelectedCx<'_>, args: FetchArgs, out: &mut Output) -> CommandResult {
    if args.vanished && !cx.features.qresync {
        return Err(CommandError::Bad("VANISHED needs ENABLE QRESYNC"));
    }
    cx.features.condstore |= args.changed_since.is_some() || args.items.contains(&FetchItem::ModSeq);
    let mut since = args.changed_since;
    if let Some(mod_seq) = since.as_mut().filter(|_| args.vanished) {
        *mod_seq = resync::trusted(&cx.mailbox.view, *mod_seq);
        resync::vanished(cx, &args.set, *mod_seq, out).await?;
    }
    // Only what the client knows: mail that arrives while \Seen is set would be shown without it.
    let known = std::iter::once((1, cx.mailbox.view.highest_uid())).collect();
    let mut named = cx.resolve(&args.set, args.uid)?.intersection(&known);
    if let Some(range) = args.partial {
        named = places(&cx.mailbox.view, &named, range);
    }
    let uids = since.map_or_else(|| named.clone(), |since| cx.mailbox.view.changed_since(&named, since));
    let seen = match args.items.iter().any(sets_seen) && !cx.mailbox.read_only {
        true => mark_seen(cx, &uids, args.uid, out).await?,
        false => UidSet::default(),
    };
    let plan = Arc::new(Plan {
        items: items(&args, *cx.features, !seen.is_empty()),
        uid_only: cx.features.uid_only,
        implied_flags: !args.items.contains(&FetchItem::Flags),
        keywords: Arc::clone(&cx.mailbox.view.snapshot().keywords),
        ids: cx.mailbox.view.ids(),
    });
    let mut place = cx.mailbox.partial.take();
    let mut rest = uids;
    let mut missed = Missed::default();
    while !rest.is_empty() {
        let (jobs, later) = next_jobs(cx, &rest, &seen);
        rest = later;
        place = run(cx, &plan, jobs, place, out, &mut missed).await?;
    }
    if args.items.iter().any(|item| matches!(item, FetchItem::Section { partial: Some(_), .. })) {
        cx.mailbox.partial = place;
    }
    if !missed.living.is_empty() {
        // The view may be older than the expunge that their bytes went with.
        cx.announce(out, false).await?;
        let view = &cx.mailbox.view;
        let stored = missed.living.iter().filter(|uid| view.snapshot().find(**uid).is_some()).count();
        missed.damaged |= stored > 0;
        missed.ghosts |= stored < missed.living.len();
    }
    outcome(&missed, args.uid)
}

/// The messages in these places among those named, before anything else is asked of them (RFC 9394 sections 3.3 and 3.4).
fn places(view: &MailboxView, named: &UidSet, range: PartialRange) -> UidSet {
    let places = range.of(view.entries(named).count());
    view.entries(named).skip(places.start).take(places.len()).map(|entry| entry.message.uid).collect()
}

/// RFC 2180 section 4.1: a message expunged meanwhile is said to be so, never shown as empty; to the UID form by telling of the
/// expunge, since a UID that names nothing is no error there (RFC 9051 section 6.4.9). What cannot be decoded fails
/// the command, after all else that was asked for is sent (RFC 3516 section 4.3).
fn outcome(missed: &Missed, uid: bool) -> CommandResult {
    match missed {
        Missed { damaged: true, .. } => Err(CommandError::No(Some("SERVERBUG"), "Some messages could not be read")),
        Missed { undecodable: true, .. } => {
            Err(CommandError::No(Some("UNKNOWN-CTE"), "A part cannot be decoded: fetch it with BODY"))
        }
        Missed { ghosts: true, .. } if !uid => Err(CommandError::expunge_issued()),
        _ => Done::ok(),
    }
}

/// The next messages to render, and the UIDs that remain after them.
fn next_jobs(cx: &SelectedCx<'_>, uids: &UidSet, seen: &UidSet) -> (Vec<Job>, UidSet) {
    let mut entries = cx.mailbox.view.entries(uids);
    let mut jobs = Vec::with_capacity(BATCH.min(64));
    for entry in entries.by_ref() {
        let uid = entry.message.uid;
        jobs.push(Job {
            seq: entry.seq,
            message: entry.message.clone(),
            recent: cx.mailbox.recent.contains_uid(uid),
            show_flags: seen.contains_uid(uid),
            ghost: entry.ghost,
        });
        if jobs.len() == BATCH {
            let after = uid.value().saturating_add(1);
            return (jobs, uids.intersection(&std::iter::once((after, u32::MAX)).collect()));
        }
    }
    (jobs, UidSet::default())
}

async fn run(
    cx: &SelectedCx<'_>,
    plan: &Arc<Plan>,
    jobs: Vec<Job>,
    place: Option<BodyCursor>,
    out: &mut Output,
    missed: &mut Missed,
) -> Result<Option<BodyCursor>, CommandError> {
    if !plan.reads_store() {
        for job in &jobs {
            plan.render_row(job, out.buf());
            out.relieve().await?;
        }
        return Ok(None);
    }
    let mut renderer = Renderer::new(Arc::clone(plan), jobs, place);
    let mut next = std::mem::take(out.buf());
    loop {
        // What has been rendered is written while the next step is rendered.
        let step = cx.store.read(move |reader| renderer.step(reader, next));
        let (rendered, written) = tokio::join!(step, out.relieve());
        written?;
        let (back, mut buf) = rendered?;
        renderer = back;
        if out.buf().is_empty() {
            std::mem::swap(out.buf(), &mut buf);
        } else {
            out.push(&buf);
            buf.clear();
        }
        next = buf;
        if renderer.missed.broken {
            return Err(CommandError::Bye("A message became unreadable while it was sent"));
        }
        if renderer.is_done() {
            missed.ghosts |= renderer.missed.ghosts;
            missed.living.append(&mut renderer.missed.living);
            missed.damaged |= renderer.missed.damaged;
            missed.undecodable |= renderer.missed.undecodable;
            out.relieve().await?;
            return Ok(renderer.into_spare());
        }
    }
}

/// IMAP-RULES 17: which items set `\Seen`.
fn sets_seen(item: &FetchItem) -> bool {
    match item {
        FetchItem::Rfc822 | FetchItem::Rfc822Text => true,
        FetchItem::Section { peek, .. } | FetchItem::Binary { peek, .. } => !peek,
        _ => false,
    }
}

/// Sets `\Seen` on the messages of `uids` that lack it, and returns those it was set on. What else changed
/// meanwhile is announced at once.
async fn mark_seen(
    cx: &mut SelectedCx<'_>,
    uids: &UidSet,
    with_uid: bool,
    out: &mut Output,
) -> Result<UidSet, CommandError> {
    let view = &cx.mailbox.view;
    let unseen = view.entries(uids).filter(|e| !e.ghost && !e.message.flags.contains(Flags::SEEN));
    let unseen: UidSet = unseen.map(|e| e.message.uid).collect();
    if unseen.is_empty() {
        return Ok(unseen);
    }
    let list = FlagList { flags: Flags::SEEN, keywords: Vec::new() };
    let change = FlagChange { op: FlagOp::Add, list, unchanged_since: None };
    cx.store.set_flags(cx.mailbox.id, unseen.clone(), change).await?;
    let delta = cx.sync(out, false).await?;
    for uid in delta.changed.iter().filter(|uid| !unseen.contains_uid(**uid)) {
        fetch_flags(cx.mailbox, *cx.features, out, uid.value(), with_uid);
    }
    // What another session expunged meanwhile was not changed.
    Ok(cx.mailbox.view.entries(&unseen).filter(|entry| !entry.ghost).map(|entry| entry.message.uid).collect())
}

/// The items in the order they are sent: UID first, then the small ones, bodies last (IMAP-RULES 37). Flags come with the
/// mod-sequence that they have once the client has enabled CONDSTORE (RFC 7162 section 3.1), and with the UID after ENABLE
/// QRESYNC (section 3.2.4) or where the command itself `changes` a flag. A UIDFETCH begins with the UID: there the item is sent
/// only where it is asked for (RFC 9586 section 3.3).
fn items(args: &FetchArgs, features: Features, changes: bool) -> Vec<FetchItem> {
    let mut items = args.items.clone();
    let changes = features.condstore && changes;
    let flags = changes || items.contains(&FetchItem::Flags);
    let uid = args.uid || changes || features.qresync && flags;
    if uid && !features.uid_only && !items.contains(&FetchItem::Uid) {
        items.push(FetchItem::Uid);
    }
    if (args.changed_since.is_some() || features.condstore && flags) && !items.contains(&FetchItem::ModSeq) {
        items.push(FetchItem::ModSeq);
    }
    items.sort_by_key(|item| match item {
        FetchItem::Uid => 0,
        FetchItem::Flags => 1,
        FetchItem::InternalDate => 2,
        FetchItem::Size => 3,
        FetchItem::ModSeq => 4,
        FetchItem::EmailId | FetchItem::ThreadId | FetchItem::SaveDate | FetchItem::BinarySize(_) => 5,
        FetchItem::Envelope | FetchItem::Preview { .. } => 6,
        FetchItem::Body | FetchItem::BodyStructure => 7,
        FetchItem::Rfc822
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Text
        | FetchItem::Section { .. }
        | FetchItem::Binary { .. } => 8,
    });
    items
}
