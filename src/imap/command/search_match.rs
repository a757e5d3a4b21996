//! Whether a message matches a search key: first by its row, then by its record and search text.

use memchr::memchr;
use memchr::memmem::Finder;

use crate::imap::codec::command::SearchKey;
use crate::imap::session::MailboxView;
use crate::mail::{Flags, Message, ModSeq, UidSet};
use crate::mime::{INNER_HEADERS_FOLLOW, PartTable, Want, fold, header_text, header_texts};
use crate::store::{self, BodyCursor, Reader};

const DAY: i64 = 86_400;
/// The longest header block looked through (DESIGN 2.8).
const MAX_HEADER: u64 = 1 << 20;

/// A message under examination.
pub(super) struct Candidate {
    pub(super) seq: u32,
    pub(super) message: Message,
    pub(super) recent: bool,
}

/// A search key made ready: sets resolved, keywords as bits, strings folded.
pub(super) enum Criteria {
    And(Vec<Self>),
    Or(Box<[Self; 2]>),
    Not(Box<Self>),
    Seq(UidSet),
    Uid(UidSet),
    Flags {
        flags: Flags,
        keywords: u128,
    },
    Never,
    Recent,
    /// INTERNALDATE in its own zone, in days: from (inclusive) to (exclusive).
    Day(i64, i64),
    /// The same of the Date header.
    SentDay(i64, i64),
    Larger(u64),
    Smaller(u64),
    ModSeq(ModSeq),
    Header(Vec<u8>, String),
    Body(Box<Finder<'static>>),
    Text(Box<Finder<'static>>),
}

/// Whether the key has MODSEQ in it.
pub(super) fn uses_mod_seq(key: &SearchKey) -> bool {
    match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::And(keys) => keys.iter().any(uses_mod_seq),
        SearchKey::Or(a, b) => uses_mod_seq(a) || uses_mod_seq(b),
        SearchKey::Not(key) => uses_mod_seq(key),
        _ => false,
    }
}

impl Criteria {
    pub(super) fn new(key: &SearchKey, view: &MailboxView) -> Self {
        let each = |key: &SearchKey| Self::new(key, view);
        match key {
            SearchKey::And(keys) => Self::And(keys.iter().map(each).collect()),
            SearchKey::Or(a, b) => Self::Or(Box::new([each(a), each(b)])),
            SearchKey::Not(key) => Self::Not(Box::new(each(key))),
            // A number past the end matches nothing: the mailbox may have shrunk since the client looked.
            SearchKey::Seq(set) => Self::Seq(set.resolve(view.len())),
            SearchKey::Uid(set) => view.resolve(set, true).map_or(Self::Never, Self::Uid),
            SearchKey::Flag(list) => {
                let table = &view.snapshot().keywords;
                let bits = list.keywords.iter().map(|k| table.iter().position(|row| row == k));
                match bits.collect::<Option<Vec<usize>>>() {
                    Some(bits) => {
                        let keywords = bits.into_iter().fold(0, |all, bit| all | 1_u128 << bit);
                        Self::Flags { flags: list.flags, keywords }
                    }
                    None => Self::Never,
                }
            }
            SearchKey::Recent => Self::Recent,
            SearchKey::Before(day) => Self::Day(i64::MIN, i64::from(*day)),
            SearchKey::On(day) => Self::Day(i64::from(*day), i64::from(*day) + 1),
            SearchKey::Since(day) => Self::Day(i64::from(*day), i64::MAX),
            SearchKey::SentBefore(day) => Self::SentDay(i64::MIN, i64::from(*day)),
            SearchKey::SentOn(day) => Self::SentDay(i64::from(*day), i64::from(*day) + 1),
            SearchKey::SentSince(day) => Self::SentDay(i64::from(*day), i64::MAX),
            SearchKey::Larger(size) => Self::Larger(*size),
            SearchKey::Smaller(size) => Self::Smaller(*size),
            SearchKey::ModSeq(mod_seq) => Self::ModSeq(*mod_seq),
            SearchKey::Header(name, value) => Self::Header(name.clone(), folded(value)),
            SearchKey::Body(value) => Self::Body(Box::new(finder(value))),
            SearchKey::Text(value) => Self::Text(Box::new(finder(value))),
        }
    }

