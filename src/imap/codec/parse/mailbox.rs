//! Mailbox names, and the commands that take little more than one.

use super::input::{Input, Parsed};
use super::set::{known_set, mod_seq};
use crate::imap::codec::command::{Command, Name, Qresync, SelectArgs, StatusItem};
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
    Ok(name(&wire, input.utf8))
}

/// A name as sent.
pub(super) fn name(wire: &[u8], utf8: bool) -> Name {
    let name = decode(wire, utf8).and_then(|name| MailboxName::new(&name).ok());
    name.map_or(Name::Impossible, Name::Valid)
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
    let mailbox = argument(input)?;
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
    Ok(SelectArgs { mailbox, condstore, qresync })
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
