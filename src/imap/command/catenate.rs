//! The URLs of CATENATE (RFC 4469): octets of messages that are there, copied as they stand and in bounded memory.

use std::ops::Range;

use super::append;
use crate::imap::codec::command::{MessageUrl, Section, SectionText};
use crate::imap::codec::parse;
use crate::imap::error::CommandError;
use crate::imap::session::{Authenticated, Upload};
use crate::mail::{BodyId, MailboxId, Uid};
use crate::mime::{PartTable, Want, filter_header};
use crate::store::{self, BodyCursor, Reader, Stored};

/// Octets read at a time.
const STEP: usize = 256 << 10;

/// The longest header block read into memory for HEADER.FIELDS (DESIGN 2.8).
const MAX_HEADER: u64 = 1 << 20;

/// What a URL turned out to name.
enum Octets {
    /// Of the stored message.
    Stored(BodyId, Range<u64>),
    /// Made of it: chosen header fields.
    Made(Vec<u8>),
}

/// Adds the octets that `url` names to the present message. `freed`: what goes with the command.
pub(super) async fn copy(
    cx: &Authenticated<'_>,
    url: &[u8],
    upload: &mut Upload,
    freed: Stored,
) -> Result<(), CommandError> {
    let parsed = parse::parse_url(url).ok_or_else(|| bad_url(url))?;
    match find(cx, &parsed).await?.ok_or_else(|| bad_url(url))? {
        Octets::Stored(body, range) => {
            let size = range.end.saturating_sub(range.start);
            append::check_room(cx, upload, size, freed)?;
            upload.begin_part(cx.store, size).await?;
            stream(cx, upload, BodyCursor::new(body, range)).await?.ok_or_else(|| bad_url(url))
        }
        Octets::Made(octets) => {
            append::check_room(cx, upload, octets.len() as u64, freed)?;
            upload.begin_part(cx.store, octets.len() as u64).await?;
            upload.write(&octets).await;
            Ok(())
        }
    }
}

/// `None`: the octets are gone, as the message was expunged meanwhile.
async fn stream(
    cx: &Authenticated<'_>,
    upload: &mut Upload,
    mut cursor: BodyCursor,
) -> Result<Option<()>, CommandError> {
    let mut octets = Vec::new();
    while !cursor.is_done() {
        octets.clear();
        let (readable, read, filled) = cx
            .store
            .read(move |reader| {
                let readable = reader.read_body(&mut cursor, &mut octets, STEP)?;
                Ok((readable, cursor, octets))
            })
            .await?;
        if !readable {
            return Ok(None);
        }
        (cursor, octets) = (read, filled);
        upload.write(&octets).await;
    }
    Ok(Some(()))
}

/// What the URL names; `None` when there is no such message, or no such part of it.
async fn find(cx: &Authenticated<'_>, url: &MessageUrl) -> Result<Option<Octets>, CommandError> {
    let Some(mailbox) = mailbox(cx, url).await? else { return Ok(None) };
    let snapshot = match cx.store.watch(mailbox).await {
        Ok(watch) => watch.current(),
        Err(store::Error::NoMailbox) => None,
        Err(error) => return Err(error.into()),
    };
    let Some((uid, snapshot)) = Uid::new(url.uid).zip(snapshot) else { return Ok(None) };
    let Some(message) = snapshot.find(uid) else { return Ok(None) };
    let (body, size, section) = (message.body, u64::from(message.size), url.section.clone());
    let found = cx.store.read(move |reader| octets(reader, body, size, &section)).await?;
    Ok(found.map(|octets| clip(octets, url.partial)))
}

