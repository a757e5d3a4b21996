//! SKELETON: reading message bytes (RFC 5322, RFC 2045 to 2047, RFC 2231). Pure, streaming, never fails on garbage (I9).
#![allow(missing_docs, unused_variables, clippy::todo)]

use std::ops::Range;

/// Beyond these a message is still stored and shown whole; only its parts are not told apart any further.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub depth: usize,
    pub parts: usize,
    pub parameters: usize,
    /// Header bytes parsed in one header block; the rest of it is body.
    pub header: usize,
}

/// Reads a message once, front to back, in pieces of any size, with memory bounded by the limits.
pub struct Scanner(());

impl Scanner {
    pub fn new(limits: Limits) -> Self {
        todo!()
    }
    /// `text` receives decoded, case-folded UTF-8 for SEARCH: the text/* parts and the headers of inner messages and parts
    /// where Dovecot would search them.
    pub fn feed(&mut self, data: &[u8], text: &mut Vec<u8>) {
        todo!()
    }
    pub fn finish(self, text: &mut Vec<u8>) -> Structure {
        todo!()
    }
}

/// All that is derived from the bytes.
#[derive(Clone, Debug)]
pub struct Structure {
    /// The top header block, raw, with its blank line.
    pub header: Vec<u8>,
    pub envelope: Envelope,
    pub root: Part,
    /// Days since 1970-01-01 of the Date header, in its own zone.
    pub sent_day: Option<i32>,
    /// (unix seconds, zone minutes) of the topmost Received header's date, else of Date.
    pub received: Option<(i64, i16)>,
}

/// ENVELOPE (RFC 9051 section 7.5.2): raw header values, unfolded, not decoded; None: NIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    pub date: Option<Vec<u8>>,
    pub subject: Option<Vec<u8>>,
    pub from: Vec<Address>,
    /// Defaults to `from` already applied.
    pub sender: Vec<Address>,
    pub reply_to: Vec<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub bcc: Vec<Address>,
    pub in_reply_to: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
}

/// One address structure of the ENVELOPE; groups as RFC 9051 describes (host None starts or ends one).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    pub name: Option<Vec<u8>>,
    pub route: Option<Vec<u8>>,
    pub mailbox: Option<Vec<u8>>,
    pub host: Option<Vec<u8>>,
}

/// A body part (RFC 9051 section 7.5.2 BODYSTRUCTURE).
#[derive(Clone, Debug)]
pub struct Part {
    pub media_type: Vec<u8>,
    pub subtype: Vec<u8>,
    pub parameters: Vec<(Vec<u8>, Vec<u8>)>,
    pub id: Option<Vec<u8>>,
    pub description: Option<Vec<u8>>,
    pub encoding: Vec<u8>,
    pub md5: Option<Vec<u8>>,
    pub disposition: Option<(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)>,
    pub language: Vec<Vec<u8>>,
    pub location: Option<Vec<u8>>,
    pub body: Body,
    /// Octets of its header block (the MIME header; for the root the message header), with the blank line.
    pub header_span: Range<u64>,
    /// Octets of its content as transferred.
    pub body_span: Range<u64>,
    /// Lines of its content.
    pub lines: u64,
}

#[derive(Clone, Debug)]
pub enum Body {
    Leaf,
    Multipart(Vec<Part>),
    /// message/rfc822 and message/global: envelope of the inner message, and its root part.
    Message(Box<Envelope>, Box<Part>),
}

/// Where each section of a message lies; stored, so that FETCH never parses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartTable(Vec<u8>);

/// What of a part (RFC 9051 section 6.4.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Whole,
    Header,
    Text,
    Mime,
}

impl PartTable {
    pub fn of(root: &Part) -> Self {
        todo!()
    }
    pub fn from_bytes(bytes: &[u8]) -> Self {
        todo!()
    }
    pub fn as_bytes(&self) -> &[u8] {
        todo!()
    }
    /// The octets of a section, `None` when there is no such part (answered with an empty string or NIL as the corpus shows
    /// Dovecot do).
    pub fn section(&self, path: &[u32], want: Want) -> Option<Range<u64>> {
        todo!()
    }
}

/// The fields of a raw header block that are named (`keep` true) or not named, in order, raw with their folding, and the final blank
/// line (HEADER.FIELDS and HEADER.FIELDS.NOT).
pub fn filter_header(header: &[u8], names: &[Vec<u8>], keep: bool) -> Vec<u8> {
    todo!()
}

/// For SEARCH HEADER: the values of each field of this name (ASCII case-insensitive), unfolded, RFC 2047 decoded, case-folded
/// with the same `fold` as the search text.
pub fn header_texts(header: &[u8], name: &[u8]) -> Vec<String> {
    todo!()
}

/// The whole header block decoded and folded, one line a field (SEARCH TEXT).
pub fn header_text(header: &[u8]) -> String {
    todo!()
}

/// The case folding of SEARCH: what both the search text and the search string go through.
pub fn fold(text: &str) -> String {
    todo!()
}

/// Normalised hash of a header block for recognising a message under another unique-id: fields that servers add or change
/// (Return-Path, Status, X-Status, X-UIDL, X-UID, Content-Length, Lines, X-Mozilla-*, Delivered-To) left out, white space folded.
pub fn header_hash(header: &[u8]) -> [u8; 16] {
    todo!()
}
