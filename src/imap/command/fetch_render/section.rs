//! Sections of a message (RFC 9051 section 6.4.5.1): where they lie, how the response names them.

use std::ops::Range;
use std::sync::Arc;

use super::{Job, Known, Octets, STEP};
use crate::imap::codec::command::{Section, SectionText};
use crate::imap::codec::write;
use crate::mail::BodyId;
use crate::mime::{PartTable, Want, filter_header};
use crate::store::{self, BodyCursor, Reader};

/// The longest header block read into memory for HEADER.FIELDS (DESIGN 2.8).
const MAX_HEADER: u64 = 1 << 20;

/// A longer one that is asked for as it is is sent in pieces.
const MAX_WHOLE: u64 = 64 << 10;

/// What a section turned out to be.
pub(super) enum Shown {
    /// All of it is written.
    Whole,
    /// These octets of the body follow as a literal.
    Literal(Range<u64>),
    /// The body has been collected.
    Gone,
}

/// What the table of parts is asked for.
pub(in crate::imap::command) const fn want(text: &SectionText) -> Want {
    match text {
        SectionText::Whole => Want::Whole,
        SectionText::Text => Want::Text,
        SectionText::Mime => Want::Mime,
        SectionText::Header | SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_) => Want::Header,
    }
}

/// Renders a section under this name.
pub(super) fn section(
    wanted: &Section,
    partial: Option<(u64, u64)>,
    name: &[u8],
    job: &Job,
    known: &Known<'_>,
    reader: &Reader,
    out: &mut Vec<u8>,
) -> store::Result<Shown> {
    out.extend_from_slice(name);
    out.push(b' ');
    if let Some(kept) = known.header.filter(|_| is_header(wanted)) {
        show_header(&wanted.text, partial, kept, out);
        return Ok(Shown::Whole);
    }
    let span = match (wanted.path.is_empty(), want(&wanted.text)) {
        (true, Want::Whole) => Some(0..u64::from(job.message.size)),
        (_, want) => PartTable::from_bytes(known.parts()).section(&wanted.path, want),
    };
    let Some(span) = span else {
        // As Dovecot does: a part that is not there is empty.
        out.extend_from_slice(b"\"\"");
        return Ok(Shown::Whole);
    };
    let header = match &wanted.text {
        SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_) if !is_header(wanted) => {
            header(span, job.message.body, reader)?.map(Arc::from)
        }
        SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_) => reader.header(&job.message, span)?,
        SectionText::Header if is_header(wanted) && is_short(&span, job) => reader.header(&job.message, span)?,
        _ => return Ok(stream(clip(span, partial), out)),
    };
    let Some(header) = header else { return Ok(Shown::Gone) };
    show_header(&wanted.text, partial, &header, out);
    Ok(Shown::Whole)
}

/// Whether this is of the header of the message, or of fields of it.
pub(super) fn is_header(section: &Section) -> bool {
    section.path.is_empty() && matches!(want(&section.text), Want::Header)
}

/// Whether a header is read as a whole to be shown, and so kept. Of a message that is all header the hash is to be checked.
fn is_short(span: &Range<u64>, job: &Job) -> bool {
    span.end <= MAX_WHOLE && span.end < u64::from(job.message.size)
}

/// What is asked for of a header block.
fn show_header(text: &SectionText, partial: Option<(u64, u64)>, header: &[u8], out: &mut Vec<u8>) {
    let filtered;
    let fields = match text {
        SectionText::HeaderFields(names) => {
            filtered = filter_header(header, names, true);
            &filtered
        }
        SectionText::HeaderFieldsNot(names) => {
            filtered = filter_header(header, names, false);
            &filtered
        }
        _ => header,
    };
    let range = clip(0..fields.len() as u64, partial);
    let shown = fields.get(range.start as usize..range.end as usize).unwrap_or_default();
    if shown.is_empty() {
        out.extend_from_slice(b"\"\"");
    } else {
        write::literal(out, shown);
    }
}

