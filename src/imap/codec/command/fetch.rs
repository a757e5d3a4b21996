//! FETCH as a value.

use super::PartialRange;
use crate::mail::{ModSeq, SequenceSet};

/// Arguments of FETCH.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchArgs {
    /// UID FETCH.
    pub uid: bool,
    /// Messages.
    pub set: SequenceSet,
    /// Items in the order asked for; macros expanded, duplicates dropped.
    pub items: Vec<FetchItem>,
    /// `(CHANGEDSINCE n)` (RFC 7162 section 3.1.4.1).
    pub changed_since: Option<ModSeq>,
    /// `VANISHED` beside it, in UID FETCH only (RFC 7162 section 3.2.6).
    pub vanished: bool,
    /// `(PARTIAL range)`: of the messages named only those in these places, in UID FETCH only (RFC 9394 section 3.3).
    pub partial: Option<PartialRange>,
}

/// A FETCH data item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// `UID`
    Uid,
    /// `FLAGS`
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822.SIZE`
    Size,
    /// `MODSEQ`
    ModSeq,
    /// `ENVELOPE`
    Envelope,
    /// `BODY` without a section
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `RFC822`
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`
    Rfc822Text,
    /// `BODY[section]<partial>` and `BODY.PEEK[section]<partial>`; also the Outlook form `RFC822.PEEK` as BODY.PEEK[].
    Section {
        /// What of the message.
        section: Section,
        /// `<offset.count>`; without a count, all from there on.
        partial: Option<(u64, u64)>,
        /// `.PEEK`
        peek: bool,
    },
    /// `BINARY[part]<partial>` and `BINARY.PEEK[part]<partial>` (RFC 3516).
    Binary {
        /// What of the message.
        section: Section,
        /// `<offset.count>`, of the decoded octets.
        partial: Option<(u64, u64)>,
        /// `.PEEK`
        peek: bool,
    },
    /// `BINARY.SIZE[part]` (RFC 3516): octets of the decoded part.
    BinarySize(Section),
    /// `PREVIEW` and `PREVIEW (LAZY)` (RFC 8970).
    Preview {
        /// `LAZY`: only if it costs little.
        lazy: bool,
    },
    /// `EMAILID` (RFC 8474)
    EmailId,
    /// `THREADID` (RFC 8474)
    ThreadId,
    /// `SAVEDATE` (RFC 8514)
    SaveDate,
}

/// A section specification (RFC 9051 section 6.4.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Part numbers; empty: the message itself.
    pub path: Vec<u32>,
    /// What of the part.
    pub text: SectionText,
}

/// The text part of a section specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionText {
    /// Nothing: the whole part.
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS (...)`, names as sent.
    HeaderFields(Vec<Vec<u8>>),
    /// `HEADER.FIELDS.NOT (...)`, names as sent.
    HeaderFieldsNot(Vec<Vec<u8>>),
    /// `TEXT`
    Text,
    /// `MIME` (only with a path)
    Mime,
}
