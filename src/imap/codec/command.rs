//! Commands as values: what the parser makes of a complete command, one variant a command.

mod search;

pub use search::{SearchArgs, SearchKey, SearchReturn};

use std::num::NonZeroU32;

use crate::mail::{FlagList, FlagOp, InternalDate, MailboxName, ModSeq, SequenceSet, SpecialUse};
use crate::secret::Secret;

/// A command with its tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    /// The tag as sent (RFC 9051 section 9 `tag`).
    pub tag: Vec<u8>,
    /// The command.
    pub command: Command,
}

/// Every command that the server knows (RFC 9051 section 6, RFC 3501 section 6 and the extensions named).
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `CAPABILITY`
    Capability,
    /// `NOOP`
    Noop,
    /// `LOGOUT`
    Logout,
    /// `ID` (RFC 2971): field-value pairs; `None` for NIL.
    Id(Option<Vec<IdPair>>),
    /// `STARTTLS`
    StartTls,
    /// `AUTHENTICATE`, with the initial response of SASL-IR decoded; `=` is `Some(empty)`.
    Authenticate {
        /// Mechanism, in upper case.
        mechanism: String,
        /// Initial response.
        initial: Option<Vec<u8>>,
    },
    /// `LOGIN`
    Login {
        /// User name.
        user: Vec<u8>,
        /// Password. UTF-8 or not: a password that is not UTF-8 is no user's password.
        password: Secret,
    },
    /// `ENABLE` (RFC 5161): names in upper case, known or not.
    Enable(Vec<String>),
    /// `SELECT`
    Select(SelectArgs),
    /// `EXAMINE`
    Examine(SelectArgs),
    /// `CREATE`, with USE (RFC 6154) if given.
    Create(Name, Option<SpecialUse>),
    /// `DELETE`
    Delete(Name),
    /// `RENAME`
    Rename(Name, Name),
    /// `SUBSCRIBE`
    Subscribe(Name),
    /// `UNSUBSCRIBE`
    Unsubscribe(Name),
    /// `LIST`
    List(ListArgs),
    /// `LSUB`
    Lsub(ListArgs),
    /// `NAMESPACE` (RFC 2342)
    Namespace,
    /// `STATUS`
    Status(Name, Vec<StatusItem>),
    /// `APPEND`
    Append(AppendArgs),
    /// `IDLE` (RFC 2177); the session handles `DONE`.
    Idle,
    /// `CHECK`
    Check,
    /// `CLOSE`
    Close,
    /// `UNSELECT` (RFC 3691)
    Unselect,
    /// `EXPUNGE`, or `UID EXPUNGE` (RFC 4315) with its set.
    Expunge(Option<SequenceSet>),
    /// `SEARCH` and `UID SEARCH`
    Search(SearchArgs),
    /// `FETCH` and `UID FETCH`
    Fetch(FetchArgs),
    /// `STORE` and `UID STORE`
    Store(StoreArgs),
    /// `COPY` and `UID COPY`
    Copy(CopyArgs),
    /// `MOVE` and `UID MOVE` (RFC 6851)
    Move(CopyArgs),
}

/// A field and its value in ID (RFC 2971 section 3.3); the value may be NIL.
pub type IdPair = (Vec<u8>, Option<Vec<u8>>);

/// A mailbox name as a client named it: decoded from modified UTF-7 (or UTF-8), valid or not. A name that cannot
/// exist is no syntax error: SELECT of it answers NO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A valid name.
    Valid(MailboxName),
    /// Not a name that any mailbox can have (wrong modified UTF-7, empty level, control character, too long).
    Impossible,
}

/// Arguments of SELECT and EXAMINE.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectArgs {
    /// The mailbox.
    pub mailbox: Name,
    /// `(CONDSTORE)` (RFC 7162 section 3.1.8).
    pub condstore: bool,
    /// `(QRESYNC (...))` (RFC 7162 section 3.2.5).
    pub qresync: Option<Qresync>,
}

/// What a client that comes back says it knows (RFC 7162 section 3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qresync {
    /// The last known UIDVALIDITY.
    pub uid_validity: NonZeroU32,
    /// The last known mod-sequence; 0 for none, which clients send.
    pub mod_seq: ModSeq,
    /// The known UIDs, without `*`; all where none are given.
    pub known: Option<SequenceSet>,
    /// Message sequence match data (section 3.2.5.2): sequence numbers and their UIDs, both without `*`.
    pub matches: Option<(SequenceSet, SequenceSet)>,
}

/// Arguments of LIST and LSUB (RFC 5258 and RFC 5819 syntax is accepted in full).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListArgs {
    /// Reference name, decoded to UTF-8.
    pub reference: String,
    /// Patterns with `*` and `%`, decoded to UTF-8; one in the basic form.
    pub patterns: Vec<String>,
    /// Selection options: SUBSCRIBED
    pub select_subscribed: bool,
    /// Selection options: SPECIAL-USE (RFC 6154)
    pub select_special_use: bool,
    /// Selection options: RECURSIVEMATCH
    pub recursive_match: bool,
    /// Selection options: REMOTE (accepted; there are none)
    pub select_remote: bool,
    /// RETURN options: SUBSCRIBED
    pub return_subscribed: bool,
    /// RETURN options: CHILDREN
    pub return_children: bool,
    /// RETURN options: SPECIAL-USE
    pub return_special_use: bool,
    /// RETURN options: STATUS items (RFC 5819)
    pub return_status: Option<Vec<StatusItem>>,
    /// Whether the extended syntax was used (options, several patterns, or RETURN).
    pub extended: bool,
}

/// A STATUS data item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusItem {
    /// `MESSAGES`
    Messages,
    /// `RECENT`
    Recent,
    /// `UIDNEXT`
    UidNext,
    /// `UIDVALIDITY`
    UidValidity,
    /// `UNSEEN`
    Unseen,
    /// `DELETED`
    Deleted,
    /// `SIZE` (RFC 8438)
    Size,
    /// `HIGHESTMODSEQ` (RFC 7162)
    HighestModSeq,
}

/// Arguments of APPEND.
#[derive(Clone, Debug, PartialEq)]
pub struct AppendArgs {
    /// Target mailbox.
    pub mailbox: Name,
    /// Flags; `\Recent` in the list is ignored.
    pub flags: FlagList,
    /// INTERNALDATE, if given.
    pub date: Option<InternalDate>,
    /// Size of the literal, whose octets were streamed beside the command (see `fragment`).
    pub size: u64,
}

/// Arguments of STORE.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreArgs {
    /// UID STORE.
    pub uid: bool,
    /// Messages.
    pub set: SequenceSet,
    /// `+`, `-` or neither.
    pub op: FlagOp,
    /// `.SILENT`
    pub silent: bool,
    /// The flags; `\Recent` in the list is ignored.
    pub list: FlagList,
    /// `(UNCHANGEDSINCE n)` (RFC 7162 section 3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// Arguments of COPY and MOVE.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyArgs {
    /// The UID form.
    pub uid: bool,
    /// Messages.
    pub set: SequenceSet,
    /// Target mailbox.
    pub mailbox: Name,
}

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
        /// `<offset.count>`
        partial: Option<(u64, u64)>,
        /// `.PEEK`
        peek: bool,
    },
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
