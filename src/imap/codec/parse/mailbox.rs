//! Mailbox names, and the commands that take little more than one.

use unicode_normalization::UnicodeNormalization;

use super::input::{Input, Parsed};
use super::set::{known_set, mod_seq};
use crate::imap::codec::command::{Command, CreateArgs, Name, Qresync, SelectArgs, StatusItem, Supplied, Use};
use crate::imap::codec::utf7;
use crate::mail::{DELIMITER, MailboxName, SpecialUse};

/// `SP mailbox`
pub(super) fn argument(input: &mut Input<'_>) -> Parsed<Name> {
    input.sp()?;
    mailbox(input)
}

/// `mailbox = "INBOX" / astring`; INBOX in any case.
pub(super) fn mailbox(input: &mut Input<'_>) -> Parsed<Name> {
    let wire = input.astring()?;
    Ok(name(&wire, input.utf8))
}

/// A name as sent.
pub(super) fn name(wire: &[u8], utf8: bool) -> Name {
    named(decode(wire, utf8))
}

fn named(supplied: Option<String>) -> Name {
    supplied.and_then(|name| MailboxName::new(&name).ok()).map_or(Name::Impossible, Name::Valid)
}

/// A name or pattern in UTF-8, unless it is wrongly encoded (RFC 3501 section 5.1.3; RFC 6855 section 3).
pub(super) fn decode(wire: &[u8], utf8: bool) -> Option<String> {
    if utf8 { std::str::from_utf8(wire).ok().map(str::to_owned) } else { utf7::decode(wire) }
}

/// `select = "SELECT" SP mailbox [select-params]`, `select-params = SP "(" select-param *(SP select-param) ")"`
///
/// `select-param =/ condstore-param`, `condstore-param = "CONDSTORE"`,
/// `select-param =/ "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"` (RFC 7162
/// section 7)
pub(super) fn select(input: &mut Input<'_>) -> Parsed<SelectArgs> {
    input.sp()?;
    let wire = input.astring()?;
    let supplied = decode(&wire, input.utf8);
    let denormalized = supplied.clone().filter(|name| name.nfc().ne(name.chars()));
    let mailbox = named(supplied);
    let (mut condstore, mut qresync) = (false, None);
    if input.has_argument() {
        input.sp()?;
        input.list(false, |input| {
            match input.word().to_ascii_uppercase().as_slice() {
                b"CONDSTORE" => condstore = true,
                b"QRESYNC" if qresync.is_none() => {
                    input.sp()?;
                    qresync = Some(self::qresync(input)?);
                }
                _ => return Err("unknown parameter of SELECT"),
            }
            Ok(())
        })?;
    }
    Ok(SelectArgs { mailbox, denormalized, condstore, qresync })
}

/// The value of QRESYNC: `uidvalidity = nz-number`, `known-uids = sequence-set`,
/// `seq-match-data = "(" known-sequence-set SP known-uid-set ")"`, each a `sequence-set` without `*`
fn qresync(input: &mut Input<'_>) -> Parsed<Qresync> {
    input.expect(b'(', "expected a list")?;
    let uid_validity = input.nz_number()?;
    input.sp()?;
    let mod_seq = mod_seq(input)?;
    let (mut known, mut matches) = (None, None);
    let mut more = input.eat(b' ');
    if more && input.peek() != Some(b'(') {
        known = Some(known_set(input)?);
        more = input.eat(b' ');
    }
    if more {
        input.expect(b'(', "expected a list")?;
        let numbers = known_set(input)?;
        input.sp()?;
        matches = Some((numbers, known_set(input)?));
        input.expect(b')', "a list does not end")?;
    }
    input.expect(b')', "a list does not end")?;
    Ok(Qresync { uid_validity, mod_seq, known, matches })
}

/// `create = "CREATE" SP mailbox [create-params]`, `create-params = SP "(" create-param *(SP create-param) ")"` (RFC 4466
/// section 6), `create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")"` (RFC 6154 section 6)
pub(super) fn create(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    let (mailbox, supplied) = supplied(input)?;
    let mut special_use = Use::None;
    if input.has_argument() {
        input.sp()?;
        input.list(false, |input| {
            if !input.eat_word(b"USE ") {
                return Err("unknown parameter of CREATE");
            }
            input.list(true, |input| {
                special_use = both(special_use, use_attribute(input)?);
                Ok(())
            })
        })?;
    }
    Ok(Command::Create(CreateArgs { mailbox, supplied, special_use }))
}

