//! Mailbox names, and the commands that take little more than one.

use super::input::{Input, Parsed};
use crate::imap::codec::command::{Command, Name, SelectArgs, StatusItem};
use crate::imap::codec::utf7;
use crate::mail::{MailboxName, SpecialUse};

/// `SP mailbox`
pub(super) fn argument(input: &mut Input<'_>) -> Parsed<Name> {
    input.sp()?;
    mailbox(input)
}

/// `mailbox = "INBOX" / astring`; INBOX in any case.
pub(super) fn mailbox(input: &mut Input<'_>) -> Parsed<Name> {
    let wire = input.astring()?;
    let name = decode(&wire, input.utf8).and_then(|name| MailboxName::new(&name).ok());
    Ok(name.map_or(Name::Impossible, Name::Valid))
}

/// A name or pattern in UTF-8, unless it is wrongly encoded (RFC 3501 section 5.1.3; RFC 6855 section 3).
pub(super) fn decode(wire: &[u8], utf8: bool) -> Option<String> {
    if utf8 { std::str::from_utf8(wire).ok().map(str::to_owned) } else { utf7::decode(wire) }
}

/// `select = "SELECT" SP mailbox [select-params]`, `select-params = SP "(" select-param *(SP select-param) ")"`
///
/// `select-param =/ condstore-param`, `condstore-param = "CONDSTORE"` (RFC 7162 section 7)
pub(super) fn select(input: &mut Input<'_>) -> Parsed<SelectArgs> {
    let mailbox = argument(input)?;
    let mut condstore = false;
    if input.has_argument() {
        input.sp()?;
        let known = input.list(false, |input| Ok(input.word().eq_ignore_ascii_case(b"CONDSTORE")))?;
        if known.contains(&false) {
            return Err("unknown parameter of SELECT");
        }
        condstore = true;
    }
    Ok(SelectArgs { mailbox, condstore })
}

/// `create = "CREATE" SP mailbox [create-params]`, `create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")"` (RFC 6154
/// section 6). A mailbox has at most one special use here.
pub(super) fn create(input: &mut Input<'_>) -> Parsed<Command> {
    let mailbox = argument(input)?;
    if !input.has_argument() {
        return Ok(Command::Create(mailbox, None));
    }
    input.sp()?;
    input.expect(b'(', "expected a list")?;
    if !input.eat_word(b"USE ") {
        return Err("unknown parameter of CREATE");
    }
    let uses = input.list(true, |input| {
        let backslash = input.eat(b'\\');
        let attribute = [if backslash { b"\\".as_slice() } else { b"" }, input.atom()?].concat();
        SpecialUse::from_attribute(&attribute).ok_or("unsupported special use")
    })?;
    input.expect(b')', "a list does not end")?;
    match uses.as_slice() {
        [] => Ok(Command::Create(mailbox, None)),
        [one] => Ok(Command::Create(mailbox, Some(*one))),
        _ => Err("more than one special use is not supported"),
    }
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
/// `"HIGHESTMODSEQ"` (RFC 7162), `"DELETED-STORAGE"` (RFC 9208)
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
            _ => return Err("unknown STATUS item"),
        };
        if !items.contains(&item) {
            items.push(item);
        }
        Ok(())
    })?;
    Ok(items)
}
