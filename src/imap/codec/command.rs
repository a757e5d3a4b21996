//! Commands as values: what the parser makes of a complete command, one variant a command.

mod append;
mod fetch;
mod list;
mod mailbox;
mod metadata;
mod search;
mod select;
mod sort;
mod url;

pub use append::{AppendArgs, AppendMessage, AppendPart, ReplaceArgs};
pub use fetch::{FetchArgs, FetchItem, Section, SectionText};
pub use list::{ListArgs, StatusItem};
pub use mailbox::{CreateArgs, Supplied, Use};
pub use metadata::{Annotated, GetMetadataArgs, MetadataDepth, SetMetadataArgs};
pub use search::{PartialRange, SearchArgs, SearchKey, SearchReturn};
pub use select::{Qresync, SelectArgs};
pub use sort::{SortArgs, SortCriterion, SortKey, ThreadAlgorithm, ThreadArgs};
pub use url::MessageUrl;

use crate::mail::{FlagList, FlagOp, MailboxName, ModSeq, SequenceSet};
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
    /// `UNAUTHENTICATE` (RFC 8437)
    Unauthenticate,
    /// `COMPRESS` (RFC 4978): the mechanism, in upper case.
    Compress(String),
    /// `SELECT`
    Select(SelectArgs),
    /// `EXAMINE`
    Examine(SelectArgs),
    /// `CREATE`
    Create(CreateArgs),
    /// `DELETE`
    Delete(Name, Supplied),
    /// `RENAME`: the name that is, the name to be, and the first as the client wrote it where either was normalised.
    Rename(Name, Name, Supplied),
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
    /// `GETQUOTA` (RFC 9208) of a quota root.
    GetQuota(Vec<u8>),
    /// `GETQUOTAROOT` (RFC 9208)
    GetQuotaRoot(Name),
    /// `SETQUOTA` (RFC 9208) of a quota root; to what limits is not kept, as nobody may set them.
    SetQuota(Vec<u8>),
    /// `GETMETADATA` (RFC 5464)
    GetMetadata(GetMetadataArgs),
    /// `SETMETADATA` (RFC 5464)
    SetMetadata(SetMetadataArgs),
    /// `APPEND`
    Append(AppendArgs),
    /// `REPLACE` and `UID REPLACE` (RFC 8508)
    Replace(ReplaceArgs),
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
    /// `SORT` and `UID SORT` (RFC 5256)
    Sort(SortArgs),
    /// `THREAD` and `UID THREAD` (RFC 5256)
    Thread(ThreadArgs),
    /// `CANCELUPDATE` (RFC 5267 section 4.3.5): tags of searching commands.
    CancelUpdate(Vec<Vec<u8>>),
    /// `UIDBATCHES` (RFC 10022): how many messages a batch has, and which batches.
    UidBatches(u32, Option<(u32, u32)>),
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
