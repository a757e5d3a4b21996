//! Sequence sets and numbers of mod-sequences.

use super::input::{Input, Parsed};
use crate::mail::{ModSeq, SequenceSet, SetNumber};

/// `sequence-set = (seq-number / seq-range) ["," sequence-set]`, `sequence-set =/ seq-last-command`,
/// `seq-last-command = "$"` (RFC 5182), `seq-range = seq-number ":" seq-number`
pub(super) fn sequence_set(input: &mut Input<'_>) -> Parsed<SequenceSet> {
    if input.eat(b'$') {
        return Ok(SequenceSet::SavedResult);
    }
    let mut ranges = Vec::new();
    loop {
        let first = seq_number(input)?;
        let last = if input.eat(b':') { seq_number(input)? } else { first };
        ranges.push((first, last));
        if !input.eat(b',') {
            return Ok(SequenceSet::Ranges(ranges));
        }
    }
}

/// `known-uids = sequence-set`, of which "`*` is not allowed" (RFC 7162 section 7): the client means what it has seen.
pub(super) fn known_set(input: &mut Input<'_>) -> Parsed<SequenceSet> {
    let set = sequence_set(input)?;
    match &set {
        SequenceSet::Ranges(ranges) if ranges.iter().all(|(a, b)| ![*a, *b].contains(&SetNumber::Star)) => Ok(set),
        _ => Err("a known set names its numbers"),
    }
}

/// `seq-number = nz-number / "*"`
pub(super) fn seq_number(input: &mut Input<'_>) -> Parsed<SetNumber> {
    if input.eat(b'*') { Ok(SetNumber::Star) } else { input.nz_number().map(SetNumber::Number) }
}

/// `mod-sequence-valzer = "0" / mod-sequence-value` (RFC 7162 section 7). Zero is taken everywhere: clients send it for
/// CHANGEDSINCE too.
pub(super) fn mod_seq(input: &mut Input<'_>) -> Parsed<ModSeq> {
    input.number64().map(ModSeq)
}
