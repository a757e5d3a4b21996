//! SORT and THREAD (RFC 5256) as values.

use super::{SearchKey, SearchReturn};

/// Arguments of SORT.
#[derive(Clone, Debug, PartialEq)]
pub struct SortArgs {
    /// UID SORT.
    pub uid: bool,
    /// `RETURN (...)` (RFC 5267 section 3): the answer is ESEARCH.
    pub returns: Option<SearchReturn>,
    /// What to sort by, the first counting most.
    pub criteria: Vec<SortCriterion>,
    /// CHARSET in upper case.
    pub charset: String,
    /// The keys, all of which must match.
    pub key: SearchKey,
}

/// One sort criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortCriterion {
    /// `REVERSE`
    pub reverse: bool,
    /// What is compared.
    pub key: SortKey,
}

/// What SORT compares (RFC 5256 section 3, RFC 5957 for the display names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// `ARRIVAL`: INTERNALDATE.
    Arrival,
    /// `CC`: mailbox of the first address.
    Cc,
    /// `DATE`: sent date.
    Date,
    /// `DISPLAYFROM` (RFC 5957)
    DisplayFrom,
    /// `DISPLAYTO` (RFC 5957)
    DisplayTo,
    /// `FROM`: mailbox of the first address.
    From,
    /// `SIZE`
    Size,
    /// `SUBJECT`: base subject.
    Subject,
    /// `TO`: mailbox of the first address.
    To,
}

/// Arguments of THREAD.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadArgs {
    /// UID THREAD.
    pub uid: bool,
    /// How messages are grouped.
    pub algorithm: ThreadAlgorithm,
    /// CHARSET in upper case.
    pub charset: String,
    /// The keys, all of which must match.
    pub key: SearchKey,
}

/// How THREAD groups messages (RFC 5256 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// `ORDEREDSUBJECT`
    OrderedSubject,
    /// `REFERENCES`
    References,
}
