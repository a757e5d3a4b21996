//! SEARCH and UID SEARCH (RFC 9051 section 6.4.4, RFC 3501 section 6.4.4, RFC 4731, RFC 5182, RFC 7162 section 3.1.5).
//!
//! What the rows decide is decided at once; the rest is looked up in records and search texts.

use std::sync::Arc;

use super::context;
use super::search_answer::{Hit, Question, answer, settle};
use super::search_charset::convert;
use super::search_lookup::{Progress, look_up};
use super::search_match::{Candidate, Context, Criteria, uses_mod_seq};
use crate::imap::codec::command::{SearchArgs, SearchKey, SearchReturn};
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{SearchContext, SelectedCx};
use crate::mail::UidSet;

pub(in crate::imap) async fn search(
    cx: &mut SelectedCx<'_>,
    args: SearchArgs,
    tag: &[u8],
    out: &mut Output,
) -> CommandResult {
    let saves = args.saves();
    let result = run(cx, args, tag, out).await;
    settle(cx, saves, &result);
    result
}

async fn run(cx: &mut SelectedCx<'_>, args: SearchArgs, tag: &[u8], out: &mut Output) -> CommandResult {
    context::check(cx, args.returns, tag)?;
    // RFC 6855 section 3. RFC 9051 has the argument again, and both may be enabled.
    if args.charset.is_some() && cx.features.utf8 && !cx.features.rev2 {
        return Err(CommandError::Bad("Strings are UTF-8 after ENABLE UTF8=ACCEPT: CHARSET is not allowed"));
    }
    // RFC 9051 section 6.4.4: without result options a rev2 session asks for ALL.
    let all = SearchReturn { all: true, ..SearchReturn::default() };
    let question = Question {
        name: "SEARCH",
        tag,
        uid: args.uid,
        returns: args.returns.or_else(|| cx.features.rev2.then_some(all)),
        by_mod_seq: uses_mod_seq(&args.key),
    };
    let mut progress = Progress::new(cx, tag, 1);
    let mut key = args.key;
    let found = find(cx, &mut key, args.charset.as_deref(), &mut progress, out).await?;
    let hits: Vec<Hit> = found.iter().map(|candidate| Hit::new(candidate, args.uid)).collect();
    let followed = context::wanted(cx, args.returns, key);
    answer(cx, &question, &hits, out).await?;
    let Some(followed) = followed else { return Done::ok() };
    let uids: UidSet = found.iter().map(|candidate| candidate.message.uid).collect();
    let star = cx.mailbox.view.highest_uid();
    let context = followed.map(|key| SearchContext::searched(tag, args.uid, key, star, uids));
    context::open(cx, tag, context, out)
}

/// The messages that match, ascending. The first phase of SEARCH, SORT and THREAD.
pub(super) async fn find(
    cx: &mut SelectedCx<'_>,
    key: &mut SearchKey,
    charset: Option<&str>,
    progress: &mut Progress<'_>,
    out: &mut Output,
) -> Result<Vec<Candidate>, CommandError> {
    cx.features.condstore |= uses_mod_seq(key);
    convert(key, charset)?;
    let everything = std::iter::once((1, u32::MAX)).collect();
    among(cx, key, &everything, progress, out).await
}

/// Those of `uids` that match, ascending; the strings of the key are UTF-8.
pub(super) async fn among(
    cx: &SelectedCx<'_>,
    key: &SearchKey,
    uids: &UidSet,
    progress: &mut Progress<'_>,
    out: &mut Output,
) -> Result<Vec<Candidate>, CommandError> {
    let (mut found, open, criteria) = sift(cx, key, uids);
    let looked_up = look_up(cx, open, progress, out, move |reader, candidate| {
        Ok(criteria.matches(reader, &candidate)?.then_some(candidate))
    });
    found.extend(looked_up.await?);
    found.sort_unstable_by_key(|candidate| candidate.message.uid);
    Ok(found)
}

/// The messages that match by their rows alone, and those that need a closer look.
fn sift(cx: &SelectedCx<'_>, key: &SearchKey, uids: &UidSet) -> (Vec<Candidate>, Vec<Candidate>, Arc<Criteria>) {
    let mailbox = &cx.mailbox;
    let criteria = Criteria::new(key, &Context::now(&mailbox.view, &mailbox.saved));
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for entry in mailbox.view.entries(uids).filter(|entry| !entry.ghost) {
        let recent = mailbox.recent.contains_uid(entry.message.uid);
        let candidate = || Candidate { seq: entry.seq, message: entry.message.clone(), recent };
        match criteria.by_row(entry.seq, entry.message, recent) {
            Some(true) => found.push(candidate()),
            Some(false) => {}
            None => open.push(candidate()),
        }
    }
    (found, open, Arc::new(criteria))
}
