//! SEARCH as a value.

use crate::imap::codec::envelope::AddressList;
use crate::mail::{FlagList, ModSeq, SequenceSet};

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
}
