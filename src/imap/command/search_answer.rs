//! What SEARCH and SORT answer: SEARCH, SORT or ESEARCH (RFC 9051 section 7.3.4, RFC 4731, RFC 5267 sections 3 and 4.4, RFC
//! 9394), and the saved result `$` (RFC 5182).

use super::search_match::Candidate;
use crate::imap::codec::command::SearchReturn;
use crate::imap::codec::write;
use crate::imap::conn::Output;
use crate::imap::error::{CommandError, CommandResult};
use crate::imap::session::SelectedCx;
use crate::mail::{Message, ModSeq, Uid, UidSet};

/// A message that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    /// Its UID or its sequence number, whichever was asked for.
    number: u32,
    uid: Uid,
    mod_seq: ModSeq,
}

impl Hit {
    pub(super) fn new(candidate: &Candidate, by_uid: bool) -> Self {
        let Candidate { seq, message: Message { uid, mod_seq, .. }, .. } = candidate;
        Self { number: if by_uid { uid.value() } else { *seq }, uid: *uid, mod_seq: *mod_seq }
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid.value()
    }
}

/// What was asked for.
pub(super) struct Question<'a> {
    /// `SEARCH` or `SORT`, unless the answer is ESEARCH.
    pub(super) name: &'static str,
    pub(super) tag: &'a [u8],
    pub(super) uid: bool,
    pub(super) returns: Option<SearchReturn>,
    /// The keys had MODSEQ among them.
    pub(super) by_mod_seq: bool,
}

/// Writes the answer, and saves the result if asked to. The hits are in the order of the answer.
pub(super) async fn answer(
    cx: &mut SelectedCx<'_>,
    question: &Question<'_>,
    hits: &[Hit],
    out: &mut Output,
) -> Result<(), CommandError> {
    let Some(returns) = question.returns else {
        out.push(format!("* {}", question.name));
        for hit in hits {
            out.buf().push(b' ');
            write::number(out.buf(), hit.number.into());
            out.relieve().await?;
        }
        // RFC 7162 section 3.1.5: the highest of the messages found; nothing found, no MODSEQ.
        if let Some(ModSeq(highest)) = highest(hits).filter(|_| question.by_mod_seq) {
            out.push(format!(" (MODSEQ {highest})"));
        }
        out.push("\r\n");
        return Ok(());
    };
    let picked = picked(hits, returns);
    if returns.save {
        cx.mailbox.saved = picked.iter().map(|hit| (hit.uid.value(), hit.uid.value())).collect();
    }
    // RFC 5182 section 2.1: SAVE alone has no response.
    if returns == (SearchReturn { save: true, ..SearchReturn::default() }) {
        return Ok(());
    }
    extended(question, returns, hits, highest(&picked), out).await
}

/// After a NO the saved result is empty, after a BAD it is what it was (RFC 5182 section 2.1).
pub(super) fn settle(cx: &mut SelectedCx<'_>, saves: bool, result: &CommandResult) {
    if saves && result.as_ref().is_err_and(|error| !matches!(error, CommandError::Bad(_))) {
        cx.mailbox.saved = UidSet::default();
    }
}

/// What SAVE keeps and MODSEQ is about (RFC 5182 section 2.4, RFC 7162 section 3.1.10, RFC 9394 section 3.2): with MIN, MAX or
/// PARTIAL and neither ALL nor COUNT these messages alone, else all.
fn picked(hits: &[Hit], returns: SearchReturn) -> Vec<Hit> {
    if returns.all || returns.count || !(returns.min || returns.max || returns.partial.is_some()) {
        return hits.to_vec();
    }
    let (min, max) = (hits.first().filter(|_| returns.min), hits.last().filter(|_| returns.max));
    let part = returns.partial.and_then(|range| hits.get(range.of(hits.len()))).unwrap_or_default();
    min.into_iter().chain(part).chain(max).copied().collect()
}

fn highest(hits: &[Hit]) -> Option<ModSeq> {
    hits.iter().map(|hit| hit.mod_seq).max()
}

/// `esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)`
async fn extended(
    question: &Question<'_>,
    returns: SearchReturn,
    hits: &[Hit],
    mod_seq: Option<ModSeq>,
    out: &mut Output,
) -> Result<(), CommandError> {
    out.push("* ESEARCH (TAG ");
    write::string(out.buf(), question.tag);
    out.push(if question.uid { ") UID" } else { ")" });
    if let Some(min) = hits.first().filter(|_| returns.min) {
        out.push(format!(" MIN {}", min.number));
    }
    if let Some(max) = hits.last().filter(|_| returns.max) {
        out.push(format!(" MAX {}", max.number));
    }
    if returns.count {
        out.push(format!(" COUNT {}", hits.len()));
    }
    if returns.all && !hits.is_empty() {
        out.push(" ALL ");
        all(hits, out).await?;
    }
    if let Some(range) = returns.partial {
        let sign = if range.from_end { "-" } else { "" };
        out.push(format!(" PARTIAL ({sign}{}:{sign}{} ", range.first, range.last));
        match hits.get(range.of(hits.len())) {
            Some(part) if !part.is_empty() => all(part, out).await?,
            _ => write::nil(out.buf()),
        }
        out.push(")");
    }
    if let Some(ModSeq(highest)) = mod_seq.filter(|_| question.by_mod_seq) {
        out.push(format!(" MODSEQ {highest}"));
    }
    out.push("\r\n");
    Ok(())
}

/// `sequence-set` in the order of the hits: a range stands for ascending numbers (RFC 5267 section 3).
async fn all(hits: &[Hit], out: &mut Output) -> Result<(), CommandError> {
    for (index, run) in hits.chunk_by(|a, b| a.number.checked_add(1) == Some(b.number)).enumerate() {
        if index > 0 {
            out.buf().push(b',');
        }
        if let [first, .., last] = run {
            write::number(out.buf(), first.number.into());
            out.buf().push(b':');
            write::number(out.buf(), last.number.into());
        } else if let [only] = run {
            write::number(out.buf(), only.number.into());
        }
        out.relieve().await?;
    }
    Ok(())
}
