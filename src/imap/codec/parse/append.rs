//! APPEND and REPLACE. The head of one ends with the announcement of a message literal, and so within a message.

use super::date::date_time;
use super::flags::flag_list;
use super::input::{Input, Literal, Parsed};
use super::{mailbox, set};
use crate::imap::codec::command::{AppendArgs, AppendMessage, AppendPart, ReplaceArgs};

/// `append = "APPEND" SP mailbox 1*append-message` (RFC 4466 section 6.1, MULTIAPPEND of RFC 3502). IMAPClient sends two spaces
/// between messages.
pub(super) fn append(input: &mut Input<'_>) -> Parsed<AppendArgs> {
    let mailbox = mailbox::argument(input)?;
    let mut messages = vec![message(input)?];
    while input.has_argument() {
        while input.at_word(b"  ") {
            input.sp()?;
        }
        messages.push(message(input)?);
    }
    Ok(AppendArgs { mailbox, messages })
}

/// `replace = "REPLACE" SP seq-number SP mailbox append-message` (RFC 8508 section 5)
pub(super) fn replace(input: &mut Input<'_>, uid: bool) -> Parsed<ReplaceArgs> {
    input.sp()?;
    let number = set::seq_number(input)?;
    let mailbox = mailbox::argument(input)?;
    let messages = vec![message(input)?];
    Ok(ReplaceArgs { uid, message: number, append: AppendArgs { mailbox, messages } })
}

/// `append-message = append-opts SP append-data`, `append-opts = [SP flag-list] [SP date-time] *(SP append-ext)` (RFC 4466
/// section 6.1). No `append-ext` is defined.
fn message(input: &mut Input<'_>) -> Parsed<AppendMessage> {
    input.sp()?;
    let mut flags = Default::default();
    if input.peek() == Some(b'(') {
        flags = flag_list(input)?;
        input.sp()?;
    }
    let mut date = None;
    if input.peek() == Some(b'"') {
        date = Some(date_time(input)?);
        input.sp()?;
    }
    let catenated = input.eat_word(b"CATENATE (");
    let parts = if catenated { parts(input)? } else { vec![data(input)?] };
    Ok(AppendMessage { flags, date, parts, catenated })
}

/// `append-data =/ "CATENATE" SP "(" cat-part *(SP cat-part) ")"`, `cat-part = text-literal / url`,
/// `text-literal = "TEXT" SP literal`, `url = "URL" SP astring` (RFC 4469 section 5), `cat-part =/ utf8-literal`
/// (RFC 6855 section 4)
fn parts(input: &mut Input<'_>) -> Parsed<Vec<AppendPart>> {
    let mut parts = Vec::new();
    loop {
        parts.push(if input.eat_word(b"URL ") {
            AppendPart::Url(input.astring()?.into_owned())
        } else if input.eat_word(b"TEXT ") || input.at_word(b"UTF8 ") {
            data(input)?
        } else {
            return Err("expected TEXT or URL");
        });
        if input.is_announced() {
            return Ok(parts);
        }
        let spaced = input.peek() == Some(b' ');
        while input.eat(b' ') {}
        if input.eat(b')') {
            return Ok(parts);
        }
        if !spaced {
            return Err("CATENATE does not end");
        }
    }
}

/// `append-data = literal / literal8`, `append-data =/ utf8-literal`, `utf8-literal = "UTF8" SP "(" literal8 ")"` (RFC 6855
/// section 4)
fn data(input: &mut Input<'_>) -> Parsed<AppendPart> {
    let wrapped = input.eat_word(b"UTF8 (");
    if wrapped && input.peek() != Some(b'~') {
        return Err("expected a literal8");
    }
    let size = match input.literal(true)? {
        Literal::Octets(octets) => octets.len() as u64,
        Literal::Size(size) => size,
    };
    if wrapped && !input.is_announced() {
        input.expect(b')', "UTF8 does not end")?;
    }
    Ok(AppendPart::Literal(size))
}
