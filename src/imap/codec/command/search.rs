//! SEARCH as a value.

use std::num::NonZeroU32;

use crate::imap::codec::envelope::AddressList;
use crate::mail::{FlagList, ModSeq, SequenceSet, SetNumber};

/// Arguments of SEARCH.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchArgs {
    /// UID SEARCH.
    pub uid: bool,
    /// `RETURN (...)` (RFC 4731): the answer is ESEARCH. Without it a rev1 session answers SEARCH.
    pub returns: Option<SearchReturn>,
    /// CHARSET in upper case, if given. Strings are raw bytes: the session checks and converts.
    pub charset: Option<String>,
    /// The keys, all of which must match.
    pub key: SearchKey,
}

impl SearchArgs {
    /// The result becomes `$` (RFC 5182).
    pub fn saves(&self) -> bool {
        self.returns.is_some_and(|returns| returns.save)
    }
}

/// What an ESEARCH answer is to hold (RFC 9051 section 6.4.4). `RETURN ()` asks for `all`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// `MIN`: the lowest number found.
    pub min: bool,
    /// `MAX`: the highest number found.
    pub max: bool,
    /// `ALL`: every number found.
    pub all: bool,
    /// `COUNT`: how many were found.
    pub count: bool,
    /// `SAVE`: the result becomes `$` (RFC 5182).
    pub save: bool,
    /// `PARTIAL`: a part of the numbers found, never beside `all` (RFC 9394, RFC 5267 section 4.4).
    pub partial: Option<PartialRange>,
    /// `UPDATE`: what the result gains and loses is told from then on (RFC 5267 section 4.3).
    pub update: bool,
}

/// Places in a result, of which the first is 1 (RFC 9394 section 4 `partial-range`). `500:400` is `400:500`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialRange {
    /// The place nearest to where counting begins.
    pub first: NonZeroU32,
    /// The place farthest from there.
    pub last: NonZeroU32,
    /// `-1:-100`: counted from the end.
    pub from_end: bool,
}

impl PartialRange {
    /// Which of `length` results it names, as indexes.
    pub fn of(self, length: usize) -> std::ops::Range<usize> {
        let place = |n: NonZeroU32| usize::try_from(n.get()).unwrap_or(usize::MAX);
        let (before, end) = (length.min(place(self.first) - 1), length.min(place(self.last)));
        if self.from_end { length - end..length - before } else { before..end }
    }
}

/// A search key (RFC 9051 section 6.4.4, RFC 3501 for NEW, OLD and RECENT, RFC 7162 for MODSEQ, RFC 5032 for OLDER and
/// YOUNGER, RFC 8514 for the save date).
#[derive(Clone, Debug, PartialEq)]
pub enum SearchKey {
    /// All keys of a list; an empty list is ALL.
    And(Vec<Self>),
    /// `OR`
    Or(Box<Self>, Box<Self>),
    /// `NOT`
    Not(Box<Self>),
    /// Sequence numbers.
    Seq(SequenceSet),
    /// `UID`
    Uid(SequenceSet),
    /// A flag or keyword is set: ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, KEYWORD and their UN- forms as `Not`.
    Flag(FlagList),
    /// `RECENT`; NEW is And(Recent, Not(Seen)), OLD is Not(Recent).
    Recent,
    /// `BEFORE`, days since 1970-01-01.
    Before(i32),
    /// `ON`
    On(i32),
    /// `SINCE`
    Since(i32),
    /// `SENTBEFORE`
    SentBefore(i32),
    /// `SENTON`
    SentOn(i32),
    /// `SENTSINCE`
    SentSince(i32),
    /// `SAVEDBEFORE`
    SavedBefore(i32),
    /// `SAVEDON`
    SavedOn(i32),
    /// `SAVEDSINCE`
    SavedSince(i32),
    /// `SAVEDATESUPPORTED`
    SaveDateSupported,
    /// `OLDER`, in seconds.
    Older(u32),
    /// `YOUNGER`, in seconds.
    Younger(u32),
    /// `LARGER`
    Larger(u64),
    /// `SMALLER`
    Smaller(u64),
    /// `BCC`, `CC`, `FROM` and `TO`
    Address(AddressList, Vec<u8>),
    /// `HEADER name string`, and `SUBJECT`
    Header(Vec<u8>, Vec<u8>),
    /// `BODY`
    Body(Vec<u8>),
    /// `TEXT`
    Text(Vec<u8>),
    /// `MODSEQ n` (the entry name and type are read and ignored).
    ModSeq(ModSeq),
    /// `EMAILID` (RFC 8474)
    EmailId(Vec<u8>),
    /// `THREADID` (RFC 8474)
    ThreadId(Vec<u8>),
}

impl SearchKey {
    /// Whether it names messages by sequence number. `$` names messages themselves.
    pub fn uses_numbers(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().any(Self::uses_numbers),
            Self::Or(a, b) => a.uses_numbers() || b.uses_numbers(),
            Self::Not(key) => key.uses_numbers(),
            Self::Seq(set) => *set != SequenceSet::SavedResult,
            _ => false,
        }
    }

    /// Whether the highest UID decides: `*` among UIDs.
    pub fn uses_star(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().any(Self::uses_star),
            Self::Or(a, b) => a.uses_star() || b.uses_star(),
            Self::Not(key) => key.uses_star(),
            Self::Uid(SequenceSet::Ranges(ranges)) => ranges.iter().any(|(a, b)| [*a, *b].contains(&SetNumber::Star)),
            _ => false,
        }
    }

    /// Whether the passing of time alone changes what matches.
    pub fn uses_clock(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().any(Self::uses_clock),
            Self::Or(a, b) => a.uses_clock() || b.uses_clock(),
            Self::Not(key) => key.uses_clock(),
            Self::Older(_) | Self::Younger(_) => true,
            _ => false,
        }
    }

    /// What it takes in memory, about.
    pub fn octets(&self) -> usize {
        let below = match self {
            Self::And(keys) => keys.iter().map(Self::octets).sum(),
            Self::Or(a, b) => a.octets() + b.octets(),
            Self::Not(key) => key.octets(),
            Self::Seq(SequenceSet::Ranges(ranges)) | Self::Uid(SequenceSet::Ranges(ranges)) => size_of_val(&**ranges),
            Self::Address(_, value)
            | Self::Body(value)
            | Self::Text(value)
            | Self::EmailId(value)
            | Self::ThreadId(value) => value.len(),
            Self::Header(name, value) => name.len() + value.len(),
            _ => 0,
        };
        size_of::<Self>() + below
    }
}
