//! Sections of a message: `BODY[...]<...>`.

use super::input::{Input, Parsed};
use crate::imap::codec::command::{Section, SectionText};

/// `section = "[" [section-spec] "]"`
///
/// `section-spec = section-msgtext / (section-part ["." section-text])`
///
/// `section-part = nz-number *("." nz-number)`
pub(super) fn section(input: &mut Input<'_>) -> Parsed<Section> {
    input.expect(b'[', "expected a section")?;
    let mut path = Vec::new();
    let mut text = SectionText::Whole;
    // After a number there may be a dot, and after a dot a number or a text.
    let mut open = input.peek() != Some(b']');
    while open {
        if input.peek().is_some_and(|b| b.is_ascii_digit()) {
            path.push(input.nz_number()?.get());
            open = input.eat(b'.');
        } else {
            text = section_text(input, !path.is_empty())?;
            open = false;
        }
    }
    input.expect(b']', "a section does not end")?;
    Ok(Section { path, text })
}

/// `section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"`
///
/// `section-text = section-msgtext / "MIME"`
fn section_text(input: &mut Input<'_>, part: bool) -> Parsed<SectionText> {
    Ok(match input.word().to_ascii_uppercase().as_slice() {
        b"HEADER" => SectionText::Header,
        b"TEXT" => SectionText::Text,
        b"MIME" if part => SectionText::Mime,
        b"HEADER.FIELDS" => SectionText::HeaderFields(header_list(input)?),
        b"HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(header_list(input)?),
        _ => return Err("unknown section"),
    })
}

/// `header-list = "(" header-fld-name *(SP header-fld-name) ")"`, `header-fld-name = astring`
fn header_list(input: &mut Input<'_>) -> Parsed<Vec<Vec<u8>>> {
    input.sp()?;
    input.list(false, |input| input.astring().map(|name| name.into_owned()))
}

/// `partial = "<" number64 "." nz-number64 ">"`; without a count, as ImapTest sends it and Dovecot takes it, to the end.
pub(super) fn partial(input: &mut Input<'_>) -> Parsed<Option<(u64, u64)>> {
    if !input.eat(b'<') {
        return Ok(None);
    }
    let offset = input.number64()?;
    let count = if input.eat(b'.') { input.number64()? } else { u64::MAX };
    input.expect(b'>', "wrong partial range")?;
    if count == 0 { Err("empty partial range") } else { Ok(Some((offset, count))) }
}
