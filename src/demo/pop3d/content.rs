//! A message on its way out: what is sent of it, and how.

use std::borrow::Cow;
use std::io;

use super::output::Wire;
use super::quirks::{Ending, Quirks, Top};

/// Octets of a message that are written at once.
const WRITE_BUFFER: usize = 64 * 1024;

/// The message as it is sent the `fetch`th time.
pub(super) fn as_sent<'a>(message: &'a [u8], quirks: &Quirks, fetch: u64) -> Cow<'a, [u8]> {
    if !quirks.volatile_headers {
        return Cow::Borrowed(message);
    }
    let status = if fetch.is_multiple_of(2) { "RO" } else { "O" };
    let fields = format!(
        "Return-Path: <bounce-{fetch}@example.org>\r\nStatus: {status}\r\nX-UIDL: {fetch:08x}\r\nContent-Length: {fetch}\r\n"
    );
    Cow::Owned([fields.as_bytes(), message].concat())
}

/// What TOP shows of a message: its header and so many lines of its body.
pub(super) fn top<'a>(message: &'a [u8], quirks: &Quirks, lines: usize) -> &'a [u8] {
    let header = memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    let end = match quirks.top {
        Top::WithBody => message.len(),
        Top::Truncated => header / 2,
        _ => {
            let body = message.get(header..).unwrap_or_default();
            header + body.split_inclusive(|b| *b == b'\n').take(lines).map(<[u8]>::len).sum::<usize>()
        }
    };
    message.get(..end).unwrap_or(message)
}

/// RFC 1939 section 3: dot-stuffed, ended by a line with a dot; unless the quirks say otherwise.
pub(super) async fn send(wire: &mut Wire<'_>, message: &[u8], stuffed: bool, ending: Ending) -> io::Result<()> {
    let message = match ending {
        Ending::Unbroken => message.strip_suffix(b"\r\n").unwrap_or(message),
        _ => message,
    };
    let mut out = Vec::with_capacity(WRITE_BUFFER.min(message.len() + 16));
    for line in message.split_inclusive(|b| *b == b'\n') {
        if stuffed && line.starts_with(b".") {
            out.push(b'.');
        }
        for piece in line.chunks(WRITE_BUFFER) {
            out.extend_from_slice(piece);
            if out.len() >= WRITE_BUFFER {
                wire.write(&out).await?;
                out.clear();
            }
        }
    }
    if ending != Ending::Unbroken && !message.is_empty() && !message.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(match ending {
        Ending::Proper | Ending::Unbroken => b".\r\n",
        Ending::NoLineFeed => b".\r",
        Ending::BlankLine => b"\r\n.\r\n",
    });
    wire.write(&out).await
}
