//! The URLs of CATENATE (RFC 4469): octets of messages that are there, copied as they stand and in bounded memory.

use std::ops::Range;

use super::append;
use super::fetch_render::{clip, header, want};
use crate::imap::codec::command::{MessageUrl, Section, SectionText};
use crate::imap::codec::parse;
use crate::imap::error::CommandError;
use crate::imap::session::{Authenticated, Upload};
use crate::mail::{BodyId, MailboxId, Uid};
use crate::mime::{PartTable, Want, filter_header};
use crate::store::{self, BodyCursor, Reader, Stored};

/// Octets read at a time.
const STEP: usize = 256 << 10;

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
    let (body, size, url) = (message.body, u64::from(message.size), url.clone());
    Ok(cx.store.read(move |reader| octets(reader, body, size, &url)).await?)
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

fn octets(reader: &Reader, body: BodyId, size: u64, url: &MessageUrl) -> store::Result<Option<Octets>> {
    let Some(record) = reader.record(body)? else { return Ok(None) };
    let Section { path, text } = &url.section;
    let range = match want(text) {
        Want::Whole if path.is_empty() => Some(0..size),
        want => PartTable::from_bytes(record.parts()).section(path, want),
    };
    let Some(range) = range else { return Ok(None) };
    let (names, keep) = match text {
        SectionText::HeaderFields(names) => (names, true),
        SectionText::HeaderFieldsNot(names) => (names, false),
        _ => return Ok(Some(Octets::Stored(body, clip(range, url.partial)))),
    };
    let Some(block) = header(range, body, reader)? else { return Ok(None) };
    let fields = filter_header(&block, names, keep);
    let range = clip(0..fields.len() as u64, url.partial);
    Ok(Some(Octets::Made(fields.get(range.start as usize..range.end as usize).unwrap_or_default().to_vec())))
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
}