async fn mailbox(cx: &Authenticated<'_>, url: &MessageUrl) -> Result<Option<MailboxId>, CommandError> {
    let Some(name) = &url.mailbox else { return Ok(cx.selected_mailbox()) };
    let found = match cx.mailbox(name).await {
        Ok(found) => found,
        Err(CommandError::No(..)) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(url.uid_validity.is_none_or(|wanted| wanted == found.uid_validity.value()).then_some(found.id))
}

fn octets(reader: &Reader, body: BodyId, size: u64, section: &Section) -> store::Result<Option<Octets>> {
    let Some(record) = reader.record(body)? else { return Ok(None) };
    let (want, fields) = match &section.text {
        SectionText::Whole => (Want::Whole, None),
        SectionText::Text => (Want::Text, None),
        SectionText::Mime => (Want::Mime, None),
        SectionText::Header => (Want::Header, None),
        SectionText::HeaderFields(names) => (Want::Header, Some((names, true))),
        SectionText::HeaderFieldsNot(names) => (Want::Header, Some((names, false))),
    };
    let range = match want {
        Want::Whole if section.path.is_empty() => Some(0..size),
        want => PartTable::from_bytes(record.parts()).section(&section.path, want),
    };
    let Some(range) = range else { return Ok(None) };
    let Some((names, keep)) = fields else { return Ok(Some(Octets::Stored(body, range))) };
    let mut header = Vec::new();
    let mut cursor = BodyCursor::new(body, range.start..range.end.min(range.start.saturating_add(MAX_HEADER)));
    while !cursor.is_done() {
        if !reader.read_body(&mut cursor, &mut header, STEP)? {
            return Ok(None);
        }
    }
    Ok(Some(Octets::Made(filter_header(&header, names, keep))))
}

/// The octets of `partial-range` (RFC 5092 section 11).
fn clip(octets: Octets, partial: Option<(u64, Option<u64>)>) -> Octets {
    let Some((offset, count)) = partial else { return octets };
    let clip = |range: Range<u64>| {
        let start = range.start.saturating_add(offset).min(range.end);
        start..start.saturating_add(count.unwrap_or(u64::MAX)).min(range.end)
    };
    match octets {
        Octets::Stored(body, range) => Octets::Stored(body, clip(range)),
        Octets::Made(octets) => {
            let range = clip(0..octets.len() as u64);
            Octets::Made(octets.get(range.start as usize..range.end as usize).unwrap_or_default().to_vec())
        }
    }
}

/// `badurl-response-code = "BADURL" SP url-resp-text`, which is the bare URL: any TEXT-CHAR but `]` (RFC 4469 section 5 with its
/// errata). What cannot stand there is percent-encoded.
fn bad_url(url: &[u8]) -> CommandError {
    let mut code = "BADURL ".to_owned();
    for &b in url {
        match b {
            b' '..=b'~' if b != b']' => code.push(char::from(b)),
            _ => code.push_str(&format!("%{b:02X}")),
        }
    }
    CommandError::NoWith(code, "The URL does not name a message of yours, or a part of one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(url: &[u8]) -> String {
        let CommandError::NoWith(code, _) = bad_url(url) else { panic!() };
        code
    }

    #[test]
    fn no_url_breaks_the_response() {
        assert_eq!(code(b"/INBOX/;UID=1 x"), "BADURL /INBOX/;UID=1 x");
        assert_eq!(code(b"a]\r\nb\0\xff"), "BADURL a%5D%0D%0Ab%00%FF");
    }

    #[test]
    fn partial_ranges_stay_within_the_section() {
        let clipped = |partial| match clip(Octets::Stored(BodyId(1), 10..30), partial) {
            Octets::Stored(_, range) => range,
            Octets::Made(_) => panic!(),
        };
        assert_eq!(clipped(None), 10..30);
        assert_eq!(clipped(Some((5, Some(5)))), 15..20);
        assert_eq!(clipped(Some((5, None))), 15..30);
        assert_eq!(clipped(Some((20, Some(1)))), 30..30);
        assert_eq!(clipped(Some((u64::MAX, Some(u64::MAX)))), 30..30);
        let Octets::Made(made) = clip(Octets::Made(b"abcdef".to_vec()), Some((2, Some(3)))) else { panic!() };
        assert_eq!(made, b"cde");
    }
}
