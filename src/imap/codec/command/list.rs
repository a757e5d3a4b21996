//! LIST, LSUB and STATUS as values.

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
    /// RETURN options: METADATA entries (RFC 9590), names as sent
    pub return_metadata: Vec<Vec<u8>>,
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
    /// `DELETED-STORAGE` (RFC 9208)
    DeletedStorage,
    /// `MAILBOXID` (RFC 8474)
    MailboxId,
    /// `APPENDLIMIT` (RFC 7889)
    AppendLimit,
}
