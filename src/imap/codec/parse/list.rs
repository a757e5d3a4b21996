//! LIST with its extensions (RFC 5258, RFC 5819, RFC 6154) and LSUB.

use super::MAX_PATTERNS;
use super::input::{Input, Parsed};
use super::mailbox::{decode, status_items};
use super::metadata;
use crate::imap::codec::chars;
use crate::imap::codec::command::ListArgs;

/// `list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`
///
/// `mbox-or-pat = list-mailbox / patterns`, `patterns = "(" list-mailbox *(SP list-mailbox) ")"`
pub(super) fn list(input: &mut Input<'_>) -> Parsed<ListArgs> {
    let mut args = ListArgs::default();
    input.sp()?;
    if input.peek() == Some(b'(') {
        select_options(input, &mut args)?;
        input.sp()?;
    }
    let reference = input.astring()?;
    input.sp()?;
    let patterns = if input.peek() == Some(b'(') {
        args.extended = true;
        input.list(false, list_mailbox)?
    } else {
        vec![list_mailbox(input)?]
    };
    if patterns.len() > MAX_PATTERNS {
        return Err("too many patterns");
    }
    set_names(&mut args, &reference, patterns, input.utf8);
    if input.has_argument() {
        input.sp()?;
        return_options(input, &mut args)?;
    }
    Ok(args)
}

/// `lsub = "LSUB" SP mailbox SP list-mailbox`
pub(super) fn lsub(input: &mut Input<'_>) -> Parsed<ListArgs> {
    let mut args = ListArgs::default();
    input.sp()?;
    let reference = input.astring()?;
    input.sp()?;
    let pattern = list_mailbox(input)?;
    set_names(&mut args, &reference, vec![pattern], input.utf8);
    Ok(args)
}

/// `list-mailbox = 1*list-char / string`
fn list_mailbox(input: &mut Input<'_>) -> Parsed<Vec<u8>> {
    input.string_or(chars::is_list).map(|pattern| pattern.into_owned())
}

/// Decodes reference and patterns. A wrongly encoded one is left out: no mailbox can match it.
fn set_names(args: &mut ListArgs, reference: &[u8], patterns: Vec<Vec<u8>>, utf8: bool) {
    if let Some(reference) = decode(reference, utf8) {
        // `mailbox = "INBOX" / astring`: INBOX in any case.
        args.reference = if reference.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { reference };
        args.patterns = patterns.iter().filter_map(|pattern| decode(pattern, utf8)).collect();
    }
}

/// `list-select-opts = "(" [ (*(list-select-opt SP) list-select-base-opt *(SP list-select-opt)) /
/// (list-select-independent-opt *(SP list-select-independent-opt)) ] ")"`
///
/// RECURSIVEMATCH, a `list-select-mod-opt`, needs a base option (RFC 9051 section 6.3.9.1).
fn select_options(input: &mut Input<'_>, args: &mut ListArgs) -> Parsed<()> {
    args.extended = true;
    input.list(true, |input| {
        match input.word().to_ascii_uppercase().as_slice() {
            b"SUBSCRIBED" => args.select_subscribed = true,
            b"SPECIAL-USE" => args.select_special_use = true,
            b"RECURSIVEMATCH" => args.recursive_match = true,
            b"REMOTE" => args.select_remote = true,
            _ => return Err("unknown selection option of LIST"),
        }
        Ok(())
    })?;
    if args.recursive_match && !args.select_subscribed && !args.select_special_use {
        return Err("RECURSIVEMATCH needs another selection option");
    }
    Ok(())
}

/// `list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"`
///
/// `return-option = "SUBSCRIBED" / "CHILDREN" / status-option / option-extension`, `"SPECIAL-USE"` (RFC 6154),
/// `"METADATA" SP entries` (RFC 9590 section 5)
///
/// `status-option = "STATUS" SP "(" status-att *(SP status-att) ")"`
fn return_options(input: &mut Input<'_>, args: &mut ListArgs) -> Parsed<()> {
    args.extended = true;
    if !input.eat_word(b"RETURN ") {
        return Err("expected RETURN");
    }
    input.list(true, |input| {
        match input.word().to_ascii_uppercase().as_slice() {
            b"SUBSCRIBED" => args.return_subscribed = true,
            b"CHILDREN" => args.return_children = true,
            b"SPECIAL-USE" => args.return_special_use = true,
            b"STATUS" => {
                input.sp()?;
                args.return_status = Some(status_items(input)?);
            }
            b"METADATA" => {
                input.sp()?;
                args.return_metadata = metadata::entries(input)?;
            }
            _ => return Err("unknown RETURN option of LIST"),
        }
        Ok(())
    })?;
    Ok(())
}
