//! What can go wrong in the store. No variant carries message text, a subject or an address (I10).

use std::io;

use super::types::Quota;

/// Why the store refused or could not do something.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such mailbox: deleted meanwhile, or never there.
    #[error("no such mailbox")]
    NoMailbox,
    /// A mailbox of this name is there already.
    #[error("the mailbox exists")]
    MailboxExists,
    /// The request makes no sense for this mailbox: it has children, is INBOX, and the like.
    #[error("{0}")]
    Refused(&'static str),
    /// An upkeep command cannot be done; says why and what to do.
    #[error("{0}")]
    Unable(String),
    /// A limit of the store: keywords, UIDs, mailboxes, message size.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// It would be more than the user may store.
    #[error("{octets} octets do not fit into the quota: {quota}")]
    OverQuota {
        /// What is used, and the limit.
        quota: Quota,
        /// What was to be added.
        octets: u64,
    },
    /// The disk is full.
    #[error("no space left in the store")]
    NoSpace,
    /// A row or body that cannot be read back.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Anything else, with what to do about it where that is known.
    #[error("store: {0}")]
    Internal(String),
    /// The store is closing or closed.
    #[error("the store is closed")]
    Closed,
}

/// A result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The label of `store_errors_total{kind}`; a closed set.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoMailbox => "no_mailbox",
            Self::MailboxExists => "mailbox_exists",
            Self::Refused(_) | Self::Unable(_) => "refused",
            Self::Limit(_) => "limit",
            Self::OverQuota { .. } => "over_quota",
            Self::NoSpace => "no_space",
            Self::Damaged(_) => "damaged",
            Self::Internal(_) => "internal",
            Self::Closed => "closed",
        }
    }

    /// Whether the store itself failed, as opposed to refusing what it was asked.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::NoSpace | Self::Damaged(_) | Self::Internal(_))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Internal(error.to_string()),
        }
    }
}
