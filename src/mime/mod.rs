//! Reading message bytes (RFC 5322, RFC 2045 to 2047, RFC 2231). Pure and streaming; never fails: any octets are a message
//! (I9). Must never guess at the octets of a section: a wrong range shows one part as another.
//!
//! Where servers differ in what they make of broken mail, this follows the RFCs where they say something, else Dovecot 2.3, as
//! `tests/corpus` checks; docs/imap-choices.md lists what was chosen and why.

mod address;
mod boundary;
mod casefold;
mod charset;
mod content;
mod date;
mod decoder;
mod encoded_word;
mod envelope;
mod header;
mod html;
mod lexer;
mod merge;
mod message_id;
mod parameter;
mod preview;
mod scanner;
mod section;
mod subject;
mod text;
mod thread;
mod transfer;
mod tree;
mod utf7;

use std::ops::Range;

pub use casefold::{collation_key, fold};
pub use charset::decode_named;
pub use date::sent_at;
pub use decoder::{Broken, Decoder};
pub use encoded_word::decode as decode_words;
pub use envelope::Envelope;
pub use header::{filter_header, header_hash, header_text, header_texts, header_value};
pub use merge::MergeKey;
pub use message_id::message_ids;
pub use preview::Preview;
pub use scanner::Scanner;
pub use section::{Leaf, PartTable, Want};
pub use subject::{BaseSubject, base_subject};
pub use thread::{ThreadKey, keys_of, thread_keys};

/// In the search text: before it the text of the parts (SEARCH BODY), after it the header blocks of parts and inner messages,
/// which SEARCH TEXT looks into beside the text and the message's own header. Stands nowhere else in it.
pub const INNER_HEADERS_FOLLOW: u8 = 0;

/// Beyond these a message is still stored and shown whole; only its parts are not told apart any further.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of parts, the message being the first.
    pub depth: usize,
    /// Parts of a message.
    pub parts: usize,
    /// Parameters of a message.
    pub parameters: usize,
    /// Header bytes parsed in one header block; the rest of it is body.
    pub header: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 100, parts: 10_000, parameters: 1_000, header: 1024 * 1024 }
    }
}

/// All that is derived from the bytes.
#[derive(Clone, Debug)]
pub struct Structure {
    /// The top header block, raw, with its blank line.
    pub header: Vec<u8>,
    /// The message's ENVELOPE.
    pub envelope: Envelope,
    /// The message as a part.
    pub root: Part,
    /// Days since 1970-01-01 of the Date header, in its own zone.
    pub sent_day: Option<i32>,
    /// (unix seconds, zone minutes) of the topmost Received header's date, else of Date.
    pub received: Option<(i64, i16)>,
}

impl Structure {
    /// The search text is made of the octets before this one: nothing after it is text or a header block.
    pub fn text_end(&self) -> u64 {
        let (mut end, mut next) = (0, vec![&self.root]);
        while let Some(part) = next.pop() {
            let is_text = matches!(part.body, Body::Leaf) && text::is_text(&part.media_type);
            // With the line end that belongs to a boundary after it.
            end = end.max(if is_text { part.body_span.end.saturating_add(2) } else { part.header_span.end });
            match &part.body {
                Body::Leaf => {}
                Body::Multipart(children) => next.extend(children),
                Body::Message(_, inner) => next.push(inner),
            }
        }
        end
    }
}

/// One address structure of the ENVELOPE; groups as RFC 9051 describes (host `None` starts or ends one).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Display name, not decoded.
    pub name: Option<Vec<u8>>,
    /// Source route (RFC 5322 section 4.4).
    pub route: Option<Vec<u8>>,
    /// Local part, or the name of the group that starts here.
    pub mailbox: Option<Vec<u8>>,
    /// Domain.
    pub host: Option<Vec<u8>>,
}

/// Name-value pairs, in order.
pub type Parameters = Vec<(Vec<u8>, Vec<u8>)>;

/// A body part (RFC 9051 section 7.5.2 BODYSTRUCTURE).
#[derive(Clone, Debug)]
pub struct Part {
    /// Type, empty where the field cannot be read.
    pub media_type: Vec<u8>,
    /// Subtype.
    pub subtype: Vec<u8>,
    /// Parameters of Content-Type; text parts have a charset.
    pub parameters: Parameters,
    /// Content-ID
    pub id: Option<Vec<u8>>,
    /// Content-Description
    pub description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding, or 7bit.
    pub encoding: Vec<u8>,
    /// Content-MD5
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition with its parameters.
    pub disposition: Option<(Vec<u8>, Parameters)>,
    /// Content-Language
    pub language: Vec<Vec<u8>>,
    /// Content-Location
    pub location: Option<Vec<u8>>,
    /// What the content is.
    pub body: Body,
    /// Octets of its header block (the MIME header; for the root the message header), with the blank line.
    pub header_span: Range<u64>,
    /// Octets of its content as transferred.
    pub body_span: Range<u64>,
    /// Lines of its content.
    pub lines: u64,
}

/// What the content of a part is.
#[derive(Clone, Debug)]
pub enum Body {
    /// Octets.
    Leaf,
    /// Parts, at least one: a multipart without any has an empty text part.
    Multipart(Vec<Part>),
    /// message/rfc822: envelope of the inner message, and its root part.
    Message(Box<Envelope>, Box<Part>),
}
