//! Whether a message matches a search key: first by its row, then by its record and search text.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memchr;
use memchr::memmem::Finder;

use crate::imap::codec::command::SearchKey;
use crate::imap::codec::envelope::{AddressList, Rendered, RenderedAddress};
use crate::imap::session::MailboxView;
use crate::mail::{Flags, Message, ModSeq, SequenceSet, UidSet};
use crate::mime::{INNER_HEADERS_FOLLOW, PartTable, Scanner, Want, decode_words, fold, header_text, header_texts};
use crate::store::{self, BodyCursor, ObjectIds, Reader};

const DAY: i64 = 86_400;

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
    /// The same of when it was put into the mailbox, in UTC (RFC 8514 section 4.3).
    SavedDay(i64, i64),
    /// INTERNALDATE at this second or before it.
    Until(i64),
    /// INTERNALDATE at this second or after it.
    From(i64),
    Larger(u64),
    Smaller(u64),
    ModSeq(ModSeq),
    EmailId(ObjectIds, Vec<u8>),
    ThreadId(ObjectIds, Vec<u8>),
    Header(Vec<u8>, String),
    /// FROM, TO, CC and BCC look into the ENVELOPE (RFC 9051 section 6.4.4).
    Address(AddressList, String),
    Body(Box<Finder<'static>>),
    Text(Box<Finder<'static>>),
}

/// What the keys refer to.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    view: &'a MailboxView,
    /// `$`
    saved: &'a UidSet,
    /// Seconds since 1970.
    now: i64,
}

impl<'a> Context<'a> {
    pub(super) fn now(view: &'a MailboxView, saved: &'a UidSet) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self { view, saved, now: since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX)) }
    }
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
    pub(super) fn new(key: &SearchKey, context: &Context<'_>) -> Self {
        let Context { view, saved, now } = *context;
        let each = |key: &SearchKey| Self::new(key, context);
        match key {
            SearchKey::And(keys) => Self::And(keys.iter().map(each).collect()),
            SearchKey::Or(a, b) => Self::Or(Box::new([each(a), each(b)])),
            SearchKey::Not(key) => Self::Not(Box::new(each(key))),
            SearchKey::Seq(SequenceSet::SavedResult) | SearchKey::Uid(SequenceSet::SavedResult) => {
                Self::Uid(saved.clone())
            }
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
            SearchKey::SavedBefore(day) => Self::SavedDay(i64::MIN, i64::from(*day)),
            SearchKey::SavedOn(day) => Self::SavedDay(i64::from(*day), i64::from(*day) + 1),
            SearchKey::SavedSince(day) => Self::SavedDay(i64::from(*day), i64::MAX),
            // Every mailbox keeps it.
            SearchKey::SaveDateSupported => Self::And(Vec::new()),
            // RFC 5032 section 3: the moment itself belongs to both.
            SearchKey::Older(seconds) => Self::Until(now - i64::from(*seconds)),
            SearchKey::Younger(seconds) => Self::From(now - i64::from(*seconds)),
            SearchKey::Larger(size) => Self::Larger(*size),
            SearchKey::Smaller(size) => Self::Smaller(*size),
            SearchKey::ModSeq(mod_seq) => Self::ModSeq(*mod_seq),
            SearchKey::EmailId(id) => Self::EmailId(view.ids(), id.clone()),
            SearchKey::ThreadId(id) => Self::ThreadId(view.ids(), id.clone()),
            SearchKey::Address(list, value) => Self::Address(*list, folded(value)),
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
            Self::SavedDay(from, to) => (*from..*to).contains(&i64::from(message.saved).div_euclid(DAY)),
            Self::Until(last) => message.internal_date.unix <= *last,
            Self::From(first) => message.internal_date.unix >= *first,
            Self::Larger(size) => u64::from(message.size) > *size,
            Self::Smaller(size) => u64::from(message.size) < *size,
            Self::ModSeq(mod_seq) => message.mod_seq >= *mod_seq,
            Self::EmailId(ids, id) => ids.email(message.body).as_bytes() == id,
            Self::ThreadId(ids, id) => ids.thread(message.thread).is_some_and(|thread| thread.as_bytes() == id),
            Self::SentDay(..) | Self::Header(..) | Self::Address(..) | Self::Body(_) | Self::Text(_) => return None,
        })
    }

    /// Whether the message matches, which may take a closer look.
    pub(super) fn matches(&self, reader: &Reader, candidate: &Candidate) -> store::Result<bool> {
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
            Self::Address(list, value) => {
                let Some(record) = reader.record(body)? else { return Ok(false) };
                Rendered::new(record.envelope()).any_address(*list, |address| shown(address).contains(value.as_str()))
            }
            Self::Body(finder) => in_text(reader, candidate, finder, false)?,
            Self::Text(finder) => in_text(reader, candidate, finder, true)?,
            _ => false,
        })
    }
}