/// The header block that `span` covers; `None`: the body has been collected.
pub(in crate::imap::command) fn header(
    span: Range<u64>,
    body: BodyId,
    reader: &Reader,
) -> store::Result<Option<Vec<u8>>> {
    let mut header = Vec::new();
    let block = span.start..span.end.min(span.start.saturating_add(MAX_HEADER));
    let mut octets = Octets(BodyCursor::unverified(body, block));
    while !octets.0.is_done() {
        if !octets.read(reader, &mut header, STEP)? {
            return Ok(None);
        }
    }
    Ok(Some(header))
}

/// Announces a literal of the octets in `span`; empty is `""`, never `{0}`, which stalls an Apple Mail.
fn stream(span: Range<u64>, out: &mut Vec<u8>) -> Shown {
    if span.is_empty() {
        out.extend_from_slice(b"\"\"");
        return Shown::Whole;
    }
    write::literal_header(out, span.end - span.start);
    Shown::Literal(span)
}

/// The octets of `span` that `<offset.count>` asks for (RFC 9051 section 6.4.5).
pub(in crate::imap::command) fn clip(span: Range<u64>, partial: Option<(u64, u64)>) -> Range<u64> {
    let Some((offset, count)) = partial else { return span };
    let start = span.start.saturating_add(offset).min(span.end);
    start..start.saturating_add(count).min(span.end)
}

/// `BODY[section]<offset>` as the response names it, with any word for BODY. Octets, not text: a field name may be a literal
/// of any.
pub(super) fn section_name(word: &[u8], section: &Section, partial: Option<(u64, u64)>) -> Vec<u8> {
    let mut name = [word, b"["].concat();
    let path: Vec<String> = section.path.iter().map(u32::to_string).collect();
    name.extend_from_slice(path.join(".").as_bytes());
    let (word, fields) = match &section.text {
        SectionText::Whole => ("", None),
        SectionText::Header => ("HEADER", None),
        SectionText::HeaderFields(names) => ("HEADER.FIELDS", Some(names)),
        SectionText::HeaderFieldsNot(names) => ("HEADER.FIELDS.NOT", Some(names)),
        SectionText::Text => ("TEXT", None),
        SectionText::Mime => ("MIME", None),
    };
    if !path.is_empty() && !word.is_empty() {
        name.push(b'.');
    }
    name.extend_from_slice(word.as_bytes());
    if let Some(names) = fields {
        for (index, field) in names.iter().enumerate() {
            name.extend_from_slice(if index > 0 { b" " } else { b" (" });
            write_field_name(&mut name, field);
        }
        name.push(b')');
    }
    name.push(b']');
    if let Some((offset, _)) = partial {
        name.push(b'<');
        write::number(&mut name, offset);
        name.push(b'>');
    }
    name
}

/// A header field name as `astring`: echoed as it came where it is an atom.
fn write_field_name(out: &mut Vec<u8>, name: &[u8]) {
    if !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)) {
        out.extend_from_slice(name);
    } else {
        write::string(out, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_ranges_stay_within_the_section() {
        assert_eq!(clip(10..30, None), 10..30);
        assert_eq!(clip(10..30, Some((5, 5))), 15..20);
        assert_eq!(clip(10..30, Some((5, 500))), 15..30);
        assert_eq!(clip(10..30, Some((20, 1))), 30..30);
        assert_eq!(clip(10..30, Some((u64::MAX, u64::MAX))), 30..30);
    }

    #[test]
    fn labels_echo_the_section() {
        let section = |path: &[u32], text| Section { path: path.to_vec(), text };
        let fields = SectionText::HeaderFields(vec![b"From".to_vec(), b"X-A".to_vec()]);
        assert_eq!(section_name(b"BODY", &section(&[], SectionText::Whole), None), b"BODY[]");
        assert_eq!(section_name(b"BODY", &section(&[1, 2], SectionText::Mime), Some((0, 9))), b"BODY[1.2.MIME]<0>");
        assert_eq!(section_name(b"BODY", &section(&[], fields), None), b"BODY[HEADER.FIELDS (From X-A)]");
        let raw = SectionText::HeaderFieldsNot(vec![b"\xff".to_vec()]);
        assert_eq!(section_name(b"BODY", &section(&[], raw), None), b"BODY[HEADER.FIELDS.NOT ({1}\r\n\xff)]");
    }
}
