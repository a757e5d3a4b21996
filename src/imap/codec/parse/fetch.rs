//! FETCH.

use super::MAX_FETCH_ITEMS;
use super::input::{Input, Parsed};
use super::search::partial_range;
use super::section::{partial, section};
use super::set::{mod_seq, sequence_set};
use crate::imap::codec::command::{FetchArgs, FetchItem, PartialRange, Section, SectionText};
use crate::mail::ModSeq;

/// `fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
/// [fetch-modifiers]`
pub(super) fn fetch(input: &mut Input<'_>, uid: bool) -> Parsed<FetchArgs> {
    input.sp()?;
    let set = sequence_set(input)?;
    input.sp()?;
    let asked = if input.peek() == Some(b'(') { input.list(false, fetch_att)? } else { macro_or_att(input)? };
    let mut items = Vec::new();
    for item in asked {
        if !items.contains(&item) {
            if items.len() >= MAX_FETCH_ITEMS {
                return Err("too many FETCH items");
            }
            items.push(item);
        }
    }
    let mut modifiers = Modifiers::default();
    if input.has_argument() {
        input.sp()?;
        modifiers = fetch_modifiers(input)?;
    }
    let Modifiers { changed_since, vanished, partial } = modifiers;
    if partial.is_some() && !uid {
        return Err("PARTIAL belongs to UID FETCH");
    }
    if vanished && (!uid || changed_since.is_none()) {
        return Err("VANISHED belongs to UID FETCH with CHANGEDSINCE");
    }
    Ok(FetchArgs { uid, set, items, changed_since, vanished, partial })
}

/// `"ALL" / "FULL" / "FAST" / fetch-att`; the macros as RFC 9051 section 6.4.5 writes them out.
fn macro_or_att(input: &mut Input<'_>) -> Parsed<Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Size};
    let before = *input;
    match input.word().to_ascii_uppercase().as_slice() {
        b"ALL" => Ok(vec![Flags, InternalDate, Size, Envelope]),
        b"FULL" => Ok(vec![Flags, InternalDate, Size, Envelope, Body]),
        b"FAST" => Ok(vec![Flags, InternalDate, Size]),
        _ => {
            *input = before;
            Ok(vec![fetch_att(input)?])
        }
    }
}

/// `fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] / "BODY" ["STRUCTURE"] /
/// "UID" / "BODY" section [partial] / "BODY.PEEK" section [partial] / "BINARY" [".PEEK"] section-binary [partial] /
/// "BINARY.SIZE" section-binary`, `fetch-att =/ "MODSEQ"` (RFC 7162), `fetch-att =/ "EMAILID" / "THREADID"` (RFC 8474),
/// `fetch-att =/ "SAVEDATE"` (RFC 8514), `fetch-att =/ "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]` (RFC 8970)
///
/// `section-binary = "[" [section-part] "]"`; as Dovecot does, this takes any section, since that is what ImapTest asks for.
/// `RFC822.PEEK`, an old Outlook's word for `BODY.PEEK[]`, is no standard.
fn fetch_att(input: &mut Input<'_>) -> Parsed<FetchItem> {
    let name = input.word().to_ascii_uppercase();
    if input.peek() == Some(b'[') {
        let section = section(input)?;
        return Ok(match name.as_slice() {
            b"BODY" => FetchItem::Section { section, partial: partial(input)?, peek: false },
            b"BODY.PEEK" => FetchItem::Section { section, partial: partial(input)?, peek: true },
            b"BINARY" => FetchItem::Binary { section, partial: partial(input)?, peek: false },
            b"BINARY.PEEK" => FetchItem::Binary { section, partial: partial(input)?, peek: true },
            b"BINARY.SIZE" => FetchItem::BinarySize(section),
            _ => return Err("this FETCH item has no section"),
        });
    }
    Ok(match name.as_slice() {
        b"RFC822.PEEK" => {
            let section = Section { path: Vec::new(), text: SectionText::Whole };
            FetchItem::Section { section, partial: None, peek: true }
        }
        b"UID" => FetchItem::Uid,
        b"FLAGS" => FetchItem::Flags,
        b"INTERNALDATE" => FetchItem::InternalDate,
        b"RFC822.SIZE" => FetchItem::Size,
        b"MODSEQ" => FetchItem::ModSeq,
        b"EMAILID" => FetchItem::EmailId,
        b"THREADID" => FetchItem::ThreadId,
        b"SAVEDATE" => FetchItem::SaveDate,
        b"ENVELOPE" => FetchItem::Envelope,
        b"BODY" => FetchItem::Body,
        b"BODYSTRUCTURE" => FetchItem::BodyStructure,
        b"RFC822" => FetchItem::Rfc822,
        b"RFC822.HEADER" => FetchItem::Rfc822Header,
        b"RFC822.TEXT" => FetchItem::Rfc822Text,
        b"PREVIEW" => FetchItem::Preview { lazy: preview_modifiers(input) },
        _ => return Err("unknown FETCH item"),
    })
}

/// `SP "(" preview-mod *(SP preview-mod) ")"`, `preview-mod = "LAZY"` (RFC 8970 section 6): whether it is there. Other
/// parentheses after PREVIEW are those of `fetch-modifiers`.
fn preview_modifiers(input: &mut Input<'_>) -> bool {
    let before = *input;
    let lazy = |input: &mut Input<'_>| if input.word().eq_ignore_ascii_case(b"LAZY") { Ok(()) } else { Err("") };
    let found = input.sp().is_ok() && input.list(false, lazy).is_ok();
    if !found {
        *input = before;
    }
    found
}

/// What stands in parentheses after the items.
#[derive(Default)]
struct Modifiers {
    changed_since: Option<ModSeq>,
    vanished: bool,
    partial: Option<PartialRange>,
}

/// `fetch-modifiers = SP "(" fetch-modifier *(SP fetch-modifier) ")"`,
/// `chgsince-fetch-mod = "CHANGEDSINCE" SP mod-sequence-value`, `rexpunges-fetch-mod = "VANISHED"` (RFC 7162 section 7); a
/// mod-sequence of zero is taken, as clients send it. `fetch-modifier =/ modifier-partial` (RFC 9394 section 4)
fn fetch_modifiers(input: &mut Input<'_>) -> Parsed<Modifiers> {
    let mut modifiers = Modifiers::default();
    input.list(false, |input| {
        match input.word().to_ascii_uppercase().as_slice() {
            b"CHANGEDSINCE" => {
                input.sp()?;
                modifiers.changed_since = Some(mod_seq(input)?);
            }
            b"VANISHED" => modifiers.vanished = true,
            b"PARTIAL" if modifiers.partial.is_some() => return Err("PARTIAL can be given once"),
            b"PARTIAL" => {
                input.sp()?;
                modifiers.partial = Some(partial_range(input)?);
            }
            _ => return Err("unknown modifier of FETCH"),
        }
        Ok(())
    })?;
    Ok(modifiers)
}