/// An address as a person reads it, folded: `name <mailbox@host>`, or without a name `mailbox@host`. Of a group its name.
fn shown(address: &RenderedAddress) -> String {
    let RenderedAddress { name, mailbox, host } = address;
    let Some(host) = host else { return fold(&decode_words(mailbox)) };
    let plain = [mailbox, &b"@"[..], host].concat();
    let plain = String::from_utf8_lossy(&plain);
    match name {
        Some(name) => fold(&format!("{} <{plain}>", decode_words(name))),
        None => fold(&plain),
    }
}

/// The header block of the message.
pub(super) fn header(reader: &Reader, candidate: &Candidate) -> store::Result<Arc<[u8]>> {
    let message = &candidate.message;
    if let Some(kept) = reader.kept_header(message.body)? {
        return Ok(kept);
    }
    let Some(record) = reader.record(message.body)? else { return Ok(Arc::default()) };
    let span = PartTable::from_bytes(record.parts()).section(&[], Want::Header).unwrap_or(0..0);
    Ok(reader.header(message, span)?.unwrap_or_default())
}

/// Whether the text has the needle; with `headers`, whether the text or a header block has it. The text is not kept: it is
/// made of the octets, of which those after the last text are not read.
fn in_text(reader: &Reader, candidate: &Candidate, finder: &Finder<'static>, headers: bool) -> store::Result<bool> {
    let body = candidate.message.body;
    let Some(record) = reader.record(body)? else { return Ok(false) };
    let mut window = Window { finder, headers, text: Vec::new(), is_over: false };
    let (mut scanner, mut octets) = (Scanner::for_text(reader.parse_limits()), Vec::new());
    let mut cursor = BodyCursor::unverified(body, 0..record.text_end());
    while !cursor.is_done() {
        octets.clear();
        if !reader.read_body(&mut cursor, &mut octets, STEP)? {
            return Ok(false);
        }
        scanner.feed(&octets, &mut window.text);
        if window.has_needle() {
            return Ok(true);
        }
    }
    let header = scanner.finish_text(&mut window.text);
    Ok(window.has_needle() || (headers && finder.find(header_text(&header).as_bytes()).is_some()))
}

/// Octets looked through at once.
const STEP: usize = 64 * 1024;

/// The search text as it comes in pieces. The headers of parts and inner messages, which follow the text, count for TEXT and
/// not for BODY.
struct Window<'f> {
    finder: &'f Finder<'static>,
    headers: bool,
    /// What has not been looked at, after so much of the rest that no match across pieces is missed.
    text: Vec<u8>,
    is_over: bool,
}

impl Window<'_> {
    fn has_needle(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        if let Some(end) = memchr(INNER_HEADERS_FOLLOW, &self.text).filter(|_| !self.headers) {
            self.text.truncate(end);
            self.is_over = true;
        }
        let found = self.finder.find(&self.text).is_some();
        let overlap = self.finder.needle().len().saturating_sub(1);
        self.text.drain(..self.text.len().saturating_sub(overlap));
        found
    }
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
