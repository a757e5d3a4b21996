//! Contexts (RFC 5267 section 4.3): a searching command with UPDATE opens one, CANCELUPDATE ends it, and with every announcement
//! the messages that arrived or changed, and no others, are looked at again.

use std::num::NonZeroU32;

use super::search::among;
use super::search_lookup::Progress;
use super::search_match::Candidate;
use super::sort::{Keyed, keyed};
use crate::imap::codec::command::{SearchKey, SearchReturn};
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{MailboxView, Place, Refused, SearchContext, SelectedCx};
use crate::mail::{SequenceSet, SetNumber, UidSet};

/// A tag whose context is alive cannot have another one: nothing could tell their updates apart (RFC 5267 section 4.3).
pub(super) fn check(cx: &SelectedCx<'_>, returns: Option<SearchReturn>, tag: &[u8]) -> Result<(), CommandError> {
    match returns {
        Some(SearchReturn { update: true, .. }) if cx.mailbox.contexts.has(tag) => Err(CommandError::Bad("Tag reuse")),
        _ => Ok(()),
    }
}

/// The key to follow, if the command asks for updates: message numbers and `$` mean what they mean now (RFC 5267 section 4.3).
/// What changes with the time of day alone is not followed.
pub(super) fn wanted(
    cx: &SelectedCx<'_>,
    returns: Option<SearchReturn>,
    key: SearchKey,
) -> Option<Result<SearchKey, Refused>> {
    let update = returns.is_some_and(|returns| returns.update);
    let fixed = |key: SearchKey| fix(key, &cx.mailbox.view, &cx.mailbox.saved);
    update.then(|| if key.uses_clock() { Err(Refused) } else { Ok(fixed(key)) })
}

/// Follows the result from here on, or says that it is not followed (RFC 5267 section 4.3.1).
pub(super) fn open(
    cx: &mut SelectedCx<'_>,
    tag: &[u8],
    context: Result<SearchContext, Refused>,
    out: &mut Output,
) -> CommandResult {
    match context.and_then(|context| cx.mailbox.contexts.add(context)) {
        Ok(()) => Done::ok(),
        Err(Refused) => {
            no_update(tag, "This result cannot be followed, or too many are", out);
            Done::text("Search completed, will not notify")
        }
    }
}

/// CANCELUPDATE. Where a tag has no context, which may have been given up a moment ago, nothing is done.
pub(in crate::imap) fn cancel(cx: &mut SelectedCx<'_>, tags: &[Vec<u8>]) -> CommandResult {
    let cancelled = cx.mailbox.contexts.cancel(tags);
    cancelled.map_err(|Refused| CommandError::No(None, "No result is followed under this tag"))?;
    Done::text("No further updates")
}

/// Says what the announced changes mean for each context. A context whose messages cannot be looked at, or that has become too
/// large, ends here.
pub(in crate::imap) async fn follow(cx: &mut SelectedCx<'_>, out: &mut Output) -> Result<(), CommandError> {
    let changed = cx.mailbox.contexts.take_changed();
    let mut index = 0;
    while let Some(context) = cx.mailbox.contexts.get(index) {
        let doubtful = doubtful(context, &changed, cx.mailbox.view.highest_uid());
        let followed = if doubtful.is_empty() { Ok(()) } else { update(cx, index, &doubtful, out).await };
        match followed {
            Ok(()) if !cx.mailbox.contexts.is_too_large() => index += 1,
            Err(error @ (CommandError::Io(_) | CommandError::Bye(_))) => return Err(error),
            _ => {
                if let Some(tag) = cx.mailbox.contexts.drop_at(index) {
                    no_update(&tag, "This result is not followed any more", out);
                }
            }
        }
    }
    Ok(())
}

/// The messages to look at: those that changed, and where `*` decides, those that were and are the last.
fn doubtful(context: &SearchContext, changed: &UidSet, highest: u32) -> UidSet {
    let mut doubtful = changed.clone();
    if context.star != highest && context.key.uses_star() {
        [context.star, highest].into_iter().filter(|uid| *uid > 0).for_each(|uid| doubtful.insert(uid));
    }
    doubtful
}

async fn update(
    cx: &mut SelectedCx<'_>,
    index: usize,
    doubtful: &UidSet,
    out: &mut Output,
) -> Result<(), CommandError> {
    let Some(context) = cx.mailbox.contexts.get(index) else { return Ok(()) };
    let mut progress = Progress::silent();
    let candidates = among(cx, &context.key, doubtful, &mut progress, out).await?;
    let matching: UidSet = candidates.iter().map(|candidate| candidate.message.uid).collect();
    let lost = context.found().intersection(doubtful).difference(&matching);
    let gained = matching.difference(context.found());
    let places = match context.criteria() {
        None => Vec::new(),
        Some(criteria) => {
            let new = |candidate: &Candidate| gained.contains_uid(candidate.message.uid);
            let candidates = candidates.into_iter().filter(new).collect();
            let keyed = keyed(cx, candidates, true, criteria, &mut progress, out).await?;
            keyed.into_iter().map(Keyed::place).collect::<Vec<Place>>()
        }
    };
    let mailbox = &mut *cx.mailbox;
    let star = mailbox.view.highest_uid();
    let Some(context) = mailbox.contexts.get_mut(index) else { return Ok(()) };
    context.star = star;
    context.lose(&mailbox.view, &lost, out).await?;
    context.gain(&mailbox.view, &gained, places, out).await?;
    Ok(())
}

/// `resp-text-code =/ "NOUPDATE" SP quoted`
fn no_update(tag: &[u8], why: &str, out: &mut Output) {
    out.push("* NO [NOUPDATE ");
    write::quoted(out.buf(), tag);
    out.line(format!("] {why}"));
}

/// The key with every message number and `$` as UIDs.
fn fix(key: SearchKey, view: &MailboxView, saved: &UidSet) -> SearchKey {
    let each = |key: SearchKey| fix(key, view, saved);
    match key {
        SearchKey::And(keys) => SearchKey::And(keys.into_iter().map(each).collect()),
        SearchKey::Or(a, b) => SearchKey::Or(Box::new(each(*a)), Box::new(each(*b))),
        SearchKey::Not(key) => SearchKey::Not(Box::new(each(*key))),
        SearchKey::Seq(SequenceSet::SavedResult) | SearchKey::Uid(SequenceSet::SavedResult) => uids(saved),
        SearchKey::Seq(set) => uids(&view.uids_of(&set.resolve(view.len()))),
        other => other,
    }
}

fn uids(set: &UidSet) -> SearchKey {
    let number = |n: u32| NonZeroU32::new(n).map(SetNumber::Number);
    let ranges = set.ranges().iter().filter_map(|(low, high)| number(*low).zip(number(*high)));
    SearchKey::Uid(SequenceSet::Ranges(ranges.collect()))
}
