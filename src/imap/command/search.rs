//! SEARCH and UID SEARCH (RFC 3501 section 6.4.4, RFC 7162 section 3.1.5).
//!
//! What the rows decide is decided at once; the rest is looked up in records and search texts, in batches on
//! blocking threads, as many as there are processors.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::task::JoinSet;

use super::search_match::{Candidate, Criteria, uses_mod_seq};
use crate::imap::codec::command::SearchArgs;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::SelectedCx;
use crate::mail::ModSeq;

/// Messages looked up in one go.
const BATCH: usize = 256;

pub(in crate::imap) async fn search(cx: &mut SelectedCx<'_>, args: SearchArgs, out: &mut Output) -> CommandResult {
    if args.charset.as_deref().is_some_and(|charset| !matches!(charset, "UTF-8" | "US-ASCII")) {
        return Err(CommandError::NoWith("BADCHARSET (US-ASCII UTF-8)".to_owned(), "Unknown charset"));
    }
    if args.returns.is_some() {
        return Err(CommandError::Bad("SEARCH RETURN is not offered"));
    }
    let by_mod_seq = uses_mod_seq(&args.key);
    cx.features.condstore |= by_mod_seq;
    let (mut found, open, criteria) = sift(cx, &args);
    found.extend(look_up(cx, open, criteria).await?);
    found.sort_unstable_by_key(|candidate| candidate.message.uid);
    out.push("* SEARCH");
    for candidate in &found {
        out.buf().push(b' ');
        let number = if args.uid { candidate.message.uid.value() } else { candidate.seq };
        write::number(out.buf(), number.into());
        out.relieve().await?;
    }
    // RFC 7162 section 3.1.5: the highest of the messages found; nothing found, no MODSEQ.
    if let Some(ModSeq(highest)) = found.iter().map(|c| c.message.mod_seq).max().filter(|_| by_mod_seq) {
        out.push(format!(" (MODSEQ {highest})"));
    }
    out.push("\r\n");
    Done::ok()
}

/// The messages that match by their rows alone, and those that need a closer look.
fn sift(cx: &SelectedCx<'_>, args: &SearchArgs) -> (Vec<Candidate>, Vec<Candidate>, Arc<Criteria>) {
    let mailbox = &cx.mailbox;
    let criteria = Criteria::new(&args.key, &mailbox.view);
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let everything = std::iter::once((1, u32::MAX)).collect();
    for entry in mailbox.view.entries(&everything).filter(|entry| !entry.ghost) {
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

async fn look_up(
    cx: &SelectedCx<'_>,
    open: Vec<Candidate>,
    criteria: Arc<Criteria>,
) -> Result<Vec<Candidate>, CommandError> {
    let mut found = Vec::new();
    let mut running = JoinSet::new();
    let threads = available_parallelism().map_or(1, usize::from);
    let mut open = open.into_iter().peekable();
    while open.peek().is_some() || !running.is_empty() {
        while running.len() < threads && open.peek().is_some() {
            let batch: Vec<Candidate> = open.by_ref().take(BATCH).collect();
            let (criteria, store) = (Arc::clone(&criteria), cx.store.clone());
            running.spawn(async move { store.read(move |reader| criteria.filter(reader, batch)).await });
        }
        if let Some(batch) = running.join_next().await {
            let batch = batch.map_err(|_| CommandError::No(Some("SERVERBUG"), "The search failed"))?;
            found.extend(batch?);
        }
    }
    Ok(found)
}
