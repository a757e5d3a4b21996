//! STORE, COPY and MOVE.

use super::flags::{flag_list, flags};
use super::input::{Input, Parsed};
use super::mailbox;
use super::set::{mod_seq, sequence_set};
use crate::imap::codec::command::{CopyArgs, StoreArgs};
use crate::mail::{FlagOp, ModSeq};

/// `store = "STORE" SP sequence-set [store-modifiers] SP store-att-flags`
///
/// `store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))`
pub(super) fn store(input: &mut Input<'_>, uid: bool) -> Parsed<StoreArgs> {
    input.sp()?;
    let set = sequence_set(input)?;
    input.sp()?;
    let mut unchanged_since = None;
    if input.peek() == Some(b'(') {
        unchanged_since = store_modifiers(input)?;
        input.sp()?;
    }
    let op = match () {
        () if input.eat(b'+') => FlagOp::Add,
        () if input.eat(b'-') => FlagOp::Remove,
        () => FlagOp::Replace,
    };
    let silent = match input.word().to_ascii_uppercase().as_slice() {
        b"FLAGS" => false,
        b"FLAGS.SILENT" => true,
        _ => return Err("expected FLAGS"),
    };
    input.sp()?;
    let list = if input.peek() == Some(b'(') { flag_list(input)? } else { flags(input)? };
    Ok(StoreArgs { uid, set, op, silent, list, unchanged_since })
}

/// `store-modifiers = SP "(" store-modifier *(SP store-modifier) ")"`,
/// `store-modifier =/ "UNCHANGEDSINCE" SP mod-sequence-valzer` (RFC 7162 section 7)
fn store_modifiers(input: &mut Input<'_>) -> Parsed<Option<ModSeq>> {
    let modifiers = input.list(false, |input| {
        if !input.eat_word(b"UNCHANGEDSINCE ") {
            return Err("unknown modifier of STORE");
        }
        mod_seq(input)
    })?;
    Ok(modifiers.last().copied())
}

/// `copy = "COPY" SP sequence-set SP mailbox`, `move = "MOVE" SP sequence-set SP mailbox`
pub(super) fn copy(input: &mut Input<'_>, uid: bool) -> Parsed<CopyArgs> {
    input.sp()?;
    let set = sequence_set(input)?;
    Ok(CopyArgs { uid, set, mailbox: mailbox::argument(input)? })
}
