//! APPEND.

use super::date::date_time;
use super::flags::flag_list;
use super::input::{Input, Literal, Parsed};
use super::mailbox;
use crate::imap::codec::command::AppendArgs;

/// `append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal`
///
/// Instead of `literal` also literal8 (RFC 3516 section 4.4) and `append-data =/ "UTF8" SP "(" literal8 ")"` (RFC 6855
/// section 4). One message only: MULTIAPPEND (RFC 3502) is not offered.
pub(super) fn append(input: &mut Input<'_>) -> Parsed<AppendArgs> {
    let mailbox = mailbox::argument(input)?;
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
    let wrapped = input.eat_word(b"UTF8 (");
    let size = match input.literal(true)? {
        Literal::Octets(octets) => octets.len() as u64,
        Literal::Size(size) => size,
    };
    // The head of an APPEND ends with the announcement of its message.
    if !input.head {
        if wrapped {
            input.expect(b')', "UTF8 does not end")?;
        }
        input.end()?;
    } else if input.peek().is_some() {
        return Err("one message at a time");
    }
    Ok(AppendArgs { mailbox, flags, date, size })
}