/// A mailbox has at most one special use here; one that is given twice is one.
fn both(first: Use, second: Use) -> Use {
    if first == Use::None || first == second { second } else { Use::Unsupported }
}

/// `use-attr = "\All" / "\Archive" / "\Drafts" / "\Flagged" / "\Junk" / "\Sent" / "\Trash" / use-attr-ext`
///
/// `use-attr-ext = "\" atom`: one that is not known is answered NO, not BAD (RFC 6154 section 3).
fn use_attribute(input: &mut Input<'_>) -> Parsed<Use> {
    input.expect(b'\\', "expected a special use")?;
    let attribute = [b"\\".as_slice(), input.atom()?].concat();
    Ok(SpecialUse::from_attribute(&attribute).map_or(Use::Unsupported, Use::One))
}

/// `delete = "DELETE" SP mailbox`
pub(super) fn delete(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    let (mailbox, supplied) = supplied(input)?;
    Ok(Command::Delete(mailbox, supplied))
}

/// `rename = "RENAME" SP mailbox SP mailbox`
pub(super) fn rename(input: &mut Input<'_>) -> Parsed<Command> {
    input.sp()?;
    let (from, was) = supplied(input)?;
    input.sp()?;
    let (to, normalised) = supplied(input)?;
    let named = match (&from, was, normalised) {
        (_, Some(was), _) => Some(was),
        (Name::Valid(from), None, Some(_)) => Some(from.as_str().to_owned()),
        _ => None,
    };
    Ok(Command::Rename(from, to, named))
}

/// `mailbox`, and how it was written. Of INBOX any case is the name itself, and a delimiter at the end is no part of a
/// name (RFC 9051 sections 5.1 and 6.3.4).
fn supplied(input: &mut Input<'_>) -> Parsed<(Name, Supplied)> {
    let wire = input.astring()?;
    let Some(text) = decode(&wire, input.utf8) else { return Ok((Name::Impossible, None)) };
    let Ok(name) = MailboxName::new(&text) else { return Ok((Name::Impossible, None)) };
    let written = text.strip_suffix(DELIMITER).unwrap_or(&text);
    let is_same = written == name.as_str() || name.is_inbox();
    let supplied = (!is_same).then(|| written.to_owned());
    Ok((Name::Valid(name), supplied))
}

/// `status = "STATUS" SP mailbox SP status-list`
pub(super) fn status(input: &mut Input<'_>) -> Parsed<Command> {
    let mailbox = argument(input)?;
    input.sp()?;
    Ok(Command::Status(mailbox, status_items(input)?))
}

/// `"(" status-att *(SP status-att) ")"`, each once.
///
/// `status-att = "MESSAGES" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" / "DELETED" / "SIZE"`, `"RECENT"` (RFC 3501),
/// `"HIGHESTMODSEQ"` (RFC 7162), `"DELETED-STORAGE"` (RFC 9208), `"APPENDLIMIT"` (RFC 7889), `"MAILBOXID"` (RFC 8474)
pub(super) fn status_items(input: &mut Input<'_>) -> Parsed<Vec<StatusItem>> {
    let mut items = Vec::new();
    input.list(false, |input| {
        let item = match input.word().to_ascii_uppercase().as_slice() {
            b"MESSAGES" => StatusItem::Messages,
            b"RECENT" => StatusItem::Recent,
            b"UIDNEXT" => StatusItem::UidNext,
            b"UIDVALIDITY" => StatusItem::UidValidity,
            b"UNSEEN" => StatusItem::Unseen,
            b"DELETED" => StatusItem::Deleted,
            b"SIZE" => StatusItem::Size,
            b"HIGHESTMODSEQ" => StatusItem::HighestModSeq,
            b"DELETED-STORAGE" => StatusItem::DeletedStorage,
            b"APPENDLIMIT" => StatusItem::AppendLimit,
            b"MAILBOXID" => StatusItem::MailboxId,
            _ => return Err("unknown STATUS item"),
        };
        if !items.contains(&item) {
            items.push(item);
        }
        Ok(())
    })?;
    Ok(items)
}