    /// The answer as far as the row gives it; `None`: look closer.
    pub(super) fn by_row(&self, seq: u32, message: &Message, recent: bool) -> Option<bool> {
        Some(match self {
            Self::And(all) => return all_of(all.iter().map(|c| c.by_row(seq, message, recent))),
            Self::Or(both) => return any_of(both.iter().map(|c| c.by_row(seq, message, recent))),
            Self::Not(inner) => !inner.by_row(seq, message, recent)?,
            Self::Seq(set) => set.contains(seq),
            Self::Uid(set) => set.contains_uid(message.uid),
            Self::Flags { flags, keywords } => {
                message.flags.contains(*flags) && message.keywords.0 & keywords == *keywords
            }
            Self::Never => false,
            Self::Recent => recent,
            Self::Day(from, to) => (*from..*to).contains(&day(message)),
            Self::Larger(size) => u64::from(message.size) > *size,
            Self::Smaller(size) => u64::from(message.size) < *size,
            Self::ModSeq(mod_seq) => message.mod_seq >= *mod_seq,
            Self::SentDay(..) | Self::Header(..) | Self::Body(_) | Self::Text(_) => return None,
        })
    }

    /// Those of `batch` that match.
    pub(super) fn filter(&self, reader: &Reader, batch: Vec<Candidate>) -> store::Result<Vec<Candidate>> {
        let mut found = Vec::new();
        for candidate in batch {
            if self.matches(reader, &candidate)? {
                found.push(candidate);
            }
        }
        Ok(found)
    }

    fn matches(&self, reader: &Reader, candidate: &Candidate) -> store::Result<bool> {
        if let Some(answer) = self.by_row(candidate.seq, &candidate.message, candidate.recent) {
            return Ok(answer);
        }
        let body = candidate.message.body;
        Ok(match self {
            Self::And(all) => {
                for criteria in all {
                    if !criteria.matches(reader, candidate)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Or(both) => both[0].matches(reader, candidate)? || both[1].matches(reader, candidate)?,
            Self::Not(inner) => !inner.matches(reader, candidate)?,
            Self::SentDay(from, to) => {
                let sent = reader.record(body)?.and_then(|record| record.sent_day()).map(i64::from);
                // A message without a usable Date: its INTERNALDATE, as RFC 5256 section 2.2 has it for SORT.
                (*from..*to).contains(&sent.unwrap_or_else(|| day(&candidate.message)))
            }
            Self::Header(name, value) => {
                let values = header_texts(&header(reader, candidate)?, name);
                values.iter().any(|text| text.contains(value.as_str()))
            }
            Self::Body(finder) => in_text(reader, candidate, finder, false)?,
            Self::Text(finder) => {
                finder.find(header_text(&header(reader, candidate)?).as_bytes()).is_some()
                    || in_text(reader, candidate, finder, true)?
            }
            _ => false,
        })
    }
}

/// The header block of the message: from the record, or from the octets where it is too long for that.
fn header(reader: &Reader, candidate: &Candidate) -> store::Result<Vec<u8>> {
    let body = candidate.message.body;
    let Some(record) = reader.record(body)? else { return Ok(Vec::new()) };
    if !record.header().is_empty() {
        return Ok(record.header().to_vec());
    }
    let span = PartTable::from_bytes(record.parts()).section(&[], Want::Header).unwrap_or(0..0);
    let mut header = Vec::new();
    let mut cursor = BodyCursor::new(body, span.start..span.end.min(MAX_HEADER));
    while !cursor.is_done() && reader.read_body(&mut cursor, &mut header, MAX_HEADER as usize)? {}
    Ok(header)
}

/// Whether the search text has the needle, also across the pieces in which it is read. The headers of parts and
/// inner messages, which follow the text, count for TEXT and not for BODY.
fn in_text(
    reader: &Reader,
    candidate: &Candidate,
    finder: &Finder<'static>,
    inner_headers: bool,
) -> store::Result<bool> {
    let overlap = finder.needle().len().saturating_sub(1);
    let (mut found, mut window) = (overlap == 0 && finder.needle().is_empty(), Vec::new());
    reader.text(candidate.message.body, &mut |piece| {
        let text_end = memchr(INNER_HEADERS_FOLLOW, piece).filter(|_| !inner_headers);
        window.extend_from_slice(piece.get(..text_end.unwrap_or(piece.len())).unwrap_or(piece));
        found |= finder.find(&window).is_some();
        window.drain(..window.len().saturating_sub(overlap));
        !found && text_end.is_none()
    })?;
    Ok(found)
}

/// The day of INTERNALDATE, its zone disregarded (RFC 9051 section 6.4.4).
fn day(message: &Message) -> i64 {
    let date = message.internal_date;
    (date.unix + i64::from(date.offset_minutes) * 60).div_euclid(DAY)
}

fn folded(value: &[u8]) -> String {
    fold(&String::from_utf8_lossy(value))
}

fn finder(value: &[u8]) -> Finder<'static> {
    Finder::new(folded(value).as_bytes()).into_owned()
}

fn all_of(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut sure = true;
    for answer in answers {
        match answer {
            Some(false) => return Some(false),
            Some(true) => {}
            None => sure = false,
        }
    }
    sure.then_some(true)
}

fn any_of(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all_of(answers.map(|answer| answer.map(|a| !a))).map(|all| !all)
}
